"""What was acknowledged is there after kill -9: catalog, queries, stacks, roles, registry; hosts start again."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from sagemaker_lab import Lab
from sagemaker_studio import Studio

from etholake.settings import Settings, replace_port
from local_mock import lifecycle

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
                "Policies": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": []}}],
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
        running = lifecycle.up(self.own)
        self.pid, self.settings = running.pid, replace_port(self.own, running.port)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def client(self, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60)
        return boto3.client(service, endpoint_url=self.settings.endpoint_url, config=config)

    def ended(self, id_: str) -> dict[str, Any]:
        while True:
            found: dict[str, Any] = self.client("athena").get_query_execution(QueryExecutionId=id_)[
                "QueryExecution"
            ]
            if found["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                return found
            time.sleep(0.02)

    def query(self, sql: str) -> str:
        started = self.client("athena").start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": "lake"},
            ResultConfiguration={"OutputLocation": "s3://kept/r/"},
        )
        assert self.ended(started["QueryExecutionId"])["Status"]["State"] == "SUCCEEDED"
        return str(started["QueryExecutionId"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path)
    yield found
    lifecycle.down(found.own)


def seen(server: Server, queries: list[str]) -> dict[str, Any]:
    """What a client can ask for, without the headers of the answers."""
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
        ("athena", "list_query_executions", {}),
        ("sagemaker", "list_model_packages", {"ModelPackageGroupName": "g"}),
        ("sagemaker", "describe_model_package_group", {"ModelPackageGroupName": "g"}),
        *(("athena", "get_query_execution", {"QueryExecutionId": id_}) for id_ in queries),
        *(("athena", "get_query_results", {"QueryExecutionId": id_}) for id_ in queries),
    ]
    found = {}
    for service, operation, arguments in asked:
        answer = getattr(server.client(service), operation)(**arguments)
        answer.pop("ResponseMetadata")
        found[f"{service}.{operation}({arguments})"] = answer
    return found


def fill(server: Server) -> list[str]:
    """One of everything; ids of queries."""
    s3, glue, athena = (server.client(name) for name in ("s3", "glue", "athena"))
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="t/p=a/1.csv", Body=b"1\n2\n")
    server.client("cloudformation").create_stack(StackName="s", TemplateBody=json.dumps(TEMPLATE))
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
    return queries


def test_all_is_there_after_kill_9_and_works_on(server: Server) -> None:
    queries = fill(server)
    before = seen(server, queries)
    server.kill()
    server.start()
    after = seen(server, queries)
    for asked, answer in before.items():
        assert after[asked] == answer, asked
    assert "Not kept" not in (Path(server.own.state_dir) / "local_mock.log").read_text()
    assert len(server.client("athena").get_query_results(QueryExecutionId=queries[2])["ResultSet"]["Rows"]) == 3
    server.query("INSERT INTO t SELECT 3, 'b'")  # a catalog that came back can be written
    stacks = server.client("cloudformation")
    changed = json.loads(json.dumps(TEMPLATE))
    changed["Resources"]["Bucket"]["Properties"]["VersioningConfiguration"]["Status"] = "Suspended"
    stacks.update_stack(StackName="s", TemplateBody=json.dumps(changed))
    assert server.client("s3").get_bucket_versioning(Bucket="of-the-stack")["Status"] == "Suspended"
    stacks.delete_stack(StackName="s")
    with pytest.raises(ClientError, match="of-the-stack"):
        server.client("iam").get_role(RoleName="of-the-stack")
    assert "of_the_stack" not in str(server.client("glue").get_databases()["DatabaseList"])


def test_kill_9_under_load_loses_no_table_and_no_query(server: Server) -> None:
    server.client("s3").create_bucket(Bucket="kept")
    server.client("glue").create_database(DatabaseInput={"Name": "lake"})
    tables, deleted, started, succeeded = set[str](), set[str](), set[str](), set[str]()
    killed = threading.Event()

    def unless_killed(work: Callable[[int], None]) -> Callable[[int], None]:
        def until_killed(number: int) -> None:
            try:
                work(number)
            except (BotoCoreError, ClientError):
                assert killed.is_set()

        return until_killed

    @unless_killed
    def catalog(number: int) -> None:
        glue = server.client("glue")
        for n in range(10_000):
            name = f"t{number}_{n}"
            glue.create_table(DatabaseName="lake", TableInput={"Name": name})
            tables.add(name)
            if n % 3 == 0:
                deleted.add(name)
                glue.delete_table(DatabaseName="lake", Name=name)
                tables.discard(name)

    @unless_killed
    def ask(number: int) -> None:
        athena = server.client("athena")
        for n in range(10_000):
            id_ = athena.start_query_execution(
                QueryString=f"SELECT {number * 10_000 + n} AS n",
                ResultConfiguration={"OutputLocation": "s3://kept/r/"},
            )["QueryExecutionId"]
            started.add(id_)
            if n % 2:
                server.ended(id_)
                succeeded.add(id_)

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(catalog if number % 2 else ask, number) for number in range(8)]
        time.sleep(4)
        killed.set()
        server.kill()
        for one in running:
            one.result()
    server.own = replace(server.own, port=0)
    server.start()
    assert len(tables) > 8
    assert len(succeeded) > 4
    pages = server.client("glue").get_paginator("get_tables").paginate(DatabaseName="lake")
    listed = {table["Name"] for page in pages for table in page["TableList"]}
    assert tables <= listed
    assert len(listed - tables) <= 4  # asked for when the server died: done or not
    athena = server.client("athena")
    for id_ in succeeded:
        assert server.ended(id_)["Status"]["State"] == "SUCCEEDED"
        assert len(athena.get_query_results(QueryExecutionId=id_)["ResultSet"]["Rows"]) == 2
    for id_ in started - succeeded:
        status = server.ended(id_)["Status"]
        assert status["State"] == "SUCCEEDED" or "was stopped while this ran" in status["StateChangeReason"]


def test_what_ran_is_ended_and_an_endpoint_serves_again(server: Server) -> None:
    studio, lab = Studio(server.settings), Lab(server.settings)
    endpoint = studio.endpoint(studio.factor("2"))
    assert studio.settled(endpoint)["EndpointStatus"] == "InService"
    job = lab.start("import time\ntime.sleep(600)\n")
    lab.until(job, "Training")
    server.kill()
    server.start()
    again = Studio(server.settings)
    assert again.settled(endpoint)["EndpointStatus"] == "InService"
    assert json.loads(again.ask(endpoint, b"21")["Body"].read()) == {"value": 42.0}
    found = again.sagemaker.describe_training_job(TrainingJobName=job)
    assert found["TrainingJobStatus"] == "Failed"
    assert "was stopped while this ran" in found["FailureReason"]
    again.sagemaker.delete_endpoint(EndpointName=endpoint)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        again.sagemaker.describe_endpoint(EndpointName=endpoint)


def test_a_damaged_file_is_put_aside_and_a_bucket_without_folder_is_gone(server: Server) -> None:
    s3 = server.client("s3")
    for name in ("stays", "goes"):
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    server.kill()
    root = Path(server.own.s3_root)
    (root / "goes").rmdir()
    server.start()
    s3 = server.client("s3")
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["stays"]
    assert s3.get_bucket_versioning(Bucket="stays")["Status"] == "Enabled"
    s3.create_bucket(Bucket="goes")
    assert "Status" not in s3.get_bucket_versioning(Bucket="goes")
    server.kill()
    for left in (root / ".local_mock").glob("state.sqlite*"):
        left.write_bytes(b"no database at all" * 500)
    server.start()
    assert "Status" not in server.client("s3").get_bucket_versioning(Bucket="stays")
    assert list((root / ".local_mock").glob("state.damaged-*"))
