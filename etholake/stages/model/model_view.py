"""Read what a page shows of a model: where it looked in videos of a folder, and the figures of its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.models.archive import load_model
from etholake.models.attention import attention_of, has_attention
from etholake.models.base import Model
from etholake.pages.attention import ModelView
from etholake.settings import Settings
from etholake.stages.model.impute import tracking_files
from etholake.stages.model.models import unpacked

__all__ = ["tracks_of", "view"]


def view(settings: Settings, model: str, data: Path, videos: Sequence[int]) -> ModelView:
    """Return what the evaluation page shows of a model: where it looked in the videos, and figures of its tasks.

    Raises UsageError if the folder does not name a video, or the model has neither attention over time nor tasks.
    """
    with unpacked(settings, model) as folder:
        loaded = load_model(folder)
        tasks = loaded.details.get("tasks", {})
        if tasks and not has_attention(loaded):
            return ModelView(loaded.family, tasks=tasks)
        attention = {
            video: attention_of(loaded, tracks) for video, tracks in tracks_of(settings, loaded, data, videos)
        }
    return ModelView(loaded.family, attention, tasks)


def tracks_of(
    settings: Settings, model: Model, data: Path, videos: Sequence[int]
) -> Iterator[tuple[int, PoseTracks]]:
    """Yield (video, its tracks) of videos of a folder, read as the model needs them."""
    for source, row in tracking_files(data, videos):
        meta = VideoMeta.from_row(row)
        table, sources = pq.ParquetFile(source).read(), model.part_sources
        tracks = PoseTracks.from_raw(table, meta, max_gap_frames=settings.max_gap_frames, sources=sources)
        yield meta.video_id, tracks
