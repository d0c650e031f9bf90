"""Read a table that describes videos: SimBA's `video_info.csv`, where a person has measured px/mm.

One row a video: its name without suffix, frames per second, width and height in px, and pixels per mm. Source:
https://github.com/sgoldenlab/simba/blob/master/docs/Scenario1.md (Step 3).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from etholake.contract import MAX_FPS, number
from etholake.errors import DataError
from etholake.formats.labels.reading import column, first_rows, read_table

__all__ = ["TITLE", "VideoDetails", "is_video_table", "read_video_table"]

TITLE = "SimBA video_info"
_NAMES = {"video": ("video",), "fps": ("fps",), "scale": ("pixels/mm", "pixels per mm", "px/mm")}


@dataclass(frozen=True)
class VideoDetails:
    """A row of the table: the video's name and what is known of it (None: empty, or no such number)."""

    name: str
    fps: float | None
    pix_per_cm: float | None


def is_video_table(path: Path) -> bool:
    """Return whether a file is such a table, by its header."""
    if path.suffix.lower() != ".csv":
        return False
    try:
        rows = first_rows(path, 2)
    except (DataError, OSError, csv.Error):
        return False
    return bool(rows) and all(column(rows[0], *names) is not None for names in _NAMES.values())


def read_video_table(path: Path) -> Iterator[VideoDetails]:
    """Yield the rows. Raises DataError if the file is no such table."""
    rows = read_table(path)
    at = {key: column(rows[0], *names) for key, names in _NAMES.items()} if rows else {}
    if None in at.values() or not at:
        raise DataError(f"{path}: expected the columns Video, fps and pixels/mm.")
    for row in rows[1:]:
        cells = {key: row[place] if place is not None and place < len(row) else "" for key, place in at.items()}
        if cells["video"]:
            fps, scale = (number(cells[key]) for key in ("fps", "scale"))
            yield VideoDetails(
                cells["video"],
                fps if fps is not None and 0 < fps <= MAX_FPS else None,
                scale * 10 if scale is not None and 0 < scale < 1e6 else None,
            )
