"""The page of training curves: one chart a metric, one line a training job."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from etholake.pages import vega
from etholake.pages.templating import render as render_template

__all__ = ["EPOCH", "Rows", "gaps_of", "render", "steps_of"]

# The metric that counts the rows of a training: the others are drawn against it.
EPOCH = "epoch"
# {metric: value} of each logged line, in their order
Rows = list[dict[str, float]]


def render(jobs: Mapping[str, Rows]) -> str:
    """Return the page.

    Parameters
    ----------
    jobs
        ``{training job: {metric: value} of each logged line}``; a NaN, or a metric that a line lacks, is a gap.
    """
    metrics = sorted({metric for rows in jobs.values() for row in rows for metric in row} - {EPOCH})
    colours = {job: vega.PALETTE[n % len(vega.PALETTE)] for n, job in enumerate(jobs)}
    title, steps = _axis(jobs)
    charts = [
        {
            "metric": metric,
            "last": ", ".join(f"{values[-1]:.4g}" for rows in jobs.values() if (values := _values(rows, metric))),
            "svg": vega.svg(
                _spec(metric, title, steps, jobs, colours), f"{metric} of {len(jobs)} training jobs by {title}"
            ),
        }
        for metric in metrics
    ]
    return render_template("curves.html", charts=charts, colours=colours, axis=title)


def steps_of(rows: Rows) -> list[float] | None:
    """Return the epoch of each row; None if a row has none, or if they do not grow from row to row. Pure."""
    epochs = [row[EPOCH] for row in rows if math.isfinite(row.get(EPOCH, math.nan))]
    return epochs if len(epochs) == len(rows) and all(a < b for a, b in pairwise(epochs)) else None


def gaps_of(rows: Rows) -> dict[str, list[float | None]]:
    """Return {metric: its value of every row, None for a gap}, without `EPOCH`. Pure."""
    metrics = dict.fromkeys(name for row in rows for name in row if name != EPOCH)
    return {name: [_finite(row.get(name)) for row in rows] for name in metrics}


def _axis(jobs: Mapping[str, Rows]) -> tuple[str, Mapping[str, Sequence[float]]]:
    """Return the title of the common axis and, by job, where its rows stand on it."""
    epochs = {job: steps for job, rows in jobs.items() if (steps := steps_of(rows)) is not None}
    if len(epochs) == len(jobs):
        return EPOCH, epochs
    return "logged line", {job: range(1, len(rows) + 1) for job, rows in jobs.items()}


def _values(rows: Rows, metric: str) -> list[float]:
    return [row[metric] for row in rows if metric in row]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _spec(
    metric: str,
    title: str,
    steps: Mapping[str, Sequence[float]],
    jobs: Mapping[str, Rows],
    colours: Mapping[str, str],
) -> vega.Spec:
    values = [
        {"step": step, "metric": _finite(row.get(metric)), "job": job}
        for job, rows in jobs.items()
        for step, row in zip(steps[job], rows, strict=True)
    ]
    longest = max((at[-1] - at[0] for at in steps.values() if at), default=0)
    whole_numbers = {"format": "d", "tickCount": min(6, max(1, int(longest)))}
    return {
        "width": 380, "height": 160, "data": {"values": values},
        "mark": {"type": "line", "point": {"size": 12}, "strokeWidth": 2},
        "encoding": {
            "x": {"field": "step", "type": "quantitative", "title": title, "axis": whole_numbers,
                  "scale": {"zero": False, "nice": False}},
            "y": {"field": "metric", "type": "quantitative", "title": None, "scale": {"zero": False},
                  "axis": {"tickCount": 5}},
            "color": {"field": "job", "type": "nominal", "legend": None,
                      "scale": {"domain": list(colours), "range": list(colours.values())}},
        },
    }  # fmt: skip
