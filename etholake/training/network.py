"""Train one network of any family: vocabulary, sampler, prior, scaler, then the loop of `trainer`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from etholake.dataset.labelled import TrainingData, lab_actions
from etholake.dataset.split import Split
from etholake.errors import DataError
from etholake.features.registry import window_encoder
from etholake.models.config import NetworkConfig
from etholake.models.family import Fitted, OnEpoch
from etholake.models.network_family import NetworkFamily
from etholake.models.network_model import NetworkModel, new_network
from etholake.models.scaler import RobustScaler
from etholake.training import finetune
from etholake.training.parallel import Group
from etholake.training.trainer import Trainer, run_fingerprint
from etholake.training.validation import HeldOut
from etholake.training.windows import WindowSampler

__all__ = ["train_network"]

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
) -> Fitted:
    """Train a network on the training spans; see `training.fit.fit` for the parameters.

    `base` is a `NetworkModel` of the same family to fine-tune, or None.

    Raises DataError if no window of the training videos has a labeled behavior of tracked animals.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(seed)
    if base:
        data = replace(data, actions=finetune.vocabulary(base, data.actions))
    new_labs = sorted({span.lab_id for span in split.train})
    labs = finetune.all_labs(base, new_labs) if base else tuple(new_labs)
    sampler = WindowSampler(data, split.train, labs, config, seed)
    if not sampler.everywhere:
        raise DataError("No window of the training videos has a labeled behavior of tracked animals.")
    occurring = lab_actions(data.videos, split.train)
    prior_C = sampler.prevalence() * SHOWN
    score_before = None
    if base:
        model = finetune.extended(family, base, config, data.actions, labs, occurring, prior_C, data.part_map)
        score_before = HeldOut.of(model, data.videos, split.validation).score(base.post_processing)
    else:
        network = new_network(family, config, len(data.actions), len(labs))
        family.set_prior(network, prior_C)
        examples_BTF = window_encoder(config.encoder)(sampler.sample_for_scaling().tracks)
        scaler = RobustScaler.fit(examples_BTF.flatten(0, 1))
        model = NetworkModel(network, scaler, config, data.actions, labs, occurring, part_map=data.part_map)
    run = run_fingerprint(data, split, config.to_json(), seed)
    if base:
        run += f"-{base.details.get('data_fingerprint')}"
    trunk_lr = config.trunk_lr if base else 1.0
    trained = Trainer(family, model, sampler, data.videos, split, group, run, checkpoints, trunk_lr).run(on_epoch)
    return Fitted(model, trained.history, str(group.device), score_before)
