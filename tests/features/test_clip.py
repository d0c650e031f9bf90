"""Clips: hand-checkable motions from raw rows to unified parts on the common clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etholake.contract import UNIFIED_PART_SOURCES, UNIFIED_PARTS, unified_part_sources
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError, SettingsError

NOSE, CENTRE, TAIL = (UNIFIED_PARTS.index(part) for part in ("nose", "body_center", "tail_base"))


def raw(points: dict[tuple[int, str], dict[int, tuple[float, float]]]) -> pa.Table:
    """{(mouse, part): {frame: (x, y)}} → raw tracking rows."""
    rows = [
        {"video_frame": f, "mouse_id": m, "bodypart": part, "x": x, "y": y}
        for (m, part), track in points.items()
        for f, (x, y) in track.items()
    ]
    schema = pa.schema(
        [("video_frame", pa.int32()), ("mouse_id", pa.int8()), ("bodypart", pa.string())]
        + [(c, pa.float32()) for c in "xy"]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def meta(**changes: object) -> VideoMeta:
    fields = {"video_id": 7, "lab_id": "Lab", "fps": 30.0, "pix_per_cm": 10.0, "width_pix": 200.0}
    return VideoMeta(**({**fields, "height_pix": 100.0} | changes))  # type: ignore[arg-type]


def line(frames: range, step: float = 1.0) -> dict[int, tuple[float, float]]:
    """Walks along x: at pixel 100 + step · frame, in the middle of the frame's height."""
    return {f: (100 + step * f, 50.0) for f in frames}


def test_coordinates_are_cm_from_the_arena_centre() -> None:
    tracks = PoseTracks.from_raw(raw({(1, "nose"): line(range(31)), (2, "nose"): line(range(31))}), meta())
    assert tracks.mouse_ids == (1, 2)
    assert (tracks.first_frame, tracks.n_frames) == (0, 31)
    np.testing.assert_allclose(tracks.xy_TMK2[:, 0, NOSE, 0], np.arange(31) / 10, atol=1e-5)
    np.testing.assert_allclose(tracks.xy_TMK2[:, 0, NOSE, 1], 0, atol=1e-6)
    assert np.isnan(tracks.xy_TMK2[:, :, TAIL]).all()
    assert tracks.observed_TMK[:, :, NOSE].all()
    assert not tracks.observed_TMK[:, :, TAIL].any()


@pytest.mark.parametrize("fps", [10.0, 24.36, 25.0, 30.0, 60.0, 120.0])
def test_every_rate_gives_the_same_motion_per_second(fps: float) -> None:
    frames = range(int(2 * fps) + 1)
    tracks = PoseTracks.from_raw(raw({(1, "nose"): line(frames, step=30 / fps)}), meta(fps=fps))
    seconds = np.arange(len(tracks.xy_TMK2)) / 30
    np.testing.assert_allclose(tracks.xy_TMK2[:, 0, NOSE, 0], 3 * seconds, atol=1e-4)  # 30 px/s = 3 cm/s
    # What is linear in time survives the way back to the video's own frames.
    values = seconds.astype(np.float32)[:, None]
    own = tracks.to_video_frames(values)
    assert own.shape == (tracks.n_frames, 1)
    inside = np.arange(tracks.n_frames) / fps <= seconds[-1]
    np.testing.assert_allclose(own[inside, 0], np.arange(tracks.n_frames)[inside] / fps, atol=1e-5)


def test_frames_count_from_the_first_tracked_one() -> None:
    tracks = PoseTracks.from_raw(raw({(1, "nose"): line(range(500, 520))}), meta())
    assert (tracks.first_frame, tracks.n_frames) == (500, 20)
    np.testing.assert_allclose(tracks.frame_times()[[0, -1]], [500, 519])
    np.testing.assert_array_equal(
        tracks.to_video_frames(np.arange(20, dtype=np.float32)[:, None])[:, 0], np.arange(20)
    )


def test_short_gaps_are_bridged_and_marked_and_long_ones_stay_missing() -> None:
    short = {f: xy for f, xy in line(range(100)).items() if not 10 <= f < 30}
    long = {f: xy for f, xy in line(range(100)).items() if not 10 <= f < 60}
    tracks = PoseTracks.from_raw(raw({(1, "nose"): short, (1, "tail_base"): long}), meta())
    np.testing.assert_allclose(tracks.xy_TMK2[:, 0, NOSE, 0], np.arange(100) / 10, atol=1e-5)
    assert not tracks.observed_TMK[10:30, 0, NOSE].any()
    assert tracks.observed_TMK[30:, 0, NOSE].all()
    assert np.isnan(tracks.xy_TMK2[10:60, 0, TAIL]).all()
    assert not np.isnan(tracks.xy_TMK2[60:, 0, TAIL]).any()


def test_one_source_stands_for_a_part_all_through_the_video() -> None:
    head, nose = line(range(100)), {f: (x + 10, y) for f, (x, y) in line(range(0, 100, 10)).items()}
    tracks = PoseTracks.from_raw(raw({(1, "head"): head, (1, "nose"): nose}), meta())
    np.testing.assert_allclose(
        tracks.xy_TMK2[:, 0, NOSE, 0], np.arange(100) / 10, atol=1e-5
    )  # head: 10 × as often
    both = PoseTracks.from_raw(raw({(1, "head"): line(range(9)), (1, "nose"): nose}), meta())
    np.testing.assert_allclose(both.xy_TMK2[0, 0, NOSE, 0], 1.0, atol=1e-5)  # nose: about as often, and first
    rat = {(2, part): line(range(5)) for part in ("body_center", "tail_midpoint", "tail_tip")}
    few = PoseTracks.from_raw(raw(rat), meta())
    assert np.flatnonzero(few.observed_TMK[0, 0]).tolist() == [CENTRE]


def test_a_lab_names_its_own_parts() -> None:
    table = raw({(1, "snout"): line(range(9)), (1, "rump"): line(range(9))})
    sources = unified_part_sources("snout=nose, rump=tail_base")
    tracks = PoseTracks.from_raw(table, meta(), sources=sources)
    assert np.flatnonzero(tracks.observed_TMK[0, 0]).tolist() == [NOSE, TAIL]
    assert sources["nose"] == ("snout", "nose", "head")
    assert unified_part_sources("") == UNIFIED_PART_SOURCES
    with pytest.raises(SettingsError, match=r"part_map must be written own_name=unified_part.*got 'snout:nose'"):
        unified_part_sources("snout:nose")
    with pytest.raises(SettingsError, match=r"got 'paw=hand'\. Unified parts: nose, ear_left"):
        unified_part_sources("paw=hand")


def test_a_mapped_clip_is_the_same_on_disk(tmp_path: Path) -> None:
    tracks = PoseTracks.from_raw(raw({(1, "nose"): line(range(40)), (2, "nose"): line(range(5, 40))}), meta())
    mapped = tracks.mapped(tmp_path / "7")
    assert isinstance(mapped.xy_TMK2, np.memmap)
    assert isinstance(mapped.observed_TMK, np.memmap)
    np.testing.assert_array_equal(mapped.xy_TMK2, tracks.xy_TMK2)
    np.testing.assert_array_equal(mapped.observed_TMK, tracks.observed_TMK)
    assert (mapped.meta, mapped.mouse_ids, mapped.n_frames) == (tracks.meta, tracks.mouse_ids, tracks.n_frames)


@given(st.floats(5, 240), st.integers(1, 400), st.integers(0, 10_000))
def test_the_way_back_to_own_frames_is_exact(fps: float, n: int, first: int) -> None:
    """Every own frame gets a value, and what is linear in time comes back as it was where the clock reaches."""
    ticks = max(1, int(np.floor((n - 1) * 30 / fps + 1e-6)) + 1)
    blank = np.zeros((ticks, 1, 1, 2), np.float32)
    tracks = PoseTracks(meta(fps=fps), blank, np.ones((ticks, 1, 1), bool), (1,), first, n)
    own = tracks.to_video_frames(tracks.frame_times().astype(np.float64)[:, None])[:, 0]
    assert own.shape == (n,)
    frames = first + np.arange(n)
    reached = frames <= tracks.frame_times()[-1]
    np.testing.assert_allclose(own[reached], frames[reached], rtol=1e-6)
    np.testing.assert_allclose(own[~reached], tracks.frame_times()[-1], rtol=1e-6)  # the last value is held
    assert (frames[~reached] - tracks.frame_times()[-1] < fps / 30 + 1e-6).all()


def test_without_a_scale_the_body_is_the_yardstick() -> None:
    points = {(1, "nose"): {f: (140.0 + f, 50.0) for f in range(9)}, (1, "tail_base"): line(range(9))}
    tracks = PoseTracks.from_raw(raw(points), meta(pix_per_cm=None))
    length = tracks.xy_TMK2[:, 0, NOSE, 0] - tracks.xy_TMK2[:, 0, TAIL, 0]
    np.testing.assert_allclose(length, 8.0, atol=1e-5)
    assert "scaled so that the median body is 8.0 cm" in tracks.notes[0]
    with pytest.raises(DataError, match="Video 7 has no px/cm, and no frame with both ends"):
        PoseTracks.from_raw(raw({(1, "nose"): line(range(9))}), meta(pix_per_cm=None))


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(DataError, match="Video 7 has no measured points"):
        PoseTracks.from_raw(raw({(1, "nose"): {0: (np.nan, np.nan)}}), meta())
    with pytest.raises(DataError, match=r"frames 0 to 2000000000 at 30 frames/s would be 18518\.5 h"):
        PoseTracks.from_raw(raw({(1, "nose"): {0: (1.0, 1.0), 2_000_000_000: (1.0, 1.0)}}), meta())


def test_metadata_row() -> None:
    row = {"video_id": "7", "lab_id": "Lab", "frames_per_second": "25", "pix_per_cm_approx": "nan",
           "behaviors_labeled": '["mouse1,self,rear", "\'mouse2,mouse1,chase\'"]', "n_mice": 3}  # fmt: skip
    got = VideoMeta.from_row(row)
    assert got.labeled_behaviors == ((1, 1, "rear"), (2, 1, "chase"))
    assert (got.fps, got.pix_per_cm, got.n_mice) == (25.0, None, 3)
    assert VideoMeta.from_row(row | {"behaviors_labeled": float("nan")}).labeled_behaviors == ()
    assert VideoMeta.from_row(row | {"behaviors_labeled": ["mouse1,self,rear"]}).labeled_behaviors == (
        (1, 1, "rear"),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames_per_second": None}, "lack \\['frames_per_second'\\]"),
        ({"frames_per_second": 0}, "frames_per_second must be above 0, but got 0"),
        ({"frames_per_second": "fast"}, "frames_per_second must be a number or left out, but got 'fast'"),
        ({"behaviors_labeled": ["mouse1,rear"]}, "not written 'mouse1,mouse2,attack'"),
        ({"behaviors_labeled": "[not json"}, "not written 'mouse1,mouse2,attack'"),
        ({"video_id": "x"}, "video_id must be a whole number of at most 64 bits, but got 'x'"),
    ],
)
def test_metadata_that_cannot_be_used(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        VideoMeta.from_row({"video_id": 7, "lab_id": "Lab", "frames_per_second": 25} | change)


def test_points_without_a_unified_part_are_kept_by_name(tmp_path: Path) -> None:
    """A tail tip 4 cm behind the nose, an object that stays in place; a headpiece says no more than the head."""
    walk, behind = line(range(30)), {f: (60 + f, 50.0) for f in range(30)}
    points = {
        (1, "nose"): walk, (1, "tail_tip"): behind, (1, "object"): dict.fromkeys(range(30), (150.0, 50.0)),
        (1, "headpiece_topfrontleft"): walk, (2, "nose"): walk,
    }  # fmt: skip
    tracks = PoseTracks.from_raw(raw(points), meta(fps=60.0))
    assert tracks.own_parts == ("object", "tail_tip")
    assert tracks.own_TMJ2.shape == (len(tracks.xy_TMK2), 2, 2, 2)
    np.testing.assert_allclose(tracks.own_TMJ2[:, 0, 0], [[5, 0]] * 15, atol=1e-5)
    np.testing.assert_allclose(tracks.xy_TMK2[:, 0, NOSE] - tracks.own_TMJ2[:, 0, 1], [[4, 0]] * 15, atol=1e-5)
    assert np.isnan(tracks.own_TMJ2[:, 1]).all()
    for original in (tracks, PoseTracks.from_raw(raw({(1, "nose"): walk}), meta())):
        back = original.mapped(tmp_path / str(len(original.own_parts)))
        np.testing.assert_array_equal(back.own_TMJ2, original.own_TMJ2)


def test_own_points_are_scaled_with_the_body_and_the_most_seen_ones_are_kept() -> None:
    walk = line(range(30))
    points = {(1, "nose"): walk, (1, "tail_base"): {f: (60 + f, 50.0) for f in range(30)}, (1, "object"): walk}
    tracks = PoseTracks.from_raw(raw(points), meta(pix_per_cm=None))
    np.testing.assert_allclose(tracks.own_TMJ2[:, 0, 0], tracks.xy_TMK2[:, 0, NOSE], atol=1e-5)
    many = {(1, f"point{k}"): line(range(30 - k)) for k in range(12)}
    tracks = PoseTracks.from_raw(raw({(1, "nose"): walk, **many}), meta())
    assert tracks.own_parts == tuple(f"point{k}" for k in range(8))


def test_raw_points_of_low_likelihood_are_missing() -> None:
    """A request's own limit holds: the nose is measured on every second frame only."""
    table = raw({(1, "nose"): line(range(30)), (1, "tail_base"): line(range(30))})
    likelihood = [0.9 if row["video_frame"] % 2 or row["bodypart"] != "nose" else 0.1 for row in table.to_pylist()]
    table = table.append_column("likelihood", pa.array(likelihood, pa.float32()))
    row = {"video_id": 7, "lab_id": "Lab", "frames_per_second": 30, "pix_per_cm_approx": 10, "min_likelihood": 0.5}
    tracks = PoseTracks.from_raw(table, VideoMeta.from_row(row))
    np.testing.assert_array_equal(tracks.observed_TMK[:, 0, NOSE], np.arange(30) % 2 == 1)
    assert tracks.observed_TMK[:, 0, TAIL].all()
    assert PoseTracks.from_raw(table, meta()).observed_TMK[:, 0, NOSE].all()
