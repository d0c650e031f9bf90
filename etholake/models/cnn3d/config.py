"""Named configurations of the 3D CNN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from etholake.models.vision.config import NO_CHANGES, VideoConfig, check_stages

__all__ = ["PRESETS", "Cnn3dConfig"]


@dataclass(frozen=True)
class Cnn3dConfig(VideoConfig):
    """The sizes of the network (see `network.Cnn3d`) beside the fields that all video networks have."""

    family: ClassVar[str] = "cnn3d"

    widths: tuple[int, ...] = (32, 64, 128, 256)
    repeats: tuple[int, ...] = (1, 1, 1, 2)
    hidden: tuple[int, ...] = (512, 256)
    dropout: float = 0.3

    def __post_init__(self) -> None:
        """Raise UsageError unless every stage has a width and a number of convolutions."""
        super().__post_init__()
        check_stages(self.widths, self.repeats)


PRESETS: Mapping[str, Cnn3dConfig] = {
    config.name: config
    for config in (
        Cnn3dConfig("standard"),
        Cnn3dConfig("light", widths=(16, 32, 96, 160), repeats=(1, 1, 1, 1), hidden=(256,)),
        # A few minutes of one core: small crops (make clips with --crop-size 48), short epochs.
        Cnn3dConfig(
            "tiny", widths=(8, 16, 32, 64), repeats=(1, 1, 1, 1), hidden=(64,), dropout=0.1, batch=16,
            batches_per_epoch=25, epochs=8, patience=5, lr=3e-3, threads=1,
        ),
        # For tests of the plumbing: learns what is plain to see, in seconds.
        Cnn3dConfig(
            "smoke", window=8, step=8, widths=(8, 16, 32), repeats=(1, 1, 1), hidden=(32,), dropout=0.0, batch=8,
            batches_per_epoch=25, epochs=3, lr=5e-3, ema=0.0, augmentation=NO_CHANGES, threads=1,
        ),
    )
}  # fmt: skip
