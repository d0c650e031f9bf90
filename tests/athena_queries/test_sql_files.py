"""The SQL files by themselves: they parse, they say what they are, and the DDL is the contract's."""

import runpy
from pathlib import Path

import pytest
import sqlglot
from collected import check_each
from sqlglot import exp

from etholake.contract import TABLES
from etholake.errors import UsageError
from etholake.stages.lake import query

ROOT = Path(__file__).resolve().parents[2] / "athena_queries"
FILES = sorted(ROOT.glob("*/*.sql"))


REPORTS = [name for name, _ in query.list_reports()]


def test_a_file_is_one_statement_with_a_header():
    def check(path: Path) -> None:
        text = path.read_text()
        assert len(sqlglot.parse(text, dialect="athena")) == 1
        header = [line.split(":")[0] for line in text.splitlines() if line.startswith("-- ")]
        assert header[:2] == ["-- purpose", "-- grain"]
        assert "-- partition filter" in header

    check_each(FILES, check, name=lambda path: f"{path.parent.name}/{path.stem}")


def test_every_question_mark_of_a_report_is_bound():
    def check(name: str) -> None:
        report = query.read_report(name)
        assert report.sql.count("?") == len(report.bind)
        assert set(report.bind) == set(report.parameters)
        assert set(report.parameters.values()) <= {"string", "bigint"}

    check_each(REPORTS, check)


def test_a_parameter_stands_in_a_where_clause():
    """Elsewhere Athena takes none: https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html"""

    def check(name: str) -> None:
        tree = sqlglot.parse_one(query.read_report(name).sql, dialect="athena")
        assert all(mark.find_ancestor(exp.Where) for mark in tree.find_all(exp.Placeholder))

    check_each(REPORTS, check)


def test_the_tracks_are_scanned_once_and_by_body_part():
    check_each(REPORTS, _scans_tracks_once)


def _scans_tracks_once(name: str) -> None:
    """Trino expands a WITH query wherever it is named, so one that is named twice is read, and billed, twice."""
    tree = sqlglot.parse_one(query.read_report(name).sql, dialect="athena")
    named = {cte.alias: cte.this for cte in tree.find_all(exp.CTE)}

    def scans(node: exp.Expression) -> int:
        scan_nodes = [
            t.name for t in node.find_all(exp.Table) if t.find_ancestor(exp.CTE) is node.find_ancestor(exp.CTE)
        ]
        return sum(scans(named[t]) if t in named else t == "tracking_curated" for t in scan_nodes)

    count = scans(tree)
    assert count <= 1
    if count:
        columns = {c.name for where in tree.find_all(exp.Where) for c in where.find_all(exp.Column)}
        assert {"lab_id", "bodypart"} <= columns


def test_there_are_reports_with_and_without_parameters():
    every, free = query.list_reports(), query.list_reports(without_parameters=True)
    assert len(every) >= 22
    assert {"lake_overview", "scores_by_lab"} < {name for name, _ in free}
    assert "time_budget" in {name for name, _ in every} - {name for name, _ in free}


def test_the_ddl_is_what_the_contract_generates():
    statement = runpy.run_path(str(ROOT / "ddl" / "generate.py"))["statement"]
    again = "run `python athena_queries/ddl/generate.py`"
    assert {p.stem for p in (ROOT / "ddl").glob("*.sql")} == set(TABLES), again
    for name, table in TABLES.items():
        assert (ROOT / "ddl" / f"{name}.sql").read_text() == statement(table), again


@pytest.mark.parametrize("name", ["nothing", "../views/v_events", ""])
def test_an_unknown_report_is_refused(name: str):
    with pytest.raises(UsageError, match=r"no report.*(Did you mean|Known: ).*`query --list`"):
        query.read_report(name)


# --- output ------------------------------------------------------------------------------------------------
RESULT = query.QueryResult(["lab", "videos"], [("north", 12), ("a,b", None)], "id", 10, 0.1)


def test_formats():
    assert query.format_rows(RESULT, "table") == "lab    videos\n-----  ------\nnorth      12\na,b         -"
    assert query.format_rows(RESULT, "csv") == 'lab,videos\nnorth,12\n"a,b",'
    assert query.format_rows(RESULT, "json").replace("\n", "").replace(" ", "") == (
        '[{"lab":"north","videos":12},{"lab":"a,b","videos":null}]'
    )
    with pytest.raises(UsageError, match="table, csv or json"):
        query.format_rows(RESULT, "xml")


def test_an_empty_result_is_a_head_line():
    assert query.format_rows(query.QueryResult(["a", "bb"], [], "id", 0, 0.0)) == "a  bb\n-  --"
