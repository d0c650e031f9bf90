"""The films of a video under review: files of a folder, or of the lake's raw zone, read in pieces.

The first film is the one that the tracks were made of: frame n of the tracks is taken to be its frame n. Further
cameras are shown beside it, without skeletons. Where the table `videos` (or, for the file of a folder, the file
itself) says that numbers of frames differ, or that frames are unevenly spaced, `note` says so to whoever looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from etholake.contract import RAW_ZONE, video_and_camera
from etholake.errors import DataError
from etholake.formats.video import VideoInfo, probe
from etholake.lake import Lake
from etholake.stages.review.store import VideoKey

__all__ = ["FIRST", "Film", "films_in_folder", "films_in_lake", "measured"]

FIRST = ""  # the camera of the film that the tracks were made of
_SUFFIXES = (".mp4", ".m4v", ".webm", ".mov")
_COLUMNS = (
    "video_id", "source_file", "camera", "bytes", "error", "frames_per_second", "variable_frame_rate", "frame_map",
    "frame_difference", "codec",
)  # fmt: skip
_FILES_AT_ONCE = 4
_FILES_REMEMBERED = 1024
_SHOWN_BY_BROWSERS = frozenset({"h264", "vp8", "vp9", "av1", "hevc"})


@dataclass(frozen=True)
class Film:
    """One film.

    Attributes
    ----------
    read
        Returns the bytes from the first to the last position, both included.
    fps
        Frames of the tracks that pass in a second of the film; None: as many as in a second of the tracks.
    note
        A sentence on what may be wrong with the picture; "" if no fault was seen.
    path
        The file of a folder; None for a film of the lake.
    """

    suffix: str
    size: int
    read: Callable[[int, int], bytes]
    fps: float | None = None
    note: str = ""
    path: Path | None = None


def films_in_folder(folder: Path | None, key: VideoKey) -> dict[str, Film]:
    """Return the films of a video in a folder by camera: ``<lab>/<video>.mp4`` or ``<video>.mp4`` is the first.

    A further camera is ``<video>.<camera>.mp4`` beside it. Also .m4v, .webm and .mov, preferred in this order.
    """
    if folder is None:
        return {}
    places = [folder / key.lab_id, folder] if Path(key.lab_id).name == key.lab_id else [folder]
    films: dict[str, Film] = {}
    for place in places:
        files = [f for f in place.glob(f"{key.video_id}.*") if f.suffix.lower() in _SUFFIXES and f.is_file()]
        for file in sorted(files, key=lambda f: (_SUFFIXES.index(f.suffix.lower()), f.name)):
            if names := video_and_camera(file.name):
                films.setdefault(names[1] or FIRST, _of_file(file))
    return films


def _of_file(file: Path) -> Film:
    def read(first: int, last: int) -> bytes:
        with file.open("rb") as stream:
            stream.seek(first)
            return stream.read(last - first + 1)

    return Film(file.suffix.lower(), file.stat().st_size, read, path=file)


def measured(films: Mapping[str, Film], frames: int) -> dict[str, Film]:
    """Return the films with the rate and the notes that their files give; those of the lake have theirs.

    Each file is opened by a child process, all at once, which takes half a second: this is for a video that is
    looked at. A file that has not changed since is not opened again.

    Parameters
    ----------
    frames
        The length of the tracks.
    """
    described = dict(films)
    files = {camera: film.path for camera, film in films.items() if film.path is not None}
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        infos = {camera: info for camera, info in zip(files, pool.map(_info, files.values()), strict=True) if info}
    for camera in files.keys() - infos.keys():
        note = "its frame rate cannot be read, and is taken to be that of the tracks"
        described[camera] = replace(films[camera], note=note)
    first = infos.get(FIRST)
    # where the first film lies in the lake, or cannot be read, there is nothing to compare the others with
    if first is None and FIRST in films:
        return described
    for camera, info in infos.items():
        against = frames if camera == FIRST else first.frames if first else None
        difference = None if against is None else against - info.frames
        row = {
            "camera": camera or None,
            "codec": info.codec,
            "variable_frame_rate": info.variable_rate,
            "frames_per_second": float(info.fps),
            "frame_difference": difference,
            # the length of the tracks may be a rounded duration: one frame says nothing
            "frame_map": None if difference is None else "equal" if abs(difference) <= 1 else "offset",
        }
        fps, note = _rate_and_note(row, float(first.fps) if first else None)
        described[camera] = replace(films[camera], fps=fps, note=note)
    return described


def _info(file: Path) -> VideoInfo | None:
    """Return what a film holds; None if it cannot be read."""
    try:
        state = file.stat()
        return _info_of(file, state.st_size, state.st_mtime_ns)
    except (OSError, DataError):
        return None


@lru_cache(_FILES_REMEMBERED)
def _info_of(file: Path, size: int, changed_ns: int) -> VideoInfo:  # noqa: ARG001 a changed file is another one
    return probe(file)


def films_in_lake(lake: Lake, key: VideoKey) -> dict[str, Film]:
    """Return the films that the table `videos` has of a video, by camera; {} without such a table.

    The table is read without Athena, whose catalog may still lack the column `camera`.
    """
    rows = [
        row
        for row in lake.read("videos", {"lab_id": key.lab_id}, _COLUMNS).to_pylist()
        if row["video_id"] == key.video_id and row["error"] is None
    ]
    rows.sort(key=lambda row: row["source_file"])
    first_fps = next((row["frames_per_second"] for row in rows if row["camera"] is None), None)
    films: dict[str, Film] = {}
    for row in rows:
        films.setdefault(row["camera"] or FIRST, _of_row(lake, row, first_fps))
    return films


def _of_row(lake: Lake, row: Mapping[str, Any], first_fps: float | None) -> Film:
    source = f"{RAW_ZONE}/{row['source_file']}"

    def read(first: int, last: int) -> bytes:
        response = lake.s3.get_object(Bucket=lake.bucket, Key=source, Range=f"bytes={first}-{last}")
        return bytes(response["Body"].read())

    suffix = Path(str(row["source_file"])).suffix.lower()
    return Film(suffix, int(row["bytes"]), read, *_rate_and_note(row, first_fps))


def _rate_and_note(row: Mapping[str, Any], first_fps: float | None) -> tuple[float | None, str]:
    """Return the frames of the tracks that pass in a second of a film, and what may be wrong with its picture."""
    notes = []
    if row["codec"] not in _SHOWN_BY_BROWSERS:
        notes.append(f"browsers do not show codec {row['codec']}")
    if row["variable_frame_rate"]:
        notes.append("its frames are unevenly spaced, so the picture may be some frames off")
    fps = row["frames_per_second"]
    if row["camera"] is None:
        if row["frame_map"] not in ("equal", None):
            notes.append(
                f"the tracks have {row['frame_difference']:+d} frames against the film ({row['frame_map']})"
            )
    elif row["frame_map"] is None:
        fps = None
        notes.append("there is no first film to compare it with; it is shown from the start of the tracks")
    elif row["frame_map"] != "equal":
        fps = first_fps  # its frames cannot be those of the tracks, so both run from the same start by the clock
        notes.append(
            f"the first film has {row['frame_difference']:+d} frames against it: both are shown by the clock from "
            "their start, and may be apart"
        )
    return fps, "; ".join(notes)
