"""Combine the models of a cross-validation: an ensemble or a stack, of all configurations or of the best ones."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from etholake.dataset.labelled import TrainingData, lab_actions
from etholake.dataset.split import Span, Split
from etholake.events.types import PairScores, joined
from etholake.models.archive import load_model
from etholake.models.base import Model
from etholake.models.config import overridden
from etholake.models.ensemble.model import Ensemble, average
from etholake.models.stacking import trees as stack
from etholake.models.stacking.config import STACK
from etholake.models.stacking.model import StackingModel
from etholake.training.choice import OutOfFold, choose
from etholake.training.cross_plan import OF_STACK, CrossValidationPlan, Overrides
from etholake.training.validation import HeldOut, scores_of

__all__ = ["TrainedMember", "choose_configurations", "combine", "combine_by_stack", "frames_per_s"]


@dataclass(frozen=True)
class TrainedMember:
    """A trained model, its seed, its fold (None: trained on everything), its probabilities there, and its name.

    `seconds` is how long the prediction of `frames` frames took, features included.
    """

    config: str
    seed: int
    fold: int | None
    model: Model
    scores: Sequence[PairScores]
    place: str
    frames: int
    seconds: float

    @classmethod
    def judged(
        cls, config: str, seed: int, fold: int | None, folder: Path, data: TrainingData, split: Split
    ) -> TrainedMember:
        """Return the model in `folder`, with its probabilities of the spans that it has not learnt."""
        model, began = load_model(folder), time.monotonic()
        scores = scores_of(model, data.videos, split.test)
        frames = sum(span.stop_frame - span.start_frame for span in split.test)
        return cls(config, seed, fold, model, scores, folder.name, frames, time.monotonic() - began)


def combine(plan: CrossValidationPlan, members: Sequence[TrainedMember]) -> tuple[Model, list[list[PairScores]]]:
    """Return an ensemble of the models of everything, and the out-of-fold probabilities by fold."""
    scores = [_averaged([m.scores for m in members if m.fold == fold], plan.space) for fold in range(plan.folds)]
    return Ensemble(tuple(m.model for m in members if m.fold is None), plan.space), scores


def choose_configurations(
    data: TrainingData, plan: CrossValidationPlan, trained: Sequence[TrainedMember], splits: Sequence[Split]
) -> tuple[tuple[str, ...], str]:
    """Return the configurations to keep, and a sentence on it (see `choice`)."""
    spans = [span for split in splits for span in split.test]
    results: dict[tuple[str, ...], OutOfFold] = {}
    labs: Mapping[int, str] = {}
    for n in range(len(plan.configs), 0, -1):
        for configs in combinations(plan.configs, n):
            model, by_fold = combine(plan, [m for m in trained if m.config in configs])
            judged = HeldOut.given([pair for fold in by_fold for pair in fold], data.videos, spans)
            decisions = judged.fit(model, occurring=lab_actions(data.videos, spans))
            report, labs = judged.score(decisions), judged.labs
            results[configs] = OutOfFold(report.score if report else 0.0, judged.frames(decisions))
    return choose(results, labs)


def combine_by_stack(
    data: TrainingData,
    plan: CrossValidationPlan,
    members: Sequence[TrainedMember],
    folds: Sequence[Sequence[Span]],
    overrides: Overrides | None,
) -> tuple[Model, list[list[PairScores]]]:
    """Return a stack on an ensemble of each configuration, and its out-of-fold probabilities by fold.

    A span for which some configuration has no probabilities (none of its folds had the lab's actions) is left out.
    """
    each = [combine(plan, [m for m in members if m.config == config]) for config in plan.configs]
    bases = [joined(pair for fold in scores for pair in fold) for _, scores in each]
    predicted = set.intersection(*({pair.video_id for pair in base} for base in bases))
    spans = [[span for span in fold if span.video_id in predicted] for fold in folds]
    fields = {"seed": plan.seeds[0], **plan.fields(OF_STACK, overrides)}
    config = overridden(STACK, fields, "The configuration of a stack")
    scores = stack.out_of_fold(data.videos, bases, spans, config)
    top = stack.fit(data.videos, bases, config, [span for fold in spans for span in fold])
    return StackingModel(top, tuple(model for model, _ in each)), scores


def frames_per_s(members: Sequence[TrainedMember]) -> float | None:
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


def _averaged(scores_by_model: Sequence[Sequence[PairScores]], space: str) -> list[PairScores]:
    """Return the models' mean, span by span: a video that is folded in time can have several spans in one fold."""
    by_span: dict[tuple[int, int], list[list[PairScores]]] = {}
    for scores in scores_by_model:
        by_key: dict[tuple[int, int], list[PairScores]] = {}
        for pair in scores:
            by_key.setdefault((pair.video_id, pair.first_frame), []).append(pair)
        for key, pairs in by_key.items():
            by_span.setdefault(key, []).append(pairs)
    return [pair for _, sets in sorted(by_span.items()) for pair in average(sets, space)]
