"""The path language of SQL's JSON functions, evaluated: the items of a JSON value that a path finds.

A value is None, bool, int, float, decimal.Decimal (a number of the path), str, list or dict.
Source: https://trino.io/docs/current/functions/json.html#json-path-language, Trino's PathEvaluationVisitor.
"""

# ruff: noqa: PLR0911, PLR0912 - one branch a kind
from __future__ import annotations

import decimal
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from local_mock.athena.functions.casts import caster
from local_mock.athena.functions.json_paths import Node, parse
from local_mock.athena.functions.moments import Failure
from local_mock.athena.sqltypes import DOUBLE, VARCHAR

__all__ = ["PathError", "evaluate"]

_MISSING = object()
_ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "<>": operator.ne, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip
_double_of_text = caster(VARCHAR, DOUBLE)


class PathError(ValueError):
    """The path does not fit the value: what ON ERROR is for."""


def evaluate(path: str, value: Any, bound: Mapping[str, list[Any]]) -> list[Any]:
    """Return the sequence of items that a path finds. `bound`: each variable's sequence. Raises PathError."""
    lax, tree = parse(path)
    with decimal.localcontext(prec=80):  # more digits than any result may have
        return _Evaluation(lax, value, bound).items(tree, _MISSING, None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool)


class _Evaluation:
    def __init__(self, lax: bool, root: Any, bound: Mapping[str, list[Any]]) -> None:
        self.lax, self.root, self.bound = lax, root, bound

    def items(self, node: Node, current: Any, last: int | None) -> list[Any]:
        kind = node[0]
        if kind == "literal":
            return [node[1]]
        if kind == "root":
            return [self.root]
        if kind == "current":
            return [current]
        if kind == "variable":
            return self.bound[node[1]]
        if kind == "last":
            if last is None:
                raise PathError("accessing the last array index with no enclosing array")
            return [last]
        if kind == "sign":
            values = self.unwrapped(self.items(node[2], current, last))
            return [_in_range(-self.number(v) if node[1] == "-" else +self.number(v)) for v in values]
        if kind == "binary":
            left, right = (self.single(self.items(n, current, last)) for n in node[2:])
            return [_operate(node[1], left, right)]
        if kind == "member":
            return self.member(node[1], self.items(node[2], current, last))
        if kind == "members":
            opened = self.unwrapped(self.items(node[1], current, last))
            self.require(opened, dict, "object")
            return [v for item in opened if isinstance(item, dict) for v in item.values()]
        if kind == "elements":
            arrays = self.items(node[1], current, last)
            self.require(arrays, list, "array")
            return _opened(arrays)
        if kind == "subscript":
            return self.subscript(node, current, last)
        if kind == "filter":
            opened = self.unwrapped(self.items(node[1], current, last))
            return [item for item in opened if self.predicate(node[2], item, last) is True]
        return self.method(node[1], self.items(node[2], current, last))

    def unwrapped(self, values: list[Any]) -> list[Any]:
        """Return a sequence whose arrays are opened in lax mode."""
        return _opened(values) if self.lax else values

    def require(self, values: list[Any], kind: type, name: str) -> None:
        """Raise PathError in strict mode unless all values are of this kind."""
        if not self.lax and not all(isinstance(v, kind) for v in values):
            raise PathError(f"invalid item type: expected {name}")

    def number(self, value: Any) -> Any:
        if not _is_number(value):
            raise PathError("invalid item type: expected a number")
        return value

    def single(self, values: list[Any]) -> Any:
        values = self.unwrapped(values)
        if len(values) != 1:
            raise PathError("arithmetic needs one item on each side")
        return self.number(values[0])

    def member(self, key: str, values: list[Any]) -> list[Any]:
        opened = self.unwrapped(values)
        self.require(opened, dict, "object")
        out = []
        for item in opened:
            if isinstance(item, dict) and key in item:
                out.append(item[key])
            elif not self.lax:
                raise PathError(f"missing member '{key}' in JSON object")
        return out

    def subscript(self, node: Node, current: Any, last: int | None) -> list[Any]:
        out: list[Any] = []
        arrays = self.items(node[1], current, last)
        self.require(arrays, list, "array")
        for item in arrays:
            values = item if isinstance(item, list) else [item]
            for low, high in node[2]:
                start = self.index(low, current, len(values) - 1)
                end = start if high is None else self.index(high, current, len(values) - 1)
                if not self.lax and not (0 <= start <= end < len(values)):
                    raise PathError(f"invalid array subscript for array of size {len(values)}: {start} to {end}")
                out += values[max(start, 0) : end + 1] if end >= 0 else []
        return out

    def index(self, node: Node, current: Any, last: int) -> int:
        value = self.single(self.items(node, current, last))
        if value % 1:  # also of infinity, where it is NaN
            raise PathError("array subscripts are whole numbers")
        return int(value)

    def method(self, name: str, values: list[Any]) -> list[Any]:
        if name == "type":
            return [_type_name(v) for v in values]
        if name == "size":
            self.require(values, list, "array")
            return [len(v) if isinstance(v, list) else 1 for v in values]
        opened = self.unwrapped(values)
        if name == "keyvalue":
            if not all(isinstance(v, dict) for v in opened):
                raise PathError("keyvalue() is for objects")
            return [{"name": k, "value": x, "id": i} for i, v in enumerate(opened) for k, x in v.items()]
        if name == "double":
            return [_double(v) for v in opened]
        numbers = [self.number(v) for v in opened]
        if name == "abs":
            return [_in_range(abs(v)) for v in numbers]
        return [_whole(v, math.ceil if name == "ceiling" else math.floor) for v in numbers]

    def predicate(self, node: Node, item: Any, last: int | None) -> bool | None:
        kind = node[0]
        if kind in ("and", "or"):
            left, right = self.predicate(node[1], item, last), self.predicate(node[2], item, last)
            decided = kind == "or"
            if left is decided or right is decided:
                return decided
            return None if left is None or right is None else not decided
        if kind == "not":
            inner = self.predicate(node[1], item, last)
            return None if inner is None else not inner
        if kind == "unknown":
            return self.predicate(node[1], item, last) is None
        try:
            if kind == "exists":
                return bool(self.items(node[1], item, last))
            left_items = self.unwrapped(self.items(node[1], item, last))
            if kind == "compare":
                right_items = self.unwrapped(self.items(node[2], item, last))
                return self.any_of([_compare(node[3], a, b) for a in left_items for b in right_items])
            if kind == "starts":
                prefix = self.unwrapped(self.items(node[2], item, last))
                if len(prefix) != 1 or not isinstance(prefix[0], str):
                    return None
                return self.any_of([v.startswith(prefix[0]) if isinstance(v, str) else None for v in left_items])
            return self.any_of([node[2].search(v) is not None if isinstance(v, str) else None for v in left_items])
        except PathError:
            return None

    def any_of(self, answers: list[bool | None]) -> bool | None:
        """Return whether one holds; in strict mode an unknown one makes all unknown."""
        if None in answers and (not self.lax or True not in answers):
            return None
        return True in answers


def _opened(values: list[Any]) -> list[Any]:
    """Return a sequence with the elements of its arrays in their place."""
    return [v for item in values for v in (item if isinstance(item, list) else [item])]


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if _is_number(value):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _double(value: Any) -> float:
    try:
        if isinstance(value, str):
            return float(_double_of_text(value))
        if _is_number(value):
            return float(value)
    except (Failure, OverflowError) as err:
        raise PathError(f"double() cannot convert '{value}'") from err
    raise PathError("double() needs a number or the text of one")


def _whole(value: Any, rounded: Callable[[Any], int]) -> Any:
    """Return a number without its fraction, in its own type; infinity and NaN stay."""
    if isinstance(value, float) and not math.isfinite(value):
        return value
    return type(value)(rounded(value))


def _in_range(value: Any) -> Any:
    """Return a result of arithmetic. Raises PathError beyond a bigint or a decimal of 38 digits."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise PathError(f"bigint overflow: {value}")
    if isinstance(value, decimal.Decimal) and len(value.as_tuple().digits) > 38:
        raise PathError(f"decimal overflow: {value}")
    return value


def _same_type(left: Any, right: Any) -> tuple[Any, Any]:
    """Return two numbers as doubles if one of them is a double, as SQL does."""
    return (float(left), float(right)) if isinstance(left, float) != isinstance(right, float) else (left, right)


def _operate(symbol: str, left: Any, right: Any) -> Any:
    left, right = _same_type(left, right)
    if symbol in "/%":
        return _in_range(_divide(symbol, left, right))
    return _in_range(_ARITHMETIC[symbol](left, right))


def _divide(symbol: str, left: Any, right: Any) -> Any:
    """Return the quotient or the remainder; of doubles as in Java, of whole numbers cut towards zero."""
    if isinstance(left, float):
        if symbol == "%":
            return math.fmod(left, right) if right and math.isfinite(left) else math.nan
        if right:
            return left / right
        return (
            math.nan if not left or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)
        )
    if right == 0:
        raise PathError("division by zero")
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return quotient if symbol == "/" else left - quotient * right
    if symbol == "%":
        return decimal.Decimal(left) % decimal.Decimal(right)
    raise PathError("the division of decimals in a path is not supported by local_mock")


def _compare(symbol: str, left: Any, right: Any) -> bool | None:
    """Compare two scalars; None for those that do not compare. A null equals null only."""
    if left is None or right is None:
        if symbol in ("==", "<>", "!="):
            return (left is right) == (symbol == "==")
        return symbol in ("<=", ">=") if left is right else None
    if _type_name(left) != _type_name(right) or isinstance(left, list | dict):
        return None
    return _COMPARISONS[symbol](*_same_type(left, right))
