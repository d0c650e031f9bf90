"""A 3D CNN on grayscale clips. Shape letters: B clips, T frames, H and W pixels, D width, C classes, L labs."""

from __future__ import annotations

from torch import Tensor, nn

from etholake.dataset.clip_batch import ClipBatch
from etholake.models.vision.head import LabHead

__all__ = ["Cnn3d", "Cnn3dTrunk"]


class Cnn3dTrunk(nn.Module):
    """Grayscale clips → features [B, D]: 3 x 3 x 3 convolutions with pooling, then the mean over time and pixels.

    `widths` are the channels of the stages, `repeats` the convolutions of each. Stages halve the picture; time is
    halved from the second stage on, as far as there are frames left.
    """

    def __init__(self, widths: tuple[int, ...], repeats: tuple[int, ...]) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        channels = 1
        for width, count in zip(widths, repeats, strict=True):
            layers: list[nn.Module] = []
            for _ in range(count):
                layers += [nn.Conv3d(channels, width, 3, padding=1, bias=False), nn.BatchNorm3d(width), nn.ReLU()]
                channels = width
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)
        self.width = channels

    def forward(self, frames_BTHW3: Tensor) -> Tensor:
        """Return features [B, D] of frames, uint8 or 0..255."""
        gray_BTHW = frames_BTHW3.float().mean(-1) / 127.5 - 1.0
        x = gray_BTHW[:, None]
        for number, stage in enumerate(self.stages):
            x = stage(x)
            time = 2 if number and x.shape[2] > 1 else 1
            if min(x.shape[3:]) > 1:
                x = nn.functional.max_pool3d(x, (time, 2, 2))
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
