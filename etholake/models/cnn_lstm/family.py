"""The family `cnn_lstm` for the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etholake.models.cnn_lstm.config import PRESETS, CnnLstmConfig
from etholake.models.family import Sizes
from etholake.models.network_family import NetworkFamily, VocabularyLayers

if TYPE_CHECKING:
    from torch import Tensor, nn

    from etholake.dataset.batch import Batch

__all__ = ["FAMILY", "CnnLstmFamily"]


class CnnLstmFamily(NetworkFamily[CnnLstmConfig]):
    """Convolutions, a bidirectional LSTM and attention on the 48 engineered features."""

    name = "cnn_lstm"
    summary = "convolutions, a bidirectional LSTM and attention on 48 engineered features"
    presets = PRESETS
    default = "base"
    tuning_ranges: Mapping[str, Mapping[str, Any]] = {  # read-only by its type
        "lr": {"low": 0.0001, "high": 0.003, "log": True},
        "weight_decay": {"low": 0.00001, "high": 0.1, "log": True},
        "dropout": {"low": 0.0, "high": 0.5},
        "focal_gamma": {"low": 0.0, "high": 3.0},
    }

    def build(self, config: CnnLstmConfig, sizes: Sizes) -> nn.Module:
        """Return a new `CnnLstm` with random weights."""
        from etholake.models.cnn_lstm.network import CnnLstm

        return CnnLstm(features=sizes.features, classes=sizes.classes, labs=sizes.labs, **config.sizes())

    def vocabulary_layers(self) -> VocabularyLayers:
        """Return the output layer and the embedding of labs."""
        return VocabularyLayers(outputs={"head.weight": 0, "head.bias": 0}, labs={"lab.weight": 0})

    def class_weights(self, prevalence_C: Tensor, config: CnnLstmConfig) -> Tensor:
        """Return weights inverse to the frequencies of classes [C]; the head `window` has also "other" [C + 1]."""
        from etholake.models.cnn_lstm.loss import inverse_frequencies

        return inverse_frequencies(prevalence_C, other=config.head == "window")

    def loss(
        self, logits_BTC: Tensor, batch: Batch, config: CnnLstmConfig, weight_C: Tensor, entries: Tensor
    ) -> Tensor:
        """Return the focal loss of all frames, or of one label a window (head `window`)."""
        if config.head == "dense":
            return super().loss(logits_BTC, batch, config, weight_C, entries)
        from etholake.models.cnn_lstm.loss import window_loss

        return window_loss(logits_BTC, batch, config.focal_gamma, weight_C, entries)


FAMILY = CnnLstmFamily()
