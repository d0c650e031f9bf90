"""Smooth frame-wise probabilities by a centred mean; decoding and the fitting of thresholds do it alike.

Shape letters: T video frames, A actions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from etholake.events.types import PairScores

__all__ = ["finite_by_action", "smooth", "smooth_column", "smoothed_pair", "smoothing_frames"]


def smoothing_frames(seconds: float, fps: float) -> int:
    """Return a window in frames: the nearest odd number, at least 1."""
    return 2 * max(0, round((seconds * fps - 1) / 2)) + 1


def smooth(probabilities_TA: NDArray[np.float32], window: int) -> NDArray[np.float64]:
    """Return the centred mean over `window` (odd) frames [T, A].

    At the ends it is the mean over the frames that exist. NaN counts as 0.
    """
    columns = [smooth_column(column, window) for column in finite_by_action(probabilities_TA)]
    return np.stack(columns, axis=1) if columns else np.zeros(probabilities_TA.shape)


def smoothed_pair(pair: PairScores, seconds: float) -> PairScores:
    """Return probabilities smoothed over a window of `seconds`; what was NaN stays NaN."""
    window = smoothing_frames(seconds, pair.fps)
    if window == 1:
        return pair
    values = smooth(pair.probabilities_TA, window).astype(np.float32)
    values[np.isnan(pair.probabilities_TA)] = np.nan
    return replace(pair, probabilities_TA=values)


def finite_by_action(probabilities_TA: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return [A, T], so that each action's frames are side by side in memory, with 0 for what is not finite."""
    finite_AT = np.ascontiguousarray(probabilities_TA.T, dtype=np.float64)
    if not np.isfinite(finite_AT.sum()):
        finite_AT[~np.isfinite(finite_AT)] = 0.0
    return finite_AT


def smooth_column(probability_T: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the centred mean of one action, as `smooth`."""
    T, half = len(probability_T), window // 2
    if half < 1 or not T:
        return probability_T
    # Slices of the running sum, padded by its last value on the right and by zeros on the left.
    total = np.zeros(T + 2 * half + 1)
    np.cumsum(probability_T, out=total[half + 1 : half + 1 + T])
    total[half + 1 + T :] = total[half + T]
    result = total[window:] - total[:-window]
    inner = slice(min(half, T), max(T - half, min(half, T)))
    result[inner] /= window
    for edge in (np.arange(inner.start), np.arange(inner.stop, T)):  # fewer frames there
        result[edge] /= np.minimum(edge + half + 1, T) - np.maximum(edge - half, 0)
    return result
