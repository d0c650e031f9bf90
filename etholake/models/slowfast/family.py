"""The family `slowfast` for the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etholake.models.family import Sizes
from etholake.models.slowfast.config import PRESETS, SlowFastConfig
from etholake.models.vision.family import VideoFamily, body_axis

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FAMILY", "SlowFastFamily"]


class SlowFastFamily(VideoFamily[SlowFastConfig]):
    """SlowFast R50 on clips, with the pose joined before the head: one answer for a window."""

    name = "slowfast"
    summary = "SlowFast R50: a slow and a fast pathway over the frames, key points joined late"
    presets = PRESETS
    default = "r50"

    def reads_pose(self, config: SlowFastConfig) -> bool:
        """Return whether key points are an input."""
        return config.pose_width > 0

    def build(self, config: SlowFastConfig, sizes: Sizes) -> nn.Module:
        """Return a new `SlowFast` with random weights."""
        from etholake.models.slowfast.network import SlowFast

        nose, tail_base = body_axis(config.encoder)
        return SlowFast(classes=sizes.classes, labs=sizes.labs, nose=nose, tail_base=tail_base, **config.sizes())

    def backbone_name(self, config: SlowFastConfig) -> str:  # noqa: ARG002  # there is one only
        """Return the name of the backbone, which has pytorchvideo's parameters."""
        return "slowfast"

    def backbone(self, network: nn.Module) -> nn.Module:
        """Return the two pathways."""
        backbone: nn.Module = network.get_submodule("backbone")
        return backbone


FAMILY = SlowFastFamily()
