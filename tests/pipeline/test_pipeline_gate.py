"""The quality gate on small reports: what it lets pass, and what it says when it does not."""

import copy
from typing import Any

import pytest

from etholake.contract import TABLES
from etholake.stages.lake import etl
from etholake.stages.pipeline.steps import gate_problems

FILE = {
    "source_file": "train_tracking/lab_id=b/7.parquet",
    "lab_id": "b",
    "kind": "tracking",
    "rows_quarantined": 60,
    "rules": ["frame-invalid"],
}
REPORT: dict[str, Any] = {
    "totals": {"rows_in": 200, "rows_curated": 140, "rows_quarantined": 60},
    "labs": {
        "a": {"rows_in": 100, "rows_quarantined": 0},
        "b": {"rows_in": 100, "rows_quarantined": 60},
    },
    "files": [FILE],
    "unbalanced": [],
}


def test_a_lab_that_lost_too_much_is_named_with_its_worst_file() -> None:
    assert gate_problems(REPORT, 0.6) == []
    (problem,) = gate_problems(REPORT, 0.5)
    assert problem == (
        "b: 60 of 100 rows were quarantined, the limit is 50 %; most in train_tracking/lab_id=b/7.parquet "
        "(rules: frame-invalid)"
    )


def test_files_that_were_left_out_whole_count_by_kind() -> None:
    report = copy.deepcopy(REPORT)
    torn = {**FILE, "lab_id": "a", "rows_quarantined": 0, "rules": ["file-unreadable"]}
    whole = {**torn, "rules": ["frame-invalid"]}
    report["files"] += [{**torn, "source_file": "bad.parquet"}, torn, whole]
    report["files"] += [{**whole, "kind": "annotation"}] * 9
    assert gate_problems(report, 0.7) == []
    assert gate_problems(report, 0.6)[0] == (
        "a: 2 of 3 tracking files were left out whole (file-unreadable), the limit is 60 %; see bad.parquet"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unbalanced": ["x.parquet"]}, "x.parquet: rows in are not rows curated plus rows quarantined"),
        ({"totals": {"rows_in": 9, "rows_curated": 5, "rows_quarantined": 3}}, "9 rows in, but 5 curated and 3"),
        ({"totals": {"rows_in": 0, "rows_curated": 0, "rows_quarantined": 0}}, "no row was curated"),
    ],
)
def test_a_balance_that_does_not_hold_closes_the_gate(change: dict[str, Any], message: str) -> None:
    problems = gate_problems({**REPORT, **change}, 1.0)
    assert len(problems) == 1
    assert message in problems[0]


def test_what_models_write_does_not_make_the_curation_stale() -> None:
    """Tables with a run in their partitions, of films and of reviewers are made after the curation."""
    later = {name for name, table in TABLES.items() if "run_id" in table.partitions}
    assert {"predictions", "predicted_videos", "scores"} <= later
    assert later | {"clips", "videos", "corrections"} == etl.NOT_MADE_HERE
    counts = dict.fromkeys(TABLES, 1)
    state = {"fingerprint": "f", "committed": {n: 1 for n in TABLES if n not in etl.NOT_MADE_HERE}}
    assert etl.is_current(state, "f", counts | {"score_details": 2})
    assert not etl.is_current(state, "f", counts | {"track_summary": 0})
