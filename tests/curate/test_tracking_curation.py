"""`curate_tracking` and its summary on motions and dirt that one can check by hand.

The slow reference and the properties are in files of their own beside this one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from etholake.contract import RULES, arrow_schema
from etholake.curate.quarantine import MAX_ROWS_PER_RULE, BadFileError
from etholake.curate.tracking import CuratedTracking, VideoScale, curate_tracking
from etholake.errors import UsageError

# 10 frames/s, 4 px/cm, centre at (200, 100).
SCALE = VideoScale(7, "Lab", fps=10.0, pix_per_cm=4.0, width_pix=400, height_pix=200)
Point = tuple[Any, Any, Any, Any, Any]
COLUMNS = ("video_frame", "mouse_id", "bodypart", "x", "y")


def raw(points: Iterable[Point], **types: pa.DataType) -> pa.Table:
    columns = list(zip(*points, strict=True)) or [[]] * 5
    wanted = {"video_frame": pa.int32(), "mouse_id": pa.int8(), "bodypart": pa.string()} | {
        "x": pa.float64(), "y": pa.float64()
    } | types  # fmt: skip
    return pa.table({name: pa.array(list(c), wanted[name]) for name, c in zip(COLUMNS, columns, strict=True)})


def curate(points: Iterable[Point], scale: VideoScale = SCALE, gap: int = 3, **types: Any) -> CuratedTracking:
    return curate_tracking(raw(points, **types), scale, max_gap_frames=gap)


def rows(result: CuratedTracking, *names: str) -> list[Any]:
    values = [tuple(row.values()) for row in result.table.select(list(names)).to_pylist()]
    return [v[0] for v in values] if len(names) == 1 else values


def balanced(result: CuratedTracking) -> bool:
    c = result.counts
    measured = c.rows_in == c.rows_curated + c.rows_quarantined
    return measured and c.rows_curated + c.rows_imputed == result.table.num_rows


def test_a_mouse_walks_along_x() -> None:
    """8 px a frame is 2 cm a frame is 20 cm/s."""
    result = curate([(f, 1, "nose", 200 + 8 * f, 100) for f in range(3)])
    assert result.table.schema == arrow_schema("tracking_curated")
    assert rows(result, "x_cm", "y_cm") == [(0, 0), (2, 0), (4, 0)]
    assert rows(result, "vx", "vy", "speed") == [(None, None, None), (20, 0, 20), (20, 0, 20)]
    assert result.counts.rows_imputed == 0
    assert result.flags == ()
    assert (result.mice, result.parts, result.last_frame) == ((1,), ("nose",), 2)


def test_velocity_counts_the_true_elapsed_frames() -> None:
    """12 px over 3 frames: 3 cm in 0.3 s."""
    result = curate([(0, 1, "nose", 0, 0), (3, 1, "nose", 12, 0), (7, 1, "nose", 99, 0)])
    assert rows(result, "vx") == [None, pytest.approx(10.0), None]  # the last gap is longer than 3


def test_points_are_filled_forward_then_backward_while_the_mouse_is_there() -> None:
    tail = [(f, 1, "tail", f, 0) for f in range(1, 10)]
    result = curate([*tail, (4, 1, "nose", 40, 1)], gap=2)
    noses = {f: (x, i) for f, p, x, i in rows(result, "video_frame", "bodypart", "x", "is_imputed") if p == "nose"}
    assert noses == {2: (40, True), 3: (40, True), 4: (40, False), 5: (40, True), 6: (40, True)}
    assert result.counts.rows_imputed == 4


def test_the_earlier_point_is_copied_where_both_are_near() -> None:
    result = curate([(0, 1, "nose", 10, 0), (1, 1, "tail", 0, 0), (2, 1, "nose", 20, 0)], gap=3)
    filled = [x for p, x, i in rows(result, "bodypart", "x", "is_imputed") if i and p == "nose"]
    assert filled == [10]


def test_an_absent_mouse_is_never_invented() -> None:
    result = curate([(0, 1, "nose", 1, 1), (1, 2, "nose", 5, 5), (2, 1, "nose", 3, 3)])
    assert rows(result, "video_frame", "mouse_id", "is_imputed") == [(0, 1, False), (2, 1, False), (1, 2, False)]


def test_an_imputed_point_has_no_velocity_and_leaves_none_behind() -> None:
    """nose moves 4 px per frame; frame 1 is missing. From 0 to 2 it is still 1 cm a frame."""
    points = [(0, 1, "nose", 0, 0), (2, 1, "nose", 8, 0), *((f, 1, "tail", 0, 0) for f in range(3))]
    result = curate(points)
    speeds = [v for p, v in rows(result, "bodypart", "speed") if p == "nose"]
    assert speeds == [None, None, pytest.approx(10.0)]


def test_without_a_scale_there_are_no_cm_and_never_zeros() -> None:
    for missing in (None, 0.0, float("nan"), -1.0):
        result = curate([(0, 1, "nose", 1, 1), (1, 1, "nose", 2, 2)], replace(SCALE, pix_per_cm=missing))
        assert rows(result, "x_cm", "y_cm", "vx", "vy", "speed") == [(None,) * 5] * 2
        assert result.flags == ("scale-missing",)
        assert rows(result, "x") == [1, 2]


def test_without_fps_there_are_cm_but_no_velocity() -> None:
    result = curate([(0, 1, "nose", 204, 100), (1, 1, "nose", 2, 2)], replace(SCALE, fps=0.0))
    assert rows(result, "x_cm", "vx")[0] == (1.0, None)
    assert rows(result, "speed") == [None, None]
    assert result.flags == ("fps-missing",)


def test_without_a_frame_size_the_centre_is_that_of_the_observed_extent() -> None:
    result = curate([(0, 1, "nose", 0, 10), (9, 1, "nose", 40, 30)], replace(SCALE, width_pix=None))
    assert rows(result, "x_cm", "y_cm") == [(-5, -2.5), (5, 2.5)]
    assert result.flags == ("centre-from-extent",)


BAD: dict[str, Point] = {
    "frame-negative": (-1, 1, "nose", 1, 1),
    "frame-invalid": (None, 1, "nose", 1, 1),
    "mouse-unknown": (0, -5, "nose", 1, 1),
    "bodypart-missing": (0, 1, "  ", 1, 1),
    "coordinate-missing": (0, 1, "ear", math.nan, 1),
    "coordinate-infinite": (0, 1, "ear", 1, -math.inf),
    "point-duplicate": (0, 2, "nose", 9, 9),
}


@pytest.mark.parametrize("rule", BAD)
def test_a_bad_row_is_quarantined_with_its_payload(rule: str) -> None:
    result = curate([(0, 2, "nose", 5, 5), BAD[rule], (1, 2, "nose", 6, 6)])
    assert RULES[rule].severity == "quarantine"
    assert result.table.num_rows == 2
    [row] = result.quarantine.to_pylist()
    assert (row["rule"], row["rows"], row["row_number"], row["video_id"]) == (rule, 1, 1, 7)
    payload = json.loads(row["payload"])
    expected = dict(zip(COLUMNS, BAD[rule], strict=True))
    assert payload == {
        k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in expected.items()
    }
    assert result.flags == (rule,)
    assert balanced(result)


@pytest.mark.parametrize(
    "point", [(None, None, None, None, None), (2**31 - 1, 1, "nose", 1, 1), (0, -1, "nose", 1, 1)]
)
def test_a_row_that_breaks_many_rules_counts_once(point: Point) -> None:
    result = curate([point, (0, 1, "nose", 5, 5)], video_frame=pa.int64())
    assert result.counts.rows_quarantined == 1
    assert balanced(result)


def test_of_duplicates_the_smallest_is_kept_whatever_the_order() -> None:
    points = [(0, 1, "nose", 9, 1), (0, 1, "nose", 3, 7), (0, 1, "nose", 3, 2), (0, 1, "nose", 3, 2)]
    for order in (points, points[::-1]):
        result = curate(order)
        assert rows(result, "x", "y") == [(3, 2)]
        assert result.counts.rows_quarantined == 3


def test_thousands_of_bad_rows_are_one_quarantine_row() -> None:
    result = curate([(f, -9, "nose", 1, 1) for f in range(5000)])
    [row] = result.quarantine.to_pylist()
    assert (row["rows"], row["row_number"]) == (5000, 0)
    assert json.loads(row["payload"])["mouse_id"] == -9
    few = curate([(f, -9, "nose", 1, 1) for f in range(MAX_ROWS_PER_RULE)])
    assert few.quarantine.num_rows == MAX_ROWS_PER_RULE
    assert balanced(result)
    assert balanced(few)


def test_no_good_row_gives_an_empty_table() -> None:
    result = curate([(0, 1, "nose", math.nan, math.nan)])
    assert result.table.num_rows == 0
    assert result.table.schema == arrow_schema("tracking_curated")
    assert result.last_frame is None


def test_types_of_other_tools_are_accepted() -> None:
    points = [(f, 1, "nose", 10 * f, 0) for f in range(3)]
    plain = curate(points).table
    floats = curate(points, video_frame=pa.float64(), mouse_id=pa.float64(), x=pa.int64(), y=pa.float32()).table
    table = raw(points, bodypart=pa.large_string())
    coded = table.set_column(2, "bodypart", table["bodypart"].dictionary_encode())
    assert floats.equals(plain)
    assert curate_tracking(coded, SCALE, max_gap_frames=3).table.equals(plain)
    half = curate([(0.5, 1, "nose", 1, 1)], video_frame=pa.float64())
    assert half.flags == ("frame-invalid",)


def test_a_missing_column_or_a_wrong_type_is_refused_by_name() -> None:
    table = raw([(0, 1, "nose", 1, 1)])
    with pytest.raises(BadFileError, match=r"\['x'\] are missing"):
        curate_tracking(table.drop_columns(["x"]), SCALE, max_gap_frames=3)
    text = table.set_column(0, "video_frame", pa.array(["0"]))
    with pytest.raises(BadFileError, match="'video_frame' to hold whole numbers, but its type is string"):
        curate_tracking(text, SCALE, max_gap_frames=3)
    numbered = table.set_column(2, "bodypart", pa.array([3]))
    with pytest.raises(BadFileError, match="'bodypart' to hold names, but its type is int64"):
        curate_tracking(numbered, SCALE, max_gap_frames=3)
    worded = table.set_column(4, "y", pa.array(["far"]))
    with pytest.raises(BadFileError, match="'y' to hold numbers, but its type is string"):
        curate_tracking(worded, SCALE, max_gap_frames=3)


def test_a_point_below_the_least_likelihood_was_not_measured() -> None:
    """nose at 0, 4, 8 px; the middle point is unlikely: quarantined, and filled as any missing point."""
    points = [(f, 1, part, 4 * f, 1) for part in ("nose", "tail_base") for f in range(3)]
    likelihood = pa.array([0.9, 0.59, 0.6, None, 1.0, 1.0], pa.float32())
    table = raw(points).append_column("likelihood", likelihood).append_column("z", pa.array([7.0] * 6))
    scale = VideoScale(7, "Lab", 30.0, 4.0, 80, 60, min_likelihood=0.6)
    result = curate_tracking(table, scale, max_gap_frames=3)
    assert [(r["rule"], r["rows"], r["row_number"]) for r in result.quarantine.to_pylist()] == [
        ("likelihood-low", 1, 1)
    ]
    assert (result.counts.rows_in, result.counts.rows_curated, result.counts.rows_imputed) == (6, 5, 1)
    assert result.flags == ("likelihood-low",)
    nose = [r for r in rows(result, "bodypart", "x", "z", "likelihood", "is_imputed") if r[0] == "nose"]
    assert nose == [
        ("nose", 0, 7, pytest.approx(0.9), False), ("nose", 0, 7, None, True),
        ("nose", 8, 7, pytest.approx(0.6), False),
    ]  # fmt: skip
    every = curate_tracking(table, VideoScale(7, "Lab", 30.0, 4.0, 80, 60), max_gap_frames=3)
    assert (every.counts.rows_quarantined, every.flags) == (0, ())


def test_a_likelihood_that_is_text_is_an_extra_column() -> None:
    table = raw([(0, 1, "nose", 1, 1)]).append_column("likelihood", pa.array(["high"]))
    result = curate_tracking(table, VideoScale(7, "Lab", min_likelihood=0.6), max_gap_frames=3)
    assert result.counts.rows_curated == 1
    assert "column-extra" in result.flags
    assert result.table["likelihood"].to_pylist() == [None]


def test_an_extra_column_is_flagged_and_not_read() -> None:
    table = raw([(0, 1, "nose", 1, 1)]).append_column("score", pa.array([0.9]))
    result = curate_tracking(table, SCALE, max_gap_frames=3)
    assert result.flags == ("column-extra",)
    assert result.table.num_rows == 1


def test_a_gap_below_one_frame_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1, but got 0"):
        curate([(0, 1, "nose", 1, 1)], gap=0)


# --- track_summary ----------------------------------------------------------------------------------------
def test_a_summary_by_hand() -> None:
    """nose: 2 cm a frame, seen in 0-2, 5, 9; the tail in 0-6. Bound 3: filled in 3, 4, 6; 5 to 9 is too far."""
    nose = [(f, 1, "nose", 8 * f, 0) for f in (0, 1, 2, 5, 9)]
    result = curate([*nose, *((f, 1, "tail", 0, 0) for f in range(7))], gap=3)
    assert result.summary.schema == arrow_schema("track_summary")
    [first, second] = result.summary.to_pylist()
    assert first == {
        "video_id": 7, "mouse_id": 1, "bodypart": "nose", "first_frame": 0, "last_frame": 9, "frames_present": 8,
        "points_measured": 5, "points_imputed": 3, "points_missing": 0,
        "gaps": 2, "gap_frames": 5, "longest_gap_frames": 3,
        "tracked_sec": pytest.approx(0.5), "path_cm": pytest.approx(10), "max_speed": pytest.approx(20),
        "jumps": 0,
    }  # fmt: skip
    assert (second["points_measured"], second["points_imputed"], second["points_missing"]) == (7, 1, 0)
    assert (second["path_cm"], second["max_speed"], second["tracked_sec"]) == (0, 0, pytest.approx(0.6))


def test_frames_too_far_from_any_point_are_missing() -> None:
    result = curate([(0, 1, "nose", 0, 0), *((f, 1, "tail", 0, 0) for f in range(6))], gap=2)
    [nose, _] = result.summary.to_pylist()
    assert (nose["frames_present"], nose["points_imputed"], nose["points_missing"]) == (6, 2, 3)
    assert (nose["gaps"], nose["gap_frames"], nose["longest_gap_frames"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("px", "frames", "fps", "jumps"),
    [
        (16, 1, 50.0, 1),  # 4 cm at 200 cm/s
        (16, 1, 30.0, 0),  # 4 cm at 120 cm/s: far, but not too fast
        (8, 1, 120.0, 0),  # 2 cm at 240 cm/s: the jitter of a fast camera
        (12, 1, 100.0, 0),  # 3 cm: not longer than 3 cm
        (15, 1, 40.0, 0),  # 3.75 cm at 150 cm/s: not faster than 150 cm/s
        (32, 2, 50.0, 1),  # 8 cm in two frames: 200 cm/s
        (400, 4, 50.0, None),  # over a gap that is too long no velocity is known
    ],
)
def test_a_jump_is_far_and_fast(px: float, frames: int, fps: float, jumps: int | None) -> None:
    result = curate([(0, 1, "nose", 0, 0), (frames, 1, "nose", px, 0)], replace(SCALE, fps=fps))
    assert result.summary["jumps"].to_pylist() == [jumps]


@pytest.mark.parametrize("scale", [replace(SCALE, fps=None), replace(SCALE, pix_per_cm=None)])
def test_without_velocity_a_summary_has_no_motion(scale: VideoScale) -> None:
    [row] = curate([(0, 1, "nose", 0, 0), (1, 1, "nose", 9, 0)], scale).summary.to_pylist()
    assert [row[n] for n in ("tracked_sec", "path_cm", "max_speed", "jumps")] == [None] * 4
    assert row["points_measured"] == 2


def test_tracks_that_were_never_measured_have_no_summary() -> None:
    result = curate([(0, 1, "nose", 1, 1), (0, 2, "nose", math.nan, 1), (0, 1, "ghost", math.nan, 1)])
    assert [(r["mouse_id"], r["bodypart"]) for r in result.summary.to_pylist()] == [(1, "nose")]
    assert curate([(0, 1, "nose", math.nan, 1)]).summary.num_rows == 0
