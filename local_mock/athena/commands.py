"""Statements about the catalog: databases, tables, partitions, views; SHOW and DESCRIBE are in `show`.

Each returns (column names, types, text rows). Source: https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote as url_unquote

from local_mock.athena import hive, hive_statements
from local_mock.athena.catalog import GlueCatalog
from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.iceberg import is_iceberg, require
from local_mock.athena.show import Rows, ShowCommands
from local_mock.athena.sqltypes import VARCHAR, parse_type
from local_mock.athena.statements import NAME, Statement, unquote
from local_mock.athena.translate.queries import Compiled
from local_mock.data import DataAccess

__all__ = ["add_partitions", "create_table", "new_id", "run"]

_NOTHING: Rows = ([], [], [])


def new_id() -> str:
    return str(uuid.uuid4())


def run(
    statement: Statement,
    catalog: GlueCatalog,
    database: str,
    data: DataAccess,
    compile_: Callable[[str], Compiled],
) -> Rows:
    """Carry out a catalog statement. Raises QueryError."""
    command = _Commands(catalog, database, data, compile_)
    method = getattr(command, statement.kind, None)
    if method is None:
        raise not_supported(f"the statement {statement.sql.split()[0].upper()}")
    rows: Rows = method(statement.sql)
    return rows


def create_table(
    catalog: GlueCatalog, database: str, name: str, columns: list[dict[str, str]], keys: list[dict[str, str]],
    descriptor: dict[str, Any], parameters: dict[str, str], **extra: Any,
) -> None:  # fmt: skip
    """Put a table into Glue. Athena makes the database `default` there when something is put into it."""
    if database == "default" and database not in catalog.backend.databases:
        catalog.backend.create_database(database, {"Name": database})
    catalog.backend.create_table(
        database, name,
        {"Name": name, "TableType": "EXTERNAL_TABLE", "Parameters": parameters, "PartitionKeys": keys,
         "StorageDescriptor": {"Columns": columns, **descriptor}, **extra},
    )  # fmt: skip


def add_partitions(catalog: GlueCatalog, database: str, name: str, partitions: dict[tuple[str, ...], str]) -> int:
    """Register partitions that the catalog lacks; returns how many were new."""
    entry = catalog.entry(database, name)
    assert entry is not None
    existing = catalog.partition_values(database, name)
    new = {v: location for v, location in partitions.items() if v not in existing}
    for values, location in new.items():
        descriptor = {**entry["StorageDescriptor"], "Location": location}
        catalog.backend.create_partition(database, name, {"Values": list(values), "StorageDescriptor": descriptor})
    return len(new)


class _Commands(ShowCommands):
    def __init__(
        self, catalog: GlueCatalog, database: str, data: DataAccess, compile_: Callable[[str], Compiled]
    ) -> None:
        super().__init__(catalog, database)
        self.data, self.compile = data, compile_

    # --- databases ----------------------------------------------------------------------------------------
    def create_database(self, sql: str) -> Rows:
        wanted = hive.parse_create_database(sql)
        name = wanted.name
        if self.catalog.has_database(name) and (name != "default" or name in self.catalog.backend.databases):
            if wanted.if_not_exists:
                return _NOTHING
            raise QueryError(
                "",
                f"FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. Database {name} already exists",
            )
        request: dict[str, Any] = {"Name": name}
        if wanted.comment:
            request["Description"] = wanted.comment
        if wanted.location:
            request["LocationUri"] = wanted.location
        if wanted.parameters:
            request["Parameters"] = wanted.parameters
        self.catalog.backend.create_database(name, request)
        return _NOTHING

    def drop_database(self, sql: str) -> Rows:
        m = self._match(rf"DROP\s+(?:DATABASE|SCHEMA)\s+(IF\s+EXISTS\s+)?({NAME})(?:\s+(RESTRICT|CASCADE))?", sql)
        name = unquote(m.group(2))[-1]
        if name not in self.catalog.backend.databases:
            if m.group(1):
                return _NOTHING
            raise QueryError("", f"FAILED: SemanticException [Error 10072]: Database does not exist: {name}")
        if self.catalog.entries(name) and (m.group(3) or "").upper() != "CASCADE":
            raise QueryError(
                "",
                f"FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. InvalidOperationException(message:Database {name} is not empty. One or more tables exist.)",
            )
        self.catalog.backend.delete_database(name)
        return _NOTHING

    # --- tables and views ---------------------------------------------------------------------------------
    def create_table(self, sql: str) -> Rows:
        wanted = hive.parse_create_table(sql)
        database, name, exists = self._new_table(wanted.name)
        if exists:
            if wanted.if_not_exists:
                return _NOTHING
            raise QueryError(
                "",
                f"FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. AlreadyExistsException(message:Table {name} already exists)",
            )
        columns, keys = ([column.entry() for column in group] for group in (wanted.columns, wanted.partitions))
        create_table(
            self.catalog,
            database,
            name,
            columns,
            keys,
            {"Location": wanted.location, **wanted.storage},
            wanted.parameters,
        )
        return _NOTHING

    def _new_table(self, parts: Sequence[str]) -> tuple[str, str, bool]:
        """Return database and name of a table to make, and whether it is there already."""
        database = parts[-2] if len(parts) > 1 else self.database
        self.catalog.require_database(database)
        return database, parts[-1], bool(self.catalog.entry(database, parts[-1]))

    def create_iceberg(self, sql: str) -> Rows:
        wanted = hive.parse_create_iceberg(sql)
        database, name, exists = self._new_table(wanted.name)
        if exists:
            if wanted.if_not_exists:
                return _NOTHING
            raise QueryError("TABLE_ALREADY_EXISTS", f"Table {database}.{name} already exists")
        if not wanted.location:
            raise QueryError("", "FAILED: SemanticException No LOCATION was given for the Iceberg table")
        require()
        from local_mock.athena.iceberg.definitions import create
        from local_mock.athena.iceberg.schema import parse_partitioning

        columns = [(c.name, parse_type(c.type), c.comment) for c in wanted.columns]
        partitioning = parse_partitioning(wanted.partitioning)
        create(self.catalog, (database, name), columns, partitioning, wanted.location, wanted.parameters)
        return _NOTHING

    def drop_table(self, sql: str) -> Rows:
        m = self._match(rf"DROP\s+TABLE\s+(IF\s+EXISTS\s+)?({NAME})", sql)
        return self._drop(m, view=False)

    def drop_view(self, sql: str) -> Rows:
        m = self._match(rf"DROP\s+VIEW\s+(IF\s+EXISTS\s+)?({NAME})", sql)
        return self._drop(m, view=True)

    def _drop(self, m: re.Match[str], *, view: bool) -> Rows:
        database, name = self._name(m.group(2))
        entry = self.catalog.entry(database, name)
        if entry is None:
            if m.group(1):
                return _NOTHING
            raise QueryError("", f"FAILED: SemanticException [Error 10001]: Table not found {database}.{name}")
        if (entry.get("TableType") == "VIRTUAL_VIEW") != view:
            raise QueryError(
                "",
                f"FAILED: SemanticException {database}.{name} is {'not a view' if view else 'a view, use DROP VIEW'}",
            )
        if is_iceberg(entry):
            require()
            from local_mock.athena.iceberg.definitions import drop

            drop(self.catalog, database, name)
            return _NOTHING
        self.catalog.backend.delete_table(database, name)
        return _NOTHING

    def create_view(self, sql: str) -> Rows:
        m = self._match(rf"CREATE\s+(OR\s+REPLACE\s+)?VIEW\s+({NAME})\s+AS\s+(.*)", sql)
        database, name = self._name(m.group(2))
        self.catalog.require_database(database)
        existing = self.catalog.entry(database, name)
        if existing and not m.group(1):
            raise QueryError(
                "TABLE_ALREADY_EXISTS", f"line 1:1: View already exists: 'awsdatacatalog.{database}.{name}'"
            )
        if existing and existing.get("TableType") != "VIRTUAL_VIEW":
            raise QueryError(
                "TABLE_ALREADY_EXISTS", f"line 1:1: Table already exists: 'awsdatacatalog.{database}.{name}'"
            )
        body = m.group(3).strip()
        compiled = self.compile(body)
        columns = []
        for i, column in enumerate(compiled.columns):
            if column.name is None:
                raise QueryError("MISSING_COLUMN_NAME", f"line 1:1: Column name not specified at position {i + 1}")
            columns.append((column.name.lower(), column.type))
        listed = [{"Name": n, "Type": t.hive} for n, t in columns]
        text = json.dumps(
            {
                "originalSql": body,
                "catalog": "awsdatacatalog",
                "schema": self.database,
                "columns": [{"name": n, "type": str(t)} for n, t in columns],
            }
        )
        extra = {
            "TableType": "VIRTUAL_VIEW",
            "ViewOriginalText": f"/* Presto View: {base64.b64encode(text.encode()).decode()} */",
            "ViewExpandedText": "/* Presto View */",
        }
        if existing:
            self.catalog.backend.delete_table(database, name)
        create_table(
            self.catalog,
            database,
            name,
            listed,
            [],
            {"SerdeInfo": {}, "Location": ""},
            {"comment": "Presto View", "presto_view": "true"},
            **extra,
        )
        return _NOTHING

    # --- ALTER TABLE --------------------------------------------------------------------------------------
    def alter_table(self, sql: str) -> Rows:
        wanted = hive.parse_alter_table(sql)
        database = wanted.name[-2] if len(wanted.name) > 1 else self.database
        database, name, entry = self._entry(f"`{database}`.`{wanted.name[-1]}`")
        if is_iceberg(entry):
            require()
            from local_mock.athena.iceberg.definitions import alter

            alter(self.catalog, database, name, wanted.action)
            return _NOTHING
        match wanted.action:
            case hive_statements.DropColumn():
                raise QueryError("", "FAILED: ParseException only a column of an Iceberg table can be dropped")
            case hive_statements.RenameTable():
                raise QueryError("NOT_SUPPORTED", "Only an Iceberg table can be renamed")
            case hive_statements.AddPartitions():
                self._add_partitions(database, name, entry, wanted.action)
            case hive_statements.DropPartitions():
                self._drop_partitions(database, name, entry, wanted.action)
            case hive_statements.RenamePartition(old, new):
                self._change_partition(database, name, entry, old, {"Values": list(self._spec(entry, new))})
            case hive_statements.SetLocation(None, location):
                self._describe_storage(database, name, entry, Location=location)
            case hive_statements.SetLocation(values, location):
                self._change_partition(database, name, entry, values or {}, {}, location)
            case hive_statements.SetProperties(parameters):
                self._update(database, name, entry, Parameters={**(entry.get("Parameters") or {}), **parameters})
            case hive_statements.SetColumns(columns, replace):
                before = [] if replace else entry["StorageDescriptor"]["Columns"]
                self._describe_storage(database, name, entry, Columns=[*before, *(c.entry() for c in columns)])
            case hive_statements.ChangeColumn(old, column):
                columns = entry["StorageDescriptor"]["Columns"]
                if old not in (c["Name"].lower() for c in columns):
                    raise QueryError(
                        "", f"FAILED: SemanticException [Error 10002]: Invalid column reference {old}"
                    )
                changed = [column.entry() if c["Name"].lower() == old else c for c in columns]
                self._describe_storage(database, name, entry, Columns=changed)
        return _NOTHING

    def _update(self, database: str, name: str, entry: dict[str, Any], **changes: Any) -> None:
        drop = ("DatabaseName", "CreateTime", "UpdateTime", "VersionId", "CatalogId")
        self.catalog.backend.update_table(
            database, name, {k: v for k, v in entry.items() if k not in drop} | changes
        )

    def _describe_storage(self, database: str, name: str, entry: dict[str, Any], **changes: Any) -> None:
        self._update(database, name, entry, StorageDescriptor={**entry["StorageDescriptor"], **changes})

    def _spec(self, entry: dict[str, Any], values: dict[str, str]) -> tuple[str, ...]:
        keys = [k["Name"].lower() for k in entry.get("PartitionKeys") or []]
        if set(values) != set(keys):
            raise QueryError(
                "",
                f"FAILED: SemanticException [Error 10001]: partition spec {values} does not match the partition keys {keys}",
            )
        return tuple(values[k] for k in keys)

    def _add_partitions(
        self, database: str, name: str, entry: dict[str, Any], wanted: hive_statements.AddPartitions
    ) -> None:
        existing = self.catalog.partition_values(database, name)
        locations: dict[tuple[str, ...], str] = {}
        for given, location in wanted.partitions:
            values = self._spec(entry, given)
            if values in existing and not wanted.lenient:
                raise QueryError(
                    "",
                    f"FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. Partition already exists: {list(values)}",
                )
            keys = [k["Name"] for k in entry["PartitionKeys"]]
            folders = "".join(f"{k}={v}/" for k, v in zip(keys, values, strict=True))
            locations[values] = location or f"{entry['StorageDescriptor']['Location'].rstrip('/')}/{folders}"
        add_partitions(self.catalog, database, name, locations)

    def _drop_partitions(
        self, database: str, name: str, entry: dict[str, Any], wanted: hive_statements.DropPartitions
    ) -> None:
        existing = self.catalog.partition_values(database, name)
        for given in wanted.partitions:
            values = self._spec(entry, given)
            if values in existing:
                self.catalog.backend.delete_partition(database, name, list(values))
            elif not wanted.lenient:
                raise QueryError(
                    "", f"FAILED: SemanticException [Error 10006]: Partition not found {list(values)}"
                )

    def _change_partition(
        self, database: str, name: str, entry: dict[str, Any], given: dict[str, str], changes: dict[str, Any],
        location: str | None = None,
    ) -> None:  # fmt: skip
        values = list(self._spec(entry, given))
        for partition in self.catalog.partition_entries(database, name):
            if partition["Values"] == values:
                descriptor = partition["StorageDescriptor"] | ({"Location": location} if location else {})
                request = {"Values": values, "StorageDescriptor": descriptor, **changes}
                self.catalog.backend.update_partition(database, name, request, values)
                return
        raise QueryError("", f"FAILED: SemanticException [Error 10006]: Partition not found {values}")

    def repair(self, sql: str) -> Rows:
        m = self._match(rf"MSCK\s+REPAIR\s+TABLE\s+({NAME})", sql)
        database, name, entry = self._entry(m.group(1))
        keys = [k["Name"].lower() for k in entry.get("PartitionKeys") or []]
        root = entry["StorageDescriptor"]["Location"].rstrip("/") + "/"
        folders: dict[tuple[str, ...], str] = {}
        for item in self.data.list(root):
            parts = item.uri[len(root) :].split("/")[: len(keys)]
            if len(parts) == len(keys) and all(
                p.lower().startswith(f"{k}=") for p, k in zip(parts, keys, strict=True)
            ):
                values = tuple(url_unquote(p.partition("=")[2]) for p in parts)
                folders[values] = root + "/".join(parts) + "/"
        existing = self.catalog.partition_values(database, name)
        new = [v for v in folders if v not in existing]
        add_partitions(self.catalog, database, name, folders)
        shown = [f"{name}:" + "/".join(f"{k}={x}" for k, x in zip(keys, v, strict=True)) for v in new]
        rows = (
            [
                [f"Partitions not in metastore:\t{' '.join(shown)}"],
                *([f"Repair: Added partition to metastore {s}"] for s in shown),
            ]
            if shown
            else []
        )
        return ["result"], [VARCHAR], rows
