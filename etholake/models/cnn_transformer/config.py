"""Named configurations. `base` keeps the figures that users know; `tiny` and `small` are for a CPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etholake.errors import UsageError, suggestion

__all__ = ["BOOSTED", "CONFIGS", "Augmentation", "ModelConfig", "named", "overridden"]


BOOSTED = "boosted"  # the baseline of boosted trees, which has a configuration of its own (`models.boosted`)


@dataclass(frozen=True)
class Augmentation:
    """What training does to a window before it is shown; 0 (or 1, for a factor) switches one off.

    Shares are of samples (`drop_part`, `drop_group`, `drop_frames`: of an animal's parts), lengths in ticks.
    """

    max_stretch: float = 1.2  # time runs up to so many times as fast, or as slow
    lower_rate: float = 0.1  # seen by a camera with half or a third of the frames
    rotate: bool = False  # changes nothing for agent-centric features
    reflect: float = 0.5
    scale: float = 0.1  # animals up to so much larger or smaller, in x and y apart
    noise_cm: float = 0.1  # standard deviation
    drop_part: float = 0.05
    drop_group: float = 0.1
    drop_frames: float = 0.1
    longest_drop: float = 60.0
    swap_animals: float = 0.05
    mixup: float = 0.0  # parameter of the Beta distribution

    @classmethod
    def none(cls) -> Augmentation:
        """Everything off."""
        return cls(1.0, 0.0, False, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class ModelConfig:
    """Everything that defines a training run besides data and seed. Lengths in ticks of the 30 Hz clock."""

    name: str
    family: str = "cnn_transformer"
    # network
    window: int = 128
    step: int = 64
    width: int = 256
    convs: int = 4
    kernel: int = 5
    cycle: int = 4  # dilations 1, 2, 4, … of so many convolutions, then from the beginning
    stride: int = 1  # ticks that are averaged into one behind the first convolution
    encoders: int = 6
    heads: int = 8
    dropout: float = 0.1
    feature_dropout: float = 0.0  # share of features that are hidden for a whole window
    # samples
    batch: int = 64
    accumulate: int = 1  # the batch goes through the network in so many parts
    batches_per_epoch: int | None = None  # None: as many as there are windows
    positive_share: float = 0.5  # of windows drawn around annotated events, by (lab, action)
    hidden_lab_share: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    # loss
    focal_gamma: float = 0.0
    negative_gamma: float | None = None  # asymmetric loss: another gamma for negatives; None: focal_gamma
    positive_weight_cap: float = 1.0  # 1: positives weigh what negatives weigh
    soft_f1: float = 0.0  # share of the loss that is 1 - soft F1
    label_smoothing: float = 0.0
    # optimiser
    epochs: int = 30
    warmup_epochs: float = 3.0
    lr: float = 1e-3
    trunk_lr: float = 1.0  # of fine-tuning: share of lr for all but head, labs and candidates (0.3 was worse)
    weight_decay: float = 1e-4
    clip: float = 1.0
    ema: float = 0.0  # decay of the averaged weights that are kept, per step; 0: none
    patience: int = 8  # epochs without a better validation score
    # machine
    amp: str = "auto"  # auto (bfloat16, else float16, on a GPU; off on a CPU), off, bfloat16 or float16
    compile: bool = False  # torch.compile
    checkpoint_steps: int = 200  # steps from one checkpoint to the next
    threads: int = 0  # CPU threads; 0 leaves torch's choice

    def __post_init__(self) -> None:
        if self.batch % self.accumulate:
            raise UsageError(f"batch ({self.batch}) must be a multiple of accumulate ({self.accumulate}).")
        if self.amp not in ("auto", "off", "bfloat16", "float16"):
            raise UsageError(f"amp must be auto, off, bfloat16 or float16, but got '{self.amp}'.")

    def network(self) -> dict[str, Any]:
        """The sizes that a family takes."""
        names = ("width", "convs", "kernel", "cycle", "stride", "encoders", "heads", "dropout", "feature_dropout")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelConfig:
        return cls(**{**data, "augmentation": Augmentation(**data["augmentation"])})


def _windows(window: int, convs: int, cycle: int) -> ModelConfig:
    """One of the four window lengths, with the depth that suits it (see docs of MABe 2025's best teams)."""
    return ModelConfig(
        f"w{window}", window=window, step=window // 2, convs=convs, cycle=cycle, encoders=2, focal_gamma=1.0,
        feature_dropout=0.1, ema=0.999, batch=max(8, 8192 // window), weight_decay=0.01,
        augmentation=Augmentation(mixup=0.2),
    )  # fmt: skip


CONFIGS: Mapping[str, ModelConfig] = {
    config.name: config
    for config in (
        ModelConfig("base", ema=0.999),
        _windows(64, 6, 4),
        _windows(128, 8, 4),
        _windows(256, 10, 5),
        _windows(512, 12, 6),
        # 400 steps, a little more than a minute of one core: a second thread wins nothing at this size, and one
        # gives the same weights on every machine. No dropout: its random numbers were 29 % of a step on a CPU, and
        # the augmentations regularise.
        ModelConfig(
            "tiny", width=64, encoders=2, heads=4, dropout=0.0, epochs=8, warmup_epochs=1, batch=48,
            batches_per_epoch=50, lr=2e-3, patience=8, threads=1,
        ),
        # For a few videos and a CPU, three minutes of one core. Windows of 34 s: what animals do depends on the
        # phase they are in (trees ask most for means over 15 s and a minute).
        ModelConfig(
            "small", window=1024, step=512, stride=4, width=64, convs=6, encoders=1, heads=4, dropout=0.1,
            feature_dropout=0.1, epochs=16, warmup_epochs=1, batch=8, batches_per_epoch=50, lr=2e-3,
            weight_decay=0.02, ema=0.99, patience=8, threads=1,
        ),
        # For tests of the plumbing: learns next to nothing, in seconds.
        ModelConfig(
            "smoke", window=32, step=16, width=16, convs=2, encoders=1, heads=2, epochs=2, warmup_epochs=1,
            batch=16, batches_per_epoch=8, lr=3e-3,
        ),
    )
}  # fmt: skip


def named(name: str, overrides: Mapping[str, Any] | None = None) -> ModelConfig:
    """A configuration by name, with fields replaced; those of `augmentation` as a mapping of their own.

    Raises UsageError naming the nearest one.
    """
    if name not in CONFIGS:
        raise UsageError(f"There is no model configuration '{name}'; known: {', '.join(CONFIGS)}, {BOOSTED}.")
    return overridden(CONFIGS[name], overrides)


def overridden(config: ModelConfig, overrides: Mapping[str, Any] | None) -> ModelConfig:
    """The configuration with fields replaced, as `named`."""
    replaced = _replaced(config, dict(overrides or {}), "A model configuration")
    assert isinstance(replaced, ModelConfig)
    return replaced


def _replaced(config: Any, values: dict[str, Any], what: str) -> Any:
    fields = {f.name for f in dataclasses.fields(config)}
    for key in values:
        if key not in fields:
            raise UsageError(f"{what} has no field '{key}'. {suggestion(key, fields)}")
    inner = values.get("augmentation")
    if isinstance(inner, Mapping):
        values["augmentation"] = _replaced(config.augmentation, dict(inner), "An augmentation")
    return dataclasses.replace(config, **values)
