"""Both ends of every video network: its input, and the layers that know actions and labs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["LAB_HEAD_INPUTS", "LAB_HEAD_LABS", "LAB_HEAD_OUTPUTS", "ClipBatch", "LabHead"]

LAB_HEAD_OUTPUTS = {"head.output.weight": 0, "head.output.bias": 0}
LAB_HEAD_INPUTS = {"head.labeled.weight": 1}
LAB_HEAD_LABS = {"head.lab.weight": 0}


@dataclass(frozen=True)
class ClipBatch:
    """Windows of B animals or pairs, as tensors on one device.

    Attributes
    ----------
    frames_BTHW3
        RGB, uint8 or float 0..255.
    keypoints_BTK3
        x and y in pixels of the crop (NaN where missing), and a confidence 0..1. K may be 0.
    fps
        Frames a second of the windows.
    """

    frames_BTHW3: Tensor
    keypoints_BTK3: Tensor
    fps: float

    @property
    def crop_size(self) -> int:
        """Side of the square crop in pixels."""
        return int(self.frames_BTHW3.shape[3])

    @property
    def with_pose(self) -> Tensor:
        """[B], true for the windows in which any key point was seen."""
        return self.keypoints_BTK3[..., :2].isfinite().flatten(1).any(-1)


class LabHead(nn.Module):
    """Features [B, T, D] → logits [B, T, C]; the lab (index, 0 is unknown) and the labeled actions are added."""

    def __init__(self, width: int, hidden: tuple[int, ...], classes: int, labs: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.hidden = nn.Sequential(*layers)
        self.lab = nn.Embedding(labs, width)
        self.labeled = nn.Linear(classes, width, bias=False)
        nn.init.zeros_(self.lab.weight)
        nn.init.zeros_(self.labeled.weight)
        self.output = nn.Linear(width, classes)

    def forward(self, x_BTD: Tensor, lab_B: Tensor, labeled_BC: Tensor) -> Tensor:
        """Return logits [B, T, C]."""
        context_B1D = (self.lab(lab_B) + self.labeled(labeled_BC))[:, None]
        logits: Tensor = self.output(torch.relu(self.hidden(x_BTD) + context_B1D))
        return logits
