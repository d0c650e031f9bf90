"""`curate_tracking` against motions that one can check by hand, a slow reference, and properties."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etholake.contract import arrow_schema
from etholake.curate.rules import MAX_ROWS_PER_RULE, RULES, BadFileError
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
    assert rows(result, "video_frame", "mouse_id", "is_imputed") == [(0, 1, False), (1, 2, False), (2, 1, False)]


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
    "mouse-unknown": (0, 5, "nose", 1, 1),
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
    result = curate([(f, 9, "nose", 1, 1) for f in range(5000)])
    [row] = result.quarantine.to_pylist()
    assert (row["rows"], row["row_number"]) == (5000, 0)
    assert json.loads(row["payload"])["mouse_id"] == 9
    few = curate([(f, 9, "nose", 1, 1) for f in range(MAX_ROWS_PER_RULE)])
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


def test_an_extra_column_is_flagged_and_not_read() -> None:
    table = raw([(0, 1, "nose", 1, 1)]).append_column("likelihood", pa.array([0.9]))
    result = curate_tracking(table, SCALE, max_gap_frames=3)
    assert result.flags == ("column-extra",)
    assert result.table.num_rows == 1


def test_a_gap_below_one_frame_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1, but got 0"):
        curate([(0, 1, "nose", 1, 1)], gap=0)


# --- the slow reference -----------------------------------------------------------------------------------
def reference(points: list[Point], scale: VideoScale, gap: int) -> list[dict[str, Any]]:
    """The rules of `curate_tracking`, word by word, on plain dicts (for clean or duplicated finite points)."""
    measured: dict[tuple[int, int, str], tuple[float, float]] = {}
    for frame, mouse, part, x, y in points:
        measured[frame, mouse, part] = min((x, y), measured.get((frame, mouse, part), (x, y)))
    present = sorted({(frame, mouse) for frame, mouse, _ in measured})
    out = []
    for frame, mouse in present:
        for part in sorted({p for _, _, p in measured}):
            own = sorted(f for f, m, p in measured if (m, p) == (mouse, part))
            earlier, later = [f for f in own if f < frame], [f for f in own if f > frame]
            source = frame if frame in own else None
            if source is None and earlier and frame - earlier[-1] <= gap:
                source = earlier[-1]
            if source is None and later and later[0] - frame <= gap:
                source = later[0]
            if source is None:
                continue
            x, y = measured[source, mouse, part]
            velocity = None
            if source == frame and earlier and frame - earlier[-1] <= gap:
                px, py = measured[earlier[-1], mouse, part]
                seconds = (frame - earlier[-1]) / scale.fps
                velocity = ((x - px) / scale.pix_per_cm / seconds, (y - py) / scale.pix_per_cm / seconds)
            out.append({"key": (frame, mouse, part), "xy": (x, y), "v": velocity, "imputed": source != frame})
    return out


tracks = st.lists(
    st.tuples(
        st.integers(0, 12), st.integers(1, 3), st.sampled_from(["nose", "ear", "tail"]),
        st.integers(0, 400), st.integers(0, 200),
    ),
    min_size=1, max_size=60,
)  # fmt: skip
quick = settings(max_examples=60, deadline=None)


@quick
@given(tracks, st.integers(1, 5))
def test_the_fast_one_agrees_with_the_slow_reference(points: list[Point], gap: int) -> None:
    result = curate(points, gap=gap)
    assert balanced(result)
    expected = reference(points, SCALE, gap)
    assert rows(result, "video_frame", "mouse_id", "bodypart") == [e["key"] for e in expected]
    assert rows(result, "x", "y") == [e["xy"] for e in expected]
    assert rows(result, "is_imputed") == [e["imputed"] for e in expected]
    for found, e in zip(rows(result, "vx", "vy"), expected, strict=True):
        assert found == (pytest.approx(e["v"], rel=1e-5, abs=1e-5) if e["v"] else (None, None))


@quick
@given(tracks, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_irrelevant(points: list[Point], random: Any) -> None:
    shuffled = random.sample(points, len(points))
    first, second = curate(points), curate(shuffled)
    assert first.table.equals(second.table)
    assert first.counts == second.counts
    assert first.flags == second.flags


@quick
@given(tracks, st.integers(-50, 50))
def test_a_translation_moves_cm_and_leaves_velocities(points: list[Point], dx: int) -> None:
    moved = [(f, m, p, x + dx, y) for f, m, p, x, y in points]
    first, second = curate(points), curate(moved)
    for name, shift in (("x_cm", dx / 4), ("y_cm", 0.0), ("vx", 0.0), ("vy", 0.0)):
        a, b = (t.table[name].to_numpy() for t in (first, second))
        np.testing.assert_allclose(b, a + shift, rtol=1e-5, atol=1e-4)


@quick
@given(tracks, st.integers(1, 4))
def test_filling_never_reaches_further_than_the_gap(points: list[Point], gap: int) -> None:
    measured: dict[tuple[int, str], list[int]] = {}
    for f, m, p, _, _ in points:
        measured.setdefault((m, p), []).append(f)
    present = {(f, m) for f, m, *_ in points}
    result = curate(points, gap=gap)
    for f, m, p, imputed in rows(result, "video_frame", "mouse_id", "bodypart", "is_imputed"):
        assert (f, m) in present
        assert imputed == (f not in measured[m, p])
        assert min(abs(f - g) for g in measured[m, p]) <= gap
