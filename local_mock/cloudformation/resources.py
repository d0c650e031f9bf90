"""The table of resource types: the lake's own (Glue, Athena, S3) here, what runs it in `operations`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from local_mock.cloudformation.kind import Kind, Properties, Requests, without
from local_mock.cloudformation.operations import OPERATIONS
from local_mock.cloudformation.quicksight import QUICKSIGHT
from local_mock.context import get_context

__all__ = ["KINDS", "bucket_requests"]


# --- Glue -------------------------------------------------------------------------------------------------
def _database_input(name: str, properties: Properties) -> dict[str, Any]:
    return {**properties["DatabaseInput"], "Name": name}


def _crawler(properties: Properties) -> dict[str, Any]:
    request = without(properties)
    if isinstance(request.get("Schedule"), dict):
        request["Schedule"] = request["Schedule"]["ScheduleExpression"]
    if isinstance(request.get("Configuration"), dict):
        request["Configuration"] = json.dumps(request["Configuration"])
    return request


def _table_place(name: str, properties: Properties) -> dict[str, Any]:
    table = {**properties["TableInput"], "Name": name}
    return {"DatabaseName": properties["DatabaseName"], "TableInput": table}


# --- Athena -----------------------------------------------------------------------------------------------
def _work_group_update(name: str, properties: Properties) -> Requests:
    given = dict(properties.get("WorkGroupConfiguration") or {})
    result = dict(given.pop("ResultConfiguration", None) or {})
    if result:
        given["ResultConfigurationUpdates"] = result
    request: dict[str, Any] = {"WorkGroup": name, "ConfigurationUpdates": given}
    request |= {key: properties[key] for key in ("Description", "State") if key in properties}
    return [("update_work_group", request)]


def _work_group_create(name: str, properties: Properties) -> Requests:
    request = without(properties, "WorkGroupConfiguration", "RecursiveDeleteOption", "State")
    request |= {"Name": name, "Configuration": properties.get("WorkGroupConfiguration") or {}}
    return [("create_work_group", request)]


# --- S3 ---------------------------------------------------------------------------------------------------
_RULE_NAMES = {"Id": "ID"}
_BUCKET_PROPERTIES: Mapping[str, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    "BucketEncryption": lambda v: (
        "put_bucket_encryption",
        {"ServerSideEncryptionConfiguration": {"Rules": [_encryption_rule(r) for r in _values(v)]}},
    ),
    "VersioningConfiguration": lambda v: ("put_bucket_versioning", {"VersioningConfiguration": v}),
    "PublicAccessBlockConfiguration": lambda v: (
        "put_public_access_block",
        {"PublicAccessBlockConfiguration": v},
    ),
    "OwnershipControls": lambda v: ("put_bucket_ownership_controls", {"OwnershipControls": v}),
    "LifecycleConfiguration": lambda v: (
        "put_bucket_lifecycle_configuration",
        {"LifecycleConfiguration": {"Rules": [_lifecycle_rule(rule) for rule in v["Rules"]]}},
    ),
    "LoggingConfiguration": lambda v: (
        "put_bucket_logging",
        {"BucketLoggingStatus": {"LoggingEnabled": _logging(v)}},
    ),
    "NotificationConfiguration": lambda v: (
        "put_bucket_notification_configuration",
        {"NotificationConfiguration": _notification(v)},
    ),
    "Tags": lambda v: ("put_bucket_tagging", {"Tagging": {"TagSet": v}}),
}


def _values(configuration: Mapping[str, Any]) -> list[Any]:
    return list(configuration["ServerSideEncryptionConfiguration"])


def _encryption_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    renamed = without(rule, "ServerSideEncryptionByDefault")
    return renamed | {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}


def _logging(configuration: Properties) -> dict[str, Any]:
    target = {"TargetBucket": configuration["DestinationBucketName"]}
    return target | {"TargetPrefix": configuration.get("LogFilePrefix", "")}


def _notification(configuration: Properties) -> dict[str, Any]:
    """Return the notification of events to EventBridge, if the bucket sends any.

    Lambdas, queues and topics are refused by the API's shape (they have other names).
    """
    bridge = configuration.get("EventBridgeConfiguration")
    enabled = bridge is not None and str(bridge.get("EventBridgeEnabled", True)).lower() == "true"
    return without(configuration, "EventBridgeConfiguration") | (
        {"EventBridgeConfiguration": {}} if enabled else {}
    )


def _lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule of a template as the API writes it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html
    """
    other = ("ExpirationInDays", "Prefix", "Transitions")
    shown = {_RULE_NAMES.get(k, k): v for k, v in rule.items() if k not in other}
    if "Transitions" in rule:
        shown["Transitions"] = [
            {"Days" if k == "TransitionInDays" else k: v for k, v in t.items()} for t in rule["Transitions"]
        ]
    if "ExpirationInDays" in rule:
        shown["Expiration"] = {"Days": rule["ExpirationInDays"]}
    return shown | {"Filter": {"Prefix": rule.get("Prefix", "")}}


def bucket_requests(name: str, properties: Properties) -> Requests:
    """Return the settings of a bucket, one request each. Raises ValueError for one that cannot be honoured."""
    settings = without(properties, "BucketName")
    unknown = sorted(set(settings) - set(_BUCKET_PROPERTIES))
    if unknown:
        raise ValueError(f"AWS::S3::Bucket has the unsupported properties {unknown}.")
    requests = [_BUCKET_PROPERTIES[key](value) for key, value in settings.items()]
    return [(operation, {"Bucket": name, **arguments}) for operation, arguments in requests]


def _bucket_create(name: str, properties: Properties) -> Requests:
    # A bucket that is ours already is taken over: it survives a restart of the mock, the stack does not.
    region = get_context().region
    place: dict[str, Any] = {"Bucket": name}
    if region != "us-east-1":
        place["CreateBucketConfiguration"] = {"LocationConstraint": region}
    return [("create_bucket", place), *bucket_requests(name, properties)]


def _policy(_name: str, properties: Properties) -> Requests:
    document = json.dumps(properties["PolicyDocument"])
    return [("put_bucket_policy", {"Bucket": properties["Bucket"], "Policy": document})]


def _nothing(_name: str, _properties: Properties) -> Requests:
    return []


KINDS: Mapping[str, Kind] = {
    kind.type: kind
    for kind in (
        *OPERATIONS,
        *QUICKSIGHT,
        Kind(
            "AWS::Glue::Database",
            "glue",
            "",
            create=lambda name, p: [("create_database", {"DatabaseInput": _database_input(name, p)})],
            update=lambda name, p: [
                ("update_database", {"Name": name, "DatabaseInput": _database_input(name, p)})
            ],
            delete=lambda name, _: [("delete_database", {"Name": name})],
            name=lambda generated, p: p["DatabaseInput"].get("Name") or generated.lower(),
        ),
        Kind(
            "AWS::Glue::Job",
            "glue",
            "Name",
            create=lambda name, p: [("create_job", {**p, "Name": name})],
            update=lambda name, p: [("update_job", {"JobName": name, "JobUpdate": without(p, "Name", "Tags")})],
            delete=lambda name, _: [("delete_job", {"JobName": name})],
        ),
        Kind(
            "AWS::Glue::Crawler",
            "glue",
            "Name",
            create=lambda name, p: [("create_crawler", {**_crawler(p), "Name": name})],
            update=lambda name, p: [("update_crawler", {**without(_crawler(p), "Tags"), "Name": name})],
            delete=lambda name, _: [("delete_crawler", {"Name": name})],
        ),
        Kind(
            "AWS::Glue::Table",
            "glue",
            "",
            create=lambda name, p: [("create_table", _table_place(name, p))],
            update=lambda name, p: [("update_table", _table_place(name, p))],
            delete=lambda name, p: [("delete_table", {"DatabaseName": p["DatabaseName"], "Name": name})],
            name=lambda generated, p: p["TableInput"].get("Name") or generated.lower(),
        ),
        Kind(
            "AWS::Athena::WorkGroup",
            "athena",
            "Name",
            create=_work_group_create,
            update=_work_group_update,
            delete=lambda name, p: [
                (
                    "delete_work_group",
                    {"WorkGroup": name, "RecursiveDeleteOption": p.get("RecursiveDeleteOption", False)},
                )
            ],
        ),
        Kind(
            "AWS::S3::Bucket",
            "s3",
            "BucketName",
            create=_bucket_create,
            update=bucket_requests,
            delete=lambda name, _: [("delete_bucket", {"Bucket": name})],
            name=lambda generated, p: p.get("BucketName") or generated.lower(),
            attributes={
                "Arn": "arn:aws:s3:::{name}",
                "DomainName": "{name}.s3.amazonaws.com",
                "RegionalDomainName": "{name}.s3.{region}.amazonaws.com",
            },
        ),
        Kind(
            "AWS::S3::BucketPolicy",
            "s3",
            "",
            create=_policy,
            update=_policy,
            delete=lambda _, p: [("delete_bucket_policy", {"Bucket": p["Bucket"]})],
            name=lambda _, p: str(p["Bucket"]),
        ),
        # CDK describes a template with this resource; it makes nothing on AWS either.
        Kind("AWS::CDK::Metadata", "cloudformation", "", create=_nothing, update=_nothing, delete=_nothing),
    )
}
