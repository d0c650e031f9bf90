"""Boxes from tracks: around all parts of an animal that were seen."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etholake.video.decode import DecodedFrame

__all__ = ["PoseBoxes", "boxes_of"]

Floats = npt.NDArray[np.float32]
MIN_PARTS = 2  # one point has no extent


def boxes_of(keypoints_MK3: Floats) -> Floats:
    """Return the boxes [M, 4] around the finite points of each animal; NaN with fewer than two."""
    xy = keypoints_MK3[..., :2]
    finite = np.isfinite(xy).all(axis=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an animal without a point gives NaN, as it shall
        box = np.concatenate([np.nanmin(xy, axis=1), np.nanmax(xy, axis=1)], axis=1)
    box[finite.sum(axis=1) < MIN_PARTS] = np.nan
    return box.astype(np.float32)


@dataclass(frozen=True)
class PoseBoxes:
    """Tracks [T, M, K, 3] in pixels of the frame (a memory map is fine), NaN where a point is missing."""

    keypoints_TMK3: Floats
    animals: tuple[int, ...]
    name: str = "pose"

    def boxes(self, frame: DecodedFrame) -> Floats:
        """Return the boxes of a frame; NaN beyond the tracks' end."""
        if frame.number >= len(self.keypoints_TMK3):
            return np.full((len(self.animals), 4), np.nan, np.float32)
        return boxes_of(np.asarray(self.keypoints_TMK3[frame.number]))
