"""Deploy and destroy against the running mock: idempotent, verified, never a silent success, data kept."""

import dataclasses
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etholake import aws
from etholake.errors import AwsError, UsageError
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.cloud import deploy


def own_names(mock_settings: Settings) -> Settings:
    """Return settings with a bucket, database, work group and stack that nothing else has."""
    name = f"deploy-{uuid.uuid4().hex[:8]}"
    return dataclasses.replace(
        mock_settings, bucket=name, database=name.replace("-", "_"), workgroup=name, stack=name
    )


@pytest.fixture
def settings(mock_settings: Settings) -> Iterator[Settings]:
    """Names of its own on the running mock."""
    place = own_names(mock_settings)
    yield place
    deploy.destroy(place)


@pytest.fixture(scope="module")
def deployed(mock_settings: Settings) -> Iterator[tuple[Settings, StageResult]]:
    """The stacks of the first steps, and what their deployment returned."""
    place = own_names(mock_settings)
    yield place, deploy.run(place)
    deploy.destroy(place)


def formation(settings: Settings) -> Any:
    return aws.client(settings, "cloudformation")


def test_1_deploy_makes_everything_with_its_settings(deployed: tuple[Settings, StageResult]) -> None:
    settings, result = deployed
    assert result.status == "done"
    assert result.details["resources"]["Bucket"] == settings.bucket
    assert aws.stack_outputs(settings)["TrackingJobName"] == f"{settings.stack}-curate-tracking"
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    place = {"Bucket": settings.bucket}
    assert s3.get_bucket_versioning(**place)["Status"] == "Enabled"
    assert set(s3.get_public_access_block(**place)["PublicAccessBlockConfiguration"].values()) == {True}
    lifecycle = {r["ID"]: r for r in s3.get_bucket_lifecycle_configuration(**place)["Rules"]}
    assert lifecycle["query-results-expire"]["Expiration"]["Days"] == 7
    assert lifecycle["query-results-expire"]["Filter"]["Prefix"] == "query-results/"
    policy = json.loads(s3.get_bucket_policy(**place)["Policy"])
    assert policy["Statement"][0]["Resource"][0] == f"arn:aws:s3:::{settings.bucket}"
    job = glue.get_job(JobName=f"{settings.stack}-curate-tracking")["Job"]
    assert (job["GlueVersion"], job["NumberOfWorkers"], job["Timeout"]) == ("5.1", 2, 240)
    assert job["DefaultArguments"]["--code_digest"] == result.details["code_digest"]
    assert job["Role"].startswith("arn:aws:iam::123456789012:role/")
    crawler = glue.get_crawler(Name=f"{settings.stack}-raw")["Crawler"]
    assert crawler["TablePrefix"] == "raw_"
    group = aws.client(settings, "athena").get_work_group(WorkGroup=settings.workgroup)["WorkGroup"]
    assert group["Configuration"]["EnforceWorkGroupConfiguration"] is True
    assert group["Configuration"]["BytesScannedCutoffPerQuery"] == 100_000_000_000
    assert (
        group["Configuration"]["ResultConfiguration"]["OutputLocation"] == f"s3://{settings.bucket}/query-results/"
    )


def test_2_an_unchanged_deployment_says_so_and_changes_are_deployed(
    deployed: tuple[Settings, StageResult],
) -> None:
    settings, first = deployed
    again = deploy.run(settings)
    assert (again.status, again.details["uploaded"]) == ("unchanged", [])
    assert again.details["outputs"] == first.details["outputs"]

    changed = dataclasses.replace(settings, max_gap_frames=7)
    assert "updated" in deploy.run(changed).summary
    job = aws.client(settings, "glue").get_job(JobName=f"{settings.stack}-curate-tables")["Job"]
    assert job["DefaultArguments"]["--max_gap_frames"] == "7"

    key = "code-zone/glue_jobs/curate_tables.py"
    aws.client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=b"tampered")
    assert deploy.run(changed).details["uploaded"] == [key]


def test_3_a_resource_that_is_gone_is_named(deployed: tuple[Settings, StageResult]) -> None:
    settings, _ = deployed
    aws.client(settings, "glue").delete_crawler(Name=f"{settings.stack}-raw")
    with pytest.raises(AwsError, match=r"RawCrawler \(AWS::Glue::Crawler '.*-raw'\) does not answer"):
        deploy.run(settings)


def test_destroy_keeps_the_data_unless_told_its_name(settings: Settings) -> None:
    deploy.run(settings)
    s3 = aws.client(settings, "s3")
    s3.put_object(Bucket=settings.bucket, Key="raw-zone/precious", Body=b"data")
    with pytest.raises(UsageError, match="Bucket 'another' is not the lake's bucket"):
        deploy.destroy(settings, "another")
    assert aws.stack_outputs(settings)["BucketName"] == settings.bucket

    result = deploy.destroy(settings)
    assert f"bucket '{settings.bucket}' and its data are kept" in result.summary.lower()
    assert s3.get_object(Bucket=settings.bucket, Key="raw-zone/precious")["Body"].read() == b"data"
    glue = aws.client(settings, "glue")
    with pytest.raises(glue.exceptions.EntityNotFoundException, match="not found"):
        glue.get_database(Name=settings.database)
    with pytest.raises(glue.exceptions.EntityNotFoundException, match="not found"):
        glue.get_job(JobName=f"{settings.stack}-curate-tables")
    assert deploy.destroy(settings).status == "unchanged"

    adopted = deploy.run(settings)
    assert "was there already and is taken over" in adopted.summary
    assert deploy.run(settings).status == "unchanged"
    assert s3.get_object(Bucket=settings.bucket, Key="raw-zone/precious")["Body"].read() == b"data"

    s3.put_object(Bucket=settings.bucket, Key="raw-zone/precious", Body=b"a second version")
    assert deploy.destroy(settings, settings.bucket).details["objects_deleted"] > 0
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket=settings.bucket)


def stack_of(**resources: dict[str, Any]) -> str:
    return json.dumps({"Resources": resources})


def test_an_unsupported_type_fails_and_makes_nothing(settings: Settings) -> None:
    database = {
        "Type": "AWS::Glue::Database",
        "Properties": {"CatalogId": "1", "DatabaseInput": {"Name": settings.database}},
    }
    body = stack_of(Good=database, Bad={"Type": "AWS::GameLift::Fleet", "Properties": {}})
    with pytest.raises(ClientError, match=r"cannot create the types \['AWS::GameLift::Fleet'\]"):
        formation(settings).create_stack(StackName=settings.stack, TemplateBody=body)
    with pytest.raises(ClientError, match="does not exist"):
        formation(settings).describe_stacks(StackName=settings.stack)


def test_a_resource_that_cannot_be_made_rolls_back_with_the_reason(settings: Settings) -> None:
    body = stack_of(
        Database={
            "Type": "AWS::Glue::Database",
            "Properties": {"CatalogId": "1", "DatabaseInput": {"Name": settings.database}},
        },
        Table={
            "Type": "AWS::Glue::Table",
            "DependsOn": "Database",
            "Properties": {"CatalogId": "1", "DatabaseName": "nowhere", "TableInput": {"Name": "t"}},
        },
    )
    formation(settings).create_stack(StackName=settings.stack, TemplateBody=body)
    stack = formation(settings).describe_stacks(StackName=settings.stack)["Stacks"][0]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = formation(settings).describe_stack_events(StackName=settings.stack)["StackEvents"]
    failed = [e for e in events if e["ResourceStatus"] == "CREATE_FAILED"]
    assert failed[0]["LogicalResourceId"] == "Table"
    assert "Database nowhere not found" in failed[0]["ResourceStatusReason"]
    glue = aws.client(settings, "glue")
    with pytest.raises(glue.exceptions.EntityNotFoundException, match="not found"):
        glue.get_database(Name=settings.database)
    assert deploy.run(settings).status == "done"  # a dead stack is replaced


def test_a_property_that_cannot_be_honoured_fails_the_stack(settings: Settings) -> None:
    website = {"BucketName": settings.bucket, "WebsiteConfiguration": {"IndexDocument": "index.html"}}
    body = stack_of(Bucket={"Type": "AWS::S3::Bucket", "Properties": website})
    formation(settings).create_stack(StackName=settings.stack, TemplateBody=body)
    events = formation(settings).describe_stack_events(StackName=settings.stack)["StackEvents"]
    reasons = " ".join(e.get("ResourceStatusReason", "") for e in events)
    assert "unsupported properties ['WebsiteConfiguration']" in reasons


def test_a_stack_that_fails_is_told_with_its_events(settings: Settings) -> None:
    aws.client(settings, "athena").create_work_group(Name=settings.workgroup, Configuration={})
    with pytest.raises(AwsError, match=r"ended as ROLLBACK_COMPLETE. What failed:\n  - WorkGroup"):
        deploy.run(settings)


def test_a_change_set_that_an_impatient_client_executes_again_is_executed_once(settings: Settings) -> None:
    alias = {"AliasName": f"alias/{settings.stack}", "TargetKeyId": {"Ref": "Key"}}
    body = stack_of(
        Key={"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}}},
        Alias={"Type": "AWS::KMS::Alias", "Properties": alias},
        **{f"Wait{n}": {"Type": "AWS::SNS::Topic", "DependsOn": "Alias"} for n in range(10)},
    )
    client = formation(settings)
    made = client.create_change_set(
        StackName=settings.stack, ChangeSetName="once", ChangeSetType="CREATE", TemplateBody=body
    )
    with ThreadPoolExecutor(3) as pool:
        asked = [
            pool.submit(client.execute_change_set, ChangeSetName=made["Id"], ClientRequestToken="same")
            for _ in range(3)
        ]
    assert [future.result()["ResponseMetadata"]["HTTPStatusCode"] for future in asked] == [200, 200, 200]
    events = client.describe_stack_events(StackName=settings.stack)["StackEvents"]
    assert [event for event in events if event["ResourceStatus"].endswith("FAILED")] == []
    stack = client.describe_stacks(StackName=settings.stack)["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    with pytest.raises(ClientError, match="cannot be executed in its current status"):
        client.execute_change_set(ChangeSetName=made["Id"])
    client.delete_stack(StackName=settings.stack)


def test_tables_and_updates_by_replacement(settings: Settings) -> None:
    def body(name: str, description: str) -> str:
        table = {"DatabaseName": {"Ref": "Database"}, "CatalogId": "1"}
        return stack_of(
            Database={
                "Type": "AWS::Glue::Database",
                "Properties": {"CatalogId": "1", "DatabaseInput": {"Name": settings.database}},
            },
            Table={
                "Type": "AWS::Glue::Table",
                "Properties": {**table, "TableInput": {"Name": name, "Description": description}},
            },
        )

    client, glue = formation(settings), aws.client(settings, "glue")
    client.create_stack(StackName=settings.stack, TemplateBody=body("one", "first"))
    client.update_stack(StackName=settings.stack, TemplateBody=body("one", "second"))
    tables = glue.get_tables(DatabaseName=settings.database)["TableList"]
    assert [(t["Name"], t["Description"]) for t in tables] == [("one", "second")]
    client.update_stack(StackName=settings.stack, TemplateBody=body("two", "third"))
    tables = glue.get_tables(DatabaseName=settings.database)["TableList"]
    assert [(t["Name"], t["Description"]) for t in tables] == [("two", "third")]
