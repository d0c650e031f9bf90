"""A table → a DuckDB relation over exactly the files, columns and partitions that the query needs.

Partition values come from the catalog (or from partition projection), never from the path. Names that begin
with `_` or `.` are not data. All other formats than Parquet are read by way of it (`serde.py`).
"""

# ruff: noqa: E501, S608 - one line a message or signature; SQL is made of compiled parts, never of user text
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from local_mock.athena.catalog import Partition, Table
from local_mock.athena.errors import QueryError
from local_mock.athena.footers import Footer, footer, scanned
from local_mock.athena.frames import ROWS
from local_mock.athena.projection import projected
from local_mock.athena.sqltypes import BIGINT, TIMESTAMP, VARCHAR, Type, parse_type
from local_mock.athena.translate.casts import rounded_timestamp, widen
from local_mock.athena.translate.relations import HIDDEN, Scan, quote, text
from local_mock.data import DataAccess, ObjectInfo

__all__ = ["DataFile", "bind_scan", "data_files", "empty_scan", "file_format", "partition_columns"]

_UNION_LIMIT = 48  # partitions that are written as UNION ALL; beyond it, one reader and a table of values
_LIST_AT_ONCE = 100  # partitions from which on one listing of the table is cheaper than one of each
_NUMBER = "$number"  # of a partition among those that a filter is asked about; no column has this name


class Evaluate(Protocol):
    """Runs compiled SQL, over rows under the name `ROWS` where there are any; returns its rows."""

    def __call__(self, sql: str, rows: pa.Table | None = None) -> list[Any]: ...


@dataclass(frozen=True)
class DataFile:
    """An object that a scan reads: the file of its content, the values of its partition."""

    uri: str
    path: Path
    size: int
    values: tuple[str, ...]
    serde_parameters: tuple[tuple[str, str], ...] | None = None

    def hidden(self, column: str) -> str:
        """Return the text of a hidden column, one value a file."""
        if column == "$path":
            return self.uri
        return str(self.size if column == "$file_size" else int(self.path.stat().st_mtime * 1000))


def file_format(table: Table, library: str | None = None) -> str:
    """Return the format of a table or partition: `parquet`, `text`, `opencsv`, `json`, `openx`, `orc` or `avro`.

    Raises QueryError for others.
    """
    library = library or table.serde
    serde = library.rpartition(".")[2]
    if serde == "JsonSerDe":
        return "openx" if "openx" in library else "json"
    formats = {
        "ParquetHiveSerDe": "parquet", "LazySimpleSerDe": "text", "OpenCSVSerde": "opencsv", "OrcSerde": "orc", "AvroSerDe": "avro",
    }  # fmt: skip
    if serde not in formats:
        raise QueryError("NOT_SUPPORTED", f"The SerDe {library or '(none)'} is not supported by local_mock")
    return formats[serde]


def data_files(data: DataAccess, location: str) -> list[ObjectInfo]:
    """Return the objects under a location that are data (no `_SUCCESS`, no `.crc`, nothing empty)."""
    prefix = location.rstrip("/") + "/"
    return sorted((item for item in data.list(prefix) if _is_data(item, prefix)), key=lambda item: item.uri)


def _is_data(item: ObjectInfo, prefix: str) -> bool:
    names = item.uri[len(prefix) :].split("/")
    return item.size > 0 and not any(name.startswith(("_", ".")) for name in names)


def bind_scan(
    scan: Scan, data: DataAccess, evaluate: Evaluate, convert: Callable[[dict[str, Any]], Path]
) -> tuple[str, int]:
    """Return (DuckDB SELECT for the token of `scan`, bytes that it reads).

    `evaluate` runs a query over rows, `convert` reads text.
    """
    table = scan.table
    if table.iceberg is not None:
        from local_mock.athena.iceberg.reading import bind

        return bind(scan, data)
    file_format(table)
    partitions = _partitions(table, scan, evaluate)
    for partition in partitions:
        _check_schema(table, partition, scan)
    listed = _listed(data, table, partitions)
    paths = data.local_files([item for item, _ in listed])
    by_format: dict[str, list[DataFile]] = {}
    for (item, p), path in zip(listed, paths, strict=True):
        file = DataFile(item.uri, path, item.size, p.values, p.serde_parameters)
        by_format.setdefault(file_format(table, p.serde), []).append(file)
    selects, total = [], 0
    for kind, files in by_format.items():
        if kind != "parquet":
            selects.append(_text(scan, files, kind, convert))
            total += sum(f.size for f in files)
            continue
        feet = {f.path: footer(f.path, f.uri) for f in files}
        _check_types(table, scan, files, feet)
        wanted = {name for name, _ in table.columns} & scan.used
        total += sum(scanned(feet[f.path], wanted, scan.predicates) for f in files)
        selects.append(_parquet(scan, files, feet))
    return " UNION ALL ".join(selects) or empty_scan(scan), total


_WIDER = {
    "smallint": ("tinyint",), "integer": ("tinyint", "smallint"), "bigint": ("tinyint", "smallint", "integer"), "double": ("real",),
    "varchar": ("char",),
}  # fmt: skip


def _check_schema(table: Table, partition: Partition, scan: Scan) -> None:
    """Raise HIVE_PARTITION_SCHEMA_MISMATCH where a partition declares a column with a type that the table's is not made of."""
    declared = dict(partition.columns)
    for name, kind in table.columns:
        if name not in declared or name not in scan.used:
            continue
        own = parse_type(declared[name])
        if own != kind and own.base not in _WIDER.get(kind.base, ()):
            values = "/".join(f"{k}={v}" for (k, _), v in zip(table.partition_keys, partition.values, strict=True))
            raise QueryError(
                "HIVE_PARTITION_SCHEMA_MISMATCH",
                f"There is a mismatch between the table and partition schemas. The types are incompatible and cannot be coerced. The column '{name}' in table '{table.database}.{table.name}' is declared as type '{kind.hive}', but partition '{values}' declared column '{name}' as type '{own.hive}'.",
            )


def _listed(data: DataAccess, table: Table, partitions: list[Partition]) -> list[tuple[ObjectInfo, Partition]]:
    """Return the data of all partitions; that of many partitions by one listing of the table's location."""
    top = table.location.rstrip("/") + "/"
    if len(partitions) < _LIST_AT_ONCE or not all(p.location.startswith(top) for p in partitions):
        return [(item, p) for p in partitions for item in data_files(data, p.location)]
    items = sorted(data.list(top), key=lambda item: item.uri)
    uris = [item.uri for item in items]
    listed: list[tuple[ObjectInfo, Partition]] = []
    for p in partitions:
        prefix = p.location.rstrip("/") + "/"
        at = bisect_left(uris, prefix)
        while at < len(items) and uris[at].startswith(prefix):
            if _is_data(items[at], prefix):
                listed.append((items[at], p))
            at += 1
    return listed


def _partitions(table: Table, scan: Scan, evaluate: Evaluate) -> list[Partition]:
    if not table.partition_keys:
        return [Partition((), table.location)]
    enabled = table.parameters.get("projection.enabled", "").lower() == "true"
    partitions = projected(table) if enabled else table.partitions
    if not partitions or not scan.partition_filters:
        return partitions
    keys = [name for name, _ in table.partition_keys]
    kinds = dict(table.partition_keys)
    for condition, origins in scan.partition_filters:
        selects: dict[str, list[str]] = {}
        for ref, key in origins.items():
            alias, _, column = ref.partition(".")
            selects.setdefault(alias, []).append(f"{_value(f'p.{quote(key)}', kinds[key])} AS {column}")
        (alias, columns), *rest = selects.items()
        if rest:
            continue
        given: dict[str, Any] = {_NUMBER: range(len(partitions))}
        given |= {key: pa.array([p.values[i] for p in partitions], pa.string()) for i, key in enumerate(keys)}
        number = quote(_NUMBER)
        inner = f"SELECT p.{number}, {', '.join(columns)} FROM {ROWS} AS p"
        kept = evaluate(f"SELECT {alias}.{number} FROM ({inner}) AS {alias} WHERE {condition}", pa.table(given))
        partitions = [partitions[i] for (i,) in sorted(kept)]
    return partitions


def _value(sql: str, kind: Type) -> str:
    """Return a partition value in its type; Hive's name of the missing value is NULL."""
    return f"CAST(nullif({sql}, '__HIVE_DEFAULT_PARTITION__') AS {kind.duckdb})"


def empty_scan(scan: Scan) -> str:
    """Return the columns of a scan without rows."""
    columns = [f"CAST(NULL AS {c.type.duckdb}) AS {quote(n)}" for n, c in scan.columns.items()]
    return f"SELECT {', '.join(columns)} WHERE FALSE"


def _parquet(scan: Scan, files: list[DataFile], feet: dict[Path, Footer]) -> str:
    if not files:
        return empty_scan(scan)
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
        columns += partition_columns(scan, values, members)
        needs_name = bool(HIDDEN.keys() & scan.used) or values is None
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
    if kind.base == "char":
        return f"rtrim(CAST({column} AS VARCHAR), ' ')"
    return f"CAST({column} AS {kind.duckdb})"


def partition_columns(scan: Scan, values: tuple[str, ...] | None, members: list[DataFile]) -> list[str]:
    """Return what a file does not hold: partition keys, hidden columns, and NULL for columns that nobody needs."""
    columns = []
    for i, (name, kind) in enumerate(scan.table.partition_keys):
        if name in scan.used:
            value = text(values[i]) if values is not None else _by_file(members, [f.values[i] for f in members])
            columns.append(f"{_value(value, kind)} AS {quote(name)}")
    # Named by an inner SELECT whose column nobody needs: a typed NULL, which DuckDB drops, costs no reading.
    columns += [
        f"CAST(NULL AS {c.type.duckdb}) AS {quote(n)}" for n, c in scan.columns.items() if n not in scan.used
    ]
    for name in HIDDEN:
        if name in scan.used:
            value = _by_file(members, [f.hidden(name) for f in members])
            columns.append(f"{_hidden(name, value)} AS {quote(name)}")
    return columns


def _hidden(name: str, value: str) -> str:
    """Return the SQL of a hidden column from the SQL of its text."""
    kind = HIDDEN[name]
    if kind == VARCHAR:
        return value
    number = f"CAST({value} AS BIGINT)"
    return number if kind == BIGINT else widen(f"make_timestamp({number} * 1000)", TIMESTAMP, kind)


def _by_file(members: list[DataFile], values: list[str]) -> str:
    """Return the value that belongs to the file of the row."""
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


def _text(scan: Scan, files: list[DataFile], kind: str, convert: Callable[[dict[str, Any]], Path]) -> str:
    """Convert text files to Parquet: the query process reads them once by the rules of their SerDe."""
    table = scan.table
    if kind == "opencsv" and any(t.args for n, t in table.columns if n in scan.used):
        raise QueryError("NOT_SUPPORTED", "Complex types of OpenCSVSerde are not supported by local_mock")
    # Columns that nobody reads must not fail the query; nothing in LazySimpleSerDe's fails, and one copy serves all.
    kept = [(n, t.spelled if kind == "text" or n in scan.used else "") for n, t in table.columns]
    selects = []
    for f in files:
        parameters = dict(f.serde_parameters) if f.serde_parameters is not None else table.serde_parameters
        skip = table.parameters.get("skip.header.line.count") or parameters.get("skip.header.line.count") or 0
        made = convert({
            "source": str(f.path), "columns": kept, "serde": kind, "parameters": parameters,
            "skip": int(skip),
        })  # fmt: skip
        columns = [f"c{i} AS {quote(name)}" for i, (name, _) in enumerate(table.columns) if name in scan.used]
        columns += partition_columns(scan, f.values, [f])
        named = ", filename = 'f$'" if HIDDEN.keys() & scan.used else ""
        selects.append(
            f"SELECT {', '.join(columns) or '1 AS one'} FROM read_parquet([{text(str(made))}], hive_partitioning = false)"
            if not named
            else f'SELECT {", ".join(columns)} FROM (SELECT *, {text(str(f.path))} AS "f$" FROM read_parquet([{text(str(made))}], hive_partitioning = false))'
        )
    return " UNION ALL ".join(selects)
