"""A table → a DuckDB relation over exactly the files, columns and partitions that the query needs.

Partition values come from the catalog (or from partition projection), never from the path. Names that begin
with `_` or `.` are not data. Only Parquet and delimited text are read.
"""

# ruff: noqa: E501, S608 - one line a message or signature; SQL is made of compiled parts, never of user text
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from local_mock.athena.catalog import Partition, Table
from local_mock.athena.errors import QueryError
from local_mock.athena.footers import Footer, footer, scanned
from local_mock.athena.projection import projected
from local_mock.athena.sqltypes import Type
from local_mock.athena.translate.casts import rounded_timestamp
from local_mock.athena.translate.relations import Scan, quote, text
from local_mock.data import DataAccess

__all__ = ["bind_scan", "data_files", "file_format"]

_UNION_LIMIT = 48  # partitions that are written as UNION ALL; beyond it, one reader and a table of values


@dataclass(frozen=True)
class DataFile:
    uri: str
    path: Path
    size: int
    values: tuple[str, ...]


def file_format(table: Table) -> str:
    """`parquet`, `text` or `opencsv`. Raises QueryError for what is not read here."""
    serde = table.serde.rpartition(".")[2]
    known = {"ParquetHiveSerDe": "parquet", "LazySimpleSerDe": "text", "OpenCSVSerde": "opencsv"}
    if serde not in known:
        raise QueryError("NOT_SUPPORTED", f"The SerDe {table.serde or '(none)'} is not supported by local_mock")
    return known[serde]


def data_files(data: DataAccess, location: str) -> list[Any]:
    """Objects under a location that are data (no `_SUCCESS`, no `.crc`, nothing empty)."""
    prefix = location.rstrip("/") + "/"
    found = [
        item
        for item in data.list(prefix)
        if item.size > 0 and not any(part.startswith(("_", ".")) for part in item.uri[len(prefix) :].split("/"))
    ]
    return sorted(found, key=lambda item: item.uri)


def bind_scan(scan: Scan, data: DataAccess, evaluate: Callable[[str], list[Any]]) -> tuple[str, int]:
    """(DuckDB SELECT for the token of `scan`, bytes that it reads). `evaluate` runs a constant query."""
    table = scan.table
    kind = file_format(table)
    partitions = _partitions(table, scan, evaluate)
    found = [(item, p.values) for p in partitions for item in data_files(data, p.location)]
    paths = data.local_files([item for item, _ in found])
    files = [
        DataFile(item.uri, path, item.size, values) for (item, values), path in zip(found, paths, strict=True)
    ]
    if kind != "parquet":
        return _text(scan, files, kind), sum(f.size for f in files)
    feet = {f.path: footer(f.path, f.uri) for f in files}
    _check_types(table, scan, files, feet)
    wanted = {name for name, _ in table.columns} & scan.used
    total = sum(scanned(feet[f.path], wanted, scan.predicates) for f in files)
    return _parquet(scan, files, feet), total


def _partitions(table: Table, scan: Scan, evaluate: Callable[[str], list[Any]]) -> list[Partition]:
    if not table.partition_keys:
        return [Partition((), table.location)]
    enabled = table.parameters.get("projection.enabled", "").lower() == "true"
    partitions = projected(table) if enabled else table.partitions
    if not partitions or not scan.partition_filters:
        return partitions
    keys = [name for name, _ in table.partition_keys]
    rows = ", ".join(f"({i}, {', '.join(text(v) for v in p.values)})" for i, p in enumerate(partitions))
    base = f"(VALUES {rows}) AS p(i, {', '.join(quote(k) for k in keys)})"
    kinds = dict(table.partition_keys)
    keep = set(range(len(partitions)))
    for condition, origins in scan.partition_filters:
        selects: dict[str, list[str]] = {}
        for ref, key in origins.items():
            alias, _, column = ref.partition(".")
            selects.setdefault(alias, []).append(f"{_value(f'p.{quote(key)}', kinds[key])} AS {column}")
        (alias, columns), *rest = selects.items()
        if rest:
            continue
        sql = f"SELECT {alias}.i FROM (SELECT p.i, {', '.join(columns)} FROM {base}) AS {alias} WHERE {condition}"
        keep &= {row[0] for row in evaluate(sql)}
    return [p for i, p in enumerate(partitions) if i in keep]


def _value(sql: str, kind: Type) -> str:
    """A partition value in its type; Hive's name of the missing value is NULL."""
    return f"CAST(nullif({sql}, '__HIVE_DEFAULT_PARTITION__') AS {kind.duckdb})"


def _empty(scan: Scan) -> str:
    columns = [f"CAST(NULL AS {c.type.duckdb}) AS {quote(n)}" for n, c in scan.columns.items()]
    return f"SELECT {', '.join(columns)} WHERE FALSE"


def _parquet(scan: Scan, files: list[DataFile], feet: dict[Path, Footer]) -> str:
    if not files:
        return _empty(scan)
    groups: dict[tuple[Any, ...], list[DataFile]] = {}
    per_partition = len({f.values for f in files}) <= _UNION_LIMIT
    for f in files:
        names = tuple(sorted((n, str(t)) for n, t in feet[f.path].columns.items() if n in scan.used))
        groups.setdefault((names, f.values if per_partition else None), []).append(f)
    selects = []
    for (names, values), members in groups.items():
        present = {name for name, _ in names}
        columns = [
            f"{_stored(name, kind) if name in present else f'CAST(NULL AS {kind.duckdb})'} AS {quote(name)}"
            for name, kind in scan.table.columns
            if name in scan.used
        ]
        columns += _partition_columns(scan, values, members)
        needs_name = "$path" in scan.used or "$file_size" in scan.used or values is None
        listed = ", ".join(text(str(f.path)) for f in members)
        options = ", filename = 'f$'" if needs_name else ""
        selects.append(
            f"SELECT {', '.join(columns) or '1 AS one'} FROM read_parquet([{listed}], hive_partitioning = false{options})"
        )
    return " UNION ALL ".join(selects)


def _stored(name: str, kind: Type) -> str:
    column = quote(name)
    if kind.base == "timestamp":
        return rounded_timestamp(f"CAST({column} AS TIMESTAMP)", 3)
    return f"CAST({column} AS {kind.duckdb})"


def _partition_columns(scan: Scan, values: tuple[str, ...] | None, members: list[DataFile]) -> list[str]:
    columns = []
    for i, (name, kind) in enumerate(scan.table.partition_keys):
        if name in scan.used:
            value = text(values[i]) if values is not None else _by_file(members, [f.values[i] for f in members])
            columns.append(f"{_value(value, kind)} AS {quote(name)}")
    # Named by an inner SELECT whose column nobody needs: a typed NULL, which DuckDB drops, costs no reading.
    columns += [
        f"CAST(NULL AS {c.type.duckdb}) AS {quote(n)}" for n, c in scan.columns.items() if n not in scan.used
    ]
    if "$path" in scan.used:
        columns.append(f"{_by_file(members, [f.uri for f in members])} AS {quote('$path')}")
    if "$file_size" in scan.used:
        columns.append(
            f"CAST({_by_file(members, [str(f.size) for f in members])} AS BIGINT) AS {quote('$file_size')}"
        )
    return columns


def _by_file(members: list[DataFile], values: list[str]) -> str:
    """The value that belongs to the file of the row."""
    paths = ", ".join(text(str(f.path)) for f in members)
    return (
        "map_extract_value(MAP {}, 'f$')"
        if not members
        else f'map_extract_value(map([{paths}], [{", ".join(map(text, values))}]), "f$")'
    )


_FAMILIES = {
    "tinyint": "int", "smallint": "int", "integer": "int", "bigint": "int", "real": "float", "double": "float",
    "decimal": "decimal", "varchar": "text", "char": "text", "boolean": "boolean", "date": "date",
    "timestamp": "timestamp", "varbinary": "binary", "array": "list", "map": "map", "row": "struct",
}  # fmt: skip


def _family(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):  # Arrow's note on how it held the column; the file has plain values
        kind = kind.value_type
    tests = [
        ("int", pa.types.is_integer), ("float", pa.types.is_floating), ("decimal", pa.types.is_decimal),
        ("text", pa.types.is_string), ("text", pa.types.is_large_string), ("boolean", pa.types.is_boolean),
        ("date", pa.types.is_date), ("timestamp", pa.types.is_timestamp), ("binary", pa.types.is_binary),
        ("list", pa.types.is_list), ("map", pa.types.is_map), ("struct", pa.types.is_struct), ("null", pa.types.is_null),
    ]  # fmt: skip
    return next((name for name, test in tests if test(kind)), str(kind))


def _check_types(table: Table, scan: Scan, files: list[DataFile], feet: dict[Path, Footer]) -> None:
    """Raise HIVE_BAD_DATA where a file's column cannot be what the table says."""
    for f in files:
        stored = feet[f.path].columns
        for name, kind in table.columns:
            if name not in scan.used or name not in stored:
                continue
            family = _family(stored[name])
            allowed = (
                {_FAMILIES.get(kind.base, "")} | ({"null"}) | ({"binary"} if kind.base == "varchar" else set())
            )
            if family not in allowed:
                raise QueryError(
                    "HIVE_BAD_DATA",
                    f"Field {name}'s type {stored[name]} in parquet file {f.uri} is incompatible with type {kind} defined in table schema",
                )


def _text(scan: Scan, files: list[DataFile], kind: str) -> str:
    if not files:
        return _empty(scan)
    table, options = scan.table, scan.table.serde_parameters
    if any(t.args for n, t in table.columns if n in scan.used):
        raise QueryError("NOT_SUPPORTED", "Complex types in text files are not supported by local_mock")
    skip = int(table.parameters.get("skip.header.line.count") or options.get("skip.header.line.count") or 0)
    opencsv = kind == "opencsv"
    delimiter = (
        options.get("separatorChar", ",")
        if opencsv
        else options.get("field.delim", options.get("serialization.format", "\x01"))
    )
    delimiter = {"\\t": "\t", "\\001": "\x01", "1": "\x01", "\\u0001": "\x01"}.get(delimiter, delimiter)
    quoting = (
        (options.get("quoteChar", '"'), options.get("escapeChar", "\\"))
        if opencsv
        else ("", options.get("escape.delim", ""))
    )
    schema = "{" + ", ".join(f"{text(n)}: 'VARCHAR'" for n, _ in table.columns) + "}"
    common = (
        f"delim = {text(delimiter)}, quote = {text(quoting[0])}, escape = {text(quoting[1])}, header = false, "
        f"auto_detect = false, null_padding = true, strict_mode = false, skip = {skip}, columns = {schema}, "
        f"nullstr = {text(chr(0) if opencsv else options.get('serialization.null.format', chr(92) + 'N'))}"
    )
    selects = []
    for f in files:
        columns = []
        for name, type_ in table.columns:
            if name in scan.used:
                cell = (
                    quote(name)
                    if type_.base == "varchar"
                    else f"{'CAST' if opencsv else 'TRY_CAST'}(nullif({quote(name)}, '') AS {type_.duckdb})"
                )
                columns.append(f"{cell} AS {quote(name)}")
        columns += _partition_columns(scan, f.values, [f])
        options_ = ", filename = 'f$'" if {"$path", "$file_size"} & scan.used else ""
        selects.append(
            f"SELECT {', '.join(columns) or '1 AS one'} FROM read_csv({text(str(f.path))}, {common}{options_})"
        )
    return " UNION ALL ".join(selects)
