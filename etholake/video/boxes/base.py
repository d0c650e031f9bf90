"""Define what a source of boxes is, and keep several animals apart by nearest assignment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from etholake.video.decode import DecodedFrame

__all__ = ["BoxSource", "Detections", "SlotTracker"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Detections:
    """Detections of one frame: boxes [N, 4] in pixels of the frame, confidence [N], most confident first.

    `keypoints` float32 [N, K, 3] (x, y in pixels of the frame, confidence) where a detector brings them.
    """

    boxes: Floats
    confidence: Floats
    keypoints: Floats | None = None


class BoxSource(Protocol):
    """Boxes of a fixed number of animals, frame after frame.

    `animals` are their ids, as the tracks number them (1..M).
    """

    @property
    def name(self) -> str:
        """The name that stands in the table `clips`."""
        ...

    @property
    def animals(self) -> tuple[int, ...]:
        """The ids of the animals, in the order of the boxes."""
        ...

    def boxes(self, frame: DecodedFrame) -> Floats:
        """Return float32 [M, 4]; NaN for an animal that is not found. Frames come in order, with gaps at most."""
        ...


@dataclass
class SlotTracker:
    """Keep `slots` animals apart: each detection goes to the nearest animal of the frames before.

    An animal that was not seen for `forget_after` frames gives its place to whoever appears. Identities may swap
    where animals touch; who needs identities brings tracks.
    """

    slots: int
    forget_after: int = 30
    _last: Floats = field(init=False)
    _age: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self._last = np.full((self.slots, 2), np.nan, np.float32)
        self._age = np.zeros(self.slots, np.int64)

    def assign(self, boxes_N4: Floats) -> npt.NDArray[np.int64]:
        """Return for each slot the row of `boxes_N4` (the best first) that is it now; -1 if none."""
        from scipy.optimize import linear_sum_assignment

        boxes_N4 = boxes_N4[: self.slots]
        centres = (boxes_N4[:, :2] + boxes_N4[:, 2:]) / 2
        rows = np.full(self.slots, -1, np.int64)
        self._age += 1
        self._last[self._age > self.forget_after] = np.nan
        if len(centres):
            away = np.linalg.norm(self._last[:, None] - centres[None], axis=2)
            cost = np.where(np.isfinite(away), away, 1e6)  # a free slot takes what nobody else does
            slots, chosen = linear_sum_assignment(cost)
            rows[slots] = chosen
            self._last[slots], self._age[slots] = centres[chosen], 0
        return rows
