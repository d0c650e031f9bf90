"""CAST of every pair that SQL does not express, and the two texts of a value: as varchar, and in a result cell.

Source: https://trino.io/docs/current/functions/conversion.html, Trino's operators (DoubleOperators, TimestampOperators, …).
"""

# ruff: noqa: E501, PLR0911, PLR0912 - one branch a kind
from __future__ import annotations

import decimal
import ipaddress
import math
import re
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np

from local_mock.athena.functions import jsons
from local_mock.athena.functions import moments as m
from local_mock.athena.functions.define import generic
from local_mock.athena.functions.moments import Failure
from local_mock.athena.sqltypes import Type

__all__ = ["FUNCTIONS", "caster", "float_text", "shower", "varchar_text"]

_BOUNDS = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}
Convert = Callable[[Any], Any]


def _fail(value: object, target: Type, code: str = "INVALID_CAST_ARGUMENT") -> Failure:
    return Failure(code, f"Cannot cast '{value}' to {target}")


# --- numbers ----------------------------------------------------------------------------------------------
def _digits(value: float, *, single: bool) -> tuple[str, str, int]:
    """Return the shortest text of a finite float: sign, digits without outer zeros, exponent of the first."""
    text = np.format_float_scientific(np.float32(value) if single else np.float64(value), unique=True, trim="-")
    mantissa, _, exponent = text.partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    digits = mantissa.replace(".", "").rstrip("0") or "0"
    if len(digits) == 1 and int(exponent) < (-40 if single else -300):  # Java writes two digits at least
        wider, _, power = f"{abs(value):.1e}".partition("e")
        widened = float(f"{wider}e{power}")
        if (np.float32(widened) if single else widened) == abs(value):
            return sign, wider.replace(".", "").rstrip("0"), int(power)
    return sign, digits, int(exponent)


def float_text(value: float, *, single: bool) -> str:
    """Return a result cell: Java's Double.toString and Float.toString."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = _digits(value, single=single)
    if value == 0:
        return f"{'-' if math.copysign(1, value) < 0 else ''}0.0"
    if -3 <= exponent < 7:
        if exponent < 0:
            return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
        whole = digits[: exponent + 1].ljust(exponent + 1, "0")
        return f"{sign}{whole}.{digits[exponent + 1 :] or '0'}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _float_varchar(value: float, *, single: bool) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0E0" if math.copysign(1, value) < 0 else "0E0"
    sign, digits, exponent = _digits(value, single=single)
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def decimal_text(value: decimal.Decimal, scale: int) -> str:
    return f"{value:.{scale}f}"


def to_decimal(value: Any, target: Type, *, single: bool = False) -> decimal.Decimal:
    """Return a number rounded half up, a float by its shortest text. Raises Failure where the whole part is too long."""
    precision, scale = target.numbers
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _fail(float_text(value, single=single), target)
        value = decimal.Decimal(float_text(value, single=single))
    number = decimal.Decimal(value)
    if number and number.adjusted() >= precision - scale:
        raise _fail(value, target)
    with decimal.localcontext(prec=80):
        rounded = number.quantize(decimal.Decimal(1).scaleb(-scale), decimal.ROUND_HALF_UP)
    if abs(int(rounded.scaleb(scale))) >= 10**precision:
        raise _fail(value, target)
    return rounded


def to_integer(value: Any, target: Type) -> int:
    """Return a number rounded half up. Raises Failure out of range."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _fail(float_text(value, single=False), target)
        value = decimal.Decimal(value)
    if isinstance(value, decimal.Decimal):
        with decimal.localcontext(prec=400):
            value = int(value.quantize(decimal.Decimal(1), decimal.ROUND_HALF_UP))
    number = int(value)
    bound = 1 << _BOUNDS[target.base]
    if not -bound <= number < bound:
        raise _fail(value, target)
    return number


# --- texts ------------------------------------------------------------------------------------------------
def address_text(value: bytes) -> str:
    address = ipaddress.IPv6Address(value)
    return str(address.ipv4_mapped or address)


def parse_address(text: str) -> bytes:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as err:
        raise _fail(text, Type("ipaddress")) from err
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed


def interval_text(value: int, kind: Type) -> str:
    sign, value = ("-", -value) if value < 0 else ("", value)
    if kind.base == "interval year to month":
        return f"{sign}{value // 12}-{value % 12}"
    seconds = value // 1000
    clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{value % 1000:03d}"
    return f"{sign}{seconds // 86400} {clock}"


def scalar_text(kind: Type) -> Convert:
    """Return the text of a value that is neither text, float nor nested: the same in both texts."""
    base = kind.base
    if base == "boolean":
        return lambda v: "true" if v else "false"
    if base == "decimal":
        return lambda v: decimal_text(v, kind.numbers[1])
    if base == "date":
        return m.show_date
    if base == "timestamp":
        return lambda v: m.show_timestamp(v, kind.precision)
    if base == "timestamp with time zone":
        return lambda v: f"{m.show_timestamp(m.to_local(*v), kind.precision)} {v[1]}"
    if base == "time":
        return lambda v: m.show_time(v, kind.precision)
    if base == "time with time zone":
        return lambda v: m.show_time(time_local(v), kind.precision) + m.show_zone_offset(v[1])
    if base == "ipaddress":
        return address_text
    if base.startswith("interval"):
        return lambda v: interval_text(v, kind)
    return str


def time_local(value: tuple[int, int]) -> int:
    """Return the picoseconds on the clock of a time with time zone."""
    return (value[0] + value[1] * 60 * m.SECOND) % m.DAY


def varchar_text(kind: Type) -> Convert:
    """CAST(… AS varchar)."""
    if kind.base in ("real", "double"):
        return lambda v: _float_varchar(v, single=kind.base == "real")
    if kind.base == "char":
        return lambda v: v.ljust(kind.width)
    return scalar_text(kind)


def shower(kind: Type) -> Convert:
    """Return the text of a result cell."""
    if kind.base in ("real", "double"):
        return lambda v: float_text(v, single=kind.base == "real")
    if kind.base == "varbinary":
        return lambda v: v.hex(" ")
    if kind.base == "array":
        item = _cell(kind.args[0])
        return lambda v: f"[{', '.join(map(item, v))}]"
    if kind.base == "map":
        key, value = map(_cell, kind.args)
        return lambda v: "{" + ", ".join(f"{key(a)}={value(b)}" for a, b in v) + "}"
    if kind.base == "row":
        fields = [
            (name or f"field{i}", _cell(arg))
            for i, (name, arg) in enumerate(zip(kind.names, kind.args, strict=True))
        ]
        return lambda v: "{" + ", ".join(f"{n}={show(x)}" for (n, show), x in zip(fields, v, strict=True)) + "}"
    return varchar_text(kind)


def _cell(kind: Type) -> Convert:
    show = shower(kind)
    return lambda v: "null" if v is None else show(v)


# --- from text --------------------------------------------------------------------------------------------
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TRUE, _FALSE = ("t", "true", "1"), ("f", "false", "0")


def _from_text(target: Type) -> Convert:
    base = target.base

    def moment(text: str) -> Any:
        parsed = m.parse_timestamp(text)
        if parsed is None:
            raise Failure("INVALID_CAST_ARGUMENT", f"Value cannot be cast to {base}: {text}")
        picos, _, zone = parsed
        if base == "timestamp":
            return m.rescale(picos, target.precision)
        zone = zone or "UTC"
        return m.rescale(m.from_local(picos, zone), target.precision), zone

    def clock(text: str) -> Any:
        parsed = m.parse_time(text)
        if parsed is None:
            raise Failure("INVALID_CAST_ARGUMENT", f"Value cannot be cast to {base}: {text}")
        picos, _, offset = parsed
        picos = m.rescale(picos, target.precision) % m.DAY
        if base == "time":
            return picos
        return (picos - (offset or 0) * 60 * m.SECOND) % m.DAY, offset or 0

    def day(text: str) -> int:
        days = m.parse_date(text)
        if days is None:
            raise Failure("INVALID_CAST_ARGUMENT", f"Value cannot be cast to date: {text}")
        return days

    def whole(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            raise _fail(text, target)
        return to_integer(int(text), target)

    def floating(text: str) -> float:
        stripped = text.strip()
        if stripped in ("NaN", "+NaN", "-NaN", "Infinity", "+Infinity", "-Infinity"):
            return float(stripped.lower())
        if not re.fullmatch(_NUMBER.pattern + "[dDfF]?", stripped):
            raise _fail(text, target)
        return float(stripped.rstrip("dDfF"))

    def exact(text: str) -> decimal.Decimal:
        if not _NUMBER.fullmatch(text):
            raise _fail(text, target)
        return to_decimal(decimal.Decimal(text), target)

    def truth(text: str) -> bool:
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise _fail(text, target)

    def identifier(text: str) -> str:
        if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
            raise Failure("INVALID_CAST_ARGUMENT", f"Cannot cast value to UUID: {text}")
        return str(uuid.UUID(text))

    makers: dict[str, Convert] = {
        "timestamp": moment, "timestamp with time zone": moment, "time": clock, "time with time zone": clock, "date": day,
        "tinyint": whole, "smallint": whole, "integer": whole, "bigint": whole, "real": floating, "double": floating,
        "decimal": exact, "boolean": truth, "uuid": identifier, "ipaddress": parse_address,
        "varbinary": lambda v: v.encode(), "json": jsons.quoted,
    }  # fmt: skip
    return makers[base]


# --- between moments --------------------------------------------------------------------------------------
def _local(kind: Type) -> Convert:
    """Return the picoseconds on the value's own clock."""
    if kind.base == "date":
        return lambda v: v * m.DAY
    if kind.base == "timestamp with time zone":
        return lambda v: m.to_local(*v)
    if kind.base == "time with time zone":
        return time_local
    return lambda v: v


def _moment(source: Type, target: Type) -> Convert:
    local = _local(source)
    zoned = source.base == "timestamp with time zone"
    p = target.precision
    if target.base == "date":
        return lambda v: local(v) // m.DAY
    if target.base == "timestamp":
        return lambda v: m.rescale(local(v), p)
    if target.base == "timestamp with time zone":
        return (lambda v: (m.rescale(v[0], p), v[1])) if zoned else (lambda v: (m.rescale(local(v), p), "UTC"))
    if target.base == "time":
        return lambda v: m.rescale(local(v) % m.DAY, p) % m.DAY
    if source.base == "time with time zone":
        return lambda v: ((m.rescale(time_local(v), p) - v[1] * 60 * m.SECOND) % m.DAY, v[1])

    def with_offset(value: Any) -> tuple[int, int]:
        # The offset at the moment that the clock would show in UTC, as Trino takes it.
        offset = m.offset_of(local(value), value[1]) // 60 if zoned else 0
        return (m.rescale(local(value) % m.DAY, p) - offset * 60 * m.SECOND) % m.DAY, offset

    return with_offset


def caster(source: Type, target: Type) -> Convert:
    """Return a function that converts a value (None stays None in nested ones). The pair is one that Trino has."""
    if source.base == "json":
        return jsons.reader(target)
    if target.base == "json":
        return jsons.writer(source)
    if target.base in ("varchar", "char"):
        return _to_text(source, target)
    if source.base == "varchar":
        return _from_text(target)
    if source.base == "char":
        inner = _from_text(target)
        return lambda v: inner(v.ljust(source.width) if target.base == "varbinary" else v)
    if source.args:
        return _nested(source, target)
    if target.is_integer:
        return lambda v: to_integer(v, target)
    if target.base == "decimal":
        return lambda v: to_decimal(v, target, single=source.base == "real")
    if target.base in ("real", "double"):
        return float
    if target.base == "boolean":
        return lambda v: bool(v != 0)
    if source.base == "varbinary" and target.base == "uuid":
        return _uuid_of
    if target.base == "varbinary" and source.base == "uuid":
        return lambda v: uuid.UUID(v).bytes
    if source.base == "varbinary" and target.base == "ipaddress":
        return _address_of
    if target.base == "varbinary" and source.base == "ipaddress":
        return bytes
    if source.base in ("date", "timestamp", "timestamp with time zone", "time", "time with time zone"):
        return _moment(source, target) if source.base != target.base or target.base != "date" else (lambda v: v)
    return lambda v: v


def _uuid_of(value: bytes) -> str:
    if len(value) != 16:
        raise Failure("INVALID_CAST_ARGUMENT", f"Invalid UUID binary length: {len(value)}")
    return str(uuid.UUID(bytes=value))


def _address_of(value: bytes) -> bytes:
    if len(value) not in (4, 16):
        raise Failure("INVALID_CAST_ARGUMENT", f"Invalid InetAddress binary length: {len(value)}")
    return value if len(value) == 16 else b"\0" * 10 + b"\xff\xff" + value


def _to_text(source: Type, target: Type) -> Convert:
    show: Convert = (lambda v: v) if source.base == "varchar" else varchar_text(source)
    length = target.length
    if target.base == "char":
        return lambda v: show(v)[: target.width].rstrip(" ")
    if length is None:
        return show
    if source.is_text:
        return lambda v: show(v)[:length]

    def bounded(value: Any) -> str:
        text: str = show(value)
        if len(text) > length:
            raise Failure("INVALID_CAST_ARGUMENT", f"Value {text} cannot be represented as {target}")
        return text

    return bounded


def _nested(source: Type, target: Type) -> Convert:
    parts = [
        caster(a, b) if a != b or b.length is not None else (lambda v: v)
        for a, b in zip(source.args, target.args, strict=True)
    ]

    def each(convert: Convert) -> Convert:
        return lambda v: None if v is None else convert(v)

    wrapped = [each(p) for p in parts]
    if target.base == "array":
        return lambda v: [wrapped[0](x) for x in v]
    if target.base == "map":
        return lambda v: distinct_keys([(wrapped[0](k), wrapped[1](x)) for k, x in v])
    return lambda v: tuple(f(x) for f, x in zip(wrapped, v, strict=True))


def distinct_keys(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return the pairs of a map that a conversion made. Raises Failure for a key that is NULL or twice."""
    if any(k is None for k, _ in pairs):
        raise Failure("INVALID_CAST_ARGUMENT", "map key is null")
    if len({repr(k) for k, _ in pairs}) != len(pairs):
        raise Failure("INVALID_CAST_ARGUMENT", "duplicate keys")
    return pairs


FUNCTIONS = {
    "cast": generic(lambda arguments, result: caster(arguments[0], result)),
    "show": generic(lambda arguments, _result: shower(arguments[0])),
}
