"""Keep the model registry: versions of one model package group, which one is approved, and the way back.

The approved model is the newest version whose status is Approved. A version carries its score on the held-out
videos, the fingerprint of those videos, and the artefact. `rollback` approves an older version and rejects the
newer ones, so that the approved model is again the one that is meant; an artefact is never registered twice.
`register` makes a version of the newest trained model; it waits for `approve`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from etholake import aws
from etholake.contract import MODEL_ZONE
from etholake.digest import fingerprint
from etholake.errors import DataError, UsageError
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.job_settings import image_uri
from etholake.stages.serving.trained_model import trained_model
from etholake.stages.serving.videos import REQUEST_TYPE
from etholake.stages.state import load_state
from etholake.video.clip_request import CLIP_REQUEST

__all__ = [
    "Version", "approve", "approved", "decide", "group_name", "package_request", "register", "rollback",
    "serving_version", "show", "versions",
]  # fmt: skip

APPROVED, REJECTED, PENDING = "Approved", "Rejected", "PendingManualApproval"
# Names of the package's metadata (CustomerMetadataProperties); values are text.
SCORE, TEST_SET, MODEL_NAME = "score", "test_set", "model_name"


@dataclass(frozen=True)
class Version:
    """One model package of the group."""

    number: int
    arn: str
    status: str
    score: float | None
    test_set: str
    model_name: str
    model_uri: str


def versions(settings: Settings, group: str) -> list[Version]:
    """Return all versions of the group, the newest first; [] if there is no such group."""
    client = aws.client(settings, "sagemaker")
    packages = [client.describe_model_package(ModelPackageName=arn) for arn in _arns(client, group)]
    return sorted(map(_version, packages), key=lambda version: -version.number)


def _arns(client: Any, group: str) -> Iterator[str]:
    for page in client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group):
        yield from (item["ModelPackageArn"] for item in page["ModelPackageSummaryList"])


def _version(package: dict[str, Any]) -> Version:
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
    )


def approved(of: list[Version]) -> Version | None:
    """Return the newest approved one of versions that are sorted as `versions` sorts them. Pure."""
    return next((version for version in of if version.status == APPROVED), None)


def decide(settings: Settings, group: str, model_uri: str, score: float, test_set: str) -> dict[str, Any]:
    """Decide what to do with a model that scored `score` on the held-out videos `test_set`.

    Returns
    -------
    dict
        ``action``: `register` (better than the approved one, or none is approved), `deploy` (it is the approved
        one) or `keep` (the approved one stays); ``reason``, a sentence.
    """
    existing = versions(settings, group)
    now = approved(existing)
    same = next((version for version in existing if version.model_uri == model_uri), None)
    if now and now.model_uri == model_uri:
        return {"action": "deploy", "reason": f"It is version {now.number}, the approved one."}
    if same:
        return {"action": "keep", "reason": f"It is version {same.number}, which is {same.status}."}
    if now is None:
        return {"action": "register", "reason": "No model is approved yet."}
    score_to_beat = 0.0 if now.score is None else now.score
    note = "" if now.test_set == test_set else " (of other held-out videos)"
    if score > score_to_beat:
        return {
            "action": "register",
            "reason": f"It beats version {now.number}: {score:.4f} > {score_to_beat:.4f}{note}.",
        }
    return {
        "action": "keep",
        "reason": f"Version {now.number} is not beaten: {score:.4f} <= {score_to_beat:.4f}{note}.",
    }


def show(settings: Settings, group: str) -> StageResult:
    """List the versions of the group, one a line, the approved one marked. `details["versions"]` has them."""
    existing = versions(settings, group) if _exists(settings, group) else []
    now = approved(existing)
    lines = [
        f"{'*' if version is now else ' '} {version.number:>4}  {version.status:<21}  "
        f"{'-' if version.score is None else f'{version.score:.4f}':>7}  {version.model_name}"
        for version in existing
    ]
    summary = "\n  ".join([f"{len(existing)} versions in '{group}'; the approved one has a star", *lines])
    return StageResult("registry", "unchanged", summary, {"versions": [asdict(version) for version in existing]})


def rollback(settings: Settings, group: str, number: int) -> Version:
    """Approve version `number` and reject the newer ones.

    Raises UsageError, naming the versions there are, if there is no such version.
    """
    chosen = _numbered(settings, group, number)
    client = aws.client(settings, "sagemaker")
    client.update_model_package(ModelPackageArn=chosen.arn, ModelApprovalStatus=APPROVED)
    for version in versions(settings, group):  # the newest approved one counts: those after it must not be
        if version.number > number and version.status != REJECTED:
            client.update_model_package(ModelPackageArn=version.arn, ModelApprovalStatus=REJECTED)
    return chosen


# --- by hand ----------------------------------------------------------------------------------------------
def group_name(settings: Settings) -> str:
    """Return the name of the model package group, as `infra/models.yaml` makes it. Pure."""
    return settings.stack


def serving_version(settings: Settings) -> Version:
    """Return the approved version. Raises DataError if none is approved."""
    group = group_name(settings)
    version = approved(versions(settings, group) if _exists(settings, group) else [])
    if version is None:
        raise DataError(
            f"No version of '{group}' is approved: run `etholake registry --register`, then --approve."
        )
    return version


def register(settings: Settings) -> StageResult:
    """Make the newest trained model a version that waits for approval, with its metrics.

    `score` is the validation score that training reported (the pipeline registers that of held-out videos).
    Raises DataError if no model has been trained.
    """
    name, uri = trained_model(settings)
    group = group_name(settings)
    client = aws.client(settings, "sagemaker")
    if not _exists(settings, group):
        client.create_model_package_group(ModelPackageGroupName=group)
    same = next((version for version in versions(settings, group) if version.model_uri == uri), None)
    if same:
        summary = f"The newest model is version {same.number} of '{group}' already ({same.status})."
        return StageResult("registry", "unchanged", summary, {"version": same.number, "arn": same.arn})
    details = load_state(settings, "train")["details"]
    key = f"{MODEL_ZONE}/metrics/{name}.json"
    metrics = json.dumps({"metrics": details["metrics"], "split": details["split"]}).encode()
    aws.client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=metrics)
    request = package_request(settings, group, name, uri, f"s3://{settings.bucket}/{key}", details)
    arn = client.create_model_package(**request)["ModelPackageArn"]
    number = int(client.describe_model_package(ModelPackageName=arn)["ModelPackageVersion"])
    summary = f"Version {number} of '{group}' waits for approval: `etholake registry --approve {number}`."
    return StageResult("registry", "done", summary, {"version": number, "arn": arn, "model_uri": uri})


def package_request(
    settings: Settings, group: str, name: str, uri: str, metrics_uri: str, details: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments of CreateModelPackage. `details` are those of stage train."""
    score = details["metrics"].get("best_val_score")
    about = {TEST_SET: fingerprint(details["split"]["test"]), MODEL_NAME: name}
    return {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": f"Configuration '{details['config']}', training job {details['job_name']}",
        "ModelApprovalStatus": PENDING,
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": image_uri(settings, "hosting"),
                    "ModelDataUrl": uri,
                    "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
                }
            ],
            "SupportedContentTypes": [REQUEST_TYPE, "application/json", CLIP_REQUEST],
            "SupportedResponseMIMETypes": ["application/json"],
            "SupportedRealtimeInferenceInstanceTypes": [settings.instance_type],
            "SupportedTransformInstanceTypes": [settings.instance_type],
        },
        "ModelMetrics": {
            "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": metrics_uri}}
        },
        "CustomerMetadataProperties": about if score is None else {**about, SCORE: f"{score:.6f}"},
    }


def approve(settings: Settings, number: int) -> Version:
    """Approve one version; the newest approved one is served. Raises UsageError if there is no such version."""
    group = group_name(settings)
    chosen = _numbered(settings, group, number)
    aws.client(settings, "sagemaker").update_model_package(
        ModelPackageArn=chosen.arn, ModelApprovalStatus=APPROVED
    )
    return chosen


def _numbered(settings: Settings, group: str, number: int) -> Version:
    """Return the version of that number. Raises UsageError, naming the versions there are."""
    existing = (
        {version.number: version for version in versions(settings, group)} if _exists(settings, group) else {}
    )
    if number not in existing:
        numbers = ", ".join(str(n) for n in sorted(existing)) or "none"
        raise UsageError(f"Model package group '{group}' has no version {number}; it has: {numbers}.")
    return existing[number]


def _exists(settings: Settings, group: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        aws.client(settings, "sagemaker").describe_model_package_group(ModelPackageGroupName=group)
    except ClientError:
        return False
    return True
