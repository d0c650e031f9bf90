"""Hold facts about the files of a folder: enough to guess a mapping and to match files, without the points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from etholake.formats.base import Bout, LabelRecording, PoseRecording, Remark

__all__ = ["Labels", "PoseFacts", "VideoFile", "missing_points", "remark_json"]


@dataclass(frozen=True)
class PoseFacts:
    """Facts of one recording of tracks.

    `file` is the path below the imported folder, `index` the recording's place in it, `several` whether the file
    holds more than one. `points` counts all cells (frame, animal, part), `missing` those without coordinates, by
    reason. `remarks` are those of the reader, as JSON.
    """

    file: str
    index: int
    several: bool
    format: str
    title: str
    name: str
    frames: int
    first_frame: int
    last_frame: int
    animals: tuple[str, ...]
    parts: tuple[str, ...]
    points: int
    missing: Mapping[str, int]
    dimensions: int
    has_likelihood: bool
    unit: str
    fps: float | None
    pix_per_cm: float | None
    size: tuple[int, int] | None
    frame_count: int | None
    video: str | None
    remarks: tuple[Mapping[str, Any], ...] = ()
    objects: tuple[str, ...] = ()
    label: str = ""

    @property
    def key(self) -> str:
        """Return how the mapping names the recording: the file, with the recording's name if it holds several."""
        return f"{self.file}::{self.label}" if self.several else self.file

    @property
    def living(self) -> tuple[str, ...]:
        """Return the animals without the objects among them."""
        return tuple(name for name in self.animals if name not in self.objects)

    @property
    def present(self) -> int:
        """Return the number of points with coordinates."""
        return self.points - sum(self.missing.values())

    @classmethod
    def of(cls, file: str, index: int, format_name: str, title: str, recording: PoseRecording) -> PoseFacts:
        """Return the facts of a recording; `missing` is made to sum up to the number of NaN points."""
        frames = recording.frames
        shape = recording.xyz.shape
        return cls(
            file, index, False, format_name, title, recording.name, len(frames),
            int(frames[0]) if len(frames) else 0, int(frames[-1]) if len(frames) else -1,
            recording.animals, recording.parts, shape[0] * shape[1] * shape[2], missing_points(recording),
            shape[3], recording.likelihood is not None, recording.unit, recording.fps, recording.pix_per_cm,
            recording.size, recording.frame_count, recording.video, tuple(map(remark_json, recording.remarks)),
            recording.objects,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """Return the facts in JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> PoseFacts:
        """Return the facts that `as_json` wrote."""
        size = entry["size"]
        lists = {name: tuple(entry[name]) for name in ("animals", "parts", "remarks", "objects")}
        return cls(**{**entry, **lists, "size": tuple(size) if size else None})


def missing_points(recording: PoseRecording) -> dict[str, int]:
    """Return {reason: points without coordinates}: the reader's reasons, and one more for what they leave over."""
    missing = int(np.count_nonzero(~np.isfinite(recording.xyz[..., :2]).all(axis=-1)))
    reasons = {reason: count for reason, count in sorted(recording.missing.items()) if count}
    if sum(reasons.values()) != missing:  # the reader counts otherwise: one honest sum instead
        return {"without coordinates": missing} if missing else {}
    return reasons


def remark_json(remark: Remark) -> dict[str, Any]:
    """Return a remark in JSON types."""
    return {
        "kind": remark.kind, "text": remark.text, "file": str(remark.file) if remark.file else None,
        "line": remark.line, "remedy": remark.remedy,
    }  # fmt: skip


@dataclass(frozen=True)
class Labels:
    """One recording of labels and where it comes from. Labels are small: they stay in memory."""

    file: str
    index: int
    several: bool
    format: str
    title: str
    recording: LabelRecording
    label: str = ""

    @property
    def key(self) -> str:
        """Return how the mapping names the recording."""
        return f"{self.file}::{self.label}" if self.several else self.file

    def bouts_of(self, action: str) -> list[Bout]:
        """Return the bouts of an action."""
        return [bout for bout in self.recording.bouts if bout.action == action]


@dataclass(frozen=True)
class VideoFile:
    """Facts of a video file: frames per second, number of frames, (width, height) in px, None where unknown."""

    file: str
    fps: float | None = None
    frames: int | None = None
    size: tuple[int, int] | None = None
    codec: str = ""
    variable_rate: bool = False

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> VideoFile:
        """Return the facts that `dataclasses.asdict` made."""
        return cls(**{**entry, "size": tuple(entry["size"]) if entry["size"] else None})
