"""Dates, times and zones on whole numbers: picoseconds since 1970, days, offsets, and the texts of them.

DuckDB keeps microseconds and no zone in a value; Athena keeps up to 12 digits and the zone. Used by the query
process and, for literals, by the translator. Source: https://trino.io/docs/current/language/types.html#date-and-time
"""

# ruff: noqa: E501 - one line a message or table
from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from functools import lru_cache

__all__ = [
    "DAY", "SECOND", "Failure", "civil", "day_number", "days_in_month", "fraction", "from_local", "is_region", "normal_zone", "offset_of",
    "parse_date", "parse_time", "parse_timestamp", "rescale", "show_date", "show_time", "show_timestamp", "show_zone_offset",
    "to_local",
]  # fmt: skip

SECOND = 10**12
DAY = 86_400 * SECOND
_EPOCH = dt.datetime(1970, 1, 1)
_EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_UTC_NAMES = frozenset({
    "utc", "gmt", "z", "zulu", "uct", "greenwich", "universal", "gmt0", "etc/utc", "etc/gmt", "etc/zulu", "etc/uct",
    "etc/greenwich", "etc/universal", "etc/gmt0", "etc/gmt+0", "etc/gmt-0", "ut",
})  # fmt: skip


class Failure(Exception):  # noqa: N818 - Trino's word for it
    """A function fails: Trino's error name and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


# --- the calendar (proleptic Gregorian, any year) ---------------------------------------------------------
def day_number(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01."""
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def civil(days: int) -> tuple[int, int, int]:
    """Return (year, month, day) of a day number."""
    days += 719468
    era = days // 146097
    of_era = days - era * 146097
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    part = (5 * of_year + 2) // 153
    month = part + (3 if part < 10 else -9)
    return year + era * 400 + (month <= 2), month, of_year - (153 * part + 2) // 5 + 1


def days_in_month(year: int, month: int) -> int:
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return day_number(*following, 1) - day_number(year, month, 1)


# --- zones ------------------------------------------------------------------------------------------------
@lru_cache(maxsize=1)
def _regions() -> dict[str, str]:
    return {name.lower(): name for name in zoneinfo.available_timezones()}


@lru_cache(maxsize=4096)
def normal_zone(name: str) -> str:
    """Return a zone as Trino writes it: `UTC`, `+05:30` or a region's name. Raises Failure for no zone."""
    lower = name.strip().lower()
    if lower in _UTC_NAMES:
        return "UTC"
    match = re.fullmatch(r"(?:utc|gmt|ut)?([+-])(\d{1,2})(?::?(\d{2}))?", lower)
    if match:
        minutes = int(match.group(2)) * 60 + int(match.group(3) or 0)
        if minutes > 14 * 60 or int(match.group(3) or 0) > 59:
            raise Failure("INVALID_FUNCTION_ARGUMENT", f"'{name}' is not a valid time zone")
        return "UTC" if minutes == 0 else f"{match.group(1)}{minutes // 60:02d}:{minutes % 60:02d}"
    region = _regions().get(lower)
    if region is None or region in ("localtime", "posixrules", "Factory"):
        raise Failure("INVALID_FUNCTION_ARGUMENT", f"'{name}' is not a valid time zone")
    return region


def is_region(name: str) -> bool:
    """Return whether this is a region's name as the time zone database writes it."""
    return _regions().get(name.lower()) == name


@lru_cache(maxsize=512)
def _region(zone: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(zone)


def _fixed(zone: str) -> int | None:
    """Return the seconds east of Greenwich of a zone with one offset, None for a region."""
    if zone == "UTC":
        return 0
    if zone[0] in "+-":
        seconds = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
        return -seconds if zone[0] == "-" else seconds
    return None


@lru_cache(maxsize=65536)
def _offset_at(zone: str, seconds: int) -> int:
    clamped = min(max(seconds, -62_000_000_000), 253_000_000_000)
    moment = (_EPOCH_UTC + dt.timedelta(seconds=clamped)).astimezone(_region(zone))
    offset = moment.utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


@lru_cache(maxsize=65536)
def _offset_of_local(zone: str, seconds: int) -> int:
    """Return the offset: the earlier moment's of two, the one before a gap within it (as java.time does)."""
    clamped = min(max(seconds, -62_000_000_000), 253_000_000_000)
    offset = (_EPOCH + dt.timedelta(seconds=clamped)).replace(tzinfo=_region(zone)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def offset_of(instant: int, zone: str) -> int:
    """Return the seconds east of Greenwich in `zone` at an instant (picoseconds)."""
    fixed = _fixed(zone)
    return fixed if fixed is not None else _offset_at(zone, instant // SECOND)


def to_local(instant: int, zone: str) -> int:
    """Return the clock in `zone`, as picoseconds of that clock's 1970."""
    return instant + offset_of(instant, zone) * SECOND


def from_local(local: int, zone: str) -> int:
    """Return the instant at which the clock in `zone` shows `local`."""
    fixed = _fixed(zone)
    return local - (fixed if fixed is not None else _offset_of_local(zone, local // SECOND)) * SECOND


# --- digits -----------------------------------------------------------------------------------------------
def rescale(picos: int, precision: int) -> int:
    """Return a moment rounded half up to `precision` digits of a second."""
    unit: int = 10 ** (12 - precision)
    return (picos + unit // 2) // unit * unit


def fraction(picos: int, precision: int) -> str:
    """Return `.123` of a moment, nothing at precision 0."""
    return f".{picos % SECOND:012d}"[: precision + 1] if precision else ""


def show_date(days: int) -> str:
    year, month, day = civil(days)
    return f"{'-' if year < 0 else '+' if year > 9999 else ''}{abs(year):04d}-{month:02d}-{day:02d}"


def show_time(picos: int, precision: int) -> str:
    seconds = picos // SECOND
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction(picos, precision)}"


def show_timestamp(local: int, precision: int) -> str:
    return f"{show_date(local // DAY)} {show_time(local % DAY, precision)}"


def show_zone_offset(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


# --- parsing ----------------------------------------------------------------------------------------------
_DATE = re.compile(r"([+-]?)(\d{1,9})-(\d{1,2})-(\d{1,2})")
_STAMP = re.compile(
    r"([+-]?\d{4,}-\d{1,2}-\d{1,2})(?: (?:(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,12}))?)?)?)?\s*(\S.*)?"
)
_TIME = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,12}))?)?(?:\s*([+-])(\d{1,2})(?::(\d{2}))?)?")


def parse_date(text: str) -> int | None:
    """Return the day number of `2020-01-02`; None if it is no date."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day = int(match.group(1) + match.group(2)), int(match.group(3)), int(match.group(4))
    if not 1 <= month <= 12 or not 1 <= day <= days_in_month(year, month):
        return None
    return day_number(year, month, day)


def _clock(hour: str, minute: str, second: str | None, digits: str | None) -> tuple[int, int] | None:
    """Return (picoseconds of the day, digits of the fraction)."""
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    digits = digits or ""
    picos = int(digits.ljust(12, "0")) if digits else 0
    return (hours * 3600 + minutes * 60 + seconds) * SECOND + picos, len(digits)


def parse_timestamp(text: str) -> tuple[int, int, str | None] | None:
    """Return (picoseconds on the clock, digits, zone or None) of `2020-01-02 03:04:05.678 Europe/Berlin`.

    Return None for any other text.
    """
    match = _STAMP.fullmatch(text.strip())
    if match is None:
        return None
    days = parse_date(match.group(1))
    clock = _clock(*match.group(2, 3, 4, 5)) if match.group(2) else (0, 0)
    if days is None or clock is None:
        return None
    zone = match.group(6)
    if zone is not None:
        try:
            normal = normal_zone(zone)
        except Failure:
            return None
        if "/" in zone and zone != normal:  # a region's name is case-sensitive in a text
            return None
        zone = normal
    return days * DAY + clock[0], clock[1], zone


def parse_time(text: str) -> tuple[int, int, int | None] | None:
    """Return (picoseconds of the day, digits, offset in minutes or None) of `01:02:03.4+05:30`.

    Return None for any other text.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    clock = _clock(*match.group(1, 2, 3, 4))
    if clock is None:
        return None
    offset = None
    if match.group(5):
        hours, minutes = int(match.group(6)), int(match.group(7) or 0)
        if minutes > 59 or hours * 60 + minutes > 14 * 60:
            return None
        offset = (hours * 60 + minutes) * (-1 if match.group(5) == "-" else 1)
    return *clock, offset
