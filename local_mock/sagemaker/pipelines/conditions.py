"""Conditions of a Condition step: checked when a pipeline is made, evaluated when the step runs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from local_mock.sagemaker.errors import RunError
from local_mock.sagemaker.pipelines.expressions import ValueScope, resolve

__all__ = ["check", "holds"]

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_MEMBERS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_COMPARISONS, frozenset({"LeftValue", "RightValue"})),
    "In": frozenset({"QueryValue", "Values"}),
    "Not": frozenset({"Condition"}),
    "Or": frozenset({"Conditions"}),
}


def check(condition: Any) -> str:
    """Return what is wrong with a condition, "" if nothing is."""
    kind = str(condition.get("Type")) if isinstance(condition, dict) else ""
    if kind not in _MEMBERS:
        hint = " The conditions of a step are joined by and." if kind == "And" else ""
        return f"Unknown condition type '{kind}'; the types are {', '.join(_MEMBERS)}.{hint}"
    if condition.keys() - {"Type"} != _MEMBERS[kind]:
        return f"A condition {kind} has the members {', '.join(sorted(_MEMBERS[kind]))}."
    inner = [condition["Condition"]] if kind == "Not" else condition["Conditions"] if kind == "Or" else []
    return next((problem for each in inner if (problem := check(each))), "")


def holds(condition: Mapping[str, Any], scope: ValueScope) -> bool:
    """Return whether a checked condition is true. Raises RunError if its values cannot be compared."""
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition["Condition"], scope)
    if kind == "Or":
        return any([holds(each, scope) for each in condition["Conditions"]])
    if kind == "In":
        value = resolve(condition["QueryValue"], scope)
        return any([_equal(value, resolve(each, scope)) for each in condition["Values"]])
    left, right = resolve(condition["LeftValue"], scope), resolve(condition["RightValue"], scope)
    if kind == "Equals":
        return _equal(left, right)
    return _COMPARISONS[kind](*_comparable(left, right))


def _equal(left: Any, right: Any) -> bool:
    left, right = _comparable(left, right)
    return bool(left == right)


def _comparable(left: Any, right: Any) -> tuple[Any, Any]:
    """Return both values if they are numbers, texts or truth values alike."""
    for kinds in ((bool,), (int, float), (str,)):
        if all(isinstance(v, kinds) and (bool in kinds or not isinstance(v, bool)) for v in (left, right)):
            return left, right
    raise RunError(f"{left!r} and {right!r} cannot be compared: both must be numbers, strings or booleans.")
