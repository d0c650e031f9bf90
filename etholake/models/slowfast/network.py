"""SlowFast R50 on clips, with the pose pooled over time and joined before the head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etholake.dataset.clip_batch import ClipBatch
from etholake.models.video_pose.network import PoseStream
from etholake.models.vision.frame_backbone import normalised
from etholake.models.vision.head import LabHead
from etholake.models.vision.slowfast_r50 import SlowFastR50

__all__ = ["SlowFast"]


class SlowFast(nn.Module):
    """Clips (32 frames as published; any multiple of 4) → logits [B, 1, C].

    `pose_width` is the width of the pose's features; 0 leaves the pose out.
    """

    def __init__(
        self,
        *,
        classes: int,
        labs: int,
        width: int,
        depths: tuple[int, int, int, int],
        pose_width: int,
        nose: int,
        tail_base: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.backbone = SlowFastR50(width=width, depths=depths)
        self.pose = PoseStream(pose_width, nose, tail_base, dropout) if pose_width else None
        self.head = LabHead(self.backbone.width + pose_width, (), classes, labs, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, clips: ClipBatch, lab_B: Tensor, labeled_BC: Tensor) -> Tensor:
        """Return logits [B, 1, C]; `lab_B` holds indices, `labeled_BC` is 1 for labeled actions."""
        x_BD = self.backbone(normalised(clips.frames_BTHW3))
        if self.pose is not None:
            x_BD = torch.cat((x_BD, self.pose(clips)), dim=-1)
        logits: Tensor = self.head(self.dropout(x_BD)[:, None], lab_B, labeled_BC)
        return logits
