"""Provide what tests of SageMaker jobs share: a bucket with code and data, requests, waiting."""

from __future__ import annotations

import io
import tarfile
import time
import uuid
from typing import Any

from etholake import aws
from etholake.settings import Settings


def tar_gz(files: dict[str, str]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return sink.getvalue()


class Lab:
    """A bucket with code and data, and a client to train with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.s3, self.sagemaker = aws.client(settings, "s3"), aws.client(settings, "sagemaker")
        self.bucket = f"sm-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)
        for key in ("in/a.txt", "in/deep/b.txt", "in-other/c.txt"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"x")

    def request(self, script: str | None, **changes: Any) -> dict[str, Any]:
        parameters = {"rate": "0.5", "name": '"walk"'}
        if script is not None:
            self.s3.put_object(Bucket=self.bucket, Key="code/s.tar.gz", Body=tar_gz({"train.py": script}))
            parameters |= {
                "sagemaker_program": '"train.py"',
                "sagemaker_submit_directory": f'"s3://{self.bucket}/code/s.tar.gz"',
            }
        return {
            "TrainingJobName": f"job-{uuid.uuid4().hex[:8]}",
            "HyperParameters": parameters,
            "AlgorithmSpecification": {
                "TrainingImage": "none", "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": r"train_loss=(\S+)"},
                                      {"Name": "never", "Regex": r"never=(\S+)"}],
            },
            "RoleArn": "arn:aws:iam::123456789012:role/trainer",
            "InputDataConfig": [{"ChannelName": "data", "DataSource": {"S3DataSource": {
                "S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/in/"}}}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "Environment": {"OWN": "/opt/ml/own"},
        } | changes  # fmt: skip

    def start(self, script: str | None, **changes: Any) -> str:
        request = self.request(script, **changes)
        self.sagemaker.create_training_job(**request)
        return str(request["TrainingJobName"])

    def wait(self, name: str, seconds: float = 30) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
            if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"):
                return job
            time.sleep(0.05)
        raise AssertionError(f"{name} has not ended")

    def until(self, name: str, secondary: str) -> None:
        for _ in range(400):
            if self.sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"] == secondary:
                return
            time.sleep(0.02)
        raise AssertionError(f"{name} was never {secondary}")

    def unpacked(self, uri: str) -> dict[str, bytes]:
        key = uri.removeprefix(f"s3://{self.bucket}/")
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            return {m.name: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]
