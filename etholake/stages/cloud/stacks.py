"""Plan change sets of CloudFormation, show them, execute them, wait, delete. The templates are not read here.

A stack that exists gets its change set before anything is done; one that does not yet exist takes parameters from
stacks before it, so its plan is the list of its resources, and its change set is made when its turn comes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etholake import aws
from etholake.errors import AwsError
from etholake.settings import Settings
from etholake.stages.cloud.templates import Template, resolve
from etholake.stages.waiting import wait_for

__all__ = [
    "DEAD",
    "SUCCESS",
    "Change",
    "ChangePlan",
    "delete",
    "describe",
    "discard",
    "execute",
    "make_plan",
    "render",
    "request",
]

WAIT_S = 1800
IN_PROGRESS = ("_IN_PROGRESS", "_PENDING")
DEAD = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"})
SUCCESS = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
_SIGNS = {"Add": "+", "Modify": "~", "Remove": "-", "Import": "+", "Dynamic": "?"}
_NO_CHANGE = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True)
class Change:
    """One line of a change set. `replacement` is CloudFormation's: 'True', 'Conditional', 'False' or ''."""

    action: str
    name: str
    type: str
    replacement: str = ""


@dataclass
class ChangePlan:
    """The changes that will be made to one stack; it has none if there is nothing to do."""

    template: Template
    name: str
    changes: list[Change]
    values: dict[str, str] = field(default_factory=dict)
    change_set: str = ""  # ARN, '' for a stack that does not exist yet
    new: bool = False


def make_plan(settings: Settings, templates: Sequence[Template], given: Mapping[str, str]) -> list[ChangePlan]:
    """Return a plan for every template, in their order. Change sets are made, nothing else."""
    plans: list[ChangePlan] = []
    outputs: dict[str, str] = {}
    for template in templates:
        name = aws.stack_name(settings, template.stack)
        stack = describe(settings, name)
        if stack and stack["StackStatus"].endswith("_IN_PROGRESS") and stack["StackStatus"] not in DEAD:
            _wait(settings, stack["StackId"], name)
            stack = describe(settings, name)
        if stack is None or stack["StackStatus"] in DEAD:
            made = template.resources(_foreseen(template, {**given, **outputs}))
            changes = [Change("Add", logical, body["Type"]) for logical, body in made.items()]
            plans.append(ChangePlan(template, name, changes, new=True))
            continue
        present = {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", [])}
        values = resolve(template, {**_undeclared_defaults(template, present), **given, **outputs})
        plans.append(_with_change_set(settings, template, name, values, new=False))
        outputs |= {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}
    return plans


def render(plans: Sequence[ChangePlan]) -> str:
    """Return the plans for a person: + is made, ~ is changed, - is deleted, ! is replaced by a new one."""
    lines = []
    for plan in plans:
        if not plan.changes:
            lines.append(f"{plan.name}: nothing to do")
            continue
        lines.append(f"{plan.name}: {'is created' if plan.new else 'is changed'}")
        for change in plan.changes:
            sign = "!" if change.replacement in ("True", "Conditional") else _SIGNS.get(change.action, "?")
            note = {"True": "  (replaced)", "Conditional": "  (may be replaced)"}.get(change.replacement, "")
            lines.append(f"  {sign} {change.name:<24} {change.type}{note}")
    return "\n".join(lines)


def execute(
    settings: Settings,
    plans: Sequence[ChangePlan],
    given: Mapping[str, str],
    done: Callable[[str], None] = lambda _: None,
) -> None:
    """Carry the plans out, one after the other; `done` is called with each finished stack (of `aws.STACKS`).

    Raises
    ------
    AwsError
        CloudFormation refused a template, or a stack failed (with its events).
    """
    outputs: dict[str, str] = {}
    for planned in plans:
        values = resolve(planned.template, {**given, **outputs})
        plan = planned
        if plan.new:
            _delete_dead(settings, plan.name)
            plan = _with_change_set(settings, plan.template, plan.name, values, new=True)
        elif any(values[name] != plan.values[name] for name in values):  # a stack before it has new outputs
            discard(settings, [plan])
            plan = _with_change_set(settings, plan.template, plan.name, values, new=False)
        if plan.change_set:
            _execute(settings, plan)
        stack = describe(settings, plan.name) or {}
        outputs |= {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}
        done(plan.template.stack)


def discard(settings: Settings, plans: Sequence[ChangePlan]) -> None:
    """Delete change sets that will not be executed."""
    for plan in plans:
        if plan.change_set:
            aws.client(settings, "cloudformation").delete_change_set(ChangeSetName=plan.change_set)


def delete(settings: Settings, name: str) -> None:
    """Delete a stack and wait. Raises AwsError if something of it cannot be deleted."""
    stack = describe(settings, name)
    if stack is None:
        return
    aws.client(settings, "cloudformation").delete_stack(StackName=stack["StackId"])
    state = _wait(settings, stack["StackId"], name)
    if state != "DELETE_COMPLETE":
        raise AwsError(f"Stack '{name}' could not be deleted ({state}):\n{_failures(settings, stack['StackId'])}")


def describe(settings: Settings, name_or_id: str) -> dict[str, Any] | None:
    """Return the stack's description, None if there is none (or it was deleted)."""
    from botocore.exceptions import ClientError

    try:
        response = aws.client(settings, "cloudformation").describe_stacks(StackName=name_or_id)
    except ClientError as err:
        if "does not exist" in str(err):
            return None
        raise
    stack: dict[str, Any] = response["Stacks"][0]
    return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack


def request(template: Template, name: str, values: Mapping[str, str], *, new: bool) -> dict[str, Any]:
    """Return the arguments of CreateChangeSet. Pure but for the change set's name."""
    return {
        "StackName": name,
        "ChangeSetName": f"etholake-{uuid.uuid4().hex[:12]}",
        "ChangeSetType": "CREATE" if new else "UPDATE",
        "TemplateBody": template.text,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()],
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": [{"Key": "project", "Value": "etholake"}],
    }


# --- change sets ------------------------------------------------------------------------------------------
def _foreseen(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters as far as they are known before the earlier stacks exist."""
    defaults = {name: str(declaration.get("Default", "")) for name, declaration in template.declared.items()}
    return {**defaults, **given}


def _undeclared_defaults(template: Template, present: Mapping[str, str]) -> dict[str, str]:
    """Return present values of parameters without a default, for a stack whose earlier stacks are gone."""
    return {
        name: v for name, v in present.items() if "Default" not in template.declared.get(name, {"Default": ""})
    }


def _with_change_set(
    settings: Settings, template: Template, name: str, values: dict[str, str], *, new: bool
) -> ChangePlan:
    from botocore.exceptions import ClientError

    formation = aws.client(settings, "cloudformation")
    nothing = ChangePlan(template, name, [], values, new=new)
    try:
        made = formation.create_change_set(**request(template, name, values, new=new))["Id"]
    except ClientError as err:
        if any(text in str(err) for text in _NO_CHANGE):
            return nothing
        raise AwsError(f"CloudFormation refused the template of stack '{name}': {err}") from err
    page = wait_for(
        lambda: formation.describe_change_set(ChangeSetName=made),
        lambda page: not page["Status"].endswith(IN_PROGRESS),
        f"The change set of stack '{name}'",
        timeout_s=WAIT_S,
    )
    if page["Status"] == "FAILED":
        formation.delete_change_set(ChangeSetName=made)
        reason = page.get("StatusReason", "no reason given")
        if any(text in reason for text in _NO_CHANGE):
            return nothing
        raise AwsError(f"The change set of stack '{name}' failed: {reason}")
    changes = [_change(item["ResourceChange"]) for item in page.get("Changes", [])]
    while page.get("NextToken"):
        page = formation.describe_change_set(ChangeSetName=made, NextToken=page["NextToken"])
        changes += [_change(item["ResourceChange"]) for item in page.get("Changes", [])]
    return ChangePlan(template, name, changes, values, made, new)


def _change(item: Mapping[str, Any]) -> Change:
    return Change(item["Action"], item["LogicalResourceId"], item["ResourceType"], item.get("Replacement", ""))


def _execute(settings: Settings, plan: ChangePlan) -> None:
    formation = aws.client(settings, "cloudformation")
    formation.execute_change_set(ChangeSetName=plan.change_set, ClientRequestToken=uuid.uuid4().hex)
    stack = describe(settings, plan.name)
    assert stack is not None  # its change set was there
    state = _wait(settings, stack["StackId"], plan.name)
    if state not in SUCCESS:
        failures = _failures(settings, stack["StackId"])
        raise AwsError(f"Stack '{plan.name}' ended as {state}. What failed:\n{failures}")


def _delete_dead(settings: Settings, name: str) -> None:
    """Delete a stack whose creation failed; one under review can take a new change set."""
    stack = describe(settings, name)
    if stack and stack["StackStatus"] != "REVIEW_IN_PROGRESS":
        delete(settings, name)


# --- waiting ----------------------------------------------------------------------------------------------
def _wait(settings: Settings, stack_id: str, name: str) -> str:
    """Wait until nothing is in progress; return the final state ('DELETE_COMPLETE' if the stack has gone)."""

    def state() -> str:
        stack = describe(settings, stack_id)
        return str(stack["StackStatus"]) if stack else "DELETE_COMPLETE"

    return wait_for(
        state, lambda status: not status.endswith(IN_PROGRESS), f"Stack '{name}'", timeout_s=WAIT_S, poll_s=0.1
    )


def _failures(settings: Settings, stack_id: str) -> str:
    pages = aws.client(settings, "cloudformation").get_paginator("describe_stack_events")
    events = [event for page in pages.paginate(StackName=stack_id) for event in page["StackEvents"]]
    failed = [
        f"  - {e['LogicalResourceId']} ({e['ResourceType']}): {e.get('ResourceStatusReason', 'no reason given')}"
        for e in sorted(events, key=lambda e: e["Timestamp"])
        if e["ResourceStatus"].endswith("_FAILED")
    ]
    return "\n".join(failed) or "  - no event says why"
