"""Types of Parquet files in Hive's vocabulary, and how the schemas of several labs become one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

__all__ = ["columns_of", "hive_type", "merge", "wider"]

_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_FLOATS = ("float", "double")
_NULL = "void"  # a column that is null in every row of a file: any other type wins
_EXACT: Mapping[pa.DataType, str] = {
    pa.int8(): "tinyint", pa.int16(): "smallint", pa.int32(): "int", pa.int64(): "bigint",
    pa.uint8(): "smallint", pa.uint16(): "int", pa.uint32(): "bigint", pa.uint64(): "decimal(20,0)",
    pa.float16(): "float", pa.float32(): "float", pa.float64(): "double", pa.bool_(): "boolean",
    pa.string(): "string", pa.large_string(): "string", pa.string_view(): "string",
    pa.binary(): "binary", pa.large_binary(): "binary", pa.date32(): "date", pa.date64(): "date",
    pa.null(): _NULL,
}  # fmt: skip


def hive_type(type_: pa.DataType) -> str:
    """Hive's name for an Arrow type; `string` for one that Hive lacks."""
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
    """Column (lower case, as the catalog keeps it) -> Hive type, in the file's order."""
    return {field.name.lower(): hive_type(field.type) for field in schema}


def wider(left: str, right: str) -> str | None:
    """The narrowest type that holds both: int→bigint, float→double, integer and float→double; None if none."""
    if right in (left, _NULL):
        return left
    if left == _NULL:
        return right
    if left in _INTEGERS and right in _INTEGERS:
        return max(left, right, key=_INTEGERS.index)
    numbers = _INTEGERS + _FLOATS
    if left in numbers and right in numbers:
        return "double"
    return None


def merge(schemas: Iterable[tuple[str, Mapping[str, str]]]) -> tuple[dict[str, str], list[str]]:
    """One schema for many files, and a sentence for each conflict.

    Parameters
    ----------
    schemas : (name of the file, column -> Hive type) pairs.

    Returns
    -------
    (columns, problems): the union of the columns in order of first appearance. A column whose types cannot be
    widened becomes `string`; a column that is null everywhere too.
    """
    merged: dict[str, str] = {}
    first: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, columns in schemas:
        for column, type_ in columns.items():
            if column not in merged:
                merged[column], first[column] = type_, name
                continue
            both = wider(merged[column], type_)
            if both is None and column not in problems:
                problems[column] = (
                    f"Column {column} is {merged[column]} in {first[column]} but {type_} in {name}: no type holds "
                    "both, so the table says string."
                )
            merged[column] = both or "string"
            if column in problems:
                merged[column] = "string"
    columns = {column: "string" if type_ == _NULL else type_ for column, type_ in merged.items()}
    return columns, list(problems.values())
