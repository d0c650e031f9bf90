"""Named configurations. `base` keeps the figures that users know; `tiny` and `small` are for a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from etholake.models.config import Augmentation, NetworkConfig

__all__ = ["PRESETS", "CnnTransformerConfig"]


@dataclass(frozen=True)
class CnnTransformerConfig(NetworkConfig):
    """The sizes of the network (see `network.CnnTransformer`) beside the fields that all networks have."""

    family: ClassVar[str] = "cnn_transformer"

    width: int = 256
    convs: int = 4
    kernel: int = 5
    cycle: int = 4  # dilations 1, 2, 4, … of so many convolutions, then from the beginning
    stride: int = 1  # frames that are averaged into one behind the first convolution
    encoders: int = 6
    heads: int = 8
    dropout: float = 0.1
    feature_dropout: float = 0.0  # fraction of the features that are hidden for a whole window


def _windows(window: int, convs: int, cycle: int) -> CnnTransformerConfig:
    """Return the preset of a window length; `convs` and `cycle` make the convolutions see the whole window."""
    return CnnTransformerConfig(
        f"w{window}", window=window, step=window // 2, convs=convs, cycle=cycle, encoders=2, focal_gamma=1.0,
        feature_dropout=0.1, ema=0.999, batch=max(8, 8192 // window), weight_decay=0.01,
        augmentation=Augmentation(mixup=0.2),
    )  # fmt: skip


PRESETS: Mapping[str, CnnTransformerConfig] = {
    config.name: config
    for config in (
        CnnTransformerConfig("base", ema=0.999),
        _windows(64, 6, 4),
        _windows(128, 8, 4),
        _windows(256, 10, 5),
        _windows(512, 12, 6),
        # 400 steps, less than a minute of one core: a second thread wins nothing at this size, and one gives the
        # same weights on every machine. A stride of 2 takes 0.6 of the time for the same score. No dropout: its
        # random numbers took 29 % of a step on a CPU, and the augmentations regularise.
        CnnTransformerConfig(
            "tiny", stride=2, width=64, encoders=2, heads=4, dropout=0.0, epochs=8, warmup_epochs=1, batch=48,
            batches_per_epoch=50, lr=2e-3, patience=8, threads=1,
        ),
        # For a few videos and a CPU, three minutes of one core. Windows of 34 s, because behavior depends on its
        # phase (the most useful features of the trees are means over 15 s and a minute).
        CnnTransformerConfig(
            "small", window=1024, step=512, stride=4, width=64, convs=6, encoders=1, heads=4, dropout=0.1,
            feature_dropout=0.1, epochs=16, warmup_epochs=1, batch=8, batches_per_epoch=50, lr=2e-3,
            weight_decay=0.02, ema=0.99, patience=8, threads=1,
        ),
        # For tests of the plumbing: learns next to nothing, in seconds.
        CnnTransformerConfig(
            "smoke", window=32, step=16, width=16, convs=2, encoders=1, heads=2, epochs=2, warmup_epochs=1,
            batch=16, batches_per_epoch=8, lr=3e-3,
        ),
    )
}  # fmt: skip
