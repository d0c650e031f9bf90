"""Literals: numbers, texts, typed ones (`DATE '…'`), intervals.

A number with a point is a DOUBLE on Athena, a DECIMAL only as `DECIMAL '…'`.
Source: https://docs.aws.amazon.com/athena/latest/ug/data-types.html, https://trino.io/docs/current/language/types.html
"""

from __future__ import annotations

import re

from sqlglot import exp

from local_mock.athena.dialect import position
from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.functions import moments as m
from local_mock.athena.sqltypes import (
    BIGINT,
    DAY_TO_SECOND,
    DOUBLE,
    INTEGER,
    VARCHAR,
    YEAR_TO_MONTH,
    Type,
    decimal,
)
from local_mock.athena.translate.relations import Typed, text

__all__ = ["interval", "number", "string", "typed"]


def string(value: str) -> Typed:
    return Typed(text(value), VARCHAR.with_facts(length=len(value)), value)


def number(node: exp.Literal) -> Typed:
    """Return `1`, `1.5`, `1e3`. Raises QueryError for a whole number beyond bigint."""
    value = str(node.this)
    if "e" in value.lower() or "." in value:
        return Typed(f"CAST('{value}' AS DOUBLE)", DOUBLE, float(value))
    whole = int(value)
    if whole > 2**63 - 1:
        raise QueryError("INVALID_LITERAL", f"{at(position(node))}Invalid numeric literal: {value}")
    kind = INTEGER if whole < 2**31 else BIGINT
    return Typed(f"CAST({whole} AS {kind.duckdb})", kind, whole)


def typed(value: str, kind: Type, node: exp.Expression) -> Typed | None:
    """Return `TIMESTAMP '…'` and the like in the written precision; None for a type without a rule of its own."""
    where = at(position(node))
    if kind.base == "decimal":
        return _decimal(value, where)
    if kind.base == "char":
        kept = Type("char", length=max(len(value), 1))
        return Typed(text(value.rstrip(" ")), kept)
    if kind.base == "date":
        days = m.parse_date(value)
        if days is None:
            raise QueryError("INVALID_LITERAL", f"{where}'{value}' is not a valid DATE literal")
        year = m.civil(days)[0]
        sql = (
            f"CAST({text(m.show_date(days))} AS DATE)"
            if 1 <= year <= 9999
            else f"(DATE '1970-01-01' + CAST({days} AS INTEGER))"
        )
        return Typed(sql, kind, m.show_date(days))
    if kind.base.startswith("timestamp"):
        return _timestamp(value, where)
    if kind.base.startswith("time"):
        return _time(value, where)
    return None


def _decimal(value: str, where: str) -> Typed:
    match = re.fullmatch(r"([+-]?)(\d*)(?:\.(\d*))?", value.strip())
    if match is None or not (match.group(2) or match.group(3)):
        raise QueryError("INVALID_LITERAL", f"{where}'{value}' is not a valid DECIMAL literal")
    whole, part = match.group(2).lstrip("0"), match.group(3) or ""
    precision = max(len(whole) + len(part), 1)
    if precision > 38:
        raise QueryError("INVALID_LITERAL", f"{where}'{value}' is not a valid DECIMAL literal")
    kind = decimal(precision, len(part))
    exact = f"{match.group(1)}{whole or '0'}.{part}"
    return Typed(f"CAST('{exact}' AS {kind.duckdb})", kind, float(exact))


def _timestamp(value: str, where: str) -> Typed:
    parsed = m.parse_timestamp(value)
    if parsed is None:
        raise QueryError("INVALID_LITERAL", f"{where}'{value}' is not a valid TIMESTAMP literal")
    picos, digits, zone = parsed
    if zone is not None:
        kind = Type("timestamp with time zone", numbers=(digits,), zone=zone)
        return Typed(f"{{'u': CAST({m.from_local(picos, zone)} AS HUGEINT), 'z': {text(zone)}}}", kind)
    kind = Type("timestamp", numbers=(digits,))
    if digits > 6:
        return Typed(f"CAST({picos} AS HUGEINT)", kind)
    return Typed(f"make_timestamp(CAST({picos // 10**6} AS BIGINT))", kind, m.show_timestamp(picos, 6))


def _time(value: str, where: str) -> Typed:
    parsed = m.parse_time(value)
    if parsed is None:
        raise QueryError("INVALID_LITERAL", f"{where}'{value}' is not a valid TIME literal")
    picos, digits, offset = parsed
    if offset is None:
        return Typed(f"CAST({picos} AS BIGINT)", Type("time", numbers=(digits,)))
    utc = (picos - offset * 60 * m.SECOND) % m.DAY
    kind = Type("time with time zone", numbers=(digits,))
    return Typed(f"CAST({{'u': {utc}, 'o': {offset}}} AS {kind.duckdb})", kind)


# --- intervals --------------------------------------------------------------------------------------------
_MILLIS = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1000}
_FIELDS = ("day", "hour", "minute", "second")
_PATTERNS = {
    "day": r"(\d+)", "hour": r"(\d+)", "minute": r"(\d+)", "second": r"(\d+(?:\.\d{1,9})?)",
}  # fmt: skip


def interval(node: exp.Interval) -> Typed:
    """Return `INTERVAL '1 2:03' DAY TO MINUTE`."""
    value, sign = node.this, 1
    while isinstance(value, exp.Neg):
        value, sign = value.this, -sign
    unit = node.args.get("unit")
    if unit is None or not isinstance(value, exp.Literal) or not value.is_string:
        raise not_supported(f"the interval {node.sql(dialect='trino')}", position(node))
    names = [unit.this, unit.expression] if isinstance(unit, exp.IntervalSpan) else [unit]
    first, *rest = (str(n.name).lower() for n in names)
    written = str(value.this).strip()
    if written[:1] in "+-" and written:
        sign, written = (-sign if written[0] == "-" else sign), written[1:]
    last = rest[0] if rest else first
    size = _months(written, first, last) if first in ("year", "month") else _millis(written, first, last)
    if size is None:
        raise QueryError("INVALID_LITERAL", f"{at(position(node))}'{value.this}' is not a valid INTERVAL literal")
    amount, kind = size
    if not -(1 << 63) <= amount < 1 << 63 or (kind == YEAR_TO_MONTH and amount >= 1 << 31):
        raise QueryError("INVALID_LITERAL", f"{at(position(node))}'{value.this}' is not a valid INTERVAL literal")
    return Typed(f"CAST({sign * amount} AS {kind.duckdb})", kind)


def _months(written: str, first: str, last: str) -> tuple[int, Type] | None:
    if (first, last) == ("year", "month"):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", written)
        return (int(match.group(1)) * 12 + int(match.group(2) or 0), YEAR_TO_MONTH) if match else None
    if first != last or not written.isdigit():
        return None
    return int(written) * (12 if first == "year" else 1), YEAR_TO_MONTH


def _millis(written: str, first: str, last: str) -> tuple[int, Type] | None:
    if first not in _FIELDS or last not in _FIELDS or _FIELDS.index(first) > _FIELDS.index(last):
        return None
    fields = _FIELDS[_FIELDS.index(first) : _FIELDS.index(last) + 1]
    pattern = ""
    for i, name in enumerate(fields):
        separator = "" if i == 0 else r"\s+" if fields[i - 1] == "day" else ":"
        pattern += f"{separator}{_PATTERNS[name]}" if i == 0 else f"(?:{separator}{_PATTERNS[name]}"
    match = re.fullmatch(pattern + ")?" * (len(fields) - 1), written)
    if match is None:
        return None
    total = 0
    for name, part in zip(fields, match.groups(), strict=True):
        whole, _, digits = (part or "0").partition(".")
        total += int(whole) * _MILLIS[name] + int(digits[:3].ljust(3, "0") if digits else 0)
    return total, DAY_TO_SECOND
