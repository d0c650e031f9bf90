"""The layers of every video network that know actions and labs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LAB_HEAD_INPUTS", "LAB_HEAD_LABS", "LAB_HEAD_OUTPUTS", "LabHead"]

LAB_HEAD_OUTPUTS = {"head.output.weight": 0, "head.output.bias": 0}
LAB_HEAD_INPUTS = {"head.labeled.weight": 1}
LAB_HEAD_LABS = {"head.lab.weight": 0}


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
