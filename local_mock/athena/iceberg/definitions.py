"""CREATE TABLE, ALTER TABLE and DROP TABLE of Iceberg tables.

Source: https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-creating-tables.html
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyiceberg.schema import Schema

from local_mock.athena import hive_statements
from local_mock.athena.catalog import GlueCatalog
from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.iceberg.lake import IcebergCatalog
from local_mock.athena.iceberg.reading import load
from local_mock.athena.iceberg.schema import iceberg_type, partition_spec, schema_of
from local_mock.athena.iceberg.writing import committing, delete_files
from local_mock.athena.sqltypes import Type, parse_type
from local_mock.context import get_context

__all__ = ["alter", "create", "drop"]

_NUMBERS = frozenset({
    "optimize_rewrite_min_data_file_size_bytes", "optimize_rewrite_max_data_file_size_bytes", "optimize_rewrite_data_file_threshold",
    "optimize_rewrite_delete_file_threshold", "vacuum_min_snapshots_to_keep", "vacuum_max_snapshot_age_seconds",
    "vacuum_max_metadata_files_to_keep",
})  # fmt: skip
_CODECS = {
    "ZSTD": "zstd",
    "SNAPPY": "snappy",
    "GZIP": "gzip",
    "NONE": "uncompressed",
    "UNCOMPRESSED": "uncompressed",
}


def properties_of(given: dict[str, str]) -> dict[str, str]:
    """Return Iceberg's table properties of TBLPROPERTIES. Raises QueryError for keys that Athena does not take."""
    made: dict[str, str] = {}
    for key, value in given.items():
        if key in _NUMBERS:
            if not value.isdigit():
                raise QueryError("", f"FAILED: SemanticException Invalid value for table property {key}: {value}")
            made[key] = value
        elif key == "format":
            if value.lower() != "parquet":
                raise not_supported(f"the format {value.upper()} of an Iceberg table")
        elif key == "write_compression":
            if value.upper() not in _CODECS:
                raise not_supported(f"the compression {value.upper()} of an Iceberg table")
            made["write.parquet.compression-codec"] = _CODECS[value.upper()]
        elif key not in ("table_type", "format_version"):
            raise QueryError("", f"FAILED: SemanticException Unsupported table property key: {key}")
        elif key == "format_version" and value != "2":
            raise not_supported(f"version {value} of Iceberg's format")
    return made


def create(
    catalog: GlueCatalog,
    place: tuple[str, str],
    columns: Iterable[tuple[str, Type, str]],
    partitioning: list[tuple[str, str]],
    location: str,
    given: dict[str, str],
) -> None:
    """Create an empty table. Raises QueryError for types, transforms and properties that Athena does not take."""
    schema = schema_of(columns)
    spec = partition_spec(schema, partitioning)
    comment = {"comment": given.pop("comment")} if "comment" in given else {}
    IcebergCatalog(catalog, get_context().data).create_table(
        place, schema, location.rstrip("/"), spec, properties={**properties_of(given), **comment}
    )


def drop(catalog: GlueCatalog, database: str, name: str) -> None:
    """Delete a table and its files, as Athena does with Iceberg tables."""
    loaded = load(catalog, database, name)
    catalog.backend.delete_table(database, name)
    delete_files(loaded)


def alter(catalog: GlueCatalog, database: str, name: str, action: Any) -> None:
    """Change columns or properties. Raises QueryError for other changes."""
    loaded = load(catalog, database, name)
    with committing(database, name):
        match action:
            case hive_statements.SetProperties(parameters):
                with loaded.transaction() as transaction:
                    transaction.set_properties(properties_of(parameters))
            case hive_statements.SetColumns(columns, replace=False):
                _evolve(loaded, lambda update: _add(update, loaded.schema(), columns))
            case hive_statements.DropColumn(column):
                _find(loaded.schema(), column)
                _evolve(loaded, lambda update: update.delete_column(column))
            case hive_statements.ChangeColumn(old, column):
                _find(loaded.schema(), old)
                _evolve(loaded, lambda update: _change(update, loaded.schema(), old, column))
            case hive_statements.RenameTable(target):
                _rename(catalog, (database, name), target)
            case _:
                raise not_supported(f"ALTER TABLE {type(action).__name__} of an Iceberg table")


def _rename(catalog: GlueCatalog, place: tuple[str, str], target: list[str]) -> None:
    """Give a table another name; its files and its metadata stay where they are.

    https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-alter-table-rename.html
    """
    database, name = (target[-2] if len(target) > 1 else place[0]).lower(), target[-1].lower()
    catalog.require_database(database)
    if catalog.entry(database, name):
        raise QueryError("", f"FAILED: SemanticException table {database}.{name} already exists")
    entry = catalog.entry(*place) or {}
    given = ("Description", "Owner", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")
    catalog.backend.create_table(database, name, {"Name": name, **{k: entry[k] for k in given if k in entry}})
    catalog.backend.delete_table(*place)


def _evolve(loaded: Any, change: Any) -> None:
    try:
        with loaded.update_schema(case_sensitive=False) as update:
            change(update)
    except (ValueError, TypeError) as err:
        raise QueryError("", f"FAILED: SemanticException {err}") from err


def _find(schema: Schema, name: str) -> Any:
    for field in schema.fields:
        if field.name.lower() == name:
            return field
    raise QueryError("", f"FAILED: SemanticException [Error 10002]: Invalid column reference {name}")


def _add(update: Any, schema: Schema, columns: list[hive_statements.HiveColumn]) -> None:
    existing = {field.name.lower() for field in schema.fields}
    for column in columns:
        if column.name in existing:
            raise QueryError("", f"FAILED: SemanticException Duplicate column name: {column.name}")
        update.add_column(column.name, iceberg_type(parse_type(column.type)), column.comment or None)


def _change(update: Any, schema: Schema, old: str, column: hive_statements.HiveColumn) -> None:
    """Widen the type, then rename: PyIceberg refuses types that do not hold every value."""
    kind = iceberg_type(parse_type(column.type))
    if kind != _find(schema, old).field_type:
        update.update_column(old, field_type=kind)
    if column.comment:
        update.update_column(old, doc=column.comment)
    if column.name != old:
        update.rename_column(old, column.name)
