"""Updates of a stack: find what changes (conditions, parameters in ``Fn::Sub``, kept resources) and apply it.

moto compares the text of resources and the parameters that they name in a bare ``Ref``; a condition that turned
false deletes nothing, and a removed resource goes although it says ``DeletionPolicy: Retain``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from moto.cloudformation.parsing import ResourceMap, parse_and_update_resource

__all__ = ["delete", "difference", "scratch", "update", "wanted"]

_KEPT = frozenset({"Retain", "RetainExceptOnCreate"})
_SUB = re.compile(r"\$\{([^!}][^}.]*)")


def difference(
    current: ResourceMap, template: Mapping[str, Any], parameters: Mapping[str, Any] | None = None
) -> dict[str, list[str]]:
    """Return the logical ids under Add, Modify and Remove, in the order of the templates."""
    new_map = scratch(current, template, current.input_parameters if parameters is None else parameters)
    old, new = current._resource_json_map, dict(template["Resources"])
    before = {name for name in old if name in current._parsed_resources}
    after = {name for name, body in new.items() if wanted(new_map, body)}
    changed = _changed_values(current, new_map)
    for name, condition in (template.get("Conditions") or {}).items():
        if (current._template.get("Conditions") or {}).get(name) != condition or _names(condition) & changed:
            changed.add(f"condition {name}")
    modified = {n for n in before & after if new[n] != old[n] or _names(new[n]) & changed}
    return {
        "Add": [name for name in new if name in after - before],
        "Modify": [name for name in new if name in modified],
        "Remove": [name for name in old if name in before - after],
    }


def update(current: ResourceMap, template: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
    """Bring the resources of a stack to a new template: what is new first, what is gone last."""
    todo = difference(current, template, parameters)
    old = dict(current._resource_json_map)
    current._template = template
    if parameters is not None:
        current.input_parameters = parameters
    current.resolved_parameters = {}
    current.load_mapping()
    current.load_parameters()
    current.load_conditions()
    current._resource_json_map = template["Resources"]
    modify = set(todo["Modify"])
    for name in current._ResourceMap__get_resources_in_dependency_order():
        if name in todo["Add"]:
            _ = current[name]
        elif name in modify:
            modify |= _modify(current, name)
    _remove(current, todo["Remove"], old)


def delete(current: ResourceMap, *, failed_creation: bool = False) -> None:
    """Delete what is not to be kept. An empty bucket of a stack that could not be made need not be kept."""
    bodies = dict(current._resource_json_map)
    if failed_creation:
        bodies = {
            name: {**body, "DeletionPolicy": "Delete"}
            if body.get("DeletionPolicy") == "RetainExceptOnCreate"
            else body
            for name, body in bodies.items()
        }
    _remove(current, [name for name in bodies if name in current._parsed_resources], bodies)


def _modify(current: ResourceMap, name: str) -> set[str]:
    """Update one resource; returns those that name it if it got another physical id."""
    was = getattr(current._parsed_resources[name], "physical_resource_id", None)
    body = current._resource_json_map[name]
    made = parse_and_update_resource(
        name, body, current, account_id=current._account_id, region_name=current._region_name
    )
    if made is None:
        return set()
    current._parsed_resources[name] = made
    if getattr(made, "physical_resource_id", None) == was:
        return set()
    return {other for other, its in current._resource_json_map.items() if name in _names(its)}


def _remove(current: ResourceMap, names: list[str], bodies: Mapping[str, Any]) -> None:
    """Delete resources, those that others need last: again and again while that gets anywhere."""
    left = list(names)
    while left:
        again: list[str] = []
        problem = None
        for name in reversed(left):
            resource = current._parsed_resources[name]
            try:
                if bodies[name].get("DeletionPolicy") not in _KEPT:
                    current._delete_resource(resource, bodies[name])
            except Exception as err:  # another resource may hold it: it is tried again when that has gone
                problem = err
                again.insert(0, name)
            else:
                current._parsed_resources.pop(name)
        if problem is not None and len(again) == len(left):
            raise problem
        left = again


def scratch(current: ResourceMap, template: Mapping[str, Any], parameters: Mapping[str, Any]) -> ResourceMap:
    """Return the new template with its parameters and conditions evaluated; no resource is made."""
    made = ResourceMap(
        current.stack_id,
        current._parsed_resources["AWS::StackName"],
        dict(parameters),
        {},
        account_id=current._account_id,
        region_name=current._region_name,
        template=dict(template),
        cross_stack_resources=current.cross_stack_resources,
    )
    made.load_mapping()
    made.load_parameters()
    made.load_conditions()
    return made


def wanted(resources: ResourceMap, body: Mapping[str, Any]) -> bool:
    condition = body.get("Condition")
    return not condition or bool(resources.lazy_condition_map[condition])


def _changed_values(current: ResourceMap, other: ResourceMap) -> set[str]:
    old, new = current.resolved_parameters, other.resolved_parameters
    return {name for name in new if old.get(name) != new[name]}


def _names(body: Any) -> set[str]:
    """Return everything that a piece of template refers to; a condition as ``condition <name>``."""
    return set(_walk(body))


def _walk(body: Any) -> Iterator[str]:
    if isinstance(body, Mapping):
        for key, value in body.items():
            if key == "Ref":
                yield str(value)
            elif key == "Fn::GetAtt":
                yield str(value[0] if isinstance(value, list) else value).partition(".")[0]
            elif key == "Fn::Sub":
                text = value if isinstance(value, str) else value[0]
                yield from (match.strip() for match in _SUB.findall(text))
                yield from _walk([] if isinstance(value, str) else value[1:])
            elif key == "Condition" and isinstance(value, str):
                yield f"condition {value}"
            else:
                if key == "Fn::If":
                    yield f"condition {value[0]}"
                yield from _walk(value)
    elif isinstance(body, list):
        for item in body:
            yield from _walk(item)
