"""Stage query: run SQL through PyAthena, and the reports and views of ``athena_queries/``.

A report is a file that opens with ``-- purpose:``, ``-- grain:``, one ``-- param: name type`` a parameter and
``-- partition filter:``. Its values are bound to the ``?`` in the order of the parameters, or in the order of
``-- bind: a b a`` where one is used twice. Values travel as Athena execution parameters, never as SQL text.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.contract import TABLES, whole_number
from etholake.digest import fingerprint
from etholake.errors import AwsError, UsageError, raise_collected, suggestion
from etholake.objects import read_object
from etholake.resources import folder
from etholake.settings import Settings
from etholake.stages.lake.result_file import rows_of
from etholake.stages.state import load_state, save_state
from etholake.stages.video_names import resolve

__all__ = [
    "QueryResult",
    "Report",
    "create_views",
    "format_rows",
    "list_reports",
    "literal",
    "queries_folder",
    "read_report",
    "run_file",
    "run_report",
    "run_sql",
]

_POLL_SECONDS = 0.1
_HEADER = re.compile(r"--\s*(purpose|grain|param|bind|partition filter):\s*(.+)")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_MISSING = re.compile(r"TABLE_NOT_FOUND\S* .*Table '(?:\w+\.)*(\w+)' does not exist")
_NO_COLUMN = re.compile(r"COLUMN_NOT_FOUND: .*Column '(?:\w+\.)*(\w+)' cannot be resolved")
_QUOTED = re.compile(r"'(?:[^']|'')*'")


@dataclass(frozen=True)
class QueryResult:
    """The answer to a query. `rows` hold Python values in the order of `columns`; a missing value is None."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    query_id: str
    scanned_bytes: int
    seconds: float

    @property
    def records(self) -> list[dict[str, Any]]:
        """Return the rows as {column: value}."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Report:
    """One file of ``athena_queries/reports``."""

    name: str
    purpose: str
    grain: str
    parameters: Mapping[str, str]  # name -> Athena type: string or bigint
    bind: tuple[str, ...]  # the parameter behind each `?`
    sql: str


def run_sql(settings: Settings, sql: str, parameters: Sequence[str] = ()) -> QueryResult:
    """Run one statement; `parameters` are the values of its ``?``, in order.

    A value that is a number is passed as a number, any other as text; to pass digits as text, quote them:
    ``'12'``.

    Raises
    ------
    AwsError
        Athena failed or cancelled the query: with its reason and the query id.
    """
    return _execute(settings, sql, [_guess(value) for value in parameters])


def run_file(settings: Settings, path: Path, parameters: Sequence[str] = ()) -> QueryResult:
    """Run a file with one statement. Raises UsageError if the file cannot be read, and as `run_sql`."""
    try:
        sql = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(f"Cannot read {path}: {err}.") from err
    return run_sql(settings, sql, parameters)  # not in the try: botocore's time-outs are OSErrors, too


def run_report(settings: Settings, name: str, parameters: Mapping[str, str] | None = None) -> QueryResult:
    """Run a report of ``athena_queries/reports`` by name.

    Raises
    ------
    UsageError
        No such report; a parameter is missing, unknown or of the wrong type: all of them are named.
    AwsError
        As `run_sql`.
    """
    report, given = read_report(name), dict(parameters or {})
    if "video_id" in report.parameters and "video_id" in given and whole_number(given["video_id"]) is None:
        given["video_id"] = str(resolve(settings, [given["video_id"]])[0])
    declared = ", ".join(f"{p} ({t})" for p, t in report.parameters.items()) or "none"
    problems = [f"'{p}' is missing: give --param {p}=…" for p in report.parameters if p not in given]
    problems += [f"'{p}' is unknown" for p in given if p not in report.parameters]
    problems += [
        f"'{p}' must be a whole number, but got '{given[p]}'"
        for p, kind in report.parameters.items()
        if p in given and kind != "string" and whole_number(given[p]) is None
    ]
    raise_collected(UsageError, f"Parameters of report {name}, which takes {declared}", problems)
    values = {
        p: literal(given[p]) if kind == "string" else str(whole_number(given[p]))
        for p, kind in report.parameters.items()
    }
    bound = [values[p] for p in report.bind]
    try:
        return _execute(settings, report.sql, bound)
    except AwsError as err:
        missing = _MISSING.search(str(err))
        is_view = missing is not None and (queries_folder() / "views" / f"{missing[1]}.sql").is_file()
        if not is_view and not _NO_COLUMN.search(str(err)):
            raise
    create_views(settings)  # the report reads a view that nobody has made yet, or that an older version made
    return _execute(settings, report.sql, bound)


def queries_folder() -> Path:
    """Return the folder of the SQL files. Raises ContractError inside a job, where they are not."""
    return folder("athena_queries")


def create_views(settings: Settings, names: Sequence[str] | None = None) -> list[str]:
    """Create or replace the views of ``athena_queries/views`` that are not in the database as their files say.

    Parameters
    ----------
    names
        The views that are needed; None for all.

    Returns
    -------
    list
        The names of the views that are there now. A view is left alone if the catalog holds what was stored when
        it was last made here, of the same files and the same columns of the tables in the catalog.

    Raises
    ------
    AwsError
        As `run_sql`.
    """
    from botocore.exceptions import ClientError

    files = {path.stem: path.read_text(encoding="utf-8") for path in (queries_folder() / "views").glob("*.sql")}
    wanted, stage = sorted(files) if names is None else list(names), f"views-{settings.database}"
    before, (stored, columns) = load_state(settings, stage), _catalog_state(settings)
    made_of = fingerprint(files, columns)  # of all: a view may read another one
    missing = [name for name in wanted if name not in stored or before.get(name) != [made_of, stored[name]]]
    for name in missing:
        run_sql(settings, files[name])
    if missing:
        stored, _ = _catalog_state(settings)
        state = {**before, **{name: [made_of, stored[name]] for name in missing if name in stored}}
        with contextlib.suppress(ClientError):  # who may not write there makes them anew each time
            save_state(settings, stage, state)
    return wanted


def _catalog_state(settings: Settings) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the fingerprint of each view of the catalog, and the columns of each table of the contract, by name.

    Both are {} where there is no database. The catalog's columns count: a job may give a table other columns after
    a view of it was made.
    """
    from botocore.exceptions import ClientError

    try:
        pages = aws.client(settings, "glue").get_paginator("get_tables").paginate(DatabaseName=settings.database)
        tables = [table for page in pages for table in page["TableList"]]
    except ClientError:  # then the views are made, and Athena says what is wrong
        return {}, {}
    views = {
        table["Name"]: fingerprint(table.get("ViewOriginalText", ""))
        for table in tables
        if table.get("TableType") == "VIRTUAL_VIEW"
    }
    return views, {table["Name"]: _columns_of(table) for table in tables if table["Name"] in TABLES}


def _columns_of(table: Mapping[str, Any]) -> list[list[str]]:
    """Return [name, type] of each column of a table of the Glue Catalog, its partition keys last. Pure."""
    columns = table.get("StorageDescriptor", {}).get("Columns", [])
    return [[c["Name"], c.get("Type", "")] for c in [*columns, *table.get("PartitionKeys", [])]]


def list_reports(*, without_parameters: bool = False) -> list[tuple[str, str]]:
    """Return (name, purpose) of the reports, by name; only those that need no parameter if asked."""
    reports = (read_report(path.stem) for path in sorted((queries_folder() / "reports").glob("*.sql")))
    return [(r.name, r.purpose) for r in reports if not (without_parameters and r.parameters)]


def read_report(name: str) -> Report:
    """Parse a report's file. Raises UsageError, naming the nearest report, if there is none of that name."""
    files = {path.stem: path for path in (queries_folder() / "reports").glob("*.sql")}
    if name not in files:  # also refuses a name with ../
        raise UsageError(f"There is no report '{name}'. {suggestion(name, files)} `query --list` shows all.")
    sql = files[name].read_text(encoding="utf-8")
    matches = (_HEADER.fullmatch(line.strip()) for line in sql.splitlines())
    header = [(str(m[1]), str(m[2])) for m in matches if m]
    first = dict(reversed(header))
    parameters = {text.split()[0]: text.split()[1] for key, text in header if key == "param"}
    bind = tuple(first["bind"].split()) if "bind" in first else tuple(parameters)
    return Report(name, first["purpose"], first["grain"], parameters, bind, sql)


def literal(text: str) -> str:
    """Return `text` as an SQL string literal, which is how Athena takes an execution parameter of type varchar."""
    return "'" + text.replace("'", "''") + "'"


def format_rows(result: QueryResult, format_: str = "table") -> str:
    """Return the rows as a plain text table for terminals, as CSV, or as a JSON list of objects.

    A missing value is ``-`` in a table, nothing in CSV, null in JSON.
    """
    if format_ == "json":
        return json.dumps(result.records, default=str, indent=1)
    if format_ == "csv":
        sink = io.StringIO()
        csv.writer(sink, lineterminator="\n").writerows([result.columns, *result.rows])
        return sink.getvalue().rstrip("\n")
    if format_ != "table":
        raise UsageError(f"Expected format table, csv or json, but got '{format_}'.")
    return _table(result)


def _table(result: QueryResult) -> str:
    cells = [["-" if value is None else str(value) for value in row] for row in result.rows]
    widths = [max(len(c[i]) for c in [result.columns, *cells]) for i in range(len(result.columns))]
    numeric = [
        any(row[i] is not None for row in result.rows)
        and all(isinstance(row[i], (int, float)) or row[i] is None for row in result.rows)
        for i in range(len(result.columns))
    ]

    def line(row: Sequence[str]) -> str:
        padded = (c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(result.columns), "  ".join("-" * w for w in widths), *map(line, cells)])


def _guess(value: str) -> str:
    text = str(value)
    return text if _NUMBER.fullmatch(text) or _QUOTED.fullmatch(text) else literal(text)


def _remedy(reason: str) -> str:
    """Return what to run for a table or view of ours that is not there yet; "" for any other reason."""
    column = _NO_COLUMN.search(reason)
    if column is not None and any(c.name == column[1] for table in TABLES.values() for c in table.columns):
        return f". If an older version of Etholake made the lake, run `make deploy etl`: it writes {column[1]}."
    missing = _MISSING.search(reason)
    if missing is None:
        return ""
    name = missing[1]
    if name in TABLES:
        return f". {name} is a table of the lake that is not made yet: run `make ingest etl` first."
    views = {path.stem for path in (queries_folder() / "views").glob("*.sql")}
    if name in views:
        return f". {name} is a view of the lake that is not made yet: run `make ingest etl dashboards` first."
    return f". {suggestion(name, views | set(TABLES))}"


def _rows(settings: Settings, cursor: Any) -> list[tuple[Any, ...]]:
    """Return all rows of a query; more than the page that the cursor has fetched already come from its file."""
    if not cursor.description:
        return []
    page = cursor.arraysize - 1  # beside the header
    rows = [tuple(row) for row in cursor.fetchmany(page)]
    location = cursor.output_location or ""
    if len(rows) < page or not location.endswith(".csv"):
        return [*rows, *(tuple(row) for row in cursor.fetchall())]
    text = read_object(aws.client(settings, "s3"), location).decode()
    return rows_of(text, [column[1] for column in cursor.description])


# Making a connection parses Athena's whole service description: a third of a small query's time.
@lru_cache(maxsize=8)
def _connection(session: Any, url: str | None, region: str, database: str, workgroup: str) -> Any:
    """Return PyAthena's connection, which threads may share: each query has a cursor of its own."""
    from pyathena import connect

    return connect(
        session=session, endpoint_url=url, region_name=region, schema_name=database, work_group=workgroup,
        poll_interval=_POLL_SECONDS,
    )  # fmt: skip


def _execute(settings: Settings, sql: str, literals: Sequence[str]) -> QueryResult:
    from botocore.exceptions import BotoCoreError
    from pyathena.error import Error

    began = time.monotonic()
    started: list[str] = []
    connection = _connection(
        aws.session(settings),
        aws.endpoint(settings, "athena"),
        settings.region,
        settings.database,
        settings.workgroup,
    )
    cursor = connection.cursor()
    try:
        cursor.execute(
            sql.strip().rstrip(";"),
            list(literals) or None,
            paramstyle="qmark",
            on_start_query_execution=started.append,
        )
        rows = _rows(settings, cursor)
    except Error as err:
        if isinstance(err.__cause__, BotoCoreError):
            raise err.__cause__ from None  # nobody answers: the CLI says how to start it
        which = f"Query {started[0]}" if started else "The query"
        raise AwsError(f"{which} failed in work group '{settings.workgroup}': {err}{_remedy(str(err))}") from err
    return QueryResult(
        [column[0] for column in cursor.description or []],
        rows,
        str(cursor.query_id),
        int(cursor.data_scanned_in_bytes or 0),
        time.monotonic() - began,
    )
