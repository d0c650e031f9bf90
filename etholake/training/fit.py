"""Train one recogniser: data and a split in, a stored model and its report out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from etholake.dataset.labelled import LabelledVideo, TrainingData, event_seconds, lab_actions
from etholake.dataset.split import AnnotatedVideo, Split, choose
from etholake.errors import DataError
from etholake.features.pair_features import FEATURE_NAMES, pair_features
from etholake.models import build
from etholake.models.cnn_transformer.config import BOOSTED, ModelConfig, named, overridden
from etholake.models.cnn_transformer.network import CnnTransformer
from etholake.models.network_model import NetworkModel
from etholake.models.scaler import RobustScaler
from etholake.training import finetune
from etholake.training.parallel import ALONE, Group
from etholake.training.trainer import OnEpoch, Trainer, run_fingerprint
from etholake.training.trees import fit_boosted
from etholake.training.validation import HeldOut, decide
from etholake.training.windows import WindowSampler

__all__ = ["annotated", "fit"]

SHOWN = 2  # the sampler shows positives about so many times as often as they are


def fit(
    data: TrainingData,
    model_dir: Path,
    config_name: str,
    overrides: Mapping[str, Any] | None = None,
    on_epoch: OnEpoch | None = None,
    *,
    holdout: Sequence[int] = (),
    split: Split | None = None,
    seed: int = 0,
    checkpoints: Path | None = None,
    group: Group | None = None,
    base: NetworkModel | None = None,
) -> dict[str, Any]:
    """Train a recogniser and store it in `model_dir`. Returns the report that `meta.json` also keeps.

    The best epoch by validation score (official metric, thresholds fitted on the same validation spans, so it
    flatters a little) is kept; without validation data the last epoch is. Its decisions are fitted on the
    validation spans, too. The same seed on the same number of threads gives the same weights. ``on_epoch(epoch,
    epochs, row)`` is told each row of the history. In the report, `validation` holds the F of every (lab, action)
    as decided, None without validation data. The configuration `boosted` is the baseline's (`training.trees`).

    Parameters
    ----------
    holdout, split
        Test videos (the rest is chosen per lab); or all parts as they shall be.
    checkpoints
        Folder from which a killed run of the same data, configuration, seed and split goes on exactly.
    group
        The processes that train together; by default this one, on a GPU if there is one.
    base
        A trained recogniser to go on from (`training.finetune`), by its own configuration (`config_name` is not
        used) with `overrides`. The report's `fine_tuned` says what was added, and the score on the validation
        spans before.
    """
    split = split or choose([annotated(v) for v in data.videos], holdout)
    if not split.train:
        raise DataError("After holding out videos none is left to train on: hold out fewer.")
    if config_name == BOOSTED and not base:
        if group and not group.leads:  # one process grows trees
            return {}
        return fit_boosted(data, model_dir, overrides, on_epoch, split=split, seed=seed)
    config = overridden(base.config, overrides) if base else named(config_name, overrides)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(seed)
    group = group or (replace(ALONE, device=torch.device("cuda")) if torch.cuda.is_available() else ALONE)
    if base:
        data = replace(data, actions=finetune.vocabulary(base, data.actions))
    new_labs = sorted({span.lab_id for span in split.train})
    labs = finetune.all_labs(base, new_labs) if base else tuple(new_labs)
    sampler = WindowSampler(data, split.train, labs, config, seed)
    if not sampler.everywhere:
        raise DataError("No window of the training videos has a tracked pair that was looked for.")
    occurring = lab_actions(data.videos, split.train)
    if base:
        model = finetune.extended(
            base, config, data.actions, labs, occurring, sampler.shares() * SHOWN, data.part_map
        )
        before = HeldOut.of(model, data.videos, split.validation).score(base.decisions)
    else:
        model = NetworkModel(
            _network(config, sampler, len(data.actions), len(labs)), _scaler(sampler), config, data.actions,
            labs, occurring, part_map=data.part_map,
        )  # fmt: skip
    run = run_fingerprint(data, split, config.to_json(), seed) + (
        f"-{base.details.get('data_fingerprint')}" if base else ""
    )
    trunk_lr = config.trunk_lr if base else 1.0
    trained = Trainer(model, sampler, data.videos, split, group, run, checkpoints, trunk_lr).run(on_epoch)
    seconds = event_seconds(data.videos, split.train)
    report = {
        "split": split.to_json(),
        "data_fingerprint": data.fingerprint,
        "seed": seed,
        "device": str(group.device),
        "history": trained.history,
        "training_seconds": finetune.merged_seconds(base, seconds) if base else seconds,
        "notes": list(data.notes),
    }
    if group.leads:
        decided = decide(model, data.videos, split.validation, base.decisions if base else None)
        report["validation"] = decided
        if base:
            report["fine_tuned"] = finetune.report(base, model, new_labs, before)
        model.details = report
        model.network.cpu()
        model.save(model_dir)
    return report


def annotated(video: LabelledVideo) -> AnnotatedVideo:
    """What a split must know of a video."""
    clip = video.clip
    possible = {action for _, _, action in clip.behaviors}
    actions = frozenset(e.action for e in video.events if e.action in possible)
    return AnnotatedVideo(clip.video_id, clip.lab_id, clip.first_frame + clip.n_frames, actions)


def _network(config: ModelConfig, sampler: WindowSampler, classes: int, labs: int) -> torch.nn.Module:
    network = build(config.family, features=len(FEATURE_NAMES), classes=classes, labs=labs + 1, **config.network())
    if isinstance(network, CnnTransformer):
        network.set_prior(sampler.shares() * SHOWN)
    return network


def _scaler(sampler: WindowSampler) -> RobustScaler:
    return RobustScaler.fit(pair_features(sampler.sample_for_scaling().tracks).flatten(0, 1))
