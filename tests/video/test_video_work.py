"""The task of one video: what cannot be used is the reason in its row, and no error of the job."""

from __future__ import annotations

from pathlib import Path

import moving_square as square  # type: ignore[import-not-found]
import pyarrow.parquet as pq
import pytest
from lakes import open_lake, rows

from etholake import aws
from etholake.settings import Settings
from etholake.video.recipe import ClipRecipe
from etholake.video.work import VideoTask, run


def test_tracks_that_no_video_has_are_the_reason_of_their_video(
    mock_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Curation takes any frame number of 32 bits, and so a time in microseconds."""
    settings, lake = open_lake(mock_settings, "video-work")
    for name, value in aws.environment(settings).items():
        monkeypatch.setenv(name, value)
    film, key = square.write(tmp_path / "7.mp4", 8), "raw-zone/videos/lab_id=Lab/7.mp4"
    lake.s3.upload_file(str(film), lake.bucket, key)
    point = {"video_id": 7, "video_frame": 2_000_000_000, "mouse_id": 1, "bodypart": "nose", "x": 1.0, "y": 1.0}
    pq.write_table(rows("tracking_curated", point), tmp_path / "tracks.parquet")
    files = (str(tmp_path / "tracks.parquet"),)
    task = VideoTask(lake.bucket, key, film.stat().st_size, "Lab", 7, "f", files, None, ClipRecipe(), "set", "c")
    outcome = run(task)
    assert outcome.row["error"].startswith("The tracks reach to frame 2000000000")
    assert outcome.clips_error == outcome.row["error"]
