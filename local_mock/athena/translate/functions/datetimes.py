"""Date and time functions. Differences count whole units, as in Trino, not boundaries.

Dates and timestamps of up to 6 digits stay in SQL; times, zones and more digits go through Python.
https://trino.io/docs/current/functions/datetime.html
"""

# ruff: noqa: E501, PLR0911 - one line a message or signature
from __future__ import annotations

from typing import Any

from sqlglot import exp

from local_mock.athena.errors import QueryError, at
from local_mock.athena.functions.moments import Failure, normal_zone
from local_mock.athena.sqltypes import (
    BIGINT,
    DATE,
    DAY_TO_SECOND,
    DOUBLE,
    TIMESTAMP_TZ,
    VARCHAR,
    Type,
    common_type,
    decimal,
)
from local_mock.athena.translate.casts import cast, widen
from local_mock.athena.translate.python import python
from local_mock.athena.translate.relations import Scope, Typed, text

__all__ = ["SIGNATURES", "SPECIAL", "arithmetic"]

_PARTS = {
    "year": "year", "quarter": "quarter", "month": "month", "day": "day", "day_of_month": "day", "week": "week",
    "week_of_year": "week", "day_of_week": "isodow", "dow": "isodow", "day_of_year": "doy", "doy": "doy",
    "year_of_week": "isoyear", "yow": "isoyear",
}  # fmt: skip
_CLOCK = {"hour": "hour", "minute": "minute", "second": "second", "millisecond": "millisecond"}
_ZONE = ("timezone_hour", "timezone_minute")
_PYTHON = {"isodow": "day_of_week", "doy": "day_of_year", "isoyear": "year_of_week"}

SIGNATURES = r"""
from_iso8601_timestamp(varchar) -> timestamp(3) with time zone = @from_iso8601_timestamp
from_iso8601_timestamp_nanos(varchar) -> timestamp(9) with time zone = @from_iso8601_timestamp_nanos
from_iso8601_date(varchar) -> date = @from_iso8601_date
date_parse(varchar, varchar) -> timestamp(3) = @date_parse
parse_datetime(varchar, varchar) -> timestamp(3) with time zone = @parse_datetime
parse_duration(varchar) -> interval day to second = @parse_duration
to_milliseconds(interval day to second) -> bigint = {0}
human_readable_seconds(double) -> varchar = @human_readable_seconds
"""

_UNITS = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")
_MICROS = {
    "millisecond": 10**3,
    "second": 10**6,
    "minute": 6 * 10**7,
    "hour": 36 * 10**8,
    "day": 864 * 10**8,
    "week": 6048 * 10**8,
}


def _simple(kind: Type) -> bool:
    """Return whether DuckDB's own DATE or TIMESTAMP carries the values."""
    return kind.base == "date" or (kind.base == "timestamp" and kind.precision <= 6)


def _mismatch(c: Any, node: exp.Expression, name: str, values: list[Typed]) -> QueryError:
    shown = ", ".join(str(v.type) for v in values)
    return QueryError(
        "TYPE_MISMATCH", f"{at(c.place(node, name))}Unexpected parameters ({shown}) for function {name}"
    )


def _values(
    c: Any, node: exp.Expression, name: str, arguments: list[Any], scope: Scope, *counts: int
) -> list[Typed]:
    values = [a if isinstance(a, Typed) else c.compile(a, scope) for a in arguments]
    if len(values) not in counts:
        raise _mismatch(c, node, name, values)
    return values


def _text_as_moment(value: Typed) -> Typed:
    """Return the value; NULL without a type as a date, because a moment is expected here."""
    return Typed("CAST(NULL AS DATE)", DATE) if value.type.base == "unknown" else value


def _part(name: str) -> Any:
    field = _PARTS.get(name) or _CLOCK.get(name) or name
    own = _PYTHON.get(field, field)

    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        (value,) = _values(c, node, name, arguments, scope, 1)
        kind = value.type
        if kind.base == "unknown":
            return Typed("CAST(NULL AS BIGINT)", BIGINT)
        if kind == DAY_TO_SECOND and name in ("day", *_CLOCK):
            unit, modulus = {
                "day": (86400000, 0),
                "hour": (3600000, 24),
                "minute": (60000, 60),
                "second": (1000, 60),
                "millisecond": (1, 1000),
            }[name]
            return Typed(f"({value.sql} // {unit}{f' % {modulus}' if modulus else ''})", BIGINT)
        if kind.base == "interval year to month" and name in ("year", "month"):
            return Typed(f"CAST({value.sql} {'//' if name == 'year' else '%'} 12 AS BIGINT)", BIGINT)
        allowed = (
            kind.base.endswith("with time zone")
            if name in _ZONE
            else kind.is_time or kind.base.startswith("timestamp")
            if name in _CLOCK
            else kind.is_temporal
        )
        if not allowed or (kind.base == "time with time zone" and name in _PARTS):
            raise _mismatch(c, node, name, [value])
        if _simple(kind):
            extra = " % 1000" if name == "millisecond" else ""
            return Typed(f"CAST(date_part('{field}', {value.sql}){extra} AS BIGINT)", BIGINT)
        return python(f"part_{own}", [value], BIGINT)

    return handler


def _unit(c: Any, node: exp.Expression, name: str, value: Typed, kind: Type) -> str | None:
    """Return the unit if it is a constant; what is none fails."""
    if not value.type.is_text:
        raise _mismatch(c, node, name, [value])
    if not isinstance(value.literal, str):
        return None
    unit = value.literal.lower()
    clock = unit in ("millisecond", "second", "minute", "hour")
    if unit not in _UNITS or (kind.base == "date" and clock) or (kind.is_time and not clock):
        label = "DATE" if kind.base == "date" else "TIME" if kind.is_time else "Timestamp"
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"'{value.literal}' is not a valid {label} field")
    return unit


def _date_add(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    unit_value, count, value = _values(c, node, "date_add", arguments, scope, 3)
    value = _text_as_moment(value)
    if not (count.type.is_integer or count.type.base == "unknown") or not (
        value.type.is_temporal or value.type.is_time
    ):
        raise _mismatch(c, node, "date_add", [unit_value, count, value])
    unit = _unit(c, node, "date_add", unit_value, value.type)
    count = Typed(widen(count.sql, count.type, BIGINT), BIGINT)
    kind = value.type
    if (
        unit is None
        or not _simple(kind)
        or (unit == "millisecond" and kind.base == "timestamp" and kind.precision < 3)
    ):
        return python("date_add", [unit_value, count, value], kind)
    number = count.sql
    scaled = {
        "week": f"to_days(CAST(7 * {number} AS INTEGER))",
        "quarter": f"to_months(CAST(3 * {number} AS INTEGER))",
    }
    plain = {"day": "to_days", "month": "to_months", "year": "to_years"}
    interval = scaled.get(unit) or (
        f"{plain[unit]}(CAST({number} AS INTEGER))" if unit in plain else f"to_{unit}s({number})"
    )
    moved = f"({value.sql} + {interval})"
    return Typed(f"CAST({moved} AS DATE)" if kind == DATE else moved, kind)


def _date_diff(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    unit_value, first, second = _values(c, node, "date_diff", arguments, scope, 3)
    first, second = (
        Typed(f"CAST(NULL AS {other.type.duckdb})", other.type) if one.type.base == "unknown" else one
        for one, other in ((first, second), (second, first))
    )
    kind = common_type(first.type, second.type)
    if kind is None or not (kind.is_temporal or kind.is_time):
        raise _mismatch(c, node, "date_diff", [unit_value, first, second])
    unit = _unit(c, node, "date_diff", unit_value, kind)
    a, b = (Typed(widen(v.sql, v.type, kind), kind) for v in (first, second))
    if unit is None or not _simple(kind) or unit not in (*_MICROS, "month", "quarter", "year"):
        return python("date_diff", [unit_value, a, b], BIGINT)
    start, end = (
        f"CAST({v.sql} AS TIMESTAMP)"
        if kind == DATE
        else f"date_trunc('milliseconds', {v.sql})"
        if kind.precision > 3
        else v.sql
        for v in (a, b)
    )
    if unit in _MICROS:
        # `//` on integers truncates towards zero, as Java does.
        return Typed(f"((epoch_us({end}) - epoch_us({start})) // {_MICROS[unit]})", BIGINT)
    months = f"t_months({start}, {end})"
    return Typed(f"CAST(({months} // {dict(month=1, quarter=3, year=12)[unit]}) AS BIGINT)", BIGINT)


def _date_trunc(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    unit_value, value = _values(c, node, "date_trunc", arguments, scope, 2)
    value = _text_as_moment(value)
    kind = value.type
    if not (kind.is_temporal or kind.is_time):
        raise _mismatch(c, node, "date_trunc", [unit_value, value])
    unit = _unit(c, node, "date_trunc", unit_value, kind)
    if unit is None or not _simple(kind):
        return python("date_trunc", [unit_value, value], kind)
    return Typed(f"CAST(date_trunc('{unit}', {value.sql}) AS {kind.duckdb})", kind)


def _date_format(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    value, pattern = _values(c, node, "date_format", arguments, scope, 2)
    value = _text_as_moment(value)
    if not value.type.is_temporal or pattern.type.base not in ("varchar", "char", "unknown"):
        raise _mismatch(c, node, "date_format", [value, pattern])
    simple = {"%Y": "%Y", "%m": "%m", "%d": "%d", "%H": "%H", "%i": "%M", "%s": "%S", "%S": "%S"}
    if _simple(value.type) and value.type.precision <= 3 and isinstance(pattern.literal, str):
        left = pattern.literal
        for letters in simple:
            left = left.replace(letters, "")
        if pattern.literal and "%" not in left:
            shape = pattern.literal
            for letters, code in simple.items():
                shape = shape.replace(letters, "\0" + code[1])
            moment = f"CAST({value.sql} AS TIMESTAMP)"
            fast = f"strftime({moment}, {text(shape.replace(chr(0), '%'))})"
            slow = python(
                "date_format", [value, pattern], VARCHAR
            ).sql  # DuckDB writes years before 1 with fewer digits
            return Typed(f"CASE WHEN {moment} < TIMESTAMP '0001-01-01' THEN {slow} ELSE {fast} END", VARCHAR)
    return python("date_format", [value, pattern], VARCHAR)


def _from_unixtime(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    values = _values(c, node, "from_unixtime", arguments, scope, 1, 2, 3)
    if not (values[0].type.is_numeric or values[0].type.base == "unknown"):
        raise _mismatch(c, node, "from_unixtime", values)
    seconds = Typed(widen(values[0].sql, values[0].type, DOUBLE), DOUBLE)
    if len(values) == 1:
        picos = f"CAST(CAST(round({seconds.sql} * 1000) AS BIGINT) AS HUGEINT) * 1000000000"
        sql = f"(CASE WHEN ({seconds.sql}) IS NOT NULL THEN {{'u': {picos}, 'z': 'UTC'}} END)"
        return Typed(sql, TIMESTAMP_TZ.with_facts(zone="UTC"))
    if len(values) == 2 and (values[1].type.is_text or values[1].type.base == "unknown"):
        return python("from_unixtime", [seconds, values[1]], _zoned(TIMESTAMP_TZ, values[1]))
    if len(values) == 3 and all(v.type.is_integer for v in values[1:]):
        offsets = [Typed(widen(v.sql, v.type, BIGINT), BIGINT) for v in values[1:]]
        return python("from_unixtime_offset", [seconds, *offsets], TIMESTAMP_TZ)
    raise _mismatch(c, node, "from_unixtime", values)


def _from_unixtime_nanos(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    (value,) = _values(c, node, "from_unixtime_nanos", arguments, scope, 1)
    if not (value.type.is_integer or value.type.base == "decimal"):
        raise _mismatch(c, node, "from_unixtime_nanos", [value])
    exact = Typed(widen(value.sql, value.type, decimal(38, 0)), decimal(38, 0))
    return python("from_unixtime_nanos", [exact], Type("timestamp with time zone", numbers=(9,), zone="UTC"))


def _zoned(kind: Type, zone: Typed) -> Type:
    """Return the type of a value whose zone `zone` says; a constant zone is known."""
    if not isinstance(zone.literal, str):
        return kind
    try:
        return kind.with_facts(zone=normal_zone(zone.literal))
    except Failure as err:
        raise QueryError(err.code, err.message) from err


def _date(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    (value,) = _values(c, node, "date", arguments, scope, 1)
    if not (value.type.is_temporal or value.type.is_text or value.type.base == "unknown"):
        raise _mismatch(c, node, "date", [value])
    return Typed(cast(value.sql, value.type, DATE), DATE)


def _now(c: Any, _node: exp.Expression, _arguments: list[Any], scope: Scope) -> Typed:
    return c._currenttimestamp(exp.CurrentTimestamp(), scope)  # type: ignore[no-any-return]


def _to_unixtime(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    (value,) = _values(c, node, "to_unixtime", arguments, scope, 1)
    if not value.type.is_temporal:
        raise _mismatch(c, node, "to_unixtime", [value])
    if _simple(value.type):
        return Typed(f"(epoch_us(CAST({value.sql} AS TIMESTAMP)) / CAST(1000000 AS DOUBLE))", DOUBLE)
    return python("to_unixtime", [value], DOUBLE)


def _to_iso8601(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    (value,) = _values(c, node, "to_iso8601", arguments, scope, 1)
    if not value.type.is_temporal:
        raise _mismatch(c, node, "to_iso8601", [value])
    return python("to_iso8601", [value], VARCHAR)


def _last_day(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    value = _text_as_moment(_values(c, node, "last_day_of_month", arguments, scope, 1)[0])
    if not value.type.is_temporal:
        raise _mismatch(c, node, "last_day_of_month", [value])
    return Typed(f"last_day({value.sql})", DATE) if _simple(value.type) else python("last_day", [value], DATE)


def _format_datetime(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    value, pattern = _values(c, node, "format_datetime", arguments, scope, 2)
    value = _text_as_moment(value)
    if not value.type.is_temporal or not (pattern.type.is_text or pattern.type.base == "unknown"):
        raise _mismatch(c, node, "format_datetime", [value, pattern])
    return python("format_datetime", [value, pattern], VARCHAR)


def _at_timezone(name: str) -> Any:
    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        value, zone = _values(c, node, name, arguments, scope, 2)
        if not (zone.type.is_text or zone.type == DAY_TO_SECOND or zone.type.base == "unknown"):
            raise _mismatch(c, node, name, [value, zone])
        if name == "with_timezone":
            if value.type.base == "date":
                value = Typed(f"CAST({value.sql} AS TIMESTAMP)", Type("timestamp", numbers=(3,)))
            if value.type.base != "timestamp":
                raise _mismatch(c, node, name, [value, zone])
            kind = Type("timestamp with time zone", numbers=(value.type.precision,))
            return python("with_timezone", [value, zone], _zoned(kind, zone))
        return zone_shift(c, node, value, zone, name)

    return handler


def zone_shift(c: Any, node: exp.Expression, value: Typed, zone: Typed, name: str = "at_timezone") -> Typed:
    """Return `value AT TIME ZONE zone`."""
    if value.type.base == "timestamp":
        kind = Type("timestamp with time zone", numbers=(value.type.precision,))
    elif value.type.base == "time":
        value = Typed(
            cast(value.sql, value.type, Type("time with time zone", numbers=value.type.numbers)),
            Type("time with time zone", numbers=value.type.numbers),
        )
        kind = value.type
    elif value.type.base.endswith("with time zone"):
        kind = Type(value.type.base, numbers=value.type.numbers)
    else:
        raise _mismatch(c, node, name, [value, zone])
    if value.type.base == "timestamp" and value.type.precision <= 6:
        value = Typed(f"t_picos({value.sql})", Type("timestamp", numbers=(12,)))
    return python("at_timezone", [value, zone], _zoned(kind, zone))


def _timezone(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    (value,) = _values(c, node, "timezone", arguments, scope, 1)
    if not value.type.base.endswith("with time zone"):
        raise _mismatch(c, node, "timezone", [value])
    return python("timezone", [value], VARCHAR)


def arithmetic(left: Typed, symbol: str, right: Typed) -> Typed | None:
    """Return `+ - * /` with dates, times and intervals; None where Trino has no such operator."""
    a, b = left.type, right.type
    if symbol == "+" and a.is_interval and not b.is_interval:
        left, right, a, b = right, left, b, a
    if a.is_interval:
        return _interval(left, symbol, right)
    if symbol == "*" and b.is_interval and (a.is_numeric):
        return _interval(right, symbol, left)
    moment = a.is_temporal or a.is_time
    if not moment:
        return None
    if symbol == "-" and (b.is_temporal or b.is_time):
        return _between(left, right)
    if symbol not in "+-" or not b.is_interval or (a.is_time and b != DAY_TO_SECOND):
        return None
    count = right.sql if symbol == "+" else f"(-{right.sql})"
    if a.base == "time":
        kind = Type("time", numbers=(max(a.precision, 3),))
        return Typed(
            f"CAST(t_day_time(CAST({left.sql} AS HUGEINT) + CAST({count} AS HUGEINT) * 1000000000) AS BIGINT)",
            kind,
        )
    days = b == DAY_TO_SECOND
    kind = Type(a.base, numbers=(max(a.precision, 3),), zone=a.zone) if days and a != DATE else a
    if _simple(a):
        if a == DATE and days:
            checked = f"CASE WHEN {right.sql} % 86400000 <> 0 THEN t_fail('INVALID_FUNCTION_ARGUMENT: Cannot add hour, minutes or seconds to a date') ELSE CAST({count} // 86400000 AS INTEGER) END"
            return Typed(f"({left.sql} + ({checked}))", DATE)
        moved = f"({left.sql} + {f'to_milliseconds({count})' if days else f'to_months({count})'})"
        return Typed(f"CAST({moved} AS DATE)" if a == DATE else moved, kind)
    return python("plus_interval", [left, Typed(count, b)], kind)


def _between(left: Typed, right: Typed) -> Typed | None:
    kind = common_type(left.type, right.type)
    if kind is None:
        return None
    a, b = widen(left.sql, left.type, kind), widen(right.sql, right.type, kind)
    if kind == DATE:
        return Typed(f"(CAST({a} - {b} AS BIGINT) * 86400000)", DAY_TO_SECOND)
    if kind.base == "timestamp" and kind.precision <= 6:
        micros = f"(epoch_us({a}) - epoch_us({b}))"
        return Typed(f"CAST(t_floor_div({micros} + 500, 1000) AS BIGINT)", DAY_TO_SECOND)
    if kind.base.endswith("zone"):
        a, b = f"struct_extract({a}, 'u')", f"struct_extract({b}, 'u')"
    return Typed(f"CAST(t_floor_div(CAST({a} AS HUGEINT) - {b} + 500000000, 1000000000) AS BIGINT)", DAY_TO_SECOND)


def _interval(left: Typed, symbol: str, right: Typed) -> Typed | None:
    a, b = left.type, right.type
    if symbol in "+-" and a == b:
        return Typed(f"({left.sql} {symbol} {right.sql})", a)
    if symbol in "*/" and b.is_numeric:
        if b.is_integer:
            number = f"CAST({left.sql} AS BIGINT) {'*' if symbol == '*' else '//'} {right.sql}"
        else:
            number = f"trunc(CAST({left.sql} AS DOUBLE) {symbol} CAST({right.sql} AS DOUBLE))"
        return Typed(f"CAST({number} AS {a.duckdb})", a)
    return None


SPECIAL: dict[str, Any] = {
    **{name: _part(name) for name in (*_PARTS, *_CLOCK, *_ZONE)},
    "date_add": _date_add, "date_diff": _date_diff, "date_trunc": _date_trunc, "date_format": _date_format,
    "from_unixtime": _from_unixtime, "from_unixtime_nanos": _from_unixtime_nanos, "date": _date, "now": _now,
    "to_unixtime": _to_unixtime, "to_iso8601": _to_iso8601, "last_day_of_month": _last_day, "format_datetime": _format_datetime,
    "at_timezone": _at_timezone("at_timezone"), "with_timezone": _at_timezone("with_timezone"), "timezone": _timezone,
}  # fmt: skip
