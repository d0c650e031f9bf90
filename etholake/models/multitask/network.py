"""Frame encoder, pose graph and temporal convolutions with two heads: actions and key points of every frame.

Shape letters: B clips, T frames, K key points, D width, C classes, G features of the pose graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from etholake.dataset.clip_batch import ClipBatch
from etholake.models.vision.frame_encoder import frame_encoder
from etholake.models.vision.head import LabHead
from etholake.models.vision.pose_features import PoseGraph
from etholake.models.vision.temporal import DilatedTCN

__all__ = ["MultiTask"]


class MultiTask(nn.Module):
    """Clips → logits [B, T, C], and behind them x and y of K key points [B, T, C + 2K] in crop sizes (0..1).

    A model of actions only (`action_only`) has no key points. The pose graph's features are an input where key
    points are there; else zeros.
    """

    def __init__(
        self,
        *,
        classes: int,
        labs: int,
        backbone: str,
        crop_size: int,
        graph: PoseGraph,
        width: int,
        layers: int,
        dropout: float,
        action_only: bool,
        backbone_config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.frames = frame_encoder(backbone, crop_size, backbone_config or {})
        self.project = nn.Linear(self.frames.width, width)
        self.graph = graph
        self.pose = nn.Sequential(nn.Linear(2 * len(graph.names), width), nn.ReLU(), nn.Linear(width, width))
        self.tcn = DilatedTCN(width, layers, dropout)
        self.head = LabHead(width, (), classes, labs, dropout)
        self.keypoints = None if action_only else nn.Linear(width, 2 * len(graph.parts))

    def forward(self, clips: ClipBatch, lab_B: Tensor, labeled_BC: Tensor) -> Tensor:
        """Return both heads [B, T, C + 2K]; `lab_B` holds indices, `labeled_BC` is 1 for labeled actions."""
        x_BTD = self.project(self.frames(clips.frames_BTHW3))
        if clips.keypoints_BTK3.shape[2]:
            values_BTG, mask_BTG = self.graph.features(clips.keypoints_BTK3[..., :2], clips.crop_size)
            pose_BTD = self.pose(torch.cat((values_BTG, mask_BTG), dim=-1))
            x_BTD = x_BTD + torch.where(clips.with_pose[:, None, None], pose_BTD, 0.0)
        x_BTD = self.tcn(x_BTD)
        logits_BTC: Tensor = self.head(x_BTD, lab_B, labeled_BC)
        return logits_BTC if self.keypoints is None else torch.cat((logits_BTC, self.keypoints(x_BTD)), dim=-1)
