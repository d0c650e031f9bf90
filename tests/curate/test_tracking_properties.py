"""Curation holds its laws on every video: symmetries of space and time, bounds, balance, idempotence.

Coordinates are quarters of a pixel unless a test says otherwise: sums and differences of them are exact in
float32, so that "the same" means equal. Motions that one can check by hand come first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference import EPSILON32
from reference_comparison import assert_agrees, assert_balanced

from etholake.contract import TABLES
from etholake.curate.tracking import CuratedTracking, VideoScale, curate_tracking

# 10 frames/s, 4 px/cm, centre at (200, 100).
SCALE = VideoScale(7, "Lab", fps=10.0, pix_per_cm=4.0, width_pix=400, height_pix=200)
FREE = replace(SCALE, width_pix=None, height_pix=None)  # the centre is that of the observed extent
Point = tuple[int, int, str, float, float]  # frame, mouse, part, x, y
COLUMNS = ("video_frame", "mouse_id", "bodypart", "x", "y")
TYPES = (pa.int32(), pa.int8(), pa.string(), pa.float64(), pa.float64())
GAP = 3

quick = settings(max_examples=60, deadline=None)
frames = st.integers(0, 14) | st.integers(0, 14) | st.sampled_from([60, 61, 1_999_999_999, 2_000_000_000])
quarters = st.integers(-1000, 3000).map(lambda n: n / 4)
pixels = st.floats(-1000, 3000, allow_subnormal=False)


def points(coordinate: st.SearchStrategy[float] = quarters, *, distinct: bool = False, **sizes: int) -> Any:
    """Points of up to three mice with three parts; without `distinct` some stand there twice."""
    point = st.tuples(frames, st.integers(1, 3), st.sampled_from(["nose", "ear", "tail"]), coordinate, coordinate)
    key: Callable[[Point], Any] | None = (lambda p: p[:3]) if distinct else None
    return st.lists(point, min_size=sizes.get("min_size", 1), max_size=60, unique_by=key)


def raw(rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [[]] * 5
    named = zip(COLUMNS, columns, TYPES, strict=True)
    return pa.table({name: pa.array(list(values), type_) for name, values, type_ in named})


def curate(rows: Iterable[tuple[Any, ...]], scale: VideoScale = SCALE, gap: int = GAP) -> CuratedTracking:
    result = curate_tracking(raw(rows), scale, max_gap_frames=gap)
    assert_balanced(result)
    return result


def columns(result: CuratedTracking, *names: str) -> list[Any]:
    """Values, or tuples of values, row by row."""
    values = [tuple(row.values()) for row in result.table.select(list(names)).to_pylist()]
    return [v[0] for v in values] if len(names) == 1 else values


def floats(result: CuratedTracking, *names: str) -> Any:
    """Columns as an array [row, name], NaN for null."""
    return np.stack([result.table[name].to_numpy().astype(np.float64) for name in names], axis=1)


def assert_same(first: CuratedTracking, second: CuratedTracking, *, but: Iterable[str] = ()) -> None:
    """Both tables are equal, value by value, but for the columns named."""
    for name in first.table.column_names:
        if name not in but:
            assert first.table[name].equals(second.table[name]), name
    assert first.counts == second.counts
    assert rules(first) == rules(second)


def rules(result: CuratedTracking) -> Counter[str]:
    """Return the number of rows that broke each rule."""
    counts: Counter[str] = Counter()
    for row in result.quarantine.to_pylist():
        counts[row["rule"]] += row["rows"]
    return counts


# --- motions that one can check by hand -------------------------------------------------------------------
def test_a_mouse_runs_a_circle_at_constant_speed() -> None:
    """Radius 40 px = 10 cm, a quarter turn a frame: a chord of sqrt(2) x 10 cm in 0.1 s."""
    turn = [(240, 100), (200, 140), (160, 100), (200, 60)]
    result = curate([(f, 1, "nose", *turn[f % 4]) for f in range(9)])
    assert columns(result, "speed")[1:] == [pytest.approx(100 * math.sqrt(2))] * 8
    assert columns(result, "x_cm", "y_cm")[:4] == [(10, 0), (0, 10), (-10, 0), (0, -10)]
    assert columns(result, "vx", "vy")[1:3] == [(-100, 100), (-100, -100)]


def test_two_mice_walk_along_the_diagonal_towards_each_other() -> None:
    """3 and 4 px per frame to the right and down, 4 px/cm, 10 fps: 7.5 and 10 cm/s, 12.5 cm/s together."""
    result = curate([(f, m, "nose", s * 3 * f, s * 4 * f) for f in range(4) for m, s in ((1, 1), (2, -1))])
    assert columns(result, "mouse_id", "vx", "vy", "speed")[1:4] == [(1, 7.5, 10, 12.5)] * 3
    assert columns(result, "mouse_id", "vx", "vy", "speed")[5:] == [(2, -7.5, -10, 12.5)] * 3


def test_a_mouse_that_stands_still_has_velocity_zero_not_null() -> None:
    result = curate([(f, 1, "nose", 5, 5) for f in range(3)])
    assert columns(result, "vx", "vy", "speed") == [(None,) * 3, (0, 0, 0), (0, 0, 0)]


def test_the_bound_itself_is_near_enough_and_one_more_frame_is_not() -> None:
    for gap, near in ((9, True), (8, False)):
        result = curate([(0, 1, "nose", 0, 0), (9, 1, "nose", 36, 0), (9, 1, "tail", 0, 0)], gap=gap)
        assert columns(result, "vx")[1] == (pytest.approx(10.0) if near else None)
        assert columns(result, "video_frame", "bodypart", "is_imputed")[2:] == (
            [(0, "tail", True), (9, "tail", False)] if near else [(9, "tail", False)]
        )


def test_frames_two_thousand_million_apart_are_two_rows() -> None:
    result = curate([(0, 1, "nose", 1, 1), (2_000_000_000, 1, "nose", 2, 2)])
    assert columns(result, "video_frame", "vx") == [(0, None), (2_000_000_000, None)]
    assert result.last_frame == 2_000_000_000
    far = curate([(0, 1, "nose", 0, 0), (2_000_000_000, 1, "nose", 8, 0)], gap=2_000_000_000)
    assert columns(far, "vx")[1] == pytest.approx(1e-8)  # 2 cm in 200 million seconds


# --- symmetries of space ----------------------------------------------------------------------------------
@quick
@given(points(), st.integers(-400, 400), st.integers(-400, 400))
def test_a_translation_moves_px_and_cm_and_leaves_velocities(rows: list[Point], dx4: int, dy4: int) -> None:
    dx, dy = dx4 / 4, dy4 / 4
    moved = [(f, m, p, x + dx, y + dy) for f, m, p, x, y in rows]
    first, second = curate(rows), curate(moved)
    assert_same(first, second, but=("x", "y", "x_cm", "y_cm"))
    assert first.summary.equals(second.summary)
    assert (floats(second, "x", "y") == floats(first, "x", "y") + np.array([dx, dy])).all()
    assert (floats(second, "x_cm", "y_cm") == floats(first, "x_cm", "y_cm") + np.array([dx, dy]) / 4).all()
    assert_same(curate(rows, FREE), curate(moved, FREE), but=("x", "y"))  # the observed centre moves along


@quick
@given(points(pixels, distinct=True), st.floats(0, 2 * math.pi))
@example([(0, 1, "nose", 240.0, 100.0), (1, 1, "nose", 280.0, 100.0)], math.pi / 2)
def test_a_rotation_about_the_centre_rotates_cm_and_velocity_and_leaves_speed(
    rows: list[Point], angle: float
) -> None:
    c, s = math.cos(angle), math.sin(angle)
    turned = [
        (f, m, p, 200 + c * (x - 200) - s * (y - 100), 100 + s * (x - 200) + c * (y - 100))
        for f, m, p, x, y in rows
    ]
    first, second = curate(rows), curate(turned)
    assert_same(first, second, but=("x", "y", "x_cm", "y_cm", "vx", "vy", "speed"))
    rotate = np.array([[c, s], [-s, c]])
    cm = 4 * EPSILON32 * 5000 / 4  # px are rounded to float32, and no point is farther than 5000 px
    for names, slack in ((("x_cm", "y_cm"), cm), (("vx", "vy"), 2 * cm * 10)):
        np.testing.assert_allclose(floats(second, *names), floats(first, *names) @ rotate, atol=slack, rtol=0)
    np.testing.assert_allclose(floats(second, "speed"), floats(first, "speed"), atol=2 * cm * 10, rtol=0)


@quick
@given(points(), st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_zooming_px_and_scale_together_leaves_everything_in_cm(rows: list[Point], zoom: float) -> None:
    """By powers of 2, so that not one bit may differ."""
    near = replace(SCALE, pix_per_cm=4 * zoom, width_pix=400 * zoom, height_pix=200 * zoom)
    zoomed = [(f, m, p, x * zoom, y * zoom) for f, m, p, x, y in rows]
    assert_same(curate(rows), curate(zoomed, near), but=("x", "y"))
    assert_same(curate(rows, FREE), curate(zoomed, replace(FREE, pix_per_cm=4 * zoom)), but=("x", "y"))


@quick
@given(points())
def test_a_mirror_image_has_mirrored_cm_and_velocities(rows: list[Point]) -> None:
    """Up and down, so that of duplicates with different x the same one is kept."""
    assume(len({p[:4] for p in rows}) == len({p[:3] for p in rows}) == len(rows))
    first, second = curate(rows), curate([(f, m, p, x, 200 - y) for f, m, p, x, y in rows])
    assert_same(first, second, but=("y", "y_cm", "vy"))
    for name in ("y_cm", "vy"):
        np.testing.assert_array_equal(floats(second, name), -floats(first, name))


# --- symmetries of time and of names ----------------------------------------------------------------------
@quick
@given(points(pixels), st.sampled_from([0.5, 2.0, 4.0]))
def test_a_faster_clock_multiplies_velocities_alone(rows: list[Point], factor: float) -> None:
    first, second = curate(rows), curate(rows, replace(SCALE, fps=10 * factor))
    assert_same(first, second, but=("vx", "vy", "speed"))
    names = ("vx", "vy", "speed")
    np.testing.assert_allclose(
        floats(second, *names), floats(first, *names) * factor, rtol=2 * EPSILON32, atol=1e-38
    )


@quick
@given(points(pixels), st.integers(1, 147_000_000))
def test_a_later_start_of_the_clock_moves_frames_alone(rows: list[Point], shift: int) -> None:
    first, second = curate(rows), curate([(f + shift, *rest) for f, *rest in rows])
    assert_same(first, second, but=("video_frame",))
    assert (floats(second, "video_frame") == floats(first, "video_frame") + shift).all()


@quick
@given(points(pixels), st.permutations([1, 2, 3]))
def test_mice_are_independent_of_one_another(rows: list[Point], numbers: list[int]) -> None:
    """The rows of a mouse are those that it would have alone; other numbers change nothing else."""
    whole = curate(rows).table.to_pylist()
    alone = [row for mouse in (1, 2, 3) for row in curate([p for p in rows if p[1] == mouse]).table.to_pylist()]
    assert whole == alone
    renamed = curate([(f, numbers[m - 1], p, x, y) for f, m, p, x, y in rows]).table.to_pylist()
    back = [row | {"mouse_id": numbers.index(row["mouse_id"]) + 1} for row in renamed]
    assert whole == sorted(back, key=lambda row: [row[name] for name in TABLES["tracking_curated"].sort])


# --- filling and velocity ---------------------------------------------------------------------------------
@quick
@given(points(), st.integers(1, 6) | st.just(2_000_000_000))
def test_filling_is_marked_bounded_and_invents_no_mouse(rows: list[Point], gap: int) -> None:
    measured: dict[tuple[int, str], set[int]] = {}
    for f, m, p, _, _ in rows:
        measured.setdefault((m, p), set()).add(f)
    present = {(f, m) for f, m, *_ in rows}
    mice = set()
    names = ("video_frame", "mouse_id", "bodypart", "is_imputed", "vx", "vy", "speed")
    for f, m, p, imputed, *velocity in columns(curate(rows, gap=gap), *names):
        assert (f, m) in present
        assert imputed == (f not in measured[m, p])
        assert min(abs(f - g) for g in measured[m, p]) <= gap
        assert not imputed or velocity == [None] * 3
        mice.add((f, m, p))
    for f, m in present:  # and nothing that is near enough was left out
        for (mouse, p), own in measured.items():
            near = mouse == m and min(abs(f - g) for g in own) <= gap
            assert near == ((f, m, p) in mice) or mouse != m


@quick
@given(points(), st.integers(1, 6) | st.just(2_000_000_000))
def test_velocity_never_crosses_a_longer_gap(rows: list[Point], gap: int) -> None:
    measured: dict[tuple[int, str], set[int]] = {}
    for f, m, p, _, _ in rows:
        measured.setdefault((m, p), set()).add(f)
    for f, m, p, imputed, vx, vy, speed in columns(
        curate(rows, gap=gap), "video_frame", "mouse_id", "bodypart", "is_imputed", "vx", "vy", "speed"
    ):
        before = [g for g in measured[m, p] if g < f]
        defined = not imputed and bool(before) and f - max(before) <= gap
        assert [v is not None for v in (vx, vy, speed)] == [defined] * 3


@quick
@given(points(pixels))
def test_a_longer_bound_only_adds(rows: list[Point]) -> None:
    """Measured points are the same under any bound, and what was filled stays filled."""
    keys = ("video_frame", "mouse_id", "bodypart", "x", "y", "x_cm", "y_cm")
    short, long = curate(rows, gap=1), curate(rows, gap=4)
    assert measured_rows(short, keys) == measured_rows(long, keys)
    assert set(columns(short, *keys[:3])) <= set(columns(long, *keys[:3]))


def measured_rows(result: CuratedTracking, names: Iterable[str]) -> list[Any]:
    (*rows,) = (row for row in columns(result, *names, "is_imputed") if not row[-1])
    return rows


# --- rows -------------------------------------------------------------------------------------------------
dirty_rows = st.lists(
    st.tuples(
        st.one_of(st.integers(-3, 14), st.none(), st.sampled_from([2_000_000_000, 2**31 - 1])),
        st.one_of(st.integers(0, 5), st.none()),
        st.sampled_from(["nose", "ear", "tail", " nose ", "", "  ", None]),
        st.one_of(quarters, pixels, st.sampled_from([None, math.nan, math.inf, -math.inf, 1e39, 3e38])),
        st.one_of(quarters, st.sampled_from([None, math.nan, math.inf])),
    ),
    max_size=60,
)  # fmt: skip


@quick
@given(dirty_rows | points(pixels), st.randoms(use_true_random=False), st.sampled_from([SCALE, FREE]))
def test_the_order_of_rows_is_irrelevant(rows: list[Any], random: Any, scale: VideoScale) -> None:
    first, second = curate(rows, scale), curate(random.sample(rows, len(rows)), scale)
    assert first.table.equals(second.table)
    assert first.summary.equals(second.summary)
    assert first.counts == second.counts
    assert rules(first) == rules(second)
    assert (first.flags, first.mice, first.parts, first.last_frame) == (
        second.flags, second.mice, second.parts, second.last_frame,
    )  # fmt: skip


@quick
@given(dirty_rows, st.integers(1, 6))
def test_rows_in_are_rows_curated_and_quarantined_by_the_reference(rows: list[Any], gap: int) -> None:
    table = raw(rows)
    result = curate_tracking(table, SCALE, max_gap_frames=gap)
    assert_agrees(result, table, SCALE, gap)


@quick
@given(st.lists(st.tuples(pixels, pixels) | st.tuples(st.just(1.0), pixels), min_size=2, max_size=8), st.data())
@example([(1.0, 9.0), (1.0 + 2**-40, 1.0)], None)  # equal as float32: it is the px as given that decide
def test_of_duplicates_the_smallest_is_kept_in_any_order(twins: list[tuple[float, float]], data: Any) -> None:
    order = data.draw(st.permutations(twins)) if data else twins[::-1]
    for candidates in (twins, order):
        result = curate([(4, 2, "nose", x, y) for x, y in candidates])
        assert columns(result, "x", "y") == [tuple(float(np.float32(v)) for v in min(twins))]
        assert rules(result) == {"point-duplicate": len(twins) - 1}


@quick
@given(points(pixels) | dirty_rows, st.sampled_from([SCALE, FREE]), st.integers(1, 6))
def test_curating_what_was_curated_changes_nothing(rows: list[Any], scale: VideoScale, gap: int) -> None:
    first = curate(rows, scale, gap)
    again = curate(measured_rows_raw(first), scale, gap)
    assert again.table.equals(first.table)
    assert again.summary.equals(first.summary)
    assert again.counts.rows_quarantined == 0
    assert again.counts.rows_imputed == first.counts.rows_imputed


def measured_rows_raw(result: CuratedTracking) -> list[Any]:
    return [row[:-1] for row in measured_rows(result, COLUMNS)]


@quick
@given(points(pixels) | dirty_rows, st.sampled_from([SCALE, FREE, replace(SCALE, fps=None)]), st.integers(1, 6))
def test_the_summary_is_that_of_the_table(rows: list[Any], scale: VideoScale, gap: int) -> None:
    result = curate(rows, scale, gap)
    tracks: dict[Any, list[dict[str, Any]]] = {}
    for row in result.table.to_pylist():
        tracks.setdefault((row["video_id"], row["mouse_id"], row["bodypart"]), []).append(row)
    assert [(r["video_id"], r["mouse_id"], r["bodypart"]) for r in result.summary.to_pylist()] == list(tracks)
    for summary, own in zip(result.summary.to_pylist(), tracks.values(), strict=True):
        measured = [row["video_frame"] for row in own if not row["is_imputed"]]
        assert (summary["first_frame"], summary["last_frame"]) == (min(measured), max(measured))
        assert (summary["points_measured"], summary["points_imputed"]) == (len(measured), len(own) - len(measured))
        assert summary["points_missing"] >= 0
        assert summary["gap_frames"] == max(measured) - min(measured) + 1 - len(measured)
        speeds = [row["speed"] for row in own if row["speed"] is not None]
        assert summary["max_speed"] == max(speeds, default=None)
    assert sum(result.summary["points_measured"].to_pylist()) == result.counts.rows_curated
    assert sum(result.summary["points_imputed"].to_pylist()) == result.counts.rows_imputed
