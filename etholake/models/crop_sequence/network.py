"""Crops → frame backbone → sequence → one label, with pose fused in where it is there.

Shape letters: B clips, T frames, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from etholake.dataset.clip_batch import ClipBatch
from etholake.models.vision.frame_encoder import frame_encoder
from etholake.models.vision.head import LabHead
from etholake.models.vision.pose_features import KINEMATIC, kinematic_features
from etholake.models.vision.temporal import AttentionPooling, TemporalAttention

__all__ = ["CropSequence", "CrossModalFusion", "GatedFusion"]


class GatedFusion(nn.Module):
    """Gate each channel of the pose by both streams, then add it to the visual features through one layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * width, width)
        self.join = nn.Linear(2 * width, width)

    def forward(self, visual_BTD: Tensor, pose_BTD: Tensor) -> Tensor:
        """Return features [B, T, D] of both streams."""
        gate_BTD = torch.sigmoid(self.gate(torch.cat((visual_BTD, pose_BTD), dim=-1)))
        joined: Tensor = self.join(torch.cat((visual_BTD, gate_BTD * pose_BTD), dim=-1))
        return joined


class CrossModalFusion(nn.Module):
    """Attend over two tokens a time step, the visual and the pose one; the visual token goes on."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.kind = nn.Parameter(torch.zeros(2, width))
        self.layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )

    def forward(self, visual_BTD: Tensor, pose_BTD: Tensor) -> Tensor:
        """Return features [B, T, D] of both streams."""
        tokens = torch.stack((visual_BTD, pose_BTD), dim=2) + self.kind
        encoded = self.layer(tokens.flatten(0, 1))[:, 0]
        return encoded.view_as(visual_BTD)


class CropSequence(nn.Module):
    """Clips → logits [B, 1, C].

    A clip without pose goes through exactly the layers of a model of crops alone: its output does not depend on
    the layers of the pose, nor on the other clips of a batch.

    Parameters
    ----------
    backbone, crop_size, backbone_config
        The frame backbone (see `frame_encoder`), the side of a crop in pixels, and sizes of one of transformers.
    width, attention_layers, heads, dropout
        Width of the sequence, temporal self-attention blocks before the pooling (may be 0), their heads.
    pooling
        "lstm" (the last state), "lstm_attention" (attention over an LSTM's states) or "attention".
    pose_fusion
        "none", "gated" or "cross_modal".
    """

    def __init__(
        self,
        *,
        classes: int,
        labs: int,
        backbone: str,
        crop_size: int,
        width: int,
        attention_layers: int,
        heads: int,
        pooling: str,
        pose_fusion: str,
        nose: int,
        tail_base: int,
        dropout: float,
        backbone_config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = frame_encoder(backbone, crop_size, backbone_config or {})
        self.project = nn.Linear(self.backbone.width, width)
        self.nose, self.tail_base = nose, tail_base
        self.pose = self.fusion = None
        if pose_fusion != "none":
            self.pose = nn.Sequential(nn.Linear(2 * len(KINEMATIC), width), nn.ReLU(), nn.Linear(width, width))
            self.fusion = GatedFusion(width) if pose_fusion == "gated" else CrossModalFusion(width, heads, dropout)
        self.attention = TemporalAttention(width, attention_layers, heads, dropout)
        self.lstm = nn.LSTM(width, width, batch_first=True) if pooling != "attention" else None
        self.pool = AttentionPooling(width) if pooling != "lstm" else None
        self.head = LabHead(width, (width,), classes, labs, dropout)

    def forward(self, clips: ClipBatch, lab_B: Tensor, labeled_BC: Tensor) -> Tensor:
        """Return logits [B, 1, C]; `lab_B` holds indices, `labeled_BC` is 1 for labeled actions."""
        x_BTD = self.project(self.backbone(clips.frames_BTHW3))
        if self.pose is not None and self.fusion is not None and clips.keypoints_BTK3.shape[2]:
            values_BTF, mask_BTF = kinematic_features(
                clips.keypoints_BTK3[..., :2], self.nose, self.tail_base, clips.crop_size, clips.fps
            )
            fused_BTD = self.fusion(x_BTD, self.pose(torch.cat((values_BTF, mask_BTF), dim=-1)))
            x_BTD = torch.where(clips.with_pose[:, None, None], fused_BTD, x_BTD)
        x_BTD = self.attention(x_BTD)
        if self.lstm is not None:
            x_BTD = self.lstm(x_BTD)[0]
        pooled_BD = self.pool(x_BTD) if self.pool is not None else x_BTD[:, -1]
        logits: Tensor = self.head(pooled_BD[:, None], lab_B, labeled_BC)
        return logits
