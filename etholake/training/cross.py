"""Cross-validation: train a model for every fold, configuration and seed, and combine them.

The models of the folds only say what models are worth: a frame's out-of-fold probability is the mean over those
that did not train on it, and the post-processing is fitted on these probabilities. The models that are kept are
trained on everything afterwards, one for each configuration and seed, so that no labelled video is lost. The
whole is an ensemble, or a stack: trees that learn from the out-of-fold probabilities how far to trust each
configuration. A stack's own out-of-fold probabilities come from stacks that were trained on the other folds.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etholake.dataset.labelled import TrainingData
from etholake.dataset.split import Span, Split
from etholake.errors import UsageError
from etholake.events.types import PairScores
from etholake.models.archive import load_model
from etholake.models.family import OnEpoch
from etholake.models.registry import resolve
from etholake.models.vision.weights_file import weights_digest
from etholake.training.combining import (
    TrainedMember,
    choose_configurations,
    combine,
    combine_by_stack,
    frames_per_s,
)
from etholake.training.cross_plan import CrossValidationPlan, Overrides
from etholake.training.epoch_counter import EpochCounter
from etholake.training.estimate import estimate, rare_actions
from etholake.training.fit import fit
from etholake.training.folds import make_folds
from etholake.training.learning_curve import LearningCurve, learning_curve, mean_teaching_videos, smaller_splits
from etholake.training.oof import write_oof
from etholake.training.parallel import ALONE, Group
from etholake.training.trainer import run_fingerprint
from etholake.training.validation import HeldOut, scores_of

__all__ = ["OUT_OF_FOLD", "fit_folds"]

OUT_OF_FOLD = "out_of_fold.parquet"


def fit_folds(
    data: TrainingData,
    model_dir: Path,
    plan: CrossValidationPlan,
    overrides: Overrides | None = None,
    on_epoch: OnEpoch | None = None,
    *,
    test: Sequence[Span] = (),
    scratch: Path,
    checkpoints: Path | None = None,
    group: Group = ALONE,
    weights: Path | None = None,
) -> dict[str, Any]:
    """Train every model and store the `Ensemble` or `StackingModel` in `model_dir`; return its report.

    `test` spans are in no fold. The out-of-fold probabilities are written to ``scratch / OUT_OF_FOLD``; in the
    report, `validation` is their score (`estimate`): no model and no decision of a fold has seen its labels.
    Processes of a `group` must share `scratch` and `checkpoints`: one writes a model, all read it; only the
    leading one has a report. ``on_epoch`` counts the epochs of all models; its rows have `left_s`, the measured
    time that the rest takes, once every configuration has been trained. Backbones start with `weights` (see
    `fit`); configurations without one ignore them. Models that are complete are kept in
    `checkpoints`, if it is given, and are not trained again.

    Raises UsageError for a configuration with tasks: the mean of several models answers none.
    """
    _refuse_tasks(plan, overrides)
    splits = [_outside(split, test) for split in make_folds(data, plan.folds, test)]
    plan = replace(plan, folds=len(splits))
    everything = tuple(sorted((s for split in splits for s in split.test), key=_place))
    counter = EpochCounter(on_epoch)
    smaller = smaller_splits(splits) if plan.learning_curve else {}
    for config in [*(config for config, _, _ in plan.members()), *plan.configs[:1] * len(smaller) * plan.folds]:
        counter.planned[config] += _recipe(config, plan.fields(config, overrides), weights)[1]
    members_folder = (checkpoints or scratch) / "members"
    runs = _Runs(data, plan, overrides, members_folder, checkpoints, counter, group, weights)
    trained: list[TrainedMember] = []

    def train(config: str, seed: int, fold: int | None) -> None:
        split = Split(everything, (), ()) if fold is None else splits[fold]
        folder = runs.fitted(config, seed, split, "all" if fold is None else f"fold{fold}")
        if group.leads:
            trained.append(TrainedMember.judged(config, seed, fold, folder, data, split))

    for config, seed, fold in plan.members():
        if fold is not None:
            train(config, seed, fold)
    curve = _learning_curve(runs, splits, smaller, trained)
    notes = list(data.notes)
    if plan.choose and len(plan.configs) > 1:
        configs, sentence = _choice_of_the_leader(runs, splits, trained, (checkpoints or scratch) / "choice.json")
        plan = replace(plan, configs=configs)
        notes.append(sentence)
    for config, seed, fold in plan.members():
        if fold is None:
            train(config, seed, fold)
    members = [member for member in trained if member.config in plan.configs]
    histories = [row | {"member": m.place} for m in trained for row in m.model.details["history"]]
    if not group.leads:
        return {}
    folds = [split.test for split in splits]
    model, scores = (
        combine_by_stack(data, plan, members, folds, overrides) if plan.stack else combine(plan, members)
    )
    judged = HeldOut.given([p for fold in scores for p in fold], data.videos, [s for fold in folds for s in fold])
    model.post_processing = judged.fit(model)
    expected = estimate(model, data.videos, folds, scores)
    notes += [expected.sentence()] if expected else []
    notes += [rare] if (rare := rare_actions(data.videos, everything)) else []
    if plan.learning_curve:
        notes.append(curve.sentence() if curve else "too few labelled videos for a learning curve")
    model.details = {
        "split": Split(everything, (), tuple(test)).to_json(),
        "folds": [split.to_json()["test"] for split in splits],
        "data_fingerprint": data.fingerprint,
        "seed": plan.seeds[0],
        "history": histories,
        "validation": expected.to_dict() if expected else None,
        "frames_per_s": frames_per_s(members),
        **({"learning_curve": curve.to_dict()} if curve else {}),
        "notes": notes,
    }
    model.save(model_dir)
    write_oof(scratch / OUT_OF_FOLD, [(k, pair) for k, fold in enumerate(scores) for pair in fold])
    return model.details


def _refuse_tasks(plan: CrossValidationPlan, overrides: Overrides | None) -> None:
    """Raise UsageError for a configuration with tasks."""
    for config in plan.configs:
        if tasks := getattr(resolve(config, plan.fields(config, overrides))[1], "tasks", ()):
            raise UsageError(
                f"Configuration '{config}' has the tasks {', '.join(tasks)}, which are heads of one network: "
                "train it without folds, or without tasks."
            )


@dataclass(frozen=True)
class _Runs:
    """Trains models of a cross-validation, each into its folder of `members`; complete ones are kept."""

    data: TrainingData
    plan: CrossValidationPlan
    overrides: Overrides | None
    members: Path
    checkpoints: Path | None
    counter: EpochCounter
    group: Group
    weights: Path | None = None

    def fitted(self, config: str, seed: int, split: Split, name: str) -> Path:
        """Return the folder of the model that was trained on a split."""
        fields = self.plan.fields(config, self.overrides)
        recipe, epochs = _recipe(config, fields, self.weights)
        place = f"{config}-seed{seed}-{name}"
        folder = self.members / place
        marker, run = folder / "done", run_fingerprint(self.data, split, recipe, seed)
        if not (marker.is_file() and marker.read_text(encoding="utf-8") == run):
            shutil.rmtree(folder, ignore_errors=True)
            fit(
                self.data, folder, config, fields, self.counter.callback(config), split=split, seed=seed,
                checkpoints=self.checkpoints / place if self.checkpoints else None, group=self.group,
                weights=self.weights if "weights" in recipe else None,
            )  # fmt: skip
            self.group.wait()
            marker.write_text(run, encoding="utf-8")
        self.counter.done[config] += epochs
        return folder


def _choice_of_the_leader(
    runs: _Runs, splits: Sequence[Split], trained: Sequence[TrainedMember], path: Path
) -> tuple[tuple[str, ...], str]:
    """Return the configurations to keep, and a sentence on it. The leading process chooses; all read `path`."""
    if runs.group.leads:
        choice = choose_configurations(runs.data, runs.plan, trained, splits)
        path.write_text(json.dumps(choice), encoding="utf-8")
    runs.group.wait()
    configs, sentence = json.loads(path.read_text(encoding="utf-8"))
    return tuple(configs), sentence


def _learning_curve(
    runs: _Runs,
    splits: Sequence[Split],
    smaller: Mapping[float, Sequence[Split]],
    trained: Sequence[TrainedMember],
) -> LearningCurve | None:
    """Return the learning curve of the first configuration; None without smaller splits, or without a score.

    `smaller` has the folds with fewer teaching videos, `trained` the models of the folds as they are. Every point
    is that of the first seed: a mean over seeds is better by itself. Only the leading process has a curve.
    """
    config, seed, data = runs.plan.configs[0], runs.plan.seeds[0], runs.data
    scores: dict[float, list[Sequence[PairScores]]] = {}
    for size, parts in smaller.items():
        folders = [runs.fitted(config, seed, part, f"fold{k}-of{size:.3g}") for k, part in enumerate(parts)]
        if runs.group.leads:
            pairs = zip(folders, parts, strict=True)
            scores[size] = [scores_of(load_model(folder), data.videos, part.test) for folder, part in pairs]
    if not scores:
        return None
    own = [m for m in trained if (m.config, m.seed) == (config, seed) and m.fold is not None]
    scores[mean_teaching_videos(splits)] = [member.scores for member in own]
    spans = [split.test for split in splits]
    estimates = {size: estimate(own[0].model, data.videos, spans, by_fold) for size, by_fold in scores.items()}
    judged = {size: expected for size, expected in estimates.items() if expected}
    return learning_curve(config, judged, len({span.video_id for test in spans for span in test}))


def _recipe(config: str, fields: Overrides, weights: Path | None = None) -> tuple[dict[str, Any], int]:
    """Return all that defines a member besides data, fold and seed, and its number of epochs."""
    family, configuration = resolve(config, fields)
    recipe = family.to_json(configuration) | {"family": family.name}
    if weights is not None and (backbone := family.backbone_name(configuration)):
        recipe["weights"] = weights_digest(weights, backbone)
    return recipe, family.epochs(configuration)


def _place(span: Span) -> tuple[str, int, int]:
    return span.lab_id, span.video_id, span.start_frame


def _outside(split: Split, test: Sequence[Span]) -> Split:
    """Return a fold without the frames that are kept for the final score."""
    train, held_out = (tuple(_cut(spans, test)) for spans in (split.train, split.test))
    return Split(train, (), held_out)


def _cut(spans: Sequence[Span], test: Sequence[Span]) -> Iterator[Span]:
    for span in spans:
        rest = [span]
        for t in (t for t in test if t.video_id == span.video_id):
            pieces = [
                (replace(r, stop_frame=min(r.stop_frame, t.start_frame)),
                 replace(r, start_frame=max(r.start_frame, t.stop_frame))) for r in rest
            ]  # fmt: skip
            rest = [piece for pair in pieces for piece in pair if piece.start_frame < piece.stop_frame]
        yield from rest
