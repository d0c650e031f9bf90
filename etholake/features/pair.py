"""Features of (agent, target) pairs, computed per batch on the device from unified coordinates.

Everything is seen from an animal: origin at its body centre, x axis along its heading (tail to head), so that
neither place nor direction in the arena matters. A missing value is 0, and the `seen` channel of its part says so.

Distances are log(1 + cm) and speeds sign(v) · log(1 + |v|), v in cm/s: one centimetre matters at the nose of the
other, not at the far wall, and a jump of the tracking stays within a few units.

Shape letters: B batch, R roles (0 agent, 1 target), T ticks of the 30 Hz clock, K unified parts, F features,
2 = (x, y) in cm.
"""

from __future__ import annotations

import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.features.clip import CLOCK_HZ
from etholake.features.tracks import AGENT, TARGET, Tracks

__all__ = ["FEATURE_NAMES", "FEATURE_VERSION", "body_centre", "pair_features"]

FEATURE_VERSION = 2
LAGS = (3, 10, 30)  # ticks over which changes are taken: 0.1 s, 0.33 s and 1 s
NOSE, NECK, CENTRE, TAIL = (UNIFIED_PARTS.index(name) for name in ("nose", "neck", "body_center", "tail_base"))
SIDES = [UNIFIED_PARTS.index(name) for name in ("side_left", "side_right")]
EARS_AND_TAIL = [UNIFIED_PARTS.index(name) for name in ("ear_left", "ear_right", "tail_base")]
# (front, back) of the body axis, best first; the centre is the derived one.
AXES = ((NOSE, TAIL), (NOSE, CENTRE), (NECK, TAIL), (CENTRE, TAIL), (NOSE, NECK))
_ROLES = ("agent", "target")
_POINTS = ("nose", "center", "tail_base")
_NEAREST = ("nose_side", "side_nose", "nose_any", "any_nose", "any_any")  # agent's part, target's part
_CLOSING = ("center_center", "nose_nose", "nose_tail_base", "any_any")

FEATURE_NAMES: tuple[str, ...] = (
    *(f"{who}_{part}_{axis}" for who in _ROLES for part in UNIFIED_PARTS for axis in "xy"),
    *(f"{who}_{part}_seen" for who in _ROLES for part in UNIFIED_PARTS),
    *(f"{who}_v{axis}_{lag}" for lag in LAGS for who in _ROLES for axis in "xy"),
    *(f"{who}_speed_{lag}" for lag in LAGS for who in _ROLES),
    *(f"{who}_turn_{lag}" for lag in LAGS for who in _ROLES),
    *(f"{who}_motion_{part}" for who in _ROLES for part in UNIFIED_PARTS),
    *(f"{who}_length" for who in _ROLES),
    *(f"distance_{a}_{b}" for a in _POINTS for b in _POINTS),
    *(f"distance_{pair}" for pair in _NEAREST),
    *(f"closing_{pair}_{lag}" for lag in LAGS for pair in _CLOSING),
    "bearing_cos", "bearing_sin", "from_target_cos", "from_target_sin", "facing_cos", "facing_sin",
    "is_self", "rate", "in_cm",
)  # fmt: skip


def pair_features(tracks: Tracks) -> Tensor:
    """Features [B, T, F] in the order of `FEATURE_NAMES`.

    Units: cm (coordinates, lengths), log(1 + cm) (distances), signed log(1 + cm/s) (speeds; closing is positive as
    they come nearer), radians (turns over a lag), cosines. Coordinates of both roles are in the agent's frame,
    each role's velocity in its own; `bearing` is where the target is as the agent sees it, `from_target` where the
    agent is as the target sees it, `facing` the target's heading as the agent sees it. `seen` is 1 where measured,
    0.5 where interpolated, 0 where missing. Of a self action (`is_self_B`) the target is masked.
    """
    xy_BRTK2 = _without_self(tracks.xy_BRTK2, tracks.is_self_B)
    centre_BRT2 = body_centre(xy_BRTK2)
    xy_BRTK2 = _with_centre(xy_BRTK2, centre_BRT2)
    heading_BRT2 = _heading(xy_BRTK2)
    by_part = _seen_from(xy_BRTK2, centre_BRT2, heading_BRT2, tracks)
    streams = [*by_part, *_motion(xy_BRTK2, heading_BRT2), *_relation(xy_BRTK2, centre_BRT2, heading_BRT2)]
    T = xy_BRTK2.shape[2]
    flags = torch.stack([tracks.is_self_B.float(), tracks.rate_B, tracks.in_cm_B], dim=-1)
    streams.append(flags[:, None].expand(-1, T, -1))
    return torch.nan_to_num(torch.cat(streams, dim=-1), nan=0.0)


def body_centre(xy: Tensor) -> Tensor:
    """Centre of the body, [..., K, 2] → [..., 2].

    The tracked one, else the mean of the sides, else of tail base and both ears, else of neck and tail base, else
    of whatever is there; NaN if nothing is.
    """
    centre = xy.nanmean(dim=-2)
    for parts in ([NECK, TAIL], EARS_AND_TAIL, SIDES, [CENTRE]):
        mean = xy[..., parts, :].mean(dim=-2)
        centre = torch.where(torch.isfinite(mean), mean, centre)
    return centre


# --- the three groups of features -------------------------------------------------------------------------
def _seen_from(xy_BRTK2: Tensor, centre_BRT2: Tensor, heading_BRT2: Tensor, tracks: Tracks) -> list[Tensor]:
    """Both animals' parts in the agent's frame, and whether they were measured."""
    relative = xy_BRTK2 - centre_BRT2[:, AGENT, None, :, None]
    coordinates = _rotate(relative, heading_BRT2[:, AGENT, None, :, None])
    present = torch.isfinite(xy_BRTK2[..., 0])
    seen = 0.5 * present + 0.5 * (present & tracks.seen_BRTK)
    return [_by_tick(coordinates), _by_tick(seen)]


def _motion(xy_BRTK2: Tensor, heading_BRT2: Tensor) -> list[Tensor]:
    """Velocity along and across the own body, speed, turning, motion of parts against the body, length."""
    velocities, turns = [], []
    for lag in LAGS:
        # The mean over the parts that are there at both ends, so that a lost part is no motion.
        velocity = _change(xy_BRTK2, lag).nanmean(dim=-2)
        velocities.append(_rotate(velocity, heading_BRT2))
        turns.append(_turn(heading_BRT2, lag))
    part_velocity = _change(xy_BRTK2, LAGS[0])
    motion = _length(part_velocity - part_velocity.nanmean(dim=-2, keepdim=True))
    length = _length(xy_BRTK2[..., NOSE, :] - xy_BRTK2[..., TAIL, :])
    known = torch.isfinite(xy_BRTK2[..., 0]).any(dim=-1)
    turns = [torch.where(known, turn, torch.nan) for turn in turns]
    return [
        *(_by_tick(_log(v)) for v in velocities),
        *(_by_tick(_log(_length(v))) for v in velocities),
        *(_by_tick(turn) for turn in turns),
        _by_tick(_log(motion)),
        _by_tick(length),
    ]


def _relation(xy_BRTK2: Tensor, centre_BRT2: Tensor, heading_BRT2: Tensor) -> list[Tensor]:
    """Distances between the two animals, how fast they shrink, and the angles under which they see one another."""
    points = [
        torch.stack([xy[..., NOSE, :], c, xy[..., TAIL, :]], dim=-2) for xy, c in _both(xy_BRTK2, centre_BRT2)
    ]
    distances = _gaps(points[0], points[1])  # [B, T, 3, 3]
    gaps = _gaps(xy_BRTK2[:, AGENT], xy_BRTK2[:, TARGET])  # [B, T, K, K]
    nearest = torch.stack(
        [_least(gaps[:, :, NOSE, SIDES]), _least(gaps[:, :, SIDES, NOSE]),
         _least(gaps[:, :, NOSE]), _least(gaps[:, :, :, NOSE]), _least(gaps.flatten(2))], dim=-1,
    )  # fmt: skip
    watched = torch.stack(
        [distances[..., 1, 1], distances[..., 0, 0], distances[..., 0, 2], nearest[..., 4]], dim=-1
    )
    closing = [-_change(watched, lag, dim=1) for lag in LAGS]
    across = centre_BRT2[:, TARGET] - centre_BRT2[:, AGENT]
    direction = across / _length(across)[..., None].clamp(min=1e-3)
    facing = torch.where(
        torch.isfinite(across), _rotate(heading_BRT2[:, TARGET], heading_BRT2[:, AGENT]), torch.nan
    )
    return [
        torch.log1p(distances.flatten(2)),
        torch.log1p(nearest),
        *(_log(c) for c in closing),
        _rotate(direction, heading_BRT2[:, AGENT]),
        _rotate(-direction, heading_BRT2[:, TARGET]),
        facing,
    ]


# --- geometry ---------------------------------------------------------------------------------------------
def _without_self(xy_BRTK2: Tensor, is_self_B: Tensor) -> Tensor:
    """A self action has no target."""
    target = torch.tensor([False, True], device=xy_BRTK2.device)
    hidden = is_self_B[:, None] & target
    return xy_BRTK2.masked_fill(hidden[:, :, None, None, None], torch.nan)


def _with_centre(xy_BRTK2: Tensor, centre_BRT2: Tensor) -> Tensor:
    """The derived centre stands for an untracked `body_center`."""
    xy_BRTK2 = xy_BRTK2.clone()
    xy_BRTK2[..., CENTRE, :] = centre_BRT2
    return xy_BRTK2


def _heading(xy_BRTK2: Tensor) -> Tensor:
    """Unit vector tail → head [B, R, T, 2]; where it is unknown the last known one, before the first the first."""
    vector = torch.full_like(xy_BRTK2[..., 0, :], torch.nan)
    for front, back in reversed(AXES):
        axis = xy_BRTK2[..., front, :] - xy_BRTK2[..., back, :]
        usable = torch.isfinite(axis).all(dim=-1) & (_length(axis) > 1e-3)
        vector = torch.where(usable[..., None], axis, vector)
    known = torch.isfinite(vector[..., 0])
    ticks = torch.arange(vector.shape[2], device=vector.device).expand(known.shape)
    last = torch.where(known, ticks, -1).cummax(dim=2).values
    first = torch.where(known, ticks, vector.shape[2]).amin(dim=2, keepdim=True)
    held = torch.where(last >= 0, last, first).clamp(max=vector.shape[2] - 1)
    vector = vector.gather(2, held[..., None].expand_as(vector))
    vector = torch.where(torch.isfinite(vector), vector, torch.tensor([1.0, 0.0], device=vector.device))
    return vector / _length(vector)[..., None].clamp(min=1e-6)


def _rotate(vector: Tensor, heading: Tensor) -> Tensor:
    """Components of `vector` [..., 2] along the heading [..., 2] and to its left."""
    cos, sin = heading[..., 0], heading[..., 1]
    x, y = vector[..., 0], vector[..., 1]
    return torch.stack([x * cos + y * sin, y * cos - x * sin], dim=-1)


def _change(value: Tensor, lag: int, dim: int = 2) -> Tensor:
    """Change per second over `lag` ticks around now; at a window's ends over the ticks there are."""
    T = value.shape[dim]
    now = torch.arange(T, device=value.device)
    then, later = (now - lag // 2).clamp(min=0), (now + lag - lag // 2).clamp(max=T - 1)
    shape = [1] * value.dim()
    shape[dim] = T
    seconds = ((later - then).clamp(min=1) / CLOCK_HZ).reshape(shape)
    return (value.index_select(dim, later) - value.index_select(dim, then)) / seconds


def _turn(heading_BRT2: Tensor, lag: int) -> Tensor:
    """Signed angle (radians, to the left) by which the heading turns over `lag` ticks around now, [B, R, T]."""
    T = heading_BRT2.shape[2]
    now = torch.arange(T, device=heading_BRT2.device)
    then, later = (now - lag // 2).clamp(min=0), (now + lag - lag // 2).clamp(max=T - 1)
    change = _rotate(heading_BRT2[:, :, later], heading_BRT2[:, :, then])
    return torch.atan2(change[..., 1], change[..., 0])


def _length(vector: Tensor) -> Tensor:
    """Length of [..., 2]; several times as fast as `norm` over so short an axis."""
    return (vector[..., 0].square() + vector[..., 1].square()).sqrt()


def _gaps(a: Tensor, b: Tensor) -> Tensor:
    """Distances between all points of two sets, [..., P, 2] and [..., Q, 2] → [..., P, Q]."""
    dx, dy = (a[..., :, None, axis] - b[..., None, :, axis] for axis in (0, 1))
    return (dx.square() + dy.square()).sqrt()


def _least(distances: Tensor) -> Tensor:
    """The smallest known one of the last axis; NaN if none is known."""
    least = torch.nan_to_num(distances, nan=torch.inf).amin(dim=-1)
    return torch.where(torch.isfinite(least), least, torch.nan)


def _log(value: Tensor) -> Tensor:
    return value.sign() * value.abs().log1p()


def _both(*tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """(agent's, target's) parts of tensors with roles on axis 1."""
    return [tuple(t[:, role] for t in tensors) for role in (AGENT, TARGET)]


def _by_tick(value_BRT: Tensor) -> Tensor:
    """[B, R, T, …] → [B, T, R · …]: what both roles have at a tick, agent first."""
    return value_BRT.transpose(1, 2).flatten(2)
