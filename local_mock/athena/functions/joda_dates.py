"""Dates by the patterns of Joda-Time (``yyyy-MM-dd``): `format_datetime` and `parse_datetime`.

Source: https://trino.io/docs/current/functions/datetime.html, Trino's DateTimeFunctions.
"""

# ruff: noqa: E501 - one branch a kind
from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from local_mock.athena.functions import moments as m
from local_mock.athena.functions.datetimes import MILLI, MONTHS, WEEKDAYS, clock_of, iso_week
from local_mock.athena.functions.define import generic, plain
from local_mock.athena.functions.moments import DAY, SECOND, Failure
from local_mock.athena.functions.mysql_dates import assembled, hour12, parse_fields
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS", "parse_datetime"]

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
    iso_year, week, weekday = iso_week(local // DAY)
    numbers = {
        "year": year, "month": month, "day": day, "hour": hour, "hour12": hour12(hour), "hour24": hour or 24, "hour0": hour % 12,
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
        elif field in ("year", "week_year") and width == 2:
            out += f"{numbers[field] % 100:02d}"
        else:
            out += str(numbers[field]).zfill(width)
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
    """Return the local time by the first pattern that fits, cut to milliseconds; None if no pattern does."""
    for pattern in patterns:
        try:
            instant, zone = parse_datetime(text, pattern)
        except Failure:
            continue
        return m.rescale(m.to_local(instant, zone), 3)
    return None


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
    fields = parse_fields(text, tuple(items), pattern)
    zone = fields.pop("zone", "UTC")
    return m.from_local(assembled(fields, text) // MILLI * MILLI, zone), zone


FUNCTIONS = {
    "format_datetime": generic(_format_datetime),
    "parse_datetime": plain(parse_datetime),
}
