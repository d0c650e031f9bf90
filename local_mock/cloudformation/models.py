"""moto's CloudFormation made honest: our resource types, and stacks that fail where moto looks away.

Each `resources.Kind` becomes a `CloudFormationModel` (moto finds direct subclasses by itself). A template with
a type that nobody here creates is refused; a resource that cannot be made rolls the stack back, with events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import moto.cloudformation.models as stacks
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import Event, Stack
from moto.cloudformation.parsing import OutputMap
from moto.core.common_models import CloudFormationModel

from local_mock.cloudformation.orchestration import ORCHESTRATION_KINDS
from local_mock.cloudformation.resources import KINDS, Kind

__all__ = ["install_kinds", "install_stacks"]


def _model(kind: Kind) -> type[CloudFormationModel]:
    """The class of one resource type."""

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
            return attr in dict(kind.attributes)

        def get_cfn_attribute(self, attribute_name: str) -> str:
            return kind.attribute(attribute_name, self.physical_resource_id, self.region)

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: dict[str, Any], _account: str, region: str, **_: Any
        ) -> Resource:
            properties = cloudformation_json["Properties"]
            name = kind.name(resource_name, properties)
            kind.send(kind.create(name, properties), region)
            return cls(name, properties, region)

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
            name = kind.name(new_resource_name, properties)
            old = original_resource.physical_resource_id
            if kind.named and kind.named not in properties:
                name = old  # a generated name stays
            if name != old:  # a new name is a new resource
                made = cls.create_from_cloudformation_json(name, cloudformation_json, account_id, region_name)
                original_resource.delete(account_id, region_name)
                return made
            kind.send(kind.update(name, properties), region_name)
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
        _models.extend(_model(kind) for kind in (*KINDS.values(), *ORCHESTRATION_KINDS.values()))
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()


def unsupported(template: Mapping[str, Any]) -> list[str]:
    """The resource types of a template that cannot be created here, sorted."""
    known = {*parsing.get_model_map(), *parsing.NULL_MODELS}
    types = {str(resource.get("Type")) for resource in (template.get("Resources") or {}).values()}
    return sorted(t for t in types if t not in known and not t.startswith("Custom::"))


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
    """Logical id of the resource that failed: the first that should be there and is not."""
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


def install_stacks() -> None:
    """Wrap creation and update of stacks. Idempotent."""
    backend = stacks.CloudFormationBackend
    if getattr(backend, "_etholake", False):
        return
    backend._etholake = True
    create_stack, update_stack = backend.create_stack, backend.update_stack
    create_change_set = backend.create_change_set
    create_resources, update = Stack.create_resources, Stack.update

    def checked_create(self: Any, name: str, template: str, *args: Any, **kwargs: Any) -> Any:
        _refuse_unsupported(template)
        return create_stack(self, name, template, *args, **kwargs)

    def checked_update(self: Any, name: str, template: str, *args: Any, **kwargs: Any) -> Any:
        _refuse_unsupported(template)
        return update_stack(self, name, template, *args, **kwargs)

    def checked_change_set(self: Any, stack_name: str, name: str, template: str, *args: Any, **kwargs: Any) -> Any:
        _refuse_unsupported(template)
        return create_change_set(self, stack_name, name, template, *args, **kwargs)

    def honest_create(self: Stack) -> None:
        try:
            create_resources(self)
        except Exception as err:  # AWS answers the call and fails the stack
            failed = _first_missing(self)
            _event(self, failed, "CREATE_FAILED", f"{type(err).__name__}: {err}")
            reason = f"The following resource(s) failed to create: [{failed}]."
            self._add_stack_event("ROLLBACK_IN_PROGRESS", resource_status_reason=reason)
            try:
                self.resource_map.delete()
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

    backend.create_stack = checked_create
    backend.update_stack = checked_update
    backend.create_change_set = checked_change_set
    Stack.create_resources = honest_create
    Stack.update = honest_update
