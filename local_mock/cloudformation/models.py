"""moto's CloudFormation made honest: our resource types, and stacks that fail where moto looks away.

Each `resources.Kind` becomes a `CloudFormationModel` (moto finds direct subclasses by itself). A template with
a type that nobody here creates is refused; a resource that cannot be made rolls the stack back, with events.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import moto.cloudformation.models as stacks
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import Change, ChangeSet, Event, Stack
from moto.cloudformation.parsing import OutputMap, ResourceMap
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.common_models import CloudFormationModel
from moto.core.responses import EmptyResult

from local_mock.cloudformation import changes, gaps
from local_mock.cloudformation.kind import Kind
from local_mock.cloudformation.resources import KINDS

__all__ = ["install_kinds", "install_stacks"]

_EXECUTING = threading.Lock()
_executed: dict[tuple[str, str], threading.Event] = {}  # (change set, token of the request) -> it has ended


def _model(kind: Kind) -> type[CloudFormationModel]:
    """Return the class of one resource type."""

    class Resource(CloudFormationModel):
        def __init__(self, name: str, properties: Mapping[str, Any], region: str) -> None:
            self.physical_resource_id = name
            self.properties = properties
            self.region = region

        @staticmethod
        def cloudformation_name_type() -> str:
            return kind.named

        @staticmethod
        def cloudformation_type() -> str:
            return kind.type

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return attr in kind.attributes

        def get_cfn_attribute(self, attribute_name: str) -> str:
            return kind.attribute(attribute_name, self.physical_resource_id, self.region)

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: dict[str, Any], _account: str, region: str, **_: Any
        ) -> Resource:
            properties = cloudformation_json["Properties"]
            name = kind.physical_name(resource_name, properties)
            return cls(kind.make(name, properties, region), properties, region)

        @classmethod
        def update_from_cloudformation_json(
            cls,
            original_resource: Resource,
            new_resource_name: str,
            cloudformation_json: dict[str, Any],
            account_id: str,
            region_name: str,
        ) -> Resource:
            properties = cloudformation_json["Properties"]
            name = kind.physical_name(new_resource_name, properties)
            old = original_resource.physical_resource_id
            renamed = kind.named in properties and properties[kind.named] != original_resource.properties.get(
                kind.named
            )
            if (kind.identity and not renamed) or (kind.named and kind.named not in properties):
                name = old  # the service's own id and a generated name stay
            if name != old:  # a new name is a new resource
                made = cls.create_from_cloudformation_json(name, cloudformation_json, account_id, region_name)
                original_resource.delete(account_id, region_name)
                return made
            kind.change(name, original_resource.properties, properties, region_name)
            return cls(name, properties, region_name)

        @classmethod
        def delete_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: dict[str, Any], _account: str, region: str
        ) -> None:
            kind.remove(resource_name, cloudformation_json.get("Properties", {}), region)

        def delete(self, _account: str, _region: str) -> None:
            kind.remove(self.physical_resource_id, self.properties, self.region)

        def is_created(self) -> bool:
            return True

    Resource.__name__ = kind.type.replace("::", "")
    return Resource


_models: list[type[CloudFormationModel]] = []  # kept: moto only looks at living subclasses


def install_kinds() -> None:
    """Make moto know our resource types (its own bucket is replaced by one that honours its settings)."""
    if not _models:
        _models.extend(_model(kind) for kind in KINDS.values())
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()


def unsupported(template: Mapping[str, Any]) -> list[str]:
    """Return the resource types of a template that cannot be created here, sorted."""
    supported = {*parsing.get_model_map(), *parsing.NULL_MODELS}
    types = {str(resource.get("Type")) for resource in (template.get("Resources") or {}).values()}
    return sorted(t for t in types if t not in supported and not t.startswith("Custom::"))


def _refuse_unsupported(template: str) -> None:
    types = unsupported(Stack.parse_template(template))
    if types:
        raise ValidationError(
            message=f"Template format error: local_mock cannot create the types {types}; nothing was made."
        )


def _event(stack: Stack, logical_id: str, status: str, reason: str) -> None:
    resources = stack.resource_map._resource_json_map
    stack.events.append(
        Event(
            stack_id=stack.stack_id,
            stack_name=stack.name,
            logical_resource_id=logical_id,
            physical_resource_id="",
            resource_type=resources.get(logical_id, {}).get("Type", "AWS::CloudFormation::Stack"),
            resource_status=status,
            resource_status_reason=reason,
            resource_properties=None,
        )
    )


def _first_missing(stack: Stack) -> str:
    """Return the logical id of the resource that failed: the first that should be there and is not."""
    resources = stack.resource_map
    for name, body in resources._resource_json_map.items():
        condition = body.get("Condition")
        wanted = not condition or resources.lazy_condition_map[condition]
        if wanted and name not in resources._parsed_resources:
            return str(name)
    return str(stack.name)


def _forget_resources(stack: Stack) -> None:
    """Empty a dead stack: moto would create its resources again as soon as somebody describes it."""
    stack.resource_map._resource_json_map = {}
    stack.output_map = OutputMap(stack.resource_map, {}, stack.stack_id)


def _keep_what_is_left(stack: Stack) -> list[str]:
    """Keep what a failed deletion has left: moto would make the other resources again at a describe call."""
    resources = stack.resource_map
    left = [name for name in resources._resource_json_map if name in resources._parsed_resources]
    resources._resource_json_map = {name: resources._resource_json_map[name] for name in left}
    stack.output_map = OutputMap(resources, {}, stack.stack_id)
    return left


def _named(backend: Any, name: str) -> Stack | None:
    return next((stack for stack in backend.stacks.values() if stack.name == name), None)


def _honest_delete(delete_stack: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    """Keep a stack whose deletion fails, with what could not be deleted, as on AWS; moto forgets it."""

    def honest_delete(self: Any, name_or_stack_id: str) -> None:
        stack = self.stacks.get(name_or_stack_id) or _named(self, name_or_stack_id)
        if stack is None:
            return
        try:
            delete_stack(self, stack.stack_id)
        except Exception as err:
            self.stacks[stack.stack_id] = stack
            left = _keep_what_is_left(stack)
            for name in left:
                _event(stack, name, "DELETE_FAILED", f"{type(err).__name__}: {err}")
            reason = f"The following resource(s) failed to delete: [{', '.join(left)}]."
            stack._add_stack_event("DELETE_FAILED", resource_status_reason=reason)
            stack.status = "DELETE_FAILED"

    return honest_delete


def install_stacks() -> None:
    """Wrap creation, update and deletion of stacks, and change sets. Idempotent."""
    backend = stacks.CloudFormationBackend
    if getattr(backend, "_executes", False):
        return
    backend._executes = True
    create_stack, update_stack = backend.create_stack, backend.update_stack
    create_resources, update = Stack.create_resources, Stack.update

    def checked_create(self: Any, name: str, template: str, *args: Any, **kwargs: Any) -> Any:
        _refuse_unsupported(template)
        return create_stack(self, name, template, *args, **kwargs)

    def checked_update(self: Any, name: str, template: str, *args: Any, **kwargs: Any) -> Any:
        _refuse_unsupported(template)
        return update_stack(self, name, template, *args, **kwargs)

    def honest_create(self: Stack) -> None:
        try:
            create_resources(self)
        except Exception as err:  # AWS answers the call and fails the stack
            failed = _first_missing(self)
            _event(self, failed, "CREATE_FAILED", f"{type(err).__name__}: {err}")
            reason = f"The following resource(s) failed to create: [{failed}]."
            self._add_stack_event("ROLLBACK_IN_PROGRESS", resource_status_reason=reason)
            try:
                changes.delete(self.resource_map, failed_creation=True)
            except Exception as second:
                self._add_stack_event("ROLLBACK_FAILED", resource_status_reason=str(second))
                self.status = "ROLLBACK_FAILED"
                _forget_resources(self)
                return
            _forget_resources(self)
            self._add_stack_event("ROLLBACK_COMPLETE")
            self.status = "ROLLBACK_COMPLETE"

    def honest_update(self: Stack, *args: Any, **kwargs: Any) -> None:
        try:
            update(self, *args, **kwargs)
        except Exception as err:  # moto cannot roll an update back, so it must not look as if it had
            self._add_stack_event("UPDATE_FAILED", resource_status_reason=f"{type(err).__name__}: {err}")
            self.status = "UPDATE_FAILED"

    backend.delete_stack = _honest_delete(backend.delete_stack)
    backend.create_stack = checked_create
    backend.update_stack = checked_update
    ResourceMap.update = changes.update
    ResourceMap.delete = changes.delete
    _install_change_sets(backend)
    gaps.install()
    Stack.create_resources = honest_create
    Stack.update = honest_update


def _once(execute: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """ExecuteChangeSet that a client repeats because it waits no longer: it is told the end of what it has begun.

    Executed a second time beside the first, a stack would make everything twice ("alias already exists").
    """

    def execute_change_set(self: Any) -> Any:
        asked = (self._get_param("ChangeSetName"), self._get_param("ClientRequestToken") or uuid.uuid4().hex)
        with _EXECUTING:
            begun = asked in _executed
            ended = _executed.setdefault(asked, threading.Event())
        if begun:
            ended.wait()
            return EmptyResult()
        try:
            return execute(self)
        finally:
            ended.set()

    return execute_change_set


def _install_change_sets(backend: Any) -> None:
    create_change_set = backend.create_change_set

    def checked_change_set(self: Any, *args: Any, **given: Any) -> Any:
        names = ("stack_name", "change_set_name", "template", "parameters", "description", "change_set_type")
        given |= dict(zip(names, args, strict=False))
        _refuse_unsupported(given["template"])
        if given["change_set_type"] != "UPDATE" and (old := _named(self, given["stack_name"])):
            if old.status != "REVIEW_IN_PROGRESS":
                message = f"Stack [{old.name}] already exists and cannot be created again with the changeSet."
                raise ValidationError(message=message)
            del self.stacks[old.stack_id]  # reviewed, never executed: this one takes its place
        made, stack_id = create_change_set(self, **given)
        change_set = self.change_sets[made]
        if given["change_set_type"] != "UPDATE" or change_set.changes or change_set.status == "FAILED":
            return made, stack_id
        change_set.status, change_set.execution_status = "FAILED", "UNAVAILABLE"
        change_set.status_reason = "No updates are to be performed."
        return made, stack_id

    def honest_diff(self: Any) -> list[Any]:
        current, template = self.stack.resource_map, self.template_dict
        if not current._resource_json_map:  # a new stack
            scratch = changes.scratch(current, template, self.parameters)
            diff = {"Add": [n for n, body in template["Resources"].items() if changes.wanted(scratch, body)]}
        else:
            diff = changes.difference(current, template, self.parameters)
        bodies = {**current._resource_json_map, **template["Resources"]}
        return [Change(action, n, bodies[n]["Type"]) for action, names in diff.items() for n in names]

    def honest_execute(self: Any, change_set_name: str, stack_name: str | None = None) -> None:  # noqa: ARG001
        change_set = self.describe_change_set(change_set_name)
        if change_set.execution_status != "AVAILABLE":
            message = f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current status."
            raise ValidationError(message=message)
        change_set.execution_status = "EXECUTE_IN_PROGRESS"
        execute(self, change_set)
        change_set.execution_status = "EXECUTE_COMPLETE"

    def execute(self: Any, change_set: Any) -> None:
        stack = self.stacks[change_set.stack_id]
        if change_set.change_set_type == "UPDATE":
            stack.update(change_set.template, parameters=change_set.parameters, tags=change_set.tags)
        else:
            stack.template, stack.parameters = change_set.template, change_set.parameters
            stack._parse_template()
            stack.cross_stack_resources = self.exports
            stack.resource_map = stack._create_resource_map()
            stack.output_map = stack._create_output_map()
            stack._add_stack_event("CREATE_IN_PROGRESS", resource_status_reason="User Initiated")
            stack.create_resources()
            self._validate_export_uniqueness(stack)
            self.exports |= {export.name: export for export in stack.exports}

    backend.create_change_set = checked_change_set
    backend.execute_change_set = honest_execute
    CloudFormationResponse.execute_change_set = _once(CloudFormationResponse.execute_change_set)
    ChangeSet.diff = honest_diff
