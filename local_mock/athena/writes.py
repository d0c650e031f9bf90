"""Write the files of CTAS, INSERT INTO and UNLOAD: one per partition and bucket, and the manifest.

Files are made in a scratch folder (`files.py`) and handed to `DataAccess`.
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote as url_quote

import pyarrow as pa
import pyarrow.compute as pc

from local_mock.athena.buckets import HashBuckets
from local_mock.athena.errors import QueryError
from local_mock.athena.files import SUFFIXES, write_file
from local_mock.athena.sqltypes import Type
from local_mock.athena.statements import split_values
from local_mock.athena.translate.queries import Compiled
from local_mock.data import DataAccess

__all__ = ["Written", "options", "write_rows"]

MAX_PARTITIONS = 100  # https://docs.aws.amazon.com/athena/latest/ug/ctas-insert-into.html


@dataclass
class Written:
    """URIs of the files, rows in all, and the partitions (values → location)."""

    files: list[str] = field(default_factory=list)
    rows: int = 0
    partitions: dict[tuple[str, ...], str] = field(default_factory=dict)


def options(listing: str) -> dict[str, Any]:
    """Return the WITH (…) of CTAS and UNLOAD: strings, arrays of strings, numbers."""
    values: dict[str, Any] = {}
    for item in split_values(listing):
        if not item:
            continue
        key, _, value = (part.strip() for part in item.partition("="))
        if value.upper().startswith("ARRAY"):
            values[key.lower()] = [name.lower() for name in re.findall(r"'([^']*)'", value)]
        else:
            values[key.lower()] = value.strip("'")
    return values


def write_rows(
    data: DataAccess, rows: pa.Table, compiled: Compiled, names: list[str], partitioned_by: list[str], location: str,
    *, file_format: str, codec: str, delimiter: str, scratch: Path, buckets: HashBuckets | None = None,
) -> Written:  # fmt: skip
    """Write `rows` below `location`. Partition columns must be the last ones, as Athena demands."""
    count = len(partitioned_by)
    if count and [n.lower() for n in names[-count:]] != partitioned_by:
        raise QueryError(
            "HIVE_COLUMN_ORDER_MISMATCH",
            f"Partition keys must be the last columns in the table and in the same order as the table properties: {partitioned_by}",
        )
    kinds = [c.type for c in compiled.columns]
    written = Written(rows=rows.num_rows)
    split = len(names) - count
    parts = _split(rows, split)
    if len(parts) > MAX_PARTITIONS:
        raise QueryError(
            "HIVE_TOO_MANY_OPEN_PARTITIONS",
            f"Exceeded limit of {MAX_PARTITIONS} open writers for partitions/buckets",
        )
    for values, part in parts:
        folder = "".join(f"{k}={url_quote(v, safe=' :')}/" for k, v in zip(partitioned_by, values, strict=True))
        target = location.rstrip("/") + "/" + folder
        body = part.select(list(range(split))).rename_columns(names[:split])
        for piece in buckets.split(body, kinds[:split]) if buckets else [body]:
            uri = target + _write(data, piece, kinds[:split], target, file_format, codec, delimiter, scratch)
            written.files.append(uri)
        if count:
            written.partitions[values] = target
    return written


def _split(rows: pa.Table, first: int) -> list[tuple[tuple[str, ...], pa.Table]]:
    keys = rows.column_names[first:]
    if not keys:
        return [((), rows)] if rows.num_rows else []
    texts = [pc.fill_null(pc.cast(rows[k], pa.string()), "__HIVE_DEFAULT_PARTITION__") for k in keys]
    frame = pa.table({f"k{i}": t for i, t in enumerate(texts)})
    groups = frame.group_by(frame.column_names, use_threads=False).aggregate([])
    items = []
    for values in zip(*(groups[c].to_pylist() for c in frame.column_names), strict=True):
        mask = None
        for column, value in zip(frame.column_names, values, strict=True):
            equal = pc.equal(frame[column], value)
            mask = equal if mask is None else pc.and_(mask, equal)
        items.append((tuple(values), rows.filter(mask)))
    return items


def _write(
    data: DataAccess,
    body: pa.Table,
    kinds: list[Type],
    target: str,
    file_format: str,
    codec: str,
    delimiter: str,
    scratch: Path,
) -> str:
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / uuid.uuid4().hex
    try:
        name = path.name + (f".{codec.lower()}.parquet" if file_format == "parquet" and codec != "NONE" else "")
        name += SUFFIXES.get(codec, "") if file_format in ("text", "json") else ""
        write_file(body, body.column_names, kinds, path, file_format, codec, delimiter)
        data.write(target + name, path.read_bytes())
    finally:
        path.unlink(missing_ok=True)
    return name
