"""The base of video families, and the positions of the key points that their pose streams read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from etholake.errors import UsageError
from etholake.models.network_family import NetworkFamily, VocabularyLayers
from etholake.models.vision.config import FrameBackboneConfig, VideoConfig
from etholake.models.vision.transformers_config import needs_transformers, sizes_of_folder
from etholake.models.vision.weights_file import weights_files

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FrameBackboneFamily", "VideoFamily", "body_axis"]

V = TypeVar("V", bound=VideoConfig)
B = TypeVar("B", bound=FrameBackboneConfig)


class VideoFamily(NetworkFamily[V]):
    """A family of networks ``network(clips, lab_B, labeled_BC)``, which end in a `LabHead` named `head`."""

    tuning_ranges: Mapping[str, Mapping[str, Any]] = {  # read-only by its type
        "lr": {"low": 0.0001, "high": 0.01, "log": True},
        "weight_decay": {"low": 0.00001, "high": 0.1, "log": True},
        "dropout": {"low": 0.0, "high": 0.5},
        "focal_gamma": {"low": 0.0, "high": 3.0},
    }

    def vocabulary_layers(self) -> VocabularyLayers:
        """Return the layers of the head that know actions and labs."""
        from etholake.models.vision.head import LAB_HEAD_INPUTS, LAB_HEAD_LABS, LAB_HEAD_OUTPUTS

        return VocabularyLayers(outputs=LAB_HEAD_OUTPUTS, inputs=LAB_HEAD_INPUTS, labs=LAB_HEAD_LABS)


class FrameBackboneFamily(VideoFamily[B]):
    """A video family with an image or video backbone, which the configuration names: field `backbone`."""

    backbone_layer: str  # the attribute of the network that holds the result of `frame_encoder`

    def backbone_name(self, config: B) -> str:
        """Return the name of the backbone."""
        return config.backbone

    def backbone(self, network: nn.Module) -> nn.Module:
        """Return the backbone itself; parameters of an image backbone have the names of published weights."""
        encoder: nn.Module = getattr(network, self.backbone_layer)
        return encoder if hasattr(encoder, "load_from") else encoder.get_submodule("network")

    def with_weights(self, config: B, weights: Path) -> B:
        """Return the configuration with the sizes of the weights that a backbone of transformers starts with.

        Raises UsageError if the configuration has other sizes, and ContractError as `sizes_of_folder`.
        """
        if not needs_transformers(config.backbone):
            return config
        sizes = sizes_of_folder(config.backbone, weights_files(weights, config.backbone)[0].parent)
        other = {key: value for key, value in config.backbone_config.items() if sizes.get(key, value) != value}
        if other:
            raise UsageError(
                f"The weights in {weights} have a configuration of their own, and backbone_config has other "
                f"values of {', '.join(other)}: leave them out."
            )
        return replace(config, backbone_config={**config.backbone_config, **sizes})


def body_axis(encoder: str) -> tuple[int, int]:
    """Return the positions of nose and tail base among the key points of an encoder of clips.

    Raises UsageError for an encoder without one of them.
    """
    from etholake.features.registry import window_encoder

    parts = window_encoder(encoder).description()["parts"]
    if missing := [part for part in ("nose", "tail_base") if part not in parts]:
        raise UsageError(
            f"This network reads the motion of nose and tail_base, and the input encoder '{encoder}' brings no "
            f"{' and no '.join(missing)}: choose another encoder."
        )
    return parts.index("nose"), parts.index("tail_base")
