"""Endpoints and batch transforms of the mock, with a tiny model of our own: it doubles numbers."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from sagemaker_studio import INFERENCE, Studio

from etholake.settings import Settings


@pytest.fixture(scope="module")
def studio(mock_settings: Settings) -> Studio:
    return Studio(mock_settings)


@pytest.fixture(scope="module")
def doubler(studio: Studio) -> str:
    return studio.factor("2")


@pytest.fixture(scope="module")
def serving(studio: Studio, doubler: str) -> str:
    name = studio.endpoint(doubler)
    assert studio.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] in ("Creating", "InService")
    endpoint = studio.settled(name)
    assert endpoint["EndpointStatus"] == "InService", endpoint
    return name


def test_an_endpoint_answers_with_the_model(studio: Studio, serving: str) -> None:
    answer = studio.ask(serving, b"21")
    assert json.loads(answer["Body"].read()) == {"value": 42.0}
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    csv = studio.ask(serving, b"1.5", Accept="text/csv")
    assert (csv["Body"].read(), csv["ContentType"].partition(";")[0]) == (b"3.0", "text/csv")


def test_bodies_are_bytes(studio: Studio, serving: str) -> None:
    body = bytes(range(256)) * 4
    answer = studio.ask(serving, body, "application/octet-stream")
    assert json.loads(answer["Body"].read()) == {"value": 2.0 * sum(body)}


def test_a_refusal_reaches_the_client_and_the_server_lives_on(studio: Studio, serving: str) -> None:
    with pytest.raises(ClientError, match="is not spoken here") as caught:
        studio.ask(serving, b"1", "image/png")
    error = caught.value.response
    assert error["Error"]["Code"] == "ModelError"
    assert error["OriginalStatusCode"] == 415
    assert json.loads(error["OriginalMessage"]) == {"error": "content type image/png is not spoken here"}
    with pytest.raises(ClientError, match="could not convert") as caught:
        studio.ask(serving, b"no number")
    assert caught.value.response["OriginalStatusCode"] == 500
    with pytest.raises(ClientError, match="longer than 6 MB") as caught:
        studio.ask(serving, b"0" * (6 * 2**20 + 1))
    assert caught.value.response["OriginalStatusCode"] == 413
    assert json.loads(studio.ask(serving, b"1")["Body"].read()) == {"value": 2.0}


def test_many_clients_at_once(studio: Studio, serving: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: json.loads(studio.ask(serving, str(n).encode())["Body"].read()), range(40))
        )
    assert answers == [{"value": 2.0 * n} for n in range(40)]


def test_an_unknown_endpoint_is_a_validation_error(studio: Studio) -> None:
    with pytest.raises(ClientError, match="Endpoint nobody of account 123456789012 not found") as caught:
        studio.ask("nobody", b"1")
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_a_model_that_cannot_be_loaded_fails_with_the_reason(studio: Studio) -> None:
    name = studio.endpoint(studio.model({"code/inference.py": INFERENCE}))
    endpoint = studio.settled(name)
    assert endpoint["EndpointStatus"] == "Failed"
    assert "factor.txt" in endpoint["FailureReason"]
    with pytest.raises(ClientError, match="is not in service: it is Failed"):
        studio.ask(name, b"1")
    studio.sagemaker.delete_endpoint(EndpointName=name)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"factor.txt": "1"}, "has no code/inference.py"),
        ({"../factor.txt": "1", "code/inference.py": INFERENCE}, "would leave the folder"),
        ({"factor.txt": "-> /etc/hostname", "code/inference.py": INFERENCE}, "is a link or device"),
        ({"factor.txt": "1", "code/inference.py": "def model_fn(f): pass"}, "missing: input_fn"),
    ],
)
def test_an_unusable_archive_fails_with_the_reason(studio: Studio, files: dict[str, str], reason: str) -> None:
    endpoint = studio.settled(studio.endpoint(studio.model(files)))
    assert endpoint["EndpointStatus"] == "Failed"
    assert reason in endpoint["FailureReason"]


def test_names_and_data_are_checked(studio: Studio, doubler: str, serving: str) -> None:
    with pytest.raises(ClientError, match="Could not find model data at s3://"):
        studio.sagemaker.create_model(
            ModelName="gone",
            ExecutionRoleArn="arn:aws:iam::123456789012:role/host",
            PrimaryContainer={"Image": "none", "ModelDataUrl": f"s3://{studio.bucket}/gone.tar.gz"},
        )
    with pytest.raises(ClientError, match="already existing endpoint"):
        studio.sagemaker.create_endpoint(EndpointName=serving, EndpointConfigName=doubler)
    with pytest.raises(ClientError, match="Could not find endpoint config"):
        studio.sagemaker.create_endpoint(EndpointName="e-none", EndpointConfigName="nobody")


def test_update_takes_over_and_delete_stops_the_process(studio: Studio, doubler: str) -> None:
    name = studio.endpoint(doubler)
    studio.settled(name)
    studio.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=studio.factor("3"))
    assert json.loads(studio.ask(name, b"1")["Body"].read())["value"] in (2.0, 3.0)  # never out of service
    assert studio.settled(name)["EndpointStatus"] == "InService"
    assert json.loads(studio.ask(name, b"1")["Body"].read()) == {"value": 3.0}
    broken = studio.model({"code/inference.py": "raise SystemError('broken on import')"})
    studio.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=broken)
    endpoint = studio.settled(name)
    assert endpoint["EndpointStatus"] == "InService"
    assert "broken on import" in endpoint["FailureReason"]
    pid = json.loads(studio.ask(name, b"pid")["Body"].read())["value"]
    assert Path(f"/proc/{pid}").exists()
    studio.sagemaker.delete_endpoint(EndpointName=name)
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(ClientError, match="Could not find endpoint"):
        studio.sagemaker.describe_endpoint(EndpointName=name)


def test_a_killed_host_is_seen(studio: Studio, doubler: str) -> None:
    name = studio.endpoint(doubler)
    studio.settled(name)
    os.kill(json.loads(studio.ask(name, b"pid")["Body"].read())["value"], signal.SIGKILL)
    for _ in range(100):
        endpoint = studio.sagemaker.describe_endpoint(EndpointName=name)
        if endpoint["EndpointStatus"] == "Failed":
            break
        time.sleep(0.05)
    assert "ended with exit code -9" in endpoint["FailureReason"]


def test_transform_writes_one_output_per_object(studio: Studio, doubler: str) -> None:
    for key, body in (("batch/1.txt", b"1"), ("batch/deep/2.txt", b"2"), ("batch-other/3.txt", b"3")):
        studio.s3.put_object(Bucket=studio.bucket, Key=key, Body=body)
    name = studio.transform(doubler, "batch/")
    assert studio.ended(name)["TransformJobStatus"] == "Completed"
    keys = [o["Key"] for o in studio.s3.list_objects_v2(Bucket=studio.bucket, Prefix=f"out/{name}")["Contents"]]
    assert keys == [f"out/{name}/1.txt.out", f"out/{name}/deep/2.txt.out"]
    assert studio.s3.get_object(Bucket=studio.bucket, Key=keys[1])["Body"].read() == b"4.0"


def test_a_bad_object_fails_the_job_but_not_the_others(studio: Studio, doubler: str) -> None:
    for key, body in (("mixed/a.txt", b"bad"), ("mixed/b.txt", b"2")):
        studio.s3.put_object(Bucket=studio.bucket, Key=key, Body=body)
    name = studio.transform(doubler, "mixed/")
    job = studio.ended(name)
    assert job["TransformJobStatus"] == "Failed"
    assert "mixed/a.txt: 500" in job["FailureReason"]
    assert studio.s3.get_object(Bucket=studio.bucket, Key=f"out/{name}/b.txt.out")["Body"].read() == b"4.0"
    job = studio.ended(studio.transform(doubler, "nothing-here/"))
    assert "No objects were found" in job["FailureReason"]


def test_transform_stops_and_refuses(studio: Studio, doubler: str) -> None:
    studio.s3.put_object(Bucket=studio.bucket, Key="slow/1.txt", Body=b"slow")
    name = studio.transform(doubler, "slow/")
    time.sleep(1.0)
    studio.sagemaker.stop_transform_job(TransformJobName=name)
    assert studio.ended(name)["TransformJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match=r"TransformOutput\.AssembleWith"):
        studio.transform(doubler, "slow/", TransformOutput={"S3OutputPath": "s3://b/o", "AssembleWith": "Line"})
    with pytest.raises(ClientError, match="Could not find model"):
        studio.transform("nobody", "slow/")


def test_transform_keeps_awss_limits_and_says_what_is_too_long(studio: Studio, doubler: str) -> None:
    with pytest.raises(ClientError, match=r"MaxPayloadInMB \(60\) times MaxConcurrentTransforms \(2\)"):
        studio.transform(doubler, "slow/", MaxPayloadInMB=60, MaxConcurrentTransforms=2)
    studio.s3.put_object(Bucket=studio.bucket, Key="long/1.txt", Body=b"0" * ((1 << 20) + 1))
    job = studio.ended(studio.transform(doubler, "long/", MaxPayloadInMB=1))
    assert "1,048,577 bytes are more than MaxPayloadInMB (1)" in job["FailureReason"]
    studio.s3.put_object(Bucket=studio.bucket, Key="slowest/1.txt", Body=b"slow")
    client = {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 1}
    job = studio.ended(studio.transform(doubler, "slowest/", ModelClientConfig=client))
    assert "no answer in 1 s (InvocationsTimeoutInSeconds)" in job["FailureReason"]
