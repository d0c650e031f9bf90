"""Acknowledged changes outlive kill -9: catalog, queries, stacks, roles, registry; hosts start again."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from sagemaker_lab import Lab
from sagemaker_studio import Studio

from etholake import local_server
from etholake.settings import Settings, replace_port

pytestmark = pytest.mark.server
CLIENTS = 8
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}
TEMPLATE = {
    "Parameters": {"Wanted": {"Type": "String", "Default": "yes"}},
    "Conditions": {"IsWanted": {"Fn::Equals": [{"Ref": "Wanted"}, "yes"]}},
    "Resources": {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {}}},
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": "of-the-stack",
                "VersioningConfiguration": {"Status": "Enabled"},
                "LifecycleConfiguration": {
                    "Rules": [{"Id": "r", "Status": "Enabled", "Prefix": "x/", "ExpirationInDays": 3}]
                },
            },
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Condition": "IsWanted",
            "Properties": {
                "RoleName": "of-the-stack",
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
                "Policies": [{"PolicyName": "p", "PolicyDocument": POLICY}],
            },
        },
        "Database": {
            "Type": "AWS::Glue::Database",
            "Properties": {"CatalogId": "123456789012", "DatabaseInput": {"Name": "of_the_stack"}},
        },
        "Group": {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": "of-the-stack"}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "of-the-stack"}},
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "StateMachineName": "of-the-stack",
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "DefinitionString": '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}',
            },
        },
    },
    "Outputs": {"Role": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}},
}


class Server:
    """A mock of one test, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.own = Settings(port=0, state_dir=str(folder / "state"), s3_root=str(folder / "s3"))
        self.start()

    def start(self) -> None:
        running = local_server.up(self.own)
        self.pid, self.settings = running.pid, replace_port(self.own, running.port)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        while local_server.running(self.own) is not None:
            time.sleep(0.02)

    def client(self, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60)
        return boto3.client(service, endpoint_url=self.settings.endpoint_url, config=config)

    def ended(self, id_: str) -> dict[str, Any]:
        while True:
            execution: dict[str, Any] = self.client("athena").get_query_execution(QueryExecutionId=id_)[
                "QueryExecution"
            ]
            if execution["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                return execution
            time.sleep(0.02)

    def query(self, sql: str) -> str:
        started = self.client("athena").start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": "lake"},
            ResultConfiguration={"OutputLocation": "s3://kept/r/"},
        )
        assert self.ended(started["QueryExecutionId"])["Status"]["State"] == "SUCCEEDED"
        return str(started["QueryExecutionId"])


def seen(server: Server, queries: list[str]) -> dict[str, Any]:
    """Return the answers to what a client can ask for, without the headers of the answers."""
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("glue", "get_tables", {"DatabaseName": "lake"}),
        ("glue", "get_table_versions", {"DatabaseName": "lake", "TableName": "t"}),
        ("glue", "get_partitions", {"DatabaseName": "lake", "TableName": "t"}),
        ("glue", "get_databases", {}),
        ("glue", "get_job", {"JobName": "j"}),
        ("glue", "get_crawler", {"Name": "c"}),
        ("cloudformation", "describe_stacks", {"StackName": "s"}),
        ("cloudformation", "describe_stack_resources", {"StackName": "s"}),
        ("cloudformation", "describe_stack_events", {"StackName": "s"}),
        ("cloudformation", "get_template", {"StackName": "s"}),
        ("iam", "get_role", {"RoleName": "of-the-stack"}),
        ("iam", "get_role_policy", {"RoleName": "of-the-stack", "PolicyName": "p"}),
        ("kms", "list_keys", {}),
        ("sns", "list_topics", {}),
        ("stepfunctions", "list_state_machines", {}),
        ("s3", "get_bucket_versioning", {"Bucket": "of-the-stack"}),
        ("s3", "get_bucket_lifecycle_configuration", {"Bucket": "of-the-stack"}),
        ("athena", "get_work_group", {"WorkGroup": "of-the-stack"}),
        ("athena", "get_prepared_statement", {"StatementName": "st", "WorkGroup": "of-the-stack"}),
        ("athena", "list_named_queries", {}),
        ("sagemaker", "list_model_packages", {"ModelPackageGroupName": "g"}),
        ("sagemaker", "describe_model_package_group", {"ModelPackageGroupName": "g"}),
        ("sagemaker", "describe_pipeline", {"PipelineName": "fails"}),
        ("sagemaker", "list_pipeline_executions", {"PipelineName": "fails"}),
        ("sagemaker", "list_pipeline_execution_steps", {"PipelineExecutionArn": failed_execution(server)}),
        *(("athena", "get_query_execution", {"QueryExecutionId": id_}) for id_ in queries),
        *(("athena", "get_query_results", {"QueryExecutionId": id_}) for id_ in queries),
    ]
    answers = {}
    for service, operation, arguments in asked:
        answer = getattr(server.client(service), operation)(**arguments)
        answer.pop("ResponseMetadata")
        answers[f"{service}.{operation}({arguments})"] = answer
    return answers


def failed_execution(server: Server) -> str:
    executions = server.client("sagemaker").list_pipeline_executions(PipelineName="fails")
    return str(executions["PipelineExecutionSummaries"][0]["PipelineExecutionArn"])


def start_pipeline(server: Server, name: str, step: dict[str, Any]) -> str:
    sagemaker = server.client("sagemaker")
    text = json.dumps({"Version": "2020-12-01", "Steps": [step]})
    sagemaker.create_pipeline(
        PipelineName=name, PipelineDefinition=text, RoleArn="arn:aws:iam::123456789012:role/r"
    )
    started = sagemaker.start_pipeline_execution(PipelineName=name, ClientRequestToken=f"{name:x<32}")
    return str(started["PipelineExecutionArn"])


def until_step(server: Server, execution: str, *statuses: str) -> None:
    """Wait until the step of an execution has a status."""
    for _ in range(500):
        steps = server.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=execution)
        if [s for s in steps["PipelineExecutionSteps"] if s["StepStatus"] in statuses]:
            return
        time.sleep(0.02)
    raise AssertionError(f"The step of {execution} was never {statuses}")


def fill(server: Server) -> list[str]:
    """One of everything; ids of queries."""
    s3, glue, athena = (server.client(name) for name in ("s3", "glue", "athena"))
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="t/p=a/1.csv", Body=b"1\n2\n")
    stacks = server.client("cloudformation")
    stacks.create_stack(StackName="s", TemplateBody=json.dumps(TEMPLATE))
    events = stacks.describe_stack_events(StackName="s")["StackEvents"]
    assert [e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "CREATE_FAILED"] == []
    glue.create_database(DatabaseInput={"Name": "lake"})
    glue.create_job(Name="j", Role="r", Command={"Name": "glueetl", "ScriptLocation": "s3://kept/x.py"})
    glue.create_crawler(Name="c", Role="r", DatabaseName="lake", Targets={"S3Targets": [{"Path": "s3://kept/t/"}]})
    athena.create_named_query(Name="n", Database="lake", QueryString="SELECT 1")
    athena.create_prepared_statement(StatementName="st", WorkGroup="of-the-stack", QueryStatement="SELECT ?")
    ddl = "CREATE EXTERNAL TABLE t (n int) PARTITIONED BY (p string) LOCATION 's3://kept/t/'"
    queries = [
        server.query(ddl),
        server.query("MSCK REPAIR TABLE t"),
        server.query("SELECT n, p FROM t ORDER BY n"),
    ]
    queries += [server.query("SHOW PARTITIONS t"), server.query("CREATE VIEW v AS SELECT n FROM t")]
    queries += [server.query("DESCRIBE t")]
    sagemaker = server.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="g")
    made = sagemaker.create_model_package(ModelPackageGroupName="g", ModelApprovalStatus="PendingManualApproval")
    sagemaker.update_model_package(ModelPackageArn=made["ModelPackageArn"], ModelApprovalStatus="Approved")
    failing = {"Name": "F", "Type": "Fail", "Arguments": {"ErrorMessage": "as asked"}}
    until_step(server, start_pipeline(server, "fails", failing), "Failed")
    return queries


class Load:
    """Clients that write until the server is killed, and what they were told."""

    def __init__(self, server: Server) -> None:
        self.server, self.killed = server, threading.Event()
        self.tables, self.started, self.succeeded = set[str](), set[str](), set[str]()
        server.client("glue").create_database(DatabaseInput={"Name": "load"})

    def run(self, number: int) -> None:
        try:
            self.catalog(number) if number % 2 else self.ask(number)
        except (BotoCoreError, ClientError):
            assert self.killed.is_set()

    def catalog(self, number: int) -> None:
        glue = self.server.client("glue")
        for n in range(10_000):
            name = f"t{number}_{n}"
            glue.create_table(DatabaseName="load", TableInput={"Name": name})
            self.tables.add(name)
            if n % 3 == 0:
                self.tables.discard(name)
                glue.delete_table(DatabaseName="load", Name=name)

    def ask(self, number: int) -> None:
        athena = self.server.client("athena")
        for n in range(10_000):
            id_ = athena.start_query_execution(
                QueryString=f"SELECT {number * 10_000 + n} AS n",
                ResultConfiguration={"OutputLocation": "s3://kept/r/"},
            )["QueryExecutionId"]
            self.started.add(id_)
            if n % 2:
                self.server.ended(id_)
                self.succeeded.add(id_)

    def until_killed(self, seconds: float) -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            running = [pool.submit(self.run, number) for number in range(CLIENTS)]
            time.sleep(seconds)
            self.killed.set()
            self.server.kill()
            for one in running:
                one.result()


@dataclass
class Life:
    """A server with a past: it was filled, killed under load, and started again."""

    server: Server
    queries: list[str]
    before: dict[str, Any]
    load: Load
    endpoint: str
    job: str
    execution: str


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    server = Server(tmp_path_factory.mktemp("durable"))
    queries = fill(server)
    studio, lab = Studio(server.settings), Lab(server.settings)
    endpoint = studio.endpoint(studio.factor("2"))
    assert studio.settled(endpoint)["EndpointStatus"] == "InService"
    job = lab.start("import time\ntime.sleep(600)\n")
    lab.until(job, "Training")
    training = lab.request("import time\ntime.sleep(600)\n")
    del training["TrainingJobName"]
    execution = start_pipeline(server, "runs", {"Name": "T", "Type": "Training", "Arguments": training})
    until_step(server, execution, "Executing")
    server.client("s3").create_bucket(Bucket="goes")
    load = Load(server)
    before = Life(server, queries, seen(server, queries), load, endpoint, job, execution)
    before.load.until_killed(3)
    (Path(server.own.s3_root) / "goes").rmdir()
    server.start()
    yield before
    local_server.down(server.own)


def test_all_that_was_asked_before_is_answered_the_same(life: Life) -> None:
    after = seen(life.server, life.queries)
    for asked, answer in life.before.items():
        assert after[asked] == answer, asked
    assert "Not kept" not in (Path(life.server.own.state_dir) / "local_mock.log").read_text()
    answer = life.server.client("athena").get_query_results(QueryExecutionId=life.queries[2])
    assert len(answer["ResultSet"]["Rows"]) == 3


def test_no_table_of_the_load_is_lost_and_no_deleted_one_is_back(life: Life) -> None:
    tables = life.load.tables
    assert len(tables) > CLIENTS
    pages = life.server.client("glue").get_paginator("get_tables").paginate(DatabaseName="load")
    listed = {table["Name"] for page in pages for table in page["TableList"]}
    assert tables <= listed
    assert len(listed - tables) <= CLIENTS // 2  # asked for when the server died: done or not


def test_no_query_of_the_load_is_lost(life: Life) -> None:
    athena = life.server.client("athena")
    assert life.load.succeeded
    for id_ in life.load.succeeded:
        assert life.server.ended(id_)["Status"]["State"] == "SUCCEEDED"
        assert len(athena.get_query_results(QueryExecutionId=id_)["ResultSet"]["Rows"]) == 2
    for id_ in life.load.started - life.load.succeeded:
        status = life.server.ended(id_)["Status"]
        assert status["State"] == "SUCCEEDED" or "was stopped while this ran" in status["StateChangeReason"]


def test_what_ran_is_ended_and_says_why(life: Life) -> None:
    job = life.server.client("sagemaker").describe_training_job(TrainingJobName=life.job)
    assert job["TrainingJobStatus"] == "Failed"
    assert "was stopped while this ran" in job["FailureReason"]


def test_a_pipeline_that_ran_is_ended_and_its_token_starts_no_second_one(life: Life) -> None:
    sagemaker = life.server.client("sagemaker")
    execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=life.execution)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert "was stopped while this ran" in execution["FailureReason"]
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=life.execution)
    (step,) = steps["PipelineExecutionSteps"]
    assert (step["StepName"], step["StepStatus"]) == ("T", "Failed")
    again = sagemaker.start_pipeline_execution(PipelineName="runs", ClientRequestToken=f"{'runs':x<32}")
    assert again["PipelineExecutionArn"] == life.execution


def test_an_endpoint_serves_again_and_can_be_deleted(life: Life) -> None:
    assert Studio(life.server.settings).settled(life.endpoint)["EndpointStatus"] == "InService"
    local_server.down(life.server.own)  # stopped in order, its host ends before it
    life.server.start()
    again = Studio(life.server.settings)
    assert again.settled(life.endpoint)["EndpointStatus"] == "InService"
    assert json.loads(again.ask(life.endpoint, b"21")["Body"].read()) == {"value": 42.0}
    again.sagemaker.delete_endpoint(EndpointName=life.endpoint)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        again.sagemaker.describe_endpoint(EndpointName=life.endpoint)


def test_a_bucket_whose_folder_has_gone_is_gone(life: Life) -> None:
    assert "goes" not in [b["Name"] for b in life.server.client("s3").list_buckets()["Buckets"]]
    with pytest.raises(ClientError, match="does not exist"):
        life.server.client("s3").get_bucket_versioning(Bucket="goes")


def test_catalog_and_stack_that_came_back_can_be_changed(life: Life) -> None:
    server = life.server
    server.query("INSERT INTO t SELECT 3, 'b'")
    stacks = server.client("cloudformation")
    changed = json.loads(json.dumps(TEMPLATE))
    changed["Resources"]["Bucket"]["Properties"]["VersioningConfiguration"]["Status"] = "Suspended"
    stacks.update_stack(StackName="s", TemplateBody=json.dumps(changed))
    assert server.client("s3").get_bucket_versioning(Bucket="of-the-stack")["Status"] == "Suspended"
    server.client("athena").delete_prepared_statement(StatementName="st", WorkGroup="of-the-stack")
    stacks.delete_stack(StackName="s")
    with pytest.raises(ClientError, match="of-the-stack"):
        server.client("iam").get_role(RoleName="of-the-stack")
    assert "of_the_stack" not in str(server.client("glue").get_databases()["DatabaseList"])


def test_a_damaged_file_is_put_aside(life: Life) -> None:
    """The last test: it takes all but the objects away."""
    life.server.kill()
    folder = Path(life.server.own.s3_root) / ".local_mock"
    for left in folder.glob("state.sqlite*"):
        left.write_bytes(b"no database at all" * 500)
    life.server.start()
    assert "lake" not in str(life.server.client("glue").get_databases()["DatabaseList"])
    assert life.server.client("s3").get_object(Bucket="kept", Key="t/p=a/1.csv")["Body"].read() == b"1\n2\n"
    assert list(folder.glob("state.damaged-*"))
