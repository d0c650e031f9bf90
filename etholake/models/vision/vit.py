"""Vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) in plain torch.

The parameters have torchvision's names: a state dict that torchvision wrote for `vit_b_16` at 224 pixels loads
unchanged.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from etholake.errors import UsageError
from etholake.models.recomputation import RecomputableBlock

__all__ = ["VisionTransformer", "vit_b_16"]


class _Layer(RecomputableBlock):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(0.0), nn.Linear(hidden, width), nn.Dropout(0.0)
        )

    def forward(self, x_NPD: Tensor) -> Tensor:
        normed = self.ln_1(x_NPD)
        x_NPD = x_NPD + self.self_attention(normed, normed, normed, need_weights=False)[0]
        hidden: Tensor = self.mlp(self.ln_2(x_NPD))
        return x_NPD + hidden


class _Encoder(nn.Module):
    def __init__(self, positions: int, layers: int, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, positions, width).normal_(std=0.02))
        self.layers = nn.Sequential(
            OrderedDict((f"encoder_layer_{i}", _Layer(width, heads, hidden)) for i in range(layers))
        )
        self.ln = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x_NPD: Tensor) -> Tensor:
        encoded: Tensor = self.ln(self.layers(x_NPD + self.pos_embedding))
        return encoded


class VisionTransformer(nn.Module):
    """Images [N, 3, size, size], normalised as ImageNet's, → logits [N, classes]; the class token if that is 0.

    `patch` divides `size`; both in pixels. Raises UsageError otherwise.
    """

    def __init__(
        self, size: int, patch: int, layers: int, width: int, heads: int, hidden: int, classes: int = 0
    ) -> None:
        super().__init__()
        if size % patch:
            raise UsageError(f"A vision transformer with patches of {patch} pixels needs a crop size that is a "
                             f"multiple of {patch}, but got {size}.")  # fmt: skip
        self.width, self.side = width, size // patch
        self.conv_proj = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder = _Encoder((size // patch) ** 2 + 1, layers, width, heads, hidden)
        self.heads: nn.Module = (
            nn.Sequential(OrderedDict(head=nn.Linear(width, classes))) if classes else nn.Identity()
        )

    def adapted(self, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a state dict of another image size with its positions interpolated to this one's grid.

        As Dosovitskiy et al. 2021 (section 3.2) do: the class token keeps its position, the patches' are resized.
        """
        name = "encoder.pos_embedding"
        positions = stored.get(name)
        if positions is None or positions.ndim != 3:
            return dict(stored)
        side = math.isqrt(positions.shape[1] - 1)
        if side == self.side or side * side != positions.shape[1] - 1:
            return dict(stored)
        grid = positions[:, 1:].transpose(1, 2).unflatten(2, (side, side)).float()
        resized = functional.interpolate(grid, (self.side, self.side), mode="bicubic", align_corners=False)
        fitted = torch.cat((positions[:, :1].float(), resized.flatten(2).transpose(1, 2)), dim=1)
        return {**stored, name: fitted}

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return logits [N, classes], or features [N, width]."""
        patches_NPD = self.conv_proj(x_NCHW).flatten(2).transpose(1, 2)
        tokens_NPD = torch.cat((self.class_token.expand(len(patches_NPD), -1, -1), patches_NPD), dim=1)
        logits: Tensor = self.heads(self.encoder(tokens_NPD)[:, 0])
        return logits


def vit_b_16(size: int = 224, classes: int = 0) -> VisionTransformer:
    """Return ViT-B/16: 768 features, 85.8 million parameters without classifier."""
    return VisionTransformer(size, 16, 12, 768, 12, 3072, classes)
