"""Comparison of values that DuckDB compares otherwise: nested ones, NaN inside them, values with a zone.

Equality is three-valued: None where a NULL inside leaves it open. Source: Trino's ArrayType, MapType, RowType
operators and https://trino.io/docs/current/functions/comparison.html.
"""

# ruff: noqa: E501 - one branch a kind
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from local_mock.athena.functions.define import generic
from local_mock.athena.functions.moments import Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS", "distinct_key", "equality", "ordering"]

Equal = Callable[[Any, Any], bool | None]


def _nullable(equal: Equal) -> Equal:
    return lambda a, b: None if a is None or b is None else equal(a, b)


def equality(kind: Type) -> Equal:
    """Return `a = b` for values that are not None."""
    if kind.base == "array":
        item = _nullable(equality(kind.args[0]))
        return lambda a, b: False if len(a) != len(b) else _all(map(item, a, b))
    if kind.base == "row":
        fields = [_nullable(equality(arg)) for arg in kind.args]
        return lambda a, b: _all(f(x, y) for f, x, y in zip(fields, a, b, strict=True))
    if kind.base == "map":
        key, value = distinct_key(kind.args[0]), _nullable(equality(kind.args[1]))

        def maps(a: Any, b: Any) -> bool | None:
            if len(a) != len(b):
                return False
            other = {key(k): v for k, v in b}
            if any(key(k) not in other for k, _ in a):
                return False
            return _all(value(v, other[key(k)]) for k, v in a)

        return maps
    if kind.base.endswith("with time zone"):
        return lambda a, b: bool(a[0] == b[0])
    return lambda a, b: bool(a == b)


def _all(results: Any) -> bool | None:
    unknown = False
    for result in results:
        if result is False:
            return False
        unknown = unknown or result is None
    return None if unknown else True


def distinct_key(kind: Type) -> Callable[[Any], Any]:
    """Return a hashable value that is equal where two values are not distinct (NULL and NaN equal themselves)."""
    if kind.base in ("real", "double"):
        return lambda v: "NaN" if v is not None and math.isnan(v) else v
    if kind.base == "array":
        item = distinct_key(kind.args[0])
        return lambda v: v if v is None else tuple(map(item, v))
    if kind.base == "row":
        fields = [distinct_key(arg) for arg in kind.args]
        return lambda v: v if v is None else tuple(f(x) for f, x in zip(fields, v, strict=True))
    if kind.base == "map":
        key, value = distinct_key(kind.args[0]), distinct_key(kind.args[1])
        return lambda v: v if v is None else frozenset((key(k), value(x)) for k, x in v)
    if kind.base.endswith("with time zone"):
        return lambda v: v if v is None else v[0]
    return lambda v: v


def ordering(kind: Type, *, nan_first: bool = False) -> Callable[[Any, Any], int]:
    """Return -1, 0 or 1 for values that are not None.

    NaN is the largest (or the smallest). Raises Failure for a NULL inside.
    """
    if kind.base in ("real", "double"):
        size = -1 if nan_first else 1

        def floats(a: float, b: float) -> int:
            if math.isnan(a) or math.isnan(b):
                return size * (math.isnan(a) - math.isnan(b))
            return (a > b) - (a < b)

        return floats
    if kind.base == "array":
        item = _strict(
            ordering(kind.args[0], nan_first=nan_first),
            "ARRAY comparison not supported for arrays with null elements",
        )

        def arrays(a: Any, b: Any) -> int:
            for x, y in zip(a, b, strict=False):
                if result := item(x, y):
                    return result
            return (len(a) > len(b)) - (len(a) < len(b))

        return arrays
    if kind.base == "row":
        fields = [
            _strict(
                ordering(arg, nan_first=nan_first), "ROW comparison not supported for fields with null elements"
            )
            for arg in kind.args
        ]

        def rows(a: Any, b: Any) -> int:
            for f, x, y in zip(fields, a, b, strict=True):
                if result := f(x, y):
                    return result
            return 0

        return rows
    if kind.base.endswith("with time zone"):
        return lambda a, b: (a[0] > b[0]) - (a[0] < b[0])
    return lambda a, b: (a > b) - (a < b)


def _strict(compare: Callable[[Any, Any], int], message: str) -> Callable[[Any, Any], int]:
    def run(a: Any, b: Any) -> int:
        if a is None or b is None:
            raise Failure("NOT_SUPPORTED", message)
        return compare(a, b)

    return run


def _has_nan(value: Any) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, list | tuple) and any(map(_has_nan, value))


def _less(arguments: list[Type], _result: Type) -> Callable[[Any, Any], bool]:
    """Return `a < b`: False where a NaN decides."""
    compare = ordering(arguments[0])
    reverse = ordering(arguments[0], nan_first=True)
    return lambda a, b: compare(a, b) < 0 and reverse(a, b) < 0


def _less_equal(arguments: list[Type], _result: Type) -> Callable[[Any, Any], bool]:
    compare = ordering(arguments[0])
    reverse = ordering(arguments[0], nan_first=True)
    equal = equality(arguments[0])
    return lambda a, b: equal(a, b) is True or (compare(a, b) < 0 and reverse(a, b) < 0)


def _not_distinct(arguments: list[Type], _result: Type) -> Callable[[Any, Any], bool]:
    key = distinct_key(arguments[0])
    return lambda a, b: bool(key(a) == key(b))


def _extreme(sign: int) -> Callable[..., Callable[..., Any]]:
    """Return the functions `greatest` (sign 1) and `least` (-1), in which NaN loses."""

    def make(arguments: list[Type], _result: Type) -> Callable[..., Any]:
        compare = ordering(arguments[0], nan_first=sign > 0)

        def pick(*values: Any) -> Any:
            best = values[0]
            for value in values[1:]:
                if compare(value, best) * sign > 0:
                    best = value
            return best

        return pick

    return make


FUNCTIONS = {
    "equal": generic(lambda arguments, _result: equality(arguments[0])), "less": generic(_less), "less_equal": generic(_less_equal),
    "not_distinct": generic(_not_distinct, nulls=True), "greatest": generic(_extreme(1)), "least": generic(_extreme(-1)),
}  # fmt: skip
