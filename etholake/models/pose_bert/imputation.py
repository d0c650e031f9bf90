"""Fill missing points by a pre-trained network: overlapping windows, of which the middle counts most.

Shape letters: B windows, T frames of the video at 30 Hz, W frames of a window, M animals, K unified parts,
D coordinates (x, y[, z]) in cm.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.windows import TARGET, Window
from etholake.features.keypoints import UNIT_CM, points, window_origin

if TYPE_CHECKING:
    from etholake.models.network_model import NetworkModel

__all__ = ["filled"]

BATCH = 64


def filled(model: NetworkModel, tracks: PoseTracks) -> PoseTracks:
    """Return the tracks with missing points filled in; `observed_TMK` stays as it is.

    A point stays missing where its part is never tracked of the animal, or no point of the pair is in any window
    around it.
    """
    estimate_TMKD = _reconstructed(model, tracks)
    missing_TMK = np.isnan(tracks.xy_TMK2[..., 0])
    if tracks.z_TMK is not None:
        missing_TMK = missing_TMK | np.isnan(tracks.z_TMK)
    missing_TMK = missing_TMK & ~missing_TMK.all(axis=0, keepdims=True)  # of parts that are tracked at all
    xy = np.where(missing_TMK[..., None], estimate_TMKD[..., :2], tracks.xy_TMK2)
    z = None if tracks.z_TMK is None else np.where(missing_TMK, estimate_TMKD[..., 2], tracks.z_TMK)
    return replace(tracks, xy_TMK2=xy, z_TMK=z)


@torch.no_grad()
def _reconstructed(model: NetworkModel, tracks: PoseTracks) -> npt.NDArray[np.float32]:
    """Return the network's places [T, M, K, D] in cm; NaN where it sees nothing."""
    T, M, K, _ = tracks.xy_TMK2.shape
    W, D = model.config.window, 2 if tracks.z_TMK is None else 3
    total, weights_T = np.zeros((T, M, K, D), np.float32), np.zeros((T, M, 1, 1), np.float32)
    weight_W = np.minimum(np.arange(1, W + 1), np.arange(W, 0, -1)).astype(np.float32)[:, None, None]
    lab = model.lab_index(tracks)
    samples = [(mouse, start) for start in model.window_starts(tracks) for mouse in range(M)]
    model.network.eval()
    for first in range(0, len(samples), BATCH):
        batch = samples[first : first + BATCH]
        windows = model.encoder.gather(
            [Window(tracks, mouse, (mouse + 1) % M, start) for mouse, start in batch], W
        )
        own = points(windows)
        own[windows.is_self_B, TARGET] = torch.nan
        places, _ = model.network.reconstruct(  # type: ignore[operator]  # such families' networks have it
            model.encoder(windows), torch.full((len(batch),), lab)
        )
        agent_BWKD = (places[:, :, :K] * UNIT_CM + window_origin(own)[:, 0]).numpy()
        for (mouse, start), values_WKD in zip(batch, agent_BWKD, strict=True):
            n = min(W, T - start)
            if np.isfinite(values_WKD).all():
                total[start : start + n, mouse] += values_WKD[:n] * weight_W[:n]
                weights_T[start : start + n, mouse] += weight_W[:n]
    with np.errstate(invalid="ignore"):
        places_TMKD: npt.NDArray[np.float32] = total / weights_T
    return places_TMKD
