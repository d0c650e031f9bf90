"""The mock reads the state of an earlier version: a catalog of one document, jobs, executions of pipelines."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


def test_databases_of_an_earlier_version_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.backends import get_backend

    from local_mock.durable import state

    account, region = "999999999999", "us-east-1"
    backends = get_backend("glue")
    backends[account][region].create_database("lake", {"Name": "lake", "Description": "of an earlier version"})
    path = tmp_path / "state.sqlite"
    try:
        with monkeypatch.context() as earlier:
            earlier.setattr(state, "_SPLIT", {})
            state.State(path).save("glue")
        backends[account][region].reset()
        again = state.State(path)
        again.restore()
        database = backends[account][region].databases["lake"]
        assert database.input["Description"] == "of an earlier version"
        again.save("glue")
        names = {name for (name,) in sqlite3.connect(path).execute("SELECT name FROM documents")}
        assert f"glue/{account}/{region}/lake" in names
    finally:
        del backends[account]


def test_what_an_earlier_version_kept_has_the_attributes_of_this_one() -> None:
    from moto.sagemaker.models import FakePipelineExecution

    from local_mock.durable import restart
    from local_mock.glue.models import ExecutingJob

    arn = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p/execution/abc"
    kept = FakePipelineExecution(arn, "shown", [], "", {}, "{}", "token")
    pipeline: Any = SimpleNamespace(
        pipeline_name="p", arn=arn.partition("/execution")[0], role_arn="role", parallelism_configuration=None,
        pipeline_definition="{}", pipeline_executions={arn: kept},
    )  # fmt: skip
    empty: dict[str, dict[str, Any]] = {
        name: {} for name in (
            "training_jobs", "transform_jobs", "processing_jobs", "hyper_parameter_tuning_jobs", "endpoints")
    }  # fmt: skip
    restart._sagemaker(SimpleNamespace(pipelines={"p": pipeline}, **empty), SimpleNamespace())  # type: ignore[arg-type]
    execution = pipeline.pipeline_executions[arn]
    assert (execution.id, execution.ended, execution.steps) == ("abc", True, {})
    shown = execution.description()
    assert shown["PipelineExecutionArn"] == arn
    assert shown["PipelineExecutionDisplayName"] == "shown"
    assert shown["CreationTime"] == kept.creation_time

    job = ExecutingJob.__new__(ExecutingJob)
    job.name, job.job_runs = "j", []
    glue: Any = SimpleNamespace(jobs={"j": job}, crawlers={})
    restart._glue(glue, SimpleNamespace(), SimpleNamespace())  # type: ignore[arg-type]
    assert job.bookmark_entry()["Run"] == 0
