"""Tasks that really execute: Glue jobs, Athena queries, S3, SNS, by the machine that waits for them."""

import contextlib
import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from machines import Machines  # type: ignore[import-not-found]

from etholake import aws, local_server
from etholake.settings import Settings, replace_port

SCRIPT = """
import json, os, sys, time
import boto3
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if given["--mode"] == "fail":
    raise SystemExit("the disk of rig 7 is full")
if given["--mode"] == "sleep":
    time.sleep(120)
boto3.client("s3").put_object(Bucket=given["--bucket"], Key="said.json", Body=json.dumps({"rows": 7}))
"""


class Place:
    """A bucket and a Python Glue job of its own."""

    def __init__(self, settings: Settings) -> None:
        self.name = f"asl-{uuid.uuid4().hex[:8]}"
        self.s3, self.glue = aws.client(settings, "s3"), aws.client(settings, "glue")
        self.s3.create_bucket(Bucket=self.name)
        self.s3.put_object(Bucket=self.name, Key="job.py", Body=SCRIPT.encode())
        command = {"Name": "pythonshell", "ScriptLocation": f"s3://{self.name}/job.py", "PythonVersion": "3.9"}
        self.glue.create_job(Name=self.name, Role="arn:aws:iam::123456789012:role/none", Command=command)

    def job(self, mode: str, **more: Any) -> dict[str, Any]:
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::glue:startJobRun.sync",
            "Parameters": {"JobName": self.name, "Arguments": {"--bucket": self.name, "--mode": mode}},
            **more,
        }

    def runs(self) -> list[str]:
        return [run["JobRunState"] for run in self.glue.get_job_runs(JobName=self.name)["JobRuns"]]


@pytest.fixture
def place(mock_settings: Settings) -> Place:
    return Place(mock_settings)


def test_a_job_runs_and_the_machine_reads_what_it_wrote(machines: Machines, place: Place) -> None:
    read = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Parameters": {"Bucket": place.name, "Key": "said.json"},
        "ResultSelector": {"said.$": "States.StringToJson($.Body)"},
        "Assign": {"said.$": "States.StringToJson($.Body)"},
        "Next": "Many",
    }
    many = {
        "Type": "Choice",
        "Choices": [{"Variable": "$said.rows", "NumericGreaterThan": 5, "Next": "Tell"}],
        "Default": "Few",
    }
    few = {"Type": "Fail", "Error": "Few.Rows"}
    topic = aws.client(machines.settings, "sns").create_topic(Name=place.name)["TopicArn"]
    tell = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sns:publish",
        "Parameters": {"TopicArn": topic, "Subject": "done", "Message.$": "States.Format('{} rows', $said.rows)"},
        "End": True,
    }
    states = {"Job": place.job("write", Next="Read"), "Read": read, "Many": many, "Few": few, "Tell": tell}
    execution = machines.run("Job", states)
    assert execution["status"] == "SUCCEEDED", execution["cause"]
    assert json.loads(execution["output"])["MessageId"]
    assert place.runs() == ["SUCCEEDED"]
    scheduled = [
        e["taskScheduledEventDetails"]
        for e in machines.history(execution["executionArn"])
        if e["type"] == "TaskScheduled"
    ]
    assert [(e["resourceType"], e["resource"]) for e in scheduled] == [
        ("glue", "startJobRun.sync"), ("aws-sdk:s3", "getObject"), ("sns", "publish"),
    ]  # fmt: skip


def test_a_job_that_fails_says_why(machines: Machines, place: Place) -> None:
    execution = machines.run("Job", {"Job": place.job("fail", End=True)})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.TaskFailed")
    cause = json.loads(execution["cause"])
    assert (cause["JobName"], cause["JobRunState"]) == (place.name, "FAILED")
    assert "the disk of rig 7 is full" in cause["ErrorMessage"]


@pytest.mark.parametrize("how", ["time-out", "stop"])
def test_a_job_is_ended_with_its_state(machines: Machines, place: Place, how: str) -> None:
    limit = {"TimeoutSeconds": 2} if how == "time-out" else {}
    execution = machines.start(machines.make("Job", {"Job": place.job("sleep", End=True, **limit)}))
    if how == "stop":
        while place.runs() != ["RUNNING"]:
            time.sleep(0.1)
        machines.client.stop_execution(executionArn=execution)
    ended = machines.end(execution)
    assert ended["status"] == ("FAILED" if how == "time-out" else "ABORTED")
    assert ended.get("error") == ("States.Timeout" if how == "time-out" else None)
    deadline = time.monotonic() + 10
    while place.runs() != ["STOPPED"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert place.runs() == ["STOPPED"]


def test_a_query_is_waited_for_and_its_failure_is_told(machines: Machines, place: Place) -> None:
    def query(sql: str) -> dict[str, Any]:
        output = {"OutputLocation": f"s3://{place.name}/results/"}
        return {
            "Type": "Task", "Resource": "arn:aws:states:::athena:startQueryExecution.sync", "End": True,
            "Parameters": {"QueryString": sql, "WorkGroup": "primary", "ResultConfiguration": output},
        }  # fmt: skip

    execution = machines.run("Ask", {"Ask": query("SELECT 1 AS n")})
    assert execution["status"] == "SUCCEEDED", execution["cause"]
    assert json.loads(execution["output"])["QueryExecution"]["Status"]["State"] == "SUCCEEDED"
    failed = machines.run("Ask", {"Ask": query("SELECT n FROM there_is_no_such_table")})
    assert failed["error"] == "States.TaskFailed"
    assert "there_is_no_such_table" in failed["cause"]


def test_requests_that_no_service_would_take_fail_with_the_reason(machines: Machines) -> None:
    def task(service: str, action: str, **parameters: Any) -> dict[str, Any]:
        resource = f"arn:aws:states:::aws-sdk:{service}:{action}"
        return {"Ask": {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}}

    missing = machines.run("Ask", task("sagemaker", "describeEndpoint", EndpointName="none"))
    assert missing["error"] == "SageMaker.SageMakerException"
    assert "Could not find" in missing["cause"]
    crawler = machines.run("Ask", task("glue", "startCrawler", Name="none"))
    assert crawler["error"] == "Glue.EntityNotFoundException"
    mistyped = machines.run("Ask", task("glue", "startCrawler", Naem="none"))
    assert (mistyped["error"], "Naem" in mistyped["cause"]) == ("States.Runtime", True)


@pytest.fixture
def own_mock(tmp_path: Path) -> Iterator[Settings]:
    """A mock that may be killed."""
    settings = Settings(port=0, state_dir=str(tmp_path / "state"), s3_root=str(tmp_path / "s3"))
    yield settings
    local_server.down(settings)


@pytest.mark.server
def test_a_restart_in_the_middle_aborts_what_ran_and_keeps_what_had_ended(own_mock: Settings) -> None:
    running = local_server.up(own_mock)
    machines = Machines(replace_port(own_mock, running.port))
    states = {"Look": {"Type": "Wait", "SecondsPath": "$.seconds", "End": True}}
    machine = machines.make("Look", states)
    done = machines.end(machines.start(machine, {"seconds": 0}))
    left = machines.start(machine, {"seconds": 100})
    os.kill(running.pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(running.pid, 0)
    again = Machines(replace_port(own_mock, local_server.up(own_mock).port))
    assert again.client.describe_execution(executionArn=done["executionArn"])["output"] == done["output"]
    execution = again.client.describe_execution(executionArn=left)
    assert (execution["status"], execution["error"]) == ("ABORTED", "Mock.ServerStopped")
    assert "was stopped while this execution ran" in execution["cause"]
    assert again.events(left) == ["ExecutionAborted"]
    name = machine.rpartition(":")[2]
    definition = json.dumps({"StartAt": "Look", "States": states})
    same = again.client.create_state_machine(
        name=name, definition=definition, roleArn="arn:aws:iam::123456789012:role/x"
    )
    listed = again.client.list_executions(stateMachineArn=same["stateMachineArn"])["executions"]
    assert [item["status"] for item in listed] == ["ABORTED", "SUCCEEDED"]
