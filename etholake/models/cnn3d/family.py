"""The family `cnn3d` for the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etholake.models.cnn3d.config import PRESETS, Cnn3dConfig
from etholake.models.family import Sizes
from etholake.models.vision.family import VideoFamily

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FAMILY", "Cnn3dFamily"]


class Cnn3dFamily(VideoFamily[Cnn3dConfig]):
    """A 3D CNN on grayscale clips: one answer for a window."""

    name = "cnn3d"
    summary = "a 3D CNN on clips of the video, without key points"
    presets = PRESETS
    default = "light"

    def build(self, config: Cnn3dConfig, sizes: Sizes) -> nn.Module:
        """Return a new `Cnn3d` with random weights."""
        from etholake.models.cnn3d.network import Cnn3d

        return Cnn3d(classes=sizes.classes, labs=sizes.labs, **config.sizes())


FAMILY = Cnn3dFamily()
