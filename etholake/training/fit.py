"""Train one model of any family: data and a split in, a stored model and its report out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from etholake.dataset.labelled import LabelledVideo, TrainingData, event_seconds
from etholake.dataset.split import AnnotatedVideo, Split, choose
from etholake.errors import DataError, UsageError
from etholake.events.post_processing import PostProcessing
from etholake.models.base import Model
from etholake.models.family import Fitted, ModelFamily, OnEpoch, TrainingContext
from etholake.models.network_model import NetworkModel
from etholake.models.registry import FAMILIES, resolve
from etholake.training import finetune
from etholake.training.network import train_network
from etholake.training.parallel import ALONE, Group
from etholake.training.tasks import judge_tasks
from etholake.training.validation import decide, streams

__all__ = ["annotated", "fit"]


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
    base: Model | None = None,
    weights: Path | None = None,
) -> dict[str, Any]:
    """Train a model and store it in `model_dir`; return the report that `meta.json` also keeps.

    The best epoch by validation score is kept (the official metric, with thresholds fitted on the same validation
    spans, so the score flatters a little); without validation data the last epoch is. The post-processing is
    fitted on the validation spans, too. The same seed on the same number of threads gives the same weights. In the
    report, `validation` holds the F of every (lab, action), None without validation data.

    Parameters
    ----------
    config_name
        A name that `models.registry.resolve` knows; not used with `base`.
    on_epoch
        ``on_epoch(epoch, epochs, row)`` is called with each row of the history.
    holdout, split
        Test videos (the rest is chosen per lab); or all parts of the split.
    checkpoints
        Folder from which a killed run of the same data, configuration, seed and split continues exactly.
    group
        The processes that train together; by default this one, on a GPU if there is one.
    base
        A trained model to fine-tune, with its own configuration and `overrides`. The report's `fine_tuned` says
        what was added, and the score on the validation spans before.
    weights
        A file or folder of weights that the backbone of a new network starts with (`pretrained.weights_file`).

    Raises
    ------
    DataError
        No video is left to train on, or nothing in the videos can be learnt.
    UsageError
        The configuration does not exist, the family of `base` cannot be fine-tuned, that of the configuration has
        no backbone for `weights`, or both `weights` and `base` are given.
    """
    split = split or choose([annotated(v) for v in data.videos], holdout)
    if not split.train:
        raise DataError("After holding out videos none is left to train on: hold out fewer.")
    if base:
        family = FAMILIES.get(base.family)
        family.check_fine_tuning()
        config = family.replaced(base.config, overrides)  # type: ignore[attr-defined]  # such families' models have one
    else:
        family, config = resolve(config_name, overrides)
    _check_backbone(family, config, weights, base)
    group = group or (replace(ALONE, device=torch.device("cuda")) if torch.cuda.is_available() else ALONE)
    if not (family.in_parallel or group.leads):
        return {}
    began = time.monotonic()
    context = TrainingContext(
        seed, _loop(base, seed, checkpoints, group, on_epoch, weights), base, checkpoints, on_epoch
    )
    fitted = family.fit(data, split, config, context)
    seconds = event_seconds(data.videos, split.train)
    report: dict[str, Any] = {
        "split": split.to_json(),
        "data_fingerprint": data.fingerprint,
        "seed": seed,
        "device": fitted.device,
        "history": list(fitted.history),
        "training_seconds": finetune.merged_seconds(base, seconds) if base else seconds,
        "notes": list(data.notes),
        **fitted.details,
    }
    if group.leads:
        model = fitted.model
        before = base.post_processing if base else None
        report |= _judged(model, data, split, before)
        if not report["history"]:
            report["history"] = [_only_epoch(report["validation"], time.monotonic() - began)]
            if on_epoch:
                on_epoch(1, 1, report["history"][0])
        if base:
            labs = sorted({span.lab_id for span in split.train})
            report["fine_tuned"] = finetune.report(base, model, labs, fitted.score_before)
        model.details = report
        model.save(model_dir)
        for name, other in fitted.alternatives.items():
            other.details = report | _judged(other, data, split, before)
            other.save(model_dir / name)
    return report


def _judged(model: Model, data: TrainingData, split: Split, before: PostProcessing | None) -> dict[str, Any]:
    """Fit the post-processing of a model on the validation spans, and return the figures of these spans.

    They are `validation` (`decide`), and of a network `streams` if it reads pixels and key points, and `tasks` if
    it has some.
    """
    validation = decide(model, data.videos, split.validation, before)
    figures: dict[str, Any] = {"validation": validation}
    if isinstance(model, NetworkModel):
        if validation and model.reads_pose:
            figures["streams"] = streams(model, data.videos, split.validation, validation["score"])
        if model.config.asked():
            figures["tasks"] = judge_tasks(model, data.videos, split.validation)
    return figures


def _check_backbone(family: ModelFamily[Any], config: Any, weights: Path | None, base: Model | None) -> None:
    """Raise UsageError for weights or a rate of a backbone where there is none, or for weights beside a base."""
    if weights is not None and base:
        raise UsageError("A model that is fine-tuned brings its own weights: leave weights out.")
    named = [
        name for name, off in (("freeze_epochs", 0), ("backbone_lr", 1.0)) if getattr(config, name, off) != off
    ]
    named += ["weights"] if weights is not None else []
    if named and not family.backbone_name(config):
        raise UsageError(
            f"The family '{family.name}' has no backbone that could start with given weights or be frozen: leave "
            f"{', '.join(named)} out."
        )


def annotated(video: LabelledVideo) -> AnnotatedVideo:
    """Return what a split must know of a video."""
    tracks = video.tracks
    possible = {action for _, _, action in tracks.labeled_behaviors}
    actions = frozenset(e.action for e in video.events if e.action in possible)
    return AnnotatedVideo(tracks.video_id, tracks.lab_id, tracks.first_frame + tracks.n_frames, actions)


def _loop(
    base: Model | None,
    seed: int,
    checkpoints: Path | None,
    group: Group,
    on_epoch: OnEpoch | None,
    weights: Path | None,
) -> partial[Fitted]:
    """Return the shared loop for networks, bound to this run."""
    return partial(
        train_network, seed=seed, base=base, checkpoints=checkpoints, group=group, on_epoch=on_epoch,
        weights=weights,
    )  # fmt: skip


def _only_epoch(validation: Mapping[str, Any] | None, seconds: float) -> dict[str, float | None]:
    """Return the history's row of a family that is trained in one go, without a loss."""
    return {
        "epoch": 1, "train_loss": None, "val_score": validation["score"] if validation else None, "lr": None,
        "seconds": round(seconds, 2),
    }  # fmt: skip
