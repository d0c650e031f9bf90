"""The stack: the mean of what other recognisers said, corrected by boosted trees as far as that helps.

The trees see what the bases said over time and a few raw features, and start from the mean of the bases' log-odds.
How many are grown is decided on videos left out, so few videos, which cannot tell, leave the mean as it is.

`bases` are lists of `PairScores` of the same videos, one list per base recogniser, in the same order everywhere.
To train it they must be out-of-fold: said by models that had not seen the video. `out_of_fold` judges the stack
itself the same way: each fold is predicted by a stack that was fitted on the out-of-fold scores of the others.
With its bases it is a recogniser of its own: `etholake.models.stacking.model`. Shape letters: T ticks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.dataset.labelled import LabelledVideo, whole_spans
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span
from etholake.errors import ContractError, DataError
from etholake.events.types import PairScores
from etholake.features.encoder import Table
from etholake.features.rolling import ENCODER, means, pair_now, self_now
from etholake.models.boosted.config import BoostedConfig
from etholake.models.boosted.forest import (
    Boosted,
    Booster,
    Tables,
    clip_part,
    grow_all,
    in_parts,
)
from etholake.models.stacking.config import STACK

__all__ = ["StackingTrees", "fit", "out_of_fold"]

START = "mean of log-odds"  # what the trees correct
_WINDOWS_S = (1.0, 5.0, 15.0, 60.0)
_RAW = (
    "distance", "nearest parts", "approach", "nearest distance", "agent speed 0.5 s", "target speed 0.5 s",
    "agent seen", "target seen", "agent length", "target length",
)  # fmt: skip
_LIMIT = 1e-4  # probabilities nearer to 0 or 1 are taken for this
_ByPair = Mapping[tuple[int, int], PairScores]


@dataclass
class StackingTrees:
    """A trained stack; `n_bases` recognisers stand below it, in a fixed order."""

    forests: Mapping[tuple[str, str], Booster]
    n_bases: int
    config: BoostedConfig = STACK

    def predict(self, clip: PoseTracks, bases: Sequence[Sequence[PairScores]]) -> list[PairScores]:
        """Probabilities as the bases give them: same pairs, on the video's own frames; all bases of this clip.

        NaN where no base says anything.

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
                    start = table.get(_mean_of(action))
                    if start is not None:
                        said_by = [forest(table, np.nan_to_num(start)) for forest in trees.of(clip.lab_id, action)]
                        values[ticks, i] = np.where(np.isnan(start), np.nan, np.mean(said_by, axis=0))
            scores.append(
                PairScores(
                    clip.video_id, clip.lab_id, clip.fps, agent, target, clip.first_frame, tuple(actions),
                    clip.to_own_frames(values),
                )
            )  # fmt: skip
        return scores


def fit(
    videos: Sequence[LabelledVideo],
    bases: Sequence[Sequence[PairScores]],
    config: BoostedConfig = STACK,
    spans: Sequence[Span] | None = None,
) -> StackingTrees:
    """Train a stack on out-of-fold scores of `spans` of the videos (default: the whole videos).

    Raises DataError if a base has no scores of a video, or nothing that was looked for occurs.
    """
    spans = whole_spans(videos) if spans is None else spans
    ids = sorted({span.video_id for span in spans})
    said = {video: [_of_video(base, video) for base in bases] for video in ids}
    missing = [f"base {i + 1} says nothing of video {v}" for v in ids for i, one in enumerate(said[v]) if not one]
    if missing or not bases:
        raise DataError(
            f"A stack needs out-of-fold scores of every base and video: {'; '.join(missing) or 'none'}."
        )

    def tables(clip: PoseTracks, agent: int, target: int, frames: tuple[int, int]) -> Tables:
        return _tables(clip, agent, target, said[clip.video_id], frames)

    return StackingTrees(grow_all(videos, spans, tables, config, _mean_of), len(bases), config)


def out_of_fold(
    videos: Sequence[LabelledVideo],
    bases: Sequence[Sequence[PairScores]],
    folds: Sequence[Sequence[Span]],
    config: BoostedConfig = STACK,
) -> list[list[PairScores]]:
    """The stack's own out-of-fold scores, fold by fold: of its spans, by a stack of the other folds' spans."""
    clips = {v.clip.video_id: v.clip for v in videos}
    scores = []
    for fold in folds:
        stack = fit(videos, bases, config, [span for other in folds if other is not fold for span in other])
        said = {video: stack.predict(clips[video], bases) for video in {span.video_id for span in fold}}
        cut = [pair.between(s.start_frame, s.stop_frame) for s in fold for pair in said[s.video_id]]
        scores.append([pair for pair in cut if len(pair.probabilities_TA)])
    return scores


def _of_video(base: Sequence[PairScores], video: int) -> _ByPair:
    return {(p.agent_id, p.target_id): p for p in base if p.video_id == video}


def _tables(
    clip: PoseTracks, agent: int, target: int, said: Sequence[_ByPair], frames: tuple[int, int] | None
) -> Tables:
    one, other = clip.mouse_ids.index(agent), clip.mouse_ids.index(target)
    for ticks, around in in_parts(clip, frames, ENCODER.context_s):
        times = clip.clock_times()[around]
        now = _logits(said, (agent, target), times)
        part = clip_part(clip, around)
        raw = self_now(part, one) if one == other else pair_now(part, one, other)
        now |= {name: raw[name] for name in _RAW if name in raw}
        inside = slice(ticks.start - around.start, ticks.stop - around.start)
        yield ticks, {name: x[inside] for name, x in (now | means(now, _WINDOWS_S)).items()}


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
        found |= {f"{_mean_of(a)}{way}": _mean(x) for a, x in by_action.items()}
    return found


def _mean_of(action: str) -> str:
    """Name of the column of the mean over the bases."""
    return f"mean {action}"


def _mean(values: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Mean of what is known; NaN where nothing is."""
    known = np.sum([~np.isnan(x) for x in values], axis=0)
    total = np.sum([np.nan_to_num(x) for x in values], axis=0)
    return np.where(known > 0, total / np.maximum(known, 1), np.nan).astype(np.float32)
