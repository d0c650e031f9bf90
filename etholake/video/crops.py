"""Turn boxes into square crops: padding, smoothing, missed frames, the edge of the picture.

Boxes are float32 [S, 4] (x0, y0, x1, y1 in pixels of the frame) of S subjects, NaN where one was not found.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Border", "CropTracker", "cut", "in_view", "joint"]

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Border = Literal["edge", "black"]
MIN_SIDE_PX = 8.0


@dataclass
class CropTracker:
    """Follow the squares of S subjects over the frames.

    Parameters
    ----------
    pad_ratio
        Border on each side, as a share of the box's longer side.
    smoothing
        0: the crop jumps with the box; towards 1 it follows slowly (exponential mean of centre and side).
    keep_last_box
        Frames without a box for which the last crop is kept; after more the subject is lost until it comes back.
    """

    pad_ratio: float
    smoothing: float
    keep_last_box: int
    _state: Floats = field(default_factory=lambda: np.empty((0, 3), np.float32))
    _missed: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def update(self, boxes_S4: Floats) -> Floats:
        """Return the squares [S, 4] of the next frame; NaN for a subject that is lost or was never seen."""
        if not len(self._state):
            self._state = np.full((len(boxes_S4), 3), np.nan, np.float32)
            self._missed = np.zeros(len(boxes_S4), np.int64)
        centre = (boxes_S4[:, :2] + boxes_S4[:, 2:]) / 2
        longer = np.maximum((boxes_S4[:, 2:] - boxes_S4[:, :2]).max(axis=1), MIN_SIDE_PX)
        now = np.concatenate([centre, longer[:, None] * (1 + 2 * self.pad_ratio)], axis=1)
        seen = np.isfinite(now).all(axis=1)
        fresh = seen & ~np.isfinite(self._state[:, 0])
        follow = np.where(fresh, 1.0, 1.0 - self.smoothing)[:, None].astype(np.float32)
        before = np.where(fresh[:, None], now, self._state)
        smooth = before + follow * (now - before)
        # A fast animal must not leave its crop: the square follows at least as far as to hold the whole box.
        smooth[:, 2] = np.maximum(smooth[:, 2], longer)
        room = np.maximum(smooth[:, 2:] - (boxes_S4[:, 2:] - boxes_S4[:, :2]), 0) / 2
        smooth[:, :2] = np.clip(smooth[:, :2], centre - room, centre + room)
        self._state = np.where(seen[:, None], smooth, self._state).astype(np.float32)
        self._missed = np.where(seen, 0, self._missed + 1)
        self._state[self._missed > self.keep_last_box] = np.nan
        half = self._state[:, 2:] / 2
        return np.concatenate([self._state[:, :2] - half, self._state[:, :2] + half], axis=1).astype(np.float32)


def joint(first_4: Floats, second_4: Floats) -> Floats:
    """Return the box around two boxes; NaN if one of them is missing."""
    return np.concatenate([np.minimum(first_4[:2], second_4[:2]), np.maximum(first_4[2:], second_4[2:])])


def in_view(boxes_N4: Floats, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return which boxes [..., 4] have a part in a picture of a size (width, height); false for NaN."""
    left, top, right, bottom = np.moveaxis(boxes_N4, -1, 0)
    inside: npt.NDArray[np.bool_] = (left < size[0]) & (top < size[1]) & (right >= 0) & (bottom >= 0)
    return inside


def cut(frame: Pixels, square_4: Floats, size: int, border: Border = "edge") -> Pixels:
    """Return the square of a frame as uint8 [size, size, 3].

    What lies over the picture's edge repeats its last pixel (`edge`) or is black. Shrinking averages over the
    pixels that it joins, so that fur does not flicker.
    """
    from PIL import Image

    height, width = frame.shape[:2]
    x0, y0, x1, y1 = (float(value) for value in square_4)
    left, top, right, bottom = (int(np.floor(x0)), int(np.floor(y0)), int(np.ceil(x1)), int(np.ceil(y1)))
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        part = frame[top:bottom, left:right]
    else:
        rows, columns = np.arange(top, bottom), np.arange(left, right)
        part = frame[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
        if border == "black":
            part[(rows < 0) | (rows >= height)] = 0
            part[:, (columns < 0) | (columns >= width)] = 0
    image = Image.fromarray(np.ascontiguousarray(part))
    where = (x0 - left, y0 - top, x1 - left, y1 - top)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=where, reducing_gap=2.0))
