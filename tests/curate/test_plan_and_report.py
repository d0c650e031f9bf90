"""Plans that do not depend on the number of workers; reports that survive JSON and notice a lost row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from etholake.contract import RULES
from etholake.curate.file_reports import FileReport, assert_balance, dump, load, totals
from etholake.curate.quarantine import BadFileError
from etholake.curate.rawzone import RawObject
from etholake.curate.units import balance, inputs_fingerprint, units
from etholake.errors import ContractError

ROOT = Path(__file__).resolve().parents[2]


def files(*sizes: int) -> list[RawObject]:
    return [
        RawObject(f"raw-zone/t/lab_id=L/{n}.parquet", s, f"e{n}", "train", "tracking", "L", n)
        for n, s in enumerate(sizes)
    ]


def test_small_files_share_a_unit_and_large_ones_have_their_own() -> None:
    made = units(files(4, 4, 4, 50, 1), {}, "p/", bytes_per_file=10)
    assert [[raw.video_id for raw in unit.files] for unit in made] == [[0, 1], [2], [3], [4]]
    assert len({unit.target for unit in made}) == 4
    assert units(files(4, 4, 4, 50, 1)[::-1], {}, "p/", bytes_per_file=10) == made


def test_tasks_are_balanced_and_complete() -> None:
    work = units(files(9, 1, 1, 1, 6, 8), {}, "p/", bytes_per_file=1)
    groups = balance(work, 3)
    assert sorted(sum(unit.size for unit in group) for group in groups) == [8, 9, 9]
    assert sorted(u.target for group in groups for u in group) == sorted(u.target for u in work)
    assert balance(work[:1], 4) == [work[:1]]
    assert balance([], 4) == []


def test_the_fingerprint_sees_contents_not_order() -> None:
    some = files(1, 2)
    digest = inputs_fingerprint(some, {}, 15, "code")
    assert inputs_fingerprint(some[::-1], {}, 15, "code") == digest
    assert inputs_fingerprint([replace(some[0], etag="other"), some[1]], {}, 15, "code") != digest
    assert inputs_fingerprint(some, {}, 14, "code") != digest
    assert inputs_fingerprint(some[:1], {}, 15, "code") != digest


def test_reports_survive_json_in_any_order() -> None:
    bad = FileReport.rejected(
        "raw-zone/b", "tracking", "train", BadFileError("file-name", "no", 3), lab_id="L", video_id=None
    )
    good = FileReport(
        "a",
        "tracking",
        "train",
        "L",
        1,
        5,
        5,
        0,
        2,
        ("column-extra",),
        (1, 2),
        9,
        flagged_rows={"interval-zero": 2},
    )
    assert dump([bad, good]) == dump([good, bad])
    assert load(dump([bad, good], statistics=[1])) == ([good, bad], {"statistics": [1]})
    assert totals([good, bad]) == {
        "files": 2,
        "rows_in": 8,
        "rows_curated": 5,
        "rows_quarantined": 3,
        "rows_imputed": 2,
    }
    assert_balance([good, bad])


def test_a_lost_row_stops_the_job_by_the_files_name() -> None:
    lost = FileReport("train_tracking/lab_id=L/7.parquet", "tracking", "train", "L", 7, 5, 4)
    with pytest.raises(ContractError, match=r"lab_id=L/7.parquet: 5 rows in, but 4 curated \+ 0 quarantined"):
        assert_balance([lost])
    silent = replace(lost, rows_quarantined=1)  # counted, but no quarantine row says why
    with pytest.raises(ContractError, match="rows-out-of-balance"):
        assert_balance([silent])
    assert [report.balances for report in (lost, silent, replace(lost, rows_in=4))] == [False, False, True]


def test_every_rule_is_a_sentence_and_is_used() -> None:
    folders = (ROOT / "etholake" / "curate", ROOT / "glue_jobs")
    code = "".join(p.read_text() for f in folders for p in sorted(f.glob("*.py")) if p.name != "rules.py")
    for rule in RULES.values():
        assert rule.id in code
        assert rule.sentence.endswith(".")
        assert rule.severity in {"repair", "flag", "quarantine", "refuse"}
