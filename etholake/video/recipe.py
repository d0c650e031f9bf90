"""Say how clips are made of a video: boxes, crops, windows, encoding. One recipe is one set of clips."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from etholake.digest import fingerprint
from etholake.errors import UsageError, raise_collected

__all__ = ["ENCODINGS", "ClipRecipe", "check_set_name"]

ENCODINGS = ("jpeg", "png", "raw")
_SET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class ClipRecipe:
    """The options of making clips.

    Parameters
    ----------
    boxes
        ``auto`` (tracks where there are some, else the background), ``pose``, ``background``, ``file`` (a csv or
        json a video) or ``NAME:FILE`` of a detector (``onnx:FILE``, ``ultralytics:FILE``).
    subjects
        ``single`` (a window shows one animal), ``pairs`` (two in a joint crop) or ``both``.
    length, stride
        Frames of a window, and from one window to the next. The last window of a video ends with its last frame.
    crop_size
        Side of a crop in pixels; a multiple of 8.
    pad_ratio
        Border on each side of a box, as a share of its longer side.
    border
        Beyond the picture's edge: ``edge`` (its last pixel repeated) or ``black``.
    keep_last_box
        Frames for which the crop stays where it was when the animal is missed.
    smoothing
        0 (the crop follows the box at once) to below 1 (slowly).
    max_missing
        Share of a window's frames in which the animal may be missed; windows with more are not written.
    max_animals
        Animals that `background` and detectors look for.
    min_confidence
        Of a detector's or a file's boxes.
    encoding, quality
        ``jpeg`` (with its quality), ``png`` or ``raw``: how pixels are stored in the shards.
    """

    boxes: str = "auto"
    subjects: Literal["single", "pairs", "both"] = "single"
    length: int = 16
    stride: int = 16
    crop_size: int = 112
    pad_ratio: float = 0.2
    border: Literal["edge", "black"] = "edge"
    keep_last_box: int = 15
    smoothing: float = 0.6
    max_missing: float = 0.5
    max_animals: int = 2
    min_confidence: float = 0.25
    encoding: Literal["jpeg", "png", "raw"] = "jpeg"
    quality: int = 92

    def __post_init__(self) -> None:
        """Raise UsageError that names every value out of range."""
        kind, _, file = self.boxes.partition(":")
        checks = {
            "boxes must be auto, pose, background, file, or a detector and its file (onnx:FILE)": (
                bool(file) if kind not in {"auto", "pose", "background", "file"} else not file
            ),
            "subjects must be single, pairs or both": self.subjects in {"single", "pairs", "both"},
            "length must be 1 to 4096 frames": 1 <= self.length <= 4096,
            "stride must be 1 frame to the length of a window": 1 <= self.stride <= self.length,
            "crop_size must be a multiple of 8 from 16 to 1024 px": 16 <= self.crop_size <= 1024
            and self.crop_size % 8 == 0,
            "pad_ratio must be 0 to 3": 0 <= self.pad_ratio <= 3,
            "border must be edge or black": self.border in {"edge", "black"},
            "keep_last_box must be 0 frames or more": self.keep_last_box >= 0,
            "smoothing must be 0 to below 1": 0 <= self.smoothing < 1,
            "max_missing must be 0 to 1": 0 <= self.max_missing <= 1,
            "max_animals must be 1 to 16": 1 <= self.max_animals <= 16,
            "min_confidence must be 0 to 1": 0 <= self.min_confidence <= 1,
            "encoding must be jpeg, png or raw": self.encoding in ENCODINGS,
            "quality must be 50 to 100": 50 <= self.quality <= 100,
        }
        problems = [
            f"{text}, but is {getattr(self, text.split()[0])!r}" for text, good in checks.items() if not good
        ]
        raise_collected(UsageError, "Clips cannot be made so", problems)

    @property
    def set_name(self) -> str:
        """The name of the set of clips: readable, and another one for every other recipe."""
        kind = re.sub(r"[^a-z0-9]+", "-", self.boxes.partition(":")[0].lower())
        return f"{kind}-{self.length}f-{self.crop_size}px-{fingerprint(sorted(asdict(self).items()))[:8]}"

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ClipRecipe:
        """Return the recipe of a dict. Raises UsageError for a name that is none, and for values out of range."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise UsageError(f"A recipe of clips has no {', '.join(unknown)}.")
        return cls(**values)


def check_set_name(name: str) -> str:
    """Return a user's name for a set of clips. Raises UsageError unless it can be a folder's name."""
    if not _SET_NAME.fullmatch(name):
        raise UsageError(f"A set of clips is named with a-z, 0-9, - and _ (64 at most), but got '{name}'.")
    return name
