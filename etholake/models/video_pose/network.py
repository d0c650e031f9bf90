"""Two streams, pixels and key points, joined late. Shape letters: B clips, T frames, D width, C classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etholake.dataset.clip_batch import ClipBatch
from etholake.models.cnn3d.network import Cnn3dTrunk
from etholake.models.vision.head import LabHead
from etholake.models.vision.pose_features import KINEMATIC, kinematic_features
from etholake.models.vision.temporal import AttentionPooling

__all__ = ["PoseStream", "VideoPose"]


class PoseStream(nn.Module):
    """Key points → features [B, D]: 18 kinematic features and their mask a frame, an MLP, attention over time.

    A clip without any key point gets a learnt vector. `nose` and `tail_base` are positions among the key points.
    """

    def __init__(self, width: int, nose: int, tail_base: int, dropout: float) -> None:
        super().__init__()
        self.nose, self.tail_base = nose, tail_base
        self.mlp = nn.Sequential(
            nn.Linear(2 * len(KINEMATIC), width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.pool = AttentionPooling(width)
        self.absent = nn.Parameter(torch.zeros(width))

    def forward(self, clips: ClipBatch) -> Tensor:
        """Return features [B, D]."""
        values_BTF, mask_BTF = kinematic_features(
            clips.keypoints_BTK3[..., :2], self.nose, self.tail_base, clips.crop_size, clips.fps
        )
        pooled_BD = self.pool(self.mlp(torch.cat((values_BTF, mask_BTF), dim=-1)))
        return torch.where(clips.with_pose[:, None], pooled_BD, self.absent)


class VideoPose(nn.Module):
    """Clips → logits [B, 1, C] from a visual stream, a pose stream or both.

    `streams` ("visual", "pose", "both") is an argument of `forward`, so that a report can leave out one stream of
    the same weights; the stream left out counts as zeros.
    """

    def __init__(
        self,
        *,
        classes: int,
        labs: int,
        widths: tuple[int, ...],
        repeats: tuple[int, ...],
        stream_width: int,
        nose: int,
        tail_base: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.visual = Cnn3dTrunk(widths, repeats)
        self.project = nn.Linear(self.visual.width, stream_width)
        self.pose = PoseStream(stream_width, nose, tail_base, dropout)
        self.head = LabHead(2 * stream_width, (stream_width,), classes, labs, dropout)

    def forward(self, clips: ClipBatch, lab_B: Tensor, labeled_BC: Tensor, streams: str = "both") -> Tensor:
        """Return logits [B, 1, C]; `lab_B` holds indices, `labeled_BC` is 1 for labeled actions."""
        visual_BD = self.project(self.visual(clips.frames_BTHW3))
        pose_BD = self.pose(clips)
        if streams != "both":
            visual_BD, pose_BD = visual_BD * (streams == "visual"), pose_BD * (streams == "pose")
        logits: Tensor = self.head(torch.cat((visual_BD, pose_BD), dim=-1)[:, None], lab_B, labeled_BC)
        return logits
