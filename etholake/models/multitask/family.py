"""The family `multitask` for the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etholake.models.family import Sizes
from etholake.models.multitask.config import GRAPHS, PRESETS, MultiTaskConfig
from etholake.models.vision.family import FrameBackboneFamily

if TYPE_CHECKING:
    from torch import Tensor, nn

    from etholake.dataset.batch import Batch

__all__ = ["FAMILY", "MultiTaskFamily"]


class MultiTaskFamily(FrameBackboneFamily[MultiTaskConfig]):
    """A vision transformer on every frame, a pose graph, temporal convolutions, and two heads for every frame."""

    name = "multitask"
    summary = "a vision transformer and a pose graph under temporal convolutions: actions and key points"
    presets = PRESETS
    default = "base"
    backbone_layer = "frames"

    def reads_pose(self, config: MultiTaskConfig) -> bool:  # noqa: ARG002  # always
        """Return whether key points are an input."""
        return True

    def build(self, config: MultiTaskConfig, sizes: Sizes) -> nn.Module:
        """Return a new `MultiTask` with random weights."""
        from etholake.models.multitask.network import MultiTask
        from etholake.models.vision import pose_features

        graph = getattr(pose_features, GRAPHS[config.encoder])()
        return MultiTask(
            classes=sizes.classes, labs=sizes.labs, crop_size=sizes.crop_size, graph=graph, **config.sizes()
        )

    def loss(
        self, logits_BTC: Tensor, batch: Batch, config: MultiTaskConfig, weight_C: Tensor, entries: Tensor
    ) -> Tensor:
        """Return the loss of the actions, and `keypoint_weight` times that of the key points that were seen."""
        C = batch.labels_BTC.shape[2]
        actions = super().loss(logits_BTC[..., :C], batch, config, weight_C, entries)
        clips = batch.tracks.clips
        if config.action_only or clips is None:
            return actions
        from etholake.models.multitask.loss import keypoint_loss

        share = batch.loss_mask_BTC.sum() / entries.clamp(min=1)  # of the whole batch, which may be in parts
        return actions + config.keypoint_weight * share * keypoint_loss(logits_BTC[..., C:], clips)


FAMILY = MultiTaskFamily()
