"""The CNN-Transformer: dilated residual convolutions for motion, a Transformer encoder for context.

Shape letters: B batch, T frames at 30 Hz, F features, D model width, C classes (actions), L labs (0 is "unknown").
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, interpolate

from etholake.models.layers import BatchNorm

__all__ = ["CnnTransformer", "sinusoidal_positions"]


class ResidualConv(nn.Module):
    """One dilated Conv1d → BatchNorm → GELU → dropout, added to its input. [B, D, T] → [B, D, T]."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.norm = BatchNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BDT: Tensor) -> Tensor:
        return x_BDT + self.dropout(nn.functional.gelu(self.norm(self.conv(x_BDT))))


class CnnTransformer(nn.Module):
    """features [B, T, F] → logits [B, T, C], given the lab and the labeled actions.

    Parameters
    ----------
    features, classes, labs
        F, C, and L (with the unknown lab, index 0).
    width, convs, kernel, cycle, encoders, heads, dropout
        D, number of convolutions (dilations 1, 2, 4, … up to 2^(cycle - 1), repeated), their kernel, encoder
        layers, attention heads.
    stride
        Frames that are averaged into one behind the first convolution; the layers after it are that much faster
        and see that much farther. Their result is interpolated back and added to the output of the first
        convolution.
    feature_dropout
        Fraction of the features that training hides from a whole window.
    """

    def __init__(
        self,
        *,
        features: int,
        classes: int,
        labs: int,
        width: int,
        convs: int,
        kernel: int,
        cycle: int,
        stride: int,
        encoders: int,
        heads: int,
        dropout: float,
        feature_dropout: float,
    ) -> None:
        super().__init__()
        self.hide = nn.Dropout1d(feature_dropout)  # of [B, F, T]: whole features
        self.inputs = nn.Linear(features, width)
        self.lab = nn.Embedding(labs, width)
        self.labeled = nn.Linear(classes, width, bias=False)
        self.stride = stride
        self.convs = nn.Sequential(*(ResidualConv(width, kernel, 2 ** (i % cycle), dropout) for i in range(convs)))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, encoders, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x_BTF: Tensor, lab_B: Tensor, labeled_BC: Tensor) -> Tensor:
        """Return logits [B, T, C] of scaled features, given the lab's index and the labeled actions (1 or 0)."""
        context_B1D = (self.lab(lab_B) + self.labeled(labeled_BC))[:, None]
        x_BTF = self.hide(x_BTF.transpose(1, 2)).transpose(1, 2)
        x_BTD = self.inputs(x_BTF) + context_B1D
        fine_BDT = self.convs[0](x_BTD.transpose(1, 2))
        coarse_BDT = fine_BDT if self.stride == 1 else avg_pool1d(fine_BDT, self.stride, ceil_mode=True)
        x_BTD = self.convs[1:](coarse_BDT).transpose(1, 2)
        x_BTD = x_BTD + sinusoidal_positions(x_BTD.shape[1], x_BTD.shape[2], x_BTD.device)
        x_BTD = self.encoder(x_BTD)
        if self.stride > 1:
            up_BDT = interpolate(x_BTD.transpose(1, 2), size=fine_BDT.shape[2], mode="linear")
            x_BTD = (fine_BDT + up_BDT).transpose(1, 2)
        return self.head(self.norm(x_BTD))


def sinusoidal_positions(T: int, D: int, device: torch.device) -> Tensor:
    """Return fixed sinusoidal positions [T, D] (Vaswani et al. 2017, section 3.5)."""
    at = torch.arange(T, device=device, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, D, 2, device=device, dtype=torch.float32) * (-math.log(10_000.0) / D))
    positions = torch.zeros(T, D, device=device)
    positions[:, 0::2] = torch.sin(at * rate)
    positions[:, 1::2] = torch.cos(at * rate)
    return positions
