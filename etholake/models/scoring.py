"""Probabilities of a whole video: the weighted mean over overlapping windows, whose edges count less.

A batch is filled with windows of all pairs, so that a video of a few seconds is one or two batches. Windows with
the same start are neighbours in a batch, so that an animal that they share is read and computed once.

Shape letters: B windows of a batch, T frames of the video at 30 Hz, W frames of a window, P pairs, A actions of
the pair that has most, C classes, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.windows import Window

if TYPE_CHECKING:
    from etholake.models.network_model import NetworkModel

__all__ = ["BATCH", "probabilities"]

# Windows at once. This bounds the memory, whatever the video's length; a core is fastest while they fit its cache.
BATCH = {"cpu": 32, "cuda": 512}
Pair = tuple[int, int]


@torch.no_grad()
def probabilities(
    model: NetworkModel, tracks: PoseTracks, lab: int, pairs: Mapping[Pair, Sequence[str]], starts: Sequence[int]
) -> tuple[dict[Pair, npt.NDArray[np.float32]], int]:
    """Return {(agent, target): probabilities [T, actions of the pair]} at 30 Hz; NaN where no window reaches.

    A model of clips has no probability, either, where the clips have no picture of the animal. Beside them the
    number of windows of clips in which any key point was seen; 0 for a model of tracks.

    Parameters
    ----------
    lab
        Index of the lab's embedding.
    pairs
        {(agent id, target id): actions to predict}.
    starts
        First frames (at 30 Hz) of the windows.
    """
    T, W = len(tracks.xy_TMK2), model.config.window
    device = next(model.network.parameters()).device
    columns = [[model.actions.index(action) for action in actions] for actions in pairs.values()]
    columns_PA = _filled(columns)
    labeled_PC = torch.zeros(len(pairs), len(model.actions)).scatter_(1, columns_PA, 1.0)
    weight_W = np.minimum(np.arange(1, W + 1), np.arange(W, 0, -1)).astype(np.float32)
    total_PAT = np.zeros((*columns_PA.shape, T), np.float32)
    weight_sum_PT = np.zeros((len(pairs), T), np.float32)
    samples = [(start, p) for start in starts for p in range(len(pairs))]
    places = [(tracks.mouse_ids.index(agent), tracks.mouse_ids.index(target)) for agent, target in pairs]
    # Clips are larger than tracks by orders of magnitude: as many at once as in training.
    with_pose = 0
    size = model.config.batch if model.config.reads_clips else BATCH[device.type]
    encoder = model.encoder
    for batch in (samples[first : first + size] for first in range(0, len(samples), size)):
        pairs_B = torch.tensor([p for _, p in batch])
        windows = encoder.gather_by_mouse([Window(tracks, *places[p], start) for start, p in batch], W)
        labs_B = torch.full((len(batch),), lab, device=device)
        logits = model.network(model.inputs(windows.to(device)), labs_B, labeled_PC[pairs_B].to(device))
        logits_BWC = logits.expand(-1, W, -1)  # one answer for a window stands for all its frames
        weight_BW = np.broadcast_to(weight_W, (len(batch), W))
        if windows.clips is not None:
            weight_BW = weight_BW * windows.clips.seen_BT.numpy()
            with_pose += int(windows.clips.with_pose.sum())
        columns_BWA = columns_PA[pairs_B].to(device)[:, None].expand(-1, W, -1)
        p_BWA = torch.sigmoid(logits_BWC.gather(2, columns_BWA)).float().cpu().numpy()
        for (start, p), values_WA, weights_W in zip(batch, p_BWA, weight_BW, strict=True):
            n = min(W, T - start)
            total_PAT[p, :, start : start + n] += (values_WA[:n] * weights_W[:n, None]).T
            weight_sum_PT[p, start : start + n] += weights_W[:n]
    with np.errstate(invalid="ignore"):
        total_PAT /= weight_sum_PT[:, None]
    by_pair = {pair: total_PAT[p, : len(columns[p])].T for p, pair in enumerate(pairs)}
    return by_pair, with_pose


def _filled(columns: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return lists of different lengths as one tensor [P, A]; short ones are filled up with their first entry."""
    longest = max(map(len, columns))
    return torch.tensor([[*row, *[row[0]] * (longest - len(row))] for row in columns])
