"""`information_schema`: the Glue catalog as tables, for queries as they are documented.

Sources: https://docs.aws.amazon.com/athena/latest/ug/querying-glue-catalog.html and, for the columns,
https://trino.io/docs/current/develop/connectors.html; `comment` and `extra_info` are Athena's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from local_mock.athena.catalog import GlueCatalog, table_of
from local_mock.athena.errors import QueryError
from local_mock.athena.sqltypes import Type, parse_type
from local_mock.athena.translate.relations import quote, text

__all__ = ["SCHEMA", "TABLES", "partitions", "query"]

SCHEMA, CATALOG = "information_schema", "awsdatacatalog"
Row = tuple[str | int | None, ...]
_TABLE = ("table_catalog", "table_schema", "table_name")
# name -> columns; all are varchar but `ordinal_position`, a bigint
TABLES: dict[str, tuple[str, ...]] = {
    "schemata": ("catalog_name", "schema_name"),
    "tables": (*_TABLE, "table_type"),
    "columns": (
        *_TABLE, "column_name", "ordinal_position", "column_default", "is_nullable", "data_type", "comment",
        "extra_info",
    ),
    "views": (*_TABLE, "view_definition"),
}  # fmt: skip


def query(catalog: GlueCatalog, name: str) -> str:
    """Return a SELECT that gives one of `TABLES`, its rows as literals. Raises KeyError for another name."""
    columns = TABLES[name]
    kinds = ["bigint" if column == "ordinal_position" else "varchar" for column in columns]
    return _select(list(zip(columns, kinds, strict=True)), list(_ROWS[name](catalog)))


def partitions(keys: Sequence[tuple[str, Type]], rows: Sequence[Sequence[str]]) -> str:
    """Return a SELECT in Athena's SQL that gives the values of partitions in the types of their keys."""
    values = [tuple(None if v == "__HIVE_DEFAULT_PARTITION__" else v for v in row) for row in rows]
    return _select([(name, str(kind)) for name, kind in keys], values)


def _select(columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> str:
    """Return a SELECT of these columns (name, type) whose rows are literals."""
    names = [quote(name) for name, _ in columns]
    if not rows:
        typed = [f"CAST(NULL AS {kind}) AS {name}" for name, (_, kind) in zip(names, columns, strict=True)]
        return f"SELECT {', '.join(typed)} WHERE FALSE"
    typed = [f"CAST({name} AS {kind}) AS {name}" for name, (_, kind) in zip(names, columns, strict=True)]
    values = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)
    return f"SELECT {', '.join(typed)} FROM (VALUES {values}) AS t({', '.join(names)})"  # noqa: S608


def _literal(value: str | int | None) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else text(value)


def _schemata(catalog: GlueCatalog) -> Iterable[Row]:
    return [(CATALOG, name) for name in sorted({*catalog.databases(), SCHEMA})]


def _entries(catalog: GlueCatalog) -> Iterable[tuple[str, dict[str, Any]]]:
    return ((database, entry) for database in catalog.databases() for entry in catalog.entries(database))


def _is_view(entry: dict[str, Any]) -> bool:
    return entry.get("TableType") == "VIRTUAL_VIEW"


def _tables(catalog: GlueCatalog) -> Iterable[Row]:
    entries = [
        (CATALOG, database, entry["Name"].lower(), "VIEW" if _is_view(entry) else "BASE TABLE")
        for database, entry in _entries(catalog)
    ]
    return [*entries, *((CATALOG, SCHEMA, name, "BASE TABLE") for name in sorted(TABLES))]


def _columns(catalog: GlueCatalog) -> Iterable[Row]:
    for database, entry in _entries(catalog):
        own = (entry.get("StorageDescriptor") or {}).get("Columns") or []
        keys = entry.get("PartitionKeys") or []
        for number, column in enumerate([*own, *keys], 1):
            extra = "partition key" if number > len(own) else None
            place = (CATALOG, database, entry["Name"].lower(), column["Name"].lower(), number)
            yield (*place, None, "YES", _type(column.get("Type") or "string"), column.get("Comment"), extra)
    for name in sorted(TABLES):
        for number, column in enumerate(TABLES[name], 1):
            kind = "bigint" if column == "ordinal_position" else "varchar"
            yield (CATALOG, SCHEMA, name, column, number, None, "YES", kind, None, None)


def _type(hive: str) -> str:
    """Return Trino's name of a column's type; the catalog's own where it is none that queries read."""
    try:
        return str(parse_type(hive))
    except QueryError:
        return hive


def _views(catalog: GlueCatalog) -> Iterable[Row]:
    for database, entry in _entries(catalog):
        if _is_view(entry):
            yield (CATALOG, database, entry["Name"].lower(), _definition(entry))


def _definition(entry: dict[str, Any]) -> str | None:
    try:
        return table_of(entry, []).view
    except QueryError:  # made by Hive or Spark
        return None


_ROWS: dict[str, Callable[[GlueCatalog], Iterable[Row]]] = {
    "schemata": _schemata,
    "tables": _tables,
    "columns": _columns,
    "views": _views,
}
