"""Athena's types and Iceberg's, and partition transforms in the spelling of DDL and of CTAS.

Source: https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-supported-data-types.html
"""

# ruff: noqa: E501, PLR0911 - one line a message or signature; one branch a kind
from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count
from typing import Any

from pyiceberg import types as t
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import parse_transform

from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.sqltypes import Type, array, map_of, row

__all__ = ["iceberg_type", "parse_partitioning", "partition_spec", "schema_of", "trino_type"]

_PLAIN = {
    "boolean": t.BooleanType, "integer": t.IntegerType, "bigint": t.LongType, "real": t.FloatType, "double": t.DoubleType,
    "varchar": t.StringType, "varbinary": t.BinaryType, "date": t.DateType, "timestamp": t.TimestampType,
    "timestamp with time zone": t.TimestamptzType,
}  # fmt: skip
_BACK = {kind: Type(base) for base, kind in _PLAIN.items() if not base.startswith("timestamp")}


def schema_of(columns: Iterable[tuple[str, Type, str]]) -> Schema:
    """Return the Iceberg schema of columns (name, type, comment). Raises QueryError for types that Iceberg lacks."""
    listed = list(columns)
    ids = count(len(listed) + 1)  # Iceberg numbers the columns first, then what lies inside them
    fields = [
        t.NestedField(i, name, iceberg_type(kind, ids), required=False, doc=comment or None)
        for i, (name, kind, comment) in enumerate(listed, 1)
    ]
    return Schema(*fields)


def iceberg_type(kind: Type, ids: Any = None) -> Any:
    """Return Iceberg's type. Raises QueryError NOT_SUPPORTED as Athena does."""
    ids = ids if ids is not None else count(1)
    if kind.base == "decimal":
        return t.DecimalType(*kind.numbers)
    if kind.base == "array":
        return t.ListType(next(ids), iceberg_type(kind.args[0], ids), element_required=False)
    if kind.base == "map":
        key_id, value_id = next(ids), next(ids)
        return t.MapType(
            key_id,
            iceberg_type(kind.args[0], ids),
            value_id,
            iceberg_type(kind.args[1], ids),
            value_required=False,
        )
    if kind.base == "row":
        numbers = [next(ids) for _ in kind.args]
        return t.StructType(
            *(
                t.NestedField(number, name, iceberg_type(item, ids), required=False)
                for number, name, item in zip(numbers, kind.field_keys, kind.args, strict=True)
            )
        )
    if kind.base not in _PLAIN:
        raise QueryError("NOT_SUPPORTED", f"Type not supported for Iceberg: {kind}")
    return _PLAIN[kind.base]()


def trino_type(kind: Any) -> Type:
    """Return Trino's type of an Iceberg type. Raises QueryError for uuid, time and fixed."""
    if isinstance(kind, t.DecimalType):
        return Type("decimal", numbers=(kind.precision, kind.scale))
    if isinstance(kind, t.ListType):
        return array(trino_type(kind.element_type))
    if isinstance(kind, t.MapType):
        return map_of(trino_type(kind.key_type), trino_type(kind.value_type))
    if isinstance(kind, t.StructType):
        return row([(field.name.lower(), trino_type(field.field_type)) for field in kind.fields])
    if isinstance(kind, t.TimestampType):
        return Type("timestamp", numbers=(6,))
    if isinstance(kind, t.TimestamptzType):
        return Type("timestamp with time zone", numbers=(6,), zone="UTC")
    if type(kind) not in _BACK:
        raise not_supported(f"an Iceberg column of type {kind}")
    return _BACK[type(kind)]


def parse_partitioning(items: Iterable[str]) -> list[tuple[str, str]]:
    """Return (column, transform) of `col`, `month(col)`, `bucket(16, col)` (DDL) or `bucket(col, 16)` (CTAS)."""
    parsed = []
    for item in items:
        match = re.fullmatch(r"\s*(\w+)\s*\(\s*([^,()]+?)\s*(?:,\s*([^,()]+?)\s*)?\)\s*", item)
        if match is None:
            parsed.append((item.strip().strip('`"').lower(), "identity"))
            continue
        name, first, second = match.group(1).lower(), match.group(2), match.group(3)
        if name in ("bucket", "truncate") and second is not None:
            column, width = (second, first) if first.isdigit() else (first, second)
            if width.isdigit() and int(width) > 0:
                parsed.append((column.strip('`"').lower(), f"{name}[{width}]"))
                continue
        elif name.rstrip("s") in ("year", "month", "day", "hour") and second is None:
            parsed.append((first.strip('`"').lower(), name.rstrip("s")))
            continue
        raise QueryError("INVALID_TABLE_PROPERTY", f"Invalid partition field declaration: {item.strip()}")
    return parsed


def partition_spec(schema: Schema, partitioning: list[tuple[str, str]]) -> PartitionSpec:
    """Return the partition spec of (column, transform) pairs. Raises QueryError for columns or types that do not fit."""
    fields = []
    for number, (column, transform) in enumerate(partitioning, 1000):
        try:
            source = schema.find_field(column)
        except ValueError as err:
            raise QueryError("COLUMN_NOT_FOUND", f"Cannot find source column: {column}") from err
        made = parse_transform(transform)
        if not made.can_transform(source.field_type):
            raise QueryError(
                "NOT_SUPPORTED", f"Cannot transform {column} of type {source.field_type} by {transform}"
            )
        word = transform.partition("[")[0]
        suffix = {"identity": "", "truncate": "_trunc"}.get(word, f"_{word}")
        fields.append(PartitionField(source.field_id, number, made, f"{column}{suffix}"))
    return PartitionSpec(*fields)
