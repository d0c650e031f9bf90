"""`curate_tracking` against the slow reference on random videos of every kind of dirt.

A failing seed is in the test's name and in the message: `pytest -k 'seed17-'` or `dirty_video(341)` remake it.
"""

from __future__ import annotations

import itertools
import math
import operator
import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from dirty_videos import DirtyVideo, dirty_video
from reference_comparison import assert_agrees

from etholake.curate import points
from etholake.curate.tracking import Curation, VideoScale, curate_tracking

PER_TEST, TESTS, LONG_TESTS = 20, 12, 120
KINDS = {
    "hundreds of parts", "no rows", "one row", "unsorted", "no fps", "no scale", "no frame size", "sparse frames",
    "frames missing for all", "rows missing", "mice absent", "NaN or null", "infinite", "large but finite",
    "negative frames", "impossible frames", "unknown mice", "blank parts", "parts with blanks around",
    "duplicates", "a part that is never measured", "bad in every way", "other types", "extra column",
    "columns in another order", "z", "likelihood",
}  # fmt: skip


def check(seed: int) -> DirtyVideo:
    video = dirty_video(seed)
    try:
        result = curate_tracking(video.table, video.meta, max_gap_frames=video.max_gap)
        assert_agrees(result, video.table, video.meta, video.max_gap)
    except Exception as err:
        err.add_note(f"dirty_video({seed}): {sorted(video.kinds)}, max_gap {video.max_gap}, {video.meta}")
        raise
    return video


@pytest.mark.slow
@pytest.mark.parametrize("block", range(TESTS), ids="seed{}-".format)
def test_the_fast_one_agrees_with_the_slow_one(block: int) -> None:
    for seed in range(PER_TEST * block, PER_TEST * (block + 1)):
        check(seed)


@pytest.mark.long
@pytest.mark.parametrize("block", range(TESTS, LONG_TESTS), ids="seed{}-".format)
def test_the_fast_one_agrees_with_the_slow_one_on_many_more(block: int) -> None:
    for seed in range(PER_TEST * block, PER_TEST * (block + 1)):
        check(seed)


@pytest.mark.slow
def test_the_cut_into_batches_is_irrelevant() -> None:
    """A worker reads a file in batches; rows are numbered through, and duplicates may lie in different ones."""
    for seed in range(60):
        video = dirty_video(seed)
        rng = random.Random(seed)
        n = video.table.num_rows
        cuts = [0, *sorted(rng.randint(0, n) for _ in range(rng.randint(1, 5))), n]
        batches = [video.table.slice(start, stop - start) for start, stop in itertools.pairwise(cuts)]
        curation = Curation(video.meta, video.max_gap)
        curation.read(lambda batches=batches: batches)
        tracks = list(curation.tracks())
        whole = curate_tracking(video.table, video.meta, max_gap_frames=video.max_gap)
        assert [row for t in tracks for row in t.rows.to_pylist()] == whole.table.to_pylist(), seed
        assert pa.Table.from_pylist([t.summary for t in tracks], whole.summary.schema).equals(whole.summary), seed
        rejected = [row.located("", None, "Lab", seed) for row in curation.rejected]
        by_row = operator.itemgetter("rule", "row_number")
        assert sorted(rejected, key=by_row) == sorted(whole.quarantine.to_pylist(), key=by_row), seed
        assert (curation.counts, curation.flags) == (whole.counts, whole.flags), seed


@pytest.mark.slow
def test_both_ways_to_the_tracks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small videos take the grid, whatever their frames; with no cell to spare everything is sorted instead."""
    ways: list[list[Any]] = []
    for cells in ({}, {"CELLS_PER_ROW": 0, "CELLS_FREE": 0}):
        for name, value in cells.items():
            monkeypatch.setattr(points, name, value)
        videos = [dirty_video(seed) for seed in range(80)]
        ways.append([curate_tracking(v.table, v.meta, max_gap_frames=v.max_gap) for v in videos])
    for seed, (grid, sort) in enumerate(zip(*ways, strict=True)):
        for name in ("table", "summary", "quarantine", "counts", "flags", "mice", "parts", "last_frame"):
            assert getattr(grid, name) == getattr(sort, name), (seed, name)


def noses(*x: float) -> pa.Table:
    """A nose at (x, 0) in the frames 0, 1, ..."""
    n = len(x)
    return pa.table(
        {"video_frame": range(n), "mouse_id": [1] * n, "bodypart": ["nose"] * n, "x": x, "y": [0.0] * n}
    )


def test_parts_are_those_of_the_curated_rows() -> None:
    table = pa.concat_tables([noses(1.0), noses(math.nan).set_column(2, "bodypart", pa.array(["ghost"]))])
    result = curate_tracking(table, VideoScale(1, "Lab"), max_gap_frames=3)
    assert result.parts == ("nose",)


def test_the_centre_of_a_huge_extent_is_finite() -> None:
    result = curate_tracking(noses(3e38, 2e38), VideoScale(1, "Lab", pix_per_cm=1e30), max_gap_frames=3)
    assert result.table["x_cm"].to_pylist() == pytest.approx([0.5e8, -0.5e8])


def test_what_32_bits_cannot_hold_is_null() -> None:
    scale = VideoScale(1, "Lab", 30.0, 0.5, 640, 480)
    table = curate_tracking(noses(3e38, 2e38, 1e38), scale, max_gap_frames=3).table
    assert [v is None for v in table["x_cm"].to_pylist()] == [True, True, False]
    assert [v is None for v in table["vx"].to_pylist()] == [True, True, True]
    assert [v is None for v in table["vy"].to_pylist()] == [True, False, False]
    assert [v is None for v in table["speed"].to_pylist()] == [True, True, True]


def test_a_frame_far_below_zero_is_negative_not_invalid() -> None:
    table = noses(1.0).set_column(0, "video_frame", pa.array([-(2**62)], pa.int64()))
    assert "frame-negative" in curate_tracking(table, VideoScale(1, "Lab"), max_gap_frames=3).flags


def test_the_summary_counts_only_velocities_that_are_in_the_table() -> None:
    scale = VideoScale(1, "Lab", 30.0, 0.5, 640, 480)
    table = noses(3e38, 0.0, 15.0, 30.0)
    result = curate_tracking(table, scale, max_gap_frames=3)
    assert result.table["speed"].to_pylist() == [None, None, 900.0, 900.0]
    [row] = result.summary.to_pylist()
    assert (row["max_speed"], row["path_cm"], row["tracked_sec"], row["jumps"]) == (900.0, 60.0, 2 / 30, 2)


def test_the_random_videos_hold_every_kind_of_dirt() -> None:
    seen: Counter[str] = Counter()
    for seed in range(PER_TEST * TESTS):
        seen.update(dirty_video(seed).kinds)
    assert set(seen) == KINDS
    assert min(seen.values()) >= 5, seen
