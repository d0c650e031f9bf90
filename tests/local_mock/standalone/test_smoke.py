"""An installed `local_mock` works with nothing around it. This folder alone is the suite.

Run it anywhere:   pip install 'local-mock[pytest]'; pytest test_smoke.py
"""

import json
import time
from typing import Any

import boto3


def athena(sql: str, bucket: str = "results") -> list[list[str | None]]:
    """Run one statement and return its rows as text, the header first."""
    client = boto3.client("athena")
    query = client.start_query_execution(
        QueryString=sql, ResultConfiguration={"OutputLocation": f"s3://{bucket}/athena/"}
    )["QueryExecutionId"]
    while True:
        status = client.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            break
        time.sleep(0.02)
    assert status["State"] == "SUCCEEDED", status
    rows = client.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    return [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]


def test_objects_are_files(local_mock: Any) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="lake")
    s3.put_object(Bucket="lake", Key="a/b.txt", Body=b"text", Metadata={"kind": "note"})
    assert (local_mock.s3_root / "lake" / "a" / "b.txt").read_bytes() == b"text"
    assert s3.head_object(Bucket="lake", Key="a/b.txt")["Metadata"] == {"kind": "note"}


def test_a_test_starts_without_buckets(local_mock: Any) -> None:
    assert boto3.client("s3").list_buckets()["Buckets"] == []


def test_athena_answers_from_files_in_s3(local_mock: Any) -> None:
    s3 = boto3.client("s3")
    for name in ("lake", "results"):
        s3.create_bucket(Bucket=name)
    s3.put_object(Bucket="lake", Key="mice/1.csv", Body=b"mouse1,3\nmouse2,4\n")
    athena("CREATE DATABASE IF NOT EXISTS field")
    athena(
        "CREATE EXTERNAL TABLE IF NOT EXISTS field.mice (name string, age int) "
        "ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://lake/mice/'"
    )
    assert athena("SELECT name, age * 2 FROM field.mice ORDER BY name DESC") == [
        ["name", "_col1"],
        ["mouse2", "8"],
        ["mouse1", "6"],
    ]


def test_a_python_shell_job_runs(local_mock: Any) -> None:
    s3, glue = boto3.client("s3"), boto3.client("glue")
    s3.create_bucket(Bucket="code")
    script = "import boto3; boto3.client('s3').put_object(Bucket='code', Key='done', Body=b'yes')"
    s3.put_object(Bucket="code", Key="job.py", Body=script.encode())
    command = {"Name": "pythonshell", "PythonVersion": "3.9", "ScriptLocation": "s3://code/job.py"}
    glue.create_job(Name="smoke", Role="role", Command=command)
    run = glue.start_job_run(JobName="smoke")["JobRunId"]
    while True:
        state = glue.get_job_run(JobName="smoke", RunId=run)["JobRun"]
        if state["JobRunState"] in ("SUCCEEDED", "FAILED"):
            break
        time.sleep(0.05)
    assert state["JobRunState"] == "SUCCEEDED", state
    assert s3.get_object(Bucket="code", Key="done")["Body"].read() == b"yes"


def test_a_state_machine_executes(local_mock: Any) -> None:
    machines = boto3.client("stepfunctions")
    double = {"Type": "Pass", "Parameters": {"sum.$": "States.MathAdd($.a, $.b)"}, "End": True}
    machine = machines.create_state_machine(
        name=f"smoke-{time.monotonic_ns()}",
        roleArn="arn:aws:iam::123456789012:role/states",
        definition=json.dumps({"StartAt": "Add", "States": {"Add": double}}),
    )["stateMachineArn"]
    execution = machines.start_execution(stateMachineArn=machine, input='{"a": 2, "b": 3}')["executionArn"]
    while (state := machines.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(0.02)
    assert json.loads(state["output"]) == {"sum": 5}
