"""Parquet footers, read once per file version, and the bytes that a scan of them touches.

`DataScannedInBytes` counts the compressed column chunks of the needed columns in the row groups that
min/max statistics cannot rule out. Source: https://docs.aws.amazon.com/athena/latest/ug/columnar-storage.html
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from local_mock.athena.errors import QueryError
from local_mock.athena.translate.relations import Predicate

__all__ = ["Footer", "footer", "scanned"]

Bounds = tuple[Any, Any] | None


class Footer:
    """The facts of a file that a scan needs: columns (lower case → type), and sizes and bounds per row group."""

    def __init__(self, path: Path) -> None:
        metadata = pq.read_metadata(path)
        self.rows = metadata.num_rows
        self.columns = {f.name.lower(): f.type for f in metadata.schema.to_arrow_schema()}
        self.groups: list[dict[str, tuple[int, Bounds]]] = []
        for g in range(metadata.num_row_groups):
            group, sizes = metadata.row_group(g), dict[str, tuple[int, Bounds]]()
            for c in range(group.num_columns):
                chunk = group.column(c)
                name = chunk.path_in_schema.split(".")[0].lower()
                before, bounds = sizes.get(name, (0, None))
                if (
                    "." not in chunk.path_in_schema
                    and chunk.statistics is not None
                    and chunk.statistics.has_min_max
                ):
                    bounds = (chunk.statistics.min, chunk.statistics.max)
                sizes[name] = (before + chunk.total_compressed_size, bounds)
            self.groups.append(sizes)


@lru_cache(maxsize=20_000)
def _cached(path: Path, _mtime: int, _size: int) -> Footer:
    return Footer(path)


def footer(path: Path, uri: str) -> Footer:
    """Return the footer of a file. Raises QueryError HIVE_BAD_DATA if it is not Parquet."""
    stat = path.stat()
    try:
        return _cached(path, stat.st_mtime_ns, stat.st_size)
    except (pa.ArrowInvalid, OSError) as err:
        raise QueryError("HIVE_BAD_DATA", f"Not valid Parquet file: {uri}: {err}") from err


def scanned(facts: Footer, columns: Iterable[str], predicates: Iterable[Predicate]) -> int:
    """Return the bytes of `columns` in the row groups of one file that may hold matching rows."""
    predicates = list(predicates)
    total = 0
    for group in facts.groups:
        if all(_may_match(group.get(p.column), p) for p in predicates):
            total += sum(group[name][0] for name in columns if name in group)
    return total


def _may_match(chunk: tuple[int, Bounds] | None, predicate: Predicate) -> bool:
    if chunk is None or chunk[1] is None:
        return True
    low, high = chunk[1]
    try:
        values = [_like(value, low) for value in predicate.values]
        if predicate.op == "=":
            return bool(low <= values[0] <= high)
        if predicate.op == "in":
            return any(low <= value <= high for value in values)
        if predicate.op == "between":
            return bool(low <= values[1] and high >= values[0])
        return bool(
            {"<": low < values[0], "<=": low <= values[0], ">": high > values[0], ">=": high >= values[0]}[
                predicate.op
            ]
        )
    except (TypeError, ValueError):
        return True


def _like(value: Any, bound: Any) -> Any:
    """Return a literal in the type of the statistics (dates and times are written as text)."""
    if isinstance(bound, dt.datetime) and isinstance(value, str):
        return dt.datetime.fromisoformat(value).replace(tzinfo=bound.tzinfo)
    if isinstance(bound, dt.date) and isinstance(value, str):
        return dt.date.fromisoformat(value)
    if isinstance(bound, bytes) and isinstance(value, str):
        return value.encode()
    return value
