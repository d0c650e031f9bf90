"""The model registry: versions of one model package group, what is approved, and the way back.

The approved model is the newest version whose status is Approved. A version carries its score on the held-out
videos, the fingerprint of those videos, and the artefact. `rollback` approves an older version and rejects the
newer ones, so that the approved model is again the one that is meant; an artefact is never registered twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from etholake import aws
from etholake.errors import UsageError
from etholake.settings import Settings

__all__ = ["Version", "approved", "decide", "rollback", "versions"]

APPROVED, REJECTED = "Approved", "Rejected"
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
    """All versions of the group, the newest first; [] if there is no such group."""
    client = aws.client(settings, "sagemaker")
    found = [_version(client.describe_model_package(ModelPackageName=arn)) for arn in _arns(client, group)]
    return sorted(found, key=lambda version: -version.number)


def _arns(client: Any, group: str) -> Iterator[str]:
    for page in client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group):
        yield from (item["ModelPackageArn"] for item in page["ModelPackageSummaryList"])


def _version(found: dict[str, Any]) -> Version:
    about = found.get("CustomerMetadataProperties") or {}
    containers = (found.get("InferenceSpecification") or {}).get("Containers") or [{}]
    return Version(
        number=int(found["ModelPackageVersion"]),
        arn=found["ModelPackageArn"],
        status=found["ModelApprovalStatus"],
        score=float(about[SCORE]) if SCORE in about else None,
        test_set=about.get(TEST_SET, ""),
        model_name=about.get(MODEL_NAME, ""),
        model_uri=containers[0].get("ModelDataUrl", ""),
    )


def approved(found: list[Version]) -> Version | None:
    """The newest approved version. Pure."""
    return next((version for version in found if version.status == APPROVED), None)


def decide(settings: Settings, group: str, model_uri: str, score: float, test_set: str) -> dict[str, Any]:
    """What is to be done with a model that scored `score` on the held-out videos `test_set`.

    Returns
    -------
    dict
        ``action``: `register` (better than the approved one, or none is approved), `deploy` (it is the approved
        one) or `keep` (the approved one stays); ``reason``, a sentence.
    """
    found = versions(settings, group)
    now = approved(found)
    same = next((version for version in found if version.model_uri == model_uri), None)
    if now and now.model_uri == model_uri:
        return {"action": "deploy", "reason": f"It is version {now.number}, the approved one."}
    if same:
        return {"action": "keep", "reason": f"It is version {same.number}, which is {same.status}."}
    if now is None:
        return {"action": "register", "reason": "No model is approved yet."}
    known = 0.0 if now.score is None else now.score
    note = "" if now.test_set == test_set else " (of other held-out videos)"
    if score > known:
        return {"action": "register", "reason": f"It beats version {now.number}: {score:.4f} > {known:.4f}{note}."}
    return {"action": "keep", "reason": f"Version {now.number} is not beaten: {score:.4f} <= {known:.4f}{note}."}


def rollback(settings: Settings, group: str, number: int) -> Version:
    """Approve version `number` and reject the newer ones; the next deployment serves it.

    Raises UsageError, naming the versions there are, if there is no such version.
    """
    found = {version.number: version for version in versions(settings, group)}
    if number not in found:
        known = ", ".join(str(n) for n in sorted(found)) or "none"
        raise UsageError(f"Model package group '{group}' has no version {number}; it has: {known}.")
    client = aws.client(settings, "sagemaker")
    client.update_model_package(ModelPackageArn=found[number].arn, ModelApprovalStatus=APPROVED)
    for version in found.values():  # the newest approved one counts: those after it must not be
        if version.number > number and version.status != REJECTED:
            client.update_model_package(ModelPackageArn=version.arn, ModelApprovalStatus=REJECTED)
    return found[number]
