"""The configuration of boosted trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from etholake.errors import UsageError, raise_collected

__all__ = ["PRESETS", "BoostedConfig"]


_RANGES: tuple[tuple[tuple[str, ...], str, Callable[[float], bool]], ...] = (
    (("rounds",), "from 0 (the prior alone) to 1,000,000", lambda value: 0 <= value <= 1_000_000),
    (("max_rows",), "1 or more", lambda value: value >= 1),
    (("depth",), "from 1 to 30", lambda value: 1 <= value <= 30),
    (("threads",), "from 0 (all cores) to 1,000", lambda value: 0 <= value <= 1000),
    (("eta", "subsample", "colsample"), "above 0 and at most 1", lambda value: 0 < value <= 1),
    (("min_child_weight", "l2"), "0 or more", lambda value: 0 <= value < float("inf")),
    (("seed",), "a whole number from 0 to 2,147,483,647", lambda value: 0 <= value < 2**31),
)


@dataclass(frozen=True)
class BoostedConfig:
    """Trees and rows. Rows beyond `max_rows` per (lab, action) are left out, the more frequent class first."""

    rounds: int = 250
    depth: int = 5
    eta: float = 0.05
    subsample: float = 0.5
    colsample: float = 0.15
    min_child_weight: float = 20.0
    l2: float = 5.0
    max_rows: int = 24_000
    threads: int = 1
    seed: int | None = None  # None: the seed of the training run (0 without one)
    encoder: str = "rolling"  # input encoder (`etholake.features.registry`)

    def __post_init__(self) -> None:
        """Raise UsageError that names every number with which no trees can be grown."""
        problems = [
            f"{name} must be {bound}, but is {value}"
            for names, bound, fits in _RANGES
            for name in names
            if (value := getattr(self, name)) is not None and not fits(value)
        ]
        raise_collected(UsageError, "These trees cannot be grown", problems)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of `xgboost.train`."""
        return {
            "objective": "binary:logistic", "tree_method": "hist", "max_bin": 64, "verbosity": 0,
            "max_depth": self.depth, "eta": self.eta, "subsample": self.subsample,
            "colsample_bytree": self.colsample, "min_child_weight": self.min_child_weight, "lambda": self.l2,
            "nthread": self.threads, "seed": self.seed or 0,
        }  # fmt: skip


PRESETS = {"boosted": BoostedConfig()}
