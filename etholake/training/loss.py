"""The loss: binary cross entropy per action, masked to what was looked for, optionally focal.

Shape letters: B batch, T ticks of a window, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

__all__ = ["masked_loss", "positive_weights"]


def masked_loss(
    logits_BTC: Tensor,
    labels_BTC: Tensor,
    wanted_BTC: Tensor,
    *,
    weight_C: Tensor | None = None,
    focal_gamma: float = 0.0,
) -> Tensor:
    """Mean loss over the entries with ``wanted == 1``; the others add nothing, whatever they hold. 0 if none.

    `weight_C` multiplies the loss of positives. `focal_gamma` > 0 scales each entry by (1 - p_true) ** gamma
    (Lin et al. 2017, focal loss), so that easy negatives count little.
    """
    logits = logits_BTC.float()
    loss = binary_cross_entropy_with_logits(logits, labels_BTC, reduction="none", pos_weight=weight_C)
    if focal_gamma:
        p = torch.sigmoid(logits)
        p_true = p * labels_BTC + (1 - p) * (1 - labels_BTC)
        loss = loss * (1 - p_true).pow(focal_gamma)
    return torch.where(wanted_BTC > 0, loss, 0.0).sum() / wanted_BTC.sum().clamp(min=1)


def positive_weights(share_C: Tensor, cap: float) -> Tensor:
    """Weight of positives [C]: square root of negatives per positive, between 1 and `cap`; 1 where none occurs."""
    odds = (1 - share_C) / share_C.clamp(min=1e-6)
    return torch.where(share_C > 0, odds.sqrt().clamp(1.0, max(1.0, cap)), 1.0)
