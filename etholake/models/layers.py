"""Layers that networks of several families share. Shape letters: B batch, T frames, D width."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["BatchNorm"]


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation [B, D, T] over the batch of *all* processes; `nn.SyncBatchNorm` needs a GPU for that."""

    def forward(self, x_BDT: Tensor) -> Tensor:
        """Return the normalised values [B, D, T]."""
        if not (self.training and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(x_BDT)
        from torch.distributed.nn import functional as together  # sums that gradients flow through

        assert self.running_mean is not None
        assert self.running_var is not None
        n = torch.tensor(float(x_BDT.shape[0] * x_BDT.shape[2]), device=x_BDT.device)
        n = together.all_reduce(n)
        mean_D = together.all_reduce(x_BDT.sum(dim=(0, 2))) / n
        centred = x_BDT - mean_D[:, None]
        var_D = together.all_reduce(centred.square().sum(dim=(0, 2))) / n
        with torch.no_grad():
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean_D, self.momentum or 0.1)
            self.running_var.lerp_(var_D * n / (n - 1), self.momentum or 0.1)
        scaled = centred * torch.rsqrt(var_D + self.eps)[:, None]
        return scaled * self.weight[:, None] + self.bias[:, None]
