"""The report of a run as one HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from etholake.pages.templating import counted
from etholake.pages.templating import render as render_template

__all__ = ["render"]

MAX_STEPS, MAX_FILES, MAX_LINES = 80, 60, 40  # shown; the JSON has all
MAX_COUNTS = 6  # figures of a step
# Seconds between two marks of the time axis.
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_TONES = {
    "done": "good", "succeeded": "good", "unchanged": "grey", "caught": "warn", "failed": "bad", "no end": "warn",
}  # fmt: skip


def render(report: Mapping[str, Any]) -> str:
    """Return the page of a run.

    Parameters
    ----------
    report
        The run as `etholake.stages.reports.run_report` collects it.
    """
    files = [line for line in report["quarantined"] if "file" in line]
    files.sort(key=lambda line: (not line["whole"], -line["rows"]))
    rules: Counter[str] = Counter()
    for line in files:
        rules.update(line["rules"])
    costs = [line["usd"] for line in report["cost"] if not line["per"]]
    return render_template(
        "run_report.html",
        report=report,
        tiles=_tiles(report, sum(costs)),
        **_time_line(report),
        events=_events(report),
        scores=_scores(report["scores"]),
        total=sum(costs),
        dearest=max(1e-12, *costs, 0.0),
        files=files,
        rules=rules.most_common(),
        most_rows=max(1, *rules.values(), 0),
        max_steps=MAX_STEPS,
        max_files=MAX_FILES,
        max_lines=MAX_LINES,
        beside="in the JSON beside this page",
        day=_day,
        figure=_figure,
        seconds=_seconds,
    )


def _tiles(report: Mapping[str, Any], usd: float) -> list[tuple[str, str, str, str]]:
    steps, quarantined = report["steps"], report["quarantined"]
    failed, unended = (sum(step["status"] == status for step in steps) for status in ("failed", "no end"))
    score = report["scores"][-1]["score"] if report["scores"] else None
    named = sum(line.get("rows", 0) for line in quarantined)
    # The lines of a job may be out of reach; what the stage itself counted is then the greater figure.
    rows = max([named, *(step["counts"].get("rows_quarantined", 0) for step in steps)])
    note = f"{counted(rows, 'row')} quarantined" + (f", {named:,} of them named here" if named < rows else "")
    return [
        (_seconds(report["seconds"]), "from first line to last", f"{_day(report['ended'])} UTC", ""),
        (f"{len(steps):,}", "stages and jobs", f"{failed} failed, {unended} without an end",
         "bad" if failed else ""),
        (f"{len(report['failures']):,}", "failures", counted(len(report["retries"]), "retry", "retries"),
         "bad" if report["failures"] else "good"),
        ("–" if rows and not quarantined else f"{len(quarantined):,}", "files lost rows", note, ""),
        ("–" if score is None else f"{score:.3f}", "official score", "held-out videos", ""),
        (f"${usd:.2f}" if report["cost"] else "–", "would be AWS's bill", "for this lake's last runs", ""),
    ]  # fmt: skip


def _time_line(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the steps with their place on the time axis, and the marks of the axis, in per cent of its length."""
    length = max(0.1, report["seconds"], *(step["began"] + step["seconds"] for step in report["steps"]))
    tick = next((t for t in TICKS if length / t <= 8), TICKS[-1])
    marks = [(100 * n * tick / length, _seconds(n * tick)) for n in range(int(0.97 * length / tick) + 1)]
    steps = [_step(step, length) for step in report["steps"][:MAX_STEPS]]
    return {"marks": marks, "tick_width": 100 * tick / length, "steps": steps}


def _step(step: Mapping[str, Any], length: float) -> dict[str, Any]:
    figures = [(name.replace("_", " "), value) for name, value in list(step["counts"].items())[:MAX_COUNTS]]
    return {
        **step,
        "tone": _TONES.get(step["status"], "warn"),
        "left": 100 * step["began"] / length,
        "width": 100 * step["seconds"] / length,
        "figures": figures if step["status"] in {"done", "succeeded"} else [],
        "text": step["message"],
    }


def _events(report: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return (kind, tone, log line) of what failed, was tried again or was left out."""
    kinds = (("failures", "failed", "bad"), ("retries", "tried again", "warn"), ("skipped", "left out", "grey"))
    return [(kind, tone, line) for key, kind, tone in kinds for line in report[key]]


def _scores(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the last score that has labs (else the last one) as rows, the score of all labs first."""
    if not scores:
        return None
    last = next((score for score in reversed(scores) if score["labs"]), scores[-1])
    return {"stage": last["stage"], "rows": [("all labs", last["score"]), *last["labs"].items()]}


def _day(time: str) -> str:
    return time.replace("T", " ")[:19]


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _seconds(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes < 120 else f"{minutes / 60:.1f} h"
