"""The film of a video under review: a file of a folder, or of the lake's raw zone, read in pieces.

Frame n of the tracks is taken to be frame n of the film; where the table `videos` says that their numbers differ,
or that the film's frames are unevenly spaced, `note` says so to whoever looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etholake.contract import RAW_ZONE
from etholake.errors import AwsError
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.review.store import VideoKey

__all__ = ["Film", "film_in_folder", "film_in_lake"]

_SUFFIXES = (".mp4", ".m4v", ".webm", ".mov")
_VIDEOS = """SELECT source_file, bytes, frames_per_second, variable_frame_rate, frame_map, frame_difference, codec
FROM videos WHERE lab_id = ? AND video_id = ? AND error IS NULL ORDER BY source_file LIMIT 1"""
_SHOWN_BY_BROWSERS = frozenset({"h264", "vp8", "vp9", "av1", "hevc"})


@dataclass(frozen=True)
class Film:
    """One film.

    Attributes
    ----------
    read
        Returns the bytes from the first to the last position, both included.
    fps
        Frames/s of the film; None where it is unknown: then it is that of the tracks.
    note
        A sentence on what may be wrong with the picture; "" if nothing is known.
    """

    suffix: str
    size: int
    read: Callable[[int, int], bytes]
    fps: float | None = None
    note: str = ""


def film_in_folder(folder: Path | None, key: VideoKey) -> Film | None:
    """Return the film ``<lab>/<video>.mp4`` or ``<video>.mp4`` of a folder (also .m4v, .webm, .mov), or None."""
    if folder is None:
        return None
    lab, name = key.lab_id, str(key.video_id)
    places = [folder / lab / name, folder / name] if Path(lab).name == lab else [folder / name]
    files = (place.with_name(name + suffix) for place in places for suffix in _SUFFIXES)
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return None

    def read(first: int, last: int) -> bytes:
        with file.open("rb") as stream:
            stream.seek(first)
            return stream.read(last - first + 1)

    return Film(file.suffix.lower(), file.stat().st_size, read)


def film_in_lake(settings: Settings, lake: Lake, key: VideoKey) -> Film | None:
    """Return the film that the table `videos` has of a video; None without one."""
    try:
        rows = query.run_sql(settings, _VIDEOS, [query.literal(key.lab_id), str(key.video_id)]).records
    except AwsError:
        return None  # a lake of an earlier version has no such table
    if not rows:
        return None
    row = rows[0]
    source = f"{RAW_ZONE}/{row['source_file']}"

    def read(first: int, last: int) -> bytes:
        response = lake.s3.get_object(Bucket=lake.bucket, Key=source, Range=f"bytes={first}-{last}")
        return bytes(response["Body"].read())

    notes = []
    if row["codec"] not in _SHOWN_BY_BROWSERS:
        notes.append(f"browsers do not show codec {row['codec']}")
    if row["variable_frame_rate"]:
        notes.append("its frames are unevenly spaced, so the picture may be some frames off")
    if row["frame_map"] not in ("equal", None):
        notes.append(f"the tracks have {row['frame_difference']:+d} frames against the film ({row['frame_map']})")
    suffix = Path(str(row["source_file"])).suffix.lower()
    return Film(suffix, int(row["bytes"]), read, row["frames_per_second"], "; ".join(notes))
