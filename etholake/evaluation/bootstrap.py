"""The uncertainty of a score: percentile intervals by drawing videos anew, with replacement, within each lab.

Videos, not frames, are what a lab has few of, and frames of one video are alike. An interval of a lab with one
video is not known. Shape letters: R draws, V videos, A actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DRAWS", "Interval", "Uncertainty", "drawn_scores", "paired_difference", "percentiles", "uncertainty"]

DRAWS = 1000
PERCENT = (2.5, 97.5)
Interval = tuple[float, float] | None  # None: not known


@dataclass(frozen=True)
class Uncertainty:
    """95 % intervals of the official score, of each lab's, and of each (lab, action)'s F."""

    score: Interval
    labs: Mapping[str, Interval]
    actions: Mapping[tuple[str, str], Interval]


def uncertainty(
    frames: Mapping[tuple[int, str], NDArray[Any]], labs: Mapping[int, str], *, draws: int = DRAWS, seed: int = 0
) -> Uncertainty:
    """Return the intervals of the frames (TP, FP, FN) by (video, action), from `metric.frames_by_video`.

    An action that a draw does not hold, neither true nor predicted, is left out of that draw's mean, as the
    official score would. The whole score's interval is known if that of any lab is.
    """
    random = np.random.default_rng(seed)
    by_lab: dict[str, Interval] = {}
    by_action: dict[tuple[str, str], Interval] = {}
    totals: list[NDArray[np.float64]] = []
    for lab in sorted({labs[video] for video, _ in frames}):
        videos = sorted({video for video, _ in frames if labs[video] == lab})
        actions = sorted({action for video, action in frames if labs[video] == lab})
        f_RA = _draws(frames, videos, actions, draws, random)
        mean_R = np.nanmean(f_RA, axis=1)
        totals.append(mean_R)
        several = len(videos) > 1
        by_lab[lab] = percentiles(mean_R) if several else None
        for i, action in enumerate(actions):
            by_action[lab, action] = percentiles(f_RA[:, i]) if several else None
    any_known = any(interval is not None for interval in by_lab.values())
    return Uncertainty(percentiles(np.mean(totals, axis=0)) if any_known else None, by_lab, by_action)


def paired_difference(
    frames: Mapping[tuple[int, str], NDArray[Any]],
    others: Mapping[tuple[int, str], NDArray[Any]],
    labs: Mapping[int, str],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Return the 95 % interval of a score minus another one on the same videos, drawn together.

    Both are frames (TP, FP, FN) by (video, action), as for `uncertainty`. None where no lab has two videos.
    """
    scores_SR = drawn_scores([frames, others], labs, draws=draws, seed=seed)
    return None if scores_SR is None else percentiles(scores_SR[0] - scores_SR[1])


def drawn_scores(
    results: Sequence[Mapping[tuple[int, str], NDArray[Any]]],
    labs: Mapping[int, str],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> NDArray[np.float64] | None:
    """Return the score of each of S results in each draw of the videos [S, R]; all have the same draws.

    A result is frames (TP, FP, FN) by (video, action), as for `uncertainty`. None where no lab has two videos.
    """
    videos_by_lab = {
        lab: sorted({video for frames in results for video, _ in frames if labs[video] == lab})
        for lab in {*labs.values()}
    }
    videos_by_lab = {lab: videos for lab, videos in sorted(videos_by_lab.items()) if videos}
    if all(len(videos) < 2 for videos in videos_by_lab.values()):
        return None
    means = []
    for frames in results:
        random = np.random.default_rng(seed)  # the same draws for each
        by_lab = []
        for lab, videos in videos_by_lab.items():
            actions = sorted({action for video, action in frames if labs[video] == lab})
            if actions:
                by_lab.append(np.nanmean(_draws(frames, videos, actions, draws, random), axis=1))
            else:
                by_lab.append(np.zeros(draws))
        means.append(np.mean(by_lab, axis=0))
    return np.array(means)


def percentiles(values_R: NDArray[np.float64]) -> tuple[float, float]:
    """Return the bounds of the 95 % interval of drawn values."""
    low, high = np.nanpercentile(values_R, PERCENT)
    return float(low), float(high)


def _draws(
    frames: Mapping[tuple[int, str], NDArray[Any]],
    videos: list[int],
    actions: list[str],
    draws: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Return F of each action in each draw of the videos [R, A]; NaN where the draw does not hold the action."""
    V = len(videos)
    counts, present = np.zeros((V, len(actions), 3)), np.zeros((V, len(actions)))
    for v, video in enumerate(videos):
        for a, action in enumerate(actions):
            if (video, action) in frames:
                counts[v, a], present[v, a] = frames[video, action], 1
    times_RV = random.multinomial(V, [1 / V] * V, size=draws)
    tp, fp, fn = np.moveaxis(np.tensordot(times_RV, counts, axes=1), 2, 0)
    f_RA = 2 * tp / np.maximum(2 * tp + fp + fn, 1)
    return np.where(times_RV @ present > 0, f_RA, np.nan)
