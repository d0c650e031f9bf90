"""Resource types around the lake: key, roles, logs, alarms, budget, grants, registry, state machine.

moto's own models of some of these lose properties (a role's managed policies, a key's rotation) or cannot be
updated or deleted; these go through the services' APIs, as in `resources`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from local_mock.cloudformation.kind import Kind, Properties, Requests, tags, without
from local_mock.context import ACCOUNT, get_context

__all__ = ["OPERATIONS"]

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


# --- KMS --------------------------------------------------------------------------------------------------
_KEY = ("Description", "KeySpec", "KeyUsage", "MultiRegion", "Origin", "BypassPolicyLockoutSafetyCheck")


def _key_create(_: str, properties: Properties) -> Requests:
    request = {key: properties[key] for key in _KEY if key in properties} | tags(properties, "TagKey", "TagValue")
    if "KeyPolicy" in properties:
        request["Policy"] = _text(properties["KeyPolicy"])
    return [("create_key", request)]


def _key_after(key: str, properties: Properties) -> Requests:
    requests: Requests = []
    if _true(properties.get("EnableKeyRotation")):
        requests.append(("enable_key_rotation", {"KeyId": key}))
    if "Enabled" in properties and not _true(properties["Enabled"]):
        requests.append(("disable_key", {"KeyId": key}))
    return requests


def _key_update(key: str, properties: Properties) -> Requests:
    rotation = "enable_key_rotation" if _true(properties.get("EnableKeyRotation")) else "disable_key_rotation"
    requests: Requests = [
        ("update_key_description", {"KeyId": key, "Description": properties.get("Description", "")}),
        (rotation, {"KeyId": key}),
        ("enable_key" if _true(properties.get("Enabled", True)) else "disable_key", {"KeyId": key}),
    ]
    if "KeyPolicy" in properties:
        policy = {"KeyId": key, "PolicyName": "default", "Policy": _text(properties["KeyPolicy"])}
        requests.append(("put_key_policy", policy))
    return requests


def _key_delete(key: str, properties: Properties) -> Requests:
    days = properties.get("PendingWindowInDays", 30)
    return [("schedule_key_deletion", {"KeyId": key, "PendingWindowInDays": days})]


def _alias(_: str, properties: Properties) -> dict[str, Any]:
    return {"AliasName": properties["AliasName"], "TargetKeyId": properties["TargetKeyId"]}


# --- IAM --------------------------------------------------------------------------------------------------
def _role_create(name: str, properties: Properties) -> Requests:
    request = without(properties, "Policies", "ManagedPolicyArns", "AssumeRolePolicyDocument", "Tags")
    request |= {"RoleName": name, **tags(properties)}
    return [
        ("create_role", request | {"AssumeRolePolicyDocument": _text(properties["AssumeRolePolicyDocument"])}),
        *_role_policies(name, properties),
    ]


def _role_policies(name: str, properties: Properties) -> Requests:
    place = {"RoleName": name}
    inline = [
        ("put_role_policy", place | {"PolicyName": p["PolicyName"], "PolicyDocument": _text(p["PolicyDocument"])})
        for p in properties.get("Policies") or []
    ]
    managed = properties.get("ManagedPolicyArns") or []
    return inline + [("attach_role_policy", place | {"PolicyArn": arn}) for arn in managed]


def _role_update(name: str, properties: Properties) -> Requests:
    trust = {"RoleName": name, "PolicyDocument": _text(properties["AssumeRolePolicyDocument"])}
    changed: dict[str, Any] = {"RoleName": name, "Description": properties.get("Description", "")}
    if "MaxSessionDuration" in properties:
        changed["MaxSessionDuration"] = properties["MaxSessionDuration"]
    return [
        ("update_role", changed),
        ("update_assume_role_policy", trust),
        *_role_policies(name, properties),
    ]


def _role_dropped(name: str, old: Properties, new: Properties) -> Requests:
    place = {"RoleName": name}
    kept = {p["PolicyName"] for p in new.get("Policies") or []}
    inline = [p["PolicyName"] for p in old.get("Policies") or [] if p["PolicyName"] not in kept]
    managed = set(old.get("ManagedPolicyArns") or []) - set(new.get("ManagedPolicyArns") or [])
    return [
        *(("delete_role_policy", place | {"PolicyName": policy}) for policy in inline),
        *(("detach_role_policy", place | {"PolicyArn": arn}) for arn in sorted(managed)),
    ]


def _role_delete(name: str, properties: Properties) -> Requests:
    return [*_role_dropped(name, properties, {}), ("delete_role", {"RoleName": name})]


_HOLDERS = {"Roles": ("role", "RoleName"), "Users": ("user", "UserName"), "Groups": ("group", "GroupName")}


def _attachments(verb: str, arn: str, properties: Properties) -> Requests:
    return [
        (f"{verb}_{holder}_policy", {argument: name, "PolicyArn": arn})
        for key, (holder, argument) in _HOLDERS.items()
        for name in properties.get(key) or []
    ]


def _policy_create(name: str, properties: Properties) -> Requests:
    request = {key: properties[key] for key in ("Path", "Description") if key in properties} | tags(properties)
    request |= {"PolicyName": name, "PolicyDocument": _text(properties["PolicyDocument"])}
    return [("create_policy", request)]


def _policy_update(arn: str, properties: Properties) -> Requests:
    document = _text(properties["PolicyDocument"])
    version = {"PolicyArn": arn, "PolicyDocument": document, "SetAsDefault": True}
    return [("create_policy_version", version), *_attachments("attach", arn, properties)]


# --- logs, alarms, budget ---------------------------------------------------------------------------------
def _log_group(name: str, properties: Properties) -> Requests:
    if not properties.get("RetentionInDays"):
        return [("delete_retention_policy", {"logGroupName": name})]
    return [("put_retention_policy", {"logGroupName": name, "retentionInDays": properties["RetentionInDays"]})]


def _log_group_create(name: str, properties: Properties) -> Requests:
    request: dict[str, Any] = {"logGroupName": name}
    if "KmsKeyId" in properties:
        request["kmsKeyId"] = properties["KmsKeyId"]
    if properties.get("Tags"):
        request["tags"] = {tag["Key"]: tag["Value"] for tag in properties["Tags"]}
    retention = _log_group(name, properties) if properties.get("RetentionInDays") else []
    return [("create_log_group", request), *retention]


_TOPIC_ATTRIBUTES = ("DisplayName", "KmsMasterKeyId", "FifoTopic", "ContentBasedDeduplication", "TracingConfig")


def _topic_create(name: str, properties: Properties) -> Requests:
    attributes = {key: _text(properties[key]) for key in _TOPIC_ATTRIBUTES if key in properties}
    return [("create_topic", {"Name": name, "Attributes": attributes, **tags(properties)})]


def _subscriptions(arn: str, properties: Properties) -> Requests:
    return [
        ("subscribe", {"TopicArn": arn, **subscription}) for subscription in properties.get("Subscription") or []
    ]


def _topic_update(arn: str, properties: Properties) -> Requests:
    changed = [key for key in ("DisplayName", "KmsMasterKeyId") if key in properties]
    return [
        *(
            ("set_topic_attributes", {"TopicArn": arn, "AttributeName": key, "AttributeValue": properties[key]})
            for key in changed
        ),
        *_subscriptions(arn, properties),
    ]


def _topic_policy(_: str, properties: Properties) -> Requests:
    policy = {"AttributeName": "Policy", "AttributeValue": _text(properties["PolicyDocument"])}
    return [("set_topic_attributes", {"TopicArn": arn, **policy}) for arn in properties["Topics"]]


def _topic_policy_delete(_: str, properties: Properties) -> Requests:
    empty = {"AttributeName": "Policy", "AttributeValue": json.dumps({"Version": "2012-10-17", "Statement": []})}
    return [("set_topic_attributes", {"TopicArn": arn, **empty}) for arn in properties["Topics"]]


def _bus(properties: Properties) -> dict[str, Any]:
    return {"EventBusName": properties["EventBusName"]} if "EventBusName" in properties else {}


def _rule(name: str, properties: Properties) -> Requests:
    request = without(properties, "Targets", "EventPattern", "Tags") | {"Name": name} | tags(properties)
    if "EventPattern" in properties:
        request["EventPattern"] = _text(properties["EventPattern"])
    targets = properties.get("Targets") or []
    put = [("put_targets", {"Rule": name, **_bus(properties), "Targets": targets})] if targets else []
    return [("put_rule", request), *put]


def _rule_dropped(name: str, old: Properties, new: Properties) -> Requests:
    ids = {t["Id"] for t in old.get("Targets") or []} - {t["Id"] for t in new.get("Targets") or []}
    return [("remove_targets", {"Rule": name, **_bus(old), "Ids": sorted(ids)})] if ids else []


def _rule_delete(name: str, properties: Properties) -> Requests:
    return [*_rule_dropped(name, properties, {}), ("delete_rule", {"Name": name, **_bus(properties)})]


def _budget_create(name: str, properties: Properties) -> Requests:
    request = without(properties, "ResourceTags") | {"AccountId": ACCOUNT}
    return [("create_budget", request | {"Budget": {**properties["Budget"], "BudgetName": name}})]


def _budget_delete(name: str, _: Properties) -> Requests:
    return [("delete_budget", {"AccountId": ACCOUNT, "BudgetName": name})]


# --- Lake Formation ---------------------------------------------------------------------------------------
def _grant(properties: Properties) -> dict[str, Any]:
    return {**without(properties, "Catalog"), "CatalogId": properties.get("Catalog", ACCOUNT)}


# --- SageMaker --------------------------------------------------------------------------------------------
def _pipeline(name: str, properties: Properties) -> dict[str, Any]:
    """Return a pipeline as the API takes it: the definition is a text, and the key in S3 has another name."""
    definition = properties.get("PipelineDefinition") or {}
    request = without(properties, "PipelineDefinition", "Tags") | {"PipelineName": name}
    if "PipelineDefinitionBody" in definition:
        request["PipelineDefinition"] = _text(definition["PipelineDefinitionBody"])
    if place := definition.get("PipelineDefinitionS3Location"):
        request["PipelineDefinitionS3Location"] = {"Bucket": place["Bucket"], "ObjectKey": place["Key"]} | (
            {"VersionId": place["Version"]} if place.get("Version") else {}
        )
    return request


# --- Step Functions ---------------------------------------------------------------------------------------
def _definition(properties: Properties) -> str:
    """Return the definition as the service gets it, its ``${substitutions}`` filled in.

    Raises ValueError for one that stays open, FileNotFoundError for an object that is not there.
    """
    if place := properties.get("DefinitionS3Location"):
        text = get_context().data.read(f"s3://{place['Bucket']}/{place['Key']}").decode()
    else:
        text = str(properties.get("DefinitionString") or json.dumps(properties.get("Definition")))
    values = {name: str(value) for name, value in (properties.get("DefinitionSubstitutions") or {}).items()}
    if left := sorted(set(_PLACEHOLDER.findall(text)) - set(values)):
        raise ValueError(f"AWS::StepFunctions::StateMachine: DefinitionSubstitutions lack {left}.")
    return _PLACEHOLDER.sub(lambda match: json.dumps(values[match[1]])[1:-1], text)


def _camel(value: Any) -> Any:
    """Return the keys as the API of Step Functions writes them."""
    if isinstance(value, Mapping):
        return {key[:1].lower() + key[1:]: _camel(v) for key, v in value.items()}
    return [_camel(v) for v in value] if isinstance(value, list) else value


_MACHINE = {
    "StateMachineName", "StateMachineType", "RoleArn", "DefinitionS3Location", "DefinitionString", "Definition",
    "DefinitionSubstitutions", "LoggingConfiguration", "TracingConfiguration", "EncryptionConfiguration", "Tags",
}  # fmt: skip


def _machine(properties: Properties) -> dict[str, Any]:
    if unknown := sorted(set(properties) - _MACHINE):
        raise ValueError(f"AWS::StepFunctions::StateMachine has the unsupported properties {unknown}.")
    request = {"definition": _definition(properties), "roleArn": properties["RoleArn"]}
    for key in ("LoggingConfiguration", "TracingConfiguration", "EncryptionConfiguration"):
        if key in properties:
            request |= _camel({key: properties[key]})
    return request


def _machine_create(name: str, properties: Properties) -> Requests:
    request = {"name": name, **_machine(properties)}
    if "StateMachineType" in properties:
        request["type"] = properties["StateMachineType"]
    if properties.get("Tags"):
        request |= _camel(tags(properties))
    return [("create_state_machine", request)]


def _machine_update(arn: str, properties: Properties) -> Requests:
    requests: Requests = [("update_state_machine", {"stateMachineArn": arn, **_machine(properties)})]
    if properties.get("Tags"):
        requests.append(("tag_resource", {"resourceArn": arn, **_camel(tags(properties))}))
    return requests


def _machine_dropped(arn: str, old: Properties, new: Properties) -> Requests:
    """Remove the tags that the new properties do not have."""
    kept = {tag["Key"] for tag in new.get("Tags") or []}
    gone = [tag["Key"] for tag in old.get("Tags") or [] if tag["Key"] not in kept]
    return [("untag_resource", {"resourceArn": arn, "tagKeys": gone})] if gone else []


OPERATIONS: tuple[Kind, ...] = (
    Kind(
        "AWS::KMS::Key", "kms", "",
        create=_key_create, after=_key_after, update=_key_update, delete=_key_delete,
        identity=lambda answer: answer["KeyMetadata"]["KeyId"],
        attributes={"Arn": "arn:aws:kms:{region}:{account}:key/{name}", "KeyId": "{name}"},
    ),
    Kind(
        "AWS::KMS::Alias", "kms", "AliasName",
        create=lambda n, p: [("create_alias", _alias(n, p))],
        update=lambda n, p: [("update_alias", _alias(n, p))],
        delete=lambda n, _: [("delete_alias", {"AliasName": n})],
    ),
    Kind(
        "AWS::IAM::Role", "iam", "RoleName",
        create=_role_create, update=_role_update, delete=_role_delete, dropped=_role_dropped,
        attributes={"Arn": "arn:aws:iam::{account}:role/{name}"},
    ),
    Kind(
        "AWS::IAM::ManagedPolicy", "iam", "ManagedPolicyName",
        create=_policy_create, update=_policy_update, identity=lambda answer: answer["Policy"]["Arn"],
        after=lambda arn, p: _attachments("attach", arn, p),
        delete=lambda arn, p: [*_attachments("detach", arn, p), ("delete_policy", {"PolicyArn": arn})],
        attributes={"PolicyArn": "{name}"},
    ),
    Kind(
        "AWS::Logs::LogGroup", "logs", "LogGroupName",
        create=_log_group_create, update=_log_group,
        delete=lambda n, _: [("delete_log_group", {"logGroupName": n})],
        attributes={"Arn": "arn:aws:logs:{region}:{account}:log-group:{name}:*"},
    ),
    Kind(
        "AWS::CloudWatch::Alarm", "cloudwatch", "AlarmName",
        create=lambda n, p: [("put_metric_alarm", {**p, "AlarmName": n})],
        update=lambda n, p: [("put_metric_alarm", {**without(p, "Tags"), "AlarmName": n})],
        delete=lambda n, _: [("delete_alarms", {"AlarmNames": [n]})],
        attributes={"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}"},
    ),
    Kind(
        "AWS::SNS::Topic", "sns", "TopicName",
        create=_topic_create, update=_topic_update, after=_subscriptions,
        delete=lambda arn, _: [("delete_topic", {"TopicArn": arn})], identity=lambda answer: answer["TopicArn"],
        attributes={"TopicArn": "{name}", "TopicName": "{last}"},
    ),
    Kind(
        "AWS::SNS::TopicPolicy", "sns", "",
        create=_topic_policy, update=_topic_policy, delete=_topic_policy_delete,
    ),
    Kind(
        "AWS::Events::Rule", "events", "Name",
        create=_rule, update=_rule, delete=_rule_delete, dropped=_rule_dropped,
        attributes={"Arn": "arn:aws:events:{region}:{account}:rule/{name}"},
    ),
    Kind(
        "AWS::Budgets::Budget", "budgets", "",
        create=_budget_create, delete=_budget_delete,
        update=lambda n, p: _budget_delete(n, p) + _budget_create(n, p),  # moto has no update_budget
        name=lambda generated, p: p["Budget"].get("BudgetName") or generated,
    ),
    Kind(
        "AWS::LakeFormation::PrincipalPermissions", "lakeformation", "",
        create=lambda _, p: [("grant_permissions", _grant(p))],
        update=lambda _, p: [("grant_permissions", _grant(p))],
        dropped=lambda _, old, __: [("revoke_permissions", _grant(old))],
        delete=lambda _, p: [("revoke_permissions", _grant(p))],
    ),
    Kind(
        "AWS::SageMaker::Pipeline", "sagemaker", "PipelineName",
        create=lambda n, p: [("create_pipeline", _pipeline(n, p) | tags(p))],
        update=lambda n, p: [("update_pipeline", _pipeline(n, p))],
        delete=lambda n, _: [("delete_pipeline", {"PipelineName": n})],
    ),
    Kind(
        "AWS::SageMaker::ModelPackageGroup", "sagemaker", "ModelPackageGroupName",
        create=lambda n, p: [("create_model_package_group", {**p, "ModelPackageGroupName": n})],
        update=lambda _, __: [],  # nothing of it can be changed in place but tags
        delete=lambda n, _: [("delete_model_package_group", {"ModelPackageGroupName": n})],
        attributes={"ModelPackageGroupArn": "arn:aws:sagemaker:{region}:{account}:model-package-group/{name}"},
    ),
    Kind(
        "AWS::StepFunctions::StateMachine", "stepfunctions", "StateMachineName",
        create=_machine_create, identity=lambda answer: answer["stateMachineArn"],
        update=_machine_update, dropped=_machine_dropped,
        delete=lambda arn, _: [("delete_state_machine", {"stateMachineArn": arn})],
        attributes={"Arn": "{name}", "Name": "{last}"},
    ),
)  # fmt: skip
