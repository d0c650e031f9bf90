"""The family `pose_bert` for the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.values import Task, scaled
from etholake.errors import DataError, UsageError
from etholake.models.family import Fitted, Sizes, TrainingContext
from etholake.models.network_family import NetworkFamily, VocabularyLayers
from etholake.models.pose_bert.config import PRESETS, PoseBertConfig

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor, nn

    from etholake.dataset.batch import Batch
    from etholake.dataset.labelled import TrainingData
    from etholake.dataset.pose_tracks import PoseTracks
    from etholake.dataset.split import Split
    from etholake.dataset.windows import Tracks
    from etholake.models.base import Model
    from etholake.models.config import NetworkConfig
    from etholake.models.network_model import NetworkModel

__all__ = ["FAMILY", "PoseBertFamily"]

SHOWN = 5  # videos that a sentence names


class PoseBertFamily(NetworkFamily[PoseBertConfig]):
    """A transformer on key points, pre-trained by filling in hidden ones."""

    name = "pose_bert"
    summary = "a BERT-style transformer on key points, which can be pre-trained without labels"
    presets = PRESETS
    default = "tiny"
    can_pretrain = True
    can_answer_tasks = True
    tuning_ranges: Mapping[str, Mapping[str, Any]] = {  # read-only by its type
        "lr": {"low": 0.0001, "high": 0.01, "log": True},
        "weight_decay": {"low": 0.00001, "high": 0.1, "log": True},
        "dropout": {"low": 0.0, "high": 0.3},
    }

    def build(self, config: PoseBertConfig, sizes: Sizes) -> nn.Module:
        """Return a new `PoseBert` with random weights.

        Raises UsageError if the encoder gives no rows of key points.
        """
        from etholake.features.keypoints import ANIMALS, ENCODER_3D
        from etholake.models.pose_bert.network import PoseBert, Skeleton

        skeleton = Skeleton(ANIMALS, len(UNIFIED_PARTS), 3 if config.encoder == ENCODER_3D.name else 2)
        if sizes.features != skeleton.columns:
            raise UsageError(
                f"pose_bert reads {skeleton.columns} columns ({skeleton.animals} animals, {skeleton.parts} parts, "
                f"{skeleton.dimensions}D coordinates and masks), but the encoder '{config.encoder}' gives "
                f"{sizes.features}: leave the encoder at keypoints."
            )
        rank = config.lora_rank if config.tuning == "lora" else 0
        return PoseBert(
            skeleton=skeleton,
            classes=sizes.classes,
            labs=sizes.labs,
            head=config.head,
            rank=rank,
            species=len(config.species) + 1,
            tasks=[task.by_frame for task in config.asked()],
            **config.sizes(),
        )

    def vocabulary_layers(self) -> VocabularyLayers:
        """Return the output layer and the embeddings of labs and species."""
        labs = {"lab.weight": 0, "species.weight": 0}
        return VocabularyLayers(outputs={"head.weight": 0, "head.bias": 0}, labs=labs)

    def prepared(
        self, config: PoseBertConfig, videos: Sequence[PoseTracks], base: NetworkConfig | None = None
    ) -> PoseBertConfig:
        """Return the configuration with the encoder for 2D or 3D tracks, and the species of the videos.

        Raises DataError if some videos are 2D and others 3D, or all are other than what the base reads.
        """
        from etholake.features.keypoints import ENCODER, ENCODER_3D
        from etholake.features.registry import window_encoder

        flat, deep = ([t.video_id for t in videos if (t.z_TMK is not None) == is_3d] for is_3d in (False, True))
        if flat and deep:
            raise DataError(
                f"The videos {_listed(deep)} have 3D tracks, and {_listed(flat)} have 2D ones: a model reads one "
                "kind. Train on labs of one kind (--labs), or leave z out."
            )
        before: tuple[str, ...] = ()
        if base:
            before = base.known_species() or ()
            encoder = window_encoder(base.encoder)
            for tracks in videos:
                encoder.check_tracks(tracks)
        elif config.encoder in (ENCODER.name, ENCODER_3D.name):
            config = replace(config, encoder=(ENCODER_3D if deep else ENCODER).name)
        species = {tracks.meta.species for tracks in videos} - {"", *before}
        return replace(config, species=(*before, *sorted(species)))

    def pretraining_loss(
        self, network: nn.Module, tracks: Tracks, lab_B: Tensor, config: PoseBertConfig, random: torch.Generator
    ) -> Tensor:
        """Return the error of filling in hidden points of a batch of windows (`masking.reconstruction_loss`)."""
        from etholake.models.pose_bert.masking import reconstruction_loss

        return reconstruction_loss(network, tracks, lab_B, config, random)

    def fill(self, model: NetworkModel, tracks: PoseTracks) -> PoseTracks:
        """Return the tracks with missing points filled in (`imputation.filled`)."""
        from etholake.models.pose_bert.imputation import filled

        return filled(model, tracks)

    def trains(self, name: str, config: PoseBertConfig) -> bool:
        """Return whether training changes a parameter: with a frozen trunk only the heads, labs and LoRA.

        The head that reconstructs points learns in pre-training alone: it gets no gradient from labels, and
        several processes wait for the gradients of all parameters that are trained.
        """
        if name.startswith("points."):
            return False
        heads = name in self.vocabulary_layers() or name.startswith("tasks.")
        return config.tuning == "full" or heads or ".lora_" in name

    def loss(
        self, logits_BTC: Tensor, batch: Batch, config: PoseBertConfig, weight_C: Tensor, entries: Tensor
    ) -> Tensor:
        """Return the loss of the actions plus that of every task (`task_loss.task_losses`)."""
        from etholake.models.pose_bert.task_loss import task_losses

        C = batch.labeled_BC.shape[1]
        actions = replace(batch, labels_BTC=batch.labels_BTC[..., :C], loss_mask_BTC=batch.loss_mask_BTC[..., :C])
        loss = super().loss(logits_BTC[..., :C], actions, config, weight_C, entries)
        if not config.tasks:
            return loss
        targets_BTV, mask_BTV = batch.labels_BTC[..., C:], batch.loss_mask_BTC[..., C:]
        return loss + task_losses(logits_BTC[..., C:], targets_BTV, mask_BTV, config).sum()

    def fit(self, data: TrainingData, split: Split, config: PoseBertConfig, context: TrainingContext) -> Fitted:
        """Train with the shared loop.

        Raises UsageError for a frozen trunk of a model that is not trained yet, and for tasks that do not begin
        with those of the base or ask for what no video has; DataError for a task with nothing to tell apart.
        """
        if config.tuning != "full" and context.base is None:
            raise UsageError(
                f"tuning {config.tuning} keeps the trunk of a trained model: name one with --from, or "
                "leave tuning at full."
            )
        base = context.base.config if context.base else None  # type: ignore[attr-defined]  # a network
        config = self.prepared(config, [video.tracks for video in data.videos], base)
        if config.tasks:
            config = config.with_tasks(_scaled_tasks(data, split, config, context.base))
        return super().fit(data, split, config, context)

    def values(self, model: NetworkModel, tracks: PoseTracks) -> list[dict[str, Any]]:
        """Return the answers to the model's tasks for every animal of a video (`answers.answers`)."""
        from etholake.models.pose_bert.answers import answers

        return answers(model, tracks)

    def window_answers(
        self, model: NetworkModel, tracks: PoseTracks, mouse: int, starts: Sequence[int]
    ) -> npt.NDArray[np.float32]:
        """Return the answers to the model's tasks for an animal (`answers.window_answers`)."""
        from etholake.models.pose_bert.answers import window_answers

        return window_answers(model, tracks, mouse, starts)


def _listed(videos: Sequence[int]) -> str:
    """Return the first of some videos."""
    return ", ".join(map(str, videos[:SHOWN])) + (", …" if len(videos) > SHOWN else "")


def _scaled_tasks(data: TrainingData, split: Split, config: PoseBertConfig, base: Model | None) -> list[Task]:
    """Return the tasks with their scales: those of the base as they are, then new ones by the training videos."""
    before: tuple[Task, ...] = base.config.asked() if base else ()  # type: ignore[attr-defined]  # a network
    if tuple(config.tasks[: len(before)]) != tuple(map(str, before)):
        raise UsageError(
            f"Fine-tuning keeps the heads of the model: its tasks ({', '.join(map(str, before))}) must be the "
            f"first ones, but got {', '.join(config.tasks)}. Name new ones behind them."
        )
    training = {span.video_id for span in split.train}
    values = {video.tracks.video_id: video.values for video in data.videos if video.tracks.video_id in training}
    return [*before, *scaled(config.asked()[len(before) :], values)]


FAMILY = PoseBertFamily()
