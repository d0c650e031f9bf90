"""Metadata csv and the lists in it: typed, repaired, flagged, nothing lost."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from etholake.contract import RAW_METADATA_COLUMNS, arrow_schema
from etholake.curate.behaviors import parse_items, parse_labeled, parse_list
from etholake.curate.file_reports import FileReport, assert_balance
from etholake.curate.metadata import CuratedMetadata, VideoRecord, curate_metadata, labeled_table, metadata_table

GOOD: dict[str, Any] = {
    "lab_id": "Lab", "video_id": 1, "mouse1_strain": "C57", "mouse1_sex": "male", "mouse2_strain": "CD1",
    "frames_per_second": 30.0, "video_duration_sec": 10, "pix_per_cm_approx": 16.0, "video_width_pix": 640,
    "video_height_pix": "480.0", "arena_width_cm": "", "body_parts_tracked": '["nose", "ear_left"]',
    "behaviors_labeled": '["mouse1,mouse2,attack", "mouse1,self,rear"]', "tracking_method": "DeepLabCut",
}  # fmt: skip

LABELLED = {("Lab", 1): FileReport("f", "annotation", "train", last_frame=300)}


def text(*rows: dict[str, Any], columns: tuple[str, ...] = RAW_METADATA_COLUMNS) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def curate(*changes: dict[str, Any]) -> CuratedMetadata:
    result = curate_metadata(text(*(GOOD | change for change in changes)), "train")
    assert_balance([result.report])
    return result


def test_a_good_row_is_typed() -> None:
    [video] = curate({}).videos
    table = metadata_table([video], {("Lab", 1): FileReport("f", "tracking", "train", mice=(1, 2))}, LABELLED)
    assert table.schema == arrow_schema("metadata_train")
    [row] = table.to_pylist()
    assert (row["video_id"], row["frames_per_second"], row["video_height_pix"]) == (1, 30.0, 480)
    assert row["arena_width_cm"] is None
    assert row["mouse2_sex"] is None
    assert row["body_parts_tracked"] == ["ear_left", "nose"]
    assert row["behaviors_labeled"] == ["mouse1,mouse2,attack", "mouse1,self,rear"]
    assert (row["n_mice"], row["has_tracking"], row["has_annotation"], row["flags"]) == (2, True, True, [])
    assert VideoRecord.from_json(json.loads(json.dumps(video.as_json()))) == video
    assert video.n_frames == 300


def test_names_species_and_animals_beyond_four() -> None:
    more = {"video_name": "Käfig 4, Tag 1", "species": "rat", "mouse5_sex": "female", "mouse128_sex": "male"}
    row = GOOD | more | {"behaviors_labeled": '["mouse5,mouse12,attack", "mouse128,self,rear"]'}
    columns = (*RAW_METADATA_COLUMNS, *more)
    curated = curate_metadata(text(row, columns=columns), "train")
    [video] = curated.videos
    assert "column-extra" in curated.report.flags  # mouse128: beyond what a table can hold
    assert "column-extra" not in curate_metadata(text(row, columns=columns[:-1]), "train").report.flags
    assert video.described == {1, 2, 5}
    [made] = metadata_table([video], {}, {}).to_pylist()
    assert (made["video_name"], made["species"], made["n_mice"]) == ("Käfig 4, Tag 1", "rat", 3)
    assert made["behaviors_labeled"] == ["mouse5,mouse12,attack"]
    assert made["animal_sexes"] == ["male", None, None, None, "female"]
    assert (made["animal_strains"], made["animal_ages"]) == (["C57", "CD1"], None)


def test_spans_that_were_looked_at() -> None:
    columns = (*RAW_METADATA_COLUMNS, "labeled_spans")
    spans = '{"mouse1,self,rear": [[200, 300], [0, 50], [40, 60], [5, 5]], "mouse3,self,rest": [[0, 1]]}'
    [video] = curate_metadata(text(GOOD | {"labeled_spans": spans}, columns=columns), "train").videos
    assert video.spans == {(1, 1, "rear"): ((0, 60), (200, 300))}
    assert VideoRecord.from_json(json.loads(json.dumps(video.as_json()))) == video
    rows = {r["action"]: r["spans"] for r in labeled_table([video]).to_pylist()}
    assert rows == {"rear": "[[0, 60], [200, 300]]", "attack": None}
    for wrong in (
        "[1]",
        '{"mouse1,self,rear": [[3, 1]]}',
        '{"rear": []}',
        "{",
        '{"mouse1,self,rear": [[0, 1.5]]}',
    ):
        result = curate_metadata(text(GOOD | {"labeled_spans": wrong}, columns=columns), "train")
        assert "spans-malformed" in result.videos[0].flags
        assert result.videos[0].labeled == {}  # nobody knows which frames were looked at


def test_labeled_behaviors_hold_the_triplets() -> None:
    table = labeled_table(curate({}).videos)
    assert table.schema == arrow_schema("labeled_behaviors")
    triplets = [
        (r["agent_id"], r["target_id"], r["action"], r["is_self"], r["repaired"]) for r in table.to_pylist()
    ]
    assert sorted(triplets) == [(1, 1, "rear", True, False), (1, 2, "attack", False, False)]


@pytest.mark.parametrize(
    ("item", "triplet"),
    [
        ("mouse1,mouse2,attack", (1, 2, "attack")),
        ("'mouse1','mouse2','sniff'", (1, 2, "sniff")),
        ("mouse1','mouse2','dominance'", (1, 2, "dominance")),
        (' mouse1 , "mouse3",chase ', (1, 3, "chase")),
        ("mouse4,self,rear", (4, 4, "rear")),
        ("mouse4,mouse4,rear", (4, 4, "rear")),
        ("1,2,attack", (1, 2, "attack")),
    ],
)
def test_items_are_repaired(item: str, triplet: tuple[int, int, str]) -> None:
    labeled = parse_items([item])
    clean = labeled.items[0]
    assert labeled.triplets == {triplet: item != clean}
    assert labeled.repaired == (item != clean)
    assert parse_items([clean]).triplets == {triplet: False}


def test_a_dirty_twin_does_not_mark_the_clean_item() -> None:
    for items in (
        ["mouse1,mouse2,sniff", "'mouse1','mouse2','sniff'"],
        ["'mouse1','mouse2','sniff'", "mouse1,mouse2,sniff"],
    ):
        labeled = parse_items(items)
        assert labeled.triplets == {(1, 2, "sniff"): False}
        assert labeled.repaired


@pytest.mark.parametrize(
    "item", ["mouse128,mouse1,attack", "mouse1,attack", "mouse1,mouse2,", "self,mouse1,rear", "", "a,b,c"]
)
def test_what_is_no_triplet_is_kept_as_malformed(item: str) -> None:
    labeled = parse_items([item, "mouse1,self,rear"])
    assert labeled.malformed == (item,)
    assert labeled.triplets == {(1, 1, "rear"): False}


@pytest.mark.parametrize("empty", ["", "  ", "NaN", "nan", "[]", None])
def test_empty_lists_mean_the_same(empty: str | None) -> None:
    assert parse_list(empty) == []
    assert parse_labeled(empty).triplets == {}


def test_lists_in_python_notation_are_read_and_others_are_not() -> None:
    assert parse_list("['nose', 'tail']") == ["nose", "tail"]
    assert parse_list("nose tail") is None
    assert parse_list("[1, 2]") is None
    assert parse_labeled("{oops").malformed == ("{oops",)


def flags_of(**change: Any) -> tuple[str, ...]:
    [video] = curate(change).videos
    return video.flags


def test_flags() -> None:
    assert flags_of(frames_per_second="") == ("fps-missing",)
    assert flags_of(frames_per_second="0") == ("fps-missing",)
    assert flags_of(pix_per_cm_approx="nan") == ("scale-missing",)
    assert flags_of(pix_per_cm_approx="0.0") == ("scale-missing",)
    assert flags_of(video_width_pix="") == ("frame-size-missing",)
    assert flags_of(behaviors_labeled="[]") == ("behaviors-empty",)
    assert flags_of(behaviors_labeled="[\"'mouse1','mouse2','sniff'\"]") == ("behaviors-repaired",)
    assert flags_of(body_parts_tracked="{") == ("body-parts-malformed",)


@pytest.mark.parametrize("fps", ["1e12", "2997", "1000.01", "4.99", "0.001"])
def test_a_frame_rate_that_no_camera_has_is_kept_and_flagged(fps: str) -> None:
    assert curate({"frames_per_second": fps}).videos[0].fps == float(fps)
    assert flags_of(frames_per_second=fps) == ("fps-implausible",)
    assert flags_of(frames_per_second="5") == flags_of(frames_per_second="1000") == ()


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("min_likelihood", "1.01"), ("min_likelihood", "60"), ("min_likelihood", "-0.1"),
        ("pix_per_cm_approx", "-5"),
        ("arena_width_cm", "-1"), ("video_duration_sec", "-0.5"), ("video_width_pix", "0.4"),
        ("video_width_pix", "-9"),
        ("frames_per_second", "1e309"), ("frames_per_second", "inf"), ("frames_per_second", "0x1e"),
        ("frames_per_second", "٣٠"), ("frames_per_second", "30 fps"), ("frames_per_second", "29,97"),
    ],
)  # fmt: skip
def test_a_measure_that_cannot_be_is_null_and_kept_in_quarantine(column: str, cell: str) -> None:
    columns = (*RAW_METADATA_COLUMNS, "min_likelihood")
    result = curate_metadata(text(GOOD | {column: cell}, columns=columns), "train")
    [video] = result.videos
    assert video.values[column] is None
    assert "metadata-number" in video.flags
    assert [row["payload"] for row in result.report.quarantine] == [json.dumps({column: cell})]


@pytest.mark.parametrize("cell", ["0", "", "nan", " ", "0.0"])
def test_what_stands_for_unknown_is_no_problem(cell: str) -> None:
    assert "metadata-number" not in flags_of(arena_width_cm=cell)


def test_labels_that_end_after_the_tracks_and_videos_of_both_splits_are_flagged() -> None:
    [video] = curate({}).videos

    def flags(last_tracked: int | None, other: tuple[tuple[str, int], ...] = ()) -> list[str]:
        tracked = {("Lab", 1): FileReport("f", "tracking", "train", mice=(1, 2), last_frame=last_tracked)}
        [row] = metadata_table([video], tracked, LABELLED, other).to_pylist()
        return list(row["flags"])

    assert flags(299) == flags(294) == flags(None) == []
    assert flags(293) == ["labels-beyond-tracking"]  # 300 is 2.04 % past the 294 tracked frames
    assert flags(299, (("Lab", 1), ("Lab", 2))) == ["video-in-both-splits"]
    assert flags(299, (("Other", 1),)) == []


def test_a_number_that_cannot_be_read_is_null_and_kept_in_quarantine() -> None:
    result = curate({"frames_per_second": "thirty"})
    assert result.videos[0].fps is None
    assert result.videos[0].flags == ("fps-missing", "metadata-number")
    [row] = result.report.quarantine
    assert (row["rule"], row["rows"], row["payload"]) == ("metadata-number", 0, '{"frames_per_second": "thirty"}')
    assert (result.report.rows_curated, result.report.rows_quarantined) == (1, 0)


def test_a_whole_number_beyond_its_type_is_null_and_kept_in_quarantine() -> None:
    result = curate({"video_width_pix": "2147483648"}, {"video_id": 2, "video_width_pix": "2147483647"})
    assert [v.values["video_width_pix"] for v in result.videos] == [None, 2**31 - 1]
    assert result.videos[0].flags == ("frame-size-missing", "metadata-number")
    assert result.report.quarantine[0]["payload"] == '{"video_width_pix": "2147483648"}'


def test_half_a_surrogate_pair_is_no_text() -> None:
    assert parse_list('["\\ud800"]') is None
    assert parse_list('["\\ud83d\\udc2d"]') == ["\U0001f42d"]


def test_a_column_without_a_name_is_extra_and_its_cells_are_not_surplus() -> None:
    lines = text(GOOD).decode().splitlines()
    result = curate_metadata(f"{lines[0]},\n{lines[1]},x\n".encode(), "train")
    assert (result.report.flags, len(result.videos)) == (("column-extra",), 1)


def test_a_malformed_item_is_kept_in_quarantine() -> None:
    result = curate({"behaviors_labeled": '["mouse900,self,rear"]'})
    assert result.videos[0].flags == ("behaviors-empty", "behaviors-malformed")
    assert result.report.quarantine[0]["payload"] == '{"behaviors_labeled": "mouse900,self,rear"}'


def test_rows_without_id_and_second_rows_are_quarantined() -> None:
    result = curate({}, {"video_id": "x"}, {"lab_id": " "}, {"frames_per_second": 25}, {"video_id": 2})
    assert [v.video_id for v in result.videos] == [1, 2]
    assert result.videos[0].fps == 30
    quarantined = [(r["rule"], r["row_number"]) for r in result.report.quarantine]
    assert quarantined == [("metadata-id", 1), ("metadata-id", 2), ("metadata-duplicate", 3)]
    assert (result.report.rows_in, result.report.rows_curated) == (5, 2)


def test_a_row_with_more_cells_than_columns_is_quarantined() -> None:
    result = curate_metadata(text(GOOD).rstrip() + b",more,cells\n" + text(GOOD).splitlines()[1], "train")
    assert [(r["rule"], r["row_number"]) for r in result.report.quarantine] == [("metadata-cells", 0)]
    commas = curate_metadata(text(GOOD).rstrip() + b",\n", "train").report.quarantine
    assert [r["detail"].partition(". ")[2] for r in commas] == [
        "The row ends with a comma too many: remove what follows the last cell, or name the columns."
    ]
    assert len(result.videos) == 1
    assert_balance([result.report])


def test_the_order_of_rows_is_irrelevant() -> None:
    changes = [{"video_id": n, "lab_id": lab} for n in (3, 1, 2) for lab in ("B", "A")]
    assert curate(*changes).videos == curate(*reversed(changes)).videos


def test_a_csv_without_its_key_columns_is_quarantined_whole() -> None:
    columns = tuple(c for c in RAW_METADATA_COLUMNS if c != "video_id")
    result = curate_metadata(text(GOOD, GOOD, columns=columns), "train")
    assert result.videos == []
    [row] = result.report.quarantine
    assert (row["rule"], row["rows"]) == ("column-missing", 2)
    assert "['video_id'] are missing" in row["detail"]


def test_a_csv_without_or_with_more_descriptive_columns_is_flagged() -> None:
    columns = (*(c for c in RAW_METADATA_COLUMNS if c != "arena_shape"), "comment")
    result = curate_metadata(text(GOOD, columns=columns), "train")
    assert len(result.videos) == 1
    assert result.report.flags == ("column-extra", "metadata-column-missing")


def test_bytes_that_are_no_text_are_quarantined() -> None:
    result = curate_metadata(b"\xff\xfe\x00garbage", "train")
    assert result.report.flags == ("file-unreadable",)


def test_flags_of_what_was_received() -> None:
    [video] = curate({"behaviors_labeled": '["mouse1,mouse3,attack"]'}).videos
    only_two = FileReport("f", "tracking", "train", mice=(1, 2))
    [row] = metadata_table([video], {("Lab", 1): only_two}, {}).to_pylist()
    assert row["flags"] == ["mouse-untracked", "video-without-annotation"]
    [row] = metadata_table([video], {}, LABELLED).to_pylist()
    assert row["flags"] == ["video-without-tracking"]
    assert not row["has_tracking"]


def test_a_25_fps_video_in_a_30_fps_lab_is_flagged() -> None:
    videos = curate(*({"video_id": n, "frames_per_second": 25 if n == 3 else 30} for n in range(4))).videos
    assert [v.flags for v in videos] == [(), (), (), ("label-clock",)]
    slow_lab = curate(*({"video_id": n, "frames_per_second": 25} for n in range(4))).videos
    assert {v.flags for v in slow_lab} == {()}


def test_names_with_blanks_and_capitals_are_one_action() -> None:
    [video] = curate({"behaviors_labeled": '["mouse1,mouse2,Social  interaction"]'}).videos
    assert video.labeled == {(1, 2, "social interaction"): True}
    assert video.values["behaviors_labeled"] == ["mouse1,mouse2,social interaction"]


@pytest.mark.parametrize("text_", ["2024_01_05", "1e3", "0x10", "١٢", "12.5", "1 2", "9223372036854775808"])
def test_an_id_that_is_no_plain_number_is_refused(text_: str) -> None:
    result = curate({"video_id": text_})
    assert result.videos == []
    assert {row["rule"] for row in result.report.quarantine} == {"metadata-id"}


def test_a_long_id_is_kept_exactly() -> None:
    assert curate({"video_id": "20240131123456789"}).videos[0].video_id == 20240131123456789


def test_numbers_are_read_strictly() -> None:
    [video] = curate({"frames_per_second": "29_97"}).videos
    assert video.fps is None
    assert {"metadata-number", "fps-missing"} <= set(video.flags)
    assert curate({"frames_per_second": "2.997e1"}).videos[0].fps == pytest.approx(29.97)


def test_a_header_that_names_a_column_twice_is_refused() -> None:
    content = b"lab_id,video_id,lab_id\nA,1,B\n"
    result = curate_metadata(content, "train")
    assert result.videos == []
    assert result.report.flags == ("column-type",)
    assert "lab_id more than once" in result.report.quarantine[0]["detail"]
