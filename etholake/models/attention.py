"""Compute where a network looked: the attention of every window, as a curve over the video.

Shape letters: T frames of the video at 30 Hz, W frames of a window.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.windows import Window
from etholake.errors import UsageError
from etholake.models.base import Model
from etholake.models.network_model import NetworkModel

__all__ = ["attention_of", "has_attention"]

BATCH = 64


def has_attention(model: Model) -> bool:
    """Return whether a model is a network with attention over time."""
    return isinstance(model, NetworkModel) and hasattr(model.network, "attention")


@torch.no_grad()
def attention_of(model: Model, tracks: PoseTracks) -> dict[tuple[int, int], tuple[int, npt.NDArray[np.float32]]]:
    """Return {(agent, target): (first frame, attention [n_frames])} of predicted pairs, on the video's own frames.

    1 is the attention of a window that looks everywhere alike; overlapping windows are averaged.

    Raises UsageError for a model without attention over time.
    """
    if not isinstance(model, NetworkModel) or not has_attention(model):
        raise UsageError(
            f"A model of the family '{model.family}' has no attention over time to draw: name one of cnn_lstm."
        )
    T, W = len(tracks.xy_TMK2), model.config.window
    starts, curves = model.window_starts(tracks), {}
    model.network.eval()
    for agent, target in model.predicted_behaviors(tracks):
        places = tracks.mouse_ids.index(agent), tracks.mouse_ids.index(target)
        total, count = np.zeros(T, np.float32), np.zeros(T, np.float32)
        for first in range(0, len(starts), BATCH):
            chosen = starts[first : first + BATCH]
            windows = model.encoder.gather([Window(tracks, *places, start) for start in chosen], W)
            weights_BW = model.network.attention(model.inputs(windows))  # type: ignore[operator]
            for start, weights_W in zip(chosen, weights_BW.numpy() * W, strict=True):
                n = min(W, T - start)
                total[start : start + n] += weights_W[:n]
                count[start : start + n] += 1
        mean_T = (total / np.maximum(count, 1)).astype(np.float32)
        curves[agent, target] = (tracks.first_frame, tracks.to_video_frames(mean_T[:, None])[:, 0])
    return curves
