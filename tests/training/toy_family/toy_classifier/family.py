"""The family `toy`: two linear layers on the features of one frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from etholake.models.config import Augmentation, NetworkConfig
from etholake.models.family import Sizes
from etholake.models.network_family import NetworkFamily, VocabularyLayers


@dataclass(frozen=True)
class ToyConfig(NetworkConfig):
    """The width of the hidden layer."""

    family: ClassVar[str] = "toy"

    width: int = 16


class ToyNetwork(nn.Module):
    """features [B, T, F] → logits [B, T, C]."""

    def __init__(self, sizes: Sizes, width: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(sizes.features, width)
        self.place = nn.Embedding(sizes.labs, width)
        self.top = nn.Linear(width, sizes.classes)

    def forward(self, x_BTF: Tensor, lab_B: Tensor, labeled_BC: Tensor) -> Tensor:
        hidden_BTD = nn.functional.gelu(self.inputs(x_BTF) + self.place(lab_B)[:, None])
        logits: Tensor = self.top(hidden_BTD)
        return logits


class ToyFamily(NetworkFamily[ToyConfig]):
    """All that a family must define."""

    name = "toy"
    summary = "two linear layers on distances"
    default = "plain"
    presets = {  # noqa: RUF012
        "plain": ToyConfig(
            "plain", encoder="toy_distances", window=32, step=16, batch=16, batches_per_epoch=30, epochs=4,
            warmup_epochs=0.5, lr=0.03, threads=1, augmentation=Augmentation.none(),
        ),
        "toy_wide": ToyConfig("toy_wide", encoder="toy_distances", width=64),
    }  # fmt: skip
    tuning_ranges = {"lr": {"low": 0.001, "high": 0.1, "log": True}}  # noqa: RUF012

    def build(self, config: ToyConfig, sizes: Sizes) -> nn.Module:
        return ToyNetwork(sizes, config.width)

    def vocabulary_layers(self) -> VocabularyLayers:
        return VocabularyLayers(outputs={"top.weight": 0, "top.bias": 0}, labs={"place.weight": 0})


FAMILY = ToyFamily()
