"""Provide what tests of hosting share: a bucket of models, and a tiny model of our own that multiplies numbers."""

from __future__ import annotations

import io
import tarfile
import time
import uuid
from typing import Any

from etholake import aws
from etholake.settings import Settings

INFERENCE = """
import os, pathlib, time

class Refused(ValueError):
    status_code = 415

def model_fn(folder):
    return float(pathlib.Path(folder, "factor.txt").read_text())

def input_fn(body, content_type):
    if content_type == "application/octet-stream":
        return list(body)
    if content_type != "text/plain":
        raise Refused(f"content type {content_type} is not spoken here")
    if body == b"pid":
        return os.getpid()
    if body == b"slow":
        time.sleep(30)
    return float(body)  # a ValueError of the model's own

def predict_fn(data, model):
    return data if isinstance(data, int) else sum(data) * model if isinstance(data, list) else data * model

def output_fn(value, accept):
    return (str(value), accept) if accept == "text/csv" else (f'{{"value": {value}}}', "application/json")
"""


class Studio:
    """A bucket of models, and clients to serve them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.s3, self.sagemaker = aws.client(settings, "s3"), aws.client(settings, "sagemaker")
        self.runtime = aws.client(settings, "sagemaker-runtime")
        self.bucket = f"sm-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)

    def model(self, files: dict[str, str], **container: Any) -> str:
        name = f"m-{uuid.uuid4().hex[:8]}"
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode="w:gz") as archive:
            for path, text in files.items():
                info = tarfile.TarInfo(path)
                if text.startswith("-> "):
                    info.type, info.linkname = tarfile.SYMTYPE, text[3:]
                info.size = 0 if info.issym() else len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}.tar.gz", Body=sink.getvalue())
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn="arn:aws:iam::123456789012:role/host",
            PrimaryContainer={"Image": "none", "ModelDataUrl": f"s3://{self.bucket}/{name}.tar.gz", **container},
        )
        self.config(name, name)
        return name

    def config(self, name: str, model: str, variant: dict[str, Any] | None = None, **more: Any) -> str:
        """An endpoint configuration with one variant."""
        on = variant or {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": model, **on}],
            **more,
        )
        return name

    def factor(self, value: str) -> str:
        return self.model({"factor.txt": value, "code/inference.py": INFERENCE})

    def endpoint(self, config: str) -> str:
        name = f"e-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return name

    def settled(self, name: str) -> dict[str, Any]:
        for _ in range(600):
            endpoint: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
            if endpoint["EndpointStatus"] in ("InService", "Failed"):
                return endpoint
            time.sleep(0.05)
        raise AssertionError(f"{name} has not settled")

    def ask(self, name: str, body: bytes, content_type: str = "text/plain", **more: str) -> Any:
        return self.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=content_type, **more)

    def transform(self, model: str, prefix: str, **changes: Any) -> str:
        name = f"t-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_transform_job(
            **{
                "TransformJobName": name, "ModelName": model,
                "TransformInput": {"ContentType": "text/plain", "DataSource": {"S3DataSource": {
                    "S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{prefix}"}}},
                "TransformOutput": {"S3OutputPath": f"s3://{self.bucket}/out/{name}", "Accept": "text/csv"},
                "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            } | changes
        )  # fmt: skip
        return name

    def ended(self, name: str) -> dict[str, Any]:
        for _ in range(600):
            job: dict[str, Any] = self.sagemaker.describe_transform_job(TransformJobName=name)
            if job["TransformJobStatus"] in ("Completed", "Failed", "Stopped"):
                return job
            time.sleep(0.05)
        raise AssertionError(f"{name} has not ended")
