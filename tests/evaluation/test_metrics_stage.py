"""Stages metrics and overlay on a lake whose tracks and events can be worked out by hand (see `video_lake`)."""

from __future__ import annotations

from pathlib import Path

import filmed  # type: ignore[import-not-found]
import lakes  # type: ignore[import-not-found]
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import video_lake  # type: ignore[import-not-found]

from etholake import aws
from etholake.errors import UsageError
from etholake.settings import Settings
from etholake.stages.reports import metrics, overlay
from etholake.video.decode import Decoder


@pytest.fixture(scope="module")
def settings(mock_settings: Settings) -> Settings:
    own, lake = lakes.open_lake(mock_settings, "metrics-stage")
    video_lake.fill(lake)
    keys = {"split": "train", "lab_id": "north", "video_id": 41}
    spans = lakes.rows("predicted_videos", keys | {"start_frame": 0, "stop_frame": 3000})
    lake.replace_table("predicted_videos", spans, "one", {"run_id": "r1"})
    assert isinstance(own, Settings)
    return own


def test_annotation_and_predictions_are_measured(settings: Settings, tmp_path: Path) -> None:
    result = metrics.run(settings, tmp_path / "all", window_s=30.0)
    assert (result.details["videos"], result.details["bouts"]) == (1, len(video_lake.ANNOTATED))
    bouts: pa.Table = pq.read_table(tmp_path / "all" / "bouts.parquet")
    chase = bouts.to_pylist()[0]
    # mouse1's tail goes 1/50 cm to the right and 1/450 cm down a frame; it is filled on frames 100 to 109.
    assert (chase["action"], chase["point"], chase["seconds"]) == ("chase", "tail_base", 4.0)
    assert chase["distance_cm"] == pytest.approx(100 * (0.02**2 + (1 / 450) ** 2) ** 0.5, rel=1e-3)
    metrics.run(settings, tmp_path / "run", [41], "r1", 30.0)
    behaviors = pq.read_table(tmp_path / "run" / "behaviors.parquet").to_pylist()
    chases = next(row for row in behaviors if row["action"] == "chase")
    assert chases["share"] == pytest.approx((95 + 60) / 3000), "a share of the frames that were predicted"


def test_runs_and_videos_that_are_not_there_are_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There are no predictions of a run 'r9'"):
        metrics.run(settings, tmp_path, run_id="r9")
    with pytest.raises(UsageError, match=r"videos \[43\] are not among the 1 that the run 'r1' predicted"):
        metrics.run(settings, tmp_path, [43], "r1")


def test_an_overlay_draws_the_tracks_of_the_lake_that_the_settings_name(
    settings: Settings, tmp_path: Path
) -> None:
    """Nothing but the settings says where the lake is. At frame 0 the nose of mouse1 is at (130, 100) px."""
    empty_floor = filmed.film(tmp_path / "41.mp4", np.full((5, 1, 1, 2), np.nan, np.float32))
    key = "raw-zone/videos/lab_id=north/41.mp4"
    aws.client(settings, "s3").upload_file(str(empty_floor), settings.bucket, key)
    result = overlay.run(settings, 41, tmp_path / "overlay.mp4", run_id="r1")
    assert result.details["frames"] == 5
    picture = next(iter(Decoder(tmp_path / "overlay.mp4"))).rgb().astype(int)
    assert np.ptp(picture[100, 130]) > 60, "a coloured point"
    assert np.ptp(picture[60, 130]) < 30, "the gray floor"
