"""Named configurations. `base` has the sizes and the training of the published network; `tiny` is for a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from etholake.errors import UsageError
from etholake.models.config import Augmentation, NetworkConfig

__all__ = ["HEADS", "PRESETS", "CnnLstmConfig"]

HEADS = ("dense", "window")


@dataclass(frozen=True)
class CnnLstmConfig(NetworkConfig):
    """The sizes of the network (see `network.CnnLstm`) beside the fields that all networks have."""

    family: ClassVar[str] = "cnn_lstm"

    head: str = "dense"  # dense: every frame for itself, several actions at once; window: one label for a window
    channels: tuple[int, ...] = (64, 128, 256)
    kernels: tuple[int, ...] = (5, 5, 3)
    pooled: int = 2  # so many convolutions, from the first, halve the frames
    hidden: int = 128  # of the LSTM, each way
    layers: int = 2
    widths: tuple[int, ...] = (128, 64)  # of the head
    dropout: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        # JSON has no tuples.
        for name in ("channels", "kernels", "widths"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.head not in HEADS:
            raise UsageError(f"head must be one of {', '.join(HEADS)}, but got '{self.head}'.")
        if len(self.channels) != len(self.kernels) or not 0 <= self.pooled <= len(self.channels):
            raise UsageError(
                f"channels ({list(self.channels)}) and kernels ({list(self.kernels)}) must be equally many, and "
                f"pooled ({self.pooled}) no more than they are."
            )
        if self.window < 2**self.pooled:
            raise UsageError(
                f"A window of {self.window} frames cannot be halved {self.pooled} times: give at least "
                f"{2**self.pooled} frames."
            )


_CHANGES = Augmentation(
    **{**vars(Augmentation.none()), "feature_noise": 0.02, "shift": 2, "scale": 0.05, "mixup": 0.2}
)
_BASE = CnnLstmConfig(
    "base", encoder="engineered48", window=60, step=30, batch=64, focal_gamma=2.0, lr=5e-4, epochs=100,
    patience=20, warmup_epochs=0.0, second_best="loss", augmentation=_CHANGES,
)  # fmt: skip
# Two minutes of one core: shorter epochs, and fewer.
_TINY = replace(_BASE, name="tiny", batches_per_epoch=40, epochs=10, patience=10, lr=1e-3, threads=1)
# For tests of the plumbing: learns little, in seconds.
_SMOKE = replace(
    _BASE, name="smoke", window=32, step=16, channels=(16, 16, 16), hidden=16, layers=1, widths=(16,),
    dropout=0.0, batch=16, batches_per_epoch=8, epochs=2, lr=3e-3, threads=1,
)  # fmt: skip

PRESETS: Mapping[str, CnnLstmConfig] = {
    config.name: config
    for config in (
        _BASE,
        replace(_BASE, name="centred", encoder="engineered48_centred"),
        replace(_BASE, name="window", head="window"),
        _TINY,
        replace(_TINY, name="tiny_centred", encoder="engineered48_centred"),
        _SMOKE,
        replace(_SMOKE, name="smoke_window", head="window"),
    )
}
