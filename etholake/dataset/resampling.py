"""The frame rate of all models, and tracks brought to it.

Shape letters: T frames, M animals, K points, 2 = (x, y).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_BRIDGE_S", "MODEL_FPS", "at_model_rate"]

MODEL_FPS = 30.0  # every video is resampled to this rate, so that a window is a time
MAX_BRIDGE_S = 1.0  # a point is interpolated between measured ones that are at most this far apart


def at_model_rate(
    xy_TMK2: npt.NDArray[np.float32], fps: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Interpolate tracks of `fps` frames a second linearly to `MODEL_FPS`, over gaps of at most `MAX_BRIDGE_S`.

    Returns
    -------
    tuple
        The tracks at `MODEL_FPS` [T, M, K, 2], NaN in longer gaps; and where [T, M, K] the point was measured at
        the nearest frame of the video.
    """
    T, M, K, _ = xy_TMK2.shape
    times = np.arange(max(1, int(np.floor((T - 1) * MODEL_FPS / fps + 1e-6)) + 1)) * (fps / MODEL_FPS)
    out = np.full((len(times), M, K, 2), np.nan, dtype=np.float32)
    observed = np.zeros((len(times), M, K), dtype=bool)
    nearest = np.minimum(np.round(times).astype(int), T - 1)
    bridge = MAX_BRIDGE_S * fps
    for m in range(M):
        for k in range(K):
            track = xy_TMK2[:, m, k]
            measured = np.flatnonzero(~np.isnan(track[:, 0]))
            if not measured.size:
                continue
            position = np.searchsorted(measured, times)
            before = measured[np.clip(position - 1, 0, len(measured) - 1)]
            after = measured[np.clip(position, 0, len(measured) - 1)]
            exact = after == times
            near = exact | ((before <= times) & (after >= times) & (after - before <= bridge))
            near |= np.abs(times - measured[-1]) < 1  # the last time may lie behind the last frame
            for axis in range(2):
                value = np.interp(times, measured, track[measured, axis])
                out[:, m, k, axis] = np.where(near, value, np.nan)
            observed[:, m, k] = ~np.isnan(track[nearest, 0])
    return out, observed
