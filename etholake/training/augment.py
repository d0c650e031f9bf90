"""Augmentations: small functions that change tracks and labels of a batch together.

Each takes a batch and the values drawn for every sample (so that a test needs no randomness), and returns a new
batch. `augment` draws and applies what a configuration asks for. Coordinates are in cm, NaN where missing; what is
hidden loses x and y and may keep z, because a point without one of its coordinates is missing.

Shape letters: B batch, R roles (agent, target), T frames at 30 Hz, W frames of the result, K unified parts, C
classes.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.batch import Batch
from etholake.models.config import Augmentation
from etholake.training.augment_clips import augment_clips, mirrored

__all__ = [
    "GROUPS", "augment", "drop_frames", "drop_parts", "lower_rate", "mixup", "mixup_partners", "noise", "reflect",
    "rotate", "scale", "shift", "swap_animals", "time_stretch",
]  # fmt: skip

MIRROR = mirrored(UNIFIED_PARTS)
NOWHERE = torch.complex(torch.tensor(torch.nan), torch.tensor(torch.nan))
# A lab tracks all parts of a group, or none of them.
GROUPS = tuple(
    tuple(UNIFIED_PARTS.index(p) for p in group)
    for group in (("ear_left", "ear_right"), ("neck",), ("side_left", "side_right"), ("body_center",), ("nose",))
)


def augment(batch: Batch, config: Augmentation, window: int, random: torch.Generator) -> Batch:
    """Apply all augmentations that are switched on, drawn for every sample; return the middle `window` frames."""
    B, T = len(batch), batch.labels_BTC.shape[1]
    K = len(UNIFIED_PARTS)

    def chosen(probability: float) -> Tensor:
        return torch.rand(B, generator=random) < probability

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand((B, *shape), generator=random)

    stretch = torch.exp(between(-1, 1) * torch.log(torch.tensor(config.max_stretch)))
    batch = time_stretch(batch, stretch, window)
    T = window
    if config.shift:
        batch = shift(batch, torch.randint(-config.shift, config.shift + 1, (B,), generator=random))
    if config.lower_rate:
        every = torch.where(chosen(config.lower_rate), torch.randint(2, 4, (B,), generator=random), 1)
        batch = lower_rate(batch, every)
    if config.rotate:
        batch = rotate(batch, between(0, 2 * torch.pi))
    if config.reflect:
        batch = reflect(batch, chosen(config.reflect))
    if config.scale:
        batch = scale(batch, between(1 - config.scale, 1 + config.scale, 2))
    if config.noise_cm:
        batch = noise(batch, config.noise_cm * torch.randn(batch.tracks.xy_BRTK2.shape, generator=random))
    if config.drop_group:
        lost = torch.rand((B, len(GROUPS)), generator=random) < config.drop_group
        hidden = torch.zeros(B, K, dtype=torch.bool)
        for g, group in enumerate(GROUPS):
            hidden[:, list(group)] = lost[:, g, None]
        batch = drop_parts(batch, hidden[:, None, :].expand(-1, 2, -1))
    if config.drop_part:
        batch = drop_parts(batch, torch.rand((B, 2, K), generator=random) < config.drop_part)
    if config.drop_frames:
        lost = torch.rand((B, 2, K), generator=random) < config.drop_frames
        start, length = between(0, T, 2, K), between(0, config.longest_drop, 2, K)
        frames = torch.arange(T)[None, None, :, None]
        inside = (frames >= start[:, :, None]) & (frames < (start + length)[:, :, None])
        batch = drop_frames(batch, inside & lost[:, :, None])
    if batch.tracks.clips is not None:
        changed = augment_clips(batch.tracks.clips, config, random)
        batch = replace(batch, tracks=replace(batch.tracks, clips=changed))
    if config.swap_animals:
        start = between(0, T)
        length = between(0, config.longest_drop) * chosen(config.swap_animals)
        frames = torch.arange(T)[None]
        batch = swap_animals(batch, (frames >= start[:, None]) & (frames < (start + length)[:, None]))
    return batch


# --- time -------------------------------------------------------------------------------------------------
def time_stretch(batch: Batch, factor_B: Tensor, window: int) -> Batch:
    """Return the middle `window` frames with time `factor` times as fast: with 2 a second lasts half a second.

    Points between two frames are interpolated (and not observed); labels and masks are those of the nearest frame.
    Beyond the ends of the drawn window points are missing and the loss is masked.
    """
    T = batch.labels_BTC.shape[1]
    offset = torch.arange(window) - (window - 1) / 2
    at_BW = (T - 1) / 2 + offset * factor_B[:, None]
    return _resample(batch, at_BW)


def shift(batch: Batch, frames_B: Tensor) -> Batch:
    """Move the tracks by so many frames against the labels, whose edges differ as much between annotators.

    Beyond the ends of the window points are missing.
    """
    T = batch.labels_BTC.shape[1]
    at_BT = torch.arange(T) - frames_B[:, None]
    inside_BT, at_BT = (at_BT >= 0) & (at_BT < T), at_BT.clamp(0, T - 1)
    tracks, inside = batch.tracks, inside_BT[:, None, :, None]
    xy = _hidden(_take(tracks.xy_BRTK2, at_BT), ~inside)
    observed = _take(tracks.observed_BRTK, at_BT) & inside
    z = None if tracks.z_BRTK is None else _take(tracks.z_BRTK, at_BT)
    return replace(batch, tracks=replace(tracks, xy_BRTK2=xy, observed_BRTK=observed, z_BRTK=z))


def lower_rate(batch: Batch, every_B: Tensor) -> Batch:
    """Interpolate all frames but every `every`-th, as if the camera had recorded no others."""
    T = batch.labels_BTC.shape[1]
    frames = torch.arange(T)
    low_BT = frames // every_B[:, None] * every_B[:, None]
    high_BT = (low_BT + every_B[:, None]).clamp(max=T - 1)
    weight_BT = (frames - low_BT) / (high_BT - low_BT).clamp(min=1)
    tracks, slow = batch.tracks, every_B > 1
    xy = tracks.xy_BRTK2.clone()
    xy[slow] = _between(xy[slow], low_BT[slow], high_BT[slow], weight_BT[slow])
    kept = frames == low_BT
    observed = tracks.observed_BRTK & kept[:, None, :, None]
    rate = tracks.rate_B - torch.log2(every_B.float())
    z = None if tracks.z_BRTK is None else _between(tracks.z_BRTK[..., None], low_BT, high_BT, weight_BT)[..., 0]
    return replace(batch, tracks=replace(tracks, xy_BRTK2=xy, observed_BRTK=observed, rate_B=rate, z_BRTK=z))


def _resample(batch: Batch, at_BW: Tensor) -> Batch:
    """Return the batch at fractional frames [B, W]."""
    T = batch.labels_BTC.shape[1]
    inside_BW = (at_BW >= 0) & (at_BW <= T - 1)
    low_BW = at_BW.floor().long().clamp(0, T - 1)
    high_BW = (low_BW + 1).clamp(max=T - 1)
    nearest_BW = at_BW.round().long().clamp(0, T - 1)
    weight_BW = (at_BW - low_BW).clamp(0, 1)
    tracks = batch.tracks
    xy = _between(tracks.xy_BRTK2, low_BW, high_BW, weight_BW)
    xy = _hidden(xy, ~inside_BW[:, None, :, None])
    observed = _take(tracks.observed_BRTK, nearest_BW) & inside_BW[:, None, :, None]
    z = None if tracks.z_BRTK is None else _between(tracks.z_BRTK[..., None], low_BW, high_BW, weight_BW)[..., 0]
    targets = (_take(x[:, None], nearest_BW)[:, 0] for x in (batch.labels_BTC, batch.loss_mask_BTC))
    labels, loss_mask = (x * inside_BW[..., None] for x in targets)
    return replace(
        batch,
        tracks=replace(tracks, xy_BRTK2=xy, observed_BRTK=observed, z_BRTK=z),
        labels_BTC=labels,
        loss_mask_BTC=loss_mask,
    )


def _between(value_BRT: Tensor, low_BW: Tensor, high_BW: Tensor, weight_BW: Tensor) -> Tensor:
    """Interpolate between two frames; `weight_BW` (0..1) is that of the higher one.

    A frame of weight 0 may be missing (NaN): it does not touch the result.
    """
    high = _take(value_BRT, torch.where(weight_BW == 0, low_BW, high_BW))
    low = _take(value_BRT, torch.where(weight_BW == 1, high_BW, low_BW))
    return low + weight_BW[:, None, :, None, None] * (high - low)


def _take(value_BRT: Tensor, at_BW: Tensor) -> Tensor:
    """Return values [B, R, W, …] of [B, R, T, …] at frames [B, W]."""
    B, R, T = value_BRT.shape[:3]
    first_BR1 = torch.arange(B * R).reshape(B, R, 1) * T
    rows = value_BRT.flatten(0, 2).index_select(0, (first_BR1 + at_BW[:, None]).flatten())
    return rows.reshape(B, R, at_BW.shape[1], *value_BRT.shape[3:])


# --- space ------------------------------------------------------------------------------------------------
def rotate(batch: Batch, angle_B: Tensor) -> Batch:
    """Turn the arena by radians. Agent-centric features do not change; models of raw tracks need it."""
    cos, sin = (f(angle_B)[:, None, None, None] for f in (torch.cos, torch.sin))
    x, y = batch.tracks.xy_BRTK2.unbind(-1)
    return _moved(batch, torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1))


def reflect(batch: Batch, chosen_B: Tensor) -> Batch:
    """Mirror the arena of the chosen samples; left parts become right parts, labels do not change."""
    tracks, mirror = batch.tracks, torch.tensor(MIRROR)
    xy, observed = tracks.xy_BRTK2.clone(), tracks.observed_BRTK.clone()
    xy[chosen_B] = torch.view_as_real(_points(xy[chosen_B]).conj_physical().index_select(-1, mirror))
    observed[chosen_B] = observed[chosen_B].index_select(-1, mirror)
    z = None if tracks.z_BRTK is None else tracks.z_BRTK.clone()
    if z is not None:
        z[chosen_B] = z[chosen_B].index_select(-1, mirror)
    return replace(batch, tracks=replace(tracks, xy_BRTK2=xy, observed_BRTK=observed, z_BRTK=z))


def scale(batch: Batch, factor_B2: Tensor) -> Batch:
    """Multiply both animals by (x, y) factors: other sizes, and a px/cm that differs between x and y.

    A third coordinate is multiplied by the mean of both.
    """
    tracks, factor_B = batch.tracks, factor_B2.mean(dim=1)[:, None, None, None]
    if tracks.z_BRTK is not None:
        batch = replace(batch, tracks=replace(tracks, z_BRTK=tracks.z_BRTK * factor_B))
    return _moved(batch, tracks.xy_BRTK2 * factor_B2[:, None, None, None, :])


def noise(batch: Batch, offset_BRTK2: Tensor) -> Batch:
    """Add an offset to every point."""
    return _moved(batch, batch.tracks.xy_BRTK2 + offset_BRTK2)


def _moved(batch: Batch, xy_BRTK2: Tensor) -> Batch:
    return replace(batch, tracks=replace(batch.tracks, xy_BRTK2=xy_BRTK2))


# --- errors of trackers -----------------------------------------------------------------------------------
def drop_parts(batch: Batch, hidden_BRK: Tensor) -> Batch:
    """Hide parts for the whole window; an animal that would lose all its parts loses none."""
    tracked = ~batch.tracks.xy_BRTK2[..., 0].isnan().all(dim=2)
    nothing_left = ~(tracked & ~hidden_BRK).any(dim=-1, keepdim=True)
    return drop_frames(batch, (hidden_BRK & ~nothing_left)[:, :, None, :].expand(-1, -1, _length(batch), -1))


def drop_frames(batch: Batch, hidden_BRTK: Tensor) -> Batch:
    """Hide points; labels do not change.

    The two roles of a self action are one animal, so both lose the points that are hidden of the agent.
    """
    same = batch.tracks.is_self_B[:, None, None, None]
    hidden = torch.where(same, hidden_BRTK[:, :1], hidden_BRTK)
    xy = _hidden(batch.tracks.xy_BRTK2, hidden)
    return replace(
        batch, tracks=replace(batch.tracks, xy_BRTK2=xy, observed_BRTK=batch.tracks.observed_BRTK & ~hidden)
    )


def swap_animals(batch: Batch, swapped_BT: Tensor) -> Batch:
    """Swap the two animals' points at the chosen frames, as a tracker may; labels do not change."""
    tracks, some = batch.tracks, swapped_BT.any(dim=1)
    swap = swapped_BT[some, None, :, None]
    xy, observed = tracks.xy_BRTK2.clone(), tracks.observed_BRTK.clone()
    xy[some] = torch.where(swap[..., None], xy[some].flip(1), xy[some])
    observed[some] = torch.where(swap, observed[some].flip(1), observed[some])
    z = None if tracks.z_BRTK is None else tracks.z_BRTK.clone()
    if z is not None:
        z[some] = torch.where(swap, z[some].flip(1), z[some])
    return replace(batch, tracks=replace(tracks, xy_BRTK2=xy, observed_BRTK=observed, z_BRTK=z))


def _length(batch: Batch) -> int:
    return batch.labels_BTC.shape[1]


def _points(xy_BRTK2: Tensor) -> Tensor:
    """Return each point as one complex number, so that a mask has the shape of the points."""
    return torch.view_as_complex(xy_BRTK2)


def _hidden(xy_BRTK2: Tensor, hidden_BRTK: Tensor) -> Tensor:
    """Return the tracks without the hidden points."""
    return torch.view_as_real(torch.where(hidden_BRTK, NOWHERE, _points(xy_BRTK2)))


# --- features ---------------------------------------------------------------------------------------------
def mixup(x_BTF: Tensor, batch: Batch, partner_B: Tensor, weight_B: Tensor) -> tuple[Tensor, Batch]:
    """Blend scaled features and labels with those of partners (Zhang et al. 2018).

    `weight_B` (0..1) is the weight of the sample itself. Features are blended, not coordinates, because blended
    coordinates would be no animal. A target counts where it counts in both.
    """
    weight = weight_B[:, None, None]
    labels = weight * batch.labels_BTC + (1 - weight) * batch.labels_BTC[partner_B]
    loss_mask = batch.loss_mask_BTC * batch.loss_mask_BTC[partner_B]
    return weight * x_BTF + (1 - weight) * x_BTF[partner_B], replace(
        batch, labels_BTC=labels, loss_mask_BTC=loss_mask
    )


def mixup_partners(batch: Batch, order_B: Tensor) -> Tensor:
    """Return the partner [B] of every sample for `mixup`, from a shuffled order of the samples.

    A partner has the same lab, labeled actions and kind (self or pair); a sample without one is its own.
    """
    weight = torch.arange(len(batch))
    same = (batch.lab_B == batch.lab_B[order_B]) & (batch.tracks.is_self_B == batch.tracks.is_self_B[order_B])
    same &= (batch.labeled_BC == batch.labeled_BC[order_B]).all(dim=1)
    return torch.where(same, order_B, weight)
