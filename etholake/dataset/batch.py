"""A batch of windows with its three-state targets: the sampler draws it, augmentations change it.

Shape letters: B batch, T frames of a window at 30 Hz, C classes (actions), V tasks. A target is positive,
negative, or masked (the action is no labeled behavior of the pair, or the frame is outside the training spans).
Tasks of a configuration (`dataset.values`) are V further columns, masked where their value is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from etholake.dataset.windows import Tracks

__all__ = ["Batch"]


@dataclass(frozen=True)
class Batch:
    """Windows of pairs and their targets.

    Attributes
    ----------
    tracks
        The two animals' tracks.
    lab_B
        Index of the lab (0 is unknown) and, for a family with species, of these (`NetworkModel.lab_index`).
    labeled_BC
        1 for the actions that are labeled behaviors of the pair.
    labels_BTC
        1 where the action occurs [B, T, C + V]; the V tasks' columns hold their targets.
    loss_mask_BTC
        1 where the target counts [B, T, C + V].
    """

    tracks: Tracks
    lab_B: Tensor
    labeled_BC: Tensor
    labels_BTC: Tensor
    loss_mask_BTC: Tensor

    def __len__(self) -> int:
        return len(self.lab_B)

    def to(self, device: torch.device) -> Batch:
        """Return the batch with all its tensors on a device."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))

    def part(self, index: slice) -> Batch:
        """Return a range of its samples."""
        return Batch(*(getattr(self, field.name)[index] for field in fields(self)))
