"""Look at every file of a folder: read tracks for their facts, labels whole, videos by their headers.

Facts of unchanged files come from the state of an earlier run. A bad file is an error in the survey and never
stops the others. The recordings of tracks that were read are kept for the conversion while they fit into a budget.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etholake.errors import DataError, EtholakeError
from etholake.formats.base import PoseRecording, ReadOptions, Remark
from etholake.formats.facts import Labels, PoseFacts, VideoFile
from etholake.formats.hdf5 import open_hdf5
from etholake.formats.labels.xlsx import check_workbook
from etholake.formats.registry import FORMATS
from etholake.formats.video_table import VideoDetails, read_video_table
from etholake.formats.walk import Found

__all__ = ["FileSurvey", "RecordingCache", "read_recording", "survey_file"]

_HDF5_SUFFIXES = (".h5", ".hdf5", ".slp", ".nwb")
KEPT_BYTES = 512 * 2**20


class RecordingCache:
    """Recordings that were read for their facts and will be converted, up to `KEPT_BYTES` of coordinates."""

    def __init__(self) -> None:
        self._recordings: dict[tuple[str, int], PoseRecording] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def put(self, file: str, index: int, recording: PoseRecording) -> None:
        """Keep a recording if it fits."""
        with self._lock:
            if self._bytes + recording.xyz.nbytes <= KEPT_BYTES:
                self._recordings[file, index] = recording
                self._bytes += recording.xyz.nbytes

    def take(self, file: str, index: int) -> PoseRecording | None:
        """Return a recording and forget it."""
        with self._lock:
            recording = self._recordings.pop((file, index), None)
            if recording is not None:
                self._bytes -= recording.xyz.nbytes
            return recording


@dataclass(frozen=True)
class FileSurvey:
    """The contents of one file, and what went wrong with it (a sentence that names the file)."""

    origin: Found
    pose: tuple[PoseFacts, ...] = ()
    labels: tuple[Labels, ...] = ()
    video: VideoFile | None = None
    error: str = ""
    remarks: tuple[Remark, ...] = field(default=())
    details: tuple[VideoDetails, ...] = ()


def survey_file(
    origin: Found, options: ReadOptions, cache: RecordingCache, earlier: Mapping[str, Any] | None = None
) -> FileSurvey:
    """Return the contents of a file. `earlier` holds facts of the unchanged file, `pose` or `video`, as JSON."""
    pose: tuple[PoseFacts, ...] = ()
    labels: tuple[Labels, ...] = ()
    video: VideoFile | None = None
    errors: list[str] = []
    remarks: list[Remark] = []
    if origin.pose and earlier is not None:
        pose = tuple(PoseFacts.from_json(entry) for entry in earlier["pose"])
    elif origin.pose:
        pose = _guarded(origin, errors, origin.pose.title, lambda: _pose(origin, options, cache)) or ()
    if origin.labels:
        read = _guarded(origin, errors, origin.labels.title, lambda: _labels(origin, options))
        labels = read or ()
        if read is not None and not any(item.recording.bouts for item in labels):
            remarks.append(Remark("note", f"holds no labelled bout ({origin.labels.title})", Path(origin.file)))
    if not origin.title and origin.path.name.lower().endswith(_HDF5_SUFFIXES):
        _guarded(origin, errors, "HDF5", lambda: _check_hdf5(origin.path))
    if not origin.title and origin.path.name.lower().endswith(".xlsx") and not origin.path.name.startswith("~$"):
        _guarded(origin, errors, "xlsx", lambda: check_workbook(origin.path))
    if origin.video and earlier is not None:
        video = VideoFile.from_json(earlier["video"])
    elif origin.video:
        video = _guarded(origin, errors, "video", lambda: _video(origin)) or VideoFile(origin.file)
    details: tuple[VideoDetails, ...] = ()
    if origin.video_table:
        details = _guarded(origin, errors, origin.title, lambda: tuple(read_video_table(origin.path))) or ()
    return FileSurvey(origin, pose, labels, video, " ".join(errors), tuple(remarks), details)


def _guarded(origin: Found, errors: list[str], title: str, read: Callable[[], Any]) -> Any:
    """Return the result of `read`; None, with a sentence in `errors`, if it fails in any way.

    Files may come from anywhere: whatever a reader or a library raises on one of them must not stop the others.
    """
    try:
        return read()
    except EtholakeError as err:
        errors.append(
            str(err) if origin.file in str(err) or origin.path.name in str(err) else f"{origin.file}: {err}"
        )
    except (MemoryError, RecursionError) as err:
        errors.append(
            f"{origin.file}: is too large or too deeply nested to be a {title} file ({type(err).__name__})."
        )
    except Exception as err:
        reason = " ".join(str(err).split())[:300] or "no reason given"
        errors.append(
            f"{origin.file}: cannot be read as {title} ({type(err).__name__}: {reason}): write it again with the "
            "tool that made it, or take it out of the folder."
        )
    return None


def _check_hdf5(path: Path) -> None:
    """Raise DataError if a file that nothing recognises is damaged. A sound one is merely of another kind."""
    with open_hdf5(path):
        pass


def _pose(origin: Found, options: ReadOptions, cache: RecordingCache) -> tuple[PoseFacts, ...]:
    assert origin.pose is not None
    facts = []
    for index, recording in enumerate(origin.pose.read(origin.path, options)):
        facts.append(PoseFacts.of(origin.file, index, origin.pose.name, origin.pose.title, recording))
        cache.put(origin.file, index, recording)
    if not facts:
        raise DataError(f"{origin.file}: holds no tracks.")
    return _with_keys(facts)


def _labels(origin: Found, options: ReadOptions) -> tuple[Labels, ...]:
    assert origin.labels is not None
    item = origin.labels
    recordings = list(item.read(origin.path, options))
    several = len(recordings) > 1
    file, names = origin.file, (item.name, item.title)
    return _with_keys([Labels(file, i, several, *names, recording) for i, recording in enumerate(recordings)])


def _with_keys(items: Sequence[Any]) -> tuple[Any, ...]:
    """Return facts or labels of one file with distinct keys: two of one name are told by their number."""
    if len(items) == 1:
        return tuple(items)
    names = [item.name if isinstance(item, PoseFacts) else item.recording.name for item in items]
    made = []
    for number, (item, name) in enumerate(zip(items, names, strict=True), start=1):
        own = f"{name} #{number}" if names.count(name) > 1 else name
        made.append(replace(item, several=True, label=own))
    return tuple(made)


def _video(origin: Found) -> VideoFile:
    from etholake.formats.video import probe

    info = probe(origin.path)
    rate = round(float(info.fps), 6)
    return VideoFile(origin.file, rate, info.frames, info.shown_size, info.codec, info.variable_rate)


def read_recording(folder: Path, facts: PoseFacts, options: ReadOptions, cache: RecordingCache) -> PoseRecording:
    """Return the recording that the facts are of, from the cache or from its file.

    Raises DataError if the file no longer holds it.
    """
    kept = cache.take(facts.file, facts.index)
    if kept is not None:
        return kept
    item = FORMATS.get(facts.format)
    for index, recording in enumerate(item.read(folder / facts.file, options)):
        if index == facts.index and isinstance(recording, PoseRecording):
            return recording
    raise DataError(f"{facts.file}: changed while it was imported. Run the same command again.")
