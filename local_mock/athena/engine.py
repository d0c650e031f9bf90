"""DuckDB: one in-memory database, one connection per query, nothing reachable but the data files.

User text never reaches it: only what `translate/` compiled. Errors come back in Trino's words.
"""

# ruff: noqa: E501, PLR0911, S608 - one line a message or signature; SQL is made of compiled parts, never of user text; one branch a kind
from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from local_mock.athena.errors import QueryError
from local_mock.athena.scan import bind_scan
from local_mock.athena.translate.casts import MACROS as CAST_MACROS
from local_mock.athena.translate.casts import as_output
from local_mock.athena.translate.functions.special import MACROS
from local_mock.athena.translate.queries import Compiled
from local_mock.data import DataAccess

__all__ = ["Engine", "Session"]

MEMORY_LIMIT = "4GB"


class Engine:
    """The shared database with our macros; made at the first query."""

    def __init__(self, data: DataAccess, folders: list[Path], scratch: Path) -> None:
        self.data = data
        self._folders, self._scratch = folders, scratch
        self._lock = threading.Lock()
        self._database: Any = None

    def session(self) -> Session:
        """A connection of its own for one query."""
        with self._lock:
            if self._database is None:
                self._database = self._open()
            return Session(self._database.cursor(), self.data)

    def _open(self) -> Any:
        self._scratch.mkdir(parents=True, exist_ok=True)
        database = duckdb.connect(config={
            "memory_limit": MEMORY_LIMIT, "temp_directory": str(self._scratch),
            "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
        })  # fmt: skip
        database.execute(CAST_MACROS + MACROS)
        database.execute("SET GLOBAL TimeZone = 'UTC'")
        folders = ", ".join("'" + str(f).replace("'", "''") + "/'" for f in [*self._folders, self._scratch])
        database.execute(f"SET allowed_directories = [{folders}]")
        # DuckDB 2.0.0 fails to bind arithmetic on a column that statistics show to be all null.
        database.execute("SET disabled_optimizers = 'statistics_propagation'")
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        return database


class Session:
    """One query's connection: bind the scans, run, interrupt."""

    def __init__(self, connection: Any, data: DataAccess) -> None:
        self.connection, self.data = connection, data
        self.scanned = 0

    def interrupt(self) -> None:
        self.connection.interrupt()

    def evaluate(self, sql: str) -> list[Any]:
        """Rows of a query over constants."""
        try:
            return list(self.connection.execute(sql).fetchall())
        except duckdb.Error as err:
            raise translated(err) from err

    def bind(self, compiled: Compiled) -> str:
        """The SQL with its scans bound; adds their bytes to `scanned`."""
        sql = compiled.sql
        for scan in compiled.scans:
            if scan.token in sql:
                body, size = bind_scan(scan, self.data, self.evaluate)
                sql = sql.replace(scan.token, body)
                self.scanned += size
        return sql

    def texts(self, compiled: Compiled) -> pa.Table:
        """The result as text columns, as Athena prints them."""
        cells = ", ".join(f"{as_output(f'c{i}', c.type)} AS c{i}" for i, c in enumerate(compiled.columns))
        return self.arrow(f"SELECT {cells} FROM ({self.bind(compiled)})")

    def arrow(self, sql: str) -> pa.Table:
        try:
            return self.connection.sql(sql).to_arrow_table()
        except duckdb.Error as err:
            raise translated(err) from err


_OVERFLOW = re.compile(r"Out of Range Error: (.*)", re.DOTALL)


def translated(err: Exception) -> QueryError:
    """A DuckDB error in Trino's vocabulary."""
    message = str(err).partition("\n")[0]
    if isinstance(err, duckdb.InterruptException):
        return QueryError("USER_CANCELED", "Query cancelled by user")
    own = re.search(r"(INVALID_FUNCTION_ARGUMENT|DIVISION_BY_ZERO): (.*)", message)
    if own:
        return QueryError(own.group(1), own.group(2))
    if "Division by zero" in message or "division by zero" in message:
        return QueryError("DIVISION_BY_ZERO", "/ by zero")
    if isinstance(err, duckdb.OutOfRangeException):
        return QueryError("NUMERIC_VALUE_OUT_OF_RANGE", message.removeprefix("Out of Range Error: "))
    if isinstance(err, duckdb.ConversionException):
        value = re.search(r"[Cc]ould not (?:convert|parse) string ['\"](.*?)['\"] (?:to|into) (\w+)", message)
        shown = (
            f"Cannot cast '{value.group(1)[1:] if value.group(1).startswith('x') else value.group(1)}' to {value.group(2)}"
            if value
            else message
        )
        return QueryError("INVALID_CAST_ARGUMENT", shown)
    if "must appear in the GROUP BY" in message:
        name = re.search(r'column "?([^"\s]+)"?', message)
        return QueryError(
            "EXPRESSION_NOT_AGGREGATE",
            f"line 1:1: '{name.group(1) if name else '?'}' must be an aggregate expression or appear in GROUP BY clause",
        )
    if "More than one row returned by a subquery" in message:
        return QueryError("SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows")
    if isinstance(err, duckdb.OutOfMemoryException):
        return QueryError("EXCEEDED_LOCAL_MEMORY_LIMIT", message)
    if isinstance(err, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        return QueryError("NOT_SUPPORTED", f"The query is not supported by local_mock: {message}")
    return QueryError("GENERIC_USER_ERROR", message.partition(": ")[2] or message)
