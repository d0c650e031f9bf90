"""The data-quality report: what is counted, what a page shows, which limits refuse."""

from __future__ import annotations

import json
import re

import pytest

from etholake.curate import quality
from etholake.curate.report import FileReport
from etholake.curate.rules import RULES
from etholake.errors import DataError, SettingsError


def file(
    lab: str, number: int, *, rows: int = 100, bad: int = 0, kind: str = "tracking", **more: object
) -> FileReport:
    """`bad` of the rows have no coordinate."""
    name = f"train_{kind}/lab_id={lab}/{number}.parquet"
    row = {"source_file": name, "split": "train", "lab_id": lab, "video_id": number, "row_number": 3, "rows": bad,
           "rule": "coordinate-missing", "detail": "NaN", "payload": '{"x": "nan"}'}  # fmt: skip
    values = {"rows_in": rows, "rows_curated": rows - bad, "rows_quarantined": bad}
    values |= {"quarantine": (row,), "flags": ("coordinate-missing",)} if bad else {}
    return FileReport(name, kind, "train", lab, number, **{**values, **more})  # type: ignore[arg-type]


REPORTS = [
    file("LabA", 1, bad=30),
    file("LabA", 2, rows_imputed=5),
    file("LabA", 3, flags=("scale-missing",)),
    file("LabB", 4, rows=50),
    file("LabB", 5, rows=10, kind="annotation", flags=("interval-zero",), flagged_rows={"interval-zero": 4}),
]


def test_rows_and_files_are_counted_in_all_and_by_lab() -> None:
    made = quality.build(REPORTS)
    assert made.totals["all"] == {
        "files": 5, "rows_in": 360, "rows_curated": 330, "rows_quarantined": 30, "rows_imputed": 5
    }  # fmt: skip
    assert made.totals["kind:annotation"]["rows_in"] == 10
    assert made.totals["lab:LabB"]["files"] == 2
    found = {rule: (c.rows, c.files) for rule, c in made.rules.items()}
    assert found == {"coordinate-missing": (30, 1), "scale-missing": (0, 1), "interval-zero": (4, 1)}
    assert made.share("coordinate-missing", "LabA") == pytest.approx(0.1)
    assert made.share("scale-missing", "LabA") == pytest.approx(1 / 3)  # of the files: it concerns the file
    assert made.share("interval-zero", "LabB") == pytest.approx(4 / 10)  # of the rows of annotations
    assert made.share("interval-zero", "LabA") == 0
    assert made.unbalanced == []


def test_the_order_of_reports_does_not_matter() -> None:
    assert quality.build(REPORTS[::-1]).as_json() == quality.build(REPORTS).as_json()


def test_the_flags_of_videos_count_as_files() -> None:
    made = quality.build(REPORTS, {("train", "LabA", 1): ["fps-missing"], ("train", "LabA", 2): ["fps-missing"]})
    assert (made.rules["fps-missing"].rows, made.rules["fps-missing"].files) == (0, 2)
    assert made.share("fps-missing", "LabA") == 1  # of the videos
    assert made.examples["fps-missing"][0]["detail"] == "video 1 of LabA"


def test_a_file_that_does_not_balance_is_named() -> None:
    assert quality.build([file("LabA", 1, rows_curated=7)]).unbalanced == ["train_tracking/lab_id=LabA/1.parquet"]


def test_json_says_what_each_rule_means_and_shows_examples() -> None:
    content = json.loads(quality.build(REPORTS).as_json())
    rule = next(r for r in content["rules"] if r["id"] == "coordinate-missing")
    assert (rule["severity"], rule["sentence"]) == ("quarantine", RULES["coordinate-missing"].sentence)
    assert rule["examples"][0]["payload"] == '{"x": "nan"}'
    assert content["files"][0]["source_file"].endswith("LabA/1.parquet")


def test_the_page_is_whole_and_data_never_become_markup() -> None:
    evil = file("</script><script>alert(1)</script>", 1, bad=2)
    page = quality.build([evil]).as_html().decode()
    assert page.count("</script>") == 2
    assert "/*DATA*/" not in page
    assert not re.search(r"(src|href)=|https?://", page)
    text = re.search(r'id="data">(.*?)</script>', page, re.S)
    assert text is not None
    assert json.loads(text[1])["labs"] == {
        evil.lab_id: {"coordinate-missing": {"rows": 2, "files": 1, "share": 0.02}}
    }


def test_ten_thousand_files_make_a_page_of_moderate_size() -> None:
    many = [file(f"Lab{n % 50}", n, bad=n % 7) for n in range(10_000)]
    assert len(quality.build(many).as_html()) < 1_000_000


def test_limits_are_read_and_wrong_ones_named_together() -> None:
    assert quality.parse_limits("") == {}
    assert quality.parse_limits("coordinate-missing=0.6, file-unreadable=0") == {
        "coordinate-missing": 0.6, "file-unreadable": 0.0
    }  # fmt: skip
    with pytest.raises(
        SettingsError, match=r"no rule 'coordinate-mising'; did you mean 'coordinate-missing'"
    ) as info:
        quality.parse_limits("coordinate-mising=0.1,fps-missing=7")
    assert "expected fps-missing=<share from 0 to 1>, but got 'fps-missing=7'" in str(info.value)


def test_a_lab_beyond_its_limit_is_refused_by_name() -> None:
    quality.check(REPORTS, {})
    quality.check(REPORTS, {"coordinate-missing": 0.1, "scale-missing": 0.5})
    with pytest.raises(DataError, match=r"LabA: 10\.0 % break 'coordinate-missing' \(limit 9 %\)"):
        quality.check(REPORTS, {"coordinate-missing": 0.09})
    with pytest.raises(DataError, match=r"LabA: 33\.3 % break 'scale-missing'"):
        quality.check(REPORTS, {"scale-missing": 0.3})
