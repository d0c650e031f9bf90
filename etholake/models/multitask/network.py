"""Frame encoder, pose graph and temporal convolutions with two heads: actions and key points of every frame.

Shape letters: B clips, T frames, K key points, D width, C classes, G features of the pose graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from etholake.dataset.clip_batch import ClipBatch
from etholake.models.vision.frame_backbone import FrameBackbone
from etholake.models.vision.head import LabHead
from etholake.models.vision.pose_features import PoseGraph
from etholake.models.vision.temporal import DilatedTCN

__all__ = ["MultiTask", "MultiTaskOutput"]


@dataclass(frozen=True)
class MultiTaskOutput:
    """Logits [B, T, C], and key points [B, T, K, 2] in crop sizes (0..1); None for a model of actions only."""

    logits_BTC: Tensor
    keypoints_BTK2: Tensor | None


class MultiTask(nn.Module):
    """Clips → `MultiTaskOutput`. The pose graph's features are an input where key points are there; else zeros."""

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
        weights: Path | None = None,
    ) -> None:
        super().__init__()
        self.frames = FrameBackbone(backbone, crop_size, weights)
        self.project = nn.Linear(self.frames.width, width)
        self.graph = graph
        self.pose = nn.Sequential(nn.Linear(2 * len(graph.names), width), nn.ReLU(), nn.Linear(width, width))
        self.tcn = DilatedTCN(width, layers, dropout)
        self.head = LabHead(width, (), classes, labs, dropout)
        self.keypoints = None if action_only else nn.Linear(width, 2 * len(graph.parts))

    def forward(self, clips: ClipBatch, lab_B: Tensor, labeled_BC: Tensor) -> MultiTaskOutput:
        """Return both heads; `lab_B` holds indices of labs, `labeled_BC` is 1 for labeled actions."""
        x_BTD = self.project(self.frames(clips.frames_BTHW3))
        if clips.keypoints_BTK3.shape[2]:
            values_BTG, mask_BTG = self.graph.features(clips.keypoints_BTK3[..., :2], clips.crop_size)
            pose_BTD = self.pose(torch.cat((values_BTG, mask_BTG), dim=-1))
            x_BTD = x_BTD + torch.where(clips.with_pose[:, None, None], pose_BTD, 0.0)
        x_BTD = self.tcn(x_BTD)
        logits_BTC = self.head(x_BTD, lab_B, labeled_BC)
        if self.keypoints is None:
            return MultiTaskOutput(logits_BTC, None)
        points = self.keypoints(x_BTD)
        return MultiTaskOutput(logits_BTC, points.view(*points.shape[:2], -1, 2))
