"""SHOW and DESCRIBE, and what the statements about the catalog share: their names, and the tables that they mean."""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from local_mock.athena import hive
from local_mock.athena.catalog import GlueCatalog
from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.hive_tokens import quoted
from local_mock.athena.iceberg import is_iceberg, require
from local_mock.athena.sqltypes import VARCHAR, Type
from local_mock.athena.statements import NAME, unquote

__all__ = ["Rows", "ShowCommands"]

Rows = tuple[list[str], list[Type], list[list[str]]]  # names of columns, their types, rows of text


class ShowCommands:
    """SHOW and DESCRIBE of one session; names without a database are those of `database`."""

    def __init__(self, catalog: GlueCatalog, database: str) -> None:
        self.catalog, self.database = catalog, database

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

    def show(self, sql: str) -> Rows:
        """Carry out a SHOW statement. Raises QueryError."""
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
            return (
                ["createtab_stmt"],
                [VARCHAR],
                [[line] for line in _create_text(database, name, self.catalog, entry)],
            )
        raise not_supported(f"the statement {' '.join(sql.split()[:3])}")

    def _listing(self, label: str, names: list[str], pattern: str | None) -> Rows:
        if pattern is not None:
            shape = re.compile(
                "|".join(re.escape(p).replace(r"\*", ".*").replace("%", ".*") for p in pattern.split("|")),
                re.IGNORECASE,
            )
            names = [n for n in names if shape.fullmatch(n)]
        return [label], [VARCHAR], [[n] for n in names]

    def describe(self, sql: str) -> Rows:
        """Carry out DESCRIBE. Raises QueryError."""
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


def _create_text(database: str, name: str, catalog: GlueCatalog, entry: dict[str, Any]) -> list[str]:
    """Return the lines of SHOW CREATE TABLE or SHOW CREATE VIEW."""
    if entry.get("TableType") == "VIRTUAL_VIEW":
        view = catalog.table(database, name).view or ""
        return [f"CREATE VIEW {database}.{name} AS", *view.splitlines()]
    storage, parameters = entry["StorageDescriptor"], dict(entry.get("Parameters") or {})
    if is_iceberg(entry):
        return _iceberg_text(database, name, catalog, storage)

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
