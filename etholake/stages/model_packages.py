"""Read and make model packages: the versions of the lake's group in SageMaker's model registry.

A version is a behaviour classifier, which `stages.serving.registry` approves, serves and takes back, or a
pre-trained network, which is a base of trainings and is never served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etholake import aws
from etholake.errors import UsageError
from etholake.settings import Settings
from etholake.stages.job_settings import image_uri

__all__ = [
    "MODEL_NAME", "PENDING", "SCORE", "TEST_SET", "Version", "add_pretrained", "add_version", "group_name",
    "inference_specification", "numbered", "versions",
]  # fmt: skip

PENDING = "PendingManualApproval"
# Names of the package's metadata (CustomerMetadataProperties); values are text.
SCORE, TEST_SET, MODEL_NAME, PRETRAINED = "score", "test_set", "model_name", "pretrained"


@dataclass(frozen=True)
class Version:
    """One model package of a group; a `pretrained` one has no score, and cannot be approved."""

    number: int
    arn: str
    status: str
    score: float | None
    test_set: str
    model_name: str
    model_uri: str
    pretrained: bool


def group_name(settings: Settings) -> str:
    """Return the name of the model package group, as `infra/models.yaml` makes it. Pure."""
    return settings.stack


def versions(settings: Settings, group: str) -> list[Version]:
    """Return all versions of the group, the newest first; [] if there is no such group."""
    client = aws.client(settings, "sagemaker")
    try:
        arns = list(_arns(client, group))  # the pipeline's role may list versions, but not describe the group
    except client.exceptions.ClientError as err:
        if _says_missing(err):
            return []
        raise
    packages = [client.describe_model_package(ModelPackageName=arn) for arn in arns]
    return sorted(map(_version, packages), key=lambda version: -version.number)


def numbered(settings: Settings, group: str, number: int) -> Version:
    """Return the version of that number. Raises UsageError, naming the versions there are."""
    existing = {version.number: version for version in versions(settings, group)}
    if number not in existing:
        numbers = ", ".join(str(n) for n in sorted(existing)) or "none"
        raise UsageError(f"Model package group '{group}' has no version {number}; it has: {numbers}.")
    return existing[number]


def add_version(settings: Settings, group: str, request: Mapping[str, Any]) -> Version:
    """Make a version from the arguments of CreateModelPackage, and the group if it is missing."""
    client = aws.client(settings, "sagemaker")
    if not _exists(client, group):
        client.create_model_package_group(ModelPackageGroupName=group)
    arn = client.create_model_package(ModelPackageGroupName=group, **request)["ModelPackageArn"]
    return _version(client.describe_model_package(ModelPackageName=arn))


def add_pretrained(settings: Settings, name: str, config: str, uri: str) -> Version:
    """Make a version of a pre-trained network with the archive `uri`; the same archive makes one only once."""
    group = group_name(settings)
    request = {
        "ModelPackageDescription": f"Configuration '{config}', pre-trained by job {name}: a base for train --from",
        "ModelApprovalStatus": PENDING,
        "InferenceSpecification": inference_specification(settings, uri),
        "CustomerMetadataProperties": {MODEL_NAME: name, PRETRAINED: "true"},
    }
    same = (version for version in versions(settings, group) if version.model_uri == uri)
    return next(same, None) or add_version(settings, group, request)


def inference_specification(settings: Settings, uri: str) -> dict[str, Any]:
    """Return the container of a package: the hosting image with the model's archive."""
    environment = {"SAGEMAKER_PROGRAM": "inference.py"}
    image = image_uri(settings, "hosting")
    return {"Containers": [{"Image": image, "ModelDataUrl": uri, "Environment": environment}]}


def _arns(client: Any, group: str) -> Iterator[str]:
    for page in client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group):
        yield from (item["ModelPackageArn"] for item in page["ModelPackageSummaryList"])


def _version(package: Mapping[str, Any]) -> Version:
    about = package.get("CustomerMetadataProperties") or {}
    containers = (package.get("InferenceSpecification") or {}).get("Containers") or [{}]
    return Version(
        number=int(package["ModelPackageVersion"]),
        arn=package["ModelPackageArn"],
        status=package["ModelApprovalStatus"],
        score=float(about[SCORE]) if SCORE in about else None,
        test_set=about.get(TEST_SET, ""),
        model_name=about.get(MODEL_NAME, ""),
        model_uri=containers[0].get("ModelDataUrl", ""),
        pretrained=about.get(PRETRAINED) == "true",
    )


def _exists(client: Any, group: str) -> bool:
    try:
        client.describe_model_package_group(ModelPackageGroupName=group)
    except client.exceptions.ClientError as err:
        if _says_missing(err):
            return False
        raise
    return True


def _says_missing(error: Any) -> bool:
    """Return whether SageMaker says that there is no such group, and not that the caller may not ask."""
    return error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound")
