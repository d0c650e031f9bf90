"""Helpers of the tests of pose readers: read one file, look up one point of it, list its remarks."""

from __future__ import annotations

from pathlib import Path

from etholake.formats.base import PoseRecording, ReadOptions
from etholake.formats.registry import FORMATS

__all__ = ["only", "point", "read", "texts"]


def read(name: str, path: Path, **options: object) -> list[PoseRecording]:
    return list(FORMATS.get(name).read(path, ReadOptions(**options)))  # type: ignore[arg-type]


def only(name: str, path: Path, **options: object) -> PoseRecording:
    (recording,) = read(name, path, **options)
    return recording


def point(recording: PoseRecording, frame: int, animal: str, part: str) -> list[float]:
    at = recording.frames.tolist().index(frame)
    place = recording.animals.index(animal), recording.parts.index(part)
    return recording.xyz[at, *place].tolist()  # type: ignore[no-any-return]


def texts(recording: PoseRecording) -> str:
    return "\n".join(remark.text for remark in recording.remarks)
