"""Describe the raw zone, which holds a data folder as received (MABe 2025): columns, splits and keys."""

from __future__ import annotations

import re
from pathlib import Path

from etholake.contract.values import plain_name
from etholake.contract.zones import RAW_ZONE

SPLITS = ("train", "test")
MAX_MICE = 4  # animals that the columns of the metadata describe
MAX_ANIMALS = 127  # animals of a video: their numbers are 8-bit integers
# A small Parquet file may unpack to any number of rows, and tracks are read as a whole.
MAX_POINTS = 120_000_000  # points of a video: a day of four animals with eleven parts at 30 frames/s
MAX_BOUTS = 10_000_000  # annotated intervals of a video

MOUSE_ATTRIBUTES = ("strain", "color", "sex", "id", "age", "condition")
# Columns of the curated metadata that hold an attribute of every animal of a video, however many there are.
ANIMAL_ARRAYS = {
    "strain": "animal_strains", "sex": "animal_sexes", "age": "animal_ages", "condition": "animal_conditions",
}  # fmt: skip
MOUSE_COLUMNS = tuple(f"mouse{n}_{a}" for n in range(1, MAX_MICE + 1) for a in MOUSE_ATTRIBUTES)
RAW_METADATA_NUMBERS = (
    "frames_per_second", "video_duration_sec", "pix_per_cm_approx",
    "video_width_pix", "video_height_pix", "arena_width_cm", "arena_height_cm",
)  # fmt: skip
RAW_METADATA_COLUMNS = (
    "lab_id", "video_id", *MOUSE_COLUMNS, *RAW_METADATA_NUMBERS,
    "arena_shape", "arena_type", "body_parts_tracked", "behaviors_labeled", "tracking_method",
)  # fmt: skip
# Without these no row of a metadata table can be used: ingest refuses the table. All others may be missing.
NEEDED_METADATA_COLUMNS = ("lab_id", "video_id", "frames_per_second", "video_duration_sec")
RAW_TRACKING_COLUMNS = {
    "video_frame": "int",
    "mouse_id": "tinyint",
    "bodypart": "string",
    "x": "float",
    "y": "float",
}
# What a data folder may bring beyond the layout of MABe 2025 (docs/data-layout.md).
RAW_METADATA_OPTIONAL_COLUMNS = ("video_name", "species", "min_likelihood", "labeled_spans")
RAW_TRACKING_OPTIONAL_COLUMNS = {"z": "float", "likelihood": "float"}
RAW_ANNOTATION_COLUMNS = {
    "agent_id": "tinyint", "target_id": "tinyint", "action": "string", "start_frame": "int", "stop_frame": "int",
}  # fmt: skip
# Video files that the raw zone takes; what is in them is told by their first bytes.
VIDEO_SUFFIXES = (".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm")
_VIDEO_FILE = re.compile(
    rf"(0|[1-9]\d*)(?:\.([A-Za-z][A-Za-z0-9_-]*))?({'|'.join(map(re.escape, VIDEO_SUFFIXES))})",
    re.IGNORECASE | re.ASCII,
)
MIN_FPS = 5.0  # below it frames are further apart than many behaviors last, and speeds mean nothing
# High-speed cameras film whiskers at 500 to 1,000 frames/s (Clack et al. 2012, doi:10.1371/journal.pcbi.1002591);
# more is rather a rate whose decimal point is missing: 2997 for 29.97.
MAX_FPS = 1000.0
REVIEWED = "reviewed"  # kind of the labels that reviewers merged: a file in place of the annotation
SUBMISSION_COLUMNS = ("row_id", "video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame")
SELF = "self"  # how a submission and `behaviors_labeled` write the target of a self action


def lab_folder(parent: Path, lab_id: str) -> Path:
    """Return the folder of a lab in a folder of the layout, which may write its accents in another form."""
    exact = parent / lab_id
    if exact.is_dir() or not parent.is_dir():
        return exact
    return next((path for path in parent.iterdir() if plain_name(path.name) == plain_name(lab_id)), exact)


def raw_video_key(lab_id: str, name: str) -> str:
    """Return the key in the bucket of a raw video; `video_and_camera` says how it is named."""
    return f"{RAW_ZONE}/videos/lab_id={lab_id}/{name}"


def video_and_camera(name: str) -> tuple[int, str | None] | None:
    """Return the video and the camera of the name of a raw video, None for a name that the layout does not have.

    The camera is None for ``<video>.<suffix>``: the film whose pixels the coordinates of the tracks count. In
    ``<video>.<camera>.<suffix>`` the name of a further camera is a letter, then letters, digits, ``_`` and ``-``.
    """
    match = _VIDEO_FILE.fullmatch(name)
    return (int(match[1]), match[2]) if match else None


def raw_boxes_key(lab_id: str, name: str) -> str:
    """Return the key in the bucket of a file of boxes; `name` is ``<video>.csv`` or ``<video>.json``."""
    return f"{RAW_ZONE}/boxes/lab_id={lab_id}/{name}"


def raw_key(split: str, kind: str, lab_id: str = "", video_id: int | str = "") -> str:
    """Return the key in the bucket of a raw object. `kind`: metadata, tracking, annotation or reviewed."""
    if kind == "metadata":
        return f"{RAW_ZONE}/metadata/{split}.csv"
    return f"{RAW_ZONE}/{split}_{kind}/lab_id={lab_id}/{video_id}.parquet"
