"""The templates of `infra/`: what they declare, and which resources they make under given parameters. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etholake.aws import STACKS
from etholake.errors import UsageError, raise_collected

__all__ = ["Template", "load", "parameter_file", "resolve"]

FOLDER = "infra"


@dataclass(frozen=True)
class Template:
    """One stack's template. `body` is the template with intrinsics in their long form."""

    stack: str
    text: str
    body: dict[str, Any]

    @property
    def declared(self) -> dict[str, Any]:
        """Parameter -> its declaration."""
        return dict(self.body.get("Parameters") or {})

    def resources(self, values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Logical id -> body of what is made with these parameters."""
        conditions = self.body.get("Conditions") or {}

        def holds(condition: Any) -> bool:
            (operator, operands), *_ = condition.items()
            if operator == "Condition":
                return holds(conditions[operands])
            if operator == "Fn::Not":
                return not holds(operands[0])
            if operator in ("Fn::And", "Fn::Or"):
                return (all if operator == "Fn::And" else any)(holds(operand) for operand in operands)
            left, right = (values.get(o["Ref"], "") if isinstance(o, dict) else str(o) for o in operands)
            return left == right

        return {
            name: body
            for name, body in self.body["Resources"].items()
            if "Condition" not in body or holds(conditions[body["Condition"]])
        }


def load(root: Path) -> list[Template]:
    """The templates that are there, in the order of `STACKS`."""
    files = {stack: root / FOLDER / f"{stack}.yaml" for stack in STACKS}
    texts = {stack: path.read_text(encoding="utf-8") for stack, path in files.items() if path.is_file()}
    return [Template(stack, text, _parse(text)) for stack, text in texts.items()]


def parameter_file(root: Path, environment: str, templates: list[Template]) -> dict[str, str]:
    """Values of ``infra/parameters/<environment>.json``. UsageError for an unknown file or name."""
    folder = root / FOLDER / "parameters"
    try:
        values = json.loads((folder / f"{environment}.json").read_text(encoding="utf-8"))["Parameters"]
    except FileNotFoundError as err:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.json")))
        raise UsageError(
            f"Environment '{environment}' has no file in {FOLDER}/parameters: known are {known}."
        ) from err
    declared = {name for template in templates for name in template.declared}
    raise_collected(
        UsageError,
        f"{FOLDER}/parameters/{environment}.json gives what no template declares",
        sorted(set(values) - declared),
    )
    return {name: str(value) for name, value in values.items()}


def resolve(template: Template, known: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a template: what is known, else its default. Raises UsageError for what is missing."""
    values = {}
    missing = []
    for name, declaration in template.declared.items():
        if name in known:
            values[name] = str(known[name])
        elif "Default" in declaration:
            values[name] = str(declaration["Default"])
        else:
            missing.append(name)
    raise_collected(
        UsageError, f"{FOLDER}/{template.stack}.yaml needs parameters that no stack before it gives", missing
    )
    return values


def _parse(text: str) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    class Loader(yaml.SafeLoader):
        """Short forms as long ones: ``!Ref X`` is ``{"Ref": "X"}``, ``!Sub x`` is ``{"Fn::Sub": "x"}``."""

    def long_form(loader: Any, name: str, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            value: Any = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        if name == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}

    Loader.add_multi_constructor("!", long_form)
    body = yaml.load(text, Loader=Loader)  # noqa: S506 - a SafeLoader
    assert isinstance(body, dict)
    return body
