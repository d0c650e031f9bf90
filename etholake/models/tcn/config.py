"""The configuration of dilated convolutions over hand-made features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etholake.dataset.resampling import MODEL_FPS
from etholake.errors import UsageError

__all__ = ["PRESETS", "TcnConfig"]


@dataclass(frozen=True)
class TcnConfig:
    """Sizes and training. A step is `pool` frames at 30 Hz, over which features are averaged."""

    pool: int = 10
    width: int = 32
    blocks: int = 6  # dilations 1, 2, 4, …: with 6 of them a step sees 21 s to either side
    networks: int = 3  # seeds, whose log-odds are averaged
    # training
    crop_s: float = 60.0  # length of a sample
    batch: int = 16
    steps: int = 250  # updates of a network; more where the data are long (`passes`)
    passes: float = 8.0  # at least so often every frame is drawn, up to `max_steps` updates
    max_steps: int = 2000
    lr: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.2
    feature_dropout: float = 0.2  # fraction of the features that are hidden for a whole sample
    noise: float = 0.2  # standard deviation, of scaled features
    threads: int = 1
    seed: int | None = None  # None: the seed of the training run
    encoder: str = "moment"  # input encoder (`etholake.features.registry`)

    def __post_init__(self) -> None:
        for name in ("pool", "width", "blocks", "networks", "batch", "steps", "threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, but got {getattr(self, name)}.")

    @property
    def crop(self) -> int:
        """The length of a sample in steps."""
        return max(1, round(self.crop_s * MODEL_FPS / self.pool))

    @property
    def reach(self) -> int:
        """The number of steps to either side that a prediction depends on."""
        return int(2**self.blocks) - 1

    def updates(self, total_steps: int) -> int:
        """Return the number of updates for data of so many steps in all."""
        wanted = round(self.passes * total_steps / (self.batch * self.crop))
        return max(self.steps, min(wanted, self.max_steps))


PRESETS: Mapping[str, TcnConfig] = {"tcn": TcnConfig()}
