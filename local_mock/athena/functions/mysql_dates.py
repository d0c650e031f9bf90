"""Dates by the patterns of MySQL (``%Y-%m-%d``): `date_format` and `date_parse`.

Source: https://trino.io/docs/current/functions/datetime.html, Trino's DateTimeFunctions.
"""

# ruff: noqa: E501 - one branch a kind
from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from local_mock.athena.functions import moments as m
from local_mock.athena.functions.datetimes import MILLI, MONTHS, WEEKDAYS, clock_of, iso_week
from local_mock.athena.functions.define import generic, plain
from local_mock.athena.functions.joda_parsing import Digits, Name, Part, TwoDigitYear, read
from local_mock.athena.functions.moments import DAY, SECOND, Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS", "hour12", "padded"]

_UNSUPPORTED = "DUuVwX"


def hour12(hour: int) -> int:
    return (hour + 11) % 12 + 1


def padded(number: int, width: int) -> str:
    """Return a number of `width` digits at least, with a sign before them if it is negative."""
    return f"{'-' if number < 0 else ''}{abs(number):0{width}d}"


def _mysql_text(local: int, pattern: str) -> str:
    year, month, day = m.civil(local // DAY)
    seconds = local % DAY // SECOND
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    iso_year, week, weekday = iso_week(local // DAY)
    half = "AM" if hour < 12 else "PM"
    if pattern in ("", "%"):
        raise Failure("INVALID_FUNCTION_ARGUMENT", "Both printing and parsing not supported")
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
            "T": f"{hour:02d}:{minute:02d}:{second:02d}", "v": f"{week:02d}", "W": WEEKDAYS[weekday - 1], "Y": padded(year, 4),
            "y": f"{abs(year) % 100:02d}", "x": padded(iso_year, 4), "%": "%",
        }  # fmt: skip
        if letter in _UNSUPPORTED:
            raise Failure("INVALID_FUNCTION_ARGUMENT", f"%{letter} not supported in date format string")
        out += parts.get(letter, letter)
    return out


def _date_format(arguments: list[Type], _result: Type) -> Callable[[Any, str], str]:
    clock = clock_of(arguments[0])
    return lambda v, pattern: _mysql_text(m.rescale(clock(v), 3), pattern)


_PIVOT_YEAR = 2020  # two digits are of 1970–2069
_MYSQL_PARSED: dict[str, Part] = {
    "a": Name("weekday"), "b": Name("month"), "c": Digits("month", 2), "d": Digits("day", 2), "e": Digits("day", 2),
    "f": Digits("fraction", 9), "H": Digits("hour", 2), "h": Digits("hour12", 2), "I": Digits("hour12", 2), "i": Digits("minute", 2),
    "j": Digits("day_of_year", 3), "k": Digits("hour", 2), "l": Digits("hour12", 2), "M": Name("month"), "m": Digits("month", 2),
    "p": Name("half"), "S": Digits("second", 2), "s": Digits("second", 2), "W": Name("weekday"), "Y": Digits("year", 4, is_signed=True),
    "y": TwoDigitYear("year", _PIVOT_YEAR), "x": Digits("week_year", 4, is_signed=True), "v": Digits("week", 2),
}  # fmt: skip
_MYSQL_SEQUENCES = {"r": "%h:%i:%s %p", "T": "%H:%i:%s"}


@lru_cache(maxsize=512)
def _mysql_parts(pattern: str) -> tuple[Part, ...]:
    """Return the parts of a pattern. Raises Failure."""
    for letter, long in _MYSQL_SEQUENCES.items():
        pattern = re.sub(rf"(?<!%)((?:%%)*)%{letter}", rf"\g<1>{long}", pattern)
    parts: list[Part] = []
    for letter, char in re.findall(r"%(.)|([^%])", pattern, re.DOTALL):
        if letter in tuple(_UNSUPPORTED):
            raise Failure("INVALID_FUNCTION_ARGUMENT", f"%{letter} not supported in date format string")
        parts.append(_MYSQL_PARSED.get(letter, letter) if letter else char)
    if not parts:
        raise Failure("INVALID_FUNCTION_ARGUMENT", "Both printing and parsing not supported")
    return tuple(parts)


def _date_parse(text: str, pattern: str) -> int:
    return read(text, _mysql_parts(pattern))[0] // MILLI * MILLI


FUNCTIONS = {
    "date_format": generic(_date_format),
    "date_parse": plain(_date_parse),
}
