"""Dates and timestamps in the texts of ISO 8601.

Source: https://trino.io/docs/current/functions/datetime.html, Trino's DateTimeFunctions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from local_mock.athena.functions import moments as m
from local_mock.athena.functions.datetimes import MILLI, iso_week
from local_mock.athena.functions.define import generic, plain
from local_mock.athena.functions.moments import DAY, SECOND, Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS"]

# Joda-Time's ISODateTimeFormat.dateTimeParser: a number has as many digits as it should, or fewer.
_ISO = re.compile(
    r"([+-]?\d{1,9})(?:-(\d{1,2})(?:-(\d{1,2}))?|-(\d{1,3})|-W(\d{1,2})(?:-(\d))?)?"
    r"(T(?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2}))?)?(?:[.,](\d+))?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII,
)


def _iso(text: str) -> tuple[int, str, bool]:
    """Return (clock in picoseconds, zone, whether a time was given)."""
    match = _ISO.fullmatch(text)
    bad = Failure("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}"')
    if match is None:
        raise bad
    year = int(match.group(1))
    if match.group(4):
        days = m.day_number(year, 1, 1) + int(match.group(4)) - 1
        if not 1 <= int(match.group(4)) <= 337 + m.days_in_month(year, 2):
            raise bad
    elif match.group(5):
        week, weekday = int(match.group(5)), int(match.group(6) or 1)
        if not 1 <= week <= iso_week(m.day_number(year, 12, 28))[1] or not 1 <= weekday <= 7:
            raise bad
        january = m.day_number(year, 1, 4)
        days = january - (january + 3) % 7 + (week - 1) * 7 + weekday - 1
    else:
        month, day = int(match.group(2) or 1), int(match.group(3) or 1)
        if not 1 <= month <= 12 or not 1 <= day <= m.days_in_month(year, month):
            raise bad
        days = m.day_number(year, month, day)
    hour, minute, second = (int(match.group(i) or 0) for i in (8, 9, 10))
    if hour > 23 or minute > 59 or second > 59:
        raise bad
    unit = SECOND if match.group(10) else 60 * SECOND if match.group(9) else 3600 * SECOND
    digits = match.group(11) or "0"
    zone = match.group(12)
    return (
        days * DAY + (hour * 3600 + minute * 60 + second) * SECOND + int(digits) * unit // 10 ** len(digits),
        m.normal_zone(zone) if zone else "UTC",
        match.group(7) is not None,
    )


def _from_iso8601_timestamp(text: str) -> tuple[int, str]:
    local, zone, _ = _iso(text)
    millis = m.from_local(local, zone) // MILLI
    if abs(millis) >= 1 << 51:
        raise Failure("INVALID_FUNCTION_ARGUMENT", f"Millis overflow: {millis}")
    return millis * MILLI, zone


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


FUNCTIONS = {
    "from_iso8601_timestamp": plain(_from_iso8601_timestamp),
    "from_iso8601_date": plain(_from_iso8601_date),
    "from_iso8601_timestamp_nanos": plain(_from_iso8601_nanos),
    "to_iso8601": generic(_to_iso8601),
}
