"""Annotated intervals: enriched, odd ones kept with an issue, impossible ones quarantined; statistics."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest
from test_metadata_curation import curate as metadata

from etholake.contract import arrow_schema
from etholake.curate.annotations import CuratedAnnotations, curate_annotations
from etholake.curate.file_reports import assert_balance
from etholake.curate.metadata import VideoRecord
from etholake.curate.quarantine import BadFileError
from etholake.curate.statistics import class_distribution

KEY = "raw-zone/train_annotation/lab_id=Lab/1.parquet"
COLUMNS = ("agent_id", "target_id", "action", "start_frame", "stop_frame")


def raw(*rows: tuple[Any, ...]) -> pa.Table:
    types = (pa.int8(), pa.int8(), pa.large_string(), pa.int32(), pa.int32())
    columns = zip(COLUMNS, zip(*rows, strict=True), types, strict=True)
    return pa.table({name: pa.array(list(values), type_) for name, values, type_ in columns})


def video(**change: Any) -> VideoRecord:
    [one] = metadata(change).videos  # 30 fps, 10 s; looked for: 1->2 attack, 1->self rear
    return one


def curate(*rows: tuple[Any, ...], **change: Any) -> CuratedAnnotations:
    result = curate_annotations(raw(*rows), video(**change), KEY)
    assert_balance([result.report])
    assert result.table.schema == arrow_schema("annotations_enriched")
    return result


def test_an_event_is_enriched() -> None:
    [row] = curate((1, 2, "attack", 30, 75)).table.to_pylist()
    assert (row["start_sec"], row["stop_sec"], row["duration_sec"], row["duration_frames"]) == (1.0, 2.5, 1.5, 45)
    assert (row["agent_strain"], row["agent_sex"], row["target_strain"], row["target_sex"]) == (
        "C57", "male", "CD1", None,
    )  # fmt: skip
    assert (row["is_self"], row["is_labeled"], row["issue"], row["split"]) == (False, True, None, "train")


def test_without_fps_seconds_are_null() -> None:
    [row] = curate((1, 1, "rear", 0, 30), frames_per_second="0").table.to_pylist()
    assert (row["start_sec"], row["duration_sec"], row["frames_per_second"]) == (None, None, None)
    assert row["duration_frames"] == 30
    assert row["is_self"]


@pytest.mark.parametrize(
    ("row", "issue"),
    [
        ((1, 2, "attack", 5, 5), "interval-zero"),
        ((1, 2, "attack", 0, 307), "interval-overlong"),
        ((1, 2, "attack", 0, 306), None),
        ((2, 1, "attack", 0, 9), "interval-unlabeled"),
    ],
)
def test_odd_intervals_are_kept_with_an_issue(row: tuple[Any, ...], issue: str | None) -> None:
    result = curate(row)
    assert result.table["issue"].to_pylist() == [issue]
    assert result.report.rows_curated == 1
    assert result.report.flags == ((issue,) if issue else ())


def test_the_file_is_flagged_with_every_issue_of_its_rows() -> None:
    result = curate((2, 1, "attack", 400, 400))
    assert result.table["issue"].to_pylist() == ["interval-zero"]
    assert result.report.flags == ("interval-overlong", "interval-unlabeled", "interval-zero")
    assert result.report.flagged_rows == {"interval-overlong": 1, "interval-unlabeled": 1, "interval-zero": 1}


def test_repeats_are_kept_and_marked() -> None:
    result = curate((1, 2, "attack", 0, 9), (1, 1, "rear", 0, 9), (1, 2, "attack", 0, 9))
    assert result.table["issue"].to_pylist() == [None, None, "interval-duplicate"]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ((0, 2, "attack", 0, 9), "interval-id"),
        ((1, -5, "attack", 0, 9), "interval-id"),
        ((1, None, "attack", 0, 9), "interval-id"),
        ((1, 2, None, 0, 9), "interval-action"),
        ((1, 2, " ", 0, 9), "interval-action"),
        ((1, 2, "attack", -1, 9), "interval-frames"),
        ((1, 2, "attack", None, 9), "interval-frames"),
        ((1, 2, "attack", 9, 3), "interval-reversed"),
    ],
)
def test_impossible_intervals_are_quarantined(row: tuple[Any, ...], rule: str) -> None:
    result = curate((1, 2, "attack", 0, 9), row)
    [rejected] = result.report.quarantine
    assert (rejected["rule"], rejected["row_number"], rejected["video_id"]) == (rule, 1, 1)
    assert result.table.num_rows == 1


def test_labels_on_another_clock_are_marked() -> None:
    videos = metadata(*({"video_id": n, "frames_per_second": 25 if n == 3 else 30} for n in range(4))).videos
    result = curate_annotations(raw((1, 2, "attack", 0, 9)), videos[3], KEY)
    assert result.table["issue"].to_pylist() == ["label-clock"]


def on_the_wrong_clock(*rows: tuple[Any, ...], repair: bool = True, **change: Any) -> CuratedAnnotations:
    """Labels of a 25 fps video of 10 s in a lab that records at 30 fps."""
    others = ({"video_id": n} for n in (2, 3))
    [one, *_] = metadata({"frames_per_second": 25, **change}, *others).videos
    result = curate_annotations(raw(*rows), one, KEY, repair_label_clock=repair)
    assert_balance([result.report])
    return result


def frames(result: CuratedAnnotations) -> list[tuple[int, int]]:
    return list(zip(*(result.table[name].to_pylist() for name in ("start_frame", "stop_frame")), strict=True))


def test_labels_on_another_clock_are_rescaled_on_demand_and_stay_marked() -> None:
    """1 s to 4 s is frame 30 to 120 of the labels' clock, 25 to 100 of the video's."""
    mended = on_the_wrong_clock((1, 2, "attack", 30, 120))
    [row] = mended.table.to_pylist()
    assert (row["start_frame"], row["stop_frame"], row["duration_frames"]) == (25, 100, 75)
    assert (row["start_sec"], row["stop_sec"], row["duration_sec"]) == (1.0, 4.0, 3.0)
    assert (row["issue"], mended.report.flags, mended.report.last_frame) == ("label-clock", ("label-clock",), 100)
    assert mended.report.flagged_rows == {"label-clock": 1}
    assert frames(on_the_wrong_clock((1, 2, "attack", 30, 120), repair=False)) == [(30, 120)]


def test_only_flagged_videos_are_rescaled() -> None:
    rows = raw((1, 2, "attack", 30, 120))
    assert frames(curate_annotations(rows, video(), KEY, repair_label_clock=True)) == [(30, 120)]
    slow_lab = video(frames_per_second=25)
    assert frames(curate_annotations(rows, slow_lab, KEY, repair_label_clock=True)) == [(30, 120)]


def test_every_start_and_length_is_rescaled_without_losing_an_interval() -> None:
    rows = [(1, 2, "attack", start, start + length) for start in range(300) for length in range(8)]
    rescaled = frames(on_the_wrong_clock(*rows))
    rounded = [tuple((2 * frame * 25 + 30) // 60 for frame in row[3:]) for row in rows]  # to the nearest, .5 up
    kept = [(a, max(b, a + 1)) if row[4] > row[3] else (a, a) for (a, b), row in zip(rounded, rows, strict=True)]
    assert rescaled == sorted(kept)
    assert sum(a == b for a, b in rescaled) == 300  # those of no frame, and no other


def test_intervals_that_touch_still_touch() -> None:
    cuts = [0, 7, 20, 41, 66, 90, 133, 200]
    rescaled = frames(on_the_wrong_clock(*((1, 2, "attack", a, b) for a, b in itertools.pairwise(cuts))))
    assert all(one[1] == other[0] for one, other in itertools.pairwise(rescaled))


def test_every_check_is_of_the_rescaled_frames() -> None:
    """The video has 250 frames: 300 of the labels' clock are just its end, 312 are more than 2 % past it."""
    result = on_the_wrong_clock((1, 2, "attack", 0, 300), (1, 2, "attack", 1, 312))
    assert result.table["issue"].to_pylist() == ["label-clock", "interval-overlong"]
    assert result.report.flagged_rows == {"interval-overlong": 1, "label-clock": 2}
    # Frames 3 and 4 of the labels' clock are one frame of the video: what becomes equal is a repeat, and in order.
    merged = on_the_wrong_clock((1, 2, "attack", 3, 10), (1, 1, "rear", 4, 9), (1, 2, "attack", 4, 10))
    assert list(zip(merged.table["target_id"].to_pylist(), frames(merged), strict=True)) == [
        (1, (3, 8)), (2, (3, 8)), (2, (3, 8))
    ]  # fmt: skip
    assert merged.table["issue"].to_pylist() == ["label-clock", "label-clock", "interval-duplicate"]


def test_rows_come_out_sorted() -> None:
    rows = [(1, 2, "attack", 20, 30), (1, 1, "rear", 20, 25), (1, 2, "attack", 0, 9)]
    first, second = curate(*rows), curate(*reversed(rows))
    assert first.table["start_frame"].to_pylist() == [0, 20, 20]
    assert first.table.equals(second.table)


def test_a_file_that_is_no_annotation_is_refused() -> None:
    table = raw((1, 2, "attack", 0, 9))
    with pytest.raises(BadFileError, match=r"\['action'\] are missing"):
        curate_annotations(table.drop_columns(["action"]), video(), KEY)
    with pytest.raises(BadFileError, match="no row"):
        curate_annotations(table.slice(0, 0), video(), KEY)


def test_statistics_by_hand() -> None:
    """Attacks of 1, 2 and 9 s, one rear of 4 s; 30 fps."""
    table = curate(
        (1, 2, "attack", 0, 30), (1, 2, "attack", 30, 90), (1, 2, "attack", 90, 360), (1, 1, "rear", 0, 120),
        video_duration_sec="12",
    ).table  # fmt: skip
    attack, rear = class_distribution(table, "Lab")
    assert (attack["videos"], attack["events"], attack["frames"], attack["seconds"]) == (1, 3, 360, 12.0)
    assert (attack["share"], attack["mean_sec"], attack["median_sec"]) == (0.75, 4.0, 2.0)
    assert attack["p95_sec"] == pytest.approx(8.3)  # 2 + 0.9 * (9 - 2)
    assert (rear["action"], rear["share"]) == ("rear", 0.25)


def test_statistics_without_seconds() -> None:
    table = curate((1, 1, "rear", 0, 30), frames_per_second="").table
    [rear] = class_distribution(table, "Lab")
    assert (rear["events"], rear["frames"], rear["seconds"], rear["share"]) == (1, 30, None, None)


def test_a_frame_counts_once_and_only_within_the_video() -> None:
    """A video of 300 frames: [10, 50) and [30, 70) are 60 frames, of [290, 400) ten count, what repeats none."""
    curated = curate(
        (1, 2, "attack", 10, 50), (1, 2, "attack", 30, 70), (1, 2, "attack", 20, 40), (1, 2, "attack", 290, 400),
        (1, 2, "attack", 350, 400), (2, 1, "attack", 30, 70), (1, 2, "rear", 30, 70),
    )  # fmt: skip
    counted = {
        (r["agent_id"], r["action"], r["start_frame"]): (r["counted_start_frame"], r["counted_stop_frame"])
        for r in curated.table.to_pylist()
    }
    assert counted == {
        (1, "attack", 10): (10, 50), (1, "attack", 20): (40, 40), (1, "attack", 30): (50, 70),
        (1, "attack", 290): (290, 300), (1, "attack", 350): (300, 300), (2, "attack", 30): (30, 70),
        (1, "rear", 30): (30, 70),
    }  # fmt: skip
    attack = class_distribution(curated.table, "Lab")[0]
    assert (attack["frames"], attack["seconds"]) == (60 + 10 + 40, pytest.approx(110 / 30))


def test_an_action_has_one_name_however_it_is_written() -> None:
    curated = curate((1, 2, " Attack ", 0, 9), (1, 2, "'attack'", 20, 29), (1, 1, "REAR", 0, 9))
    assert curated.table["action"].to_pylist() == ["rear", "attack", "attack"]
    assert curated.table["is_labeled"].to_pylist() == [True] * 3
    assert curated.report.flagged_rows["interval-action-respelled"] == 3
