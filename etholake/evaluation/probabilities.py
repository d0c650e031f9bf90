"""Judge frame-wise probabilities before any threshold: average precision and calibration.

Counted are the frames of whitelisted (agent, target, action) of videos with ground truth, pooled over videos and
pairs of a lab; frames without a probability (NaN) are not. Shape letters: N frames, Q bins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.events.calibration import pooled_frames
from etholake.events.types import Event, PairScores, Triplet

__all__ = ["BINS", "Probabilities", "average_precision", "judge"]

BINS = 10  # of equal width over 0..1


@dataclass(frozen=True)
class Probabilities:
    """The measures of one (lab, action). Bins without a frame have NaN for both means.

    `average_precision` is None where the action never occurs. `calibration_error` is the expected one: the mean
    over frames of the absolute difference between mean probability and fraction of true frames in their bin.
    """

    average_precision: float | None
    calibration_error: float
    frames_Q: NDArray[np.int64]
    mean_probability_Q: NDArray[np.float64]
    share_true_Q: NDArray[np.float64]


def judge(
    pairs: Sequence[PairScores], truth: Sequence[Event], whitelist: Mapping[int, Collection[Triplet]]
) -> dict[tuple[str, str], Probabilities]:
    """Return how good the probabilities are, by (lab, action)."""
    judged = {}
    for at, (p, y) in pooled_frames(pairs, truth, whitelist).items():
        frames, mean, fraction = _reliability(p, y)
        error = np.nansum(np.abs(mean - fraction) * frames) / frames.sum()
        judged[at] = Probabilities(average_precision(p, y), float(error), frames, mean, fraction)
    return judged


def average_precision(probability_N: NDArray[Any], true_N: NDArray[np.bool_]) -> float | None:
    """Return the sum over thresholds of precision × gain in recall, ties at once; None without truth."""
    if not true_N.any():
        return None
    # Recall is gained only at probabilities of true frames: sorting values is much faster than sorting positions.
    limits, gained = np.unique(probability_N[true_N], return_counts=True)
    tp = np.cumsum(gained[::-1])[::-1]
    false = np.sort(probability_N[~true_N])
    fp = len(false) - np.searchsorted(false, limits, side="left")
    return float(np.sum(gained * tp / (tp + fp)) / tp[0])


def _reliability(
    probability_N: NDArray[Any], true_N: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    which = np.clip((probability_N * BINS).astype(np.int64), 0, BINS - 1)
    frames = np.bincount(which, minlength=BINS)
    sums = (np.bincount(which, weights=x, minlength=BINS) for x in (probability_N.astype(np.float64), true_N))
    with np.errstate(invalid="ignore"):
        mean, fraction = (x / frames for x in sums)
    return frames, mean, fraction
