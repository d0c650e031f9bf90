"""The deployed pipeline on the mock: what fails says where and why; small labs become a served model, once."""

import dataclasses
import datetime as dt
import io
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from etholake import aws, local_server, simulate
from etholake.errors import AwsError, DataError
from etholake.result import StageResult
from etholake.settings import Settings, replace_port
from etholake.stages import model_packages, pipeline
from etholake.stages.cloud import deploy
from etholake.stages.lake import ingest
from etholake.stages.lake.ingest.zone import MANIFEST
from etholake.stages.model import train, training_result
from etholake.stages.pipeline import history, machine, view
from etholake.stages.serving import registry, serve
from etholake.stages.state import load_state


@pytest.fixture(scope="module")
def place(mock_settings: Settings) -> Iterator[Settings]:
    """A lake and a pipeline, deployed under names of their own on the session's mock."""
    name = f"pipe-{uuid.uuid4().hex[:8]}"
    settings = dataclasses.replace(
        mock_settings, bucket=name, database=name.replace("-", "_"), workgroup=name, stack=name
    )
    deploy.run(settings)
    yield settings
    deploy.destroy(settings, name)


def drawn(settings: Settings) -> str:
    """The graph of the newest execution as text."""
    text: list[str] = []

    def watch(outline: Any, states: Any) -> None:
        console = Console(file=io.StringIO(), width=100)
        console.print(view.graph(outline, states, dt.datetime.now(dt.UTC)))
        text.append(console.file.getvalue())  # type: ignore[attr-defined]

    pipeline.status(settings, watch)
    return text[0]


def test_the_stack_is_there_as_the_template_says(place: Settings) -> None:
    assert deploy.run(place).status == "unchanged"
    client = aws.client(place, "stepfunctions")
    description = client.describe_state_machine(stateMachineArn=machine.arn(place))
    definition = json.loads(description["definition"])
    assert definition["States"]["Check"]["Parameters"]["JobName"] == f"{place.stack}-pipeline-step"
    assert "${" not in description["definition"]
    assert description["roleArn"].startswith("arn:aws:iam::123456789012:role/")
    rule = aws.client(place, "events").describe_rule(Name=f"{place.stack}-pipeline-manifest")
    assert json.loads(rule["EventPattern"])["detail"]["object"]["key"] == [MANIFEST]
    assert rule["State"] == "DISABLED"
    notification = aws.client(place, "s3").get_bucket_notification_configuration(Bucket=place.bucket)
    assert notification["EventBridgeConfiguration"] == {}


def test_a_change_of_the_settings_updates_the_stack(place: Settings) -> None:
    changed = dataclasses.replace(place, instance_type="ml.m5.xlarge")
    assert f"{place.stack}-pipeline updated" in deploy.run(changed).summary
    description = aws.client(place, "stepfunctions").describe_state_machine(stateMachineArn=machine.arn(place))
    train = json.loads(description["definition"])["States"]["Train"]["Parameters"]
    assert train["ResourceConfig"]["InstanceType"] == "ml.m5.xlarge"
    deploy.run(place)


def test_what_was_not_ingested_is_refused_before_anything_starts(place: Settings) -> None:
    with pytest.raises(DataError, match="run `make ingest` first"):
        pipeline.run(place, machine.input_of(place))
    assert pipeline.status(place).summary == "The pipeline has not run yet."


def test_a_failed_check_says_where_and_why_and_is_told(place: Settings) -> None:
    s3 = aws.client(place, "s3")
    entry = {"etag": "0" * 32, "sha256": "0" * 64, "size": 1}
    body = json.dumps({"raw-zone/metadata/train.csv": entry}).encode()
    s3.put_object(Bucket=place.bucket, Key=MANIFEST, Body=body)
    with pytest.raises(AwsError, match=r"FAILED in state Check: .*-step ended as FAILED") as failed:
        pipeline.run(place, machine.input_of(place))
    message = str(failed.value)
    assert "raw-zone/metadata/train.csv: missing" in message
    group = f"/aws-glue/{place.stack}/error"
    assert f"Its log is in the CloudWatch log groups {group}" in message
    stream = message.rpartition("stream ")[2].rstrip(".")
    logs = aws.client(place, "logs").get_log_events(logGroupName=group, logStreamName=stream)
    assert "missing" in " ".join(event["message"] for event in logs["events"])

    graph = drawn(place)
    assert "✗ Check" in graph
    assert "● TellFailure" in graph
    assert "○ Curate" in graph
    result = pipeline.status(place)
    assert (result.details["states"]["Check"], result.details["execution_status"]) == ("failed", "FAILED")


def test_a_branch_that_fails_is_tried_again_and_named(place: Settings) -> None:
    s3 = aws.client(place, "s3")
    key = "raw-zone/metadata/train.csv"
    etag = s3.put_object(Bucket=place.bucket, Key=key, Body=b"lab_id,video_id")["ETag"].strip('"')
    s3.put_object(
        Bucket=place.bucket, Key=MANIFEST, Body=json.dumps({key: {"etag": etag, "sha256": "x"}}).encode()
    )
    script = "code-zone/glue_jobs/curate_tracking.py"
    before = s3.get_object(Bucket=place.bucket, Key=script)["Body"].read()
    s3.put_object(Bucket=place.bucket, Key=script, Body=b"raise SystemExit('the disk of worker 7 is full')")
    try:
        with pytest.raises(AwsError, match=r"FAILED in state CurateTracks: .*the disk of worker 7 is full"):
            pipeline.run(place, machine.input_of(place))
    finally:
        s3.put_object(Bucket=place.bucket, Key=script, Body=before)
    runs = aws.client(place, "glue").get_job_runs(JobName=f"{place.stack}-curate-tracking")["JobRuns"]
    assert [run["JobRunState"] for run in runs] == ["FAILED", "FAILED"]
    states = pipeline.status(place).details["states"]
    assert (states["Check"], states["Curate"], states["CurateTracks"]) == ("succeeded", "failed", "failed")
    assert "│   ✗ CurateTracks" in drawn(place)


def test_stop_ends_the_execution_and_a_new_one_gets_the_next_number(place: Settings) -> None:
    assert pipeline.stop(place).status == "unchanged"
    client, given = aws.client(place, "stepfunctions"), machine.input_of(place)
    name = f"{pipeline.execution_name(place, given)}-2"
    arn = client.start_execution(stateMachineArn=machine.arn(place), name=name, input=json.dumps(given))
    assert pipeline.stop(place).details["stopped"] == [name]
    deadline = time.monotonic() + 10
    while (execution := client.describe_execution(executionArn=arn["executionArn"]))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert history.failure(execution, []) == f"Execution {name} ended as ABORTED: Stopped: by `--stop`"


def test_a_new_manifest_starts_the_pipeline_where_it_is_asked_to(place: Settings) -> None:
    client, s3 = aws.client(place, "stepfunctions"), aws.client(place, "s3")

    def started() -> list[str]:
        executions = client.list_executions(stateMachineArn=machine.arn(place))["executions"]
        return [item["executionArn"] for item in executions]

    before = started()
    s3.put_object(Bucket=place.bucket, Key=MANIFEST, Body=b"{}")  # the rule is disabled
    deploy.run(dataclasses.replace(place, pipeline_on_manifest=True))
    s3.put_object(Bucket=place.bucket, Key=f"{MANIFEST}.other", Body=b"{}")
    time.sleep(0.5)
    assert started() == before
    s3.put_object(Bucket=place.bucket, Key=MANIFEST, Body=b"{}")
    deadline = time.monotonic() + 10
    while started() == before and time.monotonic() < deadline:
        time.sleep(0.1)
    (new,) = set(started()) - set(before)
    assert json.loads(client.describe_execution(executionArn=new)["input"]) == machine.input_of(place)
    pipeline.stop(place)


# --- the whole way ------------------------------------------------------------------------------------------
class Labs:
    """Two small labs, a mock of their own, the pipeline deployed."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.base = Settings(port=0, state_dir=str(folder / "state"), s3_root=str(folder / "s3"))
        self.settings = replace_port(self.base, local_server.up(self.base).port)
        simulate.simulate(self.data, labs=2, videos=3, seconds=20.0, seed=1, dirt=0.05)
        deploy.run(self.settings)
        ingest.run(self.settings, self.data)

    def run(self, tuning: dict[str, Any] | None = None, **more: Any) -> StageResult:
        return pipeline.run(self.settings, machine.input_of(self.settings, "smoke", tuning=tuning), **more)

    def count(self, table: str, run_id: str) -> int:
        from etholake.stages.lake import query

        sql = f"SELECT count(*) AS n FROM {table} WHERE run_id = ?"
        return int(query.run_sql(self.settings, sql, [f"'{run_id}'"]).rows[0][0])


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labs]:
    made = Labs(tmp_path_factory.mktemp("labs"))
    yield made
    local_server.down(made.base)


@pytest.mark.long
def test_small_labs_become_a_served_model_and_scores_in_the_lake(labs: Labs) -> None:
    result = labs.run()
    details = result.details
    assert (result.status, details["action"]) == ("done", "register")
    assert 0.0 <= details["score"] <= 1.0
    assert labs.count("scores", details["run_id"]) > 0
    assert labs.count("predictions", details["run_id"]) >= 0
    endpoint = aws.client(labs.settings, "sagemaker").describe_endpoint(EndpointName="etholake")
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", details["model"])
    (version,) = model_packages.versions(labs.settings, model_packages.group_name(labs.settings))
    assert (version.status, version.model_name) == ("Approved", details["model"])
    assert version.score == pytest.approx(details["score"], abs=1e-6)
    states = pipeline.status(labs.settings).details["states"]
    assert states["Curate"] == states["Train"] == states["Predict"] == states["Register"] == "succeeded"


@pytest.mark.long
def test_the_same_again_changes_nothing(labs: Labs) -> None:
    first = labs.run()
    assert first.status == "unchanged"
    again = labs.run(again=True)
    assert (again.details["action"], again.details["model"]) == ("deploy", first.details["model"])
    assert again.details["score"] == first.details["score"]
    states = pipeline.status(labs.settings).details["states"]
    assert not {"Curate", "Train", "Predict", "Register", "UpdateEndpoint"} & set(states)
    group = model_packages.group_name(labs.settings)
    assert len(model_packages.versions(labs.settings, group)) == 1
    back = serve.roll_back(labs.settings, group, 1)
    assert back.summary == f"Version 1 ({first.details['model']}) is the approved one and was served already."
    from etholake.stages.lake import etl

    assert etl.run(labs.settings).status == "unchanged"  # the simple way finds its work done
    assert train.run(labs.settings, "smoke").status == "unchanged"


@pytest.mark.long
def test_a_tuning_gives_its_best_model_to_the_rest_of_the_pipeline(labs: Labs) -> None:
    ranges = {"lr": {"low": 0.001, "high": 0.01, "log": True}, "convs": {"low": 1, "high": 3, "whole": True}}
    search = {"strategy": "Random", "jobs": 2, "parallel": 2, "early_stopping": "Off", "ranges": ranges}
    result = labs.run(search)
    assert result.status == "done"
    states = pipeline.status(labs.settings).details["states"]
    assert states["Tune"] == states["BestOfTuning"] == states["Predict"] == states["Score"] == "succeeded"
    assert not {"Train", "Curate"} & set(states)
    client = aws.client(labs.settings, "sagemaker")
    (summary,) = client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    tuning = client.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=summary["HyperParameterTuningJobName"]
    )
    best = tuning["BestTrainingJob"]
    details = load_state(labs.settings, "train")["details"]
    assert details["job_name"] == best["TrainingJobName"]
    assert details["tuned"] == best["TunedHyperParameters"]
    meta = training_result.model_metadata(labs.settings, details["model_uri"])
    assert meta["config"]["convs"] == int(details["tuned"]["convs"])
    score = result.details["score"]
    approved = registry.approved(model_packages.versions(labs.settings, model_packages.group_name(labs.settings)))
    assert approved is not None
    assert (approved.model_name == result.details["model"]) == (result.details["action"] == "register")
    assert approved.score is not None
    assert approved.score >= score - 1e-6

    labs.run(search, again=True)
    assert not {"Tune", "Train", "Predict"} & set(pipeline.status(labs.settings).details["states"])


@pytest.mark.long
def test_broken_input_closes_the_gate_and_the_endpoint_stays(labs: Labs) -> None:
    lab = sorted(path.name for path in (labs.data / "train_tracking").iterdir())[0]
    for path in (labs.data / "train_tracking" / lab).glob("*.parquet"):
        path.write_bytes(b"PAR1 torn")
    ingest.run(labs.settings, labs.data)
    with pytest.raises(AwsError, match="in state Gate: ") as failed:
        labs.run()
    message = str(failed.value)
    assert "The quality gate is closed" in message
    assert f"{lab}: " in message
    assert "file-unreadable" in message
    endpoint = aws.client(labs.settings, "sagemaker").describe_endpoint(EndpointName="etholake")
    assert endpoint["EndpointStatus"] == "InService"
