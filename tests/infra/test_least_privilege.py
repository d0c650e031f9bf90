"""Policies against recorded calls, both ways: nothing that the stages do is missing, nothing else is allowed.

What AWS's own services do with a role is not seen on the mock: the template's Metadata says it, with the reason.
"""

import fnmatch
import json
from pathlib import Path
from typing import Any

import pytest
from described import wanted
from recording import GOLDEN, record

from etholake.settings import Settings
from etholake.stages.cloud import deploy, templates
from etholake.stages.pipeline import machine

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = {template.stack: template for template in templates.load(ROOT / "infra")}
HOLDERS = {
    "GlueRole": ("compute", "GlueRole"),
    "operator": ("models", "OperatorPolicy"),
    "SageMakerRole": ("models", "SageMakerRole"),  # its requests are SageMaker's: see recording.of_sagemaker
    "StepRole": ("pipeline", "StepRole"),
    "MachineRole": ("pipeline", "MachineRole"),
    "StartRole": ("pipeline", "StartRole"),
}


def calls() -> dict[str, list[list[str]]]:
    return dict(json.loads(GOLDEN.read_text(encoding="utf-8")))


def made_by(principal: str) -> set[tuple[str, str]]:
    return {
        (action, resource) for stage in calls().values() for who, action, resource in stage if who == principal
    }


def statements(principal: str) -> list[dict[str, Any]]:
    """The statements of a role or policy, references resolved as for the default settings."""
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


@pytest.mark.parametrize("principal", sorted(HOLDERS))
def test_nothing_is_missing(principal: str) -> None:
    asked = made_by(principal)
    assert len(asked) >= (1 if principal == "StartRole" else 5)
    assert sorted(call for call in asked if not any(covers(g, call) for g in granted(principal))) == []


@pytest.mark.parametrize("principal", sorted(HOLDERS))
def test_nothing_is_allowed_without_use_or_reason(principal: str) -> None:
    asked = {action for action, _ in made_by(principal)}
    allowed = {action for action, _ in granted(principal)}
    reasons = unrecorded(principal)
    assert sorted(allowed - asked - set(reasons)) == []
    assert all(len(reason.split()) >= 4 for reason in reasons.values())
    assert sorted(set(reasons) - allowed) == []  # a reason for what is not allowed is stale
    assert sorted(set(reasons) & asked) == []  # what is recorded needs no reason


@pytest.mark.parametrize("principal", sorted(HOLDERS))
def test_no_prefix_is_open_without_use(principal: str) -> None:
    """Every zone of the bucket that is open to an action is used by that action, or the action has a reason."""
    unused = [
        (action, resource)
        for action, resource in granted(principal)
        if resource.startswith("arn:aws:s3:::etholake-dev/")
        and action not in unrecorded(principal)
        and not any(covers((action, resource), call) for call in made_by(principal))
    ]
    # Read and written by Athena with the caller's credentials, and by Spark for --extra-py-files.
    by_services = {"query-results", "code-zone"}
    # Of `etholake clips`, and of models of pixels, which are not among the recorded stages: they need films.
    readers = ("GlueRole", "SageMakerRole", "operator")
    of_clips = ("/clip-zone/*", "/model-zone/detectors/*") if principal in readers else ()
    assert [
        grant for grant in unused if grant[1].split("/")[1] not in by_services and not grant[1].endswith(of_clips)
    ] == []


def test_a_policy_that_lacks_something_would_be_found() -> None:
    delete = ("s3:DeleteObject", "arn:aws:s3:::etholake-dev/raw-zone/*")
    for principal in HOLDERS:  # raw data is never deleted by a stage
        assert not any(covers(grant, delete) for grant in granted(principal))
    assert covers(("s3:GetObject", "arn:aws:s3:::b/raw-zone/*"), ("s3:GetObject", "arn:aws:s3:::b/raw-zone/*"))
    assert not covers(
        ("s3:GetObject", "arn:aws:s3:::b/raw-zone/*"), ("s3:GetObject", "arn:aws:s3:::b/model-zone/*")
    )


@pytest.mark.long
def test_the_recorded_calls_are_those_of_today(tmp_path: Path) -> None:
    assert record(tmp_path) == calls()  # regenerate: python tests/infra/recording.py
