"""Read a video's key points from the curated tracks, as an array over its frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from etholake import storage
from etholake.errors import DataError
from etholake.video.prepare import VideoTracks

__all__ = ["IMPUTED_CONFIDENCE", "read_tracks", "tracks_of"]

IMPUTED_CONFIDENCE = 0.5  # of a point that curation filled in; a measured one has 1
MAX_FRAMES = 50_000_000


def read_tracks(files: Sequence[str], video_id: int) -> VideoTracks | None:
    """Return the tracks of a video from the Parquet files (``s3://`` URIs) of its lab; None if they have none.

    Points are in pixels of the video, in the order of the frames; what was not tracked is NaN with confidence 0.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = ["video_id", "video_frame", "mouse_id", "bodypart", "x", "y", "is_imputed"]
    tables: list[Any] = []
    for uri in files:
        filesystem, path = storage.filesystem(uri)
        tables.append(
            pq.read_table(
                path,
                filesystem=filesystem,
                columns=columns,
                filters=[("video_id", "=", video_id)],
                use_threads=False,
            )
        )
    table = pa.concat_tables(tables) if tables else None
    return tracks_of(table) if table is not None and table.num_rows else None


def tracks_of(table: Any) -> VideoTracks:
    """Return the tracks of the rows of one video: at least one of (`video_frame, mouse_id, bodypart, x, y`).

    `is_imputed` says which points curation filled in; without the column all were measured. Frames below 0 are
    left out, as curation leaves them out. Raises DataError for frames that no video has.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = table.filter(pc.greater_equal(table["video_frame"], 0))
    frame = table["video_frame"].to_numpy()
    if len(frame) and (last := int(frame.max())) >= MAX_FRAMES:
        raise DataError(
            f"The tracks reach to frame {last} (video_frame), and at most {MAX_FRAMES} frames are read: is the "
            "column a time?"
        )
    parts_column = table["bodypart"].combine_chunks().dictionary_encode()
    parts_column = parts_column.combine_chunks() if isinstance(parts_column, pa.ChunkedArray) else parts_column
    names = parts_column.dictionary.to_pylist()
    order = np.argsort(names)
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    animals, mouse = np.unique(table["mouse_id"].to_numpy(), return_inverse=True)
    length = int(frame.max(initial=-1)) + 1
    points = np.full((length, len(animals), len(names), 3), np.nan, np.float32)
    points[..., 2] = 0
    at = (frame, mouse, place[parts_column.indices.to_numpy()])
    points[(*at, 0)], points[(*at, 1)] = table["x"].to_numpy(), table["y"].to_numpy()
    filled = "is_imputed" in table.column_names and table["is_imputed"].to_numpy(zero_copy_only=False)
    seen = np.isfinite(points[(*at, 0)]) & np.isfinite(points[(*at, 1)])
    points[(*at, 2)] = np.where(seen, np.where(filled, IMPUTED_CONFIDENCE, 1.0), 0.0)
    return VideoTracks(points, tuple(int(a) for a in animals), tuple(sorted(names)))
