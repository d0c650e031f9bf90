"""Write curated tables to Parquet: encodings, statistics, row groups. Streams; never holds a whole file.

`tracking_curated` comes track by track (video, mouse, part, frame). A row group holds one long track, or several
short ones, so that min/max statistics let a reader skip every other mouse, part, video and stretch of time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from etholake.contract import TABLES, arrow_schema

__all__ = ["ROW_GROUP_MAX", "ROW_GROUP_MIN", "SMALL_ROW_GROUP", "RowGroups", "write_table"]

# Rows. 32 K rows of a track are 18 minutes at 30 frames/s, and about 100 kB a column: two requests' worth on S3.
ROW_GROUP_MIN, ROW_GROUP_MAX = 16 * 1024, 32 * 1024
# Of the small tables: a lab's or a video's events are found without reading all of them.
SMALL_ROW_GROUP = 4 * 1024
_DICTIONARY = ("video_id", "mouse_id", "bodypart", "action", "split", "issue")  # columns of few values
_DELTA = ("video_frame", "start_frame", "stop_frame")  # ascending or nearly so
_LEVEL = 1  # of zstd: level 3 saves 1 % of such floats and takes 40 % longer


class RowGroups:
    """Writes record batches, which come in the table's sort order, into one Parquet file.

    Parameters
    ----------
    sink
        A writable file.
    table
        Name of a contract table.
    max_rows
        Rows of a row group, at most.
    """

    def __init__(self, sink: Any, table: str, max_rows: int = ROW_GROUP_MAX) -> None:
        self._max_rows = max_rows
        schema = arrow_schema(table)
        if "bodypart" in schema.names:
            at = schema.get_field_index("bodypart")
            coded = pa.field("bodypart", pa.dictionary(pa.int16(), pa.string()), nullable=False)
            schema = schema.set(at, coded)
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        self._writer = pq.ParquetWriter(
            sink,
            schema,
            compression="zstd",
            compression_level=_LEVEL,
            use_dictionary=[name for name in _DICTIONARY if name in schema.names],
            column_encoding={name: "DELTA_BINARY_PACKED" for name in _DELTA if name in schema.names},
            sorting_columns=[pq.SortingColumn(schema.get_field_index(name)) for name in TABLES[table].sort],
            store_schema=False,  # readers see the contract's types, not our dictionaries
        )

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows. A long batch gets row groups of its own, short ones wait until together they make one."""
        if self._rows and self._rows + batch.num_rows > self._max_rows:
            self._flush()
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= min(ROW_GROUP_MIN, self._max_rows):
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting).cast(self._schema)
        if len(self._waiting) > 1:
            table = table.unify_dictionaries()
        groups = -(-self._rows // self._max_rows)
        self._writer.write_table(table, row_group_size=-(-self._rows // groups))
        self._waiting, self._rows = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with contextlib.suppress(
                OSError, pa.ArrowException
            ):  # of a disk that is full, say: the first error counts
                self._writer.close()
            return
        try:
            self._flush()
        finally:
            self._writer.close()


def write_table(sink: Any, table: str, rows: pa.Table) -> None:
    """Write a small table, which has the contract's columns and order, as one Parquet file."""
    with RowGroups(sink, table, SMALL_ROW_GROUP) as groups:
        batches: Iterable[pa.RecordBatch] = rows.combine_chunks().to_batches()
        for batch in batches:
            groups.add(batch)
