"""Layers over time that several video families share. Shape letters: B batch, T time steps, D width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etholake.models.cnn_transformer.network import sinusoidal_positions

__all__ = ["AttentionPooling", "DilatedTCN", "TemporalAttention"]


class AttentionPooling(nn.Module):
    """Weighted mean over time, [B, T, D] → [B, D]; `weights` returns the weights [B, T], which sum to 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def weights(self, x_BTD: Tensor) -> Tensor:
        """Return how much each time step counts, [B, T]."""
        return self.score(torch.tanh(x_BTD)).squeeze(-1).softmax(dim=-1)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return the weighted mean [B, D]."""
        return torch.einsum("bt,btd->bd", self.weights(x_BTD), x_BTD)


class TemporalAttention(nn.Module):
    """Transformer encoder over time with sinusoidal positions, [B, T, D] → [B, T, D]; no layers change nothing."""

    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False) if layers else None

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return encoded features [B, T, D]."""
        if self.encoder is None:
            return x_BTD
        positions_TD = sinusoidal_positions(x_BTD.shape[1], x_BTD.shape[2], x_BTD.device).to(x_BTD.dtype)
        encoded: Tensor = self.encoder(x_BTD + positions_TD)
        return encoded


class DilatedTCN(nn.Module):
    """Residual convolutions over time with dilations 1, 2, 4, …, [B, T, D] → [B, T, D] (Farha and Gall 2019)."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 3, padding=2**i, dilation=2**i) for i in range(layers))
        self.mixes = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return features [B, T, D] that saw a longer stretch of time."""
        x_BDT = x_BTD.transpose(1, 2)
        for conv, mix in zip(self.convs, self.mixes, strict=True):
            x_BDT = x_BDT + self.dropout(mix(torch.relu(conv(x_BDT))))
        return x_BDT.transpose(1, 2)
