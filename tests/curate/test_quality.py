"""The data-quality report: what is counted, what a page shows, which limits refuse."""

from __future__ import annotations

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from etholake import settings
from etholake.contract import KINDS, RAW_METADATA_COLUMNS, RULES, parse_limits
from etholake.curate import quality
from etholake.curate.file_reports import FileReport
from etholake.curate.metadata import curate_metadata
from etholake.curate.quality import NO_LAB, Count, Sums
from etholake.curate.quarantine import BadFileError
from etholake.errors import DataError, SettingsError
from etholake.pages import quality as quality_page


def render(made: quality.Quality) -> bytes:
    """Return the page as it is made: from the bytes of ``report.json``, written in UTF-8."""
    return quality_page.render(json.loads(made.as_json())).encode()


def file(
    lab: str, number: int, *, rows: int = 100, bad: int = 0, kind: str = "tracking", **more: Any
) -> FileReport:
    """`bad` of the rows have no coordinate."""
    name = f"train_{kind}/lab_id={lab}/{number}.parquet"
    row = {"source_file": name, "split": "train", "lab_id": lab, "video_id": number, "row_number": 3, "rows": bad,
           "rule": "coordinate-missing", "detail": "NaN", "payload": '{"x": "nan"}'}  # fmt: skip
    values = {"rows_in": rows, "rows_curated": rows - bad, "rows_quarantined": bad}
    values |= {"quarantine": (row,), "flags": ("coordinate-missing",)} if bad else {}
    return FileReport(name, kind, "train", lab, number, **{**values, **more})


def unreadable(lab: str, number: int, rows: int = 0) -> FileReport:
    key = f"raw-zone/train_tracking/lab_id={lab}/{number}.parquet"
    error = BadFileError("file-unreadable", "No whole Parquet file.", rows)
    return FileReport.rejected(key, "tracking", "train", error, lab_id=lab, video_id=number)


REPORTS = [
    file("LabA", 1, bad=30),
    file("LabA", 2, rows_imputed=5),
    file("LabA", 3, flags=("centre-from-extent",)),
    file("LabA", 2, rows=40, kind="annotation"),
    unreadable("LabA", 6),
    file("LabB", 4, rows=50),
    file("LabB", 4, rows=10, kind="annotation", flags=("interval-zero",), flagged_rows={"interval-zero": 4}),
]
VIDEOS: dict[tuple[str, str, int], list[str]] = {
    ("train", "LabA", 1): ["fps-missing", "scale-missing"], ("train", "LabA", 2): ["fps-missing"],
    ("train", "LabA", 3): [], ("train", "LabA", 6): [], ("train", "LabB", 4): [],
}  # fmt: skip


# --- counting ---------------------------------------------------------------------------------------------
def test_rows_files_and_videos_are_counted_in_all_by_kind_and_by_lab() -> None:
    made = quality.build(REPORTS, VIDEOS)
    assert made.sums[None, None] == Sums(7, 5, 400, 370, 30, 5)
    assert made.sums[None, "annotation"] == Sums(2, 0, 50, 50)
    assert made.sums["LabA", "tracking"] == Sums(4, 0, 300, 270, 30, 5)
    assert made.sums["LabB", None] == Sums(2, 1, 61, 61)  # two files and a row of metadata
    assert {rule: made.counts[None, rule] for rule in made.rules} == {
        "file-unreadable": Count(0, 1),
        "coordinate-missing": Count(30, 1),
        "centre-from-extent": Count(0, 1),
        "fps-missing": Count(videos=2),
        "scale-missing": Count(videos=1),
        "interval-zero": Count(4, 1),
    }
    assert made.labs == ["LabA", "LabB"]
    assert made.unbalanced == []


@pytest.mark.parametrize(
    ("rule", "lab", "part"),
    [
        ("coordinate-missing", "LabA", (30, 300)),  # of the rows of tracks only
        ("coordinate-missing", "LabB", (0, 50)),
        ("coordinate-missing", None, (30, 350)),
        ("interval-zero", "LabB", (4, 10)),  # of the intervals only
        ("file-unreadable", "LabA", (1, 5)),  # a file of no row counts; files of any kind
        ("centre-from-extent", "LabA", (1, 4)),  # files of tracks
        ("fps-missing", "LabA", (2, 4)),  # of the videos
        ("fps-missing", "Nowhere", (0, 0)),
    ],
)
def test_a_share_is_of_what_the_rule_judges(rule: str, lab: str | None, part: tuple[int, int]) -> None:
    made = quality.build(REPORTS, VIDEOS)
    assert made.part(rule, lab) == part
    assert made.share(rule, lab) == (part[0] / part[1] if part[1] else 0)


def test_the_rows_of_a_csv_count_for_the_labs_that_they_name() -> None:
    head = ",".join(RAW_METADATA_COLUMNS)
    row = "," * (len(RAW_METADATA_COLUMNS) - 2)
    content = f"{head}\nLabA,1{row}\nLabA,1{row}\nLabA,1{row}\nLabB,2{row}\n,3{row}\n".encode()
    curated = curate_metadata(content, "train")
    flags = {("train", v.lab_id, v.video_id): list(v.flags) for v in curated.videos}
    made = quality.build([curated.report], flags)
    assert made.sums[None, None] == Sums(1, 2, 5, 2, 3)
    assert made.sums["LabA", None] == Sums(0, 1, 3, 1, 2)
    assert made.sums[NO_LAB, "metadata"] == Sums(0, 0, 1, 0, 1)
    assert made.part("metadata-duplicate", "LabA") == (2, 3)
    assert made.counts[None, "metadata-duplicate"] == Count(2, 1)
    assert made.part("scale-missing", "LabB") == (1, 1)
    assert made.counts[None, "scale-missing"] == Count(videos=2)  # by the videos, not by the flag of the csv too


def test_a_csv_that_cannot_be_read_is_a_file_of_no_lab() -> None:
    made = quality.build([curate_metadata(b"\xff\xfe\x00", "train").report])
    assert made.part("file-unreadable") == (1, 1)
    assert made.part("file-unreadable", NO_LAB) == (1, 1)


def test_a_file_that_does_not_balance_is_named() -> None:
    lost = file("LabA", 1, rows_curated=7)
    silent = file("LabA", 2, rows_curated=99, rows_quarantined=1)
    assert quality.build([lost, silent]).unbalanced == [lost.source_file, silent.source_file]


def test_examples_come_from_as_many_files_as_there_are() -> None:
    made = quality.build([file("LabA", n, bad=n) for n in range(1, 9)])
    files = [example["source_file"] for example in made.examples["coordinate-missing"]]
    assert files == [f"train_tracking/lab_id=LabA/{n}.parquet" for n in range(1, 6)]
    row = {**file("LabA", 1, bad=1).quarantine[0]}
    many = file("LabA", 1, bad=9, quarantine=tuple({**row, "row_number": n} for n in range(9)))
    rows = [example["row_number"] for example in quality.build([many]).examples["coordinate-missing"]]
    assert rows == [0, 1, 2, 3, 4]


def test_every_rule_that_fired_has_an_example() -> None:
    made = quality.build(REPORTS, VIDEOS)
    assert all(made.examples[rule] for rule in made.rules)
    assert made.examples["interval-zero"][0]["detail"] == "4 of 10 rows"
    assert made.examples["fps-missing"][0] == {
        "source_file": "metadata/train.csv", "row_number": None, "detail": "video 1 of LabA", "payload": None
    }  # fmt: skip


def test_files_left_out_whole_come_first_then_by_rows_lost() -> None:
    made = quality.build([file("LabA", 1, bad=3), file("LabA", 2), file("LabA", 3, bad=9), unreadable("LabB", 4)])
    assert [f["video_id"] for f in made.files] == [4, 3, 1, 2]


# --- the two forms ----------------------------------------------------------------------------------------
def test_json_says_what_each_rule_means_and_balances_every_file() -> None:
    content = json.loads(quality.build(REPORTS, VIDEOS, {"coordinate-missing": 0.5}).as_json())
    rule = next(r for r in content["rules"] if r["id"] == "coordinate-missing")
    assert (rule["severity"], rule["sentence"]) == ("quarantine", RULES["coordinate-missing"].sentence)
    assert (rule["rows"], rule["files"], rule["of"], rule["limit"]) == (30, 1, 350, 0.5)
    assert rule["examples"][0]["payload"] == '{"x": "nan"}'
    assert content["labs"]["LabB"]["rules"]["interval-zero"]["share"] == 0.4
    assert len(content["files"]) == len(REPORTS)
    assert all(f["rows_in"] == f["rows_curated"] + f["rows_quarantined"] for f in content["files"])
    assert content["unbalanced"] == []


def test_the_order_of_reports_does_not_matter() -> None:
    shuffled = random.Random(3).sample(REPORTS, len(REPORTS))
    made, again = quality.build(REPORTS, VIDEOS), quality.build(shuffled, dict(reversed(VIDEOS.items())))
    assert again.as_json() == made.as_json()
    assert render(again) == render(made)


class Page(HTMLParser):
    """Tags in order, and the text that a reader sees; fails on markup that does not nest."""

    EMPTY = frozenset({"meta", "input"})

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page.decode())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text += data


def test_the_page_says_everything_without_script_or_network() -> None:
    page = render(quality.build(REPORTS, VIDEOS, {"coordinate-missing": 0.5}))
    parsed = Page(page)
    for text in (
        "400 rows in 7 raw files of 2 labs", "Every row is accounted for", "coordinate-missing",
        RULES["interval-zero"].sentence, "4 of 50 rows", "limit 50 %", "balanced", '{"x": "nan"}',
        "train_tracking/lab_id=LabA/6.parquet",
    ):  # fmt: skip
        assert text in parsed.text, text
    assert not {name for name, _ in parsed.attributes} & {"src", "href", "onclick", "action"}
    assert not re.search(rb"https?:|url\(|@import", page)
    assert b"default-src 'none'" in page


EVIL = [
    "</script><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "a&lt;b'c\"d", "{style}{0}", "\ud800",
    "\u202etxt.exe", "\0\x1b[31m", "]]>", "--><!--", "x" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_data_never_become_markup(evil: str) -> None:
    row = {**file(evil, 1, bad=2).quarantine[0], "detail": evil, "payload": evil}
    made = quality.build(
        [file(evil, 1, bad=2, quarantine=(row,)), file(evil, 2, rows_curated=1)],
        {("train", evil, 1): ["fps-missing"]},
    )
    page = render(made)
    parsed = Page(page)
    plain = Page(render(quality.build(
        [file("L", 1, bad=2), file("L", 2, rows_curated=1)], {("train", "L", 1): ["fps-missing"]}
    )))  # fmt: skip
    assert parsed.tags == plain.tags
    assert {name for name, _ in parsed.attributes} == {name for name, _ in plain.attributes}
    assert len(page) < 40_000
    assert not {"\u202e", "\0", "\x1b"} & set(parsed.text)
    assert json.loads(made.as_json())["labs"][evil]["rules"]["coordinate-missing"]["rows"] == 2


def test_ten_thousand_files_make_a_page_of_moderate_size() -> None:
    flags = ("coordinate-missing", "centre-from-extent", "frames-beyond-duration", "mouse-not-in-metadata")
    many = [file(f"Lab{n % 900}", n, bad=1 + n % 7, flags=flags) for n in range(10_000)]
    page = render(quality.build(many))
    assert len(page) < 1_000_000
    assert page.count(b"<tr><td><code>") == 500
    assert "9,500 more files are in report.json." in page.decode()
    assert "700 more labs are in report.json." in page.decode()


def test_nothing_at_all_makes_a_page_too() -> None:
    assert "None: every row is as it should be." in Page(render(quality.build([]))).text
    assert "None: every row is as it should be." in Page(render(quality.build([file("LabA", 1)]))).text


# --- limits -----------------------------------------------------------------------------------------------
def test_every_rule_says_what_it_judges() -> None:
    assert {rule.unit for rule in RULES.values()} == {"row", "file", "video"}
    assert all(set(rule.kinds) <= set(KINDS) and rule.kinds for rule in RULES.values())
    assert all(rule.kinds == ("metadata",) for rule in RULES.values() if rule.unit == "video")
    assert all(len(rule.kinds) == 1 for rule in RULES.values() if rule.unit == "row")


def test_limits_are_read() -> None:
    assert parse_limits("") == parse_limits(" , ") == {}
    assert parse_limits("coordinate-missing=0.6, file-unreadable = 0") == {
        "coordinate-missing": 0.6, "file-unreadable": 0.0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("coordinate-mising=0.1", "no rule 'coordinate-mising'. Did you mean 'coordinate-missing'"),
        ("fps-missing=7", "expected fps-missing=<share from 0 to 1>, but got 'fps-missing=7'"),
        ("fps-missing=nan", "but got 'fps-missing=nan'"),
        ("fps-missing=5%", "but got 'fps-missing=5%'"),
        ("fps-missing", "but got 'fps-missing'"),
        ("fps-missing=0.1,fps-missing=0.2", "'fps-missing' is named twice"),
        ("raw-zone-empty=0.5", "'raw-zone-empty' always stops the job"),
    ],
)
def test_limits_that_mean_nothing_are_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        parse_limits(text)


def test_all_wrong_limits_are_named_together() -> None:
    with pytest.raises(SettingsError, match=r"\(2\):(.|\n)*interval-zro(.|\n)*fps-missing=x"):
        parse_limits("interval-zro=0.1,fps-missing=x")


def test_limits_that_hold_say_nothing() -> None:
    quality.check(REPORTS, {})
    quality.check([], {"coordinate-missing": 0.0})
    quality.check(REPORTS, {"coordinate-missing": 0.1, "centre-from-extent": 0.25, "interval-zero": 0.4})
    quality.check(REPORTS, {"fps-missing": 0.5}, VIDEOS)


def test_without_the_metadata_a_flagged_file_stands_for_its_video() -> None:
    """The tracking job sees files only: two of three say that their video has no scale."""
    tracks = [file("LabA", n, flags=("scale-missing",) if n < 3 else ()) for n in (1, 2, 3)]
    assert quality.build(tracks).part("scale-missing", "LabA") == (2, 3)
    quality.check(tracks, {"scale-missing": 0.7})
    with pytest.raises(DataError, match=r"LabA: 2 of 3 videos \(66\.67 %\) break 'scale-missing'"):
        quality.check(tracks, {"scale-missing": 0.6})


def test_every_lab_and_rule_beyond_its_limit_is_named_with_what_to_do() -> None:
    with pytest.raises(DataError, match=r"readers keep what they had") as info:
        quality.check(REPORTS, {"coordinate-missing": 0.09, "interval-zero": 0.3, "fps-missing": 0.4}, VIDEOS)
    message = str(info.value)
    assert "LabA: 30 of 300 rows (10 %) break 'coordinate-missing', the limit is 9 %." in message
    assert "LabA: 2 of 4 videos (50 %) break 'fps-missing', the limit is 40 %." in message
    assert "LabB: 4 of 10 rows (40 %) break 'interval-zero', the limit is 30 %." in message
    assert "raise the limits (3)" in message
    assert "train_tracking/lab_id=LabA/1.parquet" in message


def test_a_limit_of_nothing_refuses_the_first_file() -> None:
    with pytest.raises(DataError, match=r"LabA: 1 of 5 files \(20 %\) break 'file-unreadable', the limit is 0 %"):
        quality.check(REPORTS, {"file-unreadable": 0})
    with pytest.raises(DataError, match=re.escape(NO_LAB)):
        quality.check([curate_metadata(b"\xff\xfe\x00", "train").report], {"file-unreadable": 0})


def test_settings_refuse_wrong_limits_and_say_where_they_come_from() -> None:
    resolved, origin = settings.resolve({"ETHOLAKE_QUALITY_LIMITS": "scale-missing=0.1"})
    assert resolved.quality_limits == "scale-missing=0.1"
    assert origin["quality_limits"] == "environment (ETHOLAKE_QUALITY_LIMITS)"
    assert settings.resolve({})[0].quality_limits == ""
    with pytest.raises(SettingsError, match=r"quality_limits from environment(.|\n)*Did you mean 'scale-missing'"):
        settings.resolve({"ETHOLAKE_QUALITY_LIMITS": "scale-mising=0.1"})


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("1", True), ("no", False)])
def test_a_switch_is_true_or_false(text: str, value: bool) -> None:
    assert settings.resolve({"ETHOLAKE_REPAIR_LABEL_CLOCK": text})[0].repair_label_clock is value
    assert settings.resolve({})[0].repair_label_clock is False


def test_a_switch_that_is_neither_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"'repair_label_clock' from environment .* must be true or false"):
        settings.resolve({"ETHOLAKE_REPAIR_LABEL_CLOCK": "maybe"})


def test_a_switch_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "etholake.toml"
    file.write_text('repair_label_clock = true\nquality_limits = "scale-missing=0.1"\n')
    resolved, _ = settings.resolve({"ETHOLAKE_CONFIG": str(file)})
    assert (resolved.repair_label_clock, resolved.quality_limits) == (True, "scale-missing=0.1")


def test_the_headline_is_green_only_if_nothing_is_in_quarantine() -> None:
    def headline(*files: FileReport) -> bytes:
        return render(quality.build(list(files), {}, {})).split(b"<header>")[1].split(b"</header>")[0]

    assert b'class="good"' in headline(file("L", 1, bad=0))
    some = headline(file("L", 1, bad=2), file("L", 2, bad=0))
    assert b'class="good"' not in some
    assert b'class="bad"' not in some
    lossy = headline(file("L", 1, bad=2), file("Süd", 2, rows=10, bad=9))
    assert 'class="bad">More than half of the rows of Süd went to quarantine'.encode() in lossy
