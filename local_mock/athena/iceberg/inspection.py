"""``"t$history"`` and the other metadata tables, as queries over constants in Trino's columns.

Source: https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-table-metadata.html; Trino's connector
(the column `data` of `$partitions` is left out).
"""

# ruff: noqa: E501, S608 - one line a message or table; constants are quoted
from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pyiceberg.conversions import from_bytes
from pyiceberg.table import Table as LoadedTable

from local_mock.athena.iceberg.schema import trino_type
from local_mock.athena.sqltypes import Type, parse_type, row

__all__ = ["view_of"]

Rows = Iterable[tuple[Any, ...]]
_TIME = "timestamp(3) with time zone"


def view_of(loaded: LoadedTable, kind: str) -> str:
    """Return the query that shows a metadata table."""
    columns, rows = _TABLES[kind](loaded)
    kinds = [(name, given if isinstance(given, Type) else parse_type(given)) for name, given in columns]
    names = ", ".join(f'"{name}"' for name, _ in kinds)
    lines = [f"({', '.join(_literal(v, k) for v, (_, k) in zip(line, kinds, strict=True))})" for line in rows]
    if not lines:
        cells = ", ".join(f'CAST(NULL AS {k}) AS "{name}"' for name, k in kinds)
        return f"SELECT {cells} WHERE FALSE"
    return f"SELECT * FROM (VALUES {', '.join(lines)}) AS m({names})"


def _literal(value: Any, kind: Type) -> str:
    if value is None:
        made = "NULL"
    elif kind.base == "row":
        made = f"ROW({', '.join(_literal(v, k) for v, k in zip(value, kind.args, strict=True))})"
    elif kind.base == "map":
        keys, values = (
            f"ARRAY[{', '.join(_literal(v, k) for v in side)}]"
            for side, k in zip((value, value.values()), kind.args, strict=True)
        )
        made = f"MAP({keys}, {values})" if value else "MAP()"
    elif kind.base == "array":
        made = f"ARRAY[{', '.join(_literal(v, kind.args[0]) for v in value)}]"
    elif kind.base == "timestamp with time zone":
        return f"TIMESTAMP '{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M:%S}.{value % 1000:03d} UTC'"
    elif isinstance(value, bool):
        made = str(value).upper()
    elif isinstance(value, bytes):
        return f"X'{value.hex()}'"
    elif isinstance(value, int | float):
        made = str(value)
    else:
        made = "'" + str(value).replace("'", "''") + "'"
    return f"CAST({made} AS {kind})"


def _history(loaded: LoadedTable) -> tuple[list[tuple[str, Any]], Rows]:
    metadata = loaded.metadata
    ancestors, current = set(), metadata.current_snapshot()
    while current is not None:
        ancestors.add(current.snapshot_id)
        current = metadata.snapshot_by_id(current.parent_snapshot_id) if current.parent_snapshot_id else None
    rows = []
    for item in metadata.snapshot_log:
        snapshot = metadata.snapshot_by_id(item.snapshot_id)
        parent = snapshot.parent_snapshot_id if snapshot else None
        rows.append((item.timestamp_ms, item.snapshot_id, parent, item.snapshot_id in ancestors))
    return [
        ("made_current_at", _TIME),
        ("snapshot_id", "bigint"),
        ("parent_id", "bigint"),
        ("is_current_ancestor", "boolean"),
    ], rows


def _snapshots(loaded: LoadedTable) -> tuple[list[tuple[str, Any]], Rows]:
    rows = [
        (
            s.timestamp_ms, s.snapshot_id, s.parent_snapshot_id, s.summary.operation.value if s.summary else None, s.manifest_list,
            dict(s.summary.additional_properties) if s.summary else {},
        )
        for s in loaded.metadata.snapshots
    ]  # fmt: skip
    return [
        ("committed_at", _TIME), ("snapshot_id", "bigint"), ("parent_id", "bigint"), ("operation", "varchar"),
        ("manifest_list", "varchar"), ("summary", "map(varchar, varchar)"),
    ], rows  # fmt: skip


def _entries(loaded: LoadedTable) -> Iterable[Any]:
    snapshot = loaded.metadata.current_snapshot()
    for manifest in snapshot.manifests(loaded.io) if snapshot else []:
        for entry in manifest.fetch_manifest_entry(loaded.io, discard_deleted=True):
            yield entry.data_file


def _files(loaded: LoadedTable) -> tuple[list[tuple[str, Any]], Rows]:
    kinds = {field.field_id: field.field_type for field in loaded.schema().fields}

    def bounds(values: dict[int, bytes] | None) -> dict[int, str]:
        return {
            key: str(from_bytes(kinds[key], value))
            for key, value in (values or {}).items()
            if key in kinds and kinds[key].is_primitive
        }

    rows = [
        (
            int(f.content), f.file_path, str(f.file_format).rpartition(".")[2], f.record_count, f.file_size_in_bytes, f.column_sizes or {},
            f.value_counts or {}, f.null_value_counts or {}, f.nan_value_counts or {}, bounds(f.lower_bounds), bounds(f.upper_bounds),
            f.key_metadata, f.split_offsets, f.equality_ids,
        )
        for f in _entries(loaded)
    ]  # fmt: skip
    counts = [
        (name, "map(integer, bigint)")
        for name in ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts")
    ]
    return [
        ("content", "integer"), ("file_path", "varchar"), ("file_format", "varchar"), ("record_count", "bigint"),
        ("file_size_in_bytes", "bigint"), *counts, ("lower_bounds", "map(integer, varchar)"), ("upper_bounds", "map(integer, varchar)"),
        ("key_metadata", "varbinary"), ("split_offsets", "array(bigint)"), ("equality_ids", "array(integer)"),
    ], rows  # fmt: skip


def _partitions(loaded: LoadedTable) -> tuple[list[tuple[str, Any]], Rows]:
    spec, schema = loaded.spec(), loaded.schema()
    kinds = [trino_type(f.transform.result_type(schema.find_field(f.source_id).field_type)) for f in spec.fields]
    totals: dict[tuple[Any, ...], list[int]] = {}
    for file in _entries(loaded):
        if int(file.content) != 0 or file.spec_id != spec.spec_id:
            continue
        values = tuple(
            date(1970, 1, 1) + timedelta(days=v) if k.base == "date" and isinstance(v, int) else v
            for v, k in zip((file.partition[i] for i in range(len(kinds))), kinds, strict=True)
        )
        total = totals.setdefault(values, [0, 0, 0])
        for i, more in enumerate((file.record_count, 1, file.file_size_in_bytes)):
            total[i] += more
    counts = [("record_count", "bigint"), ("file_count", "bigint"), ("total_size", "bigint")]
    if not kinds:
        return counts, [tuple(total) for total in totals.values()]
    partition = row([(f.name, k) for f, k in zip(spec.fields, kinds, strict=True)])
    return [("partition", partition), *counts], [(values, *total) for values, total in totals.items()]


def _manifests(loaded: LoadedTable) -> tuple[list[tuple[str, Any]], Rows]:
    snapshot = loaded.metadata.current_snapshot()
    rows = [
        (
            m.manifest_path, m.manifest_length, m.partition_spec_id, m.added_snapshot_id, m.added_files_count, m.added_rows_count,
            m.existing_files_count, m.existing_rows_count, m.deleted_files_count, m.deleted_rows_count,
        )
        for m in (snapshot.manifests(loaded.io) if snapshot else [])
    ]  # fmt: skip
    return [
        ("path", "varchar"), ("length", "bigint"), ("partition_spec_id", "integer"), ("added_snapshot_id", "bigint"),
        ("added_data_files_count", "integer"), ("added_rows_count", "bigint"), ("existing_data_files_count", "integer"),
        ("existing_rows_count", "bigint"), ("deleted_data_files_count", "integer"), ("deleted_rows_count", "bigint"),
    ], rows  # fmt: skip


def _refs(loaded: LoadedTable) -> tuple[list[tuple[str, Any]], Rows]:
    rows = [
        (
            name,
            r.snapshot_ref_type.value.upper(),
            r.snapshot_id,
            r.max_ref_age_ms,
            r.min_snapshots_to_keep,
            r.max_snapshot_age_ms,
        )
        for name, r in loaded.metadata.refs.items()
    ]
    return [
        ("name", "varchar"), ("type", "varchar"), ("snapshot_id", "bigint"), ("max_reference_age_in_ms", "bigint"),
        ("min_snapshots_to_keep", "integer"), ("max_snapshot_age_in_ms", "bigint"),
    ], rows  # fmt: skip


_TABLES: dict[str, Callable[[LoadedTable], tuple[list[tuple[str, Any]], Rows]]] = {
    "files": _files,
    "history": _history,
    "manifests": _manifests,
    "partitions": _partitions,
    "refs": _refs,
    "snapshots": _snapshots,
}
