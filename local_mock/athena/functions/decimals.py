"""Decimal arithmetic beyond what DuckDB's DECIMAL holds, with Trino's rounding and overflow.

Source: https://trino.io/docs/current/functions/decimal.html, Trino's DecimalOperators and MathFunctions.
"""

# ruff: noqa: E501 - one line a message or table
from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from local_mock.athena.functions.define import generic
from local_mock.athena.functions.moments import Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS"]

_CONTEXT = decimal.Context(prec=160, rounding=ROUND_HALF_UP)


def _fit(value: Decimal, result: Type) -> Decimal:
    """Return `value` at the result's scale. Raises Failure beyond 38 digits."""
    precision, scale = result.numbers
    rounded = value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _CONTEXT)
    if abs(int(rounded.scaleb(scale, _CONTEXT))) >= 10 ** (38 if precision == 38 else precision):
        raise Failure("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow")
    return rounded


def _operator(
    compute: Callable[[Decimal, Decimal], Decimal], *, divides: bool = False, aligns: bool = False
) -> object:
    def make(_arguments: list[Type], result: Type) -> Callable[[Decimal, Decimal], Decimal]:
        limit = Decimal(2**127).scaleb(
            -result.numbers[1], _CONTEXT
        )  # an operand at the result's scale has 128 bits

        def run(a: Decimal, b: Decimal) -> Decimal:
            if divides and b == 0:
                raise Failure("DIVISION_BY_ZERO", "Division by zero")
            if aligns and (abs(a) >= limit or abs(b) >= limit):
                raise Failure("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow")
            return _fit(compute(a, b), result)

        return run

    return generic(make)


def _divide_of(arguments: list[Type], result: Type) -> Callable[[Decimal, Decimal], Decimal]:
    scale = result.numbers[1]
    del arguments

    def divide(a: Decimal, b: Decimal) -> Decimal:
        if b == 0:
            raise Failure("DIVISION_BY_ZERO", "Division by zero")
        # On whole numbers: a quotient rounded twice could be off by one.
        sign = -1 if (a < 0) != (b < 0) else 1
        n, d = abs(a.scaleb(scale, _CONTEXT)), abs(b)
        exponent = min(n.as_tuple().exponent, d.as_tuple().exponent)
        whole_n, whole_d = int(n.scaleb(-exponent, _CONTEXT)), int(d.scaleb(-exponent, _CONTEXT))  # type: ignore[operator]
        return _fit(Decimal(sign * ((2 * whole_n + whole_d) // (2 * whole_d))).scaleb(-scale, _CONTEXT), result)

    return divide


def _remainder(a: Decimal, b: Decimal) -> Decimal:
    return _CONTEXT.remainder(a, b)


def _rounding(mode: str) -> object:
    def make(_arguments: list[Type], result: Type) -> Callable[..., Decimal]:
        def run(value: Decimal, digits: int = 0) -> Decimal:
            scale = result.numbers[1]
            if digits >= scale and len(result.numbers) and digits > 0:
                return _fit(value, result)
            if digits < -60:
                return _fit(Decimal(0), result)
            cut = value.quantize(Decimal(1).scaleb(-digits), mode, _CONTEXT)
            return _fit(cut, result)

        return run

    return generic(make)


def _sum_of(_arguments: list[Type], result: Type) -> Callable[[list[Decimal | None]], Decimal | None]:
    def total(values: list[Decimal | None]) -> Decimal | None:
        present = [v for v in values if v is not None]
        if not present:
            return None
        out = Decimal(0)
        for value in present:
            out = _CONTEXT.add(out, value)
        return _fit(out, result)

    return total


FUNCTIONS = {
    "decimal_add": _operator(_CONTEXT.add, aligns=True), "decimal_subtract": _operator(_CONTEXT.subtract, aligns=True),
    "decimal_multiply": _operator(_CONTEXT.multiply), "decimal_divide": generic(_divide_of),
    "decimal_modulo": _operator(_remainder, divides=True), "decimal_round": _rounding(ROUND_HALF_UP),
    "decimal_truncate": _rounding(ROUND_DOWN), "decimal_ceiling": _rounding(ROUND_CEILING),
    "decimal_floor": _rounding(ROUND_FLOOR), "decimal_sum": generic(_sum_of),
}  # fmt: skip
