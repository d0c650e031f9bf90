"""Runs compiled SQL in a query process (`pool.py`) and answers in Trino's words.

User text never reaches DuckDB: only what `translate/` compiled. Nothing but the data files is reachable there.
"""

# ruff: noqa: E501, PLR0911, S608 - one line a message or signature; SQL is made of compiled parts, never of user text; one branch a kind
from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from local_mock.athena.errors import QueryError
from local_mock.athena.functions import called
from local_mock.athena.pool import Limits, Pool, WorkerError, limits_of
from local_mock.athena.scan import bind_scan
from local_mock.athena.translate.casts import as_output
from local_mock.athena.translate.queries import Compiled
from local_mock.data import DataAccess

__all__ = ["Engine", "ScanLimitError", "Session"]

_TEXTS_BYTES = 2 * 2**30


class ScanLimitError(QueryError):
    """The query would read more than its work group allows: Athena cancels it."""

    def __init__(self) -> None:
        super().__init__("", "Query cancelled! : Bytes scanned limit was exceeded")


class Engine:
    """The query processes over the folders that they may read."""

    def __init__(self, data: DataAccess, folders: list[Path], scratch: Path, limits: Limits | None = None) -> None:
        self.data = data
        self.limits = limits or limits_of(dict(os.environ))
        self.pool = Pool(self.limits, folders, scratch)
        self.texts = scratch / "texts"

    def session(self) -> Session:
        """Return a session for one query; its clock starts now."""
        return Session(self)

    def close(self) -> None:
        self.pool.close()

    def trim_texts(self) -> None:
        """Forget the oldest converted text files beyond `_TEXTS_BYTES`; never those of the last hour."""
        files = sorted(
            ((p.stat().st_mtime, p.stat().st_size, p) for p in self.texts.glob("*.parquet")), reverse=True
        )
        total = 0
        for modified, size, path in files:
            total += size
            if total > _TEXTS_BYTES and time.time() - modified > 3600:
                path.unlink(missing_ok=True)


class Session:
    """One query: bind the scans, run, interrupt. `scanned` counts bytes."""

    def __init__(self, engine: Engine) -> None:
        self.data, self._engine = engine.data, engine
        self.scanned = 0
        self.cutoff: int | None = None  # BytesScannedCutoffPerQuery of the work group
        self._deadline = time.monotonic() + engine.limits.timeout_s
        self._lock = threading.Lock()
        self._worker: Any = None
        self._ended = ""

    def interrupt(self) -> None:
        """End the query now, wherever it is."""
        self._end("canceled")

    def _end(self, why: str) -> None:
        with self._lock:
            self._ended = self._ended or why
            if self._worker is not None:
                self._worker.end()

    def evaluate(self, sql: str, rows: pa.Table | None = None) -> list[Any]:
        """Return the rows of a query over constants, and over `rows` under the name `frames.ROWS`."""
        table = self._run({"sql": sql, "functions": called(sql)}, rows)
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    def convert(self, request: dict[str, Any]) -> Path:
        """Return a text file as Parquet (`serde.py`), made once per content, types and settings."""
        stat = Path(request["source"]).stat()
        key = json.dumps([request, stat.st_mtime_ns, stat.st_size, stat.st_ino], sort_keys=True)
        target = self._engine.texts / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.parquet"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._run({"convert": {**request, "target": str(target)}})
            self._engine.trim_texts()
        return target

    def bind(self, compiled: Compiled) -> str:
        """Return the SQL with its scans bound; adds their bytes to `scanned`."""
        sql = compiled.sql
        for scan in compiled.scans:
            if scan.token in sql:
                body, size = bind_scan(scan, self.data, self.evaluate, self.convert)
                sql = sql.replace(scan.token, body)
                self.scanned += size
        if self.cutoff is not None and self.scanned > self.cutoff:
            raise ScanLimitError
        return sql

    def texts(self, compiled: Compiled) -> pa.Table:
        """Return the result as text columns, as Athena prints them."""
        cells = ", ".join(f"{as_output(f'c{i}', c.type)} AS c{i}" for i, c in enumerate(compiled.columns))
        return self.arrow(f"SELECT {cells} FROM ({self.bind(compiled)})")

    def arrow(self, sql: str) -> pa.Table:
        """Return the result of compiled SQL. Raises QueryError."""
        return self._run({"sql": sql, "functions": called(sql)})

    def _run(self, request: dict[str, Any], rows: pa.Table | None = None) -> pa.Table:
        with self._engine.pool.worker(self._deadline) as worker:
            with self._lock:
                self._check()
                self._worker = worker
            timer = threading.Timer(max(self._deadline - time.monotonic(), 0), self._end, ["timeout"])
            timer.daemon = True
            timer.start()
            try:
                return worker.run(request, rows)
            except WorkerError as err:
                self._check(err)
                if err.kind == "Lost" and worker.process.wait() == -signal.SIGSEGV:
                    raise QueryError(
                        "NOT_SUPPORTED", "The query is not supported by local_mock: its process broke down"
                    ) from err
                if err.kind in ("Lost", "OutOfMemoryException", "FatalException", "InternalException"):
                    worker.end()
                raise translated(err.kind, str(err), self._engine.limits) from err
            finally:
                timer.cancel()
                with self._lock:
                    self._worker = None

    def _check(self, cause: Exception | None = None) -> None:
        if self._ended == "canceled":
            raise QueryError("USER_CANCELED", "Query cancelled by user") from cause
        if self._ended:
            raise QueryError("", "Query timeout") from cause


_OWN = re.compile(r"\b([A-Z][A-Z_]{5,}): (.*)", re.DOTALL)


def translated(kind: str, text: str, limits: Limits) -> QueryError:
    """Return a DuckDB error in Trino's vocabulary."""
    message = text.partition("\n")[0]
    if kind in ("Lost", "OutOfMemoryException") or "bad_alloc" in text or "MemoryError" in text:
        share = limits.memory_bytes // limits.processes // 2**20
        return QueryError(
            "EXCEEDED_LOCAL_MEMORY_LIMIT",
            f"Query exhausted resources at this scale factor (one query may hold {share} MB here; LOCAL_MOCK_ATHENA_MEMORY sets it)",
        )
    own = _OWN.search(text)
    if own and own.group(1) in _CODES:
        return QueryError(own.group(1), own.group(2).partition("\n")[0])
    if "Division by zero" in message or "division by zero" in message:
        return QueryError("DIVISION_BY_ZERO", "Division by zero")
    if kind == "OutOfRangeException":
        return QueryError("NUMERIC_VALUE_OUT_OF_RANGE", message.removeprefix("Out of Range Error: "))
    if "Type INT128 with value" in message:  # DuckDB sums whole numbers in 128 bits
        return QueryError("NUMERIC_VALUE_OUT_OF_RANGE", "bigint addition overflow")
    if kind == "ConversionException":
        value = re.search(r"[Cc]ould not (?:convert|parse) string ['\"](.*?)['\"] (?:to|into) (\w+)", message)
        shown = (
            f"Cannot cast '{value.group(1)[1:] if value.group(1).startswith('x') else value.group(1)}' to {value.group(2)}"
            if value
            else message
        )
        return QueryError("INVALID_CAST_ARGUMENT", shown)
    if "HAVING clause cannot contain window functions" in message:
        clause = "HAVING clause cannot contain window functions or row pattern measures"
        return QueryError("NESTED_WINDOW", f"line 1:1: {clause}")
    if match := re.search(r"(WHERE|GROUP BY|JOIN) clause cannot contain (window functions|aggregates)", message):
        clause = f"{match.group(1)} clause cannot contain aggregations, window functions or grouping operations"
        return QueryError("EXPRESSION_NOT_SCALAR", f"line 1:1: {clause}")
    if "must appear in the GROUP BY" in message:
        name = re.search(r'column "?([^"\s]+)"?', message)
        return QueryError(
            "EXPRESSION_NOT_AGGREGATE",
            f"line 1:1: '{name.group(1) if name else '?'}' must be an aggregate expression or appear in GROUP BY clause",
        )
    if "More than one row returned by a subquery" in message:
        return QueryError("SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows")
    if "Failed to bind column reference" in message or kind in (
        "BinderException",
        "CatalogException",
        "ParserException",
        "NotImplementedException",
    ):
        return QueryError("NOT_SUPPORTED", f"The query is not supported by local_mock: {message}")
    return QueryError("GENERIC_USER_ERROR", message.partition(": ")[2] or message)


_CODES = frozenset({
    "INVALID_FUNCTION_ARGUMENT", "DIVISION_BY_ZERO", "NUMERIC_VALUE_OUT_OF_RANGE", "INVALID_CAST_ARGUMENT", "NOT_SUPPORTED",
    "INVALID_JSON_LITERAL", "GENERIC_USER_ERROR", "GENERIC_INTERNAL_ERROR", "INVALID_LITERAL", "JSON_INPUT_CONVERSION_ERROR",
    "JSON_OUTPUT_CONVERSION_ERROR", "PATH_EVALUATION_ERROR", "JSON_VALUE_RESULT_ERROR", "SUBQUERY_MULTIPLE_ROWS",
    "INVALID_PATH", "EXCEEDED_FUNCTION_MEMORY_LIMIT", "INVALID_WINDOW_FRAME", "HIVE_BAD_DATA", "HIVE_CURSOR_ERROR",
})  # fmt: skip
