"""Augmentations: small functions that move tracks and labels of a batch together.

Each takes a batch and what was drawn for each sample (so that a test needs no randomness), and gives a new one.
`augment` draws and applies what a configuration asks for. Coordinates are in cm, NaN where missing.

Shape letters: B batch, R roles (agent, target), T ticks, K unified parts, C classes.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.models.config import Augmentation
from etholake.training.batch import Batch

__all__ = [
    "GROUPS", "augment", "drop_frames", "drop_parts", "lower_rate", "mixup", "mixup_partners", "noise", "reflect",
    "rotate", "scale", "swap_animals", "time_stretch",
]  # fmt: skip

MIRROR = [
    UNIFIED_PARTS.index(p.replace("left", "?").replace("right", "left").replace("?", "right"))
    for p in UNIFIED_PARTS
]
# Parts that a lab tracks together, or not at all.
GROUPS = tuple(
    tuple(UNIFIED_PARTS.index(p) for p in group)
    for group in (("ear_left", "ear_right"), ("neck",), ("side_left", "side_right"), ("body_center",), ("nose",))
)


def augment(batch: Batch, config: Augmentation, window: int, random: torch.Generator) -> Batch:
    """All that is switched on, drawn for every sample alone; gives the middle `window` ticks of longer windows."""
    B, T = len(batch), batch.labels_BTC.shape[1]
    K = len(UNIFIED_PARTS)

    def chosen(share: float) -> Tensor:
        return torch.rand(B, generator=random) < share

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand((B, *shape), generator=random)

    stretch = torch.exp(between(-1, 1) * torch.log(torch.tensor(config.max_stretch)))
    batch = time_stretch(batch, stretch, window)
    T = window
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
        ticks = torch.arange(T)[None, None, :, None]
        inside = (ticks >= start[:, :, None]) & (ticks < (start + length)[:, :, None])
        batch = drop_frames(batch, inside & lost[:, :, None])
    if config.swap_animals:
        start = between(0, T)
        length = between(0, config.longest_drop) * chosen(config.swap_animals)
        ticks = torch.arange(T)[None]
        batch = swap_animals(batch, (ticks >= start[:, None]) & (ticks < (start + length)[:, None]))
    return batch


# --- time -------------------------------------------------------------------------------------------------
def time_stretch(batch: Batch, factor_B: Tensor, window: int) -> Batch:
    """The middle `window` ticks, with time running `factor` times as fast: 2 makes a second last half a second.

    Points between two ticks are interpolated (and not measured); labels and masks are those of the nearest tick.
    What lies behind the drawn window's ends is missing and not wanted.
    """
    T = batch.labels_BTC.shape[1]
    offset = torch.arange(window) - (window - 1) / 2
    at_BW = (T - 1) / 2 + offset * factor_B[:, None]
    return _resample(batch, at_BW)


def lower_rate(batch: Batch, every_B: Tensor) -> Batch:
    """As a camera with 1/`every` of the frames would have seen it: the ticks between are interpolated."""
    T = batch.labels_BTC.shape[1]
    ticks = torch.arange(T)
    low_BT = ticks // every_B[:, None] * every_B[:, None]
    high_BT = (low_BT + every_B[:, None]).clamp(max=T - 1)
    span = (high_BT - low_BT).clamp(min=1)
    weight = ((ticks - low_BT) / span)[:, None, :, None, None]
    tracks = batch.tracks
    low, high = _take(tracks.xy_BRTK2, low_BT), _take(tracks.xy_BRTK2, high_BT)
    slow = (every_B > 1)[:, None, None, None]
    xy = torch.where(slow[..., None], _blend(low, high, weight), tracks.xy_BRTK2)
    kept = (ticks == low_BT)[:, None, :, None]
    seen = tracks.seen_BRTK & (kept | ~slow)
    rate = tracks.rate_B - torch.log2(every_B.float())
    return replace(batch, tracks=replace(tracks, xy_BRTK2=xy, seen_BRTK=seen, rate_B=rate))


def _resample(batch: Batch, at_BW: Tensor) -> Batch:
    """The batch at fractional ticks [B, W]."""
    T = batch.labels_BTC.shape[1]
    inside_BW = (at_BW >= 0) & (at_BW <= T - 1)
    low_BW = at_BW.floor().long().clamp(0, T - 1)
    high_BW = (low_BW + 1).clamp(max=T - 1)
    nearest_BW = at_BW.round().long().clamp(0, T - 1)
    weight = (at_BW - low_BW)[:, None, :, None, None].clamp(0, 1)
    tracks = batch.tracks
    xy = _blend(_take(tracks.xy_BRTK2, low_BW), _take(tracks.xy_BRTK2, high_BW), weight)
    xy = xy.masked_fill(~inside_BW[:, None, :, None, None], torch.nan)
    seen = _take(tracks.seen_BRTK, nearest_BW) & inside_BW[:, None, :, None]
    index = nearest_BW[..., None].expand(-1, -1, batch.labels_BTC.shape[2])
    labels, wanted = (x.gather(1, index) * inside_BW[..., None] for x in (batch.labels_BTC, batch.wanted_BTC))
    return replace(
        batch, tracks=replace(tracks, xy_BRTK2=xy, seen_BRTK=seen), labels_BTC=labels, wanted_BTC=wanted
    )


def _blend(low: Tensor, high: Tensor, weight: Tensor) -> Tensor:
    """Between two values; a value with weight 0 may be missing."""
    between = low + weight * (high - low)
    return torch.where(weight == 0, low, torch.where(weight == 1, high, between))


def _take(value_BRT: Tensor, at_BW: Tensor) -> Tensor:
    """[B, R, T, …] at ticks [B, W] → [B, R, W, …]."""
    shape = (len(at_BW), 1, at_BW.shape[1], *([1] * (value_BRT.dim() - 3)))
    index = at_BW.reshape(shape).expand(-1, value_BRT.shape[1], -1, *value_BRT.shape[3:])
    return value_BRT.gather(2, index)


# --- space ------------------------------------------------------------------------------------------------
def rotate(batch: Batch, angle_B: Tensor) -> Batch:
    """Turn the arena, radians. Agent-centric features do not change: it is here for models of raw tracks."""
    cos, sin = (f(angle_B)[:, None, None, None] for f in (torch.cos, torch.sin))
    x, y = batch.tracks.xy_BRTK2.unbind(-1)
    return _moved(batch, torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1))


def reflect(batch: Batch, chosen_B: Tensor) -> Batch:
    """Mirror the arena of the chosen samples; left parts become right parts, what is done stays what it is."""
    tracks = batch.tracks
    pick = chosen_B[:, None, None, None]
    mirrored = tracks.xy_BRTK2[..., MIRROR, :] * torch.tensor([1.0, -1.0])
    xy = torch.where(pick[..., None], mirrored, tracks.xy_BRTK2)
    seen = torch.where(pick, tracks.seen_BRTK[..., MIRROR], tracks.seen_BRTK)
    return replace(batch, tracks=replace(tracks, xy_BRTK2=xy, seen_BRTK=seen))


def scale(batch: Batch, factor_B2: Tensor) -> Batch:
    """Larger or smaller animals, and a px/cm that differs between x and y: both animals times (x, y) factors."""
    return _moved(batch, batch.tracks.xy_BRTK2 * factor_B2[:, None, None, None, :])


def noise(batch: Batch, offset_BRTK2: Tensor) -> Batch:
    """Add an offset to every point."""
    return _moved(batch, batch.tracks.xy_BRTK2 + offset_BRTK2)


def _moved(batch: Batch, xy_BRTK2: Tensor) -> Batch:
    return replace(batch, tracks=replace(batch.tracks, xy_BRTK2=xy_BRTK2))


# --- what a tracker does wrong ----------------------------------------------------------------------------
def drop_parts(batch: Batch, hidden_BRK: Tensor) -> Batch:
    """Hide parts for the whole window. An animal that would lose all its parts loses none."""
    tracked = torch.isfinite(batch.tracks.xy_BRTK2[..., 0]).any(dim=2)
    nothing_left = ~(tracked & ~hidden_BRK).any(dim=-1, keepdim=True)
    return drop_frames(batch, (hidden_BRK & ~nothing_left)[:, :, None, :].expand(-1, -1, _ticks(batch), -1))


def drop_frames(batch: Batch, hidden_BRTK: Tensor) -> Batch:
    """Hide points; labels stay: the animal goes on with what it does. A self action's roles are one animal."""
    same = batch.tracks.is_self_B[:, None, None, None]
    hidden = torch.where(same, hidden_BRTK[:, :1], hidden_BRTK)
    xy = batch.tracks.xy_BRTK2.masked_fill(hidden[..., None], torch.nan)
    return replace(batch, tracks=replace(batch.tracks, xy_BRTK2=xy, seen_BRTK=batch.tracks.seen_BRTK & ~hidden))


def swap_animals(batch: Batch, swapped_BT: Tensor) -> Batch:
    """The tracker confuses the two animals at the chosen ticks; labels stay with the animals."""
    swap = swapped_BT[:, None, :, None]
    tracks = batch.tracks
    xy = torch.where(swap[..., None], tracks.xy_BRTK2.flip(1), tracks.xy_BRTK2)
    seen = torch.where(swap, tracks.seen_BRTK.flip(1), tracks.seen_BRTK)
    return replace(batch, tracks=replace(tracks, xy_BRTK2=xy, seen_BRTK=seen))


def _ticks(batch: Batch) -> int:
    return batch.labels_BTC.shape[1]


# --- features ---------------------------------------------------------------------------------------------
def mixup(x_BTF: Tensor, batch: Batch, partner_B: Tensor, share_B: Tensor) -> tuple[Tensor, Batch]:
    """Blend the *scaled features* and labels of partners (Zhang et al. 2018): `share` of the own, the rest theirs.

    Blended coordinates would be no animal, so this works behind `pair_features`. A target counts where it was
    looked for in both.
    """
    own = share_B[:, None, None]
    labels = own * batch.labels_BTC + (1 - own) * batch.labels_BTC[partner_B]
    wanted = batch.wanted_BTC * batch.wanted_BTC[partner_B]
    return own * x_BTF + (1 - own) * x_BTF[partner_B], replace(batch, labels_BTC=labels, wanted_BTC=wanted)


def mixup_partners(batch: Batch, order_B: Tensor) -> Tensor:
    """Partners [B] out of a shuffled order: of the same lab, candidates and kind (self or pair), else oneself."""
    own = torch.arange(len(batch))
    same = (batch.lab_B == batch.lab_B[order_B]) & (batch.tracks.is_self_B == batch.tracks.is_self_B[order_B])
    same &= (batch.candidates_BC == batch.candidates_BC[order_B]).all(dim=1)
    return torch.where(same, order_B, own)
