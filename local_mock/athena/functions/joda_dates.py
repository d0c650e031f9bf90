"""Dates by the patterns of Joda-Time (``yyyy-MM-dd``): `format_datetime` and `parse_datetime`.

Source: https://trino.io/docs/current/functions/datetime.html, Trino's DateTimeFunctions.
"""

# ruff: noqa: E501, PLR0911 - one branch a kind
from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from local_mock.athena.functions import moments as m
from local_mock.athena.functions.datetimes import MILLI, MONTHS, WEEKDAYS, clock_of, iso_week
from local_mock.athena.functions.define import generic, plain
from local_mock.athena.functions.joda_parsing import (
    Digits,
    Name,
    Part,
    TwoDigitYear,
    ZoneName,
    ZoneOffset,
    ZoneShort,
    read,
)
from local_mock.athena.functions.moments import DAY, SECOND, Failure
from local_mock.athena.functions.mysql_dates import hour12, padded
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS", "local_picos"]

_JODA = {"y": "year", "Y": "year_of_era", "M": "month", "d": "day", "H": "hour", "h": "hour12", "k": "hour24", "K": "hour0", "m": "minute",
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
    if not items:
        raise Failure("INVALID_FUNCTION_ARGUMENT", "Invalid pattern specification")
    return tuple(items)


def _joda_text(local: int, pattern: str, zone: str, offset: int) -> str:
    year, month, day = m.civil(local // DAY)
    seconds = local % DAY // SECOND
    hour = seconds // 3600
    iso_year, week, weekday = iso_week(local // DAY)
    numbers = {
        "year": year, "year_of_era": year if year > 0 else 1 - year, "month": month, "day": day, "hour": hour, "hour12": hour12(hour), "hour24": hour or 24, "hour0": hour % 12,
        "minute": seconds // 60 % 60, "second": seconds % 60, "day_of_year": local // DAY - m.day_number(year, 1, 1) + 1,
        "week_year": iso_year, "week": week, "weekday": weekday, "century": (year if year > 0 else 1 - year) // 100,
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
            out += WEEKDAYS[weekday - 1] if width > 3 else WEEKDAYS[weekday - 1][:3]
        elif field == "month" and width > 2:
            out += MONTHS[month - 1] if width > 3 else MONTHS[month - 1][:3]
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
        elif field in ("year", "year_of_era", "week_year") and width == 2:
            out += f"{abs(numbers[field]) % 100:02d}"
        else:
            out += padded(numbers[field], width)
    return out


def _format_datetime(arguments: list[Type], _result: Type) -> Callable[[Any, str], str]:
    kind = arguments[0]
    clock = clock_of(kind)

    def show(value: Any, pattern: str) -> str:
        if kind.base != "date":
            value = (m.rescale(value[0], 3), value[1]) if kind.base.endswith("zone") else m.rescale(value, 3)
        if kind.base.endswith("zone"):
            return _joda_text(clock(value), pattern, value[1], m.offset_of(*value))
        return _joda_text(clock(value), pattern, "UTC", 0)

    return show


def local_picos(text: str, patterns: Iterable[str]) -> int | None:
    """Return the local time by the first pattern that fits, cut to milliseconds; None if no pattern does.

    The SerDes read so: a part that the pattern lacks is that of 1970-01-01 00:00.
    """
    for pattern in patterns:
        try:
            return read(text, _joda_parts(pattern), 1970)[0] // MILLI * MILLI
        except Failure:
            continue
    return None


_WIDTHS = {"month": 2, "day": 2, "hour": 2, "hour12": 2, "hour24": 2, "hour0": 2, "minute": 2, "second": 2, "day_of_year": 3,
           "week": 2, "weekday": 1}  # fmt: skip


@lru_cache(maxsize=512)
def _joda_parts(pattern: str) -> tuple[Part, ...]:
    """Return how a pattern reads a text. Raises Failure."""
    items = _joda_items(pattern)
    parts: list[Part] = []
    for item, following in zip(items, (*items[1:], ""), strict=True):
        if isinstance(item, str):
            parts.append(item)
        else:
            parts.append(_part(item[0], item[1], _is_number(following)))
    return tuple(parts)


def _is_number(item: Any) -> bool:
    return not isinstance(item, str) and (
        item[0] in _WIDTHS or item[0] in ("year", "year_of_era", "week_year", "century", "fraction")
    ) and (item[0] != "month" or item[1] < 3)  # fmt: skip


def _part(field: str, width: int, is_before_number: bool) -> Part:
    if field == "month" and width > 2:
        return Name("month")
    if field in ("half", "era", "weekday_name"):
        return Name(field.removesuffix("_name"))
    if field in ("year", "year_of_era", "week_year"):
        if width == 2:
            return TwoDigitYear(field, dt.datetime.now(dt.UTC).year - 30, is_lenient=not is_before_number)
        return Digits(field, width if is_before_number else 9, is_signed=True)
    if field == "zone":
        return ZoneName() if width > 2 else ZoneOffset()
    if field == "zone_name":
        return ZoneShort()
    return Digits(field, _WIDTHS.get(field, width))


def _parse_datetime(text: str, pattern: str) -> tuple[int, str]:
    local, zone = read(text, _joda_parts(pattern))
    local, zone = local // MILLI * MILLI, zone or "UTC"
    instant = m.from_local(local, zone)
    if m.to_local(instant, zone) != local:
        raise Failure(
            "INVALID_FUNCTION_ARGUMENT",
            f'Cannot parse "{text}": Illegal instant due to time zone offset transition ({zone})',
        )
    return instant, zone


FUNCTIONS = {
    "format_datetime": generic(_format_datetime),
    "parse_datetime": plain(_parse_datetime),
}
