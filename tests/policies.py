"""Compare requests with what the roles and policies of the templates allow for the default settings."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from described import wanted

from etholake.settings import Settings
from etholake.stages.cloud import deploy, templates
from etholake.stages.pipeline import machine

__all__ = ["HOLDERS", "covers", "denied", "granted", "unrecorded"]

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = {template.stack: template for template in templates.load(ROOT / "infra")}
HOLDERS = {
    "GlueRole": ("compute", "GlueRole"),
    "operator": ("models", "OperatorPolicy"),
    "SageMakerRole": ("models", "SageMakerRole"),  # its requests are SageMaker's: see iam_calls.of_sagemaker
    "StepRole": ("pipeline", "StepRole"),
    "MachineRole": ("pipeline", "MachineRole"),
    "StartRole": ("pipeline", "StartRole"),
}


def statements(principal: str) -> list[dict[str, Any]]:
    """Return the statements of a role or policy, references resolved as for the default settings."""
    stack, logical = HOLDERS[principal]
    template = TEMPLATES[stack]
    parameters = deploy.parameters(Settings(), code_digest="0" * 16)
    parameters |= machine.parameters(Settings(), b"{}")
    parameters |= {"KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k", "AlarmTopicArn": "arn:topic"}
    parameters |= {
        "TrackingJobName": "etholake-curate-tracking", "TablesJobName": "etholake-curate-tables",
        "RawCrawlerName": "etholake-raw", "ModelPackageGroupName": "etholake",
        "SageMakerRoleArn": "arn:aws:iam::123456789012:role/SageMakerRole",
    }  # fmt: skip
    physical = {name: name for name in template.body["Resources"]}
    physical["StepJob"] = "etholake-pipeline-step"
    physical["Topic"] = "arn:aws:sns:us-east-1:123456789012:etholake-pipeline"
    physical["StateMachine"] = "arn:aws:states:us-east-1:123456789012:stateMachine:etholake-pipeline"
    values = templates.resolve(template, parameters) | {"AWS::StackName": f"etholake-{stack}"}
    properties = wanted(template, values, physical)[logical]
    document = properties.get("PolicyDocument") or properties["Policies"][0]["PolicyDocument"]
    return list(document["Statement"])


def as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def granted(principal: str) -> set[tuple[str, str]]:
    return {(a, r) for s in statements(principal) for a in as_list(s["Action"]) for r in as_list(s["Resource"])}


def covers(grant: tuple[str, str], call: tuple[str, str]) -> bool:
    return grant[0] == call[0] and fnmatch.fnmatchcase(call[1], grant[1])


def unrecorded(principal: str) -> dict[str, str]:
    stack, logical = HOLDERS[principal]
    return dict(TEMPLATES[stack].body["Resources"][logical]["Metadata"]["Unrecorded"])


def denied(calls: Iterable[Sequence[str]]) -> list[tuple[str, str, str]]:
    """Return the (principal, action, resource) that the principal's policy does not allow."""
    allowed = {principal: granted(principal) for principal in HOLDERS}
    return sorted(
        (principal, action, resource)
        for principal, action, resource in calls
        if principal in HOLDERS and not any(covers(grant, (action, resource)) for grant in allowed[principal])
    )
