"""Arithmetic: integers stay integers, decimals follow Trino's precision, floats IEEE 754.

Source: https://trino.io/docs/current/functions/decimal.html and math.html
"""

from __future__ import annotations

from local_mock.athena.errors import QueryError, at
from local_mock.athena.sqltypes import INTEGER, UNKNOWN, Type, as_decimal, common_type, decimal
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.python import python_sql
from local_mock.athena.translate.relations import Typed

__all__ = ["operate"]

_WORDS = {
    "+": "decimal_add",
    "-": "decimal_subtract",
    "*": "decimal_multiply",
    "/": "decimal_divide",
    "%": "decimal_modulo",
}


def operate(left: Typed, symbol: str, right: Typed, where: tuple[int, int] | None) -> Typed:
    """Return `left symbol right` for numbers, dates, times and intervals. Raises QueryError TYPE_MISMATCH."""
    from local_mock.athena.translate.functions.datetimes import arithmetic

    result = arithmetic(left, symbol, right)
    if result is not None:
        return result
    target = common_type(left.type, right.type)
    if target is None or not (target.is_numeric or target == UNKNOWN):
        raise QueryError("TYPE_MISMATCH", f"{at(where)}Cannot apply operator: {left.type} {symbol} {right.type}")
    if target.base == "decimal":
        return _decimal(left, symbol, right)
    if target == UNKNOWN:
        target = INTEGER
    a, b = (widen(side.sql, side.type, target) for side in (left, right))
    if target.is_integer:
        return Typed(_whole(a, symbol, b), target)
    if symbol == "%":
        modulo = python_sql("mod", [(a, target), (b, target)], target)
        return Typed(modulo, target)
    if symbol == "/":
        # DuckDB fails on division by zero, IEEE arithmetic (and Trino) does not.
        zero = f"CAST(t_div_zero({a}, {b}) AS {target.duckdb})"
        return Typed(f"(CASE WHEN ({b}) = 0 THEN {zero} ELSE ({a}) / ({b}) END)", target)
    return Typed(f"({a} {symbol} {b})", target)


def _whole(a: str, symbol: str, b: str) -> str:
    """Return an operation of whole numbers; the least one has no counterpart, but a remainder by -1: that by 1."""
    if symbol == "%":
        return f"({a} % CASE WHEN ({b}) = -1 THEN 1 ELSE {b} END)"
    return f"({a} {'//' if symbol == '/' else symbol} {b})"


def _kind(symbol: str, left: tuple[int, ...], right: tuple[int, ...]) -> tuple[Type, bool]:
    """Return the type of a decimal result, and whether its digits had to be cut to 38."""
    (p1, s1), (p2, s2) = left, right
    scale = max(s1, s2)
    precision = {
        "*": p1 + p2, "/": p1 + s2 + max(s2 - s1, 0), "%": min(p1 - s1, p2 - s2) + scale,
    }.get(symbol, max(p1 - s1, p2 - s2) + scale + 1)  # fmt: skip
    return decimal(precision, s1 + s2 if symbol == "*" else scale), precision > 38


def _decimal(left: Typed, symbol: str, right: Typed) -> Typed:
    one, other = as_decimal(left.type), as_decimal(right.type)
    kind, cut = _kind(symbol, one.numbers, other.numbers)
    if kind.numbers[1] > 38:
        raise QueryError("INVALID_FUNCTION_ARGUMENT", "DECIMAL scale must be in range [0, precision (38)]")
    a, b = widen(left.sql, left.type, one), widen(right.sql, right.type, other)
    if symbol in "/%" or cut:
        return Typed(python_sql(_WORDS[symbol], [(a, one), (b, other)], kind), kind)
    if symbol == "*":
        return Typed(f"CAST(({a} * {b}) AS {kind.duckdb})", kind)
    return Typed(f"CAST((CAST({a} AS {kind.duckdb}) {symbol} CAST({b} AS {kind.duckdb})) AS {kind.duckdb})", kind)
