"""Hide points of windows for pre-training, and measure how well they are filled in.

Shape letters: B pairs, R roles (0 agent, 1 target), T frames at 30 Hz, K unified parts, 2 = (x, y) in cm.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from etholake.dataset.windows import TARGET, Tracks
from etholake.features.keypoints import UNIT_CM, points, window_origin
from etholake.features.registry import window_encoder
from etholake.models.pose_bert.config import PoseBertConfig

__all__ = ["hidden_points", "hidden_spans", "reconstruction_loss"]

SQUARE_BELOW = 0.1  # Huber: errors below 1 cm count squared


def hidden_points(shape_BRTK: tuple[int, ...], config: PoseBertConfig, random: torch.Generator) -> Tensor:
    """Return which points [B, R, T, K] pre-training hides: about `mask_fraction` of them.

    A third of it in spans of frames of single parts, a third in spans of whole animals, a third as parts that are
    hidden throughout a window.
    """
    B, R, T, K = shape_BRTK
    fraction = config.mask_fraction / 3
    parts = hidden_spans((B, R, K, T), fraction, config.mask_span, random).transpose(2, 3)
    animals = hidden_spans((B, R, T), fraction, config.mask_span, random)[..., None]
    throughout = torch.rand((B, R, 1, K), generator=random) < fraction
    return parts | animals | throughout


def hidden_spans(shape_T: tuple[int, ...], fraction: float, mean_length: float, random: torch.Generator) -> Tensor:
    """Return spans [..., T] of geometric length that cover about a fraction of the frames."""
    starts = torch.rand(shape_T, generator=random) < fraction / mean_length
    uniform = torch.rand(shape_T, generator=random).clamp(min=1e-7)
    lengths = 1 + torch.floor(uniform.log() / torch.log1p(torch.tensor(-1 / max(mean_length, 1 + 1e-6))))
    frames = torch.arange(shape_T[-1])
    stops = torch.where(starts, frames + lengths, 0.0).cummax(dim=-1).values
    return stops > frames


def reconstruction_loss(
    network: Any, tracks: Tracks, lab_B: Tensor, config: PoseBertConfig, random: torch.Generator
) -> Tensor:
    """Return the Huber loss of coordinates and of velocities (per frame) at hidden points that were measured.

    The network sees the windows without them: neither they nor the origin that they would move.
    """
    measured = points(tracks)
    hidden_BRTK = hidden_points(tuple(measured.shape[:-1]), config, random).to(measured.device)
    hidden_BRTK &= tracks.observed_BRTK & ~measured[..., 0].isnan()
    hidden_BRTK[tracks.is_self_B, TARGET] = False
    visible = measured.masked_fill(hidden_BRTK[..., None], torch.nan)
    visible_tracks = replace(tracks, xy_BRTK2=visible[..., :2])
    places, velocities = network.reconstruct(window_encoder(config.encoder)(visible_tracks), lab_B)
    true = (measured - window_origin(visible)) / UNIT_CM
    moved = true.diff(dim=2, prepend=true[:, :, :1])
    loss = torch.zeros((), device=measured.device)
    for predicted, target in ((places, true), (velocities, moved)):
        aim = target.permute(0, 2, 1, 3, 4).flatten(2, 3)
        counts = hidden_BRTK.permute(0, 2, 1, 3).flatten(2) & aim.isfinite().all(dim=-1)
        error = smooth_l1_loss(predicted.float(), aim.nan_to_num(nan=0.0), reduction="none", beta=SQUARE_BELOW)
        loss = loss + (error.sum(dim=-1) * counts).sum() / counts.sum().clamp(min=1)
    return loss
