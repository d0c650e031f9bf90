"""The loss: binary cross entropy per action, masked to what was looked for; optionally focal, or shaped like F.

Shape letters: B batch, T ticks of a window, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from etholake.dataset.batch import Batch
from etholake.models.config import NetworkConfig

__all__ = ["batch_loss", "masked_loss", "positive_weights", "soft_f1_loss"]


def batch_loss(
    logits_BTC: Tensor, batch: Batch, config: NetworkConfig, weight_C: Tensor, entries: Tensor
) -> Tensor:
    """What a configuration minimises; `entries` is what `masked_loss` divides by."""
    labels = batch.labels_BTC
    if config.label_smoothing:
        labels = labels * (1 - config.label_smoothing) + config.label_smoothing / 2
    gamma_negative = config.focal_gamma if config.negative_gamma is None else config.negative_gamma
    loss = masked_loss(
        logits_BTC, labels, batch.wanted_BTC, weight_C=weight_C, gammas=(config.focal_gamma, gamma_negative),
        entries=entries,
    )  # fmt: skip
    if not config.soft_f1:
        return loss
    shaped = soft_f1_loss(logits_BTC, batch.labels_BTC, batch.wanted_BTC) * (batch.wanted_BTC.sum() / entries)
    return (1 - config.soft_f1) * loss + config.soft_f1 * shaped


def masked_loss(
    logits_BTC: Tensor,
    labels_BTC: Tensor,
    wanted_BTC: Tensor,
    *,
    weight_C: Tensor | None = None,
    gammas: tuple[float, float] = (0.0, 0.0),
    entries: Tensor | None = None,
) -> Tensor:
    """Mean loss over the entries with ``wanted == 1``; the others add nothing, whatever they hold. 0 if none.

    `weight_C` multiplies the loss of positives. `gammas` (of positives, of negatives) above 0 scale each entry by
    (1 - p_true) ** gamma, so that what is easy counts little (focal loss, Lin et al. 2017; with two different
    ones asymmetric loss, Ridnik et al. 2021). `entries` is the number to divide by, if this is but a part.
    """
    logits = logits_BTC.float()
    loss = binary_cross_entropy_with_logits(logits, labels_BTC, reduction="none", pos_weight=weight_C)
    if any(gammas):
        p = torch.sigmoid(logits)
        p_true = p * labels_BTC + (1 - p) * (1 - labels_BTC)
        gamma = gammas[0] * labels_BTC + gammas[1] * (1 - labels_BTC)
        loss = loss * (1 - p_true).clamp(min=1e-6).pow(gamma)
    total = wanted_BTC.sum() if entries is None else entries
    return torch.where(wanted_BTC > 0, loss, 0.0).sum() / total.clamp(min=1)


def soft_f1_loss(logits_BTC: Tensor, labels_BTC: Tensor, wanted_BTC: Tensor) -> Tensor:
    """1 - mean soft F1 of the classes that were looked for: probabilities stand for frames in TP, FP and FN.

    Of this part of the batch alone: with several processes or accumulated parts it is the mean of theirs.
    """
    p = torch.where(wanted_BTC > 0, torch.sigmoid(logits_BTC.float()), 0.0)
    labels = labels_BTC * wanted_BTC
    tp, predicted, true = ((p * labels).sum(dim=(0, 1)), p.sum(dim=(0, 1)), labels.sum(dim=(0, 1)))
    f1_C = (2 * tp + 1) / (predicted + true + 1)
    looked = (wanted_BTC > 0).any(dim=0).any(dim=0).float()
    return 1 - (f1_C * looked).sum() / looked.sum().clamp(min=1)


def positive_weights(share_C: Tensor, cap: float) -> Tensor:
    """Weight of positives [C]: square root of negatives per positive, between 1 and `cap`; 1 where none occurs."""
    odds = (1 - share_C) / share_C.clamp(min=1e-6)
    return torch.where(share_C > 0, odds.sqrt().clamp(1.0, max(1.0, cap)), 1.0)
