"""Every data set's SQL through Athena on the small lake of `conftest`, with answers worked out by hand."""

import math
from pathlib import Path
from typing import Any

import pytest

from dashboards.lint import check_rows
from etholake.contract import TABLES
from etholake.pages.dashboards import definitions
from etholake.pages.dashboards.server import filtered
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.reports import dashboards as stage

LOADED = definitions.load()


@pytest.mark.parametrize("name", LOADED.data_sets)
def test_the_sql_gives_what_the_data_set_promises(dash_lake: Settings, name: str):
    answer = query.run_sql(dash_lake, definitions.sql(LOADED.data_sets[name], dash_lake.database))
    assert answer.rows, "the small lake has something for every data set"
    assert check_rows(name, LOADED.data_sets[name], answer.columns, answer.rows) == []


def test_a_broken_promise_is_named():
    flags = LOADED.data_sets["flags"]
    columns = list(definitions.columns(flags))
    assert "promises ['split', 'lab_id'" in check_rows("flags", flags, ["a"], [])[0]
    assert (
        "column files is INTEGER, but its SQL gives 'x'"
        in check_rows("flags", flags, columns, [["a"] * 4 + ["x"]])[0]
    )


# 95 % of F = 150/230: five blocks with e = 2*15 - F*40, one of a miss -F*20 and one of a false alarm -F*10
F = 150 / 230
ERROR = math.sqrt(7 / 6 * (5 * (30 - 40 * F) ** 2 + (20 * F) ** 2 + (10 * F) ** 2)) / 230

ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "split, video_id, received, hours, parts, tracking_rows FROM v_dash_videos": [
        ("test", 13, "metadata only", 0.025, 2, 0), ("train", 11, "annotated", 0.025, 2, 9),
        ("train", 12, "tracked only", 0.025, 2, 0),
    ],
    # ten frames of one nose are expected: eight measured, one filled, one missing
    "state, points, not_measured, expected FROM v_dash_points": [
        ("filled", 1, 1, 0), ("measured", 8, 0, 10), ("missing", 1, 1, 0),
    ],
    "lab_id, rule, rejected_rows FROM v_dash_rejected": [
        ("north", "unknown-mouse", 3), ("unknown", "unreadable", 2),
    ],
    "kind, rule, files FROM v_dash_flags": [
        ("annotation", "gap", 1), ("tracking", "gap", 1), ("tracking", "late", 1),
    ],
    "run_id, videos, events, seconds, score, actions FROM v_dash_runs": [("r1", 1, 6, 11.0, F / 2, 2)],
    "action, target, count(*), sum(duration_sec), sum(overlong) FROM v_dash_events GROUP BY 1, 2": [
        ("chase", "mouse2", 6, 12.0, 0), ("rear", "self", 1, 1.0, 0),
    ],
    "action, video_minute, seconds FROM v_dash_minutes": [("chase", 0, 12.0), ("rear", 0, 1.0)],
    # chase, rear, chase, chase, chase, chase, chase: five of six chases are followed by something
    "action, next_action, transitions, percent_of_action FROM v_dash_transitions": [
        ("chase", "chase", 4, 80.0), ("chase", "rear", 1, 20.0), ("rear", "chase", 1, 100.0),
    ],
    "action, blocks, f_low, f_high FROM v_dash_scores": [
        ("chase", 7, F - 1.96 * ERROR, F + 1.96 * ERROR), ("rear", 1, None, None),
    ],
    "action, source, frames, seconds FROM v_dash_scored_time": [
        ("chase", "annotated", 120, 12.0), ("chase", "predicted", 110, 11.0), ("rear", "annotated", 10, 1.0),
        ("rear", "predicted", 0, 0.0),
    ],
    "confidence_tenth, events, frames, shared_frames, confidence_frames FROM v_dash_calibration": [
        ("0.5–0.6", 1, 10, 0, 5.5), ("0.8–0.9", 5, 100, 75, 85.0),
    ],
    "kind, action, start_sec, agreement_percent, weight FROM v_dash_review": [
        ("false alarm", "chase", 70.0, 0.0, 0.55), ("missed", "chase", 50.0, 0.0, 2.0),
        ("missed", "rear", 2.0, 0.0, 1.0),
    ],
}  # fmt: skip


@pytest.mark.parametrize("asked", ANSWERS)
def test_a_view_gives_the_rows_worked_out_by_hand(dash_lake: Settings, asked: str):
    rows = query.run_sql(dash_lake, f"SELECT {asked}").rows
    assert [tuple(round(v, 9) if isinstance(v, float) else v for v in row) for row in sorted(rows)] == [
        tuple(round(v, 9) if isinstance(v, float) else v for v in row) for row in ANSWERS[asked]
    ]


def test_an_interval_is_withheld_where_the_score_is_of_a_part_of_the_video(dash_lake: Settings):
    """`scores` says 75 + 35 predicted frames; were it 100, events and score would be of different frames."""
    whole = query.run_sql(dash_lake, "SELECT f_low FROM v_dash_scores WHERE tp_frames + fp_frames = 110").rows
    assert whole[0][0] is not None
    sql = (query.queries_folder() / "views" / "v_dash_scores.sql").read_text().split("VIEW v_dash_scores AS")[1]
    clipped = sql.replace("s.tp_frames + s.fp_frames", "s.tp_frames + s.fp_frames - 10")
    assert query.run_sql(dash_lake, clipped + " WHERE action = 'chase'").rows[0][5:7] == (None, None)


@pytest.mark.parametrize(
    ("view", "asked", "rows"),
    [
        (
            "v_dash_events", "action, count(*), sum(duration_sec), sum(counted_sec), sum(overlong)",
            [("chase", 6, 12.0, 12.0, 0), ("rear", 1, None, None, 1)],
        ),
        ("v_dash_minutes", "action, sum(seconds)", [("chase", 12.0)]),
    ],
)  # fmt: skip
def test_an_over_long_interval_is_counted_and_in_no_chart(
    dash_lake: Settings, view: str, asked: str, rows: list[tuple[Any, ...]]
):
    others = ", ".join(name for name in TABLES["annotations_enriched"].column_names if name != "issue")
    flagged = (
        f"SELECT lab_id, {others}, IF(action = 'rear', 'interval-overlong') AS issue FROM annotations_enriched"
    )
    sql = (query.queries_folder() / "views" / f"{view}.sql").read_text().split(f"VIEW {view} AS")[1]
    sql = sql.replace("FROM annotations_enriched", f"FROM ({flagged})")
    answer = query.run_sql(dash_lake, f"SELECT {asked} FROM ({sql}) GROUP BY action ORDER BY action")
    assert [tuple(row) for row in answer.rows] == rows


def test_choices_become_execution_parameters(dash_lake: Settings):
    sql, values = filtered(LOADED.data_sets["events"], dash_lake.database, {"lab_id": ["north", "x' OR '1'='1"]})
    assert sql.endswith('WHERE "lab_id" IN (?, ?)')
    assert "OR" not in sql
    assert len(query.run_sql(dash_lake, sql, values).rows) == 7
    sql, values = filtered(LOADED.data_sets["events"], dash_lake.database, {"lab_id": ["x' OR '1'='1"]})
    assert query.run_sql(dash_lake, sql, values).rows == []
    assert filtered(LOADED.data_sets["flags"], "db", {"action": ["chase"]})[1] == []  # it has no such column


def test_the_page_of_a_lake(dash_lake: Settings, tmp_path: Path):
    out = tmp_path / "page.html"
    result = stage.run(dash_lake, out)
    assert result.details["failed"] == {}
    assert "3 dashboards, 10 sheets" in result.summary
    text = out.read_text()
    assert "It is not QuickSight" in text
    assert "unknown-mouse" in text
