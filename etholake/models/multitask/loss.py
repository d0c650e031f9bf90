"""The loss of predicted key points. Shape letters: B windows, T frames, K key points."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from etholake.dataset.clip_batch import ClipBatch

__all__ = ["keypoint_loss"]

BETA = 0.05  # crop sizes: below it the loss is quadratic


def keypoint_loss(points_BTP: Tensor, clips: ClipBatch) -> Tensor:
    """Return the mean Huber loss of x and y, in crop sizes, over key points that were seen; 0 if none was.

    `points_BTP` are [B, T, 2K]: x and y of each key point (0..1 within the crop).
    """
    true = clips.keypoints_BTK3[..., :2] / clips.crop_size
    predicted = points_BTP.float().view_as(true)
    seen = true.isfinite()
    loss = smooth_l1_loss(predicted, torch.where(seen, true, 0.0), reduction="none", beta=BETA)
    return torch.where(seen, loss, 0.0).sum() / seen.sum().clamp(min=1)
