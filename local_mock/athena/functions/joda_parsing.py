"""Texts read as Joda-Time's DateTimeFormatter reads them: the parts in turn, then the fields by their size.

Used by `mysql_dates` and `joda_dates`. Source: Joda-Time's DateTimeFormatterBuilder and DateTimeParserBucket
(https://github.com/JodaOrg/joda-time), which Trino calls.
"""

# ruff: noqa: E501, PLR0911 - one line a field or message; one branch a kind
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local_mock.athena.functions import moments as m
from local_mock.athena.functions.datetimes import MONTHS, WEEKDAYS, iso_week
from local_mock.athena.functions.moments import DAY, SECOND, Failure

__all__ = ["Digits", "Name", "Part", "TwoDigitYear", "ZoneName", "ZoneOffset", "ZoneShort", "read"]


@dataclass(frozen=True)
class Digits:
    """A number of at most `width` digits, with a sign if `is_signed`."""

    field: str
    width: int
    is_signed: bool = False


@dataclass(frozen=True)
class TwoDigitYear:
    """Two digits of the hundred years that begin 50 years before `pivot`; other years in full if `is_lenient`."""

    field: str
    pivot: int
    is_lenient: bool = False


@dataclass(frozen=True)
class Name:
    """A name, written out or short, in lower, upper or its own case."""

    field: str


class ZoneOffset:
    """`Z`, or an offset such as `+02:00`."""


class ZoneName:
    """The name of a region."""


class ZoneShort:
    """One of the short names that Joda-Time reads: UTC, and those of the United States."""


Part = str | Digits | TwoDigitYear | Name | ZoneOffset | ZoneName | ZoneShort

_NAMES: dict[str, tuple[tuple[str, int], ...]] = {
    "month": (*((n, i) for i, n in enumerate(MONTHS, 1)), *((n[:3], i) for i, n in enumerate(MONTHS, 1))),
    "weekday": (*((n, i) for i, n in enumerate(WEEKDAYS, 1)), *((n[:3], i) for i, n in enumerate(WEEKDAYS, 1))),
    "half": (("AM", 0), ("PM", 1)),
    "era": (("BC", 0), ("AD", 1)),
}
_SHORT_ZONES = {
    "UTC": "UTC", "UT": "UTC", "GMT": "UTC", "EST": "America/New_York", "EDT": "America/New_York", "CST": "America/Chicago",
    "CDT": "America/Chicago", "MST": "America/Denver", "MDT": "America/Denver", "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles",
}  # fmt: skip
_OFFSET = re.compile(r"Z|z|[+-]([01]\d|2[0-3])(?::([0-5]\d)|([0-5]\d))?")


def _read_part(part: Part, text: str, position: int) -> tuple[str, int | str, int] | None:
    """Return the field, its value and where the text goes on; None where the text does not fit."""
    if isinstance(part, Digits):
        sign = "[+-]?" if part.is_signed else ""
        match = re.compile(rf"{sign}\d{{1,{part.width}}}", re.ASCII).match(text, position)
        if match is None:
            return None
        value = int(match.group().ljust(12, "0")) if part.field == "fraction" else int(match.group())
        return part.field, value, match.end()
    if isinstance(part, TwoDigitYear):
        match = re.compile(r"[+-]?\d+" if part.is_lenient else r"\d\d", re.ASCII).match(text, position)
        if match is None:
            return None
        year = int(match.group())
        if re.fullmatch(r"\d\d", match.group()):
            low = part.pivot - 50
            year += low + (100 if year < low % 100 else 0) - low % 100
        return part.field, year, match.end()
    if isinstance(part, Name):
        for name, value in _NAMES[part.field]:
            if text[position : position + len(name)] in (name, name.lower(), name.upper()):
                return part.field, value, position + len(name)
        return None
    if isinstance(part, ZoneOffset):
        match = _OFFSET.match(text, position)
        return None if match is None else ("zone", m.normal_zone(match.group()), match.end())
    names: dict[str, str] = _SHORT_ZONES
    if isinstance(part, ZoneName):
        match = re.compile(r"[A-Za-z0-9_+\-/]+").match(text, position)
        word = match.group() if match else ""
        names = {n: m.normal_zone(n) for n in (word[:i] for i in range(len(word), 0, -1)) if m.is_region(n)}
    for name in sorted(names, key=len, reverse=True):
        if text.startswith(name, position):
            return "zone", names[name], position + len(name)
    return None


# Field: the sizes of the range that it counts in and of its unit, from large to small.
_SIZES = {
    "era": (0, 0), "century": (0, 1), "year": (0, 2), "year_of_era": (0, 2), "week_year": (0, 2), "month": (2, 3), "day_of_year": (2, 5),
    "week": (2, 4), "day": (3, 5), "weekday": (4, 5), "half": (5, 6), "hour": (5, 7), "hour24": (5, 7), "hour12": (6, 7),
    "hour0": (6, 7), "minute": (7, 8), "second": (8, 9), "fraction": (9, 10),
}  # fmt: skip
_RANGES = {"century": (0, 2922789), "year_of_era": (1, 292278993), "month": (1, 12), "hour": (0, 23), "hour24": (1, 24), "hour12": (1, 12), "hour0": (0, 11),
           "minute": (0, 59), "second": (0, 59), "fraction": (0, SECOND - 1), "half": (0, 1), "weekday": (1, 7)}  # fmt: skip


def read(text: str, parts: Sequence[Part], default_year: int = 2000) -> tuple[int, str | None]:
    """Return the clock (picoseconds since 1970) that a text shows, and its zone if it has one.

    `default_year` is the year of a text whose largest field is a month, a week or a day; a text of hours
    and less is of 1970-01-01. Raises Failure where the text does not fit, or has a field out of its range.
    """
    values: list[tuple[str, int]] = []
    zone: str | None = None
    position = 0
    for part in parts:
        if isinstance(part, str):
            if text[position : position + len(part)].lower() != part.lower():
                raise _malformed(text, position)
            position += len(part)
            continue
        one = _read_part(part, text, position)
        if one is None:
            raise _malformed(text, position)
        field, value, position = one
        if isinstance(value, str):
            zone = value
        else:
            values.append((field, value))
    if position != len(text):
        raise _malformed(text, position)
    return _clock(values, text, default_year), zone


def _malformed(text: str, position: int) -> Failure:
    reason = "is too short" if position >= len(text) else f'is malformed at "{text[position:]}"'
    return Failure("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}" {reason}')


def _clock(values: list[tuple[str, int]], text: str, default_year: int) -> int:
    fields = sorted(values, key=lambda pair: _SIZES[pair[0]])
    if fields and 3 <= _SIZES[fields[0][0]][1] <= 5:
        fields.insert(0, ("year", default_year))
    days, picos = 0, 0
    for is_again in (False, True):  # again, because a later field may have moved an earlier one
        for i, (name, value) in enumerate(fields):
            low, high = _RANGES.get(name) or _day_range(name, days)
            if not low <= value <= high:
                raise Failure(
                    "INVALID_FUNCTION_ARGUMENT",
                    f'Cannot parse "{text}": Value {value} for {name} must be in the range [{low},{high}]',
                )
            is_floor = not is_again or i == len(fields) - 1
            if name in _DAY_SETTERS:
                days = _DAY_SETTERS[name](days, value, is_floor)
                picos = 0 if is_floor else picos
            else:
                picos = _set_clock(picos, name, value, is_floor)
    return days * DAY + picos


def _day_range(name: str, days: int) -> tuple[int, int]:
    year, month, _ = m.civil(days)
    if name == "day":
        return 1, m.days_in_month(year, month)
    if name == "day_of_year":
        return 1, 337 + m.days_in_month(year, 2)
    if name == "week":
        return 1, iso_week(m.day_number(iso_week(days)[0], 12, 28))[1]
    return -292275054, 292278993


def _monday(week_year: int, week: int) -> int:
    january = m.day_number(week_year, 1, 4)
    return january - (january + 3) % 7 + (week - 1) * 7


def _set_year(days: int, year: int, is_floor: bool) -> int:
    _, month, day = (0, 1, 1) if is_floor else m.civil(days)
    return m.day_number(year, month, min(day, m.days_in_month(year, month)))


def _set_year_of_era(days: int, year: int, is_floor: bool) -> int:
    return _set_year(days, year if m.civil(days)[0] > 0 else 1 - year, is_floor)


def _set_month(days: int, month: int, is_floor: bool) -> int:
    year, _, day = m.civil(days)
    return m.day_number(year, month, 1 if is_floor else min(day, m.days_in_month(year, month)))


def _set_day(days: int, day: int, _is_floor: bool) -> int:
    year, month, _ = m.civil(days)
    return m.day_number(year, month, day)


def _set_day_of_year(days: int, day: int, _is_floor: bool) -> int:
    return m.day_number(m.civil(days)[0], 1, 1) + day - 1


def _set_week_year(days: int, week_year: int, is_floor: bool) -> int:
    _, week, weekday = (0, 1, 1) if is_floor else iso_week(days)
    return _monday(week_year, week) + weekday - 1


def _set_week(days: int, week: int, is_floor: bool) -> int:
    week_year, _, weekday = iso_week(days)
    return _monday(week_year, week) + (0 if is_floor else weekday - 1)


def _set_weekday(days: int, weekday: int, _is_floor: bool) -> int:
    return days - (days + 3) % 7 + weekday - 1


def _set_century(days: int, century: int, is_floor: bool) -> int:
    return _set_year(days, century * 100 + (0 if is_floor else m.civil(days)[0] % 100), is_floor)


def _set_era(days: int, era: int, is_floor: bool) -> int:
    year = m.civil(days)[0]
    return days if (year > 0) == bool(era) else _set_year(days, 1 - year, is_floor)


_DAY_SETTERS: dict[str, Callable[[int, int, bool], int]] = {
    "era": _set_era, "century": _set_century, "year": _set_year, "year_of_era": _set_year_of_era, "week_year": _set_week_year, "month": _set_month,
    "week": _set_week, "day": _set_day, "day_of_year": _set_day_of_year, "weekday": _set_weekday,
}  # fmt: skip
_UNITS = {"half": 12 * 3600 * SECOND, "hour": 3600 * SECOND, "minute": 60 * SECOND, "second": SECOND}
_WITHIN = {"half": DAY, "hour": DAY, "minute": 3600 * SECOND, "second": 60 * SECOND}


def _set_clock(picos: int, name: str, value: int, is_floor: bool) -> int:
    """Return the time of day with one field set; the smaller fields are kept, or zero if `is_floor`."""
    if name == "fraction":
        return picos // SECOND * SECOND + value
    if name in ("hour12", "hour0"):
        name, value = "hour", value % 12 + picos // _UNITS["half"] * 12
    if name == "hour24":
        name, value = "hour", value % 24
    unit, within = _UNITS[name], _WITHIN[name]
    return picos // within * within + value * unit + (0 if is_floor else picos % unit)
