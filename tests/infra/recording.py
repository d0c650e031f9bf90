"""A mock that records every request, a small lake on it, and the IAM action and resource of each request."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etholake.settings import Settings
from local_mock import lifecycle

ROOT = Path(__file__).resolve().parents[2]
OPERATOR = "etholake"  # access key of everything that is no job


@dataclass(frozen=True)
class Call:
    """One IAM action on one resource, asked for by a role's name or by the operator."""

    principal: str
    action: str
    resource: str


def start(folder: Path) -> tuple[Settings, Path]:
    """(settings of a recording mock of its own, the file of its calls)."""
    calls = folder / "calls.jsonl"
    settings = Settings(port=0, state_dir=str(folder / "state"), s3_root=str(folder / "s3"))
    Path(settings.state_dir).mkdir(parents=True)
    command = [sys.executable, "-m", "local_mock", "--port", "0", "--s3-root", settings.s3_root]
    command += ["--state-dir", settings.state_dir, "--record-calls", str(calls)]
    subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while (found := lifecycle.running(settings)) is None:
        assert time.monotonic() < deadline, "the mock did not start"
        time.sleep(0.05)
    return replace(settings, port=found.port), calls


def read(calls: Path, offset: int, translate: Callable[[dict[str, Any]], Iterator[tuple[str, str]]]) -> set[Call]:
    """The calls that were recorded behind an offset (bytes)."""
    with calls.open("rb") as file:
        file.seek(offset)
        records = [json.loads(line) for line in file.read().decode().splitlines()]
    return {Call(r["principal"], action, resource) for r in records for action, resource in translate(r)}


# --- requests as IAM sees them: https://docs.aws.amazon.com/service-authorization/latest/reference -----------
_S3 = {
    "GetObject": "GetObject", "HeadObject": "GetObject", "PutObject": "PutObject", "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject", "AbortMultipartUpload": "AbortMultipartUpload",
    "DeleteObject": "DeleteObject", "DeleteObjects": "DeleteObject", "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket", "ListObjectVersions": "ListBucketVersions",
    "GetBucketLocation": "GetBucketLocation",
}  # fmt: skip
_OF_BUCKET = {"ListBucket", "ListBucketVersions", "GetBucketLocation"}
_PREFIXES = {"sagemaker-runtime": "sagemaker"}


def iam(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(action, resource) pairs that IAM decides on for one request."""
    service, operation = record["service"], record["operation"]
    if service == "s3":
        yield from _s3(record, operation)
        return
    resources = _RESOURCES.get(service, lambda *_: ["*"])(operation, record["parameters"], record["path"])
    for resource in resources:
        yield f"{_PREFIXES.get(service, service)}:{operation}", resource
    if role := record["parameters"].get("RoleArn") or record["parameters"].get("ExecutionRoleArn"):
        yield "iam:PassRole", role


def _s3(record: dict[str, Any], operation: str) -> Iterator[tuple[str, str]]:
    bucket, _, key = record["path"].lstrip("/").partition("/")
    if operation is None and record["query"].startswith("list-type"):
        operation = "ListObjectsV2"
    action = _S3[_s3_operation(record, operation)]
    yield f"s3:{action}", f"arn:aws:s3:::{bucket}" if action in _OF_BUCKET else f"arn:aws:s3:::{bucket}/{key or '*'}"
    if source := record["copy_source"]:
        yield "s3:GetObject", f"arn:aws:s3:::{source.lstrip('/').partition('?')[0]}"


def _s3_operation(record: dict[str, Any], operation: str) -> str:
    return "CopyObject" if record["copy_source"] and operation == "PutObject" else operation


def _glue(operation: str, parameters: dict[str, Any], _: str) -> list[str]:
    place = "arn:aws:glue:us-east-1:123456789012"
    if "JobName" in parameters:
        return [f"{place}:job/{parameters['JobName']}"]
    if "Crawler" in operation:
        return [f"{place}:crawler/{parameters['Name']}"]
    database = parameters.get("DatabaseName") or parameters.get("Name")
    found = [f"{place}:catalog", f"{place}:database/{database}"]
    if "Table" in operation or "Partition" in operation:
        table = parameters.get("TableName") or (parameters.get("TableInput") or parameters).get("Name", "*")
        found.append(f"{place}:table/{database}/{table}")
    return found


def _athena(_: str, parameters: dict[str, Any], __: str) -> list[str]:
    return [f"arn:aws:athena:us-east-1:123456789012:workgroup/{parameters.get('WorkGroup', '(of the query)')}"]


_KINDS = ("TrainingJob", "TransformJob", "EndpointConfig", "Endpoint", "Model")


def _sagemaker(operation: str, parameters: dict[str, Any], path: str) -> list[str]:
    if match := re.match(r"/endpoints/([^/]+)/", path):
        return [f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{match[1]}"]
    kind = next((kind for kind in _KINDS if kind in operation), "")
    name = parameters.get(f"{kind}Name")
    words = re.sub(r"(?<!^)([A-Z])", r"-\1", kind).lower()
    return [f"arn:aws:sagemaker:us-east-1:123456789012:{words}/{name}"] if name else ["*"]


def _cloudformation(_: str, parameters: dict[str, Any], __: str) -> list[str]:
    name = parameters.get("StackName", "*").rpartition("stack/")[2].partition("/")[0]
    return [f"arn:aws:cloudformation:us-east-1:123456789012:stack/{name}/id"]


def _logs(_: str, parameters: dict[str, Any], __: str) -> list[str]:
    group = parameters.get("logGroupName") or parameters.get("logGroupNamePrefix") or "*"
    return [f"arn:aws:logs:us-east-1:123456789012:log-group:{group}:x"]


_RESOURCES: dict[str, Callable[[str, dict[str, Any], str], list[str]]] = {
    "glue": _glue, "athena": _athena, "sagemaker": _sagemaker, "sagemaker-runtime": _sagemaker,
    "cloudformation": _cloudformation, "logs": _logs,
}  # fmt: skip
