"""Templates as text: CloudFormation's own tags and nothing else of YAML's, checked before moto sees them.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html. `install` puts
`parse` in the place of moto's uses of PyYAML, for stacks, change sets, stack sets and summaries, and brings
`ValidateTemplate`.
"""

from __future__ import annotations

import functools
import marshal
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import yaml  # type: ignore[import-untyped]
from moto.cloudformation import models, responses
from moto.cloudformation.exceptions import ValidationError
from moto.core.responses import ActionResult

from local_mock.documents import BoundedLoader, RefusedError, load_json, load_yaml

__all__ = ["install", "parse"]

_BYTES = 1 << 20  # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_FUNCTIONS = (
    "And", "Base64", "Cidr", "Contains", "EachMemberEquals", "EachMemberIn", "Equals", "FindInMap", "GetAZs",
    "GetStackOutput", "If", "ImportValue", "Join", "Length", "Not", "Or", "RefAll", "Select", "Split", "Sub",
    "ToJsonString", "Transform", "ValueOf", "ValueOfAll",
)  # fmt: skip
_SECTIONS = frozenset({
    "AWSTemplateFormatVersion", "Conditions", "Description", "Globals", "Hooks", "Mappings", "Metadata", "Outputs",
    "Parameters", "Resources", "Rules", "Transform",
})  # fmt: skip
_OBJECTS = ("Conditions", "Mappings", "Metadata", "Outputs", "Parameters", "Resources")
_IAM = (
    "AWS::IAM::AccessKey", "AWS::IAM::Group", "AWS::IAM::InstanceProfile", "AWS::IAM::Policy", "AWS::IAM::Role",
    "AWS::IAM::User", "AWS::IAM::UserToGroupAddition",
)  # fmt: skip


class TemplateLoader(BoundedLoader):
    """YAML as CloudFormation takes it: with its functions as tags, without aliases; dates stay text.

    A key that stands twice is refused: one of the two would be lost without a word.
    """

    unique_keys = True

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose one node. Raises RefusedError for an alias."""
        if self.check_event(yaml.AliasEvent):
            raise RefusedError("YAML aliases are not allowed in CloudFormation templates")
        return super().compose_node(parent, index)


def _value(loader: Any, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


def _attribute(loader: Any, node: Any) -> Any:
    value = _value(loader, node)
    return {"Fn::GetAtt": value.split(".", 1) if isinstance(value, str) else value}


for _name in _FUNCTIONS:
    TemplateLoader.add_constructor(f"!{_name}", lambda loader, node, n=f"Fn::{_name}": {n: _value(loader, node)})
for _name in ("Ref", "Condition"):
    TemplateLoader.add_constructor(f"!{_name}", lambda loader, node, n=_name: {n: _value(loader, node)})
TemplateLoader.add_constructor("!GetAtt", _attribute)
TemplateLoader.yaml_implicit_resolvers = {
    start: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for start, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind in ("binary", "omap", "pairs", "set", "timestamp"):  # AWS takes none of these
    TemplateLoader.yaml_constructors.pop(f"tag:yaml.org,2002:{_kind}", None)


def parse(text: Any) -> dict[str, Any]:
    """Return a template (JSON or YAML) as a dict whose sections have the right kinds.

    Raises
    ------
    ValidationError : as CloudFormation refuses it: not well-formed, an unknown tag or section, an alias, too deep.
    """
    if not isinstance(text, str) or not text.strip():
        raise ValidationError(message="Template format error: unsupported structure.")
    template: dict[str, Any] = marshal.loads(_checked(text))  # noqa: S302 - what `_checked` has written
    return template


@functools.lru_cache(maxsize=32)  # a deployment sends each text four times, and moto reads it at every turn
def _checked(text: str) -> bytes:
    """Return a template as `marshal` writes it: every caller gets a value of its own."""
    if len(text.encode("utf-8", "replace")) > _BYTES:
        raise ValidationError(message=f"Template may not exceed {_BYTES} bytes in size.")
    kind = "JSON" if text.lstrip().startswith("{") else "YAML"
    try:
        template = load_json(text, unique_keys=True) if kind == "JSON" else load_yaml(text, TemplateLoader)
    except RefusedError as err:
        if kind == "JSON":  # a YAML flow mapping begins in the same way
            try:
                template = load_yaml(text, TemplateLoader)
            except RefusedError:
                raise _error(f"JSON not well-formed. {err}") from err
        elif "aliases" in str(err):
            raise ValidationError(message=f"Template error: {err}") from err
        else:
            raise _error(f"YAML not well-formed. {err}") from err
    _check(template)
    return marshal.dumps(dict(template))


def _check(template: Any) -> None:
    """Refuse a template whose sections are not what moto goes through without looking."""
    if not isinstance(template, Mapping):
        raise _error("unsupported structure.")
    if not all(isinstance(name, str) for name in template) or (unknown := sorted(set(template) - _SECTIONS)):
        names = ", ".join(unknown) if all(isinstance(n, str) for n in template) else "not text"
        raise ValidationError(message=f"Invalid template property or properties [{names}]")
    for section in _OBJECTS:
        if section in template and not isinstance(template[section], Mapping):
            raise _error(f"[/{section}] '{section}' must be an object.")
    if not template.get("Resources"):
        raise _error("At least one Resources member must be defined.")
    for section in ("Resources", "Parameters", "Outputs"):
        for name, body in template.get(section, {}).items():
            if not isinstance(body, Mapping):
                raise _error(f"[/{section}/{name}] Every {section} member must be an object.")
    for name, body in template["Resources"].items():
        if not isinstance(body.get("Type"), str):
            raise _error(f"[/Resources/{name}] Every Resources object must contain a Type member.")
        if not isinstance(body.get("Properties", {}), Mapping):
            raise _error(f"[/Resources/{name}/Properties] 'Properties' must be an object.")


def _refuse_macros(template: dict[str, Any]) -> dict[str, Any]:
    """Return a template of which a stack is made. Raises ValidationError for what only AWS's macros would write.

    moto includes files in Mappings; elsewhere it would leave the transform, and what it stands for, out.
    """
    declared = template.get("Transform", [])
    names = [declared] if isinstance(declared, str | Mapping) else list(declared)
    sections = {name: body for name, body in template.items() if name not in ("Mappings", "Transform")}
    waiting: list[Any] = [sections]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            names += [part["Fn::Transform"]] if "Fn::Transform" in part else []
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    if names:
        shown = sorted({str(name.get("Name", "?")) if isinstance(name, Mapping) else str(name) for name in names})
        raise ValidationError(
            message=f"Transform {', '.join(shown)} is not supported by local_mock: process the template first "
            "(`sam build`, `aws cloudformation package`, `cdk synth`)."
        )
    return template


def _error(message: str) -> ValidationError:
    return ValidationError(message=f"Template format error: {message}")


def validate_template(self: Any) -> ActionResult:
    """Return the template's parameters and description (method of moto's `CloudFormationResponse`)."""
    url, body = self._get_param("TemplateURL"), self._get_param("TemplateBody")
    template = parse(self._get_stack_from_s3_url(url) if url else body)
    types = {resource.get("Type") for resource in template["Resources"].values()}
    parameters = [
        {
            "ParameterKey": name,
            "DefaultValue": parameter.get("Default"),
            "NoEcho": str(parameter.get("NoEcho", False)).lower() == "true",
            "Description": parameter.get("Description"),
        }
        for name, parameter in template.get("Parameters", {}).items()
    ]
    named = any(
        str(key).endswith("Name") and resource.get("Type") in _IAM
        for resource in template["Resources"].values()
        for key in resource.get("Properties", {})
    )
    answer: dict[str, Any] = {"Description": template.get("Description", ""), "Parameters": parameters}
    answer["Capabilities"] = []
    if types & set(_IAM):
        answer["Capabilities"] = ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"]
        answer["CapabilitiesReason"] = (
            f"The following resource(s) require capabilities: [{sorted(types & set(_IAM))}]"
        )
    transform = template.get("Transform", [])
    answer["DeclaredTransforms"] = [transform] if isinstance(transform, str) else list(transform)
    return ActionResult(answer)


def _reader(read: Callable[[Any], dict[str, Any]]) -> SimpleNamespace:
    """Return what stands in PyYAML's place in a module of moto."""
    return SimpleNamespace(
        load=lambda text, Loader=None: read(text),  # noqa: ARG005 - PyYAML's own names
        Loader=None,
        add_multi_constructor=lambda *_: None,
    )


def install() -> None:
    """Put `parse` before moto's back end and responses. Idempotent."""
    models.yaml = _reader(lambda text: _refuse_macros(parse(text)))
    responses.yaml = _reader(parse)
    responses.CloudFormationResponse.validate_template = validate_template
    backend = models.CloudFormationBackend
    if getattr(backend, "_parses_stack_sets", False):
        return
    backend._parses_stack_sets = True
    create, update = backend.create_stack_set, backend.update_stack_set

    def create_stack_set(self: Any, name: str, template: str, *args: Any, **kwargs: Any) -> Any:
        parse(template)
        return create(self, name, template, *args, **kwargs)

    def update_stack_set(self: Any, stackset_name: str, template: str | None, *args: Any, **kwargs: Any) -> Any:
        if template:
            parse(template)
        return update(self, stackset_name, template, *args, **kwargs)

    backend.create_stack_set, backend.update_stack_set = create_stack_set, update_stack_set
