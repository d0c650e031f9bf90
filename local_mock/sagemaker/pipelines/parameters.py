"""Parameters of a pipeline: their types, their defaults, and the values that an execution is started with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local_mock.sagemaker.errors import InvalidRequestError
from local_mock.sagemaker.pipelines.refusal import refuse

__all__ = ["PipelineParameter", "values_of"]

_MEMBERS = frozenset({"Name", "Type", "DefaultValue", "EnumValues"})
_TYPES: Mapping[str, tuple[type, ...]] = {
    "String": (str,), "Integer": (int,), "Float": (int, float), "Boolean": (bool,),
}  # fmt: skip
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class PipelineParameter:
    """One parameter; `default` is None for one that must be given."""

    name: str
    type: str
    default: Any
    choices: tuple[Any, ...]

    @classmethod
    def parse(cls, item: Any) -> PipelineParameter:
        """Return the parameter of a definition. Raises InvalidRequestError."""
        if not isinstance(item, dict) or not item.get("Name") or item.keys() - _MEMBERS:
            raise refuse(f"A parameter has the members {', '.join(sorted(_MEMBERS))}, but got {item}.")
        if item.get("Type") not in _TYPES:
            raise refuse(f"Parameter '{item['Name']}' has the type {item.get('Type')!r}, not {', '.join(_TYPES)}.")
        parameter = cls(item["Name"], item["Type"], item.get("DefaultValue"), tuple(item.get("EnumValues") or ()))
        if parameter.default is not None and (problem := parameter.problem(parameter.default)):
            raise refuse(f"The default of {problem}")
        return parameter

    def problem(self, value: Any) -> str:
        """Return why a value is none of this parameter's, "" if it is."""
        if isinstance(value, bool) != (self.type == "Boolean") or not isinstance(value, _TYPES[self.type]):
            return f"parameter '{self.name}' must be of type {self.type}, but got {value!r}."
        if self.choices and value not in self.choices:
            return f"parameter '{self.name}' must be one of {list(self.choices)}, but got {value!r}."
        return ""

    def read(self, text: str) -> Any:
        """Return the value of a text, as StartPipelineExecution gives it. Raises InvalidRequestError."""
        value: Any = text
        try:
            if self.type == "Boolean":
                value = _TRUTH[text.lower()]
            elif self.type != "String":
                value = int(text) if self.type == "Integer" else float(text)
        except (ValueError, KeyError) as err:
            raise InvalidRequestError(
                f"Parameter '{self.name}' must be of type {self.type}, but got '{text}'."
            ) from err
        if problem := self.problem(value):
            raise InvalidRequestError(problem[0].upper() + problem[1:])
        return value


def values_of(parameters: Mapping[str, PipelineParameter], given: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Return {name: value} of an execution. Raises InvalidRequestError for an unknown or a missing one."""
    texts = {item["Name"]: item["Value"] for item in given}
    if unknown := sorted(texts.keys() - parameters.keys()):
        raise InvalidRequestError(f"Unknown parameter '{unknown[0]}'; the pipeline has {sorted(parameters)}.")
    values = {}
    for name, parameter in parameters.items():
        values[name] = parameter.read(texts[name]) if name in texts else parameter.default
        if values[name] is None:
            raise InvalidRequestError(f"Parameter '{name}' has no default and must be given.")
    return values
