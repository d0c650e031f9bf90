"""Tags of several services through the one API that finds them all; the tags and the name of a stack's machine."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etholake import aws
from etholake.settings import Settings
from local_mock.context import Context, set_context
from local_mock.data import FolderData

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
DEFINITION = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})


def test_tags_of_services_are_found_and_changed(mock_settings: Settings) -> None:
    team, name = uuid.uuid4().hex[:12], f"tagged-{uuid.uuid4().hex[:8]}"
    s3, glue = aws.client(mock_settings, "s3"), aws.client(mock_settings, "glue")
    tagging = aws.client(mock_settings, "resourcegroupstaggingapi")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "team", "Value": team}]})
    command = {"Name": "pythonshell", "ScriptLocation": f"s3://{name}/a.py"}
    glue.create_job(Name=name, Role="r", Command=command, Tags={"team": team})
    of_team = {"TagFilters": [{"Key": "team", "Values": [team]}]}
    tagged = tagging.get_resources(**of_team)["ResourceTagMappingList"]
    bucket, job = f"arn:aws:s3:::{name}", f"arn:aws:glue:us-east-1:{ACCOUNT}:job/{name}"
    assert {item["ResourceARN"] for item in tagged} == {bucket, job}
    assert tagging.get_tag_values(Key="team")["TagValues"].count(team) == 1
    assert tagging.get_tag_keys()["TagKeys"].count("team") == 1
    assert tagging.tag_resources(ResourceARNList=[bucket, job], Tags={"stage": "x"})["FailedResourcesMap"] == {}
    assert {"Key": "stage", "Value": "x"} in s3.get_bucket_tagging(Bucket=name)["TagSet"]
    tagging.untag_resources(ResourceARNList=[job], TagKeys=["team"])
    assert glue.get_tags(ResourceArn=job)["Tags"] == {"stage": "x"}
    tagged = tagging.get_resources(**of_team)["ResourceTagMappingList"]
    assert [item["ResourceARN"] for item in tagged] == [bucket]


def _stack(client: Any, call: str, name: str, properties: dict[str, Any]) -> str:
    machine = {"DefinitionString": DEFINITION, "RoleArn": ROLE, **properties}
    template = {
        "Resources": {"M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine}},
        "Outputs": {"Arn": {"Value": {"Ref": "M"}}},
    }
    getattr(client, f"{call}_stack")(StackName=name, TemplateBody=json.dumps(template))
    client.get_waiter(f"stack_{call}_complete").wait(StackName=name, WaiterConfig={"Delay": 0})
    (output,) = client.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    return str(output["OutputValue"])


def test_a_state_machine_of_a_stack_changes_its_tags_and_is_replaced_with_its_name(
    mock_settings: Settings,
) -> None:
    stacks, machines = aws.client(mock_settings, "cloudformation"), aws.client(mock_settings, "stepfunctions")
    name = f"m-{uuid.uuid4().hex[:8]}"
    properties = {
        "StateMachineName": name,
        "EncryptionConfiguration": {"Type": "AWS_OWNED_KEY"},
        "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
    }
    arn = _stack(stacks, "create", name, properties)
    assert (
        machines.describe_state_machine(stateMachineArn=arn)["encryptionConfiguration"]["type"] == "AWS_OWNED_KEY"
    )
    properties["Tags"] = [{"Key": "b", "Value": "3"}]
    assert _stack(stacks, "update", name, properties) == arn
    assert machines.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "b", "value": "3"}]
    other = _stack(stacks, "update", name, {**properties, "StateMachineName": f"{name}-new"})
    assert other.endswith(f"{name}-new")
    with pytest.raises(ClientError, match="Does Not Exist"):
        machines.describe_state_machine(stateMachineArn=arn)


def test_a_reset_forgets_the_executions_in_the_state_folder(tmp_path: Path) -> None:
    from local_mock.stepfunctions import records
    from local_mock.stepfunctions.models import Backend

    execution = {
        "execution_arn": "e", "state_machine_arn": "m", "name": "n", "status": "SUCCEEDED",
        "execution_input": "{}",
        "start_date": "2026-11-30T00:00:00+00:00", "stop_date": "2026-11-30T00:00:01+00:00", "output": None,
        "error": None, "cause": None, "events": [],
    }  # fmt: skip
    records._write(records._path(tmp_path, "e"), execution)
    assert [past.name for past in records.of_machine(tmp_path, "m")] == ["n"]
    set_context(Context(tmp_path, tmp_path, 1, "us-east-1", FolderData(tmp_path)))
    try:
        Backend("us-east-1", ACCOUNT).reset()
    finally:
        set_context(None)
    assert records.of_machine(tmp_path, "m") == []
