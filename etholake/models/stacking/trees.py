"""The trees of a stack: they correct the mean of several base models as far as that helps.

Their features are the base models' probabilities over time and a few features of the tracks, and they start from
the mean of the log odds of the bases. The number of rounds is chosen on videos left out; with too few videos it is
0, and the mean is not changed.

`bases` are lists of `PairScores` of the same videos, one list per base model, in the same order everywhere. To
train the trees they must be out-of-fold: from models that were not trained on the video. `out_of_fold` computes
the stack's own out-of-fold probabilities: each fold is predicted by trees that were fitted on the other folds.
Together with its bases the stack is one model: `etholake.models.stacking.model`. Shape letters: T frames at 30 Hz.
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
    grow_all,
    in_parts,
    part_of,
)
from etholake.models.stacking.config import STACK

__all__ = ["StackingTrees", "fit", "out_of_fold"]

START = "mean of log-odds"  # the origin that the trees correct
_WINDOWS_S = (1.0, 5.0, 15.0, 60.0)
_RAW = (
    "distance", "nearest parts", "approach", "nearest distance", "agent speed 0.5 s", "target speed 0.5 s",
    "agent observed", "target observed", "agent length", "target length",
)  # fmt: skip
_LIMIT = 1e-4  # probabilities nearer to 0 or 1 are clipped to this
_ByPair = Mapping[tuple[int, int], PairScores]


@dataclass
class StackingTrees:
    """Trained trees on `n_bases` base models, whose order is fixed."""

    forests: Mapping[tuple[str, str], Booster]
    n_bases: int
    config: BoostedConfig = STACK

    def predict(self, tracks: PoseTracks, bases: Sequence[Sequence[PairScores]]) -> list[PairScores]:
        """Return probabilities for the same pairs as the bases, on the video's own frames.

        `bases` are the base models' probabilities of this video. The result is NaN where all of theirs are.

        Raises ContractError if there are more or fewer bases than the stack was trained on.
        """
        if len(bases) != self.n_bases:
            raise ContractError(f"The stack has {self.n_bases} base models, but got scores of {len(bases)}.")
        base_scores = [_of_video(base, tracks.video_id) for base in bases]
        trees = Boosted(self.forests)
        scores = []
        for (agent, target), actions in trees.predicted_behaviors(tracks).items():
            values = np.full((len(tracks.xy_TMK2), len(actions)), np.nan, dtype=np.float32)
            for inner, table in _tables(tracks, agent, target, base_scores, None):
                for i, action in enumerate(actions):
                    start = table.get(_mean_of(action))
                    if start is not None:
                        probabilities = [
                            forest(table, np.nan_to_num(start))
                            for forest in trees.boosters_of(tracks.lab_id, action)
                        ]
                        values[inner, i] = np.where(np.isnan(start), np.nan, np.mean(probabilities, axis=0))
            scores.append(
                PairScores(
                    tracks.video_id, tracks.lab_id, tracks.fps, agent, target, tracks.first_frame, tuple(actions),
                    tracks.to_video_frames(values),
                )
            )  # fmt: skip
        return scores


def fit(
    videos: Sequence[LabelledVideo],
    bases: Sequence[Sequence[PairScores]],
    config: BoostedConfig = STACK,
    spans: Sequence[Span] | None = None,
) -> StackingTrees:
    """Train the trees on out-of-fold probabilities of `spans` of the videos (default: the whole videos).

    Raises DataError if a base has no probabilities of a video, or no labeled behavior occurs.
    """
    spans = whole_spans(videos) if spans is None else spans
    ids = sorted({span.video_id for span in spans})
    base_scores = {video: [_of_video(base, video) for base in bases] for video in ids}
    missing = [
        f"base {i + 1} has none of video {v}" for v in ids for i, one in enumerate(base_scores[v]) if not one
    ]
    if missing or not bases:
        raise DataError(
            f"A stack needs out-of-fold probabilities of every base and video: {'; '.join(missing) or 'none'}."
        )

    def tables(tracks: PoseTracks, agent: int, target: int, frames: tuple[int, int]) -> Tables:
        return _tables(tracks, agent, target, base_scores[tracks.video_id], frames)

    return StackingTrees(grow_all(videos, spans, tables, config, _mean_of), len(bases), config)


def out_of_fold(
    videos: Sequence[LabelledVideo],
    bases: Sequence[Sequence[PairScores]],
    folds: Sequence[Sequence[Span]],
    config: BoostedConfig = STACK,
) -> list[list[PairScores]]:
    """Return the stack's own out-of-fold probabilities, one list per fold.

    Each fold is predicted by trees that were trained on the other folds.
    """
    tracks_by_id = {v.tracks.video_id: v.tracks for v in videos}
    scores = []
    for fold in folds:
        stack = fit(videos, bases, config, [span for other in folds if other is not fold for span in other])
        base_scores = {
            video: stack.predict(tracks_by_id[video], bases) for video in {span.video_id for span in fold}
        }
        cut = [pair.between(s.start_frame, s.stop_frame) for s in fold for pair in base_scores[s.video_id]]
        scores.append([pair for pair in cut if len(pair.probabilities_TA)])
    return scores


def _of_video(base: Sequence[PairScores], video: int) -> _ByPair:
    return {(p.agent_id, p.target_id): p for p in base if p.video_id == video}


def _tables(
    tracks: PoseTracks, agent: int, target: int, base_scores: Sequence[_ByPair], frames: tuple[int, int] | None
) -> Tables:
    one, other = tracks.mouse_ids.index(agent), tracks.mouse_ids.index(target)
    for inner, around in in_parts(tracks, frames, ENCODER.context_s):
        times = tracks.frame_times()[around]
        now = _logits(base_scores, (agent, target), times)
        part = part_of(tracks, around)
        raw = self_now(part, one) if one == other else pair_now(part, one, other)
        now |= {name: raw[name] for name in _RAW if name in raw}
        inside = slice(inner.start - around.start, inner.stop - around.start)
        yield inner, {name: x[inside] for name, x in (now | means(now, _WINDOWS_S)).items()}


def _logits(base_scores: Sequence[_ByPair], pair: tuple[int, int], times_T: Any) -> Table:
    """Return the log odds of every base and action, and their means over the bases.

    Columns for swapped roles end in " back". `times_T` are the video frames (rounded) of the rows; NaN where a
    base has no probability.
    """
    table: Table = {}
    for way, (agent, target) in (("", pair), (" back", pair[::-1])):
        if way and pair[0] == pair[1]:
            continue
        by_action: dict[str, list[Any]] = {}
        for number, base in enumerate(base_scores):
            scores = base.get((agent, target))
            for i, action in enumerate(scores.actions if scores else ()):
                assert scores is not None
                at = np.round(times_T).astype(int) - scores.first_frame
                inside = (at >= 0) & (at < len(scores.probabilities_TA))
                p = np.full(len(at), np.nan, dtype=np.float32)
                p[inside] = np.clip(scores.probabilities_TA[at[inside], i], _LIMIT, 1 - _LIMIT)
                table[f"base {number} {action}{way}"] = np.log(p / (1 - p))
                by_action.setdefault(action, []).append(table[f"base {number} {action}{way}"])
        table |= {f"{_mean_of(a)}{way}": _mean(x) for a, x in by_action.items()}
    return table


def _mean_of(action: str) -> str:
    """Return the name of the column with the mean over the bases."""
    return f"mean {action}"


def _mean(values: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Return the mean of the values that are not NaN; NaN where all are."""
    n_present = np.sum([~np.isnan(x) for x in values], axis=0)
    total = np.sum([np.nan_to_num(x) for x in values], axis=0)
    return np.where(n_present > 0, total / np.maximum(n_present, 1), np.nan).astype(np.float32)
