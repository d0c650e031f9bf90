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
from etholake.dataset.batch import Batch
from etholake.models.config import Augmentation

__all__ = [
    "GROUPS", "augment", "drop_frames", "drop_parts", "lower_rate", "mixup", "mixup_partners", "noise", "reflect",
    "rotate", "scale", "swap_animals", "time_stretch",
]  # fmt: skip

MIRROR = [
    UNIFIED_PARTS.index(p.replace("left", "?").replace("right", "left").replace("?", "right"))
    for p in UNIFIED_PARTS
]
NOWHERE = torch.complex(torch.tensor(torch.nan), torch.tensor(torch.nan))
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
    weight_BT = (ticks - low_BT) / (high_BT - low_BT).clamp(min=1)
    tracks, slow = batch.tracks, every_B > 1
    xy = tracks.xy_BRTK2.clone()
    xy[slow] = _between(xy[slow], low_BT[slow], high_BT[slow], weight_BT[slow])
    kept = ticks == low_BT
    seen = tracks.seen_BRTK & kept[:, None, :, None]
    rate = tracks.rate_B - torch.log2(every_B.float())
    return replace(batch, tracks=replace(tracks, xy_BRTK2=xy, seen_BRTK=seen, rate_B=rate))


def _resample(batch: Batch, at_BW: Tensor) -> Batch:
    """The batch at fractional ticks [B, W]."""
    T = batch.labels_BTC.shape[1]
    inside_BW = (at_BW >= 0) & (at_BW <= T - 1)
    low_BW = at_BW.floor().long().clamp(0, T - 1)
    high_BW = (low_BW + 1).clamp(max=T - 1)
    nearest_BW = at_BW.round().long().clamp(0, T - 1)
    weight_BW = (at_BW - low_BW).clamp(0, 1)
    tracks = batch.tracks
    xy = _between(tracks.xy_BRTK2, low_BW, high_BW, weight_BW)
    xy = _hidden(xy, ~inside_BW[:, None, :, None])
    seen = _take(tracks.seen_BRTK, nearest_BW) & inside_BW[:, None, :, None]
    targets = (_take(x[:, None], nearest_BW)[:, 0] for x in (batch.labels_BTC, batch.wanted_BTC))
    labels, wanted = (x * inside_BW[..., None] for x in targets)
    return replace(
        batch, tracks=replace(tracks, xy_BRTK2=xy, seen_BRTK=seen), labels_BTC=labels, wanted_BTC=wanted
    )


def _between(value_BRT: Tensor, low_BW: Tensor, high_BW: Tensor, weight_BW: Tensor) -> Tensor:
    """Between two ticks, `weight` is of the higher one; a tick of weight 0 may be missing."""
    high = _take(value_BRT, torch.where(weight_BW == 0, low_BW, high_BW))
    low = _take(value_BRT, torch.where(weight_BW == 1, high_BW, low_BW))
    return low + weight_BW[:, None, :, None, None] * (high - low)


def _take(value_BRT: Tensor, at_BW: Tensor) -> Tensor:
    """[B, R, T, …] at ticks [B, W] → [B, R, W, …]."""
    B, R, T = value_BRT.shape[:3]
    first_BR1 = torch.arange(B * R).reshape(B, R, 1) * T
    rows = value_BRT.flatten(0, 2).index_select(0, (first_BR1 + at_BW[:, None]).flatten())
    return rows.reshape(B, R, at_BW.shape[1], *value_BRT.shape[3:])


# --- space ------------------------------------------------------------------------------------------------
def rotate(batch: Batch, angle_B: Tensor) -> Batch:
    """Turn the arena, radians. Agent-centric features do not change: it is here for models of raw tracks."""
    cos, sin = (f(angle_B)[:, None, None, None] for f in (torch.cos, torch.sin))
    x, y = batch.tracks.xy_BRTK2.unbind(-1)
    return _moved(batch, torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1))


def reflect(batch: Batch, chosen_B: Tensor) -> Batch:
    """Mirror the arena of the chosen samples; left parts become right parts, what is done stays what it is."""
    tracks, mirror = batch.tracks, torch.tensor(MIRROR)
    xy, seen = tracks.xy_BRTK2.clone(), tracks.seen_BRTK.clone()
    xy[chosen_B] = torch.view_as_real(_points(xy[chosen_B]).conj_physical().index_select(-1, mirror))
    seen[chosen_B] = seen[chosen_B].index_select(-1, mirror)
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
    tracked = ~batch.tracks.xy_BRTK2[..., 0].isnan().all(dim=2)
    nothing_left = ~(tracked & ~hidden_BRK).any(dim=-1, keepdim=True)
    return drop_frames(batch, (hidden_BRK & ~nothing_left)[:, :, None, :].expand(-1, -1, _ticks(batch), -1))


def drop_frames(batch: Batch, hidden_BRTK: Tensor) -> Batch:
    """Hide points; labels stay: the animal goes on with what it does. A self action's roles are one animal."""
    same = batch.tracks.is_self_B[:, None, None, None]
    hidden = torch.where(same, hidden_BRTK[:, :1], hidden_BRTK)
    xy = _hidden(batch.tracks.xy_BRTK2, hidden)
    return replace(batch, tracks=replace(batch.tracks, xy_BRTK2=xy, seen_BRTK=batch.tracks.seen_BRTK & ~hidden))


def swap_animals(batch: Batch, swapped_BT: Tensor) -> Batch:
    """The tracker confuses the two animals at the chosen ticks; labels stay with the animals."""
    tracks, some = batch.tracks, swapped_BT.any(dim=1)
    swap = swapped_BT[some, None, :, None]
    xy, seen = tracks.xy_BRTK2.clone(), tracks.seen_BRTK.clone()
    xy[some] = torch.where(swap[..., None], xy[some].flip(1), xy[some])
    seen[some] = torch.where(swap, seen[some].flip(1), seen[some])
    return replace(batch, tracks=replace(tracks, xy_BRTK2=xy, seen_BRTK=seen))


def _ticks(batch: Batch) -> int:
    return batch.labels_BTC.shape[1]


def _points(xy_BRTK2: Tensor) -> Tensor:
    """Each point as one complex number, so that a mask has its shape."""
    return torch.view_as_complex(xy_BRTK2)


def _hidden(xy_BRTK2: Tensor, hidden_BRTK: Tensor) -> Tensor:
    """The tracks without some points."""
    return torch.view_as_real(torch.where(hidden_BRTK, NOWHERE, _points(xy_BRTK2)))


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
