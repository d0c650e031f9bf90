"""Reports and SQL run with parameters, failures and files; the DDL is what the lake registers."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from etholake import aws
from etholake.contract import TABLES
from etholake.errors import AwsError, UsageError
from etholake.objects import read_object
from etholake.pages.figures.request import FigureRequest
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.lake.result_file import rows_of
from etholake.stages.reports import figures
from etholake.stages.review import agreement
from etholake.stages.review.service import ReviewChoice, ReviewService
from etholake.stages.state import load_state, save_state

ROOT = Path(__file__).resolve().parents[2] / "athena_queries"


def test_the_ddl_makes_the_tables_that_the_lake_registers(at: Settings):
    glue = aws.client(at, "glue")
    glue.create_database(DatabaseInput={"Name": "reports_ddl"})
    other = replace(at, database="reports_ddl")
    for name in TABLES:
        query.run_sql(other, (ROOT / "ddl" / f"{name}.sql").read_text().replace("${bucket}", at.bucket))
        made = glue.get_table(DatabaseName="reports_ddl", Name=name)["Table"]
        kept = glue.get_table(DatabaseName=at.database, Name=name)["Table"]

        def shape(table: dict[str, Any]) -> Any:
            columns = [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]]
            return columns, [(c["Name"], c["Type"]) for c in table.get("PartitionKeys", [])]

        assert shape(made) == shape(kept), name


def test_a_view_is_made_again_only_where_something_has_changed(at: Settings):
    athena, glue = aws.client(at, "athena"), aws.client(at, "glue")

    def asked() -> int:
        pages = athena.get_paginator("list_query_executions").paginate(WorkGroup=at.workgroup)
        return sum(len(page["QueryExecutionIds"]) for page in pages)

    names, before = query.create_views(at), asked()
    assert len(names) > 20
    assert query.create_views(at) == names
    assert asked() == before
    glue.delete_table(DatabaseName=at.database, Name="v_video_info")
    query.run_sql(at, "CREATE OR REPLACE VIEW v_events AS SELECT 1 AS one")
    before = asked()
    assert query.create_views(at, ["v_video_info", "v_video_events"]) == ["v_video_info", "v_video_events"]
    assert asked() == before + 1
    query.create_views(at)
    assert asked() == before + 2
    assert "one" not in query.run_sql(at, "SELECT * FROM v_events LIMIT 1").columns
    state = load_state(at, f"views-{at.database}")
    save_state(at, f"views-{at.database}", {name: ["other files", stored] for name, (_, stored) in state.items()})
    before = asked()
    query.create_views(at)
    assert asked() == before + len(names)
    table = glue.get_table(DatabaseName=at.database, Name="predictions")["Table"]
    storage = table["StorageDescriptor"]
    wider = {**storage, "Columns": [*storage["Columns"], {"Name": "later", "Type": "int"}]}
    kept = {k: table[k] for k in ("Name", "PartitionKeys", "TableType", "Parameters") if k in table}
    glue.update_table(DatabaseName=at.database, TableInput={**kept, "StorageDescriptor": wider})
    try:
        before = asked()
        query.create_views(at)
        assert asked() == before + len(names)
    finally:
        glue.update_table(DatabaseName=at.database, TableInput={**kept, "StorageDescriptor": storage})


# --- parameters and failures -------------------------------------------------------------------------------
def test_values_are_never_sql(at: Settings):
    assert query.run_report(at, "time_budget", {"lab_id": "x' OR '1'='1"}).rows == []
    assert query.run_sql(at, "SELECT ? AS v", ["it's"]).rows == [("it's",)]
    assert query.run_sql(at, "SELECT ? AS v", ["12"]).rows == [(12,)]
    assert query.run_sql(at, "SELECT ? AS v", ["'12'"]).rows == [("12",)]


def test_no_page_or_figure_makes_views_that_are_there(at: Settings, tmp_path: Path):
    athena = aws.client(at, "athena")

    def asked() -> set[str]:
        pages = athena.get_paginator("list_query_executions").paginate(WorkGroup=at.workgroup)
        return {number for page in pages for number in page["QueryExecutionIds"]}

    query.create_views(at)
    before = asked()
    figures.run(at, FigureRequest("budget", tmp_path / "budget.svg", lab="north"))
    agreement.run(at, "annotation", "r1")
    ReviewService(at, ReviewChoice("ann"))
    new = sorted(asked() - before)
    assert new
    sent = [athena.get_query_execution(QueryExecutionId=number)["QueryExecution"]["Query"] for number in new]
    assert [sql for sql in sent if "CREATE OR REPLACE VIEW" in sql] == []


def test_missing_unknown_and_mistyped_parameters_are_all_named(at: Settings):
    with pytest.raises(UsageError, match=r"(?s)takes lab_id \(string\).*'lab_id' is missing.*'lab' is unknown"):
        query.run_report(at, "time_budget", {"lab": "north"})
    with pytest.raises(UsageError, match="there is no video '1 OR 1=1'"):
        query.run_report(at, "events_of_video", {"lab_id": "north", "video_id": "1 OR 1=1"})
    with pytest.raises(UsageError, match="which takes none"):
        query.run_report(at, "lake_overview", {"lab_id": "north"})


def test_a_failed_query_names_reason_and_id(at: Settings):
    with pytest.raises(AwsError, match=r"Query [0-9a-f-]{36} failed in work group 'reports'.*no_such_column"):
        query.run_sql(at, "SELECT no_such_column FROM scores")


def test_a_file_is_run_like_its_text(at: Settings, tmp_path: Path):
    path = tmp_path / "q.sql"
    path.write_text("SELECT count(*) AS n FROM scores WHERE lab_id = ?;\n")
    result = query.run_file(at, path, ["north"])
    assert (result.columns, result.rows) == (["n"], [(2,)])
    with pytest.raises(UsageError, match=r"Cannot read .*nothing\.sql"):
        query.run_file(at, tmp_path / "nothing.sql")


def test_a_service_that_does_not_answer_is_not_a_file_that_cannot_be_read(at: Settings, tmp_path: Path):
    path = tmp_path / "q.sql"
    path.write_text("SELECT 1")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        deaf = replace(at, port=silent.getsockname()[1])
        impatient = Config(read_timeout=0.2, retries={"max_attempts": 0})
        session = aws.session(deaf)._session  # that of every lake of this target
        session.set_default_client_config(impatient)
        try:
            with pytest.raises(ReadTimeoutError, match=f"Read timeout on endpoint URL.*{deaf.port}"):
                query.run_file(deaf, path)
        finally:
            session.set_default_client_config(None)


def test_a_view_of_an_older_version_is_made_anew(at: Settings):
    query.run_sql(at, "CREATE OR REPLACE VIEW v_group_comparison AS SELECT lab_id FROM metadata_train")
    assert query.run_report(at, "group_comparison", {"lab_id": "east"}).rows


def test_a_column_that_a_table_lacks_is_named_with_what_writes_it(at: Settings):
    with pytest.raises(AwsError, match=r"'animal_sexes' cannot be resolved.*run `make deploy etl`: it writes"):
        query.run_sql(at, "SELECT animal_sexes FROM scores")


# --- many rows ----------------------------------------------------------------------------------------------
KINDS = """SELECT CAST(n AS bigint) AS whole, n / 4e0 AS part, CAST(n AS decimal(9, 2)) / 8 AS exact,
CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'said "so", then' || chr(10) || 'left' END AS words,
n % 2 = 0 AS even, DATE '2026-01-01' AS day, ARRAY[n, n + 1] AS listed, CAST(NULL AS varchar) AS nothing
FROM UNNEST(sequence(1, ?)) AS t (n) ORDER BY n"""


@pytest.mark.parametrize("count", [998, 999, 1000, 2500])
def test_many_rows_are_those_of_the_pages(at: Settings, count: int, monkeypatch: pytest.MonkeyPatch):
    read: list[str] = []

    def reads(s3: Any, uri: str) -> bytes:
        read.append(uri)
        return read_object(s3, uri)

    monkeypatch.setattr(query, "read_object", reads)
    rows = query.run_sql(at, KINDS, [str(count)]).rows
    assert len(read) == (count >= 999)  # what one page holds below its header is there already
    monkeypatch.setattr(query, "_rows", lambda settings, cursor: [tuple(row) for row in cursor.fetchall()])
    pages = query.run_sql(at, KINDS, [str(count)]).rows
    assert len(rows) == count
    assert rows == pages
    assert {type(value) for row in rows for value in row} == {type(value) for row in pages for value in row}


def test_a_file_of_another_shape_is_refused():
    with pytest.raises(AwsError, match="Expected a result file of 2 columns, but got 3 values"):
        rows_of('"a","b"\n"1"\n', ["integer", "integer"])
    with pytest.raises(AwsError, match="every value is quoted, but got other text"):
        rows_of('"a"\nword\n', ["varchar"])
