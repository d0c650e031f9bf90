"""Stage report: one run as a page to look at: what ran and for how long, what went wrong, scores, cost.

Everything is read from the run's own lines (`etholake.logs`): those of this machine's file, and those that its
jobs left in CloudWatch under the same run id. The page is `report_page`'s; the same as JSON lies beside it. Where
nothing answers, the page is made of the local lines alone and says so.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake import aws, logs
from etholake.errors import DataError, EtholakeError
from etholake.pages.run_report import render
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.cloud import cost
from etholake.stages.model import processing, training_job
from etholake.stages.serving.endpoint_requests import endpoint_name, log_group
from etholake.stages.state import load_state
from etholake.storage import split_uri

__all__ = ["collect", "newest", "run", "steps"]

STAGE = "report"
LOCAL = "this machine"
# Stages that bring in data, make tables, models and scores. The others look at them, or make their place.
WORK = frozenset(
    {"ingest", "etl", "features", "train", "tune", "serve", "predict", "evaluate", "pipeline", "demo"}
)
_REFUSALS = frozenset({"DataError", "SettingsError", "UsageError"})  # of what the user gave
EARLIER_MS = 60_000  # clocks of two machines differ
Line = dict[str, Any]
_PLAIN = frozenset(
    {*logs.FIELDS, "source", "seconds", "status", "error", "command", "target", "bucket", "traceback"}
)


def run(settings: Settings, name: str, folder: Path) -> StageResult:
    """Write ``folder/report-<run>.html``, and JSON beside it, of the run `name` ("": `newest`).

    Returns
    -------
    StageResult
        `details`: `run`, `outcome`, `steps`, `failures`, `quarantined`, `output`.

    Raises
    ------
    DataError
        There is no line of such a run, here or in CloudWatch.
    """
    name = logs.checked(name) if name else newest(settings)
    local = _local(settings, name)
    since = int(_at(local[0]["time"]) * 1000) - EARLIER_MS if local else None
    remote, notes = _of_jobs(settings, name, since)
    lines = sorted([*local, *remote], key=lambda line: str(line["time"]))
    if not lines:
        runs = ", ".join(path.stem for path in _files(settings)[:5]) or "none"
        raise DataError(f"No line of run '{name}' is known. Runs of this machine: {runs}. {' '.join(notes)}")
    costs = _cost(settings)
    places = _places(settings, name, lines, answers=bool(costs["cost"]))
    report = collect(name, lines) | {"notes": notes, **costs, "logs": places}
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / f"report-{name}.html"
    output.with_suffix(".json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    output.write_text(render(report), encoding="utf-8")
    counts = {key: len(report[key]) for key in ("steps", "failures", "quarantined")}
    summary = (
        f"run {name}: {report['outcome']}, {counts['steps']} steps, {counts['failures']} failures; see {output}."
    )
    return StageResult(
        STAGE, "done", summary, {"run": name, "outcome": report["outcome"], **counts, "output": str(output)}
    )


def newest(settings: Settings) -> str:
    """Return the newest run of this machine that worked on the lake; if there is none, the newest of any kind.

    A query or a page that was made later does not hide the run that a user wants to see, nor does a verb that was
    refused for a mistyped file. Raises DataError if there is no run.
    """
    if not (files := _files(settings)):
        raise DataError(
            f"{logs.folder(settings.state_dir)} holds no run: run `make ingest etl` first, or name a run."
        )
    return next((path.stem for path in files if _has_worked(path)), files[0].stem)


def _has_worked(path: Path) -> bool:
    """Return whether a stage of `WORK` has started in the run of this file, and was not refused at once."""
    with path.open(encoding="utf-8") as file:
        lines = [line for text in file if (line := logs.parse(text.strip())) is not None]
    events = [line for line in lines if line["stage"] in WORK]
    refused = [line["event"] for line in events] == ["start", "failed"] and events[1].get("error") in _REFUSALS
    return bool(events) and not refused


# --- what the lines say: pure -------------------------------------------------------------------------------
def collect(name: str, lines: Sequence[Line]) -> dict[str, Any]:
    """Return the run as JSON: `outcome`, `began`, `ended`, `seconds`, `steps`, and the lines of each kind."""
    ran = steps(lines)
    began, ended = str(lines[0]["time"]), str(lines[-1]["time"])
    of = {
        kind: [line for line in lines if line["event"] == kind]
        for kind in ("failed", "retry", "quarantined", "skipped")
    }
    first = next((line for line in lines if "target" in line), {})
    scored = [line for line in lines if line["event"] == "end" and isinstance(line.get("score"), float)]
    unended = any(step["status"] == "no end" for step in ran)
    return {
        "run": name, "began": began, "ended": ended, "seconds": round(_at(ended) - _at(began), 1),
        "target": first.get("target", ""), "bucket": first.get("bucket", ""),
        "commands": [line["command"] for line in lines if "command" in line],
        "outcome": "failed" if of["failed"] else "not ended" if unended else "succeeded",
        "steps": ran, "failures": _once(of["failed"]), "retries": of["retry"],
        "quarantined": of["quarantined"], "skipped": of["skipped"],
        "scores": [
            {"stage": line["stage"], "score": line["score"], "labs": line.get("lab_scores", {})} for line in scored
        ],
    }  # fmt: skip


def steps(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """Return every stage, job and state that started, in that order.

    Each has `began` and `seconds` (from the first line on), `status` (done, unchanged, succeeded, failed, or
    `no end`: it runs still or was killed), `counts`, `message`, `source` and `depth` (how many it lies within).
    """
    started: list[dict[str, Any]] = []
    zero: float | None = None
    last = 0.0
    for line in lines:
        at = _at(line["time"])
        zero = at if zero is None else zero
        last = max(last, at - zero)
        who = {"stage": line["stage"], "source": line["source"]}
        still = [
            s for s in started if s["status"] == "no end" and {"stage": s["stage"], "source": s["source"]} == who
        ]
        if line["event"] == "start":
            started.append(
                who | {"began": at - zero, "seconds": 0.0, "status": "no end", "message": "", "counts": {}}
            )
        elif line["event"] in {"end", "failed"} and (still or "status" in line):
            seconds = float(line.get("seconds") or 0.0)
            step = still[-1] if still else who | {"began": max(0.0, at - zero - seconds), "counts": {}}
            if not still:
                started.append(step)
            status = "failed" if line["event"] == "failed" else line.get("status", "done")
            step |= {"seconds": seconds, "status": status, "message": line["message"], "counts": _counts(line)}
    for step in started:
        if step["status"] == "no end":
            step["seconds"] = last - step["began"]
        step |= {"began": round(step["began"], 2), "seconds": round(step["seconds"], 2)}
    started.sort(key=lambda s: (s["began"], -s["seconds"]))
    for n, step in enumerate(started):
        step["depth"] = sum(_within(step, other) for other in started[:n])
    return started


def _within(step: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether a step began and ended within another, give or take a tenth of a second."""
    return bool(step["began"] + step["seconds"] <= other["began"] + other["seconds"] + 0.1)


def _counts(line: Line) -> dict[str, Any]:
    """Return the figures of a line: neither flags nor identifiers."""
    figures = {k: v for k, v in line.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return {k: v for k, v in figures.items() if k not in _PLAIN and not k.endswith("_id")}


def _once(lines: Iterable[Line]) -> list[Line]:
    """Return the failures without repetitions: job, stage and command report the same one, the first is kept."""
    distinct: list[Line] = []
    for line in lines:
        if not any(
            line["message"] in other["message"] or other["message"] in line["message"] for other in distinct
        ):
            distinct.append(line)
    return distinct


def _at(time: str) -> float:
    return dt.datetime.fromisoformat(time).timestamp()


# --- where the lines are ------------------------------------------------------------------------------------
def _files(settings: Settings) -> list[Path]:
    """Return the files of this machine's runs, the newest first."""
    paths = logs.folder(settings.state_dir).glob("*.jsonl")
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)


def _local(settings: Settings, name: str) -> list[Line]:
    path = logs.folder(settings.state_dir) / f"{name}.jsonl"
    texts = [p.read_text(encoding="utf-8") for p in (path.with_name(path.name + ".1"), path) if p.is_file()]
    lines = (logs.parse(text) for text in "".join(texts).splitlines())
    return [line | {"source": LOCAL} for line in lines if line]


def log_groups(settings: Settings) -> list[str]:
    """Return the CloudWatch log groups that the jobs of a run write to."""
    return [
        f"/aws-glue/{settings.stack}/output", training_job.LOG_GROUP, processing.LOG_GROUP,
        "/aws/sagemaker/TransformJobs", log_group(endpoint_name()),
    ]  # fmt: skip


def _of_jobs(settings: Settings, name: str, since: int | None) -> tuple[list[Line], list[str]]:
    """Return the lines of the run's jobs, and a note on each log group that could not be read."""
    from botocore.exceptions import BotoCoreError, ClientError

    lines: list[Line] = []
    notes = []
    for group in log_groups(settings):
        try:
            lines += _in_group(settings, group, name, since)
        except ClientError as err:
            if err.response["Error"]["Code"] != "ResourceNotFoundException":  # no such job has run yet
                notes.append(f"Log group {group} cannot be read: {err}.")
        except BotoCoreError as err:
            return [], [f"Nothing answers on target '{settings.target}', so the lines of jobs are missing: {err}."]
    return lines, notes


def _in_group(settings: Settings, group: str, name: str, since: int | None) -> Iterator[Line]:
    client = aws.client(settings, "logs")
    when = {} if since is None else {"startTime": since}
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=group, filterPattern=f'"{name}"', **when
    )
    for page in pages:
        for event in page["events"]:
            line = logs.parse(event["message"].strip())
            if line and line["run"] == name:
                yield line | {"source": f"{group}: {event['logStreamName']}"}


def _places(settings: Settings, name: str, lines: Iterable[Line], *, answers: bool) -> list[dict[str, str]]:
    """Return where the lines and the reports lie, for a person who wants to see more."""
    path = logs.folder(settings.state_dir).resolve() / f"{name}.jsonl"
    places = (
        [{"what": "this machine's lines", "where": str(path), "link": path.as_uri()}] if path.is_file() else []
    )
    quality = (load_state(settings, "etl").get("details") or {}).get("quality", "") if answers else ""
    jobs = dict.fromkeys(str(line["source"]) for line in lines if line["source"] != LOCAL)
    places += [{"what": "a job's lines (CloudWatch)", "where": source, "link": ""} for source in jobs]
    if uri := quality:
        file = Path(settings.s3_root).resolve() / "/".join(split_uri(uri))
        places.append({"what": "data quality", "where": uri, "link": file.as_uri() if file.is_file() else ""})
    return places


def _cost(settings: Settings) -> dict[str, Any]:
    """Return the cost table, or why there is none."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        hours = cost.video_hours(settings)
        return {
            "cost": [vars(line) for line in cost.lines(settings)], "hours": hours,
            "prices": cost.prices(settings.region)["as_of"],
        }  # fmt: skip
    except (EtholakeError, BotoCoreError, ClientError) as err:
        return {"cost": [], "hours": 0.0, "prices": "", "no_cost": str(err)}
