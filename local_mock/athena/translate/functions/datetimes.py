"""Date and time functions. Differences count whole units, as in Trino, not boundaries.

https://trino.io/docs/current/functions/datetime.html
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

from typing import Any

from sqlglot import exp

from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.sqltypes import BIGINT, DATE, TIMESTAMP, VARCHAR, Type
from local_mock.athena.translate.casts import cast, widen
from local_mock.athena.translate.relations import Scope, Typed, text

__all__ = ["SIGNATURES", "SPECIAL"]

_PARTS = {
    "year": "year", "quarter": "quarter", "month": "month", "day": "day", "day_of_month": "day", "week": "week",
    "week_of_year": "week", "day_of_week": "isodow", "dow": "isodow", "day_of_year": "doy", "doy": "doy",
    "year_of_week": "isoyear", "yow": "isoyear",
}  # fmt: skip
_CLOCK = {"hour": "hour", "minute": "minute", "second": "second", "millisecond": "millisecond"}

SIGNATURES = r"""
last_day_of_month(timestamp) -> date = last_day({0})
date(timestamp) -> date = CAST({0} AS DATE)
to_unixtime(timestamp) -> double = epoch_us({0}) / CAST(1000000 AS DOUBLE)
to_iso8601(date) -> varchar = CAST({0} AS VARCHAR)
"""

_UNITS = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")
# MySQL's letters (date_format, date_parse) → strftime's. What is missing here is refused.
_MYSQL = {
    "a": "%a", "b": "%b", "c": "%-m", "d": "%d", "e": "%-d", "f": "%f", "H": "%H", "h": "%I", "I": "%I", "i": "%M",
    "j": "%j", "k": "%-H", "l": "%-I", "M": "%B", "m": "%m", "p": "%p", "r": "%I:%M:%S %p", "S": "%S", "s": "%S",
    "T": "%H:%M:%S", "v": "%V", "W": "%A", "Y": "%Y", "y": "%y", "%": "%%",
}  # fmt: skip


def _unit(c: Any, node: exp.Expression, name: str, value: Typed) -> str:
    unit = value.literal.lower() if isinstance(value.literal, str) else None
    if unit is None:
        raise not_supported(f"{name} with a computed unit", c.place(node, name))
    if unit not in _UNITS:
        raise QueryError(
            "INVALID_FUNCTION_ARGUMENT", f"'{value.literal}' is not a valid {'DATE' if name != 'x' else ''} field"
        )
    return unit


def _moment(c: Any, node: exp.Expression, name: str, value: Typed) -> Typed:
    """A date or timestamp argument; a zoned one is seen on its own clock."""
    if value.type.base == "timestamp with time zone":
        return Typed(cast(value.sql, value.type, TIMESTAMP), TIMESTAMP)
    if value.type.base not in ("date", "timestamp"):
        raise QueryError(
            "TYPE_MISMATCH",
            f"{at(c.place(node, name))}Unexpected parameters ({value.type}) for function {name}. Expected: {name}(date), {name}(timestamp(p))",
        )
    return value


def _part(name: str) -> Any:
    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        _arity(c, node, name, arguments, 1)
        value = _moment(c, node, name, c.compile(arguments[0], scope))
        if name in _CLOCK and value.type == DATE:
            raise QueryError(
                "TYPE_MISMATCH",
                f"{at(c.place(node, name))}Unexpected parameters (date) for function {name}. Expected: {name}(timestamp(p))",
            )
        extra = " % 1000" if name == "millisecond" else ""
        field = _PARTS.get(name) or _CLOCK[name]
        return Typed(f"CAST(date_part('{field}', {value.sql}){extra} AS BIGINT)", BIGINT)

    return handler


def _arity(c: Any, node: exp.Expression, name: str, arguments: list[Any], count: int) -> None:
    if len(arguments) != count:
        raise QueryError("TYPE_MISMATCH", f"{at(c.place(node, name))}Unexpected parameters for function {name}")


def _date_add(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    _arity(c, node, "date_add", arguments, 3)
    unit_value, count, value = (c.compile(a, scope) for a in arguments)
    unit = _unit(c, node, "date_add", unit_value)
    if not count.type.is_integer or not value.type.is_temporal:
        raise QueryError(
            "TYPE_MISMATCH",
            f"{at(c.place(node, 'date_add'))}Unexpected parameters (varchar, {count.type}, {value.type}) for function date_add",
        )
    if value.type == DATE and unit in ("millisecond", "second", "minute", "hour"):
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"'{unit}' is not a valid DATE field")
    number = f"CAST({count.sql} AS BIGINT)"
    scaled = {
        "week": f"to_days(CAST(7 * {number} AS INTEGER))",
        "quarter": f"to_months(CAST(3 * {number} AS INTEGER))",
    }
    plain = {"day": "to_days", "month": "to_months", "year": "to_years"}
    interval = scaled.get(unit) or (
        f"{plain[unit]}(CAST({number} AS INTEGER))" if unit in plain else f"to_{unit}s({number})"
    )
    moved = f"({value.sql} + {interval})"
    return Typed(f"CAST({moved} AS DATE)" if value.type == DATE else moved, value.type)


def _date_diff(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    _arity(c, node, "date_diff", arguments, 3)
    values = [c.compile(a, scope) for a in arguments]
    unit = _unit(c, node, "date_diff", values[0])
    a, b = (_moment(c, node, "date_diff", v) for v in values[1:])
    start, end = f"CAST({a.sql} AS TIMESTAMP)", f"CAST({b.sql} AS TIMESTAMP)"
    micros = {
        "millisecond": 10**3,
        "second": 10**6,
        "minute": 6 * 10**7,
        "hour": 36 * 10**8,
        "day": 864 * 10**8,
        "week": 6048 * 10**8,
    }
    if unit in micros:
        # `//` on integers truncates towards zero, as Java does.
        return Typed(f"((epoch_us({end}) - epoch_us({start})) // {micros[unit]})", BIGINT)
    months = f"t_months({start}, {end})"
    return Typed(f"CAST(({months} // {dict(month=1, quarter=3, year=12)[unit]}) AS BIGINT)", BIGINT)


def _date_trunc(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    _arity(c, node, "date_trunc", arguments, 2)
    unit_value, value = (c.compile(a, scope) for a in arguments)
    unit = _unit(c, node, "date_trunc", unit_value)
    kind = value.type
    value = _moment(c, node, "date_trunc", value)
    if kind == DATE and unit in ("millisecond", "second", "minute", "hour"):
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"'{unit}' is not a valid DATE field")
    cut = f"CAST(date_trunc('{unit}', {value.sql}) AS {'DATE' if kind == DATE else 'TIMESTAMP'})"
    if kind.base == "timestamp with time zone":
        cut = f"timezone({text(kind.zone)}, {cut})"
    return Typed(cut, kind)


def _mysql(pattern: object, *, parsing: bool) -> str:
    if not isinstance(pattern, str):
        raise not_supported("a computed date format")
    out, chars = "", iter(pattern)
    for char in chars:
        letter = next(chars, "") if char == "%" else ""
        if char == "%" and letter not in _MYSQL:
            raise not_supported(f"the date format %{letter}")
        code = _MYSQL[letter] if char == "%" else char
        out += code.replace("%-", "%") if parsing else code
    return out


def _date_format(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    _arity(c, node, "date_format", arguments, 2)
    value = _moment(c, node, "date_format", c.compile(arguments[0], scope))
    pattern = _mysql(c.compile(arguments[1], scope).literal, parsing=False)
    return Typed(f"strftime(CAST({value.sql} AS TIMESTAMP), {text(pattern)})", VARCHAR)


def _date_parse(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    _arity(c, node, "date_parse", arguments, 2)
    value = c.compile(arguments[0], scope)
    pattern = _mysql(c.compile(arguments[1], scope).literal, parsing=True)
    return Typed(f"strptime({value.sql}, {text(pattern)})", TIMESTAMP)


def _from_unixtime(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    _arity(c, node, "from_unixtime", arguments, 1)
    value = c.compile(arguments[0], scope)
    if not value.type.is_numeric:
        raise QueryError(
            "TYPE_MISMATCH",
            f"{at(c.place(node, 'from_unixtime'))}Unexpected parameters ({value.type}) for function from_unixtime. Expected: from_unixtime(double)",
        )
    kind = Type("timestamp with time zone", numbers=(3,))
    return Typed(
        f"timezone('UTC', make_timestamp(CAST(round(CAST({value.sql} AS DOUBLE) * 1000) AS BIGINT) * 1000))", kind
    )


def _from_iso8601_date(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    _arity(c, node, "from_iso8601_date", arguments, 1)
    return Typed(cast(c.compile(arguments[0], scope).sql, VARCHAR, DATE), DATE)


def _date(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    _arity(c, node, "date", arguments, 1)
    value = c.compile(arguments[0], scope)
    return Typed(cast(value.sql, value.type, DATE), DATE)


def _now(c: Any, _node: exp.Expression, _arguments: list[Any], scope: Scope) -> Typed:
    return c._currenttimestamp(exp.CurrentTimestamp(), scope)  # type: ignore[no-any-return]


def _to_unixtime(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    _arity(c, node, "to_unixtime", arguments, 1)
    value = c.compile(arguments[0], scope)
    if not value.type.base.startswith("timestamp"):
        raise QueryError(
            "TYPE_MISMATCH",
            f"{at(c.place(node, 'to_unixtime'))}Unexpected parameters ({value.type}) for function to_unixtime. Expected: to_unixtime(timestamp(p) with time zone)",
        )
    return Typed(
        f"(epoch_us({widen(value.sql, value.type, value.type)}) / CAST(1000000 AS DOUBLE))", Type("double")
    )


SPECIAL: dict[str, Any] = {
    **{name: _part(name) for name in (*_PARTS, *_CLOCK)},
    "date_add": _date_add, "date_diff": _date_diff, "date_trunc": _date_trunc, "date_format": _date_format,
    "date_parse": _date_parse, "from_unixtime": _from_unixtime, "from_iso8601_date": _from_iso8601_date,
    "date": _date, "now": _now, "to_unixtime": _to_unixtime,
}  # fmt: skip
