"""The plan of a cross-validation: which models are trained, and how they are combined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etholake.models.config import own_fields

__all__ = ["OF_STACK", "CrossValidationPlan", "Overrides"]

OF_STACK = "stack"  # the key of the stack's fields among the overrides
Overrides = Mapping[str, Any]


@dataclass(frozen=True)
class CrossValidationPlan:
    """The models to train and how they are combined.

    Every configuration and seed is trained on each fold's rest and on everything.

    Without a stack the models of everything form one ensemble. With a stack those of each configuration form an
    ensemble, and these are the bases of the stack. With `choose` a configuration is left out if the out-of-fold
    score is clearly better without it (`choice`). With `learning_curve` the first configuration is trained again
    on parts of the teaching videos of each fold.
    """

    configs: tuple[str, ...]
    folds: int
    seeds: tuple[int, ...] = (0,)
    space: str = "probability"
    stack: bool = False
    choose: bool = False
    learning_curve: bool = False

    def members(self) -> Iterator[tuple[str, int, int | None]]:
        """Yield (configuration, seed, fold) of every model, fold by fold.

        Those of everything come last, with None for the fold. So the first fold tells how long the rest takes.
        """
        for fold in (*range(self.folds), None):
            for config in self.configs:
                for seed in self.seeds:
                    yield config, seed, fold

    def fields(self, config: str, overrides: Overrides | None) -> Overrides:
        """Return the overrides of one configuration (`own_fields`)."""
        return own_fields(overrides, config, {*self.configs, OF_STACK})
