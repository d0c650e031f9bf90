"""The network: gated dilated convolutions with residual connections.

Shape letters: B samples, F features, W width, S steps, A actions.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Tcn"]


class _Block(nn.Module):
    """Adds a gated dilated convolution of the normalised input."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)  # over the features of one step: no step depends on all others
        self.over_time = nn.Conv1d(width, 2 * width, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BWS: Tensor) -> Tensor:
        """Return the changed sequence [B, W, S]."""
        normalised = self.norm(x_BWS.transpose(1, 2)).transpose(1, 2)
        value, gate = self.over_time(normalised).chunk(2, dim=1)
        return x_BWS + self.dropout(self.out(value * gate.sigmoid()))


class Tcn(nn.Module):
    """The network: features [B, F, S] become logits [B, A, S]."""

    def __init__(self, features: int, actions: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.into = nn.Conv1d(features, width, 1)
        self.blocks = nn.Sequential(*(_Block(width, 2**k, dropout) for k in range(blocks)))
        self.head = nn.Conv1d(width, actions, 1)

    def forward(self, x_BFS: Tensor) -> Tensor:
        """Return the logits of every step [B, A, S]."""
        logits: Tensor = self.head(self.blocks(self.into(x_BFS)))
        return logits
