"""Read the tracks of videos of the lake in pixels of their frames, at the target of the settings."""

from __future__ import annotations

from collections.abc import Sequence

from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages.serving.videos import Videos
from etholake.video.lake_tracks import tracks_of
from etholake.video.prepare import VideoTracks

__all__ = ["curated_splits", "pixel_tracks"]

_COLUMNS = ("video_frame", "mouse_id", "bodypart", "x", "y", "is_imputed")


def curated_splits(settings: Settings, lake: Lake) -> list[Videos]:
    """Return the splits of the lake whose metadata are curated."""
    return [Videos(settings, split) for split in ("train", "test") if lake.partitions(f"metadata_{split}")]


def pixel_tracks(splits: Sequence[Videos], video_id: int) -> VideoTracks | None:
    """Return the tracks of a video; None if no split has any."""
    for split in splits:
        table = split.tracks(video_id, columns=_COLUMNS) if video_id in split.rows else None
        if table is not None and table.num_rows:
            return tracks_of(table)
    return None
