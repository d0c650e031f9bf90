"""A batch of windows with its three-state targets: what the sampler draws and augmentations change.

Shape letters: B batch, T ticks of a window, C classes. A target is positive, negative, or masked (the triplet was
not looked for, or the tick lies outside the part that trains).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from etholake.dataset.windows import Tracks

__all__ = ["Batch"]


@dataclass(frozen=True)
class Batch:
    """`wanted` (0 or 1) masks the loss; `candidates` are the actions that were looked for in each sample."""

    tracks: Tracks
    lab_B: Tensor
    candidates_BC: Tensor
    labels_BTC: Tensor
    wanted_BTC: Tensor

    def __len__(self) -> int:
        return len(self.lab_B)

    def to(self, device: torch.device) -> Batch:
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))

    def part(self, index: slice) -> Batch:
        """Some of its samples."""
        tracks = Tracks(*(getattr(self.tracks, field.name)[index] for field in fields(Tracks)))
        rest = (getattr(self, field.name)[index] for field in fields(self) if field.name != "tracks")
        return Batch(tracks, *rest)
