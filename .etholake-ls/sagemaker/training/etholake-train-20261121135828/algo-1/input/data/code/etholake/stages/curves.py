"""Stage curves: the metrics of a training job as curves on a page, from its log and its metric definitions.

The same on every target: the expressions of the job are applied to its lines in CloudWatch Logs. With several jobs
(those of a tuning job, say) each is one curve.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.errors import DataError
from etholake.settings import Settings
from etholake.stages import StageResult, load_state
from etholake.stages.train import LOG_GROUP

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


def page(jobs: Mapping[str, Curves]) -> str:
    """One chart a metric, one line a job, without scripts. Pure."""
    names = sorted({name for curves in jobs.values() for name in curves})
    charts = "".join(
        f"<h2>{html.escape(name)}</h2>{_chart([curves.get(name, []) for curves in jobs.values()])}"
        for name in names
    )
    legend = "".join(
        f'<li style="color:{COLOURS[n % len(COLOURS)]}">{html.escape(job)}</li>' for n, job in enumerate(jobs)
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Training curves</title>'
        "<style>body{font:15px sans-serif;margin:2em}svg{border:1px solid #ccc}text{font-size:11px}</style>"
        f"<h1>Training curves</h1><ul>{legend}</ul>{charts}</html>\n"
    )


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
        colour = COLOURS[n % len(COLOURS)]
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    scale = f'<text x="4" y="12">{high:.4g}</text><text x="4" y="{HEIGHT - 3}">{low:.4g}</text>'
    return f'<svg width="{WIDTH}" height="{HEIGHT}" role="img">{"".join(lines)}{scale}</svg>'
