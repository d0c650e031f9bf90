"""Fill missing points by a pre-trained network: overlapping windows, of which the middle counts most.

Shape letters: B windows, T frames of the video at 30 Hz, W frames of a window, M animals, K unified parts,
2 = (x, y) in cm.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.windows import Window, gather
from etholake.features.keypoints import ENCODER, UNIT_CM, window_origin

if TYPE_CHECKING:
    from etholake.models.network_model import NetworkModel

__all__ = ["filled"]

BATCH = 64


def filled(model: NetworkModel, tracks: PoseTracks) -> PoseTracks:
    """Return the tracks with missing points filled in; `observed_TMK` stays as it is.

    A point stays missing where its part is never tracked of the animal, or no point of the pair is in any window
    around it.
    """
    estimate = _reconstructed(model, tracks)
    missing_TMK2 = np.isnan(tracks.xy_TMK2)
    tracked_1MK2 = ~missing_TMK2.all(axis=0, keepdims=True)
    missing = missing_TMK2 & tracked_1MK2
    return replace(tracks, xy_TMK2=np.where(missing, estimate, tracks.xy_TMK2))


@torch.no_grad()
def _reconstructed(model: NetworkModel, tracks: PoseTracks) -> npt.NDArray[np.float32]:
    """Return the network's places [T, M, K, 2] in cm; NaN where it sees nothing."""
    T, M, K, _ = tracks.xy_TMK2.shape
    W = model.config.window
    total, weights_T = np.zeros((T, M, K, 2), np.float32), np.zeros((T, M, 1, 1), np.float32)
    weight_W = np.minimum(np.arange(1, W + 1), np.arange(W, 0, -1)).astype(np.float32)[:, None, None]
    lab = model.labs.index(tracks.lab_id) + 1 if tracks.lab_id in model.labs else 0
    samples = [(mouse, start) for start in model.window_starts(tracks) for mouse in range(M)]
    model.network.eval()
    for first in range(0, len(samples), BATCH):
        batch = samples[first : first + BATCH]
        windows = gather([Window(tracks, mouse, (mouse + 1) % M, start) for mouse, start in batch], W)
        own = windows.xy_BRTK2.clone()
        own[windows.is_self_B, 1] = torch.nan
        places, _ = model.network.reconstruct(  # type: ignore[operator]  # such families' networks have it
            ENCODER(windows), torch.full((len(batch),), lab)
        )
        agent_BWK2 = (places[:, :, :K] * UNIT_CM + window_origin(own)[:, 0]).numpy()
        for (mouse, start), values_WK2 in zip(batch, agent_BWK2, strict=True):
            n = min(W, T - start)
            if np.isfinite(values_WK2).all():
                total[start : start + n, mouse] += values_WK2[:n] * weight_W[:n]
                weights_T[start : start + n, mouse] += weight_W[:n]
    with np.errstate(invalid="ignore"):
        places_TMK2: npt.NDArray[np.float32] = total / weights_T
    return places_TMK2
