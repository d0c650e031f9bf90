"""The base of video families: what they have in common beside a network on clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from etholake.models.network_family import NetworkFamily, VocabularyLayers
from etholake.models.vision.config import VideoConfig

__all__ = ["VideoFamily"]

V = TypeVar("V", bound=VideoConfig)


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
