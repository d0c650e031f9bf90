"""Train one network of any family: vocabulary, sampler, prior, scaler, then the loop of `trainer`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from etholake.dataset.labelled import TrainingData, lab_actions
from etholake.dataset.split import Split
from etholake.digest import bytes_digest
from etholake.errors import DataError, UsageError
from etholake.models.clip_input import ClipInput
from etholake.models.config import SECOND_BEST, NetworkConfig
from etholake.models.family import Fitted, OnEpoch
from etholake.models.network_family import NetworkFamily
from etholake.models.network_model import NetworkModel, new_network
from etholake.models.scaler import RobustScaler
from etholake.models.vision.pretrained import load_backbone
from etholake.training import finetune
from etholake.training.parallel import Group
from etholake.training.trainer import Trainer, run_fingerprint
from etholake.training.validation import HeldOut
from etholake.training.windows import WindowSampler

__all__ = ["train_network"]

OTHER = "other"  # the class of a family whose actions exclude each other, for none of them
SHOWN = 2  # the sampler shows positives about so many times as often as they occur


def train_network(
    family: NetworkFamily[Any],
    data: TrainingData,
    split: Split,
    config: NetworkConfig,
    *,
    seed: int,
    base: Any,
    checkpoints: Path | None,
    group: Group,
    on_epoch: OnEpoch | None,
    weights: Path | None = None,
) -> Fitted:
    """Train a network on the training spans; see `training.fit.fit` for the parameters.

    `base` is a `NetworkModel` of the same family to fine-tune, or None; `weights` is a file or folder with those
    that the backbone of a new network starts with.

    Raises DataError if no window of the training videos has a labeled behavior of tracked animals, or if there is
    nothing to tell apart (`_check_learnable`), and ContractError for weights that do not fit the backbone.
    """
    if weights is not None:
        config = family.with_weights(config, weights)
    reads_pose = family.reads_pose(config)
    if config.require_pose and not reads_pose:
        raise UsageError(f"The family '{family.name}' reads no key points beside pixels: leave require_pose out.")
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(seed)
    if base:
        data = replace(data, actions=finetune.vocabulary(base, data.actions))
    new_labs = sorted({span.lab_id for span in split.train})
    labs = finetune.all_labs(base, new_labs) if base else tuple(new_labs)
    sampler = WindowSampler(data, split.train, labs, config, seed)
    if sampler.encoder.reads_clips != config.reads_clips:
        inputs = "clips" if config.reads_clips else "features of tracks"
        raise UsageError(
            f"The family '{family.name}' reads {inputs}, and the input encoder '{config.encoder}' makes none."
        )
    if not sampler.everywhere:
        raise DataError("No window of the training videos has a labeled behavior of tracked animals.")
    _check_learnable(sampler)
    occurring = lab_actions(data.videos, split.train)
    prior_C = sampler.prevalence() * SHOWN
    score_before, started = None, None
    if base:
        for video in data.videos if base.clips else ():
            base.clips.check(video.tracks)
        model = finetune.extended(family, base, config, data.actions, labs, occurring, prior_C, data.part_map)
        score_before = HeldOut.of(model, data.videos, split.validation).score(base.post_processing)
    else:
        clips = ClipInput.of(data.videos) if config.reads_clips else None
        network = new_network(family, config, len(data.actions), len(labs), clips)
        if weights is not None and (backbone := family.backbone(network)) is not None:
            started = load_backbone(backbone, family.backbone_name(config), weights)
        family.set_prior(network, prior_C)
        model = NetworkModel(
            network, _scaler(sampler), config, data.actions, labs, occurring, part_map=data.part_map, clips=clips
        )
    run = run_fingerprint(data, split, config.to_json(), seed)
    if started:
        run += f"-{started['sha256']}"
    if base:
        run += f"-{_weights_digest(base)}"
    trunk_lr = config.trunk_lr if base else 1.0
    trainer = Trainer(family, model, sampler, data.videos, split, group, run, checkpoints, trunk_lr)
    progress = trainer.run(on_epoch)
    alternatives = (
        {SECOND_BEST[config.second_best]: _with_weights(model, trainer.second)} if trainer.second else {}
    )
    details: dict[str, Any] = {
        "class_weights": _by_action(data, trainer.weight_C.tolist(), occurring),
        "class_distribution": {
            "before_sampling": _by_action(data, sampler.prevalence().tolist(), occurring),
            "after_sampling": _by_action(data, sampler.drawn_prevalence().tolist(), occurring),
        },
        **({"backbone": started} if started else {}),
        **({"pose_windows": [progress.with_pose, progress.windows]} if reads_pose else {}),
    }
    return Fitted(model, progress.history, str(group.device), score_before, alternatives, details)


def _scaler(sampler: WindowSampler) -> RobustScaler:
    """Return the scaler of the encoder's features; that of no features for an encoder of clips."""
    if sampler.encoder.reads_clips:
        return RobustScaler.none()
    features_BTF = sampler.encoder(sampler.sample_for_scaling().tracks)
    assert isinstance(features_BTF, torch.Tensor)
    return RobustScaler.fit(features_BTF.flatten(0, 1))


def _check_learnable(sampler: WindowSampler) -> None:
    """Raise DataError unless some training video has measured points, and some action occurs but not always."""
    videos = {pair.video.tracks.video_id: pair.video.tracks for pair in sampler.pairs}
    named = ", ".join(str(video) for video in sorted(videos)[:5]) + (", …" if len(videos) > 5 else "")
    if not any(tracks.observed_TMK.any() for tracks in videos.values()):
        raise DataError(
            f"None of the training videos ({named}) has a measured point: nothing can be learnt from them. See "
            "their tracks with `etholake query tracking_quality`."
        )
    prevalence_C = sampler.prevalence()
    if not prevalence_C.any():
        raise DataError(
            f"No annotated event lies in the training videos ({named}): there is one class only, and nothing to "
            "learn. Annotate some events, or hold other videos out."
        )
    if not ((prevalence_C > 0) & (prevalence_C < 1)).any():
        always = [action for action, p in zip(sampler.actions, prevalence_C.tolist(), strict=True) if p == 1]
        raise DataError(
            f"Every labelled frame of the training videos ({named}) is {' or '.join(always)}: there is one class "
            "only, and nothing to tell it from. Add videos, or frames, in which it does not occur."
        )


def _weights_digest(model: NetworkModel) -> str:
    """Return a digest of a model's weights; two checkpoints of one training differ in nothing else."""
    return bytes_digest(save({name: w.contiguous().cpu() for name, w in model.network.state_dict().items()}))


def _with_weights(model: NetworkModel, weights: Mapping[str, torch.Tensor]) -> NetworkModel:
    """Return a copy of a model with other weights."""
    network = copy.deepcopy(model.network)
    network.load_state_dict(weights)
    return replace(model, network=network)


def _by_action(
    data: TrainingData, values: Sequence[float], occurring: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """Return {action: value} of the actions that occur, and of `OTHER` where there is a value for it."""
    actions = {action for actions in occurring.values() for action in actions}
    named = zip((*data.actions, OTHER), values, strict=False)
    return {name: round(value, 6) for name, value in named if name in actions or name == OTHER}
