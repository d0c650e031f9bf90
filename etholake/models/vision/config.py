"""The configuration that all video families share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

from etholake.errors import UsageError, raise_collected
from etholake.models.config import Augmentation, NetworkConfig
from etholake.models.vision.transformers_config import check_fields

__all__ = ["NO_CHANGES", "VIDEO_CHANGES", "FrameBackboneConfig", "VideoConfig", "check_stages"]

NO_CHANGES = Augmentation.none()
# Mirrored and turned by quarters (a camera from above has no up), lighter and darker.
VIDEO_CHANGES = replace(NO_CHANGES, rotate=True, reflect=0.5, brightness=0.2, contrast=0.2)


@dataclass(frozen=True)
class VideoConfig(NetworkConfig):
    """Fields of every video network; windows are frames at 30 Hz.

    Positives weigh up to `positive_weight_cap`, because behavior is rare in most windows.
    """

    reads_clips: ClassVar[bool] = True

    encoder: str = "frames"
    window: int = 16
    step: int = 8
    batch: int = 32
    positive_weight_cap: float = 10.0
    augmentation: Augmentation = field(default_factory=lambda: VIDEO_CHANGES)
    epochs: int = 30
    warmup_epochs: float = 1.0
    weight_decay: float = 0.01
    ema: float = 0.99

    def __post_init__(self) -> None:
        """Raise UsageError that names augmentations which change tracks, but cannot change pixels."""
        super().__post_init__()
        for entry in fields(self):  # JSON has no tuples
            if isinstance(value := getattr(self, entry.name), list):
                object.__setattr__(self, entry.name, tuple(value))
        changes = self.augmentation
        problems = [
            f"{name} must be {off}, but is {getattr(changes, name)}"
            for name, off in (
                ("max_stretch", 1), ("lower_rate", 0), ("shift", 0), ("mixup", 0), ("feature_noise", 0),
                ("swap_animals", 0),
            )
            if getattr(changes, name) != off
        ]  # fmt: skip
        raise_collected(UsageError, f"Clips of '{self.name}' cannot be changed so (field augmentation)", problems)


@dataclass(frozen=True)
class FrameBackboneConfig(VideoConfig):
    """Fields of a network with an image or video backbone (see `frame_encoder`).

    `backbone_config` has sizes of a backbone of transformers (`transformers_config.KINDS`). Those that are not
    given are of the base size, or of the configuration beside given weights.
    """

    backbone: str = "vit_b_16"
    backbone_config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise UsageError for sizes that the backbone does not have."""
        super().__post_init__()
        check_fields(self.backbone, self.backbone_config)


def check_stages(widths: tuple[int, ...], repeats: tuple[int, ...]) -> None:
    """Raise UsageError unless every stage of a 3D CNN has a width and a number of convolutions."""
    if len(widths) != len(repeats) or not widths:
        raise UsageError(f"widths ({list(widths)}) and repeats ({list(repeats)}) must be equally many, not none.")
