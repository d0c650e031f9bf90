"""Statements about the catalog: databases, tables, partitions, views, SHOW and DESCRIBE.

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
from local_mock.athena.hive_tokens import quoted
from local_mock.athena.iceberg import is_iceberg, require
from local_mock.athena.sqltypes import VARCHAR, Type, parse_type
from local_mock.athena.statements import NAME, Statement, unquote
from local_mock.athena.translate.queries import Compiled
from local_mock.data import DataAccess

__all__ = ["add_partitions", "create_table", "new_id", "run"]

Rows = tuple[list[str], list[Type], list[list[str]]]
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


class _Commands:
    def __init__(
        self, catalog: GlueCatalog, database: str, data: DataAccess, compile_: Callable[[str], Compiled]
    ) -> None:
        self.catalog, self.database, self.data, self.compile = catalog, database, data, compile_

    def _match(self, pattern: str, sql: str) -> re.Match[str]:
        match = re.match(pattern + r"\s*$", sql, re.IGNORECASE | re.DOTALL)
        if match is None:
            near = " ".join(sql.split()[:5])
            raise QueryError("", f"FAILED: ParseException line 1:1 cannot recognize input near '{near}'")
        return match

    def _name(self, text: str) -> tuple[str, str]:
        parts = unquote(text)[-2:]
        return (parts[0] if len(parts) == 2 else self.database), parts[-1]

    def _entry(self, text: str) -> tuple[str, str, dict[str, Any]]:
        database, name = self._name(text)
        entry = self.catalog.entry(database, name)
        if entry is None:
            raise QueryError("", f"FAILED: SemanticException [Error 10001]: Table not found {database}.{name}")
        return database, name, entry

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

    # --- SHOW, DESCRIBE -----------------------------------------------------------------------------------
    def show(self, sql: str) -> Rows:
        if m := re.match(r"SHOW\s+(?:DATABASES|SCHEMAS)(?:\s+LIKE)?(?:\s+'([^']*)')?$", sql, re.IGNORECASE):
            return self._listing("database_name", self.catalog.databases(), m.group(1))
        if m := re.match(
            rf"SHOW\s+(TABLES|VIEWS)(?:\s+(?:IN|FROM)\s+({NAME}))?(?:\s+LIKE)?(?:\s+'([^']*)')?$",
            sql,
            re.IGNORECASE,
        ):
            database = unquote(m.group(2))[-1] if m.group(2) else self.database
            self.catalog.require_database(database)
            views = m.group(1).upper() == "VIEWS"
            names = [
                e["Name"]
                for e in self.catalog.entries(database)
                if not views or e.get("TableType") == "VIRTUAL_VIEW"
            ]
            return self._listing("tab_name", names, m.group(3))
        if m := re.match(rf"SHOW\s+PARTITIONS\s+({NAME})$", sql, re.IGNORECASE):
            database, name, entry = self._entry(m.group(1))
            keys = [k["Name"] for k in entry.get("PartitionKeys") or []]
            if not keys:
                raise QueryError("", f"FAILED: SemanticException Table {name} is not a partitioned table")
            listed = [
                "/".join(f"{k}={v}" for k, v in zip(keys, p["Values"], strict=True))
                for p in self.catalog.partition_entries(database, name)
            ]
            return ["partition"], [VARCHAR], [[line] for line in sorted(listed)]
        if m := re.match(
            rf"SHOW\s+COLUMNS\s+(?:IN|FROM)\s+({NAME})(?:\s+(?:IN|FROM)\s+({NAME}))?$", sql, re.IGNORECASE
        ):
            _, _, entry = self._entry(f"{m.group(2)}.{m.group(1)}" if m.group(2) else m.group(1))
            columns = [*entry["StorageDescriptor"]["Columns"], *(entry.get("PartitionKeys") or [])]
            return ["field"], [VARCHAR], [[c["Name"].ljust(20)] for c in columns]
        if m := re.match(rf"SHOW\s+TBLPROPERTIES\s+({NAME})(?:\s*\(\s*'([^']+)'\s*\))?$", sql, re.IGNORECASE):
            _, _, entry = self._entry(m.group(1))
            pairs = sorted((entry.get("Parameters") or {}).items())
            return (
                ["prpt_name", "prpt_value"],
                [VARCHAR, VARCHAR],
                [[k, str(v)] for k, v in pairs if m.group(2) in (None, k)],
            )
        if m := re.match(rf"SHOW\s+CREATE\s+(TABLE|VIEW)\s+({NAME})$", sql, re.IGNORECASE):
            database, name, entry = self._entry(m.group(2))
            return ["createtab_stmt"], [VARCHAR], [[line] for line in self._create_text(database, name, entry)]
        raise not_supported(f"the statement {' '.join(sql.split()[:3])}")

    def _listing(self, label: str, names: list[str], pattern: str | None) -> Rows:
        if pattern is not None:
            shape = re.compile(
                "|".join(re.escape(p).replace(r"\*", ".*").replace("%", ".*") for p in pattern.split("|")),
                re.IGNORECASE,
            )
            names = [n for n in names if shape.fullmatch(n)]
        return [label], [VARCHAR], [[n] for n in names]

    def _create_text(self, database: str, name: str, entry: dict[str, Any]) -> list[str]:
        if entry.get("TableType") == "VIRTUAL_VIEW":
            view = self.catalog.table(database, name).view or ""
            return [f"CREATE VIEW {database}.{name} AS", *view.splitlines()]
        storage, parameters = entry["StorageDescriptor"], dict(entry.get("Parameters") or {})
        if is_iceberg(entry):
            return _iceberg_text(database, name, self.catalog, storage)

        def columns(entries: list[dict[str, str]]) -> list[str]:
            comments = (f" COMMENT {quoted(c['Comment'])}" if c.get("Comment") else "" for c in entries)
            return _listed([f"`{c['Name']}` {c['Type']}{text}" for c, text in zip(entries, comments, strict=True)])

        keys = entry.get("PartitionKeys") or []
        lines = [f"CREATE EXTERNAL TABLE `{database}.{name}`(", *columns(storage["Columns"])]
        if comment := parameters.pop("comment", ""):
            lines.append(f"COMMENT {quoted(comment)}")
        lines += ["PARTITIONED BY ( ", *columns(keys)] if keys else []
        if storage.get("BucketColumns"):
            lines += ["CLUSTERED BY ( ", *_listed([f"`{c}`" for c in storage["BucketColumns"]])]
            lines.append(f"INTO {storage['NumberOfBuckets']} BUCKETS")
        lines += _row_format(storage["SerdeInfo"])
        lines += ["STORED AS INPUTFORMAT ", f"  '{storage['InputFormat']}' "]
        lines += ["OUTPUTFORMAT ", f"  '{storage['OutputFormat']}'"]
        lines += ["LOCATION", f"  {quoted(storage['Location'])}"]
        parameters.pop("EXTERNAL", None)
        return lines + (["TBLPROPERTIES (", *_listed(_pairs(parameters))] if parameters else [])

    def describe(self, sql: str) -> Rows:
        m = self._match(rf"DESC(?:RIBE)?\s+(?:EXTENDED\s+|FORMATTED\s+)?({NAME})", sql)
        _, _, entry = self._entry(m.group(1))
        columns, keys = entry["StorageDescriptor"]["Columns"], entry.get("PartitionKeys") or []

        def line(c: dict[str, str]) -> list[str]:
            return [f"{c['Name']:<20}\t{c['Type']:<20}\t{c.get('Comment', ''):<20}"]

        rows = [line(c) for c in [*columns, *keys]]
        if keys:
            rows += [
                ["\t \t "],
                ["# Partition Information\t \t "],
                [f"{'# col_name':<24}\t{'data_type':<24}\t{'comment':<24}"],
                ["\t \t "],
                *map(line, keys),
            ]
        # One cell a row, tabs inside, under the names of three columns: so does Athena, and clients split it.
        return ["col_name", "data_type", "comment"], [VARCHAR] * 3, rows


def _iceberg_text(database: str, name: str, catalog: GlueCatalog, storage: dict[str, Any]) -> list[str]:
    """Return the lines of SHOW CREATE TABLE of an Iceberg table."""
    require()
    from local_mock.athena.iceberg.reading import load

    loaded = load(catalog, database, name)
    schema, spec = loaded.schema(), loaded.spec()
    lines = [
        f"CREATE TABLE {database}.{name} (",
        *_listed([f"{c['Name']} {c['Type']}" for c in storage["Columns"]]),
    ]
    terms = []
    for field in spec.fields:
        column, transform = schema.find_field(field.source_id).name, str(field.transform)
        word, _, width = transform.rstrip("]").partition("[")
        terms.append(f"`{column}`" if word == "identity" else f"{word}({f'{width}, ' if width else ''}`{column}`)")
    lines += [f"PARTITIONED BY ({', '.join(terms)})"] if terms else []
    lines += [f"LOCATION {quoted(storage['Location'])}"]
    return [*lines, "TBLPROPERTIES (", *_listed(_pairs({"table_type": "iceberg", **loaded.properties}))]


def _listed(items: Sequence[str], end: str = ")") -> list[str]:
    """Return the lines of a list in brackets, without the opening one."""
    return [*(f"  {item}, " for item in items[:-1]), f"  {items[-1]}{end}"]


def _pairs(parameters: dict[str, str]) -> list[str]:
    return [f"{quoted(k)}={quoted(str(v))}" for k, v in sorted(parameters.items())]


def _row_format(serde: dict[str, Any]) -> list[str]:
    """Return the lines of ROW FORMAT: delimiters of text files, or a SerDe with its properties."""
    library, parameters = serde["SerializationLibrary"], dict(serde.get("Parameters") or {})
    delimiters = dict(hive.DELIMITERS)
    if library == hive.LAZY and set(parameters) <= {*delimiters.values(), "serialization.format"}:
        clauses = [
            f"  {words} {quoted(parameters[key])} " for words, key in delimiters.items() if key in parameters
        ]
        return ["ROW FORMAT DELIMITED ", *clauses]
    lines = ["ROW FORMAT SERDE ", f"  '{library}' "]
    if parameters and parameters != {"serialization.format": "1"}:
        lines += ["WITH SERDEPROPERTIES ( ", *_listed(_pairs(parameters), ") ")]
    return lines
