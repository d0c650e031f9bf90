"""The family `boosted` for the registry: boosted trees, the baseline that networks are measured against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etholake.models.boosted.config import PRESETS, BoostedConfig
from etholake.models.family import Fitted, ModelFamily, TrainingContext

if TYPE_CHECKING:
    from etholake.dataset.labelled import TrainingData
    from etholake.dataset.split import Split
    from etholake.models.base import Model

__all__ = ["FAMILY", "BoostedFamily"]


class BoostedFamily(ModelFamily[BoostedConfig]):
    """One booster per (lab, action), trained in one go by one process."""

    name = "boosted"
    summary = "boosted trees (XGBoost) on rolling features, the baseline"
    presets = PRESETS
    default = "boosted"
    tuning_ranges: Mapping[str, Mapping[str, Any]] = {  # read-only by its type
        "eta": {"low": 0.01, "high": 0.3, "log": True},
        "rounds": {"low": 50, "high": 500, "whole": True},
        "depth": {"low": 3, "high": 8, "whole": True},
        "min_child_weight": {"low": 1.0, "high": 100.0, "log": True},
    }

    def fit(self, data: TrainingData, split: Split, config: BoostedConfig, context: TrainingContext) -> Fitted:
        """Train one booster per (lab, action) on the training spans.

        Raises DataError if no labeled behavior occurs in them.
        """
        from etholake.models.boosted import forest

        if config.seed is None:
            config = replace(config, seed=context.seed)
        model = forest.fit(data.videos, split.train, config)
        model.part_map = data.part_map
        return Fitted(model)

    def load(self, folder: Path) -> Model:
        """Read stored boosters. Raises ContractError that names what does not fit this code."""
        from etholake.models.boosted.forest import Boosted

        return Boosted.load(folder)

    def explain(self, config: Mapping[str, Any]) -> str:
        """Return the number and the depth of the trees."""
        return f"trees: {config['rounds']} rounds, {config['depth']} deep"


FAMILY = BoostedFamily()
