"""Named configurations of the frame backbone with a sequence model behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from etholake.errors import UsageError
from etholake.models.vision.config import NO_CHANGES, FrameBackboneConfig

__all__ = ["POOLINGS", "POSE_FUSIONS", "PRESETS", "CropSequenceConfig"]

POOLINGS = ("lstm", "lstm_attention", "attention")
POSE_FUSIONS = ("none", "gated", "cross_modal")


@dataclass(frozen=True)
class CropSequenceConfig(FrameBackboneConfig):
    """The sizes of the network (see `network.CropSequence`) beside the fields that all video networks have."""

    family: ClassVar[str] = "crop_sequence"

    second_best: str = "accuracy"
    backbone: str = "mobilenet_v3_small"
    width: int = 256
    attention_layers: int = 0
    heads: int = 4
    pooling: str = "lstm_attention"
    pose_fusion: str = "gated"
    dropout: float = 0.3

    def __post_init__(self) -> None:
        """Raise UsageError for a pooling or a fusion that there is not."""
        super().__post_init__()
        for name, value, choices in (
            ("pooling", self.pooling, POOLINGS),
            ("pose_fusion", self.pose_fusion, POSE_FUSIONS),
        ):
            if value not in choices:
                raise UsageError(f"{name} must be one of {', '.join(choices)}, but got '{value}'.")


_SMOKE = CropSequenceConfig(
    "smoke", window=8, step=8, backbone="vit_tiny", width=16, heads=2, dropout=0.0, batch=8, batches_per_epoch=25,
    epochs=3, lr=5e-3, ema=0.0, augmentation=NO_CHANGES, threads=1,
)  # fmt: skip

PRESETS: Mapping[str, CropSequenceConfig] = {
    config.name: config
    for config in (
        CropSequenceConfig("large", backbone="mobilenet_v3_large", attention_layers=2),
        CropSequenceConfig("light"),
        CropSequenceConfig("efficient", backbone="efficientnet_b0", attention_layers=1),
        CropSequenceConfig("vit", backbone="vit_b_16", attention_layers=2, pose_fusion="cross_modal", lr=3e-4),
        # Some minutes of one core, with crops whose side is a multiple of 16 px.
        CropSequenceConfig(
            "tiny", backbone="vit_tiny", width=64, dropout=0.1, batches_per_epoch=40, epochs=10, patience=5,
            lr=2e-3, threads=1,
        ),
        _SMOKE,  # for tests of the plumbing
    )
}  # fmt: skip
