"""Rows into Iceberg tables: every statement is one commit upon the snapshot that it read.

Changed files are rewritten (copy on write); the snapshots differ from Athena's merge on read, the rows do not.
Of two writers whose changes exclude each other, the later one fails with ICEBERG_COMMIT_ERROR.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, ValidationException
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import _dataframe_to_data_files as data_files_of
from pyiceberg.io.pyarrow import schema_to_pyarrow

from local_mock.athena.errors import QueryError
from local_mock.athena.iceberg.reading import Snapshot, planned
from local_mock.athena.sqltypes import Type
from local_mock.athena.translate.casts import cast, widen

__all__ = ["append", "apply_changes", "cell", "committing", "delete_files", "expire", "fragmented", "rewrite"]

# https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-creating-tables.html
_MAX_AGE_S, _MIN_SNAPSHOTS = 432_000, 1


def cell(sql: str, source: Type, target: Type) -> str:
    """Return the SQL of a value as Arrow takes it over: a time with zone is its instant in UTC."""
    if target.base == "timestamp with time zone":
        return f"make_timestamp(CAST(struct_extract({widen(sql, source, target)}, 'u') // 1000000 AS BIGINT))"
    if target.base == "timestamp" and source.base == "timestamp":
        return cast(sql, source, target)
    return f"CAST({widen(sql, source, target)} AS {target.duckdb})"


@contextlib.contextmanager
def committing(database: str, name: str) -> Iterator[None]:
    """Turn PyIceberg's failures of a commit into Athena's."""
    try:
        yield
    except (CommitFailedException, ValidationException) as err:
        raise QueryError(
            "ICEBERG_COMMIT_ERROR", f"Failed to commit Iceberg update to table: {database}.{name} ({err})"
        ) from err
    except NoSuchTableError as err:
        raise QueryError("TABLE_NOT_FOUND", f"Table 'awsdatacatalog.{database}.{name}' does not exist") from err


def _as_stored(snapshot: Snapshot, rows: pa.Table) -> pa.Table:
    schema = schema_to_pyarrow(snapshot.loaded.schema())
    return rows.rename_columns(schema.names).cast(pa.schema([field.with_metadata(None) for field in schema]))


def append(snapshot: Snapshot, rows: pa.Table) -> list[str]:
    """Add rows, whose columns are in the table's order; returns the URIs of the new files."""
    if not rows.num_rows:
        return []
    loaded = snapshot.loaded
    with loaded.transaction() as transaction:
        files = list(data_files_of(transaction.table_metadata, _as_stored(snapshot, rows), loaded.io))
        with transaction.update_snapshot().fast_append() as producer:
            for file in files:
                producer.append_data_file(file)
    return [str(file.file_path) for file in files]


def rewrite(snapshot: Snapshot, removed: set[str], rows: pa.Table) -> list[str]:
    """Replace the files `removed` by `rows` in one commit; returns the URIs of the new files."""
    if not removed:
        return append(snapshot, rows)
    loaded = snapshot.loaded
    with loaded.transaction() as transaction:
        files = (
            list(data_files_of(transaction.table_metadata, _as_stored(snapshot, rows), loaded.io))
            if rows.num_rows
            else []
        )
        with transaction.update_snapshot().overwrite() as producer:
            producer.delete_by_predicate(AlwaysTrue())  # which manifests may hold them: all
            for task in planned(snapshot):
                if str(task.file.file_path) in removed:
                    producer.delete_data_file(task.file)
            for file in files:
                producer.append_data_file(file)
    return [str(file.file_path) for file in files]


def apply_changes(snapshot: Snapshot, changes: pa.Table, actions: list[str]) -> tuple[int, list[str]]:
    """Commit what DELETE, UPDATE or MERGE found.

    Parameters
    ----------
    changes : the columns of the table, then the file, the number of the row (NULL for a new one) and the action of
        each (an index into `actions`, NULL for a row that stays). Every row of a file with an action is there.
    actions : `delete`, `update` or `insert`.

    Returns
    -------
    The number of changed rows and the URIs of new files.

    Raises
    ------
    QueryError : MERGE_TARGET_ROW_MULTIPLE_MATCHES.
    """
    width = changes.num_columns - 3
    number, action = changes.column(width + 1), changes.column(width + 2)
    of_target, acted = pc.is_valid(number), pc.is_valid(action)
    hit = changes.filter(pc.and_(of_target, acted))
    ids = hit.column(width + 1)
    if pc.count_distinct(ids).as_py() != len(ids):
        raise QueryError(
            "MERGE_TARGET_ROW_MULTIPLE_MATCHES", "One MERGE target table row matched more than one source row"
        )
    added = changes.filter(pc.and_(pc.invert(of_target), acted))
    if not hit.num_rows and not added.num_rows:
        return 0, []
    stays = changes.filter(pc.and_(of_target, pc.invert(pc.or_kleene(acted, pc.is_in(number, pc.unique(ids))))))
    stays = stays.filter(pc.is_in(stays.column(width), pc.unique(hit.column(width))))
    first = stays.append_column("at", pa.array(range(stays.num_rows), pa.int64()))
    first = first.group_by([stays.column_names[width + 1]]).aggregate([("at", "min")])["at_min"]
    stays = stays.take(first)  # a row that met several source rows, none with an action, is there several times
    updates = [i for i, word in enumerate(actions) if word == "update"]
    changed = hit.filter(pc.is_in(hit.column(width + 2), pa.array(updates, hit.column(width + 2).type)))
    rows = pa.concat_tables([changed, stays, added]).select(list(range(width)))
    removed = set(pc.unique(hit.column(width)).to_pylist())
    return hit.num_rows + added.num_rows, rewrite(snapshot, removed, rows)


def fragmented(snapshot: Snapshot) -> set[str]:
    """Return the files that OPTIMIZE joins: several of one partition, files with deletes or of an older layout."""
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for task in planned(snapshot):
        record = task.file.partition
        values = tuple(repr(record[i]) for i in range(len(record)))
        groups.setdefault((task.file.spec_id, *values), []).append(task)
    current = snapshot.loaded.spec().spec_id
    return {
        str(task.file.file_path)
        for (spec_id, *_), tasks in groups.items()
        if len(tasks) > 1 or spec_id != current or any(task.delete_files for task in tasks)
        for task in tasks
    }


def _reachable(loaded: Any) -> set[str]:
    """Return the URIs of all files that a table's metadata names."""
    uris = {str(loaded.metadata_location), *(str(item.metadata_file) for item in loaded.metadata.metadata_log)}
    for snapshot in loaded.metadata.snapshots:
        uris.add(str(snapshot.manifest_list))
        for manifest in snapshot.manifests(loaded.io):
            uris.add(str(manifest.manifest_path))
            for entry in manifest.fetch_manifest_entry(loaded.io, discard_deleted=True):
                uris.add(str(entry.data_file.file_path))
    return uris


def expire(snapshot: Snapshot) -> None:
    """Forget the snapshots that VACUUM's table properties let go, and delete the files that only they need."""
    loaded, properties = snapshot.loaded, snapshot.loaded.metadata.properties
    oldest = time.time() - int(properties.get("vacuum_max_snapshot_age_seconds", _MAX_AGE_S))
    keep = int(properties.get("vacuum_min_snapshots_to_keep", _MIN_SNAPSHOTS))
    line, current = list[int](), loaded.metadata.current_snapshot()
    while current is not None:
        line.append(current.snapshot_id)
        current = (
            loaded.metadata.snapshot_by_id(current.parent_snapshot_id) if current.parent_snapshot_id else None
        )
    kept = {*line[: max(keep, 1)], *(reference.snapshot_id for reference in loaded.metadata.refs.values())}
    old = [
        s.snapshot_id
        for s in loaded.metadata.snapshots
        if s.timestamp_ms < oldest * 1000 and s.snapshot_id not in kept
    ]
    if not old:
        return
    before = _reachable(loaded)
    loaded.maintenance.expire_snapshots().by_ids(old).commit()
    for uri in before - _reachable(loaded.refresh()):
        if not uri.endswith(".metadata.json"):
            loaded.io.delete(uri)


def delete_files(loaded: Any) -> None:
    """Delete every file that a table's metadata names: DROP TABLE."""
    for uri in _reachable(loaded):
        with contextlib.suppress(FileNotFoundError):
            loaded.io.delete(uri)
