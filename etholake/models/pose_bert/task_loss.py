"""The loss of tasks beside the actions: cross entropy of states, squared error of standardised numbers.

Shape letters: B batch, T frames of a window at 30 Hz, V tasks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from etholake.models.pose_bert.config import PoseBertConfig

__all__ = ["task_losses"]


def task_losses(outputs_BTV: Tensor, targets_BTV: Tensor, known_BTV: Tensor, config: PoseBertConfig) -> Tensor:
    """Return the loss of each task [V]: the mean over a whole batch, in which unknown values count 0.

    The part of a batch that a process or a step of accumulation has is divided by the frames of the whole batch,
    so that parts add up. No gradient reaches the head of a task whose values are all unknown.
    """
    outputs = outputs_BTV.float()
    state_V = torch.tensor([task.is_state for task in config.asked()], device=outputs.device)
    loss_BTV = torch.where(
        state_V,
        binary_cross_entropy_with_logits(outputs, targets_BTV, reduction="none"),
        (outputs - targets_BTV).square(),
    )
    frames = config.batch * outputs.shape[1]
    return torch.where(known_BTV > 0, loss_BTV, 0.0).sum(dim=(0, 1)) / frames
