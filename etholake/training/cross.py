"""Cross-validated models: a member for every fold, configuration and seed, and what they say out of fold.

A frame's out-of-fold probability is the average of the members that did not train on it. What is decided together
is fitted on them, so that no validation data is taken from the training: of an ensemble, or of a stack, which
learns from them what each configuration is good at, and is itself judged by stacks of the other folds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etholake.dataset.labelled import TrainingData
from etholake.dataset.split import Span, Split
from etholake.events.types import PairScores, joined
from etholake.models.archive import load_model
from etholake.models.base import Model
from etholake.models.config import overridden
from etholake.models.ensemble.model import Ensemble, average
from etholake.models.family import OnEpoch
from etholake.models.registry import resolve
from etholake.models.stacking import trees as stack
from etholake.models.stacking.config import STACK
from etholake.models.stacking.model import StackingModel
from etholake.training.fit import fit
from etholake.training.folds import make_folds
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
    """Which members there are: every configuration, seed and fold; how they are averaged, and what stands on top.

    Without a stack all members are one ensemble; with one, the members of each configuration are, and the stack
    stands on these.
    """

    configs: tuple[str, ...]
    folds: int
    seeds: tuple[int, ...] = (0,)
    space: str = "probability"
    stack: bool = False

    def members(self) -> Iterator[tuple[str, int, int]]:
        """(configuration, seed, fold)."""
        for config in self.configs:
            for seed in self.seeds:
                for fold in range(self.folds):
                    yield config, seed, fold

    def fields(self, config: str, overrides: Overrides | None) -> Overrides:
        """Of `overrides` those of one configuration: they are {configuration: fields}, or fields of all."""
        given = overrides or {}
        return given.get(config, {}) if given.keys() <= {*self.configs, OF_STACK} else given


@dataclass(frozen=True)
class _Trained:
    """A member, its fold, and what it says of that."""

    config: str
    fold: int
    model: Model
    said: Scores


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
) -> dict[str, Any]:
    """Train every member and store the `Ensemble` or `StackingModel` in `model_dir`; returns its report.

    `test` spans are in no fold. The out-of-fold probabilities are written to ``scratch / OUT_OF_FOLD``; in the
    report, `validation` is the score on them, with the post-processing that was fitted on them (so it flatters a
    little). Processes of a `group` must share `scratch` and `checkpoints`: one writes a member, all read it; only
    the leading one has a report. ``on_epoch`` counts the epochs of all members. Members that are done lie in
    `checkpoints`, if it is given, and are not trained again.
    """
    splits = [_outside(split, test) for split in make_folds(data, plan.folds)]
    members, histories = [], []
    told = _Told(on_epoch, sum(_recipe(c, plan.fields(c, overrides))[1] for c, _, _ in plan.members()))
    for config, seed, fold in plan.members():
        fields, split = plan.fields(config, overrides), splits[fold]
        recipe, epochs = _recipe(config, fields)
        place = f"{config}-seed{seed}-fold{fold}"
        folder = (checkpoints or scratch) / "members" / place
        marker, run = folder / "done", run_fingerprint(data, split, recipe, seed)
        if not (marker.is_file() and marker.read_text(encoding="utf-8") == run):
            shutil.rmtree(folder, ignore_errors=True)
            fit(
                data, folder, config, fields, told.of_member(), split=split, seed=seed,
                checkpoints=checkpoints / place if checkpoints else None, group=group,
            )  # fmt: skip
            group.wait()
            marker.write_text(run, encoding="utf-8")
        told.done += epochs
        if group.leads:
            model = load_model(folder)
            members.append(_Trained(config, fold, model, scores_of(model, data.videos, split.test)))
            histories += [row | {"member": place} for row in model.details["history"]]
    if not group.leads:
        return {}
    folds = [split.test for split in splits]
    model, said = _stacked(data, plan, members, folds, overrides) if plan.stack else _ensemble(plan, members)
    judged = HeldOut.given([p for fold in said for p in fold], data.videos, [s for fold in folds for s in fold])
    model.post_processing = judged.fit(model)
    score = judged.score(model.post_processing)
    model.details = {
        "split": Split(tuple(span for fold in folds for span in fold), (), tuple(test)).to_json(),
        "folds": [split.to_json()["test"] for split in splits],
        "data_fingerprint": data.fingerprint,
        "seed": plan.seeds[0],
        "history": histories,
        "validation": score.to_dict() if score else None,
        "notes": list(data.notes),
    }
    model.save(model_dir)
    write_oof(scratch / OUT_OF_FOLD, [(k, pair) for k, fold in enumerate(said) for pair in fold])
    return model.details


def _recipe(config: str, fields: Overrides) -> tuple[dict[str, Any], int]:
    """Return what defines a member besides data, fold and seed, and its number of epochs."""
    family, configuration = resolve(config, fields)
    return family.to_json(configuration) | {"family": family.name}, family.epochs(configuration)


def _ensemble(plan: CrossValidationPlan, members: Sequence[_Trained]) -> tuple[Model, list[list[PairScores]]]:
    """All members as one, and what they say of each fold."""
    said = [_together([m.said for m in members if m.fold == fold], plan.space) for fold in range(plan.folds)]
    return Ensemble(tuple(m.model for m in members), plan.space), said


def _stacked(
    data: TrainingData,
    plan: CrossValidationPlan,
    members: Sequence[_Trained],
    folds: Sequence[Sequence[Span]],
    overrides: Overrides | None,
) -> tuple[Model, list[list[PairScores]]]:
    """A stack on an ensemble of each configuration, and what stacks of the other folds say of each fold.

    A span of which some configuration says nothing (none of its folds knew the lab's actions) teaches nothing.
    """
    each = [_ensemble(plan, [m for m in members if m.config == config]) for config in plan.configs]
    bases = [joined(pair for fold in said for pair in fold) for _, said in each]
    heard = set.intersection(*({pair.video_id for pair in base} for base in bases))
    taught = [[span for span in fold if span.video_id in heard] for fold in folds]
    fields = {"seed": plan.seeds[0], **plan.fields(OF_STACK, overrides)}
    config = overridden(STACK, fields, "The configuration of a stack")
    said = stack.out_of_fold(data.videos, bases, taught, config)
    top = stack.fit(data.videos, bases, config, [span for fold in taught for span in fold])
    return StackingModel(top, tuple(model for model, _ in each)), said


@dataclass
class _Told:
    """Epochs of one member, told as epochs of all."""

    on_epoch: OnEpoch | None
    total: int
    done: int = 0

    def of_member(self) -> OnEpoch | None:
        if self.on_epoch is None:
            return None
        told, before = self.on_epoch, self.done
        return lambda epoch, _epochs, row: told(before + epoch, self.total, row)


def _outside(split: Split, test: Sequence[Span]) -> Split:
    """A fold without the frames that are kept for the final score."""
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


def _together(said: Sequence[Scores], space: str) -> list[PairScores]:
    """The members' average, span by span: a video that is folded in time has several in one fold."""
    by_span: dict[tuple[int, int], list[list[PairScores]]] = {}
    for scores in said:
        mine: dict[tuple[int, int], list[PairScores]] = {}
        for pair in scores:
            mine.setdefault((pair.video_id, pair.first_frame), []).append(pair)
        for key, pairs in mine.items():
            by_span.setdefault(key, []).append(pairs)
    return [pair for _, sets in sorted(by_span.items()) for pair in average(sets, space)]
