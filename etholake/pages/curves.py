"""The page of training curves: one chart a metric, one line a training job."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from etholake.pages import vega
from etholake.pages.templating import render as render_template

__all__ = ["render"]

Curves = Mapping[str, Sequence[float]]


def render(jobs: Mapping[str, Curves]) -> str:
    """Return the page.

    Parameters
    ----------
    jobs
        ``{training job: {metric: values in the order in which they were logged}}``; NaN is a gap.
    """
    metrics = sorted({metric for curves in jobs.values() for metric in curves})
    colours = {job: vega.PALETTE[n % len(vega.PALETTE)] for n, job in enumerate(jobs)}
    charts = [
        {
            "metric": metric,
            "last": ", ".join(f"{curves[metric][-1]:.4g}" for curves in jobs.values() if curves.get(metric)),
            "svg": vega.svg(
                _spec(metric, jobs, colours), f"{metric} of {len(jobs)} training jobs, value by value"
            ),
        }
        for metric in metrics
    ]
    return render_template("curves.html", charts=charts, colours=colours)


def _spec(metric: str, jobs: Mapping[str, Curves], colours: Mapping[str, str]) -> vega.Spec:
    values = [
        {"value": number, "metric": value if math.isfinite(value) else None, "job": job}
        for job, curves in jobs.items()
        for number, value in enumerate(curves.get(metric, ()), start=1)
    ]
    longest = max(len(curves.get(metric, ())) for curves in jobs.values())
    whole_numbers = {"format": "d", "tickCount": min(6, max(1, longest - 1))}
    return {
        "width": 380, "height": 160, "data": {"values": values},
        "mark": {"type": "line", "point": {"size": 12}, "strokeWidth": 2},
        "encoding": {
            "x": {"field": "value", "type": "quantitative", "title": "logged value", "axis": whole_numbers,
                  "scale": {"zero": False, "nice": False}},
            "y": {"field": "metric", "type": "quantitative", "title": None, "scale": {"zero": False},
                  "axis": {"tickCount": 5}},
            "color": {"field": "job", "type": "nominal", "legend": None,
                      "scale": {"domain": list(colours), "range": list(colours.values())}},
        },
    }  # fmt: skip
