"""Date and time functions on values that DuckDB cannot hold, and the patterns of MySQL and Joda.

Source: https://trino.io/docs/current/functions/datetime.html, Trino's DateTimeFunctions.
"""

# ruff: noqa: E501, PLR0912 - one branch a kind
from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from local_mock.athena.functions import moments as m
from local_mock.athena.functions.casts import caster, time_local
from local_mock.athena.functions.define import generic, plain
from local_mock.athena.functions.moments import DAY, SECOND, Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS", "add_months", "parse_datetime"]

_MILLI = 10**9
_CLOCK_UNITS = {"millisecond": _MILLI, "second": SECOND, "minute": 60 * SECOND, "hour": 3600 * SECOND}
_MONTH_UNITS = {"month": 1, "quarter": 3, "year": 12}
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _clock_of(kind: Type) -> Callable[[Any], int]:
    """Picoseconds on the value's own clock (a date's midnight, a time on day 0)."""
    if kind.base == "date":
        return lambda v: v * DAY
    if kind.base == "timestamp with time zone":
        return lambda v: m.to_local(*v)
    if kind.base == "time with time zone":
        return time_local
    return lambda v: v


def _iso_week(days: int) -> tuple[int, int, int]:
    """(ISO year, week, weekday 1–7)."""
    weekday = (days + 3) % 7
    thursday = days - weekday + 3
    year = m.civil(thursday)[0]
    return year, (thursday - m.day_number(year, 1, 1)) // 7 + 1, weekday + 1


def _part(name: str) -> Any:
    def make(arguments: list[Type], _result: Type) -> Callable[[Any], int]:
        clock = _clock_of(arguments[0])

        def part(value: Any) -> int:
            return _field(name, clock(value), value)

        return part

    return generic(make)


def _field(name: str, local: int, value: Any) -> int:
    days = local // DAY
    if name in ("hour", "minute", "second", "millisecond"):
        seconds = local // SECOND
        return {"hour": seconds // 3600 % 24, "minute": seconds // 60 % 60, "second": seconds % 60,
                "millisecond": local // _MILLI % 1000}[name]  # fmt: skip
    year, month, day = m.civil(days)
    if name == "day_of_year":
        return days - m.day_number(year, 1, 1) + 1
    if name in ("week", "day_of_week", "year_of_week"):
        iso_year, week, weekday = _iso_week(days)
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
    """Whole months from clock a to clock b."""
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
    clock_a, clock_b = _clock_of(first), _clock_of(second)

    def difference(unit: str, a: Any, b: Any) -> int:
        unit = _unit(unit, first)
        if first.base == "timestamp with time zone":
            if unit in _CLOCK_UNITS:
                # Trino compares milliseconds
                return _quotient(b[0] // _MILLI - a[0] // _MILLI, _CLOCK_UNITS[unit] // _MILLI)
            start, end = m.to_local(*a), m.to_local(b[0], a[1])
        elif first.base == "time with time zone":
            start, end = a[0], b[0]
        else:
            start, end = clock_a(a), clock_b(b)
        start, end = start // _MILLI * _MILLI, end // _MILLI * _MILLI
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
    return _half_up(value * 1000) * _MILLI, m.normal_zone(zone)


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


# --- ISO 8601 ---------------------------------------------------------------------------------------------
_ISO = re.compile(
    r"([+-]?\d{4,})(?:-(\d{2})(?:-(\d{2}))?|-(\d{3})|-W(\d{2})(?:-(\d))?|(\d{2})(\d{2}))?"
    r"(?:T(?:(\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?"
)


def _iso(text: str) -> tuple[int, str, bool]:
    """(clock in picoseconds, zone, whether a time was given)."""
    match = _ISO.fullmatch(text)
    bad = Failure("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}"')
    if match is None:
        raise bad
    year = int(match.group(1))
    if match.group(4):
        days = m.day_number(year, 1, 1) + int(match.group(4)) - 1
        if not 1 <= int(match.group(4)) <= 365 + (m.days_in_month(year, 2) == 29):
            raise bad
    elif match.group(5):
        january = m.day_number(year, 1, 4)
        days = january - (january + 3) % 7 + (int(match.group(5)) - 1) * 7 + int(match.group(6) or 1) - 1
    else:
        month, day = int(match.group(2) or match.group(7) or 1), int(match.group(3) or match.group(8) or 1)
        if not 1 <= month <= 12 or not 1 <= day <= m.days_in_month(year, month):
            raise bad
        days = m.day_number(year, month, day)
    hour, minute, second = (int(match.group(i) or 0) for i in (9, 10, 11))
    if hour > 23 or minute > 59 or second > 59:
        raise bad
    digits = (match.group(12) or "")[:12].ljust(12, "0")
    zone = match.group(13)
    return (
        days * DAY + (hour * 3600 + minute * 60 + second) * SECOND + int(digits),
        m.normal_zone(zone) if zone else "UTC",
        "T" in text,
    )


def _from_iso8601_timestamp(text: str) -> tuple[int, str]:
    local, zone, _ = _iso(text)
    millis = m.from_local(local, zone) // _MILLI
    if abs(millis) >= 1 << 51:
        raise Failure("INVALID_FUNCTION_ARGUMENT", f"Millis overflow: {millis}")
    return millis * _MILLI, zone


def _from_iso8601_nanos(text: str) -> tuple[int, str]:
    local, zone, _ = _iso(text)
    return m.from_local(local, zone) // 1000 * 1000, zone


def _from_iso8601_date(text: str) -> int:
    local, _, timed = _iso(text)
    if timed:
        raise Failure("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}"')
    return local // DAY


def _to_iso8601(arguments: list[Type], _result: Type) -> Callable[[Any], str]:
    kind = arguments[0]
    if kind.base == "date":
        return m.show_date

    def show(value: Any) -> str:
        local = m.to_local(*value) if kind.base.endswith("zone") else value
        text = m.show_timestamp(local, kind.precision).replace(" ", "T")
        if not kind.base.endswith("zone"):
            return text
        offset = m.offset_of(*value) // 60
        return text + ("Z" if value[1] == "UTC" or offset == 0 else m.show_zone_offset(offset))

    return show


# --- MySQL's patterns -------------------------------------------------------------------------------------
_UNSUPPORTED = "DUuVwX"


def _hour12(hour: int) -> int:
    return (hour + 11) % 12 + 1


def _mysql_text(local: int, pattern: str) -> str:
    year, month, day = m.civil(local // DAY)
    seconds = local % DAY // SECOND
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    iso_year, week, weekday = _iso_week(local // DAY)
    half = "AM" if hour < 12 else "PM"
    out, position = "", 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char != "%":
            out += char
            continue
        if position == len(pattern):
            break
        letter = pattern[position]
        position += 1
        parts = {
            "a": _WEEKDAYS[weekday - 1][:3], "b": _MONTHS[month - 1][:3], "c": f"{month}", "d": f"{day:02d}", "e": f"{day}",
            "f": f"{local % SECOND // 10**6:06d}", "H": f"{hour:02d}", "h": f"{_hour12(hour):02d}", "I": f"{_hour12(hour):02d}",
            "i": f"{minute:02d}", "j": f"{local // DAY - m.day_number(year, 1, 1) + 1:03d}", "k": f"{hour}",
            "l": f"{_hour12(hour)}", "M": _MONTHS[month - 1], "m": f"{month:02d}", "p": half,
            "r": f"{_hour12(hour):02d}:{minute:02d}:{second:02d} {half}", "S": f"{second:02d}", "s": f"{second:02d}",
            "T": f"{hour:02d}:{minute:02d}:{second:02d}", "v": f"{week:02d}", "W": _WEEKDAYS[weekday - 1], "Y": f"{year:04d}",
            "y": f"{year % 100:02d}", "x": f"{iso_year:04d}", "%": "%",
        }  # fmt: skip
        if letter in _UNSUPPORTED:
            raise Failure("INVALID_FUNCTION_ARGUMENT", f"%{letter} not supported in date format string")
        out += parts.get(letter, letter)
    return out


def _date_format(arguments: list[Type], _result: Type) -> Callable[[Any, str], str]:
    clock = _clock_of(arguments[0])
    return lambda v, pattern: _mysql_text(m.rescale(clock(v), 3), pattern)


_MYSQL_PARSED = {
    "a": ("weekday_name", 3), "b": ("month_name", 3), "c": ("month", 2), "d": ("day", 2), "e": ("day", 2), "f": ("fraction", 9),
    "H": ("hour", 2), "h": ("hour12", 2), "I": ("hour12", 2), "i": ("minute", 2), "j": ("day_of_year", 3), "k": ("hour", 2),
    "l": ("hour12", 2), "M": ("month_name", 0), "m": ("month", 2), "p": ("half", 2), "S": ("second", 2), "s": ("second", 2),
    "W": ("weekday_name", 0), "Y": ("year", 4), "y": ("year2", 2), "x": ("week_year", 4), "v": ("week", 2),
}  # fmt: skip
_MYSQL_SEQUENCES = {"r": "%h:%i:%s %p", "T": "%H:%i:%s"}


@lru_cache(maxsize=512)
def _mysql_items(pattern: str) -> tuple[Any, ...]:
    """Return a pattern as texts and (field, width)."""
    for letter, long in _MYSQL_SEQUENCES.items():
        pattern = re.sub(rf"(?<!%)%{letter}", long, pattern)
    items: list[Any] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "%" and position < len(pattern):
            letter = pattern[position]
            position += 1
            if letter in _UNSUPPORTED:
                raise Failure("INVALID_FUNCTION_ARGUMENT", f"%{letter} not supported in date format string")
            items.append(_MYSQL_PARSED.get(letter, letter))
        else:
            items.append(char)
    return tuple(items)


def _read_names(text: str, position: int, names: tuple[str, ...]) -> tuple[int, int] | None:
    for short in (False, True):
        for i, name in enumerate(names):
            candidate = name[:3] if short else name
            if text[position : position + len(candidate)].lower() == candidate.lower():
                return i, position + len(candidate)
    return None


def _parse_fields(text: str, items: tuple[Any, ...], shown: str) -> dict[str, Any]:
    """Return the fields that a text has by a pattern. Raises Failure where they do not fit."""

    def bad(position: int) -> Failure:
        if position >= len(text):
            return Failure("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}" is too short')
        return Failure(
            "INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}" is malformed at "{text[position:]}"'
        )

    fields: dict[str, Any] = {}
    position = 0
    for item in items:
        if isinstance(item, str):
            if text[position : position + len(item)] != item:
                raise bad(position)
            position += len(item)
            continue
        field, width = item
        if field in ("weekday_name", "month_name"):
            named = _read_names(text, position, _WEEKDAYS if field == "weekday_name" else _MONTHS)
            if named is None:
                raise bad(position)
            fields[field], position = named
        elif field == "half":
            half = text[position : position + 2].upper()
            if half not in ("AM", "PM"):
                raise bad(position)
            fields[field] = half
            position += 2
        elif field == "zone":
            match = re.compile(r"[A-Za-z_]+(?:/[A-Za-z_+\-0-9]+)*|[+-]\d{2}:?\d{2}|Z").match(text, position)
            if match is None:
                raise bad(position)
            fields[field] = m.normal_zone(match.group())
            position = match.end()
        else:
            pattern = (
                r"[+-]?\d{1,9}" if field in ("year", "week_year") and width == 0 else rf"\d{{1,{width or 9}}}"
            )
            if field in ("year", "week_year") and width:
                pattern = rf"[+-]?\d{{1,{max(width, 4)}}}"
            match = re.compile(pattern).match(text, position)
            if match is None:
                raise bad(position)
            fields[field] = match.group() if field == "fraction" else int(match.group())
            position = match.end()
    if position != len(text):
        raise bad(position)
    del shown
    return fields


_RANGES = {"month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59), "second": (0, 59), "hour12": (1, 12),
           "day_of_year": (1, 366), "week": (1, 53), "hour24": (1, 24), "hour0": (0, 11), "weekday": (1, 7)}  # fmt: skip


def _assembled(fields: dict[str, Any], text: str) -> int:
    """Return the clock that the fields say; what is missing is that of 1970-01-01 00:00."""
    for name, (low, high) in _RANGES.items():
        if name in fields and not low <= fields[name] <= high:
            raise Failure(
                "INVALID_FUNCTION_ARGUMENT",
                f'Cannot parse "{text}": Value {fields[name]} for {name} must be in the range [{low},{high}]',
            )
    year = fields.get("year")
    if year is None and "year2" in fields:
        year = 2000 + fields["year2"] if fields["year2"] < 70 else 1900 + fields["year2"]
    if "week_year" in fields or ("week" in fields and year is None):
        january = m.day_number(fields.get("week_year", 1970), 1, 4)
        days = january - (january + 3) % 7 + (fields.get("week", 1) - 1) * 7
        days += fields.get("weekday", fields.get("weekday_name", 0) + 1) - 1
    elif "day_of_year" in fields:
        days = m.day_number(year if year is not None else 1970, 1, 1) + fields["day_of_year"] - 1
    else:
        year = 1970 if year is None else year
        month, day = fields.get("month", fields.get("month_name", 0) + 1), fields.get("day", 1)
        if day > m.days_in_month(year, month):
            raise Failure(
                "INVALID_FUNCTION_ARGUMENT",
                f'Cannot parse "{text}": Value {day} for dayOfMonth must be in the range [1,{m.days_in_month(year, month)}]',
            )
        days = m.day_number(year, month, day)
    hour = fields.get("hour", fields.get("hour24", 0) % 24)
    if "hour12" in fields or "hour0" in fields:
        hour = fields.get("hour12", fields.get("hour0", 0)) % 12 + (12 if fields.get("half") == "PM" else 0)
    elif fields.get("half") == "PM" and hour < 12 and "hour" not in fields:
        hour += 12
    digits = str(fields.get("fraction", ""))[:12].ljust(12, "0")
    seconds = hour * 3600 + fields.get("minute", 0) * 60 + fields.get("second", 0)
    return int(days * DAY + seconds * SECOND + (int(digits) if "fraction" in fields else 0))


def _date_parse(text: str, pattern: str) -> int:
    return _assembled(_parse_fields(text, _mysql_items(pattern), pattern), text) // _MILLI * _MILLI


# --- Joda's patterns --------------------------------------------------------------------------------------
_JODA = {"y": "year", "Y": "year", "M": "month", "d": "day", "H": "hour", "h": "hour12", "k": "hour24", "K": "hour0", "m": "minute",
         "s": "second", "S": "fraction", "a": "half", "D": "day_of_year", "x": "week_year", "w": "week", "e": "weekday",
         "E": "weekday_name", "z": "zone_name", "Z": "zone", "G": "era", "C": "century"}  # fmt: skip


@lru_cache(maxsize=512)
def _joda_items(pattern: str) -> tuple[Any, ...]:
    items: list[Any] = []
    for match in re.finditer(r"'((?:[^']|'')*)'|([A-Za-z])\2*|.", pattern, re.DOTALL):
        if match.group(2):
            letter, width = match.group(2), len(match.group())
            if letter not in _JODA:
                raise Failure("INVALID_FUNCTION_ARGUMENT", f"Illegal pattern component: {match.group()}")
            items.append((_JODA[letter], width))
        elif match.group(1) is not None:
            items.append(match.group(1).replace("''", "'") or "'")
        else:
            items.append(match.group())
    return tuple(items)


def _joda_text(local: int, pattern: str, zone: str, offset: int) -> str:
    year, month, day = m.civil(local // DAY)
    seconds = local % DAY // SECOND
    hour = seconds // 3600
    iso_year, week, weekday = _iso_week(local // DAY)
    numbers = {
        "year": year, "month": month, "day": day, "hour": hour, "hour12": _hour12(hour), "hour24": hour or 24, "hour0": hour % 12,
        "minute": seconds // 60 % 60, "second": seconds % 60, "day_of_year": local // DAY - m.day_number(year, 1, 1) + 1,
        "week_year": iso_year, "week": week, "weekday": weekday, "century": year // 100,
    }  # fmt: skip
    out = ""
    for item in _joda_items(pattern):
        if isinstance(item, str):
            out += item
            continue
        field, width = item
        if field == "half":
            out += "AM" if hour < 12 else "PM"
        elif field == "era":
            out += "AD" if year > 0 else "BC"
        elif field == "weekday_name":
            out += _WEEKDAYS[weekday - 1] if width > 3 else _WEEKDAYS[weekday - 1][:3]
        elif field == "month" and width > 2:
            out += _MONTHS[month - 1] if width > 3 else _MONTHS[month - 1][:3]
        elif field == "fraction":
            out += f"{local % SECOND:012d}"[:width].ljust(width, "0")
        elif field == "zone":
            shown = m.show_zone_offset(offset // 60)
            out += zone if width > 2 else shown if width == 2 else shown.replace(":", "")
        elif field == "zone_name":
            if zone != "UTC":
                raise Failure(
                    "NOT_SUPPORTED", "the name of a time zone in a pattern is not supported by local_mock"
                )
            out += "Coordinated Universal Time" if width > 3 else "UTC"
        elif field in ("year", "week_year") and width == 2:
            out += f"{numbers[field] % 100:02d}"
        else:
            out += str(numbers[field]).zfill(width)
    return out


def _format_datetime(arguments: list[Type], _result: Type) -> Callable[[Any, str], str]:
    kind = arguments[0]
    clock = _clock_of(kind)

    def show(value: Any, pattern: str) -> str:
        if kind.base != "date":
            value = (m.rescale(value[0], 3), value[1]) if kind.base.endswith("zone") else m.rescale(value, 3)
        if kind.base.endswith("zone"):
            return _joda_text(clock(value), pattern, value[1], m.offset_of(*value))
        return _joda_text(clock(value), pattern, "UTC", 0)

    return show


def parse_datetime(text: str, pattern: str) -> tuple[int, str]:
    items: list[Any] = []
    for item in _joda_items(pattern):
        if not isinstance(item, str):
            field, width = item
            if field in ("zone_name", "era", "century"):
                raise Failure("NOT_SUPPORTED", f"the pattern {pattern} is not supported by local_mock")
            if field == "month" and width > 2:
                items.append(("month_name", 0))
            elif field in ("year", "week_year"):
                items.append((field if width != 2 else "year2", 2 if width == 2 else 0))
            elif field == "fraction":
                items.append((field, 9))
            else:
                items.append((field, 0 if field in ("weekday_name", "half", "zone") else max(width, 2)))
        else:
            items.append(item)
    fields = _parse_fields(text, tuple(items), pattern)
    zone = fields.pop("zone", "UTC")
    return m.from_local(_assembled(fields, text) // _MILLI * _MILLI, zone), zone


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
    seconds = _half_up(abs(value))
    parts = []
    for name, size in (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}{'s' if count != 1 else ''}")
    if seconds or not parts:
        parts.append(f"{seconds} second{'s' if seconds != 1 else ''}")
    return ", ".join(parts)


def _last_day(arguments: list[Type], _result: Type) -> Callable[[Any], int]:
    clock = _clock_of(arguments[0])

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
    "from_iso8601_timestamp": plain(_from_iso8601_timestamp), "from_iso8601_date": plain(_from_iso8601_date),
    "from_iso8601_timestamp_nanos": plain(_from_iso8601_nanos),
    "to_iso8601": generic(_to_iso8601), "date_format": generic(_date_format), "date_parse": plain(_date_parse),
    "format_datetime": generic(_format_datetime), "parse_datetime": plain(parse_datetime), "last_day": generic(_last_day),
    "parse_duration": plain(_parse_duration), "human_readable_seconds": plain(_human_readable_seconds),
}  # fmt: skip
