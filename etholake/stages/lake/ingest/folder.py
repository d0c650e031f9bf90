"""The folder to ingest: which files the MABe layout has, and what is wrong with the folder as a whole.

Nothing here reads a Parquet file or talks to AWS.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from etholake.contract import (
    NEEDED_METADATA_COLUMNS,
    RAW_ANNOTATION_COLUMNS,
    RAW_TRACKING_COLUMNS,
    SPLITS,
    VIDEO_SUFFIXES,
    plain_name,
    raw_boxes_key,
    raw_key,
    raw_video_key,
    video_and_camera,
)
from etholake.errors import DataError, raise_collected

__all__ = ["KINDS", "RawFile", "list_folder", "list_strays", "scan"]

KINDS = {"tracking": RAW_TRACKING_COLUMNS, "annotation": RAW_ANNOTATION_COLUMNS}


@dataclass(frozen=True)
class RawFile:
    """One file of the folder and the object that it becomes. Times in ns since 1970, 0 if it cannot be read."""

    path: Path
    key: str
    kind: str
    size: int
    modified_ns: int
    changed_ns: int = 0


def list_folder(data: Path) -> list[RawFile]:
    """Return the files of a folder in the MABe layout, sorted by key.

    Raises DataError if it is not one, if a folder in it cannot be read (its files must not be taken for gone),
    or if a video id stands in two labs (the tables know a video by its id).
    """
    return scan(data)[0]


def list_strays(data: Path) -> list[str]:
    """Return sentences, sorted, on files that lie where the layout has none, with the remedy."""
    return _strays(_walk(data)[1])


def scan(data: Path) -> tuple[list[RawFile], list[str]]:
    """Return `list_folder` and `list_strays` of one look at the folder."""
    if not data.is_dir():
        raise DataError(f"{data} is not a folder. Expected one in the MABe layout, with train.csv or test.csv.")
    tables = [data / f"{split}.csv" for split in SPLITS if (data / f"{split}.csv").is_file()]
    if not tables:
        names = ", ".join(sorted(p.name for p in data.iterdir())[:10]) or "nothing"
        raise DataError(
            f"{data} is not in the MABe layout: expected train.csv and/or test.csv beside train_tracking/<lab>/"
            f"<video>.parquet and train_annotation/<lab>/<video>.parquet, but found {names}."
        )
    files, strays = _walk(data)
    _refuse_repeated_ids(files, _check_metadata(tables))
    _refuse_repeated_keys(files)
    files += [_file(table, table.stat, raw_key(table.stem, "metadata"), "metadata") for table in tables]
    return sorted(files, key=lambda f: f.key), _strays(strays)


def _strays(paths: Sequence[str]) -> list[str]:
    expected = {
        "videos": "<lab>/<number of the video>.mp4 or <number>.<further camera>.mp4 (or avi, mov, mkv; the "
        "name of a camera begins with a letter)",
        "boxes": "<lab>/<video>.csv or .json",
    }
    sentences = []
    for path in sorted(paths):
        folder = next((part for part in Path(path).parts[-3:-1] if part in expected), "")
        where = expected.get(folder, "<lab>/<video>.parquet")
        sentences.append(f"{path} was not ingested: expected {where} there; move or rename it.")
    return sentences


@dataclass
class _Listing:
    """Collects what a look at the folder meets: files of the layout, paths of strays, sentences on problems."""

    files: list[RawFile] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def entries(self, folder: Path) -> list[os.DirEntry[str]]:
        """Return the entries of a folder, sorted by name; one that cannot be read is a problem and has none."""
        try:
            return sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as err:
            self.problems.append(f"{folder}: {err.strerror or err}.")
            return []

    def add_stray(self, entry: os.DirEntry[str]) -> None:
        """Add a file for which the layout has no place, unless it is hidden."""
        if not entry.name.startswith(".") and entry.is_file():
            self.strays.append(entry.path)


def _walk(data: Path) -> tuple[list[RawFile], list[str]]:
    """Return (files, paths of strays) below the layout's folders, unsorted."""
    listing = _Listing()
    for split in SPLITS:
        for kind in KINDS:
            _walk_labs(data, split, kind, listing)
    _walk_numbered(data, "video", VIDEO_SUFFIXES, listing)
    _walk_numbered(data, "boxes", (".csv", ".json"), listing)
    what = "Folders of labs that cannot be read: mend them, or remove them if their files are to go"
    raise_collected(DataError, what, sorted(listing.problems))
    return listing.files, listing.strays


def _walk_labs(data: Path, split: str, kind: str, listing: _Listing) -> None:
    """Add the files ``<lab>/<number of the video>.parquet`` of the folder ``<split>_<kind>``."""
    folders = [(data / f"{split}_{kind}", 0)]
    if not os.path.lexists(folders[0][0]):
        return
    while folders:
        folder, depth = folders.pop()
        for entry in listing.entries(folder):
            if entry.is_dir(follow_symlinks=depth == 0):
                folders.append((Path(entry.path), depth + 1))
            elif depth == 0 and entry.is_symlink() and not entry.is_file():
                listing.problems.append(f"{entry.path}: is a broken link.")
            elif depth == 1 and entry.name.endswith(".parquet") and not entry.is_dir():
                path = Path(entry.path)
                key = raw_key(split, kind, plain_name(folder.name), path.stem)
                listing.files.append(_file(path, entry.stat, key, kind))
            else:
                listing.add_stray(entry)


def _walk_numbered(data: Path, kind: str, suffixes: Sequence[str], listing: _Listing) -> None:
    """Add the files ``<lab>/<number of the video>.<suffix>`` of the folder `videos` or `boxes`.

    A video may have further cameras: ``<lab>/<number of the video>.<camera>.<suffix>``.
    """
    folder = data / ("videos" if kind == "video" else kind)
    key_of = raw_video_key if kind == "video" else raw_boxes_key
    if not os.path.lexists(folder):
        return
    entries = listing.entries(folder)
    for entry in entries:
        listing.add_stray(entry)
    for lab in (Path(entry.path) for entry in entries if entry.is_dir()):
        names: dict[str, str] = {}
        for entry in listing.entries(lab):
            path = Path(entry.path)
            stem, suffix = path.stem, path.suffix.lower()
            if kind == "video":
                has_number = video_and_camera(entry.name) is not None
            else:
                has_number = suffix in suffixes and stem.isdecimal() and stem == str(int(stem))
            if not has_number or entry.is_dir():
                listing.add_stray(entry)
                continue
            if stem in names:
                listing.problems.append(
                    f"{path}: is a second file of video {stem}, beside {names[stem]}; keep one."
                )
            names[stem] = entry.name
            listing.files.append(_file(path, entry.stat, key_of(plain_name(lab.name), f"{stem}{suffix}"), kind))


def _file(path: Path, stat: Callable[[], os.stat_result], key: str, kind: str) -> RawFile:
    try:
        status = stat()
    except OSError:  # a broken link, say: reading it will tell
        return RawFile(path, key, kind, 0, 0)
    return RawFile(path, key, kind, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _check_metadata(tables: Sequence[Path]) -> list[tuple[str, str, str]]:
    """Return (split, video id, lab) of every metadata row.

    Raises DataError for tables that cannot be used: unreadable, without a needed column, or without a row.
    """
    problems, named = [], []
    for table in tables:
        try:
            with table.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.reader(file)
                columns = next(rows, [])
                if doubled := sorted({name for name in columns if name and columns.count(name) > 1}):
                    problems.append(
                        f"{table}: the header names {', '.join(doubled)} more than once; keep one of them."
                    )
                    continue
                if missing := [name for name in NEEDED_METADATA_COLUMNS if name not in columns]:
                    problems.append(
                        f"{table}: lacks the columns {missing}; found {columns[:6]}"
                        f"{'…' if len(columns) > 6 else ''}. Add them, one value a video; a cell whose value is "
                        "unknown may be empty."
                    )
                    continue
                filled = [row for row in rows if any(cell.strip() for cell in row)]
                if not filled:
                    problems.append(
                        f"{table}: has a header and no row. Add one row a video, or remove the file if there is "
                        f"no {table.stem} split."
                    )
                lab, video = columns.index("lab_id"), columns.index("video_id")
                named += [(table.stem, row[video], row[lab]) for row in filled if len(row) > max(lab, video)]
        except (OSError, UnicodeDecodeError, csv.Error) as err:
            problems.append(f"{table}: cannot be read: {err}.")
    raise_collected(DataError, "Metadata that cannot be used; nothing was uploaded", problems)
    return named


def _refuse_repeated_keys(files: Sequence[RawFile]) -> None:
    paths: dict[str, Path] = {}
    problems = [f"{paths[f.key]} and {f.path}" for f in files if paths.setdefault(f.key, f.path) != f.path]
    what = "Folders of one lab, whose names differ in the form of accents or in blanks; keep one of each"
    raise_collected(DataError, what, problems)


def _refuse_repeated_ids(files: Sequence[RawFile], named: Sequence[tuple[str, str, str]]) -> None:
    labs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for file in files:
        if file.kind != "metadata":
            kind = "any" if file.kind in {"video", "boxes"} else file.key.split("/")[1].partition("_")[0]
            video = file.path.stem.partition(".")[0] if file.kind == "video" else file.path.stem
            labs[kind, video].add(plain_name(file.path.parent.name))
    for split, video, lab in named:
        if video and lab:
            labs[split, video].add(plain_name(lab))
    problems = [
        f"{split} video {v}: {', '.join(sorted(at))}" for (split, v), at in sorted(labs.items()) if len(at) > 1
    ]
    raise_collected(DataError, "One video id in several labs; give each video an id of its own", problems)
