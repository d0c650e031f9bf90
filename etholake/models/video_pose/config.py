"""Named configurations of the two streams, pixels and key points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from etholake.models.vision.config import NO_CHANGES, VideoConfig, check_stages

__all__ = ["PRESETS", "VideoPoseConfig"]


@dataclass(frozen=True)
class VideoPoseConfig(VideoConfig):
    """The sizes of the network (see `network.VideoPose`) beside the fields that all video networks have."""

    family: ClassVar[str] = "video_pose"

    widths: tuple[int, ...] = (32, 64, 128, 256)  # of the visual stream, a 3D CNN as `cnn3d`
    repeats: tuple[int, ...] = (1, 1, 1, 2)
    stream_width: int = 256
    dropout: float = 0.3

    def __post_init__(self) -> None:
        """Raise UsageError unless every stage has a width and a number of convolutions."""
        super().__post_init__()
        check_stages(self.widths, self.repeats)


PRESETS: Mapping[str, VideoPoseConfig] = {
    config.name: config
    for config in (
        VideoPoseConfig("standard"),
        VideoPoseConfig("light", widths=(16, 32, 96, 160), repeats=(1, 1, 1, 1), stream_width=128),
        # A few minutes of one core: small crops (make clips with --crop-size 48), short epochs.
        VideoPoseConfig(
            "tiny", widths=(8, 16, 32, 64), repeats=(1, 1, 1, 1), stream_width=64, dropout=0.1,
            batch=16, batches_per_epoch=25, epochs=8, patience=5, lr=3e-3, threads=1,
        ),
        # For tests of the plumbing: learns what is plain to see, in seconds.
        VideoPoseConfig(
            "smoke", window=8, step=8, widths=(8, 16, 32), repeats=(1, 1, 1), stream_width=32, dropout=0.0,
            batch=8, batches_per_epoch=25, epochs=3, lr=5e-3, ema=0.0, augmentation=NO_CHANGES, threads=1,
        ),
    )
}  # fmt: skip
