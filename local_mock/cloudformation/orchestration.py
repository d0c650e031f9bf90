"""Resource types of the pipeline: state machines, topics, rules, model package groups.

The same table as `resources`, for what moto makes in part: it ignores substitutions and definitions in S3, makes
state machines that do not execute, and drops settings of topics and rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# Before our models are made: of two models of one type, CloudFormation takes the one that was defined last.
import moto.events.models
import moto.sagemaker.models
import moto.sns.models
import moto.stepfunctions.models  # noqa: F401

from local_mock.cloudformation.resources import Kind, Properties, Requests
from local_mock.context import ACCOUNT, get_context

__all__ = ["ORCHESTRATION_KINDS", "definition"]

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def definition(properties: Properties) -> str:
    """The definition of a state machine as the service gets it, substitutions made.

    Raises ValueError for a placeholder without a value, FileNotFoundError for an object that is not there.
    """
    if place := properties.get("DefinitionS3Location"):
        text = get_context().data.read(f"s3://{place['Bucket']}/{place['Key']}").decode()
    elif "DefinitionString" in properties:
        text = str(properties["DefinitionString"])
    else:
        text = json.dumps(properties["Definition"])
    values = {name: str(value) for name, value in (properties.get("DefinitionSubstitutions") or {}).items()}
    if missing := sorted(set(_PLACEHOLDER.findall(text)) - set(values)):
        raise ValueError(f"The definition has the placeholders {missing}, which DefinitionSubstitutions lacks.")
    return _PLACEHOLDER.sub(lambda found: json.dumps(values[found[1]])[1:-1], text)


_MACHINE = {
    "StateMachineName", "StateMachineType", "RoleArn", "DefinitionS3Location", "DefinitionString", "Definition",
    "DefinitionSubstitutions", "LoggingConfiguration", "TracingConfiguration", "Tags",
}  # fmt: skip


def _arn(service: str, kind: str, name: str) -> str:
    return f"arn:aws:{service}:{get_context().region}:{ACCOUNT}:{kind}{name}"


def _lower(value: Any) -> Any:
    """Names of members as the API of Step Functions writes them: the template's, with a small first letter."""
    if isinstance(value, Mapping):
        return {name[:1].lower() + name[1:]: _lower(item) for name, item in value.items()}
    return [_lower(item) for item in value] if isinstance(value, list) else value


def _machine(properties: Properties) -> dict[str, Any]:
    if unknown := sorted(set(properties) - _MACHINE):
        raise ValueError(f"AWS::StepFunctions::StateMachine has the unsupported properties {unknown}.")
    request = {"definition": definition(properties), "roleArn": properties["RoleArn"]}
    for name in ("LoggingConfiguration", "TracingConfiguration"):
        if name in properties:
            request[name[:1].lower() + name[1:]] = _lower(properties[name])
    return request


def _machine_create(arn: str, properties: Properties) -> Requests:
    request = {**_machine(properties), "name": arn.rpartition(":")[2]}
    request["type"] = properties.get("StateMachineType", "STANDARD")
    if tags := properties.get("Tags"):
        request["tags"] = _lower(tags)
    return [("create_state_machine", request)]


def _topic_create(arn: str, properties: Properties) -> Requests:
    attributes = {name: properties[name] for name in ("KmsMasterKeyId", "DisplayName") if name in properties}
    known = {"TopicName", "Subscription", "Tags", *attributes}
    if unknown := sorted(set(properties) - known):
        raise ValueError(f"AWS::SNS::Topic has the unsupported properties {unknown}.")
    request = {"Name": arn.rpartition(":")[2], "Attributes": attributes, "Tags": properties.get("Tags")}
    subscribed: Requests = [
        ("subscribe", {"TopicArn": arn, "Protocol": item["Protocol"], "Endpoint": item["Endpoint"]})
        for item in properties.get("Subscription") or []
    ]
    return [("create_topic", request), *subscribed]


def _topic_update(arn: str, properties: Properties) -> Requests:
    names = [name for name in ("KmsMasterKeyId", "DisplayName") if name in properties]
    return [
        ("set_topic_attributes", {"TopicArn": arn, "AttributeName": name, "AttributeValue": properties[name]})
        for name in names
    ]


def _rule(name: str, properties: Properties) -> Requests:
    request = {key: value for key, value in properties.items() if key != "Targets"}
    if isinstance(request.get("EventPattern"), Mapping):
        request["EventPattern"] = json.dumps(request["EventPattern"])
    targets = (
        [("put_targets", {"Rule": name, "Targets": properties["Targets"]})] if "Targets" in properties else []
    )
    return [("put_rule", {**request, "Name": name}), *targets]


def _rule_delete(name: str, properties: Properties) -> Requests:
    ids = [target["Id"] for target in properties.get("Targets") or []]
    removed: Requests = [("remove_targets", {"Rule": name, "Ids": ids})] if ids else []
    return [*removed, ("delete_rule", {"Name": name})]


ORCHESTRATION_KINDS: Mapping[str, Kind] = {
    kind.type: kind
    for kind in (
        Kind(
            "AWS::StepFunctions::StateMachine",
            "stepfunctions",
            "",
            create=_machine_create,
            update=lambda arn, p: [("update_state_machine", {**_machine(p), "stateMachineArn": arn})],
            delete=lambda arn, _: [("delete_state_machine", {"stateMachineArn": arn})],
            name=lambda generated, p: _arn("states", "stateMachine:", p.get("StateMachineName") or generated),
            attributes={"Arn": "{name}"},
        ),
        Kind(
            "AWS::SNS::Topic",
            "sns",
            "",
            create=_topic_create,
            update=_topic_update,
            delete=lambda arn, _: [("delete_topic", {"TopicArn": arn})],
            name=lambda generated, p: _arn("sns", "", p.get("TopicName") or generated),
            attributes={"TopicArn": "{name}"},
        ),
        Kind(
            "AWS::Events::Rule",
            "events",
            "Name",
            create=_rule,
            update=_rule,
            delete=_rule_delete,
            attributes={"Arn": "arn:aws:events:{region}:{account}:rule/{name}"},
        ),
        Kind(
            "AWS::SageMaker::ModelPackageGroup",
            "sagemaker",
            "ModelPackageGroupName",
            create=lambda name, p: [("create_model_package_group", {**p, "ModelPackageGroupName": name})],
            update=lambda _name, _p: [],  # its description cannot be changed
            delete=lambda name, _: [("delete_model_package_group", {"ModelPackageGroupName": name})],
            attributes={"ModelPackageGroupArn": "arn:aws:sagemaker:{region}:{account}:model-package-group/{name}"},
        ),
    )
}
