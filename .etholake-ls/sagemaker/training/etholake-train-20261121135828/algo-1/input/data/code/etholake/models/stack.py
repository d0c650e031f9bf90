"""The stack: boosted trees on what other recognisers said, over time, and on a few raw features.

`bases` are lists of `PairScores` of the same videos, one list per base recogniser, in the same order everywhere.
To train it they must be out-of-fold: said by models that had not seen the video. `out_of_fold` judges the stack
itself the same way: each fold is predicted by a stack that was fitted on the out-of-fold scores of the others.
Shape letters: T ticks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from etholake.errors import ContractError, DataError
from etholake.events.decisions import Decisions
from etholake.events.types import Event, PairScores
from etholake.features.clip import PoseClip
from etholake.models.boosted import (
    META,
    Boosted,
    BoostedConfig,
    Forest,
    Tables,
    clip_part,
    grow_all,
    in_parts,
    read_model,
    whole_spans,
    write_model,
)
from etholake.models.rolling import Table, pair_now, rolling, self_now
from etholake.training.data import LabelledVideo

__all__ = ["STACK", "Predicts", "Stack", "fit", "out_of_fold"]

# Few and strong columns: shallow trees, many of the columns each, much smoothing.
STACK = BoostedConfig(rounds=120, depth=3, eta=0.06, colsample=0.3, min_child_weight=40.0, l2=10.0)
_RAW = (
    "distance", "nearest parts", "approach", "nearest distance", "agent speed 0.5 s", "target speed 0.5 s",
    "agent seen", "target seen", "agent length", "target length",
)  # fmt: skip
_LIMIT = 1e-4  # probabilities nearer to 0 or 1 are taken for this
_ByPair = Mapping[tuple[int, int], PairScores]


class Predicts(Protocol):
    """A recogniser: the network's, the baseline's, an ensemble's."""

    def predict(self, clip: PoseClip, frames: tuple[int, int] | None = None) -> list[PairScores]: ...


@dataclass
class Stack:
    """A trained stack; `n_bases` recognisers stand below it, in a fixed order."""

    forests: Mapping[tuple[str, str], Forest]
    n_bases: int
    config: BoostedConfig = STACK
    decisions: Decisions = field(default_factory=Decisions)
    details: dict[str, Any] = field(default_factory=dict)

    def predict(self, clip: PoseClip, bases: Sequence[Sequence[PairScores]]) -> list[PairScores]:
        """Probabilities as the bases give them: same pairs, on the video's own frames; all bases of this clip.

        Raises ContractError if there are more or fewer bases than the stack was trained on.
        """
        if len(bases) != self.n_bases:
            raise ContractError(f"The stack stands on {self.n_bases} recognisers, but got scores of {len(bases)}.")
        said = [_of_video(base, clip.video_id) for base in bases]
        trees = Boosted(self.forests)
        scores = []
        for (agent, target), actions in trees.candidates(clip).items():
            values = np.full((len(clip.xy_TMK2), len(actions)), np.nan, dtype=np.float32)
            for ticks, table in _tables(clip, agent, target, said, None):
                for i, action in enumerate(actions):
                    forests = trees.of(clip.lab_id, action)
                    values[ticks, i] = np.mean([forest(table) for forest in forests], axis=0)
            scores.append(
                PairScores(
                    clip.video_id, clip.lab_id, clip.fps, agent, target, clip.first_frame, tuple(actions),
                    clip.to_own_frames(values),
                )
            )  # fmt: skip
        return scores

    def events(self, clip: PoseClip, bases: Sequence[Predicts]) -> list[Event]:
        """Decided events of a clip, of what the base recognisers say of it now."""
        said = self.predict(clip, [base.predict(clip) for base in bases])
        return self.decisions.events(said, set(clip.behaviors))

    def save(self, folder: Path) -> None:
        """Write the forests as UBJ, numbered, and `meta.json`; the base recognisers are stored by themselves."""
        meta = {
            "bases": self.n_bases, "config": asdict(self.config), "decisions": self.decisions.to_dict(),
            **self.details,
        }  # fmt: skip
        write_model(folder, "stack", self.forests, meta)

    @classmethod
    def load(cls, folder: Path) -> Stack:
        """Read a stored stack. Raises ContractError that names what does not fit this code."""
        meta, forests = read_model(folder, "stack")
        try:
            bases, config = int(meta.pop("bases")), BoostedConfig(**meta.pop("config"))
            decisions = Decisions.from_dict(meta.pop("decisions"))
        except (KeyError, TypeError, ValueError) as err:
            raise ContractError(
                f"{folder / META} does not fit this code: {err!r}. Train the stack again."
            ) from err
        return cls(forests, bases, config, decisions, meta)


def fit(
    videos: Sequence[LabelledVideo], bases: Sequence[Sequence[PairScores]], config: BoostedConfig = STACK
) -> Stack:
    """Train a stack on out-of-fold scores of the videos.

    Raises DataError if a base has no scores of a video, or nothing that was looked for occurs.
    """
    ids = [v.clip.video_id for v in videos]
    said = {video: [_of_video(base, video) for base in bases] for video in ids}
    missing = [f"base {i + 1} says nothing of video {v}" for v in ids for i, one in enumerate(said[v]) if not one]
    if missing or not bases:
        raise DataError(
            f"A stack needs out-of-fold scores of every base and video: {'; '.join(missing) or 'none'}."
        )

    def tables(clip: PoseClip, agent: int, target: int, frames: tuple[int, int]) -> Tables:
        return _tables(clip, agent, target, said[clip.video_id], frames)

    return Stack(grow_all(videos, whole_spans(videos), tables, config), len(bases), config)


def out_of_fold(
    videos: Sequence[LabelledVideo],
    bases: Sequence[Sequence[PairScores]],
    folds: Sequence[Collection[int]],
    config: BoostedConfig = STACK,
) -> list[PairScores]:
    """The stack's own out-of-fold scores: every fold (video ids) by a stack of the others' scores and labels."""
    scores = []
    for fold in folds:
        others = [v for v in videos if v.clip.video_id not in fold]
        known = {v.clip.video_id for v in others}
        stack = fit(others, [[pair for pair in base if pair.video_id in known] for base in bases], config)
        for video in videos:
            if video.clip.video_id in fold:
                scores += stack.predict(video.clip, bases)
    return scores


def _of_video(base: Sequence[PairScores], video: int) -> _ByPair:
    return {(p.agent_id, p.target_id): p for p in base if p.video_id == video}


def _tables(
    clip: PoseClip, agent: int, target: int, said: Sequence[_ByPair], frames: tuple[int, int] | None
) -> Tables:
    one, other = clip.mouse_ids.index(agent), clip.mouse_ids.index(target)
    for ticks, around in in_parts(clip, frames):
        times = clip.clock_times()[around]
        now = _logits(said, (agent, target), times)
        part = clip_part(clip, around)
        raw = self_now(part, one) if one == other else pair_now(part, one, other)
        now |= {name: raw[name] for name in _RAW if name in raw}
        inside = slice(ticks.start - around.start, ticks.stop - around.start)
        yield ticks, {name: x[inside] for name, x in (now | rolling(now)).items()}


def _logits(said: Sequence[_ByPair], pair: tuple[int, int], times_T: Any) -> Table:
    """Log-odds of every base and action at video frames, for the pair and the other way round; their means."""
    found: Table = {}
    for way, (agent, target) in (("", pair), (" back", pair[::-1])):
        if way and pair[0] == pair[1]:
            continue
        by_action: dict[str, list[Any]] = {}
        for number, base in enumerate(said):
            scores = base.get((agent, target))
            for i, action in enumerate(scores.actions if scores else ()):
                assert scores is not None
                at = np.round(times_T).astype(int) - scores.first_frame
                inside = (at >= 0) & (at < len(scores.probabilities_TA))
                p = np.full(len(at), np.nan, dtype=np.float32)
                p[inside] = np.clip(scores.probabilities_TA[at[inside], i], _LIMIT, 1 - _LIMIT)
                found[f"base {number} {action}{way}"] = np.log(p / (1 - p))
                by_action.setdefault(action, []).append(found[f"base {number} {action}{way}"])
        if len(said) > 1:
            found |= {f"mean {a}{way}": np.mean(x, axis=0, dtype=np.float32) for a, x in by_action.items()}
    return found
