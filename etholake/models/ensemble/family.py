"""The family `ensemble` for the registry.

Cross-validation (`etholake.training.cross`) makes a model of this family from other trained models.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from etholake.errors import UsageError
from etholake.models.family import Fitted, ModelFamily, TrainingContext

if TYPE_CHECKING:
    from etholake.dataset.labelled import TrainingData
    from etholake.dataset.split import Split
    from etholake.models.base import Model

__all__ = ["FAMILY", "EnsembleFamily"]


class EnsembleFamily(ModelFamily[Any]):
    """The mean of the probabilities of several models."""

    name = "ensemble"
    summary = "the mean of several models: train with --folds"
    presets: dict[str, Any] = {}  # noqa: RUF012  # it has no configuration of its own

    def fit(self, data: TrainingData, split: Split, config: Any, context: TrainingContext) -> Fitted:  # noqa: ARG002
        """Raise UsageError: cross-validation makes an ensemble from its trained members."""
        raise UsageError("An ensemble is made of trained models: train with --folds.")

    def load(self, folder: Path) -> Model:
        """Read stored members. Raises ContractError that names what does not fit this code."""
        from etholake.models.ensemble.model import Ensemble

        return Ensemble.load(folder)


FAMILY = EnsembleFamily()
