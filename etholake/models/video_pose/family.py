"""The family `video_pose` for the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etholake.models.family import Sizes
from etholake.models.video_pose.config import PRESETS, VideoPoseConfig
from etholake.models.vision.family import VideoFamily, body_axis

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FAMILY", "VideoPoseFamily"]


class VideoPoseFamily(VideoFamily[VideoPoseConfig]):
    """A 3D CNN on clips and kinematic features of the key points: one answer for a window."""

    name = "video_pose"
    summary = "a 3D CNN on clips beside kinematic features of the key points"
    presets = PRESETS
    default = "light"

    def reads_pose(self, config: VideoPoseConfig) -> bool:  # noqa: ARG002  # always
        """Return whether key points are an input."""
        return True

    def build(self, config: VideoPoseConfig, sizes: Sizes) -> nn.Module:
        """Return a new `VideoPose` with random weights."""
        from etholake.models.video_pose.network import VideoPose

        nose, tail_base = body_axis(config.encoder)
        return VideoPose(classes=sizes.classes, labs=sizes.labs, nose=nose, tail_base=tail_base, **config.sizes())


FAMILY = VideoPoseFamily()
