"""Named configurations of SlowFast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from etholake.errors import UsageError
from etholake.models.vision.config import NO_CHANGES, VideoConfig

__all__ = ["PRESETS", "SlowFastConfig"]

ALPHA = 4  # frames of the fast pathway for one of the slow pathway


@dataclass(frozen=True)
class SlowFastConfig(VideoConfig):
    """The sizes of the network (see `network.SlowFast`) beside the fields that all video networks have."""

    family: ClassVar[str] = "slowfast"

    window: int = 32
    step: int = 16
    second_best: str = "accuracy"
    batch: int = 8
    width: int = 64
    depths: tuple[int, ...] = (3, 4, 6, 3)
    pose_width: int = 128  # 0: without key points
    dropout: float = 0.5

    def __post_init__(self) -> None:
        """Raise UsageError for a window that the two pathways cannot share, and for other than four depths."""
        super().__post_init__()
        if self.window % ALPHA or len(self.depths) != 4:
            raise UsageError(
                f"SlowFast needs a window of a multiple of {ALPHA} frames and 4 depths, but got {self.window} and "
                f"{list(self.depths)}."
            )


PRESETS: Mapping[str, SlowFastConfig] = {
    config.name: config
    for config in (
        SlowFastConfig("r50", lr=3e-4),  # the published size
        SlowFastConfig("light", width=16, depths=(1, 2, 2, 1), pose_width=64, batch=16, dropout=0.3),
        SlowFastConfig(
            "smoke", window=8, step=8, width=8, depths=(1, 1, 1, 1), pose_width=16, dropout=0.0, batch=8,
            batches_per_epoch=25, epochs=3, lr=5e-3, ema=0.0, augmentation=NO_CHANGES, threads=1,
        ),  # for tests of the plumbing
    )
}  # fmt: skip
