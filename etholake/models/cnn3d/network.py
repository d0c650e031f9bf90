"""A 3D CNN on grayscale clips. Shape letters: B clips, T frames, H and W pixels, D width, C classes, L labs."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from etholake.dataset.clip_batch import ClipBatch
from etholake.models.recomputation import RecomputableBlock
from etholake.models.vision.head import LabHead

__all__ = ["Cnn3d", "Cnn3dTrunk"]


class _Stage(RecomputableBlock, nn.Sequential):
    """Convolutions with batch normalisation [B, C, T, H, W], then pooling of the picture, and of time if asked."""

    def __init__(self, channels: int, width: int, convolutions: int, pools_time: bool) -> None:
        layers: list[nn.Module] = []
        for number in range(convolutions):
            layers += [
                nn.Conv3d(width if number else channels, width, 3, padding=1, bias=False),
                nn.BatchNorm3d(width),
                nn.ReLU(),
            ]
        super().__init__(*layers)
        self.pools_time = pools_time

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        if min(x.shape[3:]) == 1:
            return x
        time = 2 if self.pools_time and x.shape[2] > 1 else 1
        return nn.functional.max_pool3d(x, (time, 2, 2))


class Cnn3dTrunk(nn.Module):
    """Grayscale clips → features [B, D]: 3 x 3 x 3 convolutions with pooling, then the mean over time and pixels.

    `widths` are the channels of the stages, `repeats` the convolutions of each. Stages halve the picture; time is
    halved from the second stage on, as far as there are frames left.
    """

    def __init__(self, widths: tuple[int, ...], repeats: tuple[int, ...]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            _Stage(channels, width, count, pools_time=number > 0)
            for number, ((channels, width), count) in enumerate(zip(pairwise((1, *widths)), repeats, strict=True))
        )
        self.width = widths[-1]

    def forward(self, frames_BTHW3: Tensor) -> Tensor:
        """Return features [B, D] of frames, uint8 or 0..255."""
        gray_BTHW = frames_BTHW3.float().mean(-1) / 127.5 - 1.0
        x = gray_BTHW[:, None]
        for stage in self.stages:
            x = stage(x)
        return x.mean(dim=(2, 3, 4))


class Cnn3d(nn.Module):
    """Clips → logits [B, 1, C], one label for the window."""

    def __init__(
        self,
        *,
        classes: int,
        labs: int,
        widths: tuple[int, ...],
        repeats: tuple[int, ...],
        hidden: tuple[int, ...],
        dropout: float,
    ) -> None:
        super().__init__()
        self.trunk = Cnn3dTrunk(widths, repeats)
        self.head = LabHead(self.trunk.width, hidden, classes, labs, dropout)

    def forward(self, clips: ClipBatch, lab_B: Tensor, labeled_BC: Tensor) -> Tensor:
        """Return logits [B, 1, C]; `lab_B` holds indices, `labeled_BC` is 1 for labeled actions."""
        logits: Tensor = self.head(self.trunk(clips.frames_BTHW3)[:, None], lab_B, labeled_BC)
        return logits
