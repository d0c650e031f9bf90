"""The family `tcn` for the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etholake.models.family import Fitted, ModelFamily, TrainingContext
from etholake.models.tcn.config import PRESETS, TcnConfig

if TYPE_CHECKING:
    from etholake.dataset.labelled import TrainingData
    from etholake.dataset.split import Split
    from etholake.models.base import Model

__all__ = ["FAMILY", "TcnFamily"]


class TcnFamily(ModelFamily[TcnConfig]):
    """Networks by lab and kind of behavior, trained in one go by one process."""

    name = "tcn"
    summary = "dilated convolutions over the features of the trees, seconds of a CPU"
    presets = PRESETS
    default = "tcn"
    tuning_ranges: Mapping[str, Mapping[str, Any]] = {  # read-only by its type
        "lr": {"low": 5e-4, "high": 1e-2, "log": True},
        "steps": {"low": 100, "high": 800, "whole": True},
        "width": {"low": 16, "high": 96, "whole": True},
        "feature_dropout": {"low": 0.0, "high": 0.5},
    }

    def fit(self, data: TrainingData, split: Split, config: TcnConfig, context: TrainingContext) -> Fitted:
        """Train on the training spans. Raises DataError if no labeled behavior occurs in them."""
        from etholake.models.tcn import learning

        if config.seed is None:
            config = replace(config, seed=context.seed)
        model = learning.fit(data.videos, split.train, config)
        model.part_map = data.part_map
        return Fitted(model)

    def load(self, folder: Path) -> Model:
        """Read stored networks. Raises ContractError that names what does not fit this code."""
        from etholake.models.tcn.model import TcnModel

        return TcnModel.load(folder)

    def explain(self, config: Mapping[str, Any]) -> str:
        """Return the size of the networks and the rate of their steps."""
        return f"{config['networks']} networks {config['width']} wide, {30 / config['pool']:g} steps a second"


FAMILY = TcnFamily()
