"""Dates by the patterns of MySQL (``%Y-%m-%d``): `date_format` and `date_parse`.

Source: https://trino.io/docs/current/functions/datetime.html, Trino's DateTimeFunctions.
"""

# ruff: noqa: E501, PLR0912 - one branch a kind
from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from local_mock.athena.functions import moments as m
from local_mock.athena.functions.datetimes import MILLI, MONTHS, WEEKDAYS, clock_of, iso_week
from local_mock.athena.functions.define import generic, plain
from local_mock.athena.functions.moments import DAY, SECOND, Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS", "assembled", "hour12", "parse_fields"]

_UNSUPPORTED = "DUuVwX"


def hour12(hour: int) -> int:
    return (hour + 11) % 12 + 1


def _mysql_text(local: int, pattern: str) -> str:
    year, month, day = m.civil(local // DAY)
    seconds = local % DAY // SECOND
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    iso_year, week, weekday = iso_week(local // DAY)
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
            "a": WEEKDAYS[weekday - 1][:3], "b": MONTHS[month - 1][:3], "c": f"{month}", "d": f"{day:02d}", "e": f"{day}",
            "f": f"{local % SECOND // 10**6:06d}", "H": f"{hour:02d}", "h": f"{hour12(hour):02d}", "I": f"{hour12(hour):02d}",
            "i": f"{minute:02d}", "j": f"{local // DAY - m.day_number(year, 1, 1) + 1:03d}", "k": f"{hour}",
            "l": f"{hour12(hour)}", "M": MONTHS[month - 1], "m": f"{month:02d}", "p": half,
            "r": f"{hour12(hour):02d}:{minute:02d}:{second:02d} {half}", "S": f"{second:02d}", "s": f"{second:02d}",
            "T": f"{hour:02d}:{minute:02d}:{second:02d}", "v": f"{week:02d}", "W": WEEKDAYS[weekday - 1], "Y": f"{year:04d}",
            "y": f"{year % 100:02d}", "x": f"{iso_year:04d}", "%": "%",
        }  # fmt: skip
        if letter in _UNSUPPORTED:
            raise Failure("INVALID_FUNCTION_ARGUMENT", f"%{letter} not supported in date format string")
        out += parts.get(letter, letter)
    return out


def _date_format(arguments: list[Type], _result: Type) -> Callable[[Any, str], str]:
    clock = clock_of(arguments[0])
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


def parse_fields(text: str, items: tuple[Any, ...], shown: str) -> dict[str, Any]:
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
            named = _read_names(text, position, WEEKDAYS if field == "weekday_name" else MONTHS)
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


def assembled(fields: dict[str, Any], text: str) -> int:
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
    return assembled(parse_fields(text, _mysql_items(pattern), pattern), text) // MILLI * MILLI


FUNCTIONS = {
    "date_format": generic(_date_format),
    "date_parse": plain(_date_parse),
}
