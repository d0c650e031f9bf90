"""Carry out statements on Iceberg tables: INSERT, CTAS, DELETE, UPDATE, MERGE, OPTIMIZE, VACUUM.

Each returns the fields of an `Outcome`. A statement builds upon the snapshot that its own query read.
"""

# ruff: noqa: E501, S608 - one line a message or signature; names are quoted
from __future__ import annotations

from typing import Any

import pyarrow as pa
from sqlglot import exp

from local_mock.athena.catalog import Catalog, GlueCatalog, Pinned, Table
from local_mock.athena.dialect import parse_query
from local_mock.athena.engine import Session
from local_mock.athena.errors import QueryError
from local_mock.athena.iceberg import writing
from local_mock.athena.iceberg.changes import Change
from local_mock.athena.iceberg.definitions import create
from local_mock.athena.iceberg.schema import parse_partitioning
from local_mock.athena.sqltypes import BIGINT, INTEGER, VARCHAR, Type, is_coercible
from local_mock.athena.translate.queries import Compiled, compile_query
from local_mock.athena.translate.relations import quote, text

__all__ = ["change_rows", "create_as", "insert", "optimize", "vacuum"]


def _rows(session: Session, compiled: Compiled, kinds: list[Type]) -> pa.Table:
    cells = []
    for i, (column, kind) in enumerate(zip(compiled.columns, kinds, strict=True)):
        if kind.base == "unknown":
            raise QueryError("COLUMN_TYPE_UNKNOWN", f"line 1:1: Column type is unknown at position {i + 1}")
        cells.append(f"{writing.cell(f'c{i}', column.type, kind)} AS c{i}")
    return session.arrow(f"SELECT {', '.join(cells)} FROM ({session.bind(compiled)})")


def insert(session: Session, table: Table, compiled: Compiled, listed: list[str]) -> dict[str, Any]:
    """Append the rows of a query to the columns `listed`; the others are NULL."""
    kinds = dict(table.columns)
    rows = _rows(session, compiled, [kinds[name] for name in listed]).rename_columns(listed)
    full = pa.table({n: rows[n] if n in listed else pa.nulls(rows.num_rows) for n, _ in table.columns})
    with writing.committing(table.database, table.name):
        files = writing.append(table.iceberg, full)
    return {"update_count": rows.num_rows, "manifest": files}


def create_as(
    session: Session,
    catalog: GlueCatalog,
    place: tuple[str, str],
    compiled: Compiled,
    names: list[str],
    settings: dict[str, Any],
    *,
    is_filled: bool,
) -> dict[str, Any]:
    """Create a table of a query's columns and rows."""
    location, partitioning = settings.pop("location"), settings.pop("partitioning", [])
    if str(settings.pop("is_external", "false")).lower() != "false":
        raise QueryError("INVALID_TABLE_PROPERTY", "Iceberg tables are created with is_external = false")
    kinds = [_kept(column.type) for column in compiled.columns]
    rows = _rows(session, compiled, kinds) if is_filled else None
    columns = [(name, kind, "") for name, kind in zip(names, kinds, strict=True)]
    create(
        catalog,
        place,
        columns,
        parse_partitioning(partitioning),
        location,
        {k: str(v) for k, v in settings.items()},
    )
    if rows is None or not rows.num_rows:
        return {"update_count": 0, "manifest": []}
    with writing.committing(*place):
        return {"update_count": rows.num_rows, "manifest": writing.append(catalog.table(*place).iceberg, rows)}


def _kept(kind: Type) -> Type:
    """Return the type that Iceberg keeps: times of six digits, text of any length."""
    if kind.base.startswith("timestamp"):
        return Type(kind.base, numbers=(6,))
    return VARCHAR if kind.base == "char" else kind


def change_rows(
    session: Session, catalog: Catalog, database: str, table: Table, change: Change, sql: str
) -> dict[str, Any]:
    """Carry out DELETE, UPDATE or MERGE."""
    names = [name for name, _ in table.columns]
    tree, actions = change.query(names)
    compiled = compile_query(tree, sql, Pinned(catalog, table), database, session.evaluate)
    kinds = [kind for _, kind in table.columns]
    given = [column.type for column in compiled.columns[: len(kinds)]]
    if not all(is_coercible(have, want) for have, want in zip(given, kinds, strict=True)):
        word = "MERGE" if isinstance(change.node, exp.Merge) else "UPDATE"
        shown = ", ".join(map(str, kinds)), ", ".join(map(str, given))
        raise QueryError(
            "TYPE_MISMATCH",
            f"line 1:1: {word} table column types don't match SET expressions: Table: [{shown[0]}], Expressions: [{shown[1]}]",
        )
    rows = _rows(session, compiled, [*kinds, VARCHAR, BIGINT, INTEGER])
    with writing.committing(table.database, table.name):
        count, files = writing.apply_changes(table.iceberg, rows, actions)
    return {"update_count": count, "manifest": files}


def optimize(session: Session, catalog: Catalog, database: str, table: Table, condition: str | None) -> None:
    """Join small files, only those with rows for which `condition` holds if there is one."""
    files, pinned = writing.fragmented(table.iceberg), Pinned(catalog, table)
    place = f"{quote(table.database)}.{quote(table.name)}"
    if condition is not None:
        sql = f'SELECT DISTINCT "$path" FROM {place} WHERE {condition}'
        compiled = compile_query(parse_query(sql), sql, pinned, database, session.evaluate)
        files &= set(session.arrow(session.bind(compiled)).column(0).to_pylist())
    if not files:
        return
    listed = ", ".join(quote(name) for name, _ in table.columns)
    sql = f'SELECT {listed} FROM {place} WHERE "$path" IN ({", ".join(text(uri) for uri in sorted(files))})'
    compiled = compile_query(parse_query(sql, is_view=True), sql, pinned, database)
    rows = _rows(session, compiled, [kind for _, kind in table.columns])
    with writing.committing(table.database, table.name):
        writing.rewrite(table.iceberg, files, rows)


def vacuum(table: Table) -> None:
    """Expire old snapshots and their files."""
    with writing.committing(table.database, table.name):
        writing.expire(table.iceberg)
