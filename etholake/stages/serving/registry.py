"""Keep the model registry: versions of one model package group, which one is approved, and the way back.

The approved model is the newest version whose status is Approved. A version carries its score on the held-out
videos, the fingerprint of those videos, and the artefact. `rollback` approves an older version and rejects the
newer ones, so that the approved model is again the one that is meant; an artefact is never registered twice.
`register` makes a version of the newest trained model; it waits for `approve`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from etholake import aws
from etholake.contract import MODEL_ZONE
from etholake.digest import fingerprint
from etholake.errors import DataError, UsageError
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.model_packages import (
    MODEL_NAME,
    PENDING,
    SCORE,
    TEST_SET,
    Version,
    add_version,
    group_name,
    inference_specification,
    numbered,
    versions,
)
from etholake.stages.serving.trained_model import trained_model
from etholake.stages.serving.videos import REQUEST_TYPE
from etholake.stages.state import load_state
from etholake.video.clip_request import CLIP_REQUEST

__all__ = [
    "approve", "approved", "decide", "package_request", "register", "rollback", "serving_version", "show",
]  # fmt: skip

APPROVED, REJECTED = "Approved", "Rejected"


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
    existing = versions(settings, group)
    now = approved(existing)
    lines = [
        f"{'*' if version is now else ' '} {version.number:>4}  "
        f"{'pre-trained' if version.pretrained else version.status:<21}  "
        f"{'-' if version.score is None else f'{version.score:.4f}':>7}  {version.model_name}"
        for version in existing
    ]
    summary = "\n  ".join([f"{len(existing)} versions in '{group}'; the approved one has a star", *lines])
    return StageResult("registry", "unchanged", summary, {"versions": [asdict(version) for version in existing]})


def rollback(settings: Settings, group: str, number: int) -> Version:
    """Approve version `number` and reject the newer ones.

    Raises UsageError, naming the versions there are, if there is no such version, or it is a pre-trained network.
    """
    chosen = _classifier(settings, group, number)
    client = aws.client(settings, "sagemaker")
    client.update_model_package(ModelPackageArn=chosen.arn, ModelApprovalStatus=APPROVED)
    for version in versions(settings, group):  # the newest approved one counts: those after it must not be
        if version.number > number and version.status != REJECTED and not version.pretrained:
            client.update_model_package(ModelPackageArn=version.arn, ModelApprovalStatus=REJECTED)
    return chosen


# --- by hand ----------------------------------------------------------------------------------------------
def serving_version(settings: Settings) -> Version:
    """Return the approved version. Raises DataError if none is approved."""
    group = group_name(settings)
    version = approved(versions(settings, group))
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
    same = next((version for version in versions(settings, group) if version.model_uri == uri), None)
    if same:
        summary = f"The newest model is version {same.number} of '{group}' already ({same.status})."
        return StageResult("registry", "unchanged", summary, {"version": same.number, "arn": same.arn})
    details = load_state(settings, "train")["details"]
    key = f"{MODEL_ZONE}/metrics/{name}.json"
    metrics = json.dumps({"metrics": details["metrics"], "split": details["split"]}).encode()
    aws.client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=metrics)
    version = add_version(
        settings, group, package_request(settings, name, uri, f"s3://{settings.bucket}/{key}", details)
    )
    number = version.number
    summary = f"Version {number} of '{group}' waits for approval: `etholake registry --approve {number}`."
    more = {"version": number, "arn": version.arn, "model_uri": uri}
    return StageResult("registry", "done", summary, more)


def package_request(
    settings: Settings, name: str, uri: str, metrics_uri: str, details: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments of CreateModelPackage but the group. `details` are those of stage train."""
    score = details["metrics"].get("best_val_score")
    about = {TEST_SET: fingerprint(details["split"]["test"]), MODEL_NAME: name}
    return {
        "ModelPackageDescription": f"Configuration '{details['config']}', training job {details['job_name']}",
        "ModelApprovalStatus": PENDING,
        "InferenceSpecification": {
            **inference_specification(settings, uri),
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
    """Approve one version; the newest approved one is served.

    Raises UsageError if there is no such version, or it is a pre-trained network.
    """
    chosen = _classifier(settings, group_name(settings), number)
    aws.client(settings, "sagemaker").update_model_package(
        ModelPackageArn=chosen.arn, ModelApprovalStatus=APPROVED
    )
    return chosen


def _classifier(settings: Settings, group: str, number: int) -> Version:
    """Return the version of that number, which must be a behaviour classifier."""
    version = numbered(settings, group, number)
    if version.pretrained:
        raise UsageError(
            f"Version {number} of '{group}' is pre-trained and predicts no behaviour yet: train from it with "
            f"`etholake train --from version:{number}`."
        )
    return version
