"""Types of Parquet files in Hive's vocabulary, and how the schemas of several labs become one. Pure.

AWS documents no table of the crawler's merges. What is done here: numbers widen, what has no common type becomes
`string`, as crawlers are seen to do. Athena then refuses each Parquet file whose stored type is not the table's,
so `merge` names those files; also where the widening itself is what Athena refuses (an integer in a `double`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

__all__ = ["EXAMPLES", "Conflict", "columns_of", "hive_type", "merge", "readable", "similarity", "wider"]

EXAMPLES = 20  # files of a conflict that are named; beyond it they are counted
_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_FLOATS = ("float", "double")
_NULL = "void"  # a column that is null in every row of a file: any other type wins
_MAX_PRECISION = 38
_EXACT: Mapping[pa.DataType, str] = {
    pa.int8(): "tinyint", pa.int16(): "smallint", pa.int32(): "int", pa.int64(): "bigint",
    pa.uint8(): "smallint", pa.uint16(): "int", pa.uint32(): "bigint", pa.uint64(): "decimal(20,0)",
    pa.float16(): "float", pa.float32(): "float", pa.float64(): "double", pa.bool_(): "boolean",
    pa.string(): "string", pa.large_string(): "string", pa.string_view(): "string",
    pa.binary(): "binary", pa.large_binary(): "binary", pa.date32(): "date", pa.date64(): "date",
    pa.null(): _NULL,
}  # fmt: skip


def hive_type(type_: pa.DataType) -> str:
    """Return Hive's name for an Arrow type; `string` for one that Hive lacks."""
    name = _EXACT.get(type_, "string")
    if pa.types.is_timestamp(type_):
        name = "timestamp"
    elif pa.types.is_decimal(type_):
        name = f"decimal({type_.precision},{type_.scale})"
    elif pa.types.is_dictionary(type_):
        name = hive_type(type_.value_type)
    elif pa.types.is_fixed_size_binary(type_):
        name = "binary"
    elif pa.types.is_map(type_):
        name = f"map<{hive_type(type_.key_type)},{hive_type(type_.item_type)}>"
    elif pa.types.is_struct(type_):
        name = "struct<" + ",".join(f"{field.name}:{hive_type(field.type)}" for field in type_) + ">"
    elif pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        name = f"array<{hive_type(type_.value_type)}>"
    return name


def columns_of(schema: pa.Schema) -> dict[str, str]:
    """Return column (lower case, as the catalog keeps it) -> Hive type, in the file's order."""
    return {field.name.lower(): hive_type(field.type) for field in schema}


def wider(left: str, right: str) -> str | None:
    """Return the narrowest type that holds both; None if none does.

    int→bigint, float→double, integer and float→double, decimals to one that holds the digits of both,
    binary→string (old writers leave the mark of a text column out), and the same within `array<…>`.
    """
    both = {left, right} - ({_NULL} if left != right else set())
    wide: str | None = None
    if len(both) == 1:
        wide = both.pop()
    elif both <= {*_INTEGERS}:
        wide = max(both, key=_INTEGERS.index)
    elif both <= {*_INTEGERS, *_FLOATS}:
        wide = "double"
    elif both == {"binary", "string"}:
        wide = "string"
    elif all(name.startswith("decimal(") for name in both):
        wide = _wider_decimal(left, right)
    elif all(name.startswith("array<") for name in both):
        element = wider(_element(left), _element(right))
        wide = element and f"array<{element}>"
    return wide


def readable(stored: str, declared: str) -> bool:
    """Return whether Athena reads a Parquet column stored as `stored` in a table that says `declared`.

    Narrower integers and floats are read as wider ones; an integer is not read as `double`, nor a number as
    `string`: https://docs.aws.amazon.com/athena/latest/ug/handling-schema-updates-chapter.html
    """
    if stored in (declared, _NULL) or (stored, declared) == ("binary", "string"):
        return True
    for family in (_INTEGERS, _FLOATS):
        if stored in family and declared in family:
            return family.index(stored) <= family.index(declared)
    if stored.startswith("array<") and declared.startswith("array<"):
        return readable(_element(stored), _element(declared))
    return stored.startswith("decimal(") and declared.startswith("decimal(")


def similarity(left: Mapping[str, str], right: Mapping[str, str]) -> float:
    """Return the share of (column, type) pairs that both have in common, 0..1; numbers count as one type.

    AWS names the threshold (0.7), not the measure; this is ours.
    """
    names = left.keys() | right.keys()
    same = [name for name in left.keys() & right.keys() if wider(left[name], right[name])]
    return len(same) / len(names) if names else 1.0


def _element(array: str) -> str:
    return array.removeprefix("array<").removesuffix(">")


def _wider_decimal(left: str, right: str) -> str | None:
    digits, scale = 0, 0
    for name in (left, right):
        precision, its_scale = (int(n) for n in name.removeprefix("decimal(").removesuffix(")").split(","))
        digits, scale = max(digits, precision - its_scale), max(scale, its_scale)
    return f"decimal({digits + scale},{scale})" if digits + scale <= _MAX_PRECISION else None


@dataclass(frozen=True)
class StoredType:
    """Files that store a column in one type: how many, and the names of the first ones."""

    type: str
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Conflict:
    """A column that Athena cannot read in every file. `type` is the table's; `stored` begins with the rarest."""

    column: str
    type: str
    stored: tuple[StoredType, ...]

    @property
    def refused(self) -> int:
        """Files that Athena refuses as soon as a query needs the column."""
        return sum(item.count for item in self.stored if not readable(item.type, self.type))

    def as_dict(self) -> dict[str, object]:
        """Return the schema as a dictionary for JSON."""
        stored = [{"type": s.type, "files": s.count, "examples": list(s.names)} for s in self.stored]
        return {"column": self.column, "type": self.type, "refused": self.refused, "stored": stored}

    def __str__(self) -> str:
        kinds = ", ".join(f"{s.type} in {_files(s)}" for s in self.stored)
        types = " or ".join(s.type for s in self.stored if not readable(s.type, self.type))
        return (
            f"column {self.column} has types that disagree: the table says {self.type}, so a query of it that "
            f"meets a file with {types} ({self.refused:,} in all) fails with HIVE_BAD_DATA. Write these files "
            f"again, or exclude them. It is {kinds}."
        )


def _files(stored: StoredType) -> str:
    count = f"{stored.count:,} file{'s' if stored.count > 1 else ''}"
    if not stored.names:
        return count
    more = f" and {stored.count - len(stored.names):,} more" if stored.count > len(stored.names) else ""
    return f"{count} ({', '.join(stored.names)}{more})"


@dataclass
class _Column:
    type: str = _NULL
    counts: dict[str, int] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, type_: str) -> None:
        seen = self.counts.get(type_, 0)
        self.counts[type_] = seen + 1
        if seen == 0:
            self.type = wider(self.type, type_) or "string"
            self.names[type_] = []
        if seen < EXAMPLES:
            self.names[type_].append(name)


def merge(schemas: Iterable[tuple[str, Mapping[str, str]]]) -> tuple[dict[str, str], list[Conflict]]:
    """Return one schema for many files, and the columns that Athena cannot read in all of them.

    Parameters
    ----------
    schemas : (name of the file, column -> Hive type) pairs. Memory does not grow with their number.

    Returns
    -------
    (columns, conflicts): the union of the columns in order of first appearance. A column whose types cannot be
    widened becomes `string`; a column that is null everywhere too.
    """
    merged: dict[str, _Column] = {}
    for name, columns in schemas:
        for column, type_ in columns.items():
            merged.setdefault(column, _Column()).add(name, type_)
    types = {name: "string" if column.type == _NULL else column.type for name, column in merged.items()}
    conflicts = [
        _conflict(name, types[name], column)
        for name, column in merged.items()
        if not all(readable(type_, types[name]) for type_ in column.counts)
    ]
    return types, conflicts


def _conflict(name: str, type_: str, column: _Column) -> Conflict:
    """Return the examples to name, EXAMPLES in all: of the rarest types first, the likely culprits."""
    left, stored = EXAMPLES, []
    for kind, count in sorted(column.counts.items(), key=lambda item: item[1]):
        if kind != _NULL:
            names = tuple(column.names[kind][:left])
            left -= len(names)
            stored.append(StoredType(kind, count, names))
    return Conflict(name, type_, tuple(stored))
