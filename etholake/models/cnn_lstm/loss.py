"""The focal loss of the CNN-BiLSTM (Lin et al. 2017), with class weights inverse to the class frequencies.

Shape letters: B batch, T frames of a window at 30 Hz, C classes (actions).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from etholake.dataset.batch import Batch

__all__ = ["inverse_frequencies", "window_loss", "window_targets"]

RAREST = 1e-4  # a class that is rarer weighs no more than one of this frequency


def inverse_frequencies(prevalence_C: Tensor, *, other: bool) -> Tensor:
    """Return weights [C] inverse to the fraction of frames (0..1), with mean 1 over the classes that occur.

    A class that does not occur has the weight 1. With `other` [C + 1]: the last is that of frames without an
    action, whose fraction is taken as if actions were independent of each other.
    """
    frequency = prevalence_C
    if other:
        frequency = torch.cat([frequency, (1 - frequency).prod()[None]])
    occurs = frequency > 0
    inverse = 1 / frequency.clamp(min=RAREST)
    return torch.where(occurs, inverse / inverse[occurs].mean(), 1.0)


def window_targets(batch: Batch) -> Tensor:
    """Return the label of each window as a distribution [B, C + 1]: that of its middle frame; the last is "other".

    Several actions at once have equal parts of it.
    """
    middle = batch.labels_BTC.shape[1] // 2
    labels_BC = batch.labels_BTC[:, middle] * batch.labeled_BC
    total_B1 = labels_BC.sum(dim=1, keepdim=True)
    return torch.cat([labels_BC / total_B1.clamp(min=1), 1 - total_B1.clamp(max=1)], dim=1)


def window_loss(logits_BTC: Tensor, batch: Batch, gamma: float, weight_C: Tensor, entries: Tensor) -> Tensor:
    """Return the focal loss of one label a window; windows whose middle does not train count nothing.

    `logits_BTC` are log odds [B, T, C + 1], equal on all frames. A window weighs as many `entries` as it has.
    """
    middle = batch.labels_BTC.shape[1] // 2
    target_BC = window_targets(batch)
    possible_BC = torch.cat([batch.labeled_BC, torch.ones_like(batch.labeled_BC[:, :1])], dim=1) > 0
    log_odds_BC = torch.where(possible_BC, logits_BTC[:, middle].float(), 0.0)
    focal_BC = torch.sigmoid(-log_odds_BC).pow(gamma) * -logsigmoid(log_odds_BC)
    loss_B = torch.where(possible_BC, weight_C * target_BC * focal_BC, 0.0).sum(dim=1)
    trains_B = (batch.loss_mask_BTC[:, middle] > 0).any(dim=1)
    size_B = batch.loss_mask_BTC.sum(dim=(1, 2)) * trains_B
    return (loss_B * size_B).sum() / entries.clamp(min=1)
