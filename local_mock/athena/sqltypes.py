"""Trino's types: parsing of Hive and Trino names, coercion rules, and the DuckDB type that carries each.

A `Type` is immutable. What DuckDB has no type for is carried by another one: intervals by whole numbers
(milliseconds, months), times by picoseconds, timestamps of more than 6 digits by picoseconds, values with a zone by
an instant and the zone's name, json by canonical text, char without its padding. `zone` and `length` are what is
known of all values of an expression; they take no part in comparing types.
Source: https://trino.io/docs/current/language/types.html
"""

# ruff: noqa: E501, PLR0911 - one branch a kind
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from local_mock.athena.errors import QueryError

__all__ = [
    "BIGINT", "BOOLEAN", "DATE", "DAY_TO_SECOND", "DOUBLE", "INTEGER", "JSON", "REAL", "SMALLINT", "TIME", "TIMESTAMP",
    "TIMESTAMP_TZ", "TINYINT", "UNKNOWN", "VARBINARY", "VARCHAR", "YEAR_TO_MONTH", "Type", "array", "common_type",
    "decimal", "is_coercible", "map_of", "parse_type", "row",
]  # fmt: skip

Item = TypeVar("Item")
_INTEGERS = ("tinyint", "smallint", "integer", "bigint")
_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
_DUCKDB = {
    "tinyint": "TINYINT", "smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT", "real": "FLOAT",
    "double": "DOUBLE", "boolean": "BOOLEAN", "varchar": "VARCHAR", "char": "VARCHAR", "varbinary": "BLOB",
    "date": "DATE", "timestamp": "TIMESTAMP", "timestamp with time zone": "STRUCT(u HUGEINT, z VARCHAR)",
    "time": "BIGINT", "time with time zone": "STRUCT(u BIGINT, o SMALLINT)", "json": "VARCHAR",
    "interval day to second": "BIGINT", "interval year to month": "INTEGER", "ipaddress": "BLOB", "uuid": "VARCHAR",
    "unknown": "INTEGER",
}  # fmt: skip
_ALIASES = {
    "int": "integer", "string": "varchar", "float": "real", "binary": "varbinary", "double precision": "double",
    "struct": "row", "dec": "decimal", "numeric": "decimal",
}  # fmt: skip


@dataclass(frozen=True)
class Type:
    """A Trino type: `base`, element types, field names (row), numbers (decimal, timestamp), zone."""

    base: str
    args: tuple[Type, ...] = ()
    names: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    zone: str = field(default="", compare=False)
    length: int | None = field(default=None, compare=False)

    def __str__(self) -> str:
        if self.base == "row":
            fields = (f"{n} {a}" if n else str(a) for n, a in zip(self.names, self.args, strict=True))
            return f"row({', '.join(fields)})"
        if self.args:
            return f"{self.base}({', '.join(map(str, self.args))})"
        if self.base == "decimal":
            return f"decimal({self.numbers[0]},{self.numbers[1]})"
        if self.base in ("timestamp", "time"):
            return f"{self.base}({self.precision})"
        if self.base.endswith("with time zone"):
            return f"{self.base.split()[0]}({self.precision}) with time zone"
        if self.base == "char":
            return f"char({self.width})"
        return f"varchar({self.length})" if self.base == "varchar" and self.length is not None else self.base

    @property
    def spelled(self) -> str:
        """A name that `parse_type` takes back to the same type."""
        if self.base == "row":
            fields = (f'"{n}" {a.spelled}' if n else a.spelled for n, a in zip(self.names, self.args, strict=True))
            return f"row({', '.join(fields)})"
        if self.args:
            return f"{self.base}({', '.join(a.spelled for a in self.args)})"
        return str(self)

    @property
    def duckdb(self) -> str:
        """Name of the DuckDB type that carries the values."""
        if self.base == "decimal":
            return f"DECIMAL({self.numbers[0]},{self.numbers[1]})"
        if self.base == "array":
            return f"{self.args[0].duckdb}[]"
        if self.base == "map":
            return f"MAP({self.args[0].duckdb}, {self.args[1].duckdb})"
        if self.base == "row":
            fields = (f'"{n}" {a.duckdb}' for n, a in zip(self.field_keys, self.args, strict=True))
            return f"STRUCT({', '.join(fields)})"
        if self.base == "timestamp" and self.precision > 6:
            return "HUGEINT"
        return _DUCKDB[self.base]

    @property
    def field_keys(self) -> tuple[str, ...]:
        """Names of a row's fields in DuckDB (anonymous fields are `f0`, `f1`, …)."""
        return tuple(name.replace('"', "") or f"f{i}" for i, name in enumerate(self.names))

    @property
    def precision(self) -> int:
        return self.numbers[0] if self.numbers else 3

    @property
    def is_integer(self) -> bool:
        return self.base in _INTEGERS

    @property
    def is_numeric(self) -> bool:
        return self.is_integer or self.base in ("decimal", "real", "double")

    @property
    def is_temporal(self) -> bool:
        return self.base in ("date", "timestamp", "timestamp with time zone")

    @property
    def width(self) -> int:
        """Characters of a char."""
        return 1 if self.length is None else self.length

    @property
    def is_time(self) -> bool:
        return self.base in ("time", "time with time zone")

    @property
    def is_interval(self) -> bool:
        return self.base.startswith("interval")

    @property
    def is_text(self) -> bool:
        return self.base in ("varchar", "char")

    @property
    def orderable(self) -> bool:
        return self.base not in ("map", "json") and all(a.orderable for a in self.args)

    @property
    def plain(self) -> bool:
        """Return whether DuckDB's comparison and grouping of the values are Trino's (NaN aside)."""
        return not self.args and not self.base.endswith("with time zone") and self.base not in ("map",)

    def with_facts(self, *, zone: str = "", length: int | None = None) -> Type:
        """Return the same type with what is known of its values."""
        return replace(self, zone=zone, length=length)

    @property
    def hive(self) -> str:
        """Name in the Glue catalog."""
        if self.base == "array":
            return f"array<{self.args[0].hive}>"
        if self.base == "map":
            return f"map<{self.args[0].hive},{self.args[1].hive}>"
        if self.base == "row":
            return f"struct<{','.join(f'{n}:{a.hive}' for n, a in zip(self.field_keys, self.args, strict=True))}>"
        if self.base in ("decimal", "varchar", "integer", "real", "varbinary", "timestamp"):
            names = {"integer": "int", "real": "float", "varbinary": "binary", "varchar": "string"}
            return names.get(self.base, str(self) if self.base == "decimal" else self.base)
        if self.base == "char":
            return f"char({self.width})"
        if self.base in ("tinyint", "smallint", "bigint", "double", "boolean", "date"):
            return self.base
        raise QueryError("NOT_SUPPORTED", f"Unsupported Hive type: {self}")


UNKNOWN = Type("unknown")
BOOLEAN = Type("boolean")
TINYINT = Type("tinyint")
SMALLINT = Type("smallint")
INTEGER = Type("integer")
BIGINT = Type("bigint")
REAL = Type("real")
DOUBLE = Type("double")
VARCHAR = Type("varchar")
VARBINARY = Type("varbinary")
DATE = Type("date")
TIMESTAMP = Type("timestamp", numbers=(3,))
JSON = Type("json")
TIME = Type("time", numbers=(3,))
DAY_TO_SECOND = Type("interval day to second")
YEAR_TO_MONTH = Type("interval year to month")
TIMESTAMP_TZ = Type("timestamp with time zone", numbers=(3,))


def decimal(precision: int, scale: int) -> Type:
    """Return `decimal(p, s)` with p cut to 38 as Trino cuts it."""
    return Type("decimal", numbers=(min(38, max(precision, 1)), scale))


def array(item: Type) -> Type:
    return Type("array", (item,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", (key, value))


def row(fields: dict[str, Type] | list[tuple[str, Type]]) -> Type:
    pairs = list(fields.items()) if isinstance(fields, dict) else fields
    return Type("row", tuple(t for _, t in pairs), tuple(n for n, _ in pairs))


_TOKEN = re.compile(r'\s*("(?:[^"]|"")*"|`[^`]*`|[A-Za-z_0-9$]+|[<>(),:])')


def parse_type(text: str) -> Type:
    """Return the type that a Hive (`array<int>`) or Trino (`array(integer)`) name means. Raises QueryError."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s+", "", text) and not re.search(
        r"\bwith\b|\bwithout\b|\bprecision\b|\binterval\b", text, re.I
    ):
        raise QueryError("TYPE_NOT_FOUND", f"Unknown type: {text}")
    parser = _TypeParser(tokens, text)
    parsed = parser.type()
    if parser.tokens[parser.i :]:
        raise QueryError("TYPE_NOT_FOUND", f"Unknown type: {text}")
    return parsed


class _TypeParser:
    def __init__(self, tokens: list[str], text: str) -> None:
        self.tokens, self.text, self.i = tokens, text, 0

    def peek(self) -> str:
        return self.tokens[self.i].lower() if self.i < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        if self.i >= len(self.tokens) or (wanted and self.peek() not in wanted):
            raise QueryError("TYPE_NOT_FOUND", f"Unknown type: {self.text}")
        self.i += 1
        return self.tokens[self.i - 1]

    def type(self) -> Type:
        name = self.take().lower()
        name = _ALIASES.get(name, name)
        if name == "double" and self.peek() == "precision":
            self.take()
        if name in ("array", "map"):
            return Type(name, tuple(self.items(self.type)))
        if name == "row":
            return row(self.items(self.field))
        numbers = tuple(int(n) for n in self.items(self.take)) if self.peek() == "(" else ()
        if name == "decimal":
            precision, scale = (*numbers, *((38, 0)[len(numbers) :]))
            if not 1 <= precision <= 38 or scale > precision:
                raise QueryError("TYPE_NOT_FOUND", f"Invalid decimal type: {self.text}")
            return decimal(precision, scale)
        if name in ("timestamp", "time"):
            zoned = self.peek() == "with"
            if zoned or self.peek() == "without":
                for word in ("with", "without"), ("time",), ("zone",):
                    self.take(*word)
            if numbers and numbers[0] > 12:
                raise QueryError(
                    "INVALID_TYPE_PARAMETER", f"{name.upper()} precision must be in range [0, 12]: {numbers[0]}"
                )
            return Type(f"{name} with time zone" if zoned else name, numbers=numbers or (3,))
        if name == "interval":
            first, _, last = self.take("day", "year"), self.take("to"), self.take("second", "month")
            return Type(f"interval {first.lower()} to {last.lower()}")
        if name not in _DUCKDB:
            raise QueryError("TYPE_NOT_FOUND", f"Unknown type: {self.text}")
        if name == "char":
            return Type(name, length=numbers[0] if numbers else 1)
        return Type(name, length=numbers[0] if numbers and name == "varchar" else None)

    def items(self, one: Callable[[], Item]) -> list[Item]:
        self.take("(", "<")
        members = [one()]
        while self.peek() == ",":
            self.take()
            members.append(one())
        self.take(")", ">")
        return members

    def field(self) -> tuple[str, Type]:
        after = self.tokens[self.i + 1] if self.i + 1 < len(self.tokens) else ""
        if after in (",", ")", "(", "<", ">"):
            return "", self.type()
        name = self.take().strip('"`').lower()
        if self.peek() == ":":
            self.take()
        return name, self.type()


def as_decimal(kind: Type) -> Type:
    """Return the decimal that holds every value of an integer type."""
    return kind if kind.base == "decimal" else decimal(_DIGITS[kind.base], 0)


def common_type(left: Type, right: Type) -> Type | None:
    """Return the type both coerce to, None if there is none (varchar and integer, say)."""
    if right == left:
        zone = left.zone if left.zone == right.zone else ""
        length = max(left.length, right.length) if left.length is not None and right.length is not None else None
        return left if (zone, length) == (left.zone, left.length) else left.with_facts(zone=zone, length=length)
    if right == UNKNOWN:
        return left
    if left == UNKNOWN:
        return right
    if left.is_numeric and right.is_numeric:
        return _common_number(left, right)
    if left.is_temporal and right.is_temporal:
        ranked = sorted(
            (left, right), key=lambda t: ("date", "timestamp", "timestamp with time zone").index(t.base)
        )
        if ranked[0].base == "date":
            return ranked[1].with_facts(zone=ranked[1].zone or "UTC" if ranked[1].base.endswith("zone") else "")
        zones = {t.zone if t.base.endswith("zone") else "UTC" for t in ranked}
        zone = zones.pop() if len(zones) == 1 and ranked[1].base.endswith("zone") else ""
        return Type(ranked[1].base, numbers=(max(left.precision, right.precision),), zone=zone)
    if left.is_time and right.is_time:
        base = "time" if left.base == right.base == "time" else "time with time zone"
        return Type(base, numbers=(max(left.precision, right.precision),))
    if {left.base, right.base} == {"varchar", "char"}:
        return Type("char", length=max(left.length or 0, right.length or 0) or 1)
    if left.base == right.base and len(left.args) == len(right.args) and left.args:
        merged = [common_type(a, b) for a, b in zip(left.args, right.args, strict=True)]
        args = tuple(m for m in merged if m is not None)
        names = tuple(a if a == b else "" for a, b in zip(left.names, right.names, strict=True))
        return Type(left.base, args, names) if len(args) == len(merged) else None
    return left if left.base == right.base and not left.args else None


def _common_number(left: Type, right: Type) -> Type:
    for base in ("double", "real"):
        if base in (left.base, right.base):
            return Type(base)
    if left.is_integer and right.is_integer:
        return max(left, right, key=lambda t: _INTEGERS.index(t.base))
    (p1, s1), (p2, s2) = as_decimal(left).numbers, as_decimal(right).numbers
    scale = max(s1, s2)
    return decimal(max(p1 - s1, p2 - s2) + scale, scale)


def is_coercible(source: Type, target: Type) -> bool:
    """Return whether Trino widens `source` to `target` by itself; the names of a row's fields may differ."""
    if source.args and source.base == target.base and len(source.args) == len(target.args):
        return all(map(is_coercible, source.args, target.args))
    return common_type(source, target) == target
