"""The progress of a cross-validation: epochs of all its models, and the time that is left."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from etholake.models.family import OnEpoch

__all__ = ["EpochCounter"]


@dataclass
class EpochCounter:
    """Reports the epochs of each model as epochs of all, with the time that the rest will take."""

    on_epoch: OnEpoch | None
    planned: Counter[str] = field(default_factory=Counter)  # epochs by configuration
    done: Counter[str] = field(default_factory=Counter)  # of models that are complete
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # of each epoch

    def callback(self, config: str) -> OnEpoch | None:
        """Return the callback of the model that is trained next."""
        if self.on_epoch is None:
            return None
        report, before, last = self.on_epoch, self.done.copy(), time.monotonic()

        def counted(epoch: int, _epochs: int, row: Mapping[str, float | None]) -> None:
            nonlocal last
            now = time.monotonic()
            self.seconds[config].append(now - last)
            last = now
            done = before + Counter({config: epoch})
            report(done.total(), self.planned.total(), {**row, "left_s": self._left_s(done)})

        return counted

    def _left_s(self, done: Counter[str]) -> float | None:
        """Return the time for the epochs that are left, in seconds; None while a configuration is unmeasured."""
        left = {config: n - done[config] for config, n in self.planned.items() if n > done[config]}
        if any(not self.seconds[config] for config in left):
            return None
        return round(sum(n * float(np.mean(self.seconds[config])) for config, n in left.items()), 1)
