"""The family `crop_sequence` for the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etholake.models.crop_sequence.config import PRESETS, CropSequenceConfig
from etholake.models.family import Sizes
from etholake.models.vision.family import FrameBackboneFamily, body_axis

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FAMILY", "CropSequenceFamily"]


class CropSequenceFamily(FrameBackboneFamily[CropSequenceConfig]):
    """A frame backbone on crops, a sequence model behind it, and key points fused in: one answer for a window."""

    name = "crop_sequence"
    summary = "an image backbone on every frame, an LSTM or attention over time, key points where there are some"
    presets = PRESETS
    default = "light"
    backbone_layer = "backbone"

    def reads_pose(self, config: CropSequenceConfig) -> bool:
        """Return whether key points are an input."""
        return config.pose_fusion != "none"

    def build(self, config: CropSequenceConfig, sizes: Sizes) -> nn.Module:
        """Return a new `CropSequence` with random weights."""
        from etholake.models.crop_sequence.network import CropSequence

        nose, tail_base = body_axis(config.encoder)
        return CropSequence(
            classes=sizes.classes, labs=sizes.labs, crop_size=sizes.crop_size, nose=nose, tail_base=tail_base,
            **config.sizes(),
        )  # fmt: skip


FAMILY = CropSequenceFamily()
