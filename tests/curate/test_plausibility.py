"""Impossible points are flagged, or missing by setting: zeros, points outside, a wrong scale, exchanged axes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etholake.contract import RAW_METADATA_NUMBERS, raw_key
from etholake.curate.metadata import VideoRecord
from etholake.curate.rawzone import RawObject
from etholake.curate.track import VideoScale
from etholake.curate.tracking import CuratedTracking, curate_tracking
from etholake.curate.units import Unit
from etholake.curate.work import curate_tracking_unit

FRAMES = 200
SCALE = VideoScale(1, "Lab", 30.0, 16.0, 640, 480, arena_width_cm=40.0, arena_height_cm=30.0)


def rows(change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None) -> pa.Table:
    """An 8 cm mouse that walks along x = y through the arena: nose ahead of tail_base by 128 px in x."""
    at = np.linspace(100, 400, FRAMES)
    x, y = np.concatenate([at + 128, at]), np.concatenate([at, at])
    if change:
        x, y = change(x, y)
    return pa.table({
        "video_frame": np.tile(np.arange(FRAMES), 2).astype(np.int32),
        "mouse_id": np.ones(2 * FRAMES, np.int8),
        "bodypart": ["nose"] * FRAMES + ["tail_base"] * FRAMES,
        "x": x.astype(np.float32), "y": y.astype(np.float32),
    })  # fmt: skip


def curate(table: pa.Table, meta: VideoScale = SCALE, *, missing: bool = False) -> CuratedTracking:
    return curate_tracking(table, meta, max_gap_frames=1, implausible_missing=missing)


def with_zeros(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x[:100] = y[:100] = 0.0
    return x, y


def test_a_plausible_video_has_no_flag() -> None:
    assert curate(rows()).flags == ()


def test_zeros_are_flagged_and_kept() -> None:
    result = curate(rows(with_zeros))
    assert "point-at-origin" in result.flags
    assert result.counts.rows_curated == 2 * FRAMES


def test_zeros_are_missing_by_setting() -> None:
    result = curate(rows(with_zeros), missing=True)
    assert result.counts.rows_quarantined == 100
    assert {row["rule"] for row in result.quarantine.to_pylist()} == {"point-at-origin"}
    assert result.counts.rows_in == result.counts.rows_curated + result.counts.rows_quarantined
    assert min(row["x"] for row in result.table.to_pylist()) >= 100


@pytest.mark.parametrize("far", [-5000.0, 5000.0])
def test_points_far_outside_the_picture(far: float) -> None:
    def outside(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x[7], y[9] = far, far
        return x, y

    assert "point-outside-frame" in curate(rows(outside)).flags
    assert curate(rows(outside), missing=True).counts.rows_quarantined == 2
    unknown = VideoScale(1, "Lab", 30.0, 16.0)  # without the picture's size nobody can tell
    assert "point-outside-frame" not in curate(rows(outside), unknown).flags


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_a_scale_that_is_wrong_by_a_hundred(factor: float) -> None:
    wrong = VideoScale(1, "Lab", 30.0, 16.0 * factor, 640, 480)
    assert "scale-implausible" in curate(rows(), wrong).flags


def test_a_scale_that_does_not_fit_the_arena() -> None:
    wrong = VideoScale(1, "Lab", 30.0, 4.0, 640, 480, arena_width_cm=40.0, arena_height_cm=30.0)
    assert "scale-implausible" in curate(rows(), wrong).flags  # a mouse of 32 cm, in an arena of 107 cm


def test_exchanged_axes() -> None:
    def exchanged(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return y.copy(), x * 1.2

    assert "axes-exchanged" in curate(rows(exchanged)).flags


@pytest.mark.parametrize(("duration", "flagged"), [(6.7, False), (66.0, False), (67.0, True), (6700.0, True)])
def test_a_duration_in_another_unit(
    duration: float, flagged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 frames at 30 frames/s are 6.7 s, which some tools write as 6,700 ms."""
    raw = tmp_path / "lake" / "raw-zone" / "train_tracking" / "lab_id=Lab" / "1.parquet"
    raw.parent.mkdir(parents=True)
    pq.write_table(rows(), raw)
    monkeypatch.setenv("ETHOLAKE_S3_MOUNT", str(tmp_path))
    values = {"frames_per_second": 30.0, "video_duration_sec": duration, "body_parts_tracked": None}
    video = VideoRecord("train", "Lab", 1, dict.fromkeys(RAW_METADATA_NUMBERS) | values)
    key = raw_key("train", "tracking", "Lab", 1)
    at = RawObject(key, raw.stat().st_size, "e", "train", "tracking", "Lab", 1)
    target = "curated-zone/tracking_curated/split=train/lab_id=Lab/gen/part.parquet"
    [report] = curate_tracking_unit(Unit("train", "Lab", target, (at,), {1: video}), "lake", 15)
    assert ("duration-implausible" in report.flags) == flagged
