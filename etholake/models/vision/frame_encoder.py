"""Make the network that turns the frames of a clip into features, by the name of its backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etholake.models.vision.frame_backbone import FrameBackbone
from etholake.models.vision.transformers_backbone import TransformersBackbone
from etholake.models.vision.transformers_config import needs_transformers

__all__ = ["frame_encoder"]


def frame_encoder(name: str, crop_size: int, sizes: Mapping[str, Any]) -> FrameBackbone | TransformersBackbone:
    """Return a network from frames [B, T, H, W, 3] to features [B, T, width], with random weights.

    `sizes` are those of a backbone of transformers. Raises UsageError for an unknown name.
    """
    if needs_transformers(name):
        return TransformersBackbone(name, crop_size, sizes)
    return FrameBackbone(name, crop_size)
