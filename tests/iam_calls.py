"""Translate the requests that a mock has recorded (`Options.record_calls`) into IAM's actions and resources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

__all__ = ["Calls", "translated"]

Calls = dict[str, list[list[str]]]  # stage -> [principal, action, resource] in order, each once


def translated(records: Iterable[dict[str, Any]]) -> list[list[str]]:
    """Return [principal, action, resource] of the requests, sorted, each once."""
    records = list(records)
    triples = {(_name(r["principal"]), action, resource) for r in records for action, resource in iam(r)}
    triples |= {("SageMakerRole", action, resource) for r in records for action, resource in of_sagemaker(r)}
    return [[principal, action, resource] for principal, action, resource in sorted(triples)]


def _name(principal: str) -> str:
    """Return the logical name of a role (CloudFormation adds the stack's and a random part)."""
    match = re.fullmatch(r"etholake-\w+-(\w+)-\w+", principal)
    return match[1] if match else "operator"


# --- requests as IAM sees them: https://docs.aws.amazon.com/service-authorization/latest/reference -----------
_PREFIXES = {"sagemaker-runtime": "sagemaker", "stepfunctions": "states"}


def iam(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the (action, resource) pairs that IAM decides on for one request."""
    service, operation = record["service"], record["operation"]
    if service == "s3":
        yield from _s3(record)
        return
    resources = _RESOURCES.get(service, lambda *_: ["*"])(operation, record["parameters"], record["path"])
    for resource in resources:
        yield f"{_PREFIXES.get(service, service)}:{operation}", resource
    if role := record["parameters"].get("RoleArn") or record["parameters"].get("ExecutionRoleArn"):
        yield "iam:PassRole", _role(role)


def _s3(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    bucket, _, key = record["path"].lstrip("/").partition("/")
    query = dict(parse_qsl(record["query"], keep_blank_values=True))
    if not bucket:
        yield "s3:ListAllMyBuckets", "*"
    elif key:
        zone = _zone(record, key)
        actions = {"GET": "GetObject", "HEAD": "GetObject", "DELETE": "DeleteObject"}
        action = actions.get(record["method"], "PutObject")
        if "uploadId" in query and record["method"] == "DELETE":
            action = "AbortMultipartUpload"
        yield f"s3:{action}", f"arn:aws:s3:::{bucket}/{zone}/*"
        if source := record["copy_source"]:
            yield "s3:GetObject", f"arn:aws:s3:::{'/'.join(source.lstrip('/').split('/')[:2])}/*"
    elif record["method"] == "POST":
        for zone in {_zone(record, key) for key in record["parameters"]["keys"]}:
            yield "s3:DeleteObject", f"arn:aws:s3:::{bucket}/{zone}/*"
    else:
        operations = {"location": "GetBucketLocation", "versions": "ListBucketVersions"}
        action = next((operations[name] for name in query if name in operations), "ListBucket")
        yield f"s3:{action}", f"arn:aws:s3:::{bucket}"


def _zone(record: dict[str, Any], key: str) -> str:
    """Return the prefix of a key that a policy names: a zone; for the pipeline's roles, a part of a zone."""
    depth = 2 if _name(record["principal"]) in {"StepRole", "MachineRole"} else 1
    return "/".join(key.split("/")[:-1][:depth])


def _glue(operation: str, parameters: dict[str, Any], _: str) -> list[str]:
    place = "arn:aws:glue:us-east-1:123456789012"
    if "JobName" in parameters:
        return [f"{place}:job/{parameters['JobName']}"]
    if "Crawler" in operation:
        return [f"{place}:crawler/{parameters['Name']}"]
    database = parameters.get("DatabaseName") or parameters.get("Name")
    resources = [f"{place}:catalog", f"{place}:database/{database}"]
    if "Table" in operation or "Partition" in operation:
        table = parameters.get("TableName") or (parameters.get("TableInput") or parameters).get("Name", "*")
        resources.append(f"{place}:table/{database}/{table}")
    return resources


def _athena(_: str, parameters: dict[str, Any], __: str) -> list[str]:
    return [f"arn:aws:athena:us-east-1:123456789012:workgroup/{parameters.get('WorkGroup', 'etholake')}"]


_KINDS = (
    "HyperParameterTuningJob", "TrainingJob", "TransformJob", "ProcessingJob", "ModelPackageGroup",
    "EndpointConfig", "Endpoint", "Model",
)  # fmt: skip


def _sagemaker(operation: str, parameters: dict[str, Any], path: str) -> list[str]:
    if match := re.match(r"/endpoints/([^/]+)/", path):
        return [f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{match[1]}"]
    if operation == "CreateModelPackage":
        group = parameters["ModelPackageGroupName"]
        place = "arn:aws:sagemaker:us-east-1:123456789012"
        return [f"{place}:model-package-group/{group}", f"{place}:model-package/{group}/*"]
    if operation in {"DescribeModelPackage", "UpdateModelPackage"}:
        arn = parameters.get("ModelPackageName") or parameters["ModelPackageArn"]
        return [f"{arn.rpartition('/')[0]}/*"]
    if operation == "ListModelPackages":
        return ["*"]
    kind = next((kind for kind in _KINDS if kind in operation), "")
    name = parameters.get(f"{kind}Name")
    name = re.sub(r"^etholake-.+", "etholake-*", name) if name else name
    words = re.sub(r"(?<!^)([A-Z])", r"-\1", kind).lower()
    return [f"arn:aws:sagemaker:us-east-1:123456789012:{words}/{name}"] if name else ["*"]


def _role(arn: str) -> str:
    """Return a role's ARN with its logical name."""
    place, _, name = arn.rpartition("/")
    return f"{place}/{_name(name)}"


def _iam(_: str, parameters: dict[str, Any], __: str) -> list[str]:
    return [_role(parameters["PolicySourceArn"])]


def _cloudformation(_: str, parameters: dict[str, Any], __: str) -> list[str]:
    name = parameters.get("StackName", "*").rpartition("stack/")[2].partition("/")[0]
    return [f"arn:aws:cloudformation:us-east-1:123456789012:stack/{name}/id"]


def _logs(_: str, parameters: dict[str, Any], __: str) -> list[str]:
    group = parameters.get("logGroupName") or parameters.get("logGroupNamePrefix") or "*"
    return [f"arn:aws:logs:us-east-1:123456789012:log-group:{group}:x"]


def _states(_: str, parameters: dict[str, Any], __: str) -> list[str]:
    arn = parameters.get("stateMachineArn") or parameters["executionArn"]
    return [re.sub(r"(:execution:[^:]+):.*", r"\1:*", arn)]


def _scaling(*_: Any) -> list[str]:
    return ["arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/*"]


def _topic(_: str, parameters: dict[str, Any], __: str) -> list[str]:
    return [str(parameters["TopicArn"])]


# --- what SageMaker does with its role: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html -----
_WRITTEN = ("S3OutputPath", "S3FailurePath", "DestinationS3Uri")


def of_sagemaker(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the (action, resource) pairs on S3 of a request to SageMaker: it reads inputs and writes outputs."""
    if record["service"] == "sagemaker" and record["operation"].startswith("Create"):
        for name, uri, path in _uris(record["parameters"]):
            place = uri.removeprefix("s3://")
            zone = "/".join(place.split("/")[: 3 if "/raw-zone/" in place else 2])
            written = name in _WRITTEN or "ProcessingOutputConfig" in path
            if "CheckpointConfig" in path or not written:
                yield "s3:GetObject", f"arn:aws:s3:::{zone}/*"
                yield "s3:ListBucket", f"arn:aws:s3:::{zone.partition('/')[0]}"
            if "CheckpointConfig" in path or written:
                yield "s3:PutObject", f"arn:aws:s3:::{zone}/*"


def _uris(node: Any, name: str = "", path: tuple[str, ...] = ()) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield (name, s3:// URI, names above) of everything in a request that lies in S3."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _uris(value, key, (*path, key))
    elif isinstance(node, list):
        for item in node:
            yield from _uris(item, name, path)
    elif isinstance(node, str) and node.strip('"').startswith("s3://"):
        yield name, node.strip('"'), path


_RESOURCES: dict[str, Callable[[str, dict[str, Any], str], list[str]]] = {
    "glue": _glue, "athena": _athena, "sagemaker": _sagemaker, "sagemaker-runtime": _sagemaker,
    "cloudformation": _cloudformation, "iam": _iam, "logs": _logs, "stepfunctions": _states,
    "application-autoscaling": _scaling, "sns": _topic,
}  # fmt: skip
