"""Stage curves: the metrics of a training job as curves on a page, from its log and its metric definitions.

The same on every target: the expressions of the job are applied to its lines in CloudWatch Logs. With several jobs
(those of a tuning job, say) each is one curve. The metric `EPOCH` is what the others are drawn against.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.errors import DataError
from etholake.pages.curves import EPOCH, Rows, render
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.model.training_job import LOG_GROUP
from etholake.stages.state import load_state

__all__ = ["Curves", "curves_of", "read", "rows_of", "run"]

STAGE = "curves"
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
    rows = {job: read(settings, job) for job in chosen}
    curves = {job: curves_of(logged) for job, logged in rows.items()}
    names = sorted({name for metrics in curves.values() for name in metrics} - {EPOCH})
    if not names:
        raise DataError(f"The logs of {', '.join(chosen)} hold no metric (log group {LOG_GROUP}).")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(curves, indent=1), encoding="utf-8")
    output.write_text(render(rows), encoding="utf-8")
    summary = f"{', '.join(names)} of {len(chosen)} training job(s); see {output}."
    return StageResult(STAGE, "done", summary, {"jobs": curves, "output": str(output)})


def read(settings: Settings, job: str) -> Rows:
    """Return the metrics that a job, running or ended, has logged so far, as `rows_of` does."""
    description = aws.client(settings, "sagemaker").describe_training_job(TrainingJobName=job)
    definitions = description["AlgorithmSpecification"].get("MetricDefinitions", [])
    return rows_of(_lines(settings, job), {d["Name"]: d["Regex"] for d in definitions})


def rows_of(lines: Iterable[str], expressions: Mapping[str, str]) -> Rows:
    """Return {metric: value} of every line that has a metric, in the order of the lines. Pure.

    A line in which an expression matches several times gives several rows. A match that is no number is no value.
    """
    patterns = {name: re.compile(expression) for name, expression in expressions.items()}
    rows: Rows = []
    for line in lines:
        values = {name: _numbers(pattern, line) for name, pattern in patterns.items()}
        for several in zip_longest(*values.values()):
            rows.append({name: value for name, value in zip(values, several, strict=True) if value is not None})
    return rows


def curves_of(rows: Rows) -> Curves:
    """Return {metric: its values in the order of the rows}; metrics without a value are left out. Pure."""
    curves: Curves = {}
    for row in rows:
        for name, value in row.items():
            curves.setdefault(name, []).append(value)
    return curves


def _numbers(pattern: re.Pattern[str], line: str) -> list[float]:
    numbers = []
    for match in pattern.finditer(line):
        try:
            numbers.append(float(match[1]))
        except ValueError:
            continue
    return numbers


def _lines(settings: Settings, job: str) -> Iterator[str]:
    """Yield the lines of the job's first instance; none if there is no log."""
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
            page = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"], **token)
            yield from (event["message"] for event in page["events"])
            if page["nextForwardToken"] == token.get("nextToken") or not page["events"]:
                break
            token = {"nextToken": page["nextForwardToken"]}
