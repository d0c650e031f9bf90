"""Date and time functions on values that DuckDB cannot hold: parts, arithmetic, zones, epochs, durations.

Texts are read and written by `iso_dates`, `mysql_dates` and `joda_dates`.

Source: https://trino.io/docs/current/functions/datetime.html, Trino's DateTimeFunctions.
"""

# ruff: noqa: E501 - one branch a kind
from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Callable
from typing import Any

from local_mock.athena.functions import moments as m
from local_mock.athena.functions.casts import caster, time_local
from local_mock.athena.functions.define import generic, plain
from local_mock.athena.functions.moments import DAY, SECOND, Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS", "MILLI", "MONTHS", "WEEKDAYS", "add_months", "clock_of", "iso_week"]

MILLI = 10**9
_CLOCK_UNITS = {"millisecond": MILLI, "second": SECOND, "minute": 60 * SECOND, "hour": 3600 * SECOND}
_MONTH_UNITS = {"month": 1, "quarter": 3, "year": 12}
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def clock_of(kind: Type) -> Callable[[Any], int]:
    """Return the picoseconds on the value's own clock (a date's midnight, a time on day 0)."""
    if kind.base == "date":
        return lambda v: v * DAY
    if kind.base == "timestamp with time zone":
        return lambda v: m.to_local(*v)
    if kind.base == "time with time zone":
        return time_local
    return lambda v: v


def iso_week(days: int) -> tuple[int, int, int]:
    """Return (ISO year, week, weekday 1–7)."""
    weekday = (days + 3) % 7
    thursday = days - weekday + 3
    year = m.civil(thursday)[0]
    return year, (thursday - m.day_number(year, 1, 1)) // 7 + 1, weekday + 1


def _part(name: str) -> Any:
    def make(arguments: list[Type], _result: Type) -> Callable[[Any], int]:
        clock = clock_of(arguments[0])

        def part(value: Any) -> int:
            return _field(name, clock(value), value)

        return part

    return generic(make)


def _field(name: str, local: int, value: Any) -> int:
    days = local // DAY
    if name in ("hour", "minute", "second", "millisecond"):
        seconds = local // SECOND
        return {"hour": seconds // 3600 % 24, "minute": seconds // 60 % 60, "second": seconds % 60,
                "millisecond": local // MILLI % 1000}[name]  # fmt: skip
    year, month, day = m.civil(days)
    if name == "day_of_year":
        return days - m.day_number(year, 1, 1) + 1
    if name in ("week", "day_of_week", "year_of_week"):
        iso_year, week, weekday = iso_week(days)
        return {"week": week, "day_of_week": weekday, "year_of_week": iso_year}[name]
    if name in ("timezone_hour", "timezone_minute"):
        minutes = value[1] if isinstance(value[1], int) else m.offset_of(*value) // 60
        whole = abs(minutes) // 60 if name == "timezone_hour" else abs(minutes) % 60
        return -whole if minutes < 0 else whole
    return {"year": year, "month": month, "day": day, "quarter": (month + 2) // 3}[name]


def add_months(days: int, months: int) -> int:
    """Return a day number moved by months; the last day of a shorter month at most."""
    year, month, day = m.civil(days)
    count = year * 12 + month - 1 + months
    year, month = count // 12, count % 12 + 1
    return m.day_number(year, month, min(day, m.days_in_month(year, month)))


def _moved(local: int, unit: str, count: int) -> int:
    if unit in _CLOCK_UNITS:
        return local + count * _CLOCK_UNITS[unit]
    if unit in ("day", "week"):
        return local + count * DAY * (7 if unit == "week" else 1)
    return add_months(local // DAY, count * _MONTH_UNITS[unit]) * DAY + local % DAY


def _shift(kind: Type, value: Any, unit: str, count: int) -> Any:
    """Return `value` moved: hours and less on the time line, days and more on the clock."""
    if kind.base == "timestamp with time zone":
        instant, zone = value
        if unit in _CLOCK_UNITS:
            return instant + count * _CLOCK_UNITS[unit], zone
        local = m.to_local(instant, zone)
        offset = m.offset_of(instant, zone)
        moved = _moved(local, unit, count)
        kept = moved - offset * SECOND  # of a doubled hour, the one that it was in
        return (kept if m.to_local(kept, zone) == moved else m.from_local(moved, zone)), zone
    if kind.base == "time":
        return _moved(value, unit, count) % DAY
    if kind.base == "time with time zone":
        return _moved(value[0], unit, count) % DAY, value[1]
    if kind.base == "date":
        return _moved(value * DAY, unit, count) // DAY
    return _moved(value, unit, count)


def _unit(name: str, kind: Type) -> str:
    unit = name.lower()
    allowed = [*_CLOCK_UNITS] if kind.is_time else ["day", "week", *_MONTH_UNITS] if kind.base == "date" else [
        *_CLOCK_UNITS, "day", "week", *_MONTH_UNITS]  # fmt: skip
    if unit not in allowed:
        label = {"date": "DATE", "time": "TIME", "time with time zone": "TIME"}.get(kind.base, "Timestamp")
        raise Failure("INVALID_FUNCTION_ARGUMENT", f"'{name}' is not a valid {label} field")
    return unit


def _date_add(arguments: list[Type], _result: Type) -> Callable[..., Any]:
    kind = arguments[2]
    rounded = None if kind.base == "date" else kind.precision

    def add(unit: str, count: int, value: Any) -> Any:
        shifted = _shift(kind, value, _unit(unit, kind), count)
        if unit.lower() != "millisecond" or rounded is None or rounded >= 3:
            return shifted
        if kind.base.endswith("zone"):
            moved = m.rescale(shifted[0], rounded)
            return (moved % DAY if kind.is_time else moved), shifted[1]
        return m.rescale(shifted, rounded) % DAY if kind.is_time else m.rescale(shifted, rounded)

    return add


def _truncated(local: int, unit: str) -> int:
    if unit in _CLOCK_UNITS:
        return local // _CLOCK_UNITS[unit] * _CLOCK_UNITS[unit]
    days = local // DAY
    if unit == "week":
        days -= (days + 3) % 7
    elif unit != "day":
        year, month, _ = m.civil(days)
        month = {"month": month, "quarter": (month - 1) // 3 * 3 + 1, "year": 1}[unit]
        days = m.day_number(year, month, 1)
    return days * DAY


def _date_trunc(arguments: list[Type], _result: Type) -> Callable[..., Any]:
    kind = arguments[1]

    def truncate(unit: str, value: Any) -> Any:
        unit = _unit(unit, kind)
        if kind.base == "timestamp with time zone":
            instant, zone = value
            offset = m.offset_of(instant, zone)
            cut = _truncated(m.to_local(instant, zone), unit)
            kept = cut - offset * SECOND
            return (kept if m.to_local(kept, zone) == cut else m.from_local(cut, zone)), zone
        if kind.base == "time with time zone":
            return (_truncated(time_local(value), unit) - value[1] * 60 * SECOND) % DAY, value[1]
        if kind.base == "date":
            return _truncated(value * DAY, unit) // DAY
        return _truncated(value, unit)

    return truncate


def _quotient(value: int, by: int) -> int:
    return value // by if value >= 0 else -(-value // by)


def _months_between(a: int, b: int) -> int:
    """Return whole months from clock a to clock b."""
    if b < a:
        return -_months_between_forward(b, a, backwards=True)
    return _months_between_forward(a, b, backwards=False)


def _months_between_forward(a: int, b: int, *, backwards: bool) -> int:
    (ya, ma, _), (yb, mb, _) = m.civil(a // DAY), m.civil(b // DAY)
    count = (yb - ya) * 12 + mb - ma
    if backwards:
        return count - (add_months(b // DAY, -count) * DAY + b % DAY < a)
    return count - (add_months(a // DAY, count) * DAY + a % DAY > b)


def _date_diff(arguments: list[Type], _result: Type) -> Callable[..., Any]:
    first, second = arguments[1:]
    clock_a, clock_b = clock_of(first), clock_of(second)

    def difference(unit: str, a: Any, b: Any) -> int:
        unit = _unit(unit, first)
        if first.base == "timestamp with time zone":
            if unit in _CLOCK_UNITS:
                # Trino compares milliseconds
                return _quotient(b[0] // MILLI - a[0] // MILLI, _CLOCK_UNITS[unit] // MILLI)
            start, end = m.to_local(*a), m.to_local(b[0], a[1])
        elif first.base == "time with time zone":
            start, end = a[0], b[0]
        else:
            start, end = clock_a(a), clock_b(b)
        start, end = start // MILLI * MILLI, end // MILLI * MILLI
        if unit in _CLOCK_UNITS:
            return _quotient(end - start, _CLOCK_UNITS[unit])
        if unit in ("day", "week"):
            return _quotient(end - start, DAY * (7 if unit == "week" else 1))
        return _quotient(_months_between(start, end), _MONTH_UNITS[unit])

    return difference


# --- arithmetic with intervals ----------------------------------------------------------------------------
def _plus_interval(arguments: list[Type], result: Type) -> Callable[..., Any]:
    kind, interval = arguments
    fit = caster(kind, result) if kind != result else (lambda v: v)

    def plus(value: Any, count: int) -> Any:
        if interval.base == "interval year to month":
            return fit(_shift(kind, value, "month", count))
        if kind.base == "date":
            if count % 86_400_000:
                raise Failure("INVALID_FUNCTION_ARGUMENT", "Cannot add hour, minutes or seconds to a date")
            return value + count // 86_400_000
        return fit(_shift(kind, value, "millisecond", count))

    return plus


# --- zones ------------------------------------------------------------------------------------------------
def _zone_of(zone: Any) -> str:
    if isinstance(zone, int):  # interval day to second, in milliseconds
        if zone % 60_000 or abs(zone) > 14 * 3_600_000:
            raise Failure("INVALID_FUNCTION_ARGUMENT", f"Invalid time zone offset interval: {zone}")
        minutes = zone // 60_000
        return "UTC" if minutes == 0 else m.show_zone_offset(minutes)
    return m.normal_zone(zone)


def _at_timezone(arguments: list[Type], _result: Type) -> Callable[..., Any]:
    kind = arguments[0]

    def at(value: Any, zone: Any) -> Any:
        name = _zone_of(zone)
        if kind.base == "time with time zone":
            now = int(dt.datetime.now(dt.UTC).timestamp()) * SECOND
            return value[0], m.offset_of(now, name) // 60
        if kind.base == "timestamp with time zone":
            return value[0], name
        return value, name  # a timestamp is read in the session's zone, UTC

    return at


def _with_timezone(value: int, zone: str) -> tuple[int, str]:
    name = _zone_of(zone)
    return m.from_local(value, name), name


def _zone_name(value: tuple[int, Any]) -> str:
    return value[1] if isinstance(value[1], str) else m.show_zone_offset(value[1])


# --- epochs -----------------------------------------------------------------------------------------------
def _from_unixtime(value: float, zone: str = "UTC") -> tuple[int, str]:
    if value != value or abs(value) > 9e12:  # noqa: PLR0124 - NaN
        raise Failure("INVALID_FUNCTION_ARGUMENT", f"Invalid unix time: {value}")
    return _half_up(value * 1000) * MILLI, m.normal_zone(zone)


def _half_up(value: float) -> int:
    return int(decimal.Decimal(value).quantize(0, decimal.ROUND_HALF_UP))


def _from_unixtime_offset(value: float, hours: int, minutes: int) -> tuple[int, str]:
    total = hours * 60 + minutes
    return _from_unixtime(value, "UTC" if total == 0 else m.show_zone_offset(total))


def _from_nanos(
    value: Any,
) -> tuple[int, str]:
    return int(value) * 1000, "UTC"


def _to_unixtime(arguments: list[Type], _result: Type) -> Callable[[Any], float]:
    zoned = arguments[0].base.endswith("zone")
    return lambda v: (v[0] if zoned else v) / SECOND


# --- durations --------------------------------------------------------------------------------------------
_DURATIONS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}


def _parse_duration(text: str) -> int:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", text)
    if match is None or match.group(2) not in _DURATIONS:
        raise Failure("INVALID_FUNCTION_ARGUMENT", f"Invalid duration: {text}")
    return _half_up(float(match.group(1)) * _DURATIONS[match.group(2)] / 10**6)


def _human_readable_seconds(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124
        raise Failure("INVALID_FUNCTION_ARGUMENT", f"Invalid argument found: {value}")
    seconds = _half_up(abs(value)) if abs(value) < 2.0**63 else 2**63 - 1  # as Java rounds
    parts = []
    for name, size in (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}{'s' if count != 1 else ''}")
    if seconds or not parts:
        parts.append(f"{seconds} second{'s' if seconds != 1 else ''}")
    return ", ".join(parts)


def _last_day(arguments: list[Type], _result: Type) -> Callable[[Any], int]:
    clock = clock_of(arguments[0])

    def last(value: Any) -> int:
        year, month, _ = m.civil(clock(value) // DAY)
        return m.day_number(year, month, m.days_in_month(year, month))

    return last


_PARTS = ("year", "quarter", "month", "day", "week", "day_of_week", "day_of_year", "year_of_week", "hour", "minute", "second",
          "millisecond", "timezone_hour", "timezone_minute")  # fmt: skip

FUNCTIONS = {
    **{f"part_{name}": _part(name) for name in _PARTS},
    "date_add": generic(_date_add), "date_diff": generic(_date_diff), "date_trunc": generic(_date_trunc),
    "plus_interval": generic(_plus_interval), "at_timezone": generic(_at_timezone), "with_timezone": plain(_with_timezone),
    "timezone": plain(_zone_name), "from_unixtime": plain(_from_unixtime), "from_unixtime_offset": plain(_from_unixtime_offset),
    "from_unixtime_nanos": plain(_from_nanos), "to_unixtime": generic(_to_unixtime),
    "last_day": generic(_last_day),
    "parse_duration": plain(_parse_duration), "human_readable_seconds": plain(_human_readable_seconds),
}  # fmt: skip
