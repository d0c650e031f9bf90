"""The family `cnn_transformer` for the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etholake.models.cnn_transformer.config import PRESETS, CnnTransformerConfig
from etholake.models.family import Sizes
from etholake.models.network_family import NetworkFamily, VocabularyLayers

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FAMILY", "CnnTransformerFamily"]


class CnnTransformerFamily(NetworkFamily[CnnTransformerConfig]):
    """Dilated convolutions for motion, a transformer for context."""

    name = "cnn_transformer"
    summary = "dilated convolutions and a transformer on features of pairs"
    presets = PRESETS
    default = "tiny"
    tuning_ranges: Mapping[str, Mapping[str, Any]] = {  # read-only by its type
        "lr": {"low": 0.0003, "high": 0.01, "log": True},
        "weight_decay": {"low": 0.00001, "high": 0.1, "log": True},
        "dropout": {"low": 0.0, "high": 0.3},
        "convs": {"low": 2, "high": 6, "whole": True},
    }

    def build(self, config: CnnTransformerConfig, sizes: Sizes) -> nn.Module:
        """Return a new `CnnTransformer` with random weights."""
        from etholake.models.cnn_transformer.network import CnnTransformer

        return CnnTransformer(features=sizes.features, classes=sizes.classes, labs=sizes.labs, **config.sizes())

    def vocabulary_layers(self) -> VocabularyLayers:
        """Return the output layer, the input of labeled behaviors, and the embedding of labs."""
        return VocabularyLayers(
            outputs={"head.weight": 0, "head.bias": 0}, inputs={"labeled.weight": 1}, labs={"lab.weight": 0}
        )


FAMILY = CnnTransformerFamily()
