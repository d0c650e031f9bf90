"""Schedules of the learning rate: a linear warm-up, then a cosine to zero, or steps down where progress ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

from etholake.models.config import NetworkConfig

__all__ = ["Plateau", "rate"]


@dataclass
class Plateau:
    """The steps down of the rate so far, one wherever no epoch was better for a while; part of a run's progress.

    `best` is the highest figure so far (validation score, or minus the loss), `stalled` counts the figures since.
    """

    scale: float = 1.0
    best: float | None = None
    stalled: int = 0

    def see(self, figure: float, config: NetworkConfig) -> None:
        """Lower the rate by `plateau_factor` at each `plateau_patience` figures in a row that are not better."""
        if self.best is None or figure > self.best:
            self.best, self.stalled = figure, 0
            return
        self.stalled += 1
        if self.stalled == config.plateau_patience:
            self.scale, self.stalled = self.scale * config.plateau_factor, 0


def rate(step: int, warmup: int, steps: int, plateau: Plateau | None = None) -> float:
    """Return the factor (0..1) of the learning rate at a step of `steps`, of which `warmup` are the warm-up.

    After it the factor is `plateau.scale`; without a plateau it is a cosine to zero.
    """
    if step < warmup:
        return (step + 1) / warmup
    if plateau is not None:
        return plateau.scale
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
