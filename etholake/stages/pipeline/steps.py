"""The steps of the pipeline that are code: they run inside the Glue job `pipeline_step.py`, one a run.

A step returns a JSON object, which the job leaves where the state machine and later steps read it (`result_key`).
The stages' own functions do the work: a table that `make etl` has made is not made again here, and the other way
round. Nothing here starts a job or changes an endpoint: that is the state machine's.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etholake import aws, logs
from etholake.contract import MODEL_ZONE, QUALITY_POINTER, RAW_ZONE, RULES, STATE_ZONE
from etholake.digest import fingerprint
from etholake.errors import DataError, UsageError, raise_collected, suggestion
from etholake.events.submission import write_csv
from etholake.events.types import Event
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages.lake import etl
from etholake.stages.lake.ingest.zone import RawZoneBucket
from etholake.stages.model import evaluate, tune
from etholake.stages.model.training_inputs import SOURCE, STAGE, trained_details, training_plan
from etholake.stages.model.training_result import save_training
from etholake.stages.serving import predict, prediction_tables, registry
from etholake.stages.serving.model_requests import ModelRequests
from etholake.stages.serving.trained_model import trained_model
from etholake.stages.serving.videos import Videos
from etholake.stages.state import load_state, open_lake
from etholake.storage import split_uri

__all__ = [
    "STEPS", "Run", "check", "gate", "gate_problems", "requests", "result_key", "run", "run_id", "score",
]  # fmt: skip

Given = Mapping[str, Any]
SHOWN = 5
SPLIT = "train"  # the held-out videos of this split are predicted and scored


def run(
    settings: Settings, name: str, execution: str, given: Given, training: Given | None = None
) -> dict[str, Any]:
    """Run one step and leave its result for the state machine.

    Parameters
    ----------
    execution : name of the execution, under which earlier steps left their results.
    given : the execution's input (`etholake.stages.pipeline.machine.input_of`).
    training : description of the training job that has just completed; {} or None if none ran.

    Raises
    ------
    UsageError
        There is no such step.
    EtholakeError
        What the step itself raises: a sentence that says where and why.
    """
    if name not in STEPS:
        raise UsageError(f"There is no step '{name}'. {suggestion(name, STEPS)}")
    result = STEPS[name](settings, Run(settings, execution, given, training or {}))
    aws.client(settings, "s3").put_object(
        Bucket=settings.bucket,
        Key=result_key(execution, name),
        Body=json.dumps(result, default=str).encode(),
        ContentType="application/json",
    )
    return result


@dataclass(frozen=True)
class Run:
    """One execution as a step sees it."""

    settings: Settings
    execution: str
    given: Given
    training: Given

    def earlier(self, step: str) -> dict[str, Any]:
        """Return the result of an earlier step of this execution."""
        key = result_key(self.execution, step)
        body = aws.client(self.settings, "s3").get_object(Bucket=self.settings.bucket, Key=key)["Body"].read()
        result: dict[str, Any] = json.loads(body)
        return result


def result_key(execution: str, step: str) -> str:
    """Return the key under which a step of an execution leaves its result."""
    return f"{STATE_ZONE}/pipeline/{execution}/{step}.json"


def run_id(given: Given, execution: str) -> str:
    """Return the run id for the logs of the execution's jobs: the starter's, or its own if a rule started it."""
    return str(given.get("run_id") or execution)


# --- ingest check -----------------------------------------------------------------------------------------
def check(settings: Settings, run: Run) -> dict[str, Any]:
    """Check that the raw zone is what its manifest says; return whether it has been curated already.

    Raises DataError that names the objects which are missing or are not those that were ingested.
    """
    zone = RawZoneBucket.read(settings)
    if not zone.manifest:
        raise DataError(f"The raw zone of bucket '{settings.bucket}' has no manifest: run `make ingest` first.")
    bad = [key for key, entry in zone.manifest.items() if zone.present.get(key) != entry.get("etag")]
    problems = [
        f"{key}: {'not the object that was ingested' if key in zone.present else 'missing'}" for key in bad
    ]
    what = "The raw zone is not what its manifest says; ingest again"
    raise_collected(DataError, what, _some(problems))
    digest, arguments = etl.inputs(settings)
    lake = open_lake(settings)
    return {
        "run": fingerprint(run.execution),
        "files": len(zone.manifest),
        "digest": digest,
        "arguments": arguments | {logs.ARGUMENT: run_id(run.given, run.execution)},
        "run_id": run_id(run.given, run.execution),
        "curated": etl.is_current(load_state(settings, etl.STAGE), digest, lake.register()),
    }


# --- quality gate -----------------------------------------------------------------------------------------
def gate(settings: Settings, run: Run) -> dict[str, Any]:
    """Check that the curated data may train a model: row balance and quarantined part of each lab.

    Returns as well whether there is anything to train or to tune, and with which search. Raises DataError with
    every lab, its worst rule and file.
    """
    lake = open_lake(settings)
    registered = lake.register()
    report = _quality(lake)
    raise_collected(
        DataError, "The quality gate is closed", _some(gate_problems(report, run.given["max_quarantined"]))
    )
    digest = run.earlier("check")["digest"]
    if not etl.is_current(load_state(settings, etl.STAGE), digest, registered):
        etl.save(settings, lake, digest, registered, {"runs": {}})
    planned = training_plan(settings, run.given["config"], run.given["holdout"])
    if planned.clip_set:
        raise UsageError(
            f"The pipeline trains on tracks, and the configuration '{run.given['config']}' reads pixels: train it "
            "with `etholake train`."
        )
    options = run.given.get("tuning") if run.given.get("tune") else None
    wanted, exists, program = planned.digest, planned.model is not None, "train.py"
    if options:
        wanted, program = fingerprint(planned.digest, options), "trial.py"
        exists = trained_details(settings, wanted) is not None
    totals = report["totals"]
    return {
        "rows_in": totals["rows_in"],
        "rows_curated": totals["rows_curated"],
        "rows_quarantined": totals["rows_quarantined"],
        "train": not exists and not options,
        "tune": not exists and bool(options),
        "digest": wanted,
        "parameters": _parameters(
            settings, planned.parameters | {"run_id": run_id(run.given, run.execution)}, program
        ),
        "tuning": tune.search_request(settings, options) if options else {},
    }


def _parameters(settings: Settings, arguments: Given, program: str) -> dict[str, str]:
    """Return the hyper-parameters of the training job, as text: arguments of `program`, and where it lies."""
    return {
        **{name: str(value) for name, value in arguments.items()},
        "sagemaker_program": program,
        "sagemaker_submit_directory": f"s3://{settings.bucket}/{SOURCE}",
    }


def gate_problems(report: Given, max_quarantined: float) -> list[str]:
    """Return the problems of the data, a sentence each: where (lab, file) and why (rule, shares). Pure.

    `report` is the JSON of `etholake.curate.quality`; `max_quarantined` the largest share of a lab's rows, 0..1.
    """
    problems = [f"{name}: rows in are not rows curated plus rows quarantined" for name in report["unbalanced"]]
    totals = report["totals"]
    if totals["rows_in"] != totals["rows_curated"] + totals["rows_quarantined"]:
        problems.append(
            f"{totals['rows_in']:,} rows in, but {totals['rows_curated']:,} curated and "
            f"{totals['rows_quarantined']:,} quarantined"
        )
    for lab, sums in report["labs"].items():
        if sums["rows_in"] and sums["rows_quarantined"] > max_quarantined * sums["rows_in"]:
            problems.append(
                f"{lab}: {sums['rows_quarantined']:,} of {sums['rows_in']:,} rows were quarantined, the limit is "
                f"{100 * max_quarantined:g} %{_worst(report, lab)}"
            )
        problems += _lost_files(report, lab, max_quarantined)
    if not totals["rows_curated"]:
        problems.append("no row was curated: there is nothing to train on")
    return problems


def _lost_files(report: Given, lab: str, limit: float) -> list[str]:
    """Return a sentence for each kind of file of which a lab has lost too many."""
    problems = []
    own = [file for file in report["files"] if file["lab_id"] == lab]
    for kind in sorted({file["kind"] for file in own}):
        files = [file for file in own if file["kind"] == kind]
        lost = [file for file in files if any(_leaves_out(rule) for rule in file["rules"])]
        if len(lost) > limit * len(files):
            rules = sorted({rule for file in lost for rule in file["rules"] if _leaves_out(rule)})
            problems.append(
                f"{lab}: {len(lost)} of {len(files)} {kind} files were left out whole ({', '.join(rules)}), "
                f"the limit is {100 * limit:g} %; see {lost[0]['source_file']}"
            )
    return problems


def _leaves_out(rule: str) -> bool:
    return (RULES[rule].unit, RULES[rule].severity) == ("file", "quarantine")


def _worst(report: Given, lab: str) -> str:
    """Return the rules that fired in the file of a lab that lost most rows."""
    own = [file for file in report["files"] if file["lab_id"] == lab and file["rows_quarantined"]]
    if not own:
        return ""
    worst = max(own, key=lambda file: file["rows_quarantined"])
    return f"; most in {worst['source_file']} (rules: {', '.join(worst['rules'])})"


def _quality(lake: Lake) -> dict[str, Any]:
    """Return the latest quality report. Raises DataError if there is none."""
    try:
        pointer = json.loads(lake.s3.get_object(Bucket=lake.bucket, Key=QUALITY_POINTER)["Body"].read())
    except lake.s3.exceptions.NoSuchKey as err:
        where = f"s3://{lake.bucket}/{QUALITY_POINTER}"
        raise DataError(f"There is no quality report at {where}: the tables have not been curated.") from err
    body = lake.s3.get_object(Bucket=lake.bucket, Key=pointer["json"])["Body"].read()
    report: dict[str, Any] = json.loads(body)
    return report


# --- requests of the held-out videos ----------------------------------------------------------------------
def requests(settings: Settings, run: Run) -> dict[str, Any]:
    """Save the trained model as the newest, and write one request per held-out video for the batch transform.

    The model is that of the training job that has just completed (of a tuning the best one), or the one that
    was there before.
    """
    if run.training:
        seconds = float(run.training.get("BillableTimeInSeconds", 0))
        digest, job_description = run.earlier("gate")["digest"], dict(run.training)
        tuned = {"tuned": _tuned(run.given, job_description)} if run.given.get("tune") else {}
        save_training(settings, digest, run.given["config"], job_description, seconds, **tuned)
    model, uri = trained_model(settings)
    source = Videos(settings, SPLIT)
    spans = _held_out(settings)
    chosen = predict.choose_videos(source.rows, SPLIT, None, [span["video_id"] for span in spans])
    states = source.states(sorted({source.rows[video]["lab_id"] for video in chosen}))
    run_id = fingerprint(model, SPLIT, chosen, states)
    job = f"etholake-{run_id}-{run.earlier('check')['run']}"
    prefix = f"{MODEL_ZONE}/requests/{job}/"
    predicted = prediction_tables.is_committed(source.lake, run_id)
    limit = run.given["max_payload_mb"]  # inside a job there is no jobs.json
    spans_of: dict[int, tuple[int, int]] = {}
    skipped: dict[int, str] = {}
    if not predicted:
        asked = ModelRequests.of_model(source, uri)
        spans_of, skipped = predict.upload(settings, asked, chosen, prefix, _quiet, limit)
    if len(skipped) == len(chosen):
        raise DataError(f"None of the {len(chosen)} held-out videos has tracks and labelled behaviours.")
    return {
        "model": model,
        "model_uri": uri,
        "run_id": run_id,
        "transform": not predicted,
        "job": job,
        "input": f"s3://{settings.bucket}/{prefix}",
        "output": settings.uri(MODEL_ZONE, "predictions", job),
        "videos": [video for video in chosen if video not in skipped],
        "frames": [[video, *span] for video, span in spans_of.items()],
    }


def _tuned(given: Given, job_description: Given) -> dict[str, str]:
    """Return the values that the search chose for the tuned fields, as text."""
    return {name: job_description["HyperParameters"][name] for name in given["tuning"]["ranges"]}


def _quiet(_done: int, _total: int, _what: str) -> None:
    """Report no progress: no one watches inside a job."""


# --- evaluate and compare -----------------------------------------------------------------------------------
def score(settings: Settings, run: Run) -> dict[str, Any]:
    """Write the answers of the transform into `predictions` and `scores`, and compare with the approved model.

    Returns the score, and what to do with the model: ``action`` is `register`, `deploy` (it is the approved one)
    or `keep` (the approved one is not beaten), ``reason`` says why.
    """
    wanted = run.earlier("requests")
    source, run_id = Videos(settings, SPLIT), str(wanted["run_id"])
    if wanted["transform"]:
        events, answers = predict.collect(settings, wanted["job"], wanted["videos"])
        frames = {video: (start, stop) for video, start, stop in wanted["frames"]}
        about = {"model": wanted["model"], "split": SPLIT}
        prediction_tables.commit(source, run_id, events, frames, answers, about)
        predict.remove(settings, split_uri(wanted["input"])[1])
    spans = {s["video_id"]: (s["start_frame"], s["stop_frame"]) for s in _held_out(settings)}
    with tempfile.TemporaryDirectory() as folder:
        truth, submission = Path(folder) / "truth", Path(folder) / "submission.csv"
        _download_truth(settings, truth, {video: source.rows[video]["lab_id"] for video in spans})
        write_csv(submission, _predicted(source.lake, run_id))
        result = evaluate.run(settings, truth, submission, run_id, spans=spans)
    source.lake.register()
    value = result.details["scores"]["score"]
    test_set = fingerprint(sorted(spans.items()))
    decision = registry.decide(settings, run.given["model_package_group"], wanted["model_uri"], value, test_set)
    return {
        "score": value,
        "score_text": f"{value:.6f}",
        "run_id": run_id,
        "test_set": test_set,
        "videos": len(spans),
        **decision,
    }


def _held_out(settings: Settings) -> list[dict[str, int]]:
    """Return the spans of the test part of the newest model's split."""
    split = (load_state(settings, STAGE).get("details") or {}).get("split", {})
    spans: list[dict[str, int]] = split.get("test", [])
    return spans


def _predicted(lake: Lake, run_id: str) -> list[Event]:
    """Return the events of one run of `predictions`."""
    names = ("video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame", "confidence")
    return [Event(**row) for row in lake.read("predictions", {"run_id": run_id}, names).to_pylist()]


def _download_truth(settings: Settings, folder: Path, labs: Mapping[int, str]) -> None:
    """Download metadata and annotations of the videos from the raw zone, in the MABe layout."""
    s3 = aws.client(settings, "s3")
    keys = {f"{RAW_ZONE}/metadata/{SPLIT}.csv": folder / f"{SPLIT}.csv"}
    for video, lab in labs.items():
        key = f"{RAW_ZONE}/{SPLIT}_annotation/lab_id={lab}/{video}.parquet"
        keys[key] = folder / f"{SPLIT}_annotation" / lab / f"{video}.parquet"
    for key, path in keys.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.write_bytes(s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read())
        except s3.exceptions.NoSuchKey:
            continue  # a video without annotations has no truth; without any, `evaluate` says so


# --- shared -------------------------------------------------------------------------------------------------
def _some(problems: Sequence[str]) -> list[str]:
    """Return the first few problems, so that the sentence fits into a job's error message."""
    more = [f"… and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    return [*problems[:SHOWN], *more]


STEPS = {"check": check, "gate": gate, "requests": requests, "score": score}
