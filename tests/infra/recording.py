"""Record, on a mock of its own, which IAM actions the stages and their jobs need on which resources (minutes)."""

import datetime as dt
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from iam_calls import Calls, translated

from etholake import aws, local_server, logs, simulate
from etholake.settings import Settings
from etholake.stages import pipeline
from etholake.stages.cloud import cost, deploy
from etholake.stages.lake import compact, etl, ingest, query, vacuum
from etholake.stages.lake.ingest.zone import MANIFEST
from etholake.stages.model import evaluate, explain, features, processing, train, tune
from etholake.stages.pipeline import machine
from etholake.stages.reports import curves, dashboards
from etholake.stages.reports import run_report as report
from etholake.stages.serving import predict, registry, serve
from local_mock import lifecycle


def start(folder: Path) -> tuple[Settings, Path]:
    """(settings of a recording mock of its own, the file of its calls)."""
    calls = folder / "calls.jsonl"
    settings = Settings(port=0, state_dir=str(folder / "state"), s3_root=str(folder / "s3"))
    running = lifecycle.up(replace(local_server.options(settings), record_calls=calls))
    return replace(settings, port=running.port), calls


def record(folder: Path) -> Calls:
    """Run every stage, and on a lake of its own the pipeline, and return what was called."""
    calls: Calls = {}
    for name, stages in (("by-stages", _stages), ("by-pipeline", _pipeline_stages)):
        calls |= record_lake(folder / name, stages)
    return calls


def record_lake(folder: Path, stages: Callable[[Settings, Path], dict[str, Callable[[], Any]]]) -> Calls:
    """Run `stages` on a small lake of their own."""
    settings, calls = start(folder)
    try:
        logs.to_file(settings.state_dir)
        logs.log_event("recording", "what every stage calls")
        deploy.run(settings)
        aws.export(settings)
        simulate.simulate(folder / "data", labs=2, videos=4, seconds=20, seed=1)
        recorded: Calls = {}
        for stage, run in stages(settings, folder).items():
            offset = calls.stat().st_size
            run()
            with calls.open("rb") as file:
                file.seek(offset)
                lines = file.read().decode().splitlines()
            if not stage.startswith("("):  # what stands between the stages, and is none
                recorded[stage] = translated(map(json.loads, lines))
            if stage == "manifest":  # how far the execution comes until it is stopped is chance
                recorded[stage] = [call for call in recorded[stage] if call[0] == "StartRole"]
        return recorded
    finally:
        logs.silence()
        local_server.down(settings)


def _stages(settings: Settings, folder: Path) -> dict[str, Callable[[], Any]]:
    """Stage -> how it is run here. The second etl finds a lab less, so that partitions are dropped."""

    def etl_with_a_lab_less() -> Any:
        for path in sorted((folder / "s3" / settings.bucket / "raw-zone").rglob("lab_id=*"))[:1]:
            for lab in (folder / "s3" / settings.bucket / "raw-zone").rglob(path.name):
                shutil.rmtree(lab)
        return etl.run(settings)

    search = {"strategy": "Random", "jobs": 1, "parallel": 1, "early_stopping": "Off"}
    return {
        "ingest": lambda: ingest.run(settings, folder / "data"),
        "etl": lambda: etl.run(settings),
        "compact": lambda: compact.run(settings),
        "query": lambda: query.run_report(settings, "lake_overview", {}),
        "features": lambda: features.run(settings),
        "train": lambda: train.run(settings, "smoke", ()),
        "tune": lambda: tune.run(settings, "smoke", (), **search),
        "serve": lambda: serve.run(settings),
        "serve serverless": lambda: serve.run(settings, "serverless"),
        "serve async": lambda: serve.run(settings, "async"),
        "registry": lambda: (
            registry.register(settings),
            registry.approve(settings, 1),
            registry.show(settings, "etholake"),
        ),
        "predict": lambda: predict.run(settings, "train", None, folder / "events.csv"),
        "evaluate as job": lambda: processing.evaluate(settings, folder / "events.csv"),
        "evaluate": lambda: evaluate.run(settings, folder / "data", folder / "events.csv", "recorded"),
        "explain": lambda: explain.run(settings, "current"),
        "curves": lambda: curves.run(settings, folder / "curves.html"),
        "cost": lambda: (cost.lines(settings), cost.video_hours(settings)),
        "report": lambda: report.run(settings, "", folder),
        "dashboards": lambda: dashboards.run(settings, folder / "page.html"),
        "etl again": etl_with_a_lab_less,
        "vacuum": lambda: vacuum.run(settings, dt.timedelta(0)),
    }


def _pipeline_stages(settings: Settings, folder: Path) -> dict[str, Callable[[], Any]]:
    """The pipeline on raw data that nothing has touched, with a training and with a tuning; what starts it."""
    search = {"strategy": "Random", "jobs": 1, "parallel": 1, "early_stopping": "Off"}

    def start_by_manifest() -> None:
        """A new manifest starts the pipeline; it ends at its check."""
        s3, states = aws.client(settings, "s3"), aws.client(settings, "stepfunctions")
        s3.put_object(Bucket=settings.bucket, Key=MANIFEST, Body=b"{}")
        deadline = time.monotonic() + 60
        while not any(
            states.list_executions(stateMachineArn=machine.arn(settings), statusFilter=status)["executions"]
            for status in ("RUNNING", "FAILED")
        ):
            assert time.monotonic() < deadline, "the manifest did not start the pipeline"
            time.sleep(0.2)
        pipeline.stop(settings)

    return {
        "(ingest)": lambda: ingest.run(settings, folder / "data"),
        "pipeline": lambda: pipeline.run(settings, machine.input_of(settings, "smoke")),
        "pipeline status": lambda: pipeline.status(settings),
        "pipeline tunes": lambda: pipeline.run(settings, machine.input_of(settings, "smoke", tuning=search)),
        "(rule)": lambda: deploy.run(replace(settings, pipeline_on_manifest=True)),
        "manifest": start_by_manifest,
    }
