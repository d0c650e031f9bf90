"""Runs one statement: queries, EXPLAIN, CTAS, INSERT, UNLOAD here; catalog statements in `commands.py`."""

# ruff: noqa: E501, S608 - one line a message or signature; SQL is made of compiled parts, never of user text
from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from local_mock.athena import commands
from local_mock.athena.buckets import buckets_of
from local_mock.athena.catalog import GlueCatalog, Table
from local_mock.athena.dialect import parse_query
from local_mock.athena.engine import Engine, Session
from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.files import CODECS, DEFAULT_CODECS
from local_mock.athena.functions.values import arrow_type
from local_mock.athena.hive import storage
from local_mock.athena.scan import file_format
from local_mock.athena.sqltypes import BIGINT, VARCHAR, Type
from local_mock.athena.statements import NAME, Statement, bracketed, unquote
from local_mock.athena.translate.casts import cast, widen
from local_mock.athena.translate.queries import Compiled, compile_query
from local_mock.athena.writes import Written, options, write_rows

__all__ = ["Executor", "Outcome"]


@dataclass
class Outcome:
    """The result of a statement: text columns, or only an update count and a manifest."""

    names: list[str] = field(default_factory=list)
    types: list[Type] = field(default_factory=list)
    table: pa.Table | None = None
    plain: bool = False  # a `.txt` result without header row
    update_count: int | None = None
    manifest: list[str] | None = None
    manifest_folder: str = ""  # `tables/` for CTAS
    scanned: int = 0


class Executor:
    """Everything that one query needs; `session` can be interrupted from another thread."""

    def __init__(self, engine: Engine, catalog: GlueCatalog, database: str, output: str, scratch: Path) -> None:
        self.engine, self.catalog, self.database = engine, catalog, database
        self.output, self.scratch = output, scratch
        self.session: Session = engine.session()

    def run(self, statement: Statement) -> Outcome:
        """Carry out a statement. Raises QueryError."""
        method = getattr(self, f"_{statement.kind}", None)
        if method is not None:
            outcome: Outcome = method(statement.sql)
        else:
            names, types, rows = commands.run(
                statement, self.catalog, self.database, self.engine.data, self.compiled
            )
            outcome = Outcome(names, types, lines(rows), plain=True)
        outcome.scanned = self.session.scanned
        return outcome

    def compiled(self, sql: str) -> Compiled:
        return compile_query(parse_query(sql), sql, self.catalog, self.database, self.session.evaluate)

    def _select(self, sql: str) -> Outcome:
        compiled = self.compiled(sql)
        return Outcome(labels(compiled), [c.type for c in compiled.columns], self.session.texts(compiled))

    def _explain(self, sql: str) -> Outcome:
        match = re.match(r"EXPLAIN\s+(ANALYZE\s+)?(VERBOSE\s+)?(?:\([^)]*\)\s*)?", sql, re.IGNORECASE)
        assert match is not None
        compiled = self.compiled(sql[match.end() :])
        bound = self.session.bind(compiled)
        rows = self.session.evaluate(f"EXPLAIN {'ANALYZE ' if match.group(1) else ''}{bound}")
        if not match.group(1):
            self.session.scanned = 0
        text = "Query Plan (local_mock: DuckDB)\n" + "\n".join(str(row[1]) for row in rows)
        return Outcome(["Query Plan"], [VARCHAR], lines([[line] for line in text.splitlines()]), plain=True)

    # --- writing ------------------------------------------------------------------------------------------
    def _rows(self, compiled: Compiled, targets: list[Type]) -> pa.Table:
        cells = []
        for i, (column, target) in enumerate(zip(compiled.columns, targets, strict=True)):
            if target.base == "unknown":
                raise QueryError("COLUMN_TYPE_UNKNOWN", f"line 1:1: Column type is unknown at position {i + 1}")
            kind = stored(target)
            if column.type.base == "timestamp" and kind.base == "timestamp":
                value = cast(f"c{i}", column.type, kind)
            else:
                value = widen(f"c{i}", column.type, target)
            cells.append(f"CAST({value} AS {kind.duckdb}) AS c{i}")
        return self.session.arrow(f"SELECT {', '.join(cells)} FROM ({self.session.bind(compiled)})")

    def _ctas(self, sql: str) -> Outcome:
        head = re.match(
            rf"CREATE\s+TABLE\s+(IF\s+NOT\s+EXISTS\s+)?({NAME})\s*(?:COMMENT\s+'[^']*'\s*)?", sql, re.IGNORECASE
        )
        if head is None:
            raise QueryError("SYNTAX_ERROR", "line 1:1: CREATE TABLE name AS query expected")
        rest, settings = sql[head.end() :], dict[str, Any]()
        if match := re.match(r"WITH\s*\(", rest, re.IGNORECASE):
            inside, end = bracketed(rest, match.end() - 1)
            settings, rest = options(inside), rest[end:]
        body = re.match(r"\s*AS\s+(.*?)(\s+WITH\s+(NO\s+)?DATA)?\s*$", rest, re.IGNORECASE | re.DOTALL)
        if body is None:
            raise QueryError("SYNTAX_ERROR", "line 1:1: AS query expected after CREATE TABLE")
        database, name = self._target(head.group(2))
        kind_of_table = str(settings.pop("table_type", "hive")).lower()
        if kind_of_table not in ("hive", "iceberg"):
            raise QueryError(
                "INVALID_TABLE_PROPERTY", f"Invalid value for table property table_type: {kind_of_table}"
            )
        if kind_of_table == "hive" and "partitioning" in settings:
            raise QueryError("INVALID_TABLE_PROPERTY", "The table property partitioning is for Iceberg tables")
        if self.catalog.entry(database, name):
            if head.group(1):
                return Outcome(["rows"], [BIGINT], None, update_count=0, manifest=[])
            raise QueryError(
                "TABLE_ALREADY_EXISTS",
                f"line 1:1: Destination table 'awsdatacatalog.{database}.{name}' already exists",
            )
        compiled = self.compiled(body.group(1))
        names = _column_names(compiled)
        if kind_of_table == "iceberg":
            from local_mock.athena.iceberg import require

            require()
            from local_mock.athena.iceberg.statements import create_as

            settings.setdefault("location", f"{self.output}tables/{commands.new_id()}/")
            made = create_as(
                self.session,
                self.catalog,
                (database, name),
                compiled,
                names,
                settings,
                is_filled=not body.group(3),
            )
            return Outcome(["rows"], [BIGINT], None, manifest_folder="tables/", **made)
        location = settings.get("external_location") or f"{self.output}tables/{commands.new_id()}/"
        if self.engine.data.list(location.rstrip("/") + "/"):
            raise QueryError(
                "HIVE_PATH_ALREADY_EXISTS",
                f"Target directory for table '{database}.{name}' already exists: {location}. You may need to manually clean the data at this location before retrying.",
            )
        keys = settings.get("partitioned_by", [])
        kind = _format(settings, "parquet")
        written = Written()
        if not body.group(3):
            written = self._write(
                compiled, [c.type for c in compiled.columns], names, keys, location, kind, settings
            )
        delimiter = {"field.delim": _delimiter(settings)} if kind == "text" else {}
        serde = "org.apache.hive.hcatalog.data.JsonSerDe" if kind == "json" else None
        described = storage("textfile" if kind == "text" else kind, delimiter, serde)
        descriptor = {"Location": location, **described}
        if buckets := buckets_of(settings, names, keys):
            descriptor |= {"BucketColumns": list(buckets.columns), "NumberOfBuckets": buckets.count}
        columns = [{"Name": n, "Type": c.type.hive} for n, c in zip(names, compiled.columns, strict=True)]
        split = len(columns) - len(keys)
        commands.create_table(
            self.catalog,
            database,
            name,
            columns[:split],
            columns[split:],
            descriptor,
            {"EXTERNAL": "TRUE", "has_encrypted_data": "false"},
        )
        commands.add_partitions(self.catalog, database, name, written.partitions)
        return Outcome(
            ["rows"], [BIGINT], None, update_count=written.rows, manifest=written.files, manifest_folder="tables/"
        )

    def _insert(self, sql: str) -> Outcome:
        head = re.match(
            rf"INSERT\s+INTO\s+({NAME})\s*(\((?!\s*(?:SELECT|WITH|VALUES)\b)[^)]*\))?\s*", sql, re.IGNORECASE
        )
        if head is None:
            raise QueryError("SYNTAX_ERROR", "line 1:1: INSERT INTO name query expected")
        database, name = self._target(head.group(1))
        table = self.catalog.table(database, name)
        if table.view is not None:
            raise QueryError("NOT_SUPPORTED", "Inserting into views is not supported")
        # https://docs.aws.amazon.com/athena/latest/ug/insert-into.html#insert-into-limitations
        if (self.catalog.entry(database, name) or {}).get("StorageDescriptor", {}).get("BucketColumns"):
            raise QueryError("NOT_SUPPORTED", "INSERT INTO is not supported on bucketed tables")
        compiled = self.compiled(sql[head.end() :])
        every = [*table.columns, *table.partition_keys]
        listed = unquote(head.group(2)) if head.group(2) else [n for n, _ in every]
        kinds = dict(every)
        unknown = [n for n in listed if n not in kinds]
        if unknown:
            raise QueryError(
                "COLUMN_NOT_FOUND", f"line 1:1: Insert column name does not exist in target table: {unknown[0]}"
            )
        if len(listed) != len(compiled.columns):
            raise QueryError(
                "TYPE_MISMATCH",
                f"line 1:1: Insert query has {len(compiled.columns)} expression(s) but expected {len(listed)} target column(s)",
            )
        _check_insert([c.type for c in compiled.columns], [kinds[n] for n in listed])
        if table.iceberg is not None:
            from local_mock.athena.iceberg.statements import insert

            return Outcome(["rows"], [BIGINT], None, **insert(self.session, table, compiled, listed))
        rows = self._rows(compiled, [kinds[n] for n in listed]).rename_columns(listed)
        full = pa.table({
            n: rows[n] if n in listed else pa.nulls(rows.num_rows, arrow_type(stored(kind))) for n, kind in every
        })  # fmt: skip
        targets = Compiled("", [_typed(t) for _, t in every])
        kind = {"openx": "json"}.get(file_format(table), file_format(table))
        if kind == "opencsv":
            raise not_supported("INSERT INTO a table of OpenCSVSerde")
        codec = {"parquet": table.parameters.get("parquet.compression", "SNAPPY").upper(), "orc": "ZLIB"}.get(
            kind, "NONE"
        )
        if codec not in CODECS[kind]:
            raise not_supported(f"the compression {codec} of {kind} files")
        written = write_rows(
            self.engine.data, full, targets, [n for n, _ in every], [n for n, _ in table.partition_keys], table.location,
            file_format=kind, codec=codec,
            delimiter=table.serde_parameters.get("field.delim", "\x01"), scratch=self.scratch,
        )  # fmt: skip
        commands.add_partitions(self.catalog, database, name, written.partitions)
        return Outcome(["rows"], [BIGINT], None, update_count=written.rows, manifest=written.files)

    def _change(self, sql: str) -> Outcome:
        from local_mock.athena.iceberg.changes import parse_change

        change = parse_change(sql)
        table = self._iceberg(change.target)
        from local_mock.athena.iceberg.statements import change_rows

        made = change_rows(self.session, self.catalog, self.database, table, change, sql)
        return Outcome(["rows"], [BIGINT], None, **made)

    def _optimize(self, sql: str) -> Outcome:
        head = re.match(
            rf"OPTIMIZE\s+({NAME})\s+REWRITE\s+DATA\s+USING\s+BIN_PACK(?:\s+WHERE\s+(.*))?$", sql, re.I | re.DOTALL
        )
        if head is None:
            raise QueryError(
                "SYNTAX_ERROR", "line 1:1: OPTIMIZE name REWRITE DATA USING BIN_PACK [WHERE …] expected"
            )
        table = self._iceberg(unquote(head.group(1))[-2:])
        from local_mock.athena.iceberg.statements import optimize

        optimize(self.session, self.catalog, self.database, table, head.group(2))
        return Outcome(plain=True, table=pa.table({}))

    def _vacuum(self, sql: str) -> Outcome:
        head = re.match(rf"VACUUM\s+({NAME})$", sql, re.I)
        if head is None:
            raise QueryError("SYNTAX_ERROR", "line 1:1: VACUUM name expected")
        table = self._iceberg(unquote(head.group(1))[-2:])
        from local_mock.athena.iceberg.statements import vacuum

        vacuum(table)
        return Outcome(plain=True, table=pa.table({}))

    def _iceberg(self, parts: list[str]) -> Table:
        """Return the Iceberg table of a name. Raises QueryError for other tables."""
        database, name = parts if len(parts) == 2 else [self.database, parts[-1]]
        table = self.catalog.table(database, name)
        if table.iceberg is None:
            raise QueryError(
                "NOT_SUPPORTED", "Modifying Hive table rows is only supported for transactional tables"
            )
        return table

    def _unload(self, sql: str) -> Outcome:
        match = re.match(r"UNLOAD\s*\(", sql, re.IGNORECASE)
        if match is None:
            raise QueryError("SYNTAX_ERROR", "line 1:1: UNLOAD (query) TO 's3://…' WITH (…) expected")
        query, end = bracketed(sql, match.end() - 1)
        tail = re.match(r"\s*TO\s+'([^']+)'\s*(?:WITH\s*\((.*)\))?\s*$", sql[end:], re.IGNORECASE | re.DOTALL)
        if tail is None:
            raise QueryError("SYNTAX_ERROR", "line 1:1: UNLOAD (query) TO 's3://…' WITH (…) expected")
        location, settings = tail.group(1), options(tail.group(2) or "")
        if self.engine.data.list(location.rstrip("/") + "/"):
            raise QueryError("HIVE_PATH_ALREADY_EXISTS", f"Target directory already exists: {location}")
        compiled = self.compiled(query)
        written = self._write(
            compiled,
            [c.type for c in compiled.columns],
            _column_names(compiled),
            settings.get("partitioned_by", []),
            location,
            _format(settings, ""),
            settings,
        )
        return Outcome(["rows"], [BIGINT], None, update_count=written.rows, manifest=written.files)

    def _write(
        self,
        compiled: Compiled,
        kinds: list[Type],
        names: list[str],
        keys: list[str],
        location: str,
        kind: str,
        settings: dict[str, Any],
    ) -> Written:
        codec = str(
            settings.get("compression")
            or settings.get("write_compression")
            or settings.get(f"{kind}_compression")
            or DEFAULT_CODECS[kind]
        ).upper()
        if codec not in CODECS[kind]:
            raise not_supported(f"the compression {codec} of {kind} files")
        return write_rows(
            self.engine.data, self._rows(compiled, kinds), compiled, names, keys, location, file_format=kind, codec=codec,
            delimiter=_delimiter(settings), scratch=self.scratch, buckets=buckets_of(settings, names, keys),
        )  # fmt: skip

    def _target(self, name: str) -> tuple[str, str]:
        parts = unquote(name)[-2:]
        database = parts[0] if len(parts) == 2 else self.database
        self.catalog.require_database(database)
        return database, parts[-1]


def stored(kind: Type) -> Type:
    """Return the type that a file keeps: timestamps have milliseconds.

    https://docs.aws.amazon.com/athena/latest/ug/data-types.html
    """
    return Type("timestamp", numbers=(3,)) if kind.base == "timestamp" else kind


def labels(compiled: Compiled) -> list[str]:
    """Return the output names: `_col0` where the query gives none."""
    return [c.name if c.name is not None else f"_col{i}" for i, c in enumerate(compiled.columns)]


def lines(rows: list[list[str]]) -> pa.Table:
    """Return text rows of one length as a table."""
    return pa.table({str(i): pa.array(column, pa.string()) for i, column in enumerate(zip(*rows, strict=True))})


def _typed(kind: Type) -> Any:
    from local_mock.athena.translate.relations import Column

    return Column(type=kind)


def _column_names(compiled: Compiled) -> list[str]:
    names = []
    for i, column in enumerate(compiled.columns):
        if column.name is None:
            raise QueryError("MISSING_COLUMN_NAME", f"line 1:1: Column name not specified at position {i + 1}")
        names.append(column.name.lower())
    if len(set(names)) != len(names):
        raise QueryError(
            "DUPLICATE_COLUMN_NAME",
            f"line 1:1: Column name '{next(n for n in names if names.count(n) > 1)}' specified more than once",
        )
    return names


def _check_insert(given: list[Type], wanted: list[Type]) -> None:
    from local_mock.athena.sqltypes import is_coercible

    narrowing = {"varchar": ("varchar", "char"), "char": ("varchar", "char")}
    for have, want in zip(given, wanted, strict=True):
        if not is_coercible(have, want) and have.base not in narrowing.get(want.base, ()):
            raise QueryError(
                "TYPE_MISMATCH",
                f"line 1:1: Insert query has mismatched column types: Table: [{', '.join(map(str, wanted))}], Query: [{', '.join(map(str, given))}]",
            )


def _format(settings: dict[str, Any], default: str) -> str:
    name = str(settings.get("format", default)).lower()
    if name not in ("parquet", "textfile", "text", "orc", "avro", "json"):
        raise not_supported(f"the format {name.upper() or '(none given)'}")
    return "text" if name == "textfile" else name


def _delimiter(settings: dict[str, Any]) -> str:
    return str(settings.get("field_delimiter", "\x01")).replace("\\t", "\t")
