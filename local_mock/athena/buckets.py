"""Buckets of CTAS: rows are laid into a fixed number of files by Hive's hash of some columns.

Sources: https://docs.aws.amazon.com/athena/latest/ug/ctas-partitioning-and-bucketing.html, Trino's HiveBucketingV1.
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.sqltypes import Type

__all__ = ["HashBuckets", "buckets_of"]

MAX_BUCKETS = 100  # https://docs.aws.amazon.com/athena/latest/ug/ctas-insert-into.html


@dataclass(frozen=True)
class HashBuckets:
    """The columns that are hashed, and the number of files."""

    columns: tuple[str, ...]
    count: int

    def split(self, rows: pa.Table, kinds: list[Type]) -> list[pa.Table]:
        """Return the rows of each bucket, without the empty ones."""
        hashes = [_hash_of(kinds[rows.column_names.index(name)]) for name in self.columns]
        columns = [rows.column(name).to_pylist() for name in self.columns]
        members: list[list[int]] = [[] for _ in range(self.count)]
        for number, values in enumerate(zip(*columns, strict=True)):
            code = 0
            for value, hash_of in zip(values, hashes, strict=True):
                code = _int32(31 * code + (0 if value is None else hash_of(value)))
            members[(code & 0x7FFFFFFF) % self.count].append(number)
        return [rows.take(pa.array(numbers, pa.int64())) for numbers in members if numbers]


def buckets_of(settings: dict[str, Any], names: list[str], keys: list[str]) -> HashBuckets | None:
    """Return the buckets that `bucketed_by` and `bucket_count` ask for. Raises QueryError INVALID_TABLE_PROPERTY."""
    columns, count = settings.get("bucketed_by"), settings.get("bucket_count")
    if columns is None and count is None:
        return None
    if not columns or not str(count).isdigit() or not 1 <= int(str(count)) <= MAX_BUCKETS:
        raise QueryError(
            "INVALID_TABLE_PROPERTY",
            f"bucketed_by and bucket_count (1 to {MAX_BUCKETS}) are given together, but are {columns} and {count}",
        )
    unknown = [name for name in columns if name not in names or name in keys]
    if unknown:
        raise QueryError("INVALID_TABLE_PROPERTY", f"Bucketing columns {unknown} not present in schema")
    return HashBuckets(tuple(columns), int(str(count)))


def _int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def _text_hash(value: str) -> int:
    code = 0
    for byte in value.encode():
        code = _int32(31 * code + (byte - 256 if byte > 127 else byte))
    return code


def _hash_of(kind: Type) -> Callable[[Any], int]:
    """Return Hive's hash of the values of a type."""
    if kind.base in ("tinyint", "smallint", "integer"):
        return int
    if kind.base == "bigint":
        return lambda v: _int32((v ^ (v % 2**64 >> 32)) % 2**32)
    if kind.base == "varchar":
        return _text_hash
    if kind.base == "boolean":
        return int
    if kind.base == "date":
        return lambda v: v.toordinal() - dt.date(1970, 1, 1).toordinal()
    if kind.base == "double":
        return lambda v: _int32((b := struct.unpack(">Q", struct.pack(">d", v))[0]) ^ (b >> 32))
    raise not_supported(f"bucketing by {kind}")
