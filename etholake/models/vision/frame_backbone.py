"""Image backbones by name, with ImageNet's normalisation inside, applied to every frame of a clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from etholake.errors import UsageError, suggestion
from etholake.models.vision.efficientnet import EfficientNetB0, EfficientNetLite0
from etholake.models.vision.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from etholake.models.vision.vit import VisionTransformer, vit_b_16

__all__ = ["FRAME_BACKBONES", "FrameBackbone", "normalised"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FRAME_BACKBONES: Mapping[str, Callable[[int], nn.Module]] = {  # {name: network of a crop size}
    "mobilenet_v3_small": lambda _: mobilenet_v3_small(),
    "mobilenet_v3_large": lambda _: mobilenet_v3_large(),
    "efficientnet_b0": lambda _: EfficientNetB0(),
    "efficientnet_lite0": lambda _: EfficientNetLite0(),
    "vit_b_16": vit_b_16,
    "vit_tiny": lambda size: VisionTransformer(size, 16, 4, 96, 3, 192),
}


def normalised(
    frames_BTHW3: Tensor, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> Tensor:
    """Return frames [B, 3, T, H, W] with a mean and a deviation (of 0..1) removed; input is uint8 or 0..255."""
    mean_3 = torch.tensor(mean, device=frames_BTHW3.device) * 255
    std_3 = torch.tensor(std, device=frames_BTHW3.device) * 255
    return ((frames_BTHW3.float() - mean_3) / std_3).permute(0, 4, 1, 2, 3)


class FrameBackbone(nn.Module):
    """Frames [B, T, H, W, 3] (uint8 or 0..255) → features [B, T, width], each frame by itself.

    Raises UsageError for an unknown name and names the nearest.
    """

    def __init__(self, name: str, crop_size: int) -> None:
        super().__init__()
        if name not in FRAME_BACKBONES:
            raise UsageError(f"There is no frame backbone '{name}'. {suggestion(name, FRAME_BACKBONES)}")
        self.network = FRAME_BACKBONES[name](crop_size)
        self.width: int = self.network.width  # type: ignore[assignment]  # every backbone has one

    def forward(self, frames_BTHW3: Tensor) -> Tensor:
        """Return features [B, T, width]."""
        B, T = frames_BTHW3.shape[:2]
        images = normalised(frames_BTHW3).transpose(1, 2).flatten(0, 1)
        features: Tensor = self.network(images)
        return features.view(B, T, -1)
