"""A state machine that is deleted and made again, and models whose data cannot be."""

from __future__ import annotations

import json
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from etholake import aws
from etholake.settings import Settings


def test_a_machine_that_is_made_again_begins_empty(mock_settings: Settings) -> None:
    client = aws.client(mock_settings, "stepfunctions")
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    request = {
        "name": f"m-{uuid.uuid4().hex[:8]}",
        "definition": definition,
        "roleArn": "arn:aws:iam::123456789012:role/r",
    }
    arn = client.create_state_machine(**request)["stateMachineArn"]
    run = client.start_execution(stateMachineArn=arn, name="once")["executionArn"]
    while client.describe_execution(executionArn=run)["status"] == "RUNNING":
        time.sleep(0.01)
    assert len(client.list_executions(stateMachineArn=arn)["executions"]) == 1
    client.delete_state_machine(stateMachineArn=arn)
    assert client.create_state_machine(**request)["stateMachineArn"] == arn
    assert client.list_executions(stateMachineArn=arn)["executions"] == []
    client.start_execution(stateMachineArn=arn, name="once")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("https://bucket.s3.amazonaws.com/model.tar.gz", "s3:// URIs only"),
        ("s3://Odd_Bucket!/model.tar.gz", "Invalid ModelDataUrl"),
        ("s3://no-such-bucket-of-models/model.tar.gz", "Could not find model data"),
    ],
)
def test_model_data_that_cannot_be_is_a_request_error(mock_settings: Settings, uri: str, reason: str) -> None:
    client = aws.client(mock_settings, "sagemaker")
    container = {"Image": "image", "ModelDataUrl": uri}
    with pytest.raises(ClientError, match=reason) as caught:
        client.create_model(
            ModelName=f"m-{uuid.uuid4().hex[:8]}",
            PrimaryContainer=container,
            ExecutionRoleArn="arn:aws:iam::123456789012:role/r",
        )
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
