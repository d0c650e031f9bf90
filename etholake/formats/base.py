"""Define what a reader of another tool's file returns, and the base classes of the formats.

A reader keeps what the file says: the tool's own names of animals, parts and actions, its own unit of length, its
own unit of time. Names are mapped, seconds become frames and lengths become pixels in one later place
(`etholake.formats.layout`), so that each rule exists once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "Bout",
    "Detection",
    "Format",
    "LabelFormat",
    "LabelRecording",
    "PoseFormat",
    "PoseRecording",
    "ReadOptions",
    "Remark",
    "ScoredSpan",
]


@dataclass(frozen=True)
class Remark:
    """A statement for the import report: a guess, a loss or a choice that the user may want to change.

    `kind` is "assumed" (the file does not say it), "left-out" (something of the file is not in the result) or
    "note". `line` counts from 1; `remedy` names the option or the mapping's key that changes it.
    """

    kind: Literal["assumed", "left-out", "note"]
    text: str
    file: Path | None = None
    line: int | None = None
    remedy: str = ""


@dataclass(frozen=True)
class Detection:
    """The answer of a format that recognises a file.

    `confidence` is 0 to 1: 1 where the content has a signature that no other format has, 0.5 where only the shape
    of a table fits. `reason` completes the sentence "This is a … file, because …".
    """

    confidence: float
    reason: str


@dataclass(frozen=True)
class ReadOptions:
    """Choices of the user that a reader needs.

    `unpaired` says what happens to a state event without an end. `point_events` says whether an event
    without duration is left out (and counted) or becomes one frame. `unpickle` allows a format that needs pickle
    (MABe22's npy) to use its restricted unpickler; it is refused otherwise. `split_names` says whether body parts
    that carry their animal's name (`B_Nose`, `W_Nose`; `Nose_1`, `Nose_2`) become those of several animals in a
    format that knows one animal only; the reader says so in a remark.
    """

    unpaired: Literal["error", "drop", "until-end"] = "error"
    point_events: Literal["leave-out", "one-frame"] = "leave-out"
    unpickle: bool = False
    split_names: bool = True


@dataclass(frozen=True)
class PoseRecording:
    """Tracked points of one video, as one file holds them.

    Parameters
    ----------
    name
        The video's name without a folder and without a suffix, as far as file or file name tell it.
    frames
        int64 [N], strictly increasing frame numbers from 0. A sparse file has few of them; nothing is filled up.
    xyz
        float32 [N, animals, parts, 2 or 3] in `unit`; the origin is the image's top left corner and y points down
        (a reader turns other frames of reference and says so in a remark). NaN where a point is missing.
    likelihood
        float32 [N, animals, parts] in 0..1, or None. NaN where the file has none for a point.
    animals, parts
        The tool's own names in the file's order. A part that an animal lacks is NaN throughout.
    unit
        Unit of `xyz`: "px", "cm", "mm" or "m".
    fps, pix_per_cm, size, frame_count
        Frames per second, pixels per cm, (width, height) in px and the number of video frames, where the file
        knows them.
    missing
        {reason: number of points} for all NaN points, for example "empty cell" or "confidence 0".
    video
        File name of the video as the file gives it, if it does (never opened by the reader).
    objects
        Those of `animals` that are none, as the corners of an arena: their points are kept, and a label without an
        animal is never written for them.
    """

    name: str
    frames: npt.NDArray[np.int64]
    xyz: npt.NDArray[np.float32]
    animals: tuple[str, ...]
    parts: tuple[str, ...]
    likelihood: npt.NDArray[np.float32] | None = None
    unit: Literal["px", "cm", "mm", "m"] = "px"
    fps: float | None = None
    pix_per_cm: float | None = None
    size: tuple[int, int] | None = None
    frame_count: int | None = None
    missing: Counter[str] = field(default_factory=Counter)
    video: str | None = None
    remarks: tuple[Remark, ...] = ()
    objects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        N, A, P, D = self.xyz.shape
        if (len(self.frames), len(self.animals), len(self.parts)) != (N, A, P) or D not in (2, 3):
            raise ValueError(
                f"xyz {self.xyz.shape} does not fit {len(self.frames)} frames, {len(self.animals)} animals, "
                f"{len(self.parts)} parts"
            )
        if self.likelihood is not None and self.likelihood.shape != (N, A, P):
            raise ValueError(f"likelihood {self.likelihood.shape} does not fit xyz {self.xyz.shape}")
        if N and (self.frames[0] < 0 or (np.diff(self.frames) <= 0).any()):
            raise ValueError("frames must start at 0 or later and increase strictly")


@dataclass(frozen=True)
class Bout:
    """One labelled interval ``[start, stop)`` in the unit of its recording (frames or seconds).

    `agent` and `target` are the tool's own names; `agent` is "" where the source names none, `target` is None
    where the source does not say whom (the mapping decides) and equal to `agent` for an action towards oneself.
    `stop` is infinite where the user let an unpaired event last until the video's end. A `point` has no duration
    (start == stop) and becomes the one frame in which it starts.
    """

    action: str
    start: float
    stop: float
    agent: str = ""
    target: str | None = None
    modifiers: tuple[str, ...] = ()
    line: int | None = None
    point: bool = False


@dataclass(frozen=True)
class ScoredSpan:
    """A span ``[start, stop)`` in which somebody looked for an action: outside of its bouts the action is absent.

    `agent` "" stands for every animal. Frames outside of all spans of an action are unlabelled, not negative.
    `stop` None stands for the end of the video.
    """

    action: str
    start: float = 0
    stop: float | None = None
    agent: str = ""


@dataclass(frozen=True)
class LabelRecording:
    """Labels of one video by one annotator, as one file holds them.

    `time_unit` is "frame" (numbers from 0, half-open) or "second". A reader turns inclusive ends and 1-based
    frames into that form. `vocabulary` lists all actions that the file can hold, also those without a bout;
    `scored` says where they were looked for (default: in all of `observed`, whose stop None is the video's end,
    for every animal). In the spans `unknown` nobody knows whether the action took place (an event without its
    start or stop was left out): their frames outside of bouts are unlabelled. `media` are the video files that the
    source names, in their order; `offset_s` is added to times in seconds. With `exclusive` every scored frame has
    exactly one action: those that the video's other
    exclusive recordings have were looked for in it, too.
    """

    name: str
    bouts: tuple[Bout, ...]
    vocabulary: tuple[str, ...]
    time_unit: Literal["frame", "second"]
    scored: tuple[ScoredSpan, ...] | None = None
    observed: tuple[float, float | None] = (0, None)
    animals: tuple[str, ...] = ()
    annotator: str = ""
    fps: float | None = None
    frame_count: int | None = None
    media: tuple[str, ...] = ()
    offset_s: float = 0.0
    remarks: tuple[Remark, ...] = ()
    exclusive: bool = False
    unknown: tuple[ScoredSpan, ...] = ()


class Format(ABC):
    """A file format of another tool."""

    name: str  # as `mapping.toml` writes it, for example "deeplabcut_csv"
    title: str  # as a person reads it, for example "DeepLabCut csv"
    suffixes: tuple[str, ...]  # lower-case, with the dot; a quick filter before `detect` opens the file

    @abstractmethod
    def detect(self, path: Path) -> Detection | None:
        """Return whether a file is of this format, from its content; None if it is not.

        Reads at most the beginning of the file, takes no more than about 50 ms, never raises for bad content and
        never unpickles anything.
        """


class PoseFormat(Format):
    """A format that holds tracked points."""

    kind: Literal["pose"] = "pose"

    @abstractmethod
    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:
        """Yield the recordings of a file (most files hold one).

        Memory is bounded by one recording. Raises DataError that names file, line or dataset, and remedy.
        """


class LabelFormat(Format):
    """A format that holds behaviour labels."""

    kind: Literal["labels"] = "labels"

    @abstractmethod
    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield the labels of a file, one recording a video and annotator.

        Raises DataError that names file, line and remedy; unpaired events raise it unless `options` say otherwise.
        """
