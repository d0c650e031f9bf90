"""Iceberg tables as Athena reads them: snapshots, time travel, scans as DuckDB SQL."""

# ruff: noqa: E501, S608 - one line a message or signature; SQL is made of compiled parts, never of user text
from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, pyarrow_to_schema
from pyiceberg.schema import Schema
from pyiceberg.table import Table as LoadedTable
from pyiceberg.transforms import IdentityTransform

from local_mock.athena.catalog import AsOf, GlueCatalog, Table
from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.footers import footer, scanned
from local_mock.athena.iceberg.lake import IcebergCatalog
from local_mock.athena.iceberg.schema import trino_type
from local_mock.athena.scan import DataFile, empty_scan, partition_columns
from local_mock.athena.sqltypes import Type
from local_mock.athena.translate.relations import HIDDEN, Scan, quote, text
from local_mock.context import get_context
from local_mock.data import DataAccess

__all__ = ["Snapshot", "bind", "load", "planned", "table_at"]


@dataclass(frozen=True)
class Snapshot:
    """A state of a table: `snapshot_id` is None for a table without rows, `schema` is what its columns are now."""

    loaded: LoadedTable
    snapshot_id: int | None
    schema: Schema


def load(catalog: GlueCatalog, database: str, name: str) -> LoadedTable:
    """Return a table with its current metadata. Raises QueryError ICEBERG_INVALID_METADATA if it cannot be read."""
    try:
        return IcebergCatalog(catalog, get_context().data).load_table((database, name))
    except (FileNotFoundError, ValueError, KeyError) as err:
        raise QueryError(
            "ICEBERG_INVALID_METADATA", f"Error processing metadata for table {database}.{name}: {err}"
        ) from err


def table_at(loaded: LoadedTable, entry: dict[str, Any], as_of: AsOf | None = None) -> Table:
    """Return the catalog's table over a snapshot, the current one unless `as_of` names another."""
    database, name = str(entry["DatabaseName"]).lower(), str(entry["Name"]).lower()
    metadata = loaded.metadata
    if as_of is None:
        snapshot = Snapshot(loaded, metadata.current_snapshot_id, loaded.schema())
    else:
        snapshot_id = _snapshot_id(loaded, as_of, database, name)
        earlier = metadata.snapshot_by_id(snapshot_id)
        if earlier is None:
            raise QueryError("INVALID_ARGUMENTS", f"Iceberg snapshot ID does not exists: {snapshot_id}")
        by_id = metadata.schema_by_id(earlier.schema_id) if earlier.schema_id is not None else None
        snapshot = Snapshot(loaded, snapshot_id, by_id or loaded.schema())
    return Table(
        database,
        name,
        [(field.name.lower(), trino_type(field.field_type)) for field in snapshot.schema.fields],
        location=loaded.location(),
        serde="iceberg",
        parameters=dict(entry.get("Parameters") or {}),
        iceberg=snapshot,
    )


def _snapshot_id(loaded: LoadedTable, as_of: AsOf, database: str, name: str) -> int:
    if isinstance(as_of.version, int):
        return as_of.version
    if as_of.version is not None:
        reference = loaded.metadata.refs.get(as_of.version)
        if reference is None:
            raise QueryError("INVALID_ARGUMENTS", f"Cannot find snapshot with reference name: {as_of.version}")
        return int(reference.snapshot_id)
    assert as_of.millis is not None
    earlier = [item for item in loaded.metadata.snapshot_log if item.timestamp_ms <= as_of.millis]
    if not earlier:
        shown = (
            datetime.fromtimestamp(as_of.millis / 1000, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )
        raise QueryError(
            "INVALID_ARGUMENTS", f'No version history table "{database}"."{name}" at or before {shown}'
        )
    return int(earlier[-1].snapshot_id)


def planned(snapshot: Snapshot) -> list[Any]:
    """Return the data files of a snapshot with their delete files, ordered by path."""
    if snapshot.snapshot_id is None:
        return []
    try:
        tasks = list(snapshot.loaded.scan(snapshot_id=snapshot.snapshot_id).plan_files())
    except ValueError as err:  # PyIceberg's word on equality deletes
        raise not_supported(f"this Iceberg table ({err})") from err
    for task in tasks:
        if str(task.file.file_format).rpartition(".")[2].upper() != "PARQUET":
            raise not_supported(f"Iceberg data in {task.file.file_format} files")
    return sorted(tasks, key=lambda task: str(task.file.file_path))


def bind(scan: Scan, data: DataAccess) -> tuple[str, int]:
    """Return the DuckDB SELECT of a scan and the bytes that it reads."""
    snapshot: Snapshot = scan.table.iceberg
    fields = {field.name.lower(): field for field in snapshot.schema.fields if field.name.lower() in scan.used}
    groups: dict[tuple[tuple[str, str | None], ...], list[DataFile]] = {}
    total = 0
    for task in planned(snapshot):
        uri = str(task.file.file_path)
        path = data.local_file(uri)
        facts = footer(path, uri)
        names = None if task.delete_files else _names(path, fields, snapshot)
        stored = (
            {stored for stored in (names or {}).values() if stored} if names is not None else set(facts.columns)
        )
        same = names is not None and all(stored == name for name, stored in names.items())
        total += scanned(facts, {name.lower() for name in stored}, scan.predicates if same else [])
        if names is None:
            path, names = _materialised(task, snapshot), {name: name for name in fields}
        groups.setdefault(tuple(names.items()), []).append(DataFile(uri, path, task.file.file_size_in_bytes, ()))
    selects = []
    for pairs, members in groups.items():
        kinds = dict(scan.table.columns)
        columns = [
            f"{_value(stored, kinds[name]) if stored else f'CAST(NULL AS {kinds[name].duckdb})'} AS {quote(name)}"
            for name, stored in pairs
        ]
        columns += partition_columns(scan, (), members)
        listed = ", ".join(text(str(f.path)) for f in members)
        named = ", filename = 'f$'" if HIDDEN.keys() & scan.used else ""
        selects.append(
            f"SELECT {', '.join(columns) or '1 AS one'} FROM read_parquet([{listed}], hive_partitioning = false{named})"
        )
    return " UNION ALL ".join(selects) or empty_scan(scan), total


def _value(stored: str, kind: Type) -> str:
    """Return a column of a file in the type that carries it."""
    column = quote(stored)
    if kind.base == "timestamp with time zone":
        picos = f"CAST(epoch_us({column}) AS HUGEINT) * 1000000"
        return f"CASE WHEN {column} IS NOT NULL THEN {{'u': {picos}, 'z': 'UTC'}} END"
    return f"CAST({column} AS {kind.duckdb})"


def _names(path: Path, fields: dict[str, Any], snapshot: Snapshot) -> dict[str, str | None] | None:
    """Return the column of a file that holds each field; None where PyIceberg must project the file.

    Fields are found by their id, as Iceberg demands: a renamed column keeps it, a new one of an old name does not.
    """
    mapping = snapshot.loaded.metadata.schema().name_mapping
    stored = {
        field.field_id: field for field in pyarrow_to_schema(pq.read_schema(path), name_mapping=mapping).fields
    }
    by_partition = {
        field.source_id
        for spec in snapshot.loaded.metadata.partition_specs
        for field in spec.fields
        if isinstance(field.transform, IdentityTransform)
    }
    names: dict[str, str | None] = {}
    for name, field in fields.items():
        column = stored.get(field.field_id)
        if column is None:
            if field.field_id in by_partition or getattr(field, "initial_default", None) is not None:
                return None
            names[name] = None
        elif not column.field_type.is_primitive and column.field_type != field.field_type:
            return None
        else:
            names[name] = column.name
    return names


def _materialised(task: Any, snapshot: Snapshot) -> Path:
    """Return a Parquet file of the rows of a data file that are not deleted, in the snapshot's columns."""
    deletes = sorted(str(file.file_path) for file in task.delete_files)
    key = [str(snapshot.loaded.metadata.table_uuid), str(snapshot.schema), str(task.file.file_path), *deletes]
    folder = get_context().state_dir / "athena" / "texts"
    target = folder / f"{hashlib.sha256(chr(0).join(key).encode()).hexdigest()[:40]}.parquet"
    if not target.exists():
        try:
            rows = ArrowScan(snapshot.loaded.metadata, snapshot.loaded.io, snapshot.schema, AlwaysTrue()).to_table(
                [task]
            )
        except (ValueError, NotImplementedError) as err:
            raise not_supported(f"this Iceberg table ({err})") from err
        folder.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(f".{uuid.uuid4().hex}.part")
        pq.write_table(rows.rename_columns([name.lower() for name in rows.column_names]), part)
        part.replace(target)
    return target
