"""Serverless and asynchronous endpoints, data capture, and the autoscaling of endpoints, on the mock."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from sagemaker_studio import Studio

from etholake import aws
from etholake.settings import Settings

SERVERLESS = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}


@pytest.fixture(scope="module")
def studio(mock_settings: Settings) -> Studio:
    return Studio(mock_settings)


@pytest.fixture(scope="module")
def model(studio: Studio) -> str:
    return studio.factor("2")


def body(studio: Studio, uri: str) -> bytes:
    """An object, once it is there."""
    key = uri.removeprefix(f"s3://{studio.bucket}/")
    for _ in range(200):
        if "Contents" in studio.s3.list_objects_v2(Bucket=studio.bucket, Prefix=key):
            return bytes(studio.s3.get_object(Bucket=studio.bucket, Key=key)["Body"].read())
        time.sleep(0.05)
    raise AssertionError(f"{uri} has not come")


def test_an_asynchronous_endpoint_answers_through_s3(studio: Studio, model: str) -> None:
    output = {"S3OutputPath": f"s3://{studio.bucket}/answers", "S3FailurePath": f"s3://{studio.bucket}/failures"}
    config = studio.config("asynchronous", model, AsyncInferenceConfig={"OutputConfig": output})
    name = studio.endpoint(config)
    assert studio.settled(name)["AsyncInferenceConfig"]["OutputConfig"] == output
    for key, text in (("good", b"21"), ("bad", b"no number")):
        studio.s3.put_object(Bucket=studio.bucket, Key=f"requests/{key}", Body=text)

    def ask(key: str) -> Any:
        where = f"s3://{studio.bucket}/requests/{key}"
        return studio.runtime.invoke_endpoint_async(
            EndpointName=name, InputLocation=where, ContentType="text/plain", Accept="text/csv", InferenceId=key
        )

    good, bad, gone = ask("good"), ask("bad"), ask("gone")
    assert good["InferenceId"] == "good"
    assert good["OutputLocation"].startswith(f"s3://{studio.bucket}/answers/")
    assert body(studio, good["OutputLocation"]) == b"42.0"
    assert b"could not convert" in body(studio, bad["FailureLocation"])
    assert b"cannot be read" in body(studio, gone["FailureLocation"])
    with pytest.raises(ClientError, match="ask it by InvokeEndpointAsync"):
        studio.ask(name, b"1")
    with pytest.raises(ClientError, match="cannot change between real-time and asynchronous"):
        studio.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=model)
    studio.sagemaker.delete_endpoint(EndpointName=name)


def test_a_serverless_endpoint_keeps_its_limits(studio: Studio, model: str) -> None:
    name = studio.endpoint(studio.config("serverless", model, SERVERLESS))
    endpoint = studio.settled(name)
    assert endpoint["ProductionVariants"][0]["CurrentServerlessConfig"] == SERVERLESS["ServerlessConfig"]
    assert json.loads(studio.ask(name, b"4")["Body"].read()) == {"value": 8.0}
    with pytest.raises(ClientError, match="longer than the 4 MB of a serverless endpoint"):
        studio.ask(name, b"0" * (4 * 2**20 + 1))
    with pytest.raises(ClientError, match="is not asynchronous"):
        studio.runtime.invoke_endpoint_async(EndpointName=name, InputLocation=f"s3://{studio.bucket}/x")
    once = aws.session(studio.settings).client(
        "sagemaker-runtime", endpoint_url=studio.settings.endpoint_url, config=Config(retries={"max_attempts": 0})
    )
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(studio.ask, name, b"slow")
        time.sleep(0.5)
        with pytest.raises(ClientError, match=r"MaxConcurrency\): try again"):
            once.invoke_endpoint(EndpointName=name, Body=b"1", ContentType="text/plain")
        studio.sagemaker.delete_endpoint(EndpointName=name)
        assert slow.exception(30) is not None


def test_data_capture_keeps_requests_and_answers(studio: Studio, model: str) -> None:
    capture = {
        "EnableCapture": True, "InitialSamplingPercentage": 50, "DestinationS3Uri": f"s3://{studio.bucket}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }  # fmt: skip
    name = studio.endpoint(studio.config("captured", model, DataCaptureConfig=capture))
    endpoint = studio.settled(name)["DataCaptureConfig"]
    assert (endpoint["EnableCapture"], endpoint["CaptureStatus"]) == (True, "Started")
    for n in range(4):
        studio.ask(name, str(n).encode(), InferenceId=f"n{n}")
    keys = [o["Key"] for o in studio.s3.list_objects_v2(Bucket=studio.bucket, Prefix="captured/")["Contents"]]
    assert len(keys) == 2  # half of them
    assert all(key.startswith(f"captured/{name}/AllTraffic/20") and key.endswith(".jsonl") for key in keys)
    lines = [json.loads(body(studio, f"s3://{studio.bucket}/{key}")) for key in keys]
    first = min(lines, key=lambda line: line["eventMetadata"]["inferenceId"])
    assert first["eventMetadata"]["inferenceId"] == "n1"
    sent, answered = (first["captureData"][side] for side in ("endpointInput", "endpointOutput"))
    assert (sent["encoding"], base64.b64decode(sent["data"])) == ("BASE64", b"1")
    assert (answered["encoding"], json.loads(answered["data"])) == ("JSON", {"value": 2.0})
    studio.sagemaker.delete_endpoint(EndpointName=name)


def test_autoscaling_is_kept_as_state(studio: Studio, model: str) -> None:
    scaling = aws.client(studio.settings, "application-autoscaling")
    what = {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/e/variant/AllTraffic",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}  # fmt: skip
    scaling.register_scalable_target(**what, MinCapacity=1, MaxCapacity=3)
    tracking = {
        "TargetValue": 70.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }
    scaling.put_scaling_policy(
        **what,
        PolicyName="load",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracking,
    )
    of = {"ServiceNamespace": "sagemaker", "ResourceId": what["ResourceId"]}
    policies = scaling.describe_scaling_policies(**of)["ScalingPolicies"]
    assert [p["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] for p in policies] == [70.0]
    targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[what["ResourceId"]])[
        "ScalableTargets"
    ]
    assert [(t["MinCapacity"], t["MaxCapacity"]) for t in targets] == [(1, 3)]
