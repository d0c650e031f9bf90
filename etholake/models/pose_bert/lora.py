"""A linear layer that fine-tuning can change by a matrix of low rank (LoRA, Hu et al. 2022).

Two matrices a layer are all that it needs, so `peft`, which wraps whole models of another library and stores them
in its own format, is no dependency.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Projection"]


class Projection(nn.Linear):
    """``W x + b``, with a rank also ``+ B A x``; B starts at zero, so that nothing changes at first."""

    def __init__(self, before: int, after: int, rank: int) -> None:
        super().__init__(before, after)
        self.lora_a = nn.Parameter(torch.randn(rank, before) * before**-0.5) if rank else None
        self.lora_b = nn.Parameter(torch.zeros(after, rank)) if rank else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output [..., after]."""
        y = super().forward(x)
        if self.lora_a is None or self.lora_b is None:
            return y
        return y + (x @ self.lora_a.T) @ self.lora_b.T
