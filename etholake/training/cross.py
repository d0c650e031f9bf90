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
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from etholake.dataset.labelled import TrainingData, lab_actions
from etholake.dataset.split import Span, Split
from etholake.errors import UsageError
from etholake.events.types import PairScores, joined
from etholake.models.archive import load_model
from etholake.models.base import Model
from etholake.models.config import overridden, own_fields
from etholake.models.ensemble.model import Ensemble, average
from etholake.models.family import OnEpoch
from etholake.models.registry import resolve
from etholake.models.stacking import trees as stack
from etholake.models.stacking.config import STACK
from etholake.models.stacking.model import StackingModel
from etholake.models.vision.weights_file import weights_digest
from etholake.training.choice import OutOfFold, choose
from etholake.training.estimate import estimate, rare_actions
from etholake.training.fit import fit
from etholake.training.folds import make_folds
from etholake.training.learning_curve import LearningCurve, learning_curve, mean_teaching_videos, smaller_splits
from etholake.training.oof import write_oof
from etholake.training.parallel import ALONE, Group
from etholake.training.trainer import run_fingerprint
from etholake.training.validation import HeldOut, scores_of

__all__ = ["OUT_OF_FOLD", "CrossValidationPlan", "fit_folds"]

OUT_OF_FOLD = "out_of_fold.parquet"
OF_STACK = "stack"  # the key of the stack's fields among the overrides
Overrides = Mapping[str, Any]
Scores = Sequence[PairScores]


@dataclass(frozen=True)
class CrossValidationPlan:
    """The models to train and how they are combined.

    Every configuration and seed is trained on each fold's rest and on everything.

    Without a stack the models of everything form one ensemble. With a stack those of each configuration form an
    ensemble, and these are the bases of the stack. With `choose` a configuration is left out if the out-of-fold
    score is clearly better without it (`choice`). With `learning_curve` the first configuration is trained again
    on parts of the teaching videos of each fold.
    """

    configs: tuple[str, ...]
    folds: int
    seeds: tuple[int, ...] = (0,)
    space: str = "probability"
    stack: bool = False
    choose: bool = False
    learning_curve: bool = False

    def members(self) -> Iterator[tuple[str, int, int | None]]:
        """Yield (configuration, seed, fold) of every model, fold by fold.

        Those of everything come last, with None for the fold. So the first fold tells how long the rest takes.
        """
        for fold in (*range(self.folds), None):
            for config in self.configs:
                for seed in self.seeds:
                    yield config, seed, fold

    def fields(self, config: str, overrides: Overrides | None) -> Overrides:
        """Return the overrides of one configuration (`own_fields`)."""
        return own_fields(overrides, config, {*self.configs, OF_STACK})


@dataclass(frozen=True)
class _Trained:
    """A trained model, its seed, its fold (None: trained on everything), its probabilities there, and its name.

    `seconds` is how long the prediction of `frames` frames took, features included.
    """

    config: str
    seed: int
    fold: int | None
    model: Model
    scores: Scores
    place: str
    frames: int
    seconds: float

    @classmethod
    def judged(
        cls, config: str, seed: int, fold: int | None, folder: Path, data: TrainingData, split: Split
    ) -> _Trained:
        """Return the model in `folder`, with its probabilities of the spans that it has not learnt."""
        model, began = load_model(folder), time.monotonic()
        scores = scores_of(model, data.videos, split.test)
        frames = sum(span.stop_frame - span.start_frame for span in split.test)
        return cls(config, seed, fold, model, scores, folder.name, frames, time.monotonic() - began)


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
    for config in plan.configs:
        if tasks := getattr(resolve(config, plan.fields(config, overrides))[1], "tasks", ()):
            raise UsageError(
                f"Configuration '{config}' has the tasks {', '.join(tasks)}, which are heads of one network: "
                "train it without folds, or without tasks."
            )
    splits = [_outside(split, test) for split in make_folds(data, plan.folds, test)]
    plan = replace(plan, folds=len(splits))
    everything = tuple(sorted((s for split in splits for s in split.test), key=_place))
    counter = _EpochCounter(on_epoch)
    smaller = smaller_splits(splits) if plan.learning_curve else {}
    for config in [*(config for config, _, _ in plan.members()), *plan.configs[:1] * len(smaller) * plan.folds]:
        counter.planned[config] += _recipe(config, plan.fields(config, overrides), weights)[1]
    members_folder = (checkpoints or scratch) / "members"
    runs = _Runs(data, plan, overrides, members_folder, checkpoints, counter, group, weights)
    trained: list[_Trained] = []

    def train(config: str, seed: int, fold: int | None) -> None:
        split = Split(everything, (), ()) if fold is None else splits[fold]
        folder = runs.fitted(config, seed, split, "all" if fold is None else f"fold{fold}")
        if group.leads:
            trained.append(_Trained.judged(config, seed, fold, folder, data, split))

    for config, seed, fold in plan.members():
        if fold is not None:
            train(config, seed, fold)
    curve = _learning_curve(runs, splits, smaller, trained)
    notes = list(data.notes)
    if plan.choose and len(plan.configs) > 1:
        choice = (checkpoints or scratch) / "choice.json"  # the leading process chooses, all read it
        if group.leads:
            choice.write_text(json.dumps(_choose(data, plan, trained, splits)), encoding="utf-8")
        group.wait()
        chosen, sentence = json.loads(choice.read_text(encoding="utf-8"))
        plan = replace(plan, configs=tuple(chosen))
        notes.append(sentence)
    for config, seed, fold in plan.members():
        if fold is None:
            train(config, seed, fold)
    members = [member for member in trained if member.config in plan.configs]
    histories = [row | {"member": m.place} for m in trained for row in m.model.details["history"]]
    if not group.leads:
        return {}
    folds = [split.test for split in splits]
    model, scores = _stack(data, plan, members, folds, overrides) if plan.stack else _ensemble(plan, members)
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
        "frames_per_s": _frames_per_s(members),
        **({"learning_curve": curve.to_dict()} if curve else {}),
        "notes": notes,
    }
    model.save(model_dir)
    write_oof(scratch / OUT_OF_FOLD, [(k, pair) for k, fold in enumerate(scores) for pair in fold])
    return model.details


@dataclass(frozen=True)
class _Runs:
    """Trains models of a cross-validation, each into its folder of `members`; complete ones are kept."""

    data: TrainingData
    plan: CrossValidationPlan
    overrides: Overrides | None
    members: Path
    checkpoints: Path | None
    counter: _EpochCounter
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


def _learning_curve(
    runs: _Runs, splits: Sequence[Split], smaller: Mapping[float, Sequence[Split]], trained: Sequence[_Trained]
) -> LearningCurve | None:
    """Return the learning curve of the first configuration; None without smaller splits, or without a score.

    `smaller` has the folds with fewer teaching videos, `trained` the models of the folds as they are. Every point
    is that of the first seed: a mean over seeds is better by itself. Only the leading process has a curve.
    """
    config, seed, data = runs.plan.configs[0], runs.plan.seeds[0], runs.data
    scores: dict[float, list[Scores]] = {}
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


def _frames_per_s(members: Sequence[_Trained]) -> float | None:
    """Return how many frames of a video a second all kept models together predict; None if nothing was judged.

    Every configuration and seed is as fast as its models of the folds were. The trees of a stack are not counted.
    """
    kept = Counter(member.config for member in members if member.fold is None)
    seconds_per_frame = 0.0
    for config, models in kept.items():
        judged = [member for member in members if member.config == config and member.fold is not None]
        frames = sum(member.frames for member in judged)
        if not frames:
            return None
        seconds_per_frame += models * sum(member.seconds for member in judged) / frames
    return round(1 / seconds_per_frame, 1)


def _recipe(config: str, fields: Overrides, weights: Path | None = None) -> tuple[dict[str, Any], int]:
    """Return what defines a member besides data, fold and seed, and its number of epochs."""
    family, configuration = resolve(config, fields)
    recipe = family.to_json(configuration) | {"family": family.name}
    if weights is not None and (backbone := family.backbone_name(configuration)):
        recipe["weights"] = weights_digest(weights, backbone)
    return recipe, family.epochs(configuration)


def _ensemble(plan: CrossValidationPlan, members: Sequence[_Trained]) -> tuple[Model, list[list[PairScores]]]:
    """Return an ensemble of the models of everything, and the out-of-fold probabilities by fold."""
    scores = [_averaged([m.scores for m in members if m.fold == fold], plan.space) for fold in range(plan.folds)]
    return Ensemble(tuple(m.model for m in members if m.fold is None), plan.space), scores


def _choose(
    data: TrainingData, plan: CrossValidationPlan, trained: Sequence[_Trained], splits: Sequence[Split]
) -> tuple[tuple[str, ...], str]:
    """Return the configurations to keep, and a sentence on it (see `choice`)."""
    spans = [span for split in splits for span in split.test]
    results: dict[tuple[str, ...], OutOfFold] = {}
    labs: Mapping[int, str] = {}
    for n in range(len(plan.configs), 0, -1):
        for configs in combinations(plan.configs, n):
            model, by_fold = _ensemble(plan, [m for m in trained if m.config in configs])
            judged = HeldOut.given([pair for fold in by_fold for pair in fold], data.videos, spans)
            decisions = judged.fit(model, occurring=lab_actions(data.videos, spans))
            report, labs = judged.score(decisions), judged.labs
            results[configs] = OutOfFold(report.score if report else 0.0, judged.frames(decisions))
    return choose(results, labs)


def _stack(
    data: TrainingData,
    plan: CrossValidationPlan,
    members: Sequence[_Trained],
    folds: Sequence[Sequence[Span]],
    overrides: Overrides | None,
) -> tuple[Model, list[list[PairScores]]]:
    """Return a stack on an ensemble of each configuration, and its out-of-fold probabilities by fold.

    A span for which some configuration has no probabilities (none of its folds had the lab's actions) is left out.
    """
    each = [_ensemble(plan, [m for m in members if m.config == config]) for config in plan.configs]
    bases = [joined(pair for fold in scores for pair in fold) for _, scores in each]
    predicted = set.intersection(*({pair.video_id for pair in base} for base in bases))
    spans = [[span for span in fold if span.video_id in predicted] for fold in folds]
    fields = {"seed": plan.seeds[0], **plan.fields(OF_STACK, overrides)}
    config = overridden(STACK, fields, "The configuration of a stack")
    scores = stack.out_of_fold(data.videos, bases, spans, config)
    top = stack.fit(data.videos, bases, config, [span for fold in spans for span in fold])
    return StackingModel(top, tuple(model for model, _ in each)), scores


def _place(span: Span) -> tuple[str, int, int]:
    return span.lab_id, span.video_id, span.start_frame


@dataclass
class _EpochCounter:
    """Reports the epochs of each model as epochs of all, with the time that the rest will take."""

    on_epoch: OnEpoch | None
    planned: Counter[str] = field(default_factory=Counter)  # epochs by configuration
    done: Counter[str] = field(default_factory=Counter)  # of models that are complete
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # of each epoch

    def callback(self, config: str) -> OnEpoch | None:
        """Return the callback of the model that is trained next."""
        if self.on_epoch is None:
            return None
        report, before, last = self.on_epoch, self.done.copy(), time.monotonic()

        def counted(epoch: int, _epochs: int, row: Mapping[str, float | None]) -> None:
            nonlocal last
            now = time.monotonic()
            self.seconds[config].append(now - last)
            last = now
            done = before + Counter({config: epoch})
            report(done.total(), self.planned.total(), {**row, "left_s": self._left_s(done)})

        return counted

    def _left_s(self, done: Counter[str]) -> float | None:
        """Return the time for the epochs that are left, in seconds; None while a configuration is unmeasured."""
        left = {config: n - done[config] for config, n in self.planned.items() if n > done[config]}
        if any(not self.seconds[config] for config in left):
            return None
        return round(sum(n * float(np.mean(self.seconds[config])) for config, n in left.items()), 1)


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


def _averaged(scores_by_model: Sequence[Scores], space: str) -> list[PairScores]:
    """Return the models' mean, span by span: a video that is folded in time can have several spans in one fold."""
    by_span: dict[tuple[int, int], list[list[PairScores]]] = {}
    for scores in scores_by_model:
        by_key: dict[tuple[int, int], list[PairScores]] = {}
        for pair in scores:
            by_key.setdefault((pair.video_id, pair.first_frame), []).append(pair)
        for key, pairs in by_key.items():
            by_span.setdefault(key, []).append(pairs)
    return [pair for _, sets in sorted(by_span.items()) for pair in average(sets, space)]
