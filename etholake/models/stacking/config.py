"""The configuration of the trees of a stack."""

from __future__ import annotations

from etholake.models.boosted.config import BoostedConfig

__all__ = ["STACK"]

# A correction: shallow trees, each leaf of at least half a minute of doubtful frames, much smoothing.
STACK = BoostedConfig(rounds=120, depth=3, eta=0.1, colsample=0.5, min_child_weight=250.0, l2=250.0)
