"""Boxes from a detector: its detections of a frame, kept apart as animals. Detectors are a named extension point.

Another distribution adds one as an entry point of `etholake.detectors`; ``--boxes NAME:FILE`` then finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from etholake.plugins import Registry
from etholake.video.boxes.base import Detections, SlotTracker
from etholake.video.decode import DecodedFrame

__all__ = ["DETECTORS", "Detector", "DetectorBoxes", "suppress"]

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


class Detector(Protocol):
    """A kind of detector, by name."""

    name: str

    def load(self, path: Path) -> Callable[[Pixels], Detections]:
        """Return a function from a frame (uint8 [H, W, 3], RGB) to its detections.

        Raises DataError, which names file and remedy, if the file or a library cannot be used.
        """
        ...


DETECTORS: Registry[Detector] = Registry(
    "etholake.detectors",
    "detector",
    {
        "onnx": "etholake.video.boxes.onnx:DETECTOR",
        "ultralytics": "etholake.video.boxes.ultralytics:DETECTOR",
    },
)


@dataclass
class DetectorBoxes:
    """The best detections of each frame, given to at most `max_animals` animals by nearest assignment."""

    detect: Callable[[Pixels], Detections]
    name: str
    max_animals: int
    min_confidence: float = 0.25
    animals: tuple[int, ...] = field(init=False)
    _slots: SlotTracker = field(init=False)

    def __post_init__(self) -> None:
        self.animals = tuple(range(1, self.max_animals + 1))
        self._slots = SlotTracker(self.max_animals)

    def boxes(self, frame: DecodedFrame) -> Floats:
        """Return the boxes of a frame; NaN for places without an animal."""
        detections = self.detect(frame.rgb())
        good = detections.boxes[detections.confidence >= self.min_confidence]
        rows = self._slots.assign(good)
        result = np.full((self.max_animals, 4), np.nan, np.float32)
        result[rows >= 0] = good[rows[rows >= 0]]
        return result


def suppress(boxes_N4: Floats, confidence_N: Floats, overlap: float = 0.5) -> npt.NDArray[np.int64]:
    """Return the rows of boxes that stay, most confident first: none overlaps a better one by more than `overlap`.

    Overlap is intersection over union (non-maximum suppression).
    """
    order = np.argsort(-confidence_N, kind="stable")
    area = np.prod(np.maximum(boxes_N4[:, 2:] - boxes_N4[:, :2], 0), axis=1)
    keep: list[int] = []
    while len(order):
        best, order = int(order[0]), order[1:]
        keep.append(best)
        low = np.maximum(boxes_N4[best, :2], boxes_N4[order, :2])
        high = np.minimum(boxes_N4[best, 2:], boxes_N4[order, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        union = np.maximum(area[best] + area[order] - shared, 1e-9)
        order = order[shared / union <= overlap]
    return np.array(keep, np.int64)
