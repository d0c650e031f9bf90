"""Stage curves: the metrics of a training job as curves on a page, from its log and its metric definitions.

The same on every target: the expressions of the job are applied to its lines in CloudWatch Logs. With several jobs
(those of a tuning job, say) each is one curve.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.errors import DataError
from etholake.pages.base import many, text
from etholake.pages.base import page as whole
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.model.training_job import LOG_GROUP
from etholake.stages.state import load_state

__all__ = ["metrics_of", "page", "run"]

STAGE = "curves"
WIDTH, HEIGHT = 420, 180
COLOURS = ("#1565c0", "#c62828", "#2e7d32", "#6a1b9a", "#ef6c00", "#00838f")
Curves = dict[str, list[float]]


def run(settings: Settings, output: Path, jobs: Sequence[str] = ()) -> StageResult:
    """Chart the metrics of `jobs` (default: the newest training job) on the page `output`, and as JSON beside it.

    Returns
    -------
    StageResult
        `details`: `jobs`, {job: {metric: values in their order}}; `output`.

    Raises
    ------
    DataError
        No model has been trained, or the jobs have left no metric.
    """
    newest = (load_state(settings, "train").get("details") or {}).get("job_name")
    chosen = list(jobs) or ([newest] if newest else [])
    if not chosen:
        raise DataError("No training job is known: run `make train` first, or name one with --job.")
    client = aws.client(settings, "sagemaker")
    found = {}
    for job in chosen:
        definitions = client.describe_training_job(TrainingJobName=job)["AlgorithmSpecification"].get(
            "MetricDefinitions", []
        )
        found[job] = metrics_of(_lines(settings, job), {d["Name"]: d["Regex"] for d in definitions})
    if not any(found.values()):
        raise DataError(f"The logs of {', '.join(chosen)} hold no metric (log group {LOG_GROUP}).")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    output.write_text(page(found), encoding="utf-8")
    names = sorted({name for curves in found.values() for name in curves})
    summary = f"{', '.join(names)} of {len(chosen)} training job(s); see {output}."
    return StageResult(STAGE, "done", summary, {"jobs": found, "output": str(output)})


def metrics_of(lines: Iterator[str], expressions: Mapping[str, str]) -> Curves:
    """{metric: its values in the order of the lines}; metrics without a value are left out. Pure."""
    patterns = {name: re.compile(expression) for name, expression in expressions.items()}
    found: Curves = {}
    for line in lines:
        for name, pattern in patterns.items():
            for match in pattern.finditer(line):
                try:
                    found.setdefault(name, []).append(float(match[1]))
                except ValueError:
                    continue
    return {name: values for name, values in found.items() if values}


def _lines(settings: Settings, job: str) -> Iterator[str]:
    """The lines of the job's first instance; none if there is no log."""
    logs = aws.client(settings, "logs")
    try:
        streams = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{job}/algo-1")[
            "logStreams"
        ]
    except logs.exceptions.ResourceNotFoundException:
        return
    for stream in streams:
        token: dict[str, Any] = {"startFromHead": True}
        while True:
            page_of = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"], **token)
            yield from (event["message"] for event in page_of["events"])
            if page_of["nextForwardToken"] == token.get("nextToken") or not page_of["events"]:
                break
            token = {"nextToken": page_of["nextForwardToken"]}


_STYLE = """<style>
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(360px, 1fr)); gap: 16px }
.charts figure { margin: 0; padding: 12px 16px } .charts svg { display: block; width: 100%; height: auto }
figcaption { font-weight: 600; margin-bottom: 4px } figcaption small { font-weight: 400; color: var(--soft) }
.frame { stroke: var(--line) } text { font-size: 11px; fill: var(--soft) } polyline { fill: none; stroke-width: 2 }
</style>"""


def page(jobs: Mapping[str, Curves]) -> str:
    """One chart a metric, one line a job, without scripts. Pure."""
    names = sorted({name for curves in jobs.values() for name in curves})
    legend = "".join(
        f'<li style="--tone:{COLOURS[n % len(COLOURS)]}"><i></i>{text(job)}</li>' for n, job in enumerate(jobs)
    )
    charts = "".join(_figure(name, [curves.get(name, []) for curves in jobs.values()]) for name in names)
    said = f"{many(len(names), 'metric')} of {many(len(jobs), 'training job')}, value by value."
    return whole(
        "training curves",
        [f'<header><h1>Training curves</h1><p>{said}</p></header><ul class="legend">{legend}</ul>',
         f'<div class="charts">{charts}</div>'],
        _STYLE,
    )  # fmt: skip


def _figure(name: str, curves: Sequence[Sequence[float]]) -> str:
    last = ", ".join(f"{curve[-1]:.4g}" for curve in curves if curve)
    head = f"<figcaption>{text(name)} <small>{last}</small></figcaption>"
    return f'<figure class="panel">{head}{_chart(curves)}</figure>'


def _chart(curves: Sequence[Sequence[float]]) -> str:
    values = [value for curve in curves for value in curve]
    low, high = min(values), max(values)
    longest = max(len(curve) for curve in curves)
    lines = []
    for n, curve in enumerate(curves):
        points = " ".join(
            f"{10 + (WIDTH - 20) * i / max(1, longest - 1):.1f},"
            f"{HEIGHT - 15 - (HEIGHT - 30) * (value - low) / ((high - low) or 1):.1f}"
            for i, value in enumerate(curve)
        )
        lines.append(f'<polyline points="{points}" stroke="{COLOURS[n % len(COLOURS)]}"/>')
    grid = "".join(f'<line class="frame" x1="0" x2="{WIDTH}" y1="{y}" y2="{y}"/>' for y in (15, HEIGHT - 15))
    scale = f'<text x="4" y="12">{high:.4g}</text><text x="4" y="{HEIGHT - 3}">{low:.4g}</text>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{grid}{"".join(lines)}{scale}</svg>'
