"""Check that every resource of a stack exists, at its own service, not at CloudFormation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from etholake import aws
from etholake.settings import Settings

__all__ = ["CHECKS", "check_resources", "physical_ids", "resources"]

Check = tuple[str, str, Callable[[str, Mapping[str, str]], dict[str, Any]]]


def _named(argument: str) -> Callable[[str, Mapping[str, str]], dict[str, Any]]:
    return lambda physical, _: {argument: physical}


def _listed(argument: str) -> Callable[[str, Mapping[str, str]], dict[str, Any]]:
    return lambda physical, _: {argument: [physical]}


# Type -> (service, operation, arguments from physical id and account): how to see that a resource is there.
CHECKS: Mapping[str, Check] = {
    "AWS::Athena::WorkGroup": ("athena", "get_work_group", _named("WorkGroup")),
    "AWS::Budgets::Budget": (
        "budgets",
        "describe_budget",
        lambda physical, facts: {"AccountId": facts["account"], "BudgetName": physical},
    ),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "describe_alarms", _listed("AlarmNames")),
    "AWS::Events::Rule": ("events", "describe_rule", lambda physical, _: {"Name": physical.rpartition("|")[2]}),
    "AWS::Glue::Crawler": ("glue", "get_crawler", _named("Name")),
    "AWS::Glue::Database": ("glue", "get_database", _named("Name")),
    "AWS::Glue::Job": ("glue", "get_job", _named("JobName")),
    "AWS::IAM::ManagedPolicy": ("iam", "get_policy", _named("PolicyArn")),
    "AWS::IAM::Role": ("iam", "get_role", _named("RoleName")),
    "AWS::KMS::Alias": ("kms", "describe_key", _named("KeyId")),
    "AWS::KMS::Key": ("kms", "describe_key", _named("KeyId")),
    "AWS::LakeFormation::PrincipalPermissions": ("lakeformation", "list_permissions", lambda *_: {}),
    "AWS::Logs::LogGroup": ("logs", "describe_log_groups", _named("logGroupNamePrefix")),
    "AWS::S3::Bucket": ("s3", "head_bucket", _named("Bucket")),
    "AWS::S3::BucketPolicy": ("s3", "get_bucket_policy", _named("Bucket")),
    "AWS::SNS::Topic": ("sns", "get_topic_attributes", _named("TopicArn")),
    "AWS::SNS::TopicPolicy": ("sns", "get_topic_attributes", lambda _, facts: {"TopicArn": facts["topic"]}),
    "AWS::SageMaker::ModelPackageGroup": (
        "sagemaker",
        "describe_model_package_group",
        _named("ModelPackageGroupName"),
    ),
    "AWS::StepFunctions::StateMachine": ("stepfunctions", "describe_state_machine", _named("stateMachineArn")),
}
# Operations that answer with an empty list, and no error, for what is not there.
_LISTS = {"describe_alarms": "MetricAlarms", "describe_log_groups": "logGroups"}
_LISTS |= {"list_permissions": "PrincipalResourcePermissions"}


def physical_ids(settings: Settings, name: str) -> dict[str, str]:
    """Return logical -> physical id of a stack's resources."""
    return {item["LogicalResourceId"]: item.get("PhysicalResourceId", "") for item in resources(settings, name)}


def resources(settings: Settings, name: str) -> list[dict[str, Any]]:
    """Return the summaries of a stack's resources by ListStackResources."""
    pages = aws.client(settings, "cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
    return [item for page in pages for item in page["StackResourceSummaries"]]


def check_resources(
    settings: Settings, name: str, wanted: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, str], list[str]]:
    """Return (logical -> physical id of what exists, a sentence for each resource of the stack that does not)."""
    physical = physical_ids(settings, name)
    existing, problems = {}, []
    facts = {"account": aws.account_id(settings), "topic": ""}
    kinds = {logical: str(body["Type"]) for logical, body in wanted.items()}
    for logical, kind in kinds.items():
        if kind == "AWS::SNS::Topic":
            facts["topic"] = physical.get(logical, "")
    for logical, kind in kinds.items():
        if kind not in CHECKS:
            problems.append(
                f"{logical}: there is no check that an {kind} exists (add it to resource_checks.CHECKS)."
            )
        elif not physical.get(logical):
            problems.append(f"{logical} ({kind}) is not among the resources of stack '{name}'.")
        else:
            identity = _identity(settings, logical, kind, wanted[logical], physical)
            if reason := _missing(settings, kind, identity, facts):
                problems.append(f"{logical} ({kind} '{identity}') does not answer: {reason}.")
            else:
                existing[logical] = identity
    return existing, problems


def _identity(
    settings: Settings, logical: str, kind: str, body: Mapping[str, Any], physical: Mapping[str, str]
) -> str:
    """Return the physical id; for a bucket's policy the bucket's name, which CloudFormation need not give."""
    if kind != "AWS::S3::BucketPolicy":
        return physical[logical]
    bucket = body["Properties"]["Bucket"]
    bucket = bucket if "Ref" in bucket else {"Ref": "Bucket"}
    return physical.get(bucket["Ref"]) or settings.bucket


def _missing(settings: Settings, kind: str, identity: str, facts: Mapping[str, str]) -> str:
    """Return why the resource does not exist; '' if it does."""
    from botocore.exceptions import ClientError

    service, operation, arguments = CHECKS[kind]
    try:
        answer = getattr(aws.client(settings, service), operation)(**arguments(identity, facts))
    except ClientError as err:
        return str(err.response["Error"]["Code"])
    if operation in _LISTS and not answer[_LISTS[operation]]:
        return "it is not listed"
    if kind == "AWS::KMS::Key" and answer["KeyMetadata"]["KeyState"] != "Enabled":
        return f"its state is {answer['KeyMetadata']['KeyState']}"
    return ""
