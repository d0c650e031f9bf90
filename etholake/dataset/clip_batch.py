"""A batch of clips: the pixels and key points that video networks read.

Shape letters: B windows of animals or pairs, T frames, H and W pixels, K key points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["ClipBatch"]


@dataclass(frozen=True)
class ClipBatch:
    """Windows of B animals or pairs, as tensors on one device.

    Attributes
    ----------
    frames_BTHW3
        RGB, uint8 or float 0..255.
    keypoints_BTK3
        x and y in pixels of the crop (NaN where missing), and a confidence 0..1. K may be 0.
    seen_BT
        True where there is a crop; elsewhere the picture is black.
    fps
        Frames a second of the windows.
    parts
        The K names of key points; mirroring a window swaps those of left and right.
    """

    frames_BTHW3: Tensor
    keypoints_BTK3: Tensor
    seen_BT: Tensor
    fps: float
    parts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frames_BTHW3)

    def __getitem__(self, index: slice) -> ClipBatch:
        """Return a range of the windows."""
        frames, points, seen = (x[index] for x in (self.frames_BTHW3, self.keypoints_BTK3, self.seen_BT))
        return replace(self, frames_BTHW3=frames, keypoints_BTK3=points, seen_BT=seen)

    def to(self, device: torch.device) -> ClipBatch:
        """Return the windows with all tensors on a device."""
        frames, points, seen = (x.to(device) for x in (self.frames_BTHW3, self.keypoints_BTK3, self.seen_BT))
        return replace(self, frames_BTHW3=frames, keypoints_BTK3=points, seen_BT=seen)

    def without(self, stream: str) -> ClipBatch:
        """Return the windows without a stream: with no key point (`pose`), or black crops (`picture`)."""
        if stream == "pose":
            points = self.keypoints_BTK3.clone()
            points[..., :2], points[..., 2] = torch.nan, 0.0
            return replace(self, keypoints_BTK3=points)
        assert stream == "picture", stream
        return replace(self, frames_BTHW3=torch.zeros_like(self.frames_BTHW3))

    @property
    def crop_size(self) -> int:
        """Side of the square crop in pixels."""
        return int(self.frames_BTHW3.shape[3])

    @property
    def with_pose(self) -> Tensor:
        """[B], true for the windows in which any key point was seen."""
        return self.keypoints_BTK3[..., :2].isfinite().flatten(1).any(-1)
