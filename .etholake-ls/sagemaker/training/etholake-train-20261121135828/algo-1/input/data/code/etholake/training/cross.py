"""Cross-validated ensembles: a member for every fold, configuration and seed, and what they say out of fold.

A frame's out-of-fold probability is the average of the members that did not train on it. The thresholds of the
ensemble are fitted on them, so that no validation data is taken from the training.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etholake.events.types import PairScores
from etholake.models.config import named
from etholake.models.ensemble import Ensemble, average
from etholake.models.recogniser import Recogniser
from etholake.training.data import TrainingData
from etholake.training.fit import fit
from etholake.training.folds import make_folds
from etholake.training.oof import write_oof
from etholake.training.parallel import Group
from etholake.training.split import Span, Split
from etholake.training.trainer import OnEpoch, run_fingerprint
from etholake.training.validation import HeldOut

__all__ = ["OUT_OF_FOLD", "Plan", "fit_ensemble"]

OUT_OF_FOLD = "out_of_fold.parquet"


@dataclass(frozen=True)
class Plan:
    """Which members an ensemble has: every configuration, seed and fold; and how they are averaged."""

    configs: tuple[str, ...]
    folds: int
    seeds: tuple[int, ...] = (0,)
    space: str = "probability"

    def members(self) -> Iterator[tuple[str, int, int]]:
        """(configuration, seed, fold)."""
        for config in self.configs:
            for seed in self.seeds:
                for fold in range(self.folds):
                    yield config, seed, fold


def fit_ensemble(
    data: TrainingData,
    model_dir: Path,
    plan: Plan,
    overrides: Mapping[str, Any] | None = None,
    on_epoch: OnEpoch | None = None,
    *,
    test: Sequence[Span] = (),
    scratch: Path,
    checkpoints: Path | None = None,
    group: Group | None = None,
) -> dict[str, Any]:
    """Train every member and store the `Ensemble` in `model_dir`; returns its report.

    `test` spans are in no fold. The out-of-fold probabilities are written to ``scratch / OUT_OF_FOLD``; in the
    report, `validation` is the score on them, with the thresholds that were fitted on them (so it flatters a
    little). Processes of a `group` must share `scratch` and `checkpoints`: one writes a member, all read it.
    ``on_epoch`` counts the epochs of all members. Members that are done lie in `checkpoints`, if it is
    given, and are not trained again.
    """
    splits = [_outside(split, test) for split in make_folds(data, plan.folds)]
    total = sum(named(config, overrides).epochs for config, _, _ in plan.members())
    done, members, histories = 0, [], {}
    held_out: list[list[Sequence[PairScores]]] = [[] for _ in splits]
    for config, seed, fold in plan.members():
        place = f"{config}-seed{seed}-fold{fold}"
        folder = (checkpoints or scratch) / "members" / place
        marker, run = folder / "done", run_fingerprint(data, splits[fold], named(config, overrides), seed)
        if not (marker.is_file() and marker.read_text(encoding="utf-8") == run):
            shutil.rmtree(folder, ignore_errors=True)
            fit(
                data, folder, config, overrides, _counted(on_epoch, done, total), split=splits[fold], seed=seed,
                checkpoints=checkpoints / place if checkpoints else None, group=group,
            )  # fmt: skip
            if group:
                group.wait()
            marker.write_text(run, encoding="utf-8")
        done += named(config, overrides).epochs
        members.append(Recogniser.load(folder))
        histories[place] = members[-1].details["history"]
        held_out[fold].append(HeldOut.of(members[-1], data.videos, splits[fold].test).pairs)
    model = Ensemble(tuple(members), plan.space)
    spans = [span for split in splits for span in split.test]
    scores = [(k, pair) for k, said in enumerate(held_out) for pair in _together(said, plan.space)]
    judged = HeldOut.given([pair for _, pair in scores], data.videos, spans)
    model.thresholds = judged.fit_thresholds(model)
    score = judged.score(model)
    report = {
        "split": Split(tuple(spans), (), tuple(test)).to_json(),
        "folds": [split.to_json()["test"] for split in splits],
        "data_fingerprint": data.fingerprint,
        "seed": plan.seeds[0],
        "history": [row | {"member": place} for place, rows in histories.items() for row in rows],
        "validation": score.to_dict() if score else None,
        "notes": list(data.notes),
    }
    model.details = report
    if group is None or group.leads:
        model.save(model_dir)
        write_oof(scratch / OUT_OF_FOLD, scores)
    return report


def _counted(on_epoch: OnEpoch | None, done: int, total: int) -> OnEpoch | None:
    """Epochs of one member, told as epochs of all."""
    if on_epoch is None:
        return None
    told = on_epoch
    return lambda epoch, _epochs, row: told(done + epoch, total, row)


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


def _together(said: Sequence[Sequence[PairScores]], space: str) -> list[PairScores]:
    """The members' average, span by span: a video that is folded in time has several in one fold."""
    by_span: dict[tuple[int, int], list[list[PairScores]]] = {}
    for scores in said:
        mine: dict[tuple[int, int], list[PairScores]] = {}
        for pair in scores:
            mine.setdefault((pair.video_id, pair.first_frame), []).append(pair)
        for key, pairs in mine.items():
            by_span.setdefault(key, []).append(pairs)
    return [pair for _, sets in sorted(by_span.items()) for pair in average(sets, space)]
