"""Define what writes labels for another tool, and prepare labels for it."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from etholake.errors import UsageError, raise_collected
from etholake.formats.base import Bout, LabelRecording, ScoredSpan
from etholake.formats.labels.clock import in_frames
from etholake.formats.labels.reading import safe_name

__all__ = ["Exporter", "FilePerRecording", "length_of", "name_columns", "prepared", "rate_of", "spans_of"]

_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f]")


class Exporter(ABC):
    """A tool's file format as a target of `etholake export`."""

    name: str  # as --to writes it
    title: str

    @abstractmethod
    def write(self, recordings: Sequence[LabelRecording], folder: Path) -> list[Path]:
        """Write recordings that `prepared` returned into an existing folder; return the files.

        Raises UsageError if the tool's format cannot say what the labels say.
        """


class FilePerRecording(Exporter):
    """An exporter that writes one file a recording."""

    ending: str  # of the file's name

    def write(self, recordings: Sequence[LabelRecording], folder: Path) -> list[Path]:
        """Write one file a recording; return the files in the order of the recordings.

        Raises UsageError if two recordings would have one file.
        """
        paths: dict[Path, str] = {}
        for recording in recordings:
            # the file lies in `folder`, whatever the recording is called
            path = folder / f"{safe_name(recording.name)}{self.ending}"
            if path in paths:
                raise UsageError(
                    f"'{paths[path]}' and '{recording.name}' would both be {path.name}: export them into folders "
                    "of their own (--videos)."
                )
            self.write_one(recording, path)
            paths[path] = recording.name
        return list(paths)

    @abstractmethod
    def write_one(self, recording: LabelRecording, path: Path) -> None:
        """Write one recording. Raises UsageError if the tool's format cannot say what its labels say."""


def prepared(recordings: Sequence[LabelRecording]) -> list[LabelRecording]:
    """Return recordings in frames, with bouts of one agent, target and action joined where they touch or overlap.

    Raises
    ------
    UsageError
        Two recordings are of one video; a name is empty, or has control characters or blanks at its ends: no
        table could hold it; a bout has no end.
    """
    problems = []
    names = [recording.name for recording in recordings]
    problems += [f"two recordings are called '{name}'" for name in dict.fromkeys(names) if names.count(name) > 1]
    result = []
    for recording in recordings:
        own = in_frames(recording)
        used = {own.name, *own.vocabulary, *(b.action for b in own.bouts)}
        used |= {name for b in own.bouts for name in (b.agent, b.target) if name}
        bad = sorted(name for name in used if not name or name != name.strip() or _UNWRITABLE.search(name))
        problems += [
            f"the name {name!r} in '{own.name}' is empty, or has control characters or outer blanks"
            for name in bad
        ]
        result.append(replace(own, bouts=tuple(_joined(own.bouts))))
    raise_collected(UsageError, "These labels cannot be exported", problems)
    return result


def _joined(bouts: Sequence[Bout]) -> list[Bout]:
    joined: dict[tuple[str, str | None, str], list[Bout]] = {}
    for bout in sorted(bouts, key=lambda b: b.start):
        group = joined.setdefault((bout.agent, bout.target, bout.action), [])
        if group and bout.start <= group[-1].stop:
            group[-1] = replace(group[-1], stop=max(group[-1].stop, bout.stop))
        else:
            group.append(replace(bout, modifiers=(), line=None))
    return sorted((b for group in joined.values() for b in group), key=lambda b: (b.start, b.action, b.agent))


def length_of(recording: LabelRecording) -> int:
    """Return the number of frames: that of the video, but at least as many as its labels cover."""
    ends = [int(bout.stop) for bout in recording.bouts] + [int(s.stop) for s in recording.scored or () if s.stop]
    return max([recording.frame_count or 0, *ends])


def spans_of(recording: LabelRecording, action: str, agent: str) -> list[tuple[int, int]]:
    """Return the spans (first frame, frame after the last one) in which `action` of `agent` was looked for.

    Bouts belong to them, also where no span says so.
    """
    length = length_of(recording)
    if recording.scored is None:
        return [(0, length)]
    spans = [
        (s.start, length if s.stop is None else s.stop) for s in recording.scored if _covers(s, action, agent)
    ]
    spans += [(b.start, b.stop) for b in recording.bouts if (b.action, b.agent) == (action, agent)]
    merged: list[tuple[int, int]] = []
    for start, stop in sorted((int(a), int(b)) for a, b in spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        elif start < stop:
            merged.append((start, stop))
    return merged


def _covers(span: ScoredSpan, action: str, agent: str) -> bool:
    return span.action == action and span.agent in ("", agent)


def name_columns(recording: LabelRecording) -> dict[str, list[Bout]]:
    """Return {column: its bouts} for tools with a column an action: `attack__mouse1__mouse2`, see `directed`.

    Actions without a bout have a column without animals.
    """
    from etholake.formats.labels.directed import column_name

    columns: dict[str, list[Bout]] = {}
    for bout in recording.bouts:
        columns.setdefault(column_name(bout), []).append(bout)
    seen = {bout.action for bout in recording.bouts}
    columns.update({column_name(Bout(a, 0, 0)): [] for a in recording.vocabulary if a not in seen})
    return columns


def rate_of(recording: LabelRecording, tool: str) -> float:
    """Return the frames per second. Raises UsageError where nobody knows them, since `tool` counts in seconds."""
    if not recording.fps or not math.isfinite(recording.fps):
        raise UsageError(
            f"{tool} counts in seconds, but video '{recording.name}' has no frames per second: write "
            "them into the metadata (frames_per_second)."
        )
    return recording.fps
