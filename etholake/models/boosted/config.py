"""The configuration of boosted trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["PRESETS", "BoostedConfig"]


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

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of `xgboost.train`."""
        return {
            "objective": "binary:logistic", "tree_method": "hist", "max_bin": 64, "verbosity": 0,
            "max_depth": self.depth, "eta": self.eta, "subsample": self.subsample,
            "colsample_bytree": self.colsample, "min_child_weight": self.min_child_weight, "lambda": self.l2,
            "nthread": self.threads, "seed": self.seed or 0,
        }  # fmt: skip


PRESETS = {"boosted": BoostedConfig()}
