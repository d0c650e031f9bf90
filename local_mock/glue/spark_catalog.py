"""The Glue catalog for `spark.sql` of a job: the statements that copy its tables into Spark's in-memory catalog.

With the argument `--enable-glue-datacatalog` (as on Glue) the process of a job runs these statements when it makes
its session (`bootstrap`). They name tables of Parquet and ORC files only: of other files, Spark's readers and
Hive's SerDes give different values. A job only reads the copy: it writes to paths, and a crawler, Athena or the
API changes the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["ARGUMENT", "describe", "is_wanted"]

ARGUMENT = "--enable-glue-datacatalog"
_FORMATS = {"ParquetHiveSerDe": "parquet", "OrcSerde": "orc"}
_AT_ONCE = 500  # partitions in one statement
_SPARK_NAME = re.compile(r"\w+", re.ASCII)
_STRANGE_NAME = "a name that Spark does not take"
Entry = Mapping[str, Any]


def is_wanted(arguments: Mapping[str, str]) -> bool:
    """Return whether a run's arguments ask for the catalog; the argument alone does, too."""
    return ARGUMENT in arguments and str(arguments[ARGUMENT]).lower() != "false"


def describe(databases: Iterable[str], tables: Iterable[tuple[Entry, list[Entry]]]) -> dict[str, list[str]]:
    """Return the `statements` for Spark, and under `left_out` what has none, with the reason. Pure.

    `tables` are entries of GetTable, each with those of GetPartitions. Spark takes only letters, digits and
    underscores in the name of a database or table; one of another name is left out.
    """
    taken = {database: bool(_SPARK_NAME.fullmatch(database)) for database in databases}
    statements = [f"CREATE DATABASE IF NOT EXISTS {_name(name)}" for name, takes in taken.items() if takes]
    left_out = [f"{name} ({_STRANGE_NAME})" for name, takes in taken.items() if not takes]
    for table, partitions in tables:
        name = f"{table['DatabaseName']}.{table['Name']}"
        if not taken.get(table["DatabaseName"], True):
            continue
        if reason := _reason(table, partitions):
            left_out.append(f"{name} ({reason})")
        else:
            statements += _statements(table, partitions)
    return {"statements": statements, "left_out": left_out}


def _library(storage: Mapping[str, Any]) -> str:
    return str((storage.get("SerdeInfo") or {}).get("SerializationLibrary") or "").rpartition(".")[2]


def _reason(table: Entry, partitions: list[Entry]) -> str | None:
    storage, parameters = table.get("StorageDescriptor") or {}, table.get("Parameters") or {}
    if not _SPARK_NAME.fullmatch(table["Name"]):
        return _STRANGE_NAME
    if table.get("TableType") == "VIRTUAL_VIEW":
        return "a view"
    if str(parameters.get("table_type", "")).lower() == "iceberg":
        return "an Iceberg table"
    if str(parameters.get("projection.enabled", "")).lower() == "true":
        return "partition projection, which Glue's Spark does not know either"
    libraries = {_library(storage), *(_library(p.get("StorageDescriptor") or {}) for p in partitions)} - {""}
    if len(libraries) != 1 or not libraries <= set(_FORMATS):
        return f"SerDe {', '.join(sorted(libraries)) or 'none'}"
    return None if storage.get("Location") and storage.get("Columns") else "no location or no columns"


def _statements(table: Entry, partitions: list[Entry]) -> list[str]:
    storage, keys = table["StorageDescriptor"], table.get("PartitionKeys") or []
    columns = ", ".join(f"{_name(c['Name'])} {c.get('Type') or 'string'}" for c in [*storage["Columns"], *keys])
    name = f"{_name(table['DatabaseName'])}.{_name(table['Name'])}"
    by = f" PARTITIONED BY ({', '.join(_name(k['Name']) for k in keys)})" if keys else ""
    kind, place = _FORMATS[_library(storage)], _text(storage["Location"])
    made = [f"CREATE TABLE IF NOT EXISTS {name} ({columns}) USING {kind}{by} LOCATION {place}"]
    clauses = [_partition(keys, partition) for partition in partitions]
    made += [
        f"ALTER TABLE {name} ADD IF NOT EXISTS {' '.join(clauses[i : i + _AT_ONCE])}"
        for i in range(0, len(clauses), _AT_ONCE)
    ]
    return made


def _partition(keys: list[Any], partition: Entry) -> str:
    pairs = zip(keys, partition["Values"], strict=True)
    values = ", ".join(f"{_name(key['Name'])} = {_text(value)}" for key, value in pairs)
    return f"PARTITION ({values}) LOCATION {_text(partition['StorageDescriptor']['Location'])}"


def _name(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
