"""Named configurations. `base` keeps the figures that users of such models know; `tiny` is for a CPU."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etholake.errors import UsageError

__all__ = ["CONFIGS", "ModelConfig", "named"]


@dataclass(frozen=True)
class ModelConfig:
    """Everything that defines a training run besides data and seed. Lengths in ticks of the 30 Hz clock."""

    name: str
    family: str = "cnn_transformer"
    window: int = 128
    step: int = 64
    width: int = 256
    convs: int = 4
    kernel: int = 5
    encoders: int = 6
    heads: int = 8
    dropout: float = 0.1
    epochs: int = 30
    warmup_epochs: float = 3.0
    batch: int = 64
    batches_per_epoch: int | None = None  # None: as many as there are windows
    lr: float = 1e-3
    weight_decay: float = 1e-4
    clip: float = 1.0
    patience: int = 8  # epochs without a better validation score
    hidden_lab_share: float = 0.1
    focal_gamma: float = 0.0
    positive_weight_cap: float = 1.0  # 1: positives weigh what negatives weigh
    positive_share: float = 0.5  # of windows drawn around annotated events, by (lab, action)
    jitter_cm: float = 0.05
    part_dropout: float = 0.1
    threads: int = 0  # CPU threads; 0 leaves torch's choice

    def network(self) -> dict[str, Any]:
        """The sizes that a family takes."""
        names = ("width", "convs", "kernel", "encoders", "heads", "dropout")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelConfig:
        return cls(**data)


CONFIGS: Mapping[str, ModelConfig] = {
    config.name: config
    for config in (
        ModelConfig("base"),
        # 400 steps, a little more than a minute of one core: a second thread wins nothing at this size, and one
        # gives the same weights on every machine. No dropout: its random numbers were 29 % of a step on a CPU, and
        # the augmentations regularise.
        ModelConfig(
            "tiny", width=64, encoders=2, heads=4, dropout=0.0, epochs=8, warmup_epochs=1, batch=48,
            batches_per_epoch=50, lr=2e-3, patience=8, threads=1,
        ),
        # For tests of the plumbing: learns next to nothing, in seconds.
        ModelConfig(
            "smoke", window=32, step=16, width=16, convs=2, encoders=1, heads=2, epochs=2, warmup_epochs=1,
            batch=16, batches_per_epoch=8, lr=3e-3,
        ),
    )
}  # fmt: skip


def named(name: str, overrides: Mapping[str, Any] | None = None) -> ModelConfig:
    """A configuration by name, with fields replaced. Raises UsageError naming the nearest one."""
    if name not in CONFIGS:
        raise UsageError(f"There is no model configuration '{name}'; known: {', '.join(CONFIGS)}.")
    fields = {f.name for f in dataclasses.fields(ModelConfig)}
    for key in overrides or {}:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            raise UsageError(
                f"A model configuration has no field '{key}'.{f' Nearest: {near[0]}.' if near else ''}"
            )
    return dataclasses.replace(CONFIGS[name], **dict(overrides or {}))
