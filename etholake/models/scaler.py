"""Robust scaling: (x - median) / interquartile range, clipped to ±5. Statistics are saved with the model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["RobustScaler"]

CLIP = 5.0
BLOCK = 1024  # rows of features that a core scales at once: they stay in its cache


@dataclass(frozen=True)
class RobustScaler:
    """Median and interquartile range of every feature [F].

    A feature that hardly varies (masks, flags) is not scaled: its median is 0 and its range 1.
    """

    median_F: Tensor
    iqr_F: Tensor

    @classmethod
    def fit(cls, x_NF: Tensor) -> RobustScaler:
        """Compute the statistics from rows of features; zeros, which are missing values in most, are left out."""
        x_NF = x_NF[:200_000]
        present = torch.where(x_NF == 0, torch.nan, x_NF)
        quartiles = torch.nanquantile(present, torch.tensor([0.25, 0.5, 0.75]), dim=0)
        low, median, high = torch.nan_to_num(quartiles)
        iqr = high - low
        flat = iqr < 1e-4
        return cls(torch.where(flat, 0.0, median), torch.where(flat, 1.0, iqr))

    @classmethod
    def none(cls) -> RobustScaler:
        """Return the scaler of an input without features."""
        return cls(torch.zeros(0), torch.ones(0))

    def __call__(self, x_BTF: Tensor) -> Tensor:
        """Return scaled features; a 0 (missing) stays 0."""
        median_F, iqr_F = self.median_F.to(x_BTF.device), self.iqr_F.to(x_BTF.device)
        scaled_BTF = torch.empty_like(x_BTF, memory_format=torch.contiguous_format)
        rows = BLOCK if x_BTF.device.type == "cpu" else max(1, x_BTF.shape[:-1].numel())
        blocks = (t.reshape(-1, t.shape[-1]).split(rows) for t in (x_BTF, scaled_BTF))
        for x_NF, scaled_NF in zip(*blocks, strict=True):
            present_NF = torch.ne(x_NF, 0, out=torch.empty_like(x_NF))  # as numbers: cheaper than booleans
            torch.sub(x_NF, median_F, out=scaled_NF).div_(iqr_F).clamp_(-CLIP, CLIP).mul_(present_NF)
        return scaled_BTF
