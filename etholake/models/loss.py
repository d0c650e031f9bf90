"""The loss: binary cross entropy per action, masked to the labeled behaviors; optionally focal, or shaped like F.

Shape letters: B batch, T frames of a window at 30 Hz, C classes (actions).
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
    """Return the loss that a configuration asks for; `entries` is the number that `masked_loss` divides by."""
    labels = batch.labels_BTC
    if config.label_smoothing:
        labels = labels * (1 - config.label_smoothing) + config.label_smoothing / 2
    gamma_negative = config.focal_gamma if config.negative_gamma is None else config.negative_gamma
    loss = masked_loss(
        logits_BTC, labels, batch.loss_mask_BTC, weight_C=weight_C, gammas=(config.focal_gamma, gamma_negative),
        entries=entries,
    )  # fmt: skip
    if not config.soft_f1:
        return loss
    shaped = soft_f1_loss(logits_BTC, batch.labels_BTC, batch.loss_mask_BTC) * (
        batch.loss_mask_BTC.sum() / entries
    )
    return (1 - config.soft_f1) * loss + config.soft_f1 * shaped


def masked_loss(
    logits_BTC: Tensor,
    labels_BTC: Tensor,
    loss_mask_BTC: Tensor,
    *,
    weight_C: Tensor | None = None,
    gammas: tuple[float, float] = (0.0, 0.0),
    entries: Tensor | None = None,
) -> Tensor:
    """Return the mean loss over the entries with ``loss_mask_BTC == 1``; 0 if there is none.

    `weight_C` multiplies the loss of positives. `gammas` (of positives, of negatives) above 0 scale each entry by
    (1 - p_true) ** gamma, so that easy entries count little (focal loss, Lin et al. 2017; with two different
    ones asymmetric loss, Ridnik et al. 2021). `entries` is the number to divide by, where these are only a part of
    the batch.
    """
    logits = logits_BTC.float()
    loss = binary_cross_entropy_with_logits(logits, labels_BTC, reduction="none", pos_weight=weight_C)
    if any(gammas):
        p = torch.sigmoid(logits)
        p_true = p * labels_BTC + (1 - p) * (1 - labels_BTC)
        gamma = gammas[0] * labels_BTC + gammas[1] * (1 - labels_BTC)
        loss = loss * (1 - p_true).clamp(min=1e-6).pow(gamma)
    total = loss_mask_BTC.sum() if entries is None else entries
    return torch.where(loss_mask_BTC > 0, loss, 0.0).sum() / total.clamp(min=1)


def soft_f1_loss(logits_BTC: Tensor, labels_BTC: Tensor, loss_mask_BTC: Tensor) -> Tensor:
    """Return 1 - the mean soft F1 of the labeled actions: TP, FP and FN are sums of probabilities.

    It is computed for this part of the batch alone; with several processes or parts the mean of theirs is
    minimised.
    """
    p = torch.where(loss_mask_BTC > 0, torch.sigmoid(logits_BTC.float()), 0.0)
    labels = labels_BTC * loss_mask_BTC
    tp, predicted, true = ((p * labels).sum(dim=(0, 1)), p.sum(dim=(0, 1)), labels.sum(dim=(0, 1)))
    f1_C = (2 * tp + 1) / (predicted + true + 1)
    labeled = (loss_mask_BTC > 0).any(dim=0).any(dim=0).float()
    return 1 - (f1_C * labeled).sum() / labeled.sum().clamp(min=1)


def positive_weights(prevalence_C: Tensor, cap: float) -> Tensor:
    """Return the weight of positives [C]: the square root of negatives per positive, between 1 and `cap`.

    It is 1 for an action without positives. `prevalence_C` is the fraction of frames that are positive (0..1).
    """
    odds = (1 - prevalence_C) / prevalence_C.clamp(min=1e-6)
    return torch.where(prevalence_C > 0, odds.sqrt().clamp(1.0, max(1.0, cap)), 1.0)
