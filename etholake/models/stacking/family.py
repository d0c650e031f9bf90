"""The family `stacking` for the registry.

Cross-validation (`etholake.training.cross`) makes a model of this family from other trained models.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etholake.errors import UsageError
from etholake.models.boosted.config import BoostedConfig
from etholake.models.family import Fitted, ModelFamily, TrainingContext

if TYPE_CHECKING:
    from etholake.dataset.labelled import TrainingData
    from etholake.dataset.split import Split
    from etholake.models.base import Model

__all__ = ["FAMILY", "StackingFamily"]


class StackingFamily(ModelFamily[BoostedConfig]):
    """Boosted trees that correct the mean of several models."""

    name = "stacking"
    summary = "boosted trees that correct the mean of several models: train with --folds and --stack"
    presets: dict[str, BoostedConfig] = {}  # noqa: RUF012  # its trees are configured by overrides of the stack

    def fit(self, data: TrainingData, split: Split, config: BoostedConfig, context: TrainingContext) -> Fitted:  # noqa: ARG002
        """Raise UsageError: cross-validation makes a stack from its trained bases."""
        raise UsageError("A stack is made of trained models: train with --folds and --stack.")

    def load(self, folder: Path) -> Model:
        """Read stored stack and its bases. Raises ContractError that names what does not fit this code."""
        from etholake.models.stacking.model import StackingModel

        return StackingModel.load(folder)


FAMILY = StackingFamily()
