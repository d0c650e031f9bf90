"""Make the clip windows of one video: decoded once, from the first frame to the last, in constant memory.

The balance of a subject (an animal or a pair): frames of the video = frames that stand in a window + frames that
are reported, each with one reason. Nothing is left out in silence.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.video.boxes.background import SAMPLE, WORK_PX, BackgroundBoxes, median_background
from etholake.video.boxes.base import BoxSource
from etholake.video.boxes.detector import DETECTORS, DetectorBoxes
from etholake.video.boxes.pose import PoseBoxes
from etholake.video.boxes.table import read_boxes
from etholake.video.crops import CropTracker, cut, in_view, joint
from etholake.video.decode import DecodedFrame, Decoder, sample_gray
from etholake.video.recipe import ClipRecipe
from etholake.video.windows import TARGET_PREFIX, ClipWindow, WindowIndex, to_crop

__all__ = ["REASONS", "ClipMaker", "FrameBalance", "VideoTracks", "box_source"]

Floats = npt.NDArray[np.float32]
REASONS = {
    "unreadable": "the frame could not be decoded",
    "no-box": "the animal was not found, nor shortly before",
    "few-boxes": "too many frames of its windows have no box",
    "gap": "its windows lack a frame that could not be decoded or cropped",
    "short": "the video is shorter than a window",
}


@dataclass(frozen=True)
class VideoTracks:
    """Key points [T, M, K, 3] in pixels of the frame (NaN where missing, confidence 0..1) of animals and parts."""

    keypoints_TMK3: Floats
    animals: tuple[int, ...]
    parts: tuple[str, ...]


@dataclass
class FrameBalance:
    """Frames of one subject: `frames` = `used` + the sum of `reported`, by reason."""

    agent_id: int
    target_id: int | None
    frames: int
    used: int
    windows: int
    reported: dict[str, int] = field(default_factory=dict)

    @property
    def is_even(self) -> bool:
        """True if every frame is used or reported."""
        return self.frames == self.used + sum(self.reported.values())


def box_source(
    path: Path, recipe: ClipRecipe, tracks: VideoTracks | None, boxes_file: Path | None = None
) -> BoxSource:
    """Return the source of boxes that a recipe asks for.

    Raises DataError if there are no tracks (`pose`), no file of boxes (`file`), or a detector cannot be used.
    """
    kind, _, model = recipe.boxes.partition(":")
    if kind == "auto":
        kind = "background" if tracks is None else "pose"
    if kind == "pose":
        if tracks is None:
            raise DataError(f"{path}: boxes from pose need tracks, and there are none. Use --boxes background.")
        return PoseBoxes(tracks.keypoints_TMK3, tracks.animals)
    if kind == "file":
        if boxes_file is None:
            raise DataError(f"{path}: there is no file of boxes for this video.")
        return read_boxes(boxes_file, recipe.min_confidence)
    if kind == "background":
        sample = sample_gray(path, SAMPLE, WORK_PX)
        if not sample:
            raise DataError(f"{path}: none of its frames can be decoded. Convert it to mp4 again.")
        return BackgroundBoxes(median_background(sample), recipe.max_animals)
    return DetectorBoxes(DETECTORS.get(kind).load(Path(model)), kind, recipe.max_animals, recipe.min_confidence)


@dataclass
class _Subject:
    """One animal, or a pair, with the crops of the last `length` frames."""

    rows: tuple[int, ...]  # in the boxes of the source
    agent_id: int
    target_id: int | None
    pose_rows: tuple[int, ...]  # in the tracks; () without pose
    ring: deque[tuple[int, npt.NDArray[np.uint8], Floats, Floats]]
    last_end: int = -1
    windows: int = 0
    lost: bytearray = field(default_factory=bytearray)  # for each frame why it is in no window (0: it is in one)


_CODES = ("used", *REASONS)


@dataclass
class ClipMaker:
    """Windows of one video. Iterate it once; afterwards `balances` has the frames of every subject.

    Parameters
    ----------
    path
        The video.
    source
        Its boxes.
    tracks
        Its tracks, for key points; None: windows have none.
    """

    path: Path
    video_id: int
    lab_id: str
    recipe: ClipRecipe
    source: BoxSource
    tracks: VideoTracks | None = None
    balances: list[FrameBalance] = field(default_factory=list)
    decoder: Decoder = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = Decoder(self.path)

    def __iter__(self) -> Iterator[ClipWindow]:
        """Yield the windows in the order in which they are complete.

        Raises
        ------
        DataError
            The video cannot be decoded.
        """
        subjects = self._subjects()
        tracker = CropTracker(self.recipe.pad_ratio, self.recipe.smoothing, self.recipe.keep_last_box)
        for frame in self.decoder:
            boxes = self._boxes(frame, subjects)
            squares = tracker.update(boxes)
            pixels = None
            for subject, box, square in zip(subjects, boxes, squares, strict=True):
                _mark_gap(subject, frame.number)
                if not np.isfinite(square).all():
                    subject.lost.append(_CODES.index("no-box"))
                    continue
                pixels = frame.rgb() if pixels is None else pixels
                crop = cut(pixels, square, self.recipe.crop_size, self.recipe.border)
                subject.lost.append(_CODES.index("gap"))
                subject.ring.append((frame.number, crop, box, square))
                if (frame.number + 1 - self.recipe.length) % self.recipe.stride == 0:
                    yield from self._window(subject)
        for subject in subjects:
            _mark_gap(subject, self.decoder.frames)
            if subject.ring and subject.last_end != subject.ring[-1][0] == self.decoder.frames - 1:
                yield from self._window(subject)
            self.balances.append(self._balance(subject))

    def _subjects(self) -> list[_Subject]:
        animals = self.source.animals
        if not animals:
            raise DataError(f"{self.path}: the boxes name no animal.")
        chosen: list[tuple[int, ...]] = []
        if self.recipe.subjects != "pairs":
            chosen += [(row,) for row in range(len(animals))]
        if self.recipe.subjects != "single":
            chosen += list(combinations(range(len(animals)), 2))
        if not chosen:
            raise DataError(f"{self.path}: has one animal, and pairs were asked for. Use --subjects single.")
        with_pose = self.tracks is not None and self.source.name in {
            "pose",
            "file",
        }  # whose ids are those of tracks
        return [
            _Subject(
                rows,
                animals[rows[0]],
                animals[rows[1]] if len(rows) > 1 else None,
                self._pose_rows([animals[row] for row in rows]) if with_pose else (),
                deque(maxlen=self.recipe.length),
            )
            for rows in chosen
        ]

    def _pose_rows(self, animals: list[int]) -> tuple[int, ...]:
        assert self.tracks is not None
        if set(animals) <= set(self.tracks.animals):
            return tuple(self.tracks.animals.index(animal) for animal in animals)
        return ()

    def _boxes(self, frame: DecodedFrame, subjects: list[_Subject]) -> Floats:
        """Return the boxes [S, 4] of the subjects; NaN for one that was not found, or is not in the picture."""
        boxes_M4 = np.array(self.source.boxes(frame))
        boxes_M4[~in_view(boxes_M4, frame.size)] = np.nan
        return np.stack([
            boxes_M4[s.rows[0]] if len(s.rows) == 1 else joint(boxes_M4[s.rows[0]], boxes_M4[s.rows[1]])
            for s in subjects
        ])  # fmt: skip

    def _window(self, subject: _Subject) -> Iterator[ClipWindow]:
        """Yield the window of the last `length` frames, if they are whole and the animal was seen often enough."""
        length, ring = self.recipe.length, subject.ring
        last = ring[-1][0]
        if len(ring) < length or ring[0][0] != last - length + 1:
            return
        boxes = np.stack([box for _, _, box, _ in ring]).astype(np.float32)
        missing = int((~np.isfinite(boxes).all(axis=1)).sum())
        if missing > self.recipe.max_missing * length:
            for number in range(last - length + 1, last + 1):
                if subject.lost[number] == _CODES.index("gap"):
                    subject.lost[number] = _CODES.index("few-boxes")
            return
        crops = np.stack([square for *_, square in ring]).astype(np.float32)
        first = last - length + 1
        index = WindowIndex(
            self.video_id, self.lab_id, subject.agent_id, subject.target_id, first, last, float(self.decoder.fps),
            self.recipe.crop_size, self.recipe.pad_ratio, self.source.name, missing,
        )  # fmt: skip
        keypoints, parts = self._keypoints(subject, first, last, crops)
        subject.last_end = last
        subject.windows += 1
        subject.lost[first : last + 1] = bytes(length)
        yield ClipWindow(index, np.stack([crop for _, crop, _, _ in ring]), keypoints, boxes, crops, parts)

    def _keypoints(
        self, subject: _Subject, first: int, last: int, crops: Floats
    ) -> tuple[Floats, tuple[str, ...]]:
        """Return key points [T, K, 3] in pixels of the crop, and their names; K = 0 without pose."""
        length = last - first + 1
        if self.tracks is None or not subject.pose_rows:
            return np.empty((length, 0, 3), np.float32), ()
        parts = self.tracks.parts
        names = (*parts, *(TARGET_PREFIX + part for part in parts)) if len(subject.rows) > 1 else parts
        points = np.full((length, len(subject.rows), len(parts), 3), np.nan, np.float32)
        points[..., 2] = 0
        tracked = np.asarray(self.tracks.keypoints_TMK3[first : last + 1])[:, list(subject.pose_rows)]
        points[: len(tracked)] = tracked
        flat = points.reshape(length, len(names), 3)
        missing = ~np.isfinite(flat[..., :2]).all(axis=-1)
        flat[..., :2] = to_crop(flat[..., :2], crops, self.recipe.crop_size)
        flat[missing] = (np.nan, np.nan, 0)
        return flat, names

    def _balance(self, subject: _Subject) -> FrameBalance:
        counts = Counter(subject.lost)
        if self.decoder.frames < self.recipe.length:
            kept = {_CODES.index("unreadable"), _CODES.index("no-box"), _CODES.index("used")}
            rest = sum(count for code, count in counts.items() if code not in kept)
            counts = Counter({code: count for code, count in counts.items() if code in kept})
            counts[_CODES.index("short")] += rest
        reported = {_CODES[code]: count for code, count in sorted(counts.items()) if code and count}
        return FrameBalance(
            subject.agent_id, subject.target_id, self.decoder.frames, counts[0], subject.windows, reported
        )


def _mark_gap(subject: _Subject, number: int) -> None:
    """Note the frames before `number` that never came: they did not decode."""
    subject.lost += bytes([_CODES.index("unreadable")]) * (number - len(subject.lost))
