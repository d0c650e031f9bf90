"""Read the templates of `infra/`: their parameters, and the resources that they make with given values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etholake.aws import STACKS
from etholake.errors import UsageError, raise_collected, suggestion

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
        """Return parameter -> its declaration."""
        return dict(self.body.get("Parameters") or {})

    def resources(self, values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Return logical id -> body of the resources that are made with these parameters."""
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


def load(folder: Path) -> list[Template]:
    """Return the templates of a folder, in the order of `STACKS`."""
    files = {stack: folder / f"{stack}.yaml" for stack in STACKS}
    texts = {stack: path.read_text(encoding="utf-8") for stack, path in files.items() if path.is_file()}
    return [Template(stack, text, _parse(text)) for stack, text in texts.items()]


def parameter_file(folder: Path, environment: str, templates: list[Template]) -> dict[str, str]:
    """Return the values of ``parameters/<environment>.json``. Raises UsageError for an unknown file or name."""
    files = {path.stem: path for path in (folder / "parameters").glob("*.json")}
    if environment not in files:
        raise UsageError(
            f"Environment '{environment}' has no file in {FOLDER}/parameters. {suggestion(environment, files)}"
        )
    values = json.loads(files[environment].read_text(encoding="utf-8"))["Parameters"]
    declared = {name for template in templates for name in template.declared}
    raise_collected(
        UsageError,
        f"{FOLDER}/parameters/{environment}.json gives what no template declares",
        sorted(set(values) - declared),
    )
    return {name: str(value) for name, value in values.items()}


def resolve(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """Return a template's parameters: the known values, else the defaults. Raises UsageError for missing ones."""
    values = {}
    missing = []
    for name, declaration in template.declared.items():
        if name in given:
            values[name] = str(given[name])
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

    # libyaml, where PyYAML has it, reads a template ten times as fast.
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Read short forms as long ones: ``!Ref X`` is ``{"Ref": "X"}``, ``!Sub x`` is ``{"Fn::Sub": "x"}``."""

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
