"""List the files of a folder, and say what each one is by its content. No link is followed out of the folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from etholake.errors import DataError
from etholake.formats.base import Detection, LabelFormat, PoseFormat, Remark
from etholake.formats.registry import detect
from etholake.formats.video import SUFFIXES
from etholake.formats.video_table import TITLE as VIDEO_TABLE
from etholake.formats.video_table import is_video_table

__all__ = ["Found", "identify", "left_out_sentence", "list_files"]

# A second format of a file (tracks and labels in one file) must be about as certain as the first one; a table that
# merely looks like labels must not be read as labels when another format's signature is in it.
_CLOSE = 0.2


@dataclass(frozen=True)
class Found:
    """A file below the folder: its path in POSIX form, and the formats that will read it.

    `video` is True for a video file by its suffix, `video_table` for a table that describes videos; `reason`
    completes "This is a … file, because …".
    """

    file: str
    path: Path
    bytes: int
    modified_ns: int
    pose: PoseFormat | None = None
    labels: LabelFormat | None = None
    video: bool = False
    video_table: bool = False
    reason: str = ""
    remarks: tuple[Remark, ...] = field(default=())

    @property
    def title(self) -> str:
        """Return what the file is, for a person; "" if it was not recognised."""
        titles = dict.fromkeys(item.title for item in (self.pose, self.labels) if item)
        return "video" if self.video else VIDEO_TABLE if self.video_table else " + ".join(titles)


def list_files(folder: Path, skip: tuple[Path, ...] = ()) -> tuple[list[Path], list[Remark]]:
    """Return the regular files below a folder, sorted, and remarks on what was not looked at.

    Hidden files and folders, folders in `skip` (resolved), data folders of earlier imports, empty files, and links
    that lead out of the folder are left out; links to folders are not followed, so that no circle is. A file that
    is a link within the folder is read as any other. An empty video is listed: its own reader refuses it.

    Raises DataError if the folder cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: name the one that holds your tracks, labels and videos.")
    root = folder.resolve()
    files: list[Path] = []
    remarks: list[Remark] = []

    def unreadable(err: OSError) -> None:
        remarks.append(Remark("left-out", f"the folder cannot be read: {err.strerror or err}", Path(err.filename)))

    for at, folders, names in os.walk(folder, onerror=unreadable):
        parent = Path(at)
        kept = []
        for name in sorted(folders):
            path = parent / name
            if path.is_symlink():
                remarks.append(Remark("left-out", "links to folders are not followed", path))
            elif _is_data_folder(path) and path.resolve() not in skip:
                remarks.append(Remark("left-out", "the folder holds what an earlier import wrote", path))
            elif not name.startswith(".") and path.resolve() not in skip:
                kept.append(name)
        folders[:] = kept
        for path in (parent / name for name in sorted(names) if not name.startswith(".")):
            if reason := _why_not(path, folder, root):
                shown = path if _is_text(str(path)) else Path(ascii(str(path)))
                remarks.append(Remark("left-out", reason, shown))
                continue
            files.append(path)
            if path.is_symlink():
                target = path.resolve().relative_to(root)
                remarks.append(Remark("note", f"is a link to {target}; files behind links are read, too", path))
    return sorted(files), remarks


def _why_not(path: Path, folder: Path, root: Path) -> str:
    """Return why a file is left out, "" if it is not."""
    if not _is_text(path.relative_to(folder).as_posix()):
        return "the name is no valid text: rename it"
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        return "the link leads out of the folder and is not followed"
    if not path.is_file():
        return "is no regular file"
    if path.name.lower().endswith(SUFFIXES) or path.stat().st_size:
        return ""
    return "the file is empty: was it copied or downloaded whole?"


def _is_data_folder(path: Path) -> bool:
    """Return whether a folder is one that an import has written to."""
    return any((path / name).is_file() for name in ("train.csv", "test.csv")) and (path / "imports").is_dir()


def left_out_sentence(remarks: Sequence[Remark]) -> str:
    """Return sentences, each after a space, on files and folders that were not looked at; "" for none."""
    reasons = Counter(remark.text for remark in remarks if remark.kind == "left-out")
    return "".join(f" Not looked at ({count}): {text}." for text, count in reasons.items())


def _is_text(name: str) -> bool:
    """Return whether a file can hold the name: that of an old file system need not be UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def identify(folder: Path, path: Path) -> Found:
    """Return what a file is. A format whose detection fails on hostile content does not recognise the file."""
    status = path.stat()
    file = path.relative_to(folder).as_posix()
    if path.name.lower().endswith(SUFFIXES):
        return Found(file, path, status.st_size, status.st_mtime_ns, video=True, reason="of its suffix")
    pose: PoseFormat | None = None
    labels: LabelFormat | None = None
    reason, top = "", 0.0
    for item, detection in _detections(path):
        top = top or detection.confidence
        if detection.confidence < top - _CLOSE:
            break
        if isinstance(item, PoseFormat) and pose is None:
            pose, reason = item, reason or detection.reason
        elif isinstance(item, LabelFormat) and labels is None:
            labels, reason = item, reason or detection.reason
    table = not pose and not labels and is_video_table(path)
    return Found(file, path, status.st_size, status.st_mtime_ns, pose, labels, video_table=table, reason=reason)


def _detections(path: Path) -> Iterator[tuple[PoseFormat | LabelFormat, Detection]]:
    if path.stat().st_size:
        yield from detect(path)
