"""`destroy` removes what the stages made beside the stacks: this lake's only, in AWS's order, again and again."""

import dataclasses
import io
import json
import tarfile
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from torn_down import torn_down  # type: ignore[import-not-found]

from etholake import aws
from etholake.errors import AwsError
from etholake.settings import Settings
from etholake.stages.cloud import data_resources, deploy, teardown
from etholake.stages.job_settings import job_settings
from etholake.stages.serving import endpoint, endpoint_requests

INFERENCE = "model_fn = input_fn = predict_fn = output_fn = lambda *given: given[0]\n"
SLOW = "import time; print('begun', flush=True); time.sleep(120)\n"


@pytest.fixture
def settings(mock_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Names of its own on the running mock; an endpoint of its own, too."""
    name = f"gone-{uuid.uuid4().hex[:8]}"
    monkeypatch.setitem(job_settings()["hosting"], "endpoint", name)
    place = dataclasses.replace(
        mock_settings, bucket=name, database=name.replace("-", "_"), workgroup=name, stack=name
    )
    yield place
    deploy.destroy(place, place.bucket)


def put_archive(settings: Settings, key: str, files: dict[str, str]) -> str:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    aws.client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=sink.getvalue())
    return f"s3://{settings.bucket}/{key}"


def served(settings: Settings, kind: str = "realtime") -> str:
    """A model that answers with what it is asked, on an endpoint of a kind; its name."""
    uri = put_archive(settings, "model-zone/echo.tar.gz", {"code/inference.py": INFERENCE})
    name = f"etholake-{uuid.uuid4().hex[:12]}-{kind}"
    assert endpoint.bring_up(settings, name, uri, kind)
    return name


def start_training(settings: Settings) -> str:
    code = put_archive(settings, "code-zone/slow.tar.gz", {"train.py": SLOW})
    job = f"etholake-train-{uuid.uuid4().hex[:8]}"
    aws.client(settings, "sagemaker").create_training_job(
        TrainingJobName=job, RoleArn=aws.stack_outputs(settings)["SageMakerRoleArn"],
        AlgorithmSpecification={"TrainingImage": "none", "TrainingInputMode": "File"},
        HyperParameters={"sagemaker_program": "train.py", "sagemaker_submit_directory": code},
        OutputDataConfig={"S3OutputPath": f"s3://{settings.bucket}/model-zone/training"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 300},
    )  # fmt: skip
    return job


def targets(settings: Settings) -> list[dict[str, Any]]:
    ids = [f"endpoint/{endpoint_requests.endpoint_name()}/variant/{endpoint_requests.VARIANT}"]
    scaling = aws.client(settings, "application-autoscaling")
    scalable = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=ids)["ScalableTargets"]
    return list(scalable)


def groups(settings: Settings) -> set[str]:
    pages = aws.client(settings, "logs").get_paginator("describe_log_groups").paginate()
    return {group["logGroupName"] for page in pages for group in page["logGroups"]}


@pytest.mark.slow
def test_what_serves_and_runs_goes_with_the_stacks_and_nothing_is_left(settings: Settings) -> None:
    deploy.run(settings)
    client = aws.client(settings, "sagemaker")
    models = [served(settings), served(settings, "serverless")]
    job = start_training(settings)
    machine = aws.stack_outputs(settings)["StateMachineArn"]
    given = json.dumps({"poll_seconds": 1})
    aws.client(settings, "stepfunctions").start_execution(stateMachineArn=machine, input=given)
    assert len(targets(settings)) == 1
    iam = aws.client(settings, "iam")
    iam.create_user(UserName=settings.stack)
    iam.attach_user_policy(UserName=settings.stack, PolicyArn=aws.stack_outputs(settings)["OperatorPolicyArn"])

    shown: list[str] = []
    deploy.destroy(settings, None, lambda plan: bool(shown.append(plan)))
    for line in (
        f"TrainingJob {job}: is stopped", f"endpoint {endpoint_requests.endpoint_name()}: is deleted",
        f"endpoint {endpoint_requests.endpoint_name('serverless')}: is deleted", f"model {models[0]}: is deleted",
        f"scalable target endpoint/{endpoint_requests.endpoint_name()}/variant/AllTraffic: is deleted",
    ):  # fmt: skip
        assert line in shown[0].splitlines()
    assert client.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "InProgress"

    summary = deploy.destroy(settings).summary
    assert "2 endpoints and 2 models were deleted" in summary
    assert client.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "Stopped"
    for name in models:
        with pytest.raises(ClientError, match="Could not find"):
            client.describe_model(ModelName=name)
        with pytest.raises(ClientError, match="Could not find"):
            client.describe_endpoint_config(EndpointConfigName=name)
    for kind in ("realtime", "serverless"):
        with pytest.raises(ClientError, match="Could not find"):
            client.describe_endpoint(EndpointName=endpoint_requests.endpoint_name(kind))
    assert targets(settings) == []
    assert iam.list_attached_user_policies(UserName=settings.stack)["AttachedPolicies"] == []
    assert not teardown.find(settings)
    assert deploy.destroy(settings).status == "unchanged"

    deploy.destroy(settings, settings.bucket)
    assert not data_resources.bucket_exists(settings, settings.bucket)
    assert [group for group in groups(settings) if settings.stack in group] == []
    logs = aws.client(settings, "logs")
    for group in groups(settings):
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        assert [s["logStreamName"] for s in streams if s["logStreamName"].startswith(job)] == []
    assert deploy.destroy(settings, settings.bucket).status == "unchanged"


@pytest.mark.long
def test_another_lakes_endpoint_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy.run(settings)
    theirs = served(settings)
    other = dataclasses.replace(
        settings, bucket=f"{settings.bucket}-b", database=f"{settings.database}_b",
        workgroup=f"{settings.workgroup}-b", stack=f"{settings.stack}-b",
    )  # fmt: skip
    with torn_down(other):
        deploy.run(other)
        assert not teardown.find(other)
    assert aws.client(settings, "sagemaker").describe_model(ModelName=theirs)["ModelName"] == theirs
    assert teardown.find(settings).endpoints == [endpoint_requests.endpoint_name()]


@pytest.mark.long
def test_the_rest_goes_although_one_thing_cannot_and_all_after_a_failed_test(settings: Settings) -> None:
    def failing() -> None:
        with torn_down(settings):
            deploy.run(settings)
            served(settings)
            raise ZeroDivisionError("division by zero")

    with pytest.raises(ZeroDivisionError, match="division"):
        failing()
    assert not data_resources.bucket_exists(settings, settings.bucket)
    assert not teardown.find(settings)

    deploy.run(settings)
    made = dataclasses.replace(teardown.find(settings), endpoints=["nobody"], models=["nothing"])
    assert teardown.remove(settings, made) == []  # gone already
    role = aws.stack_outputs(settings)["GlueRoleArn"].rpartition("/")[2]
    iam = aws.client(settings, "iam")
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
    policy = iam.create_policy(PolicyName=settings.stack, PolicyDocument=json.dumps(document))["Policy"]
    arn = policy["Arn"]
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)  # a role with what CloudFormation does not know
    with pytest.raises(AwsError, match=r"(?s)again.*-compute' could not be .*GlueRole.*detach all"):
        deploy.destroy(settings, settings.bucket)
    assert not data_resources.bucket_exists(settings, settings.bucket)
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    assert deploy.destroy(settings).status == "done"
    assert deploy.destroy(settings).status == "unchanged"
