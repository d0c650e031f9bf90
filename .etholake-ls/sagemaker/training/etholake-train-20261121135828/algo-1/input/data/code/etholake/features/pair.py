"""Features of (agent, target) pairs, computed per batch on the device from unified coordinates.

Everything is seen from an animal: origin at its body centre, x axis along its heading (tail to head), so that
neither place nor direction in the arena matters. A missing value is 0, and the `seen` channel of its part says so.

Distances are log(1 + cm) and speeds sign(v) · log(1 + |v|), v in cm/s: one centimetre matters at the nose of the
other, not at the far wall, and a jump of the tracking stays within a few units.

Inside, x and y are two planes and ticks lie side by side in memory, [2, B, R, K, T]: twice as fast on a CPU
as the order of `Tracks`, where every sum over the two coordinates is a loop of its own.

Shape letters: B batch, R roles (0 agent, 1 target), T ticks of the 30 Hz clock, K unified parts, F features,
2 = (x, y) in cm; `squares` are squared distances.
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
POINTS = [NOSE, CENTRE, TAIL]
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
    xy_2BRKT = _planes(tracks)
    centre_2BRT = body_centre(xy_2BRKT)
    xy_2BRKT[..., CENTRE, :] = centre_2BRT  # the derived centre stands for an untracked `body_center`
    heading_2BRT = _heading(xy_2BRKT)
    rows = [
        *_seen_from(xy_2BRKT, centre_2BRT, heading_2BRT, tracks),
        *_motion(xy_2BRKT, heading_2BRT),
        *_relation(xy_2BRKT, centre_2BRT, heading_2BRT),
    ]
    T = xy_2BRKT.shape[-1]
    flags = torch.stack([tracks.is_self_B.float(), tracks.rate_B, tracks.in_cm_B], dim=1)
    x_BFT = torch.cat([*rows, flags[:, :, None].expand(-1, -1, T)], dim=1)
    return x_BFT.nan_to_num_(nan=0.0).transpose(1, 2).contiguous()


def body_centre(xy: Tensor) -> Tensor:
    """Centre of the body, [2, ..., K, T] → [2, ..., T].

    The tracked one, else the mean of the sides, else of tail base and both ears, else of neck and tail base, else
    of whatever is there; NaN if nothing is.
    """
    centre = _mean(xy)
    for parts in ([NECK, TAIL], EARS_AND_TAIL, SIDES, [CENTRE]):
        mean = torch.stack([xy[..., part, :] for part in parts]).mean(dim=0)
        centre = torch.where(mean.isnan(), centre, mean)
    return centre


# --- the three groups of features, as rows [B, rows, T] ---------------------------------------------------
def _seen_from(
    xy_2BRKT: Tensor, centre_2BRT: Tensor, heading_2BRT: Tensor, tracks: Tracks
) -> tuple[Tensor, Tensor]:
    """Both animals' parts in the agent's frame, and whether they were measured."""
    relative = xy_2BRKT - centre_2BRT[:, :, AGENT, None, None]
    coordinates = _rotate(relative, heading_2BRT[:, :, AGENT, None, None])
    present = ~xy_2BRKT[0].isnan()
    seen = 0.5 * present + 0.5 * (present & tracks.seen_BRTK.transpose(2, 3))
    return _rows(coordinates.movedim(0, 3)), _rows(seen)


def _motion(xy_2BRKT: Tensor, heading_2BRT: Tensor) -> list[Tensor]:
    """Velocity along and across the own body, speed, turning, motion of parts against the body, length."""
    # The mean over the parts that are there at both ends, so that a lost part is no motion.
    part_velocities = _changes(xy_2BRKT)
    means = [_mean(v) for v in part_velocities]
    velocities = [_rotate(mean, heading_2BRT) for mean in means]
    motion = _length(part_velocities[0] - means[0][..., None, :])
    length = _length(xy_2BRKT[..., NOSE, :] - xy_2BRKT[..., TAIL, :])
    lost = xy_2BRKT[0].isnan().all(dim=-2)
    turns = [_angle(later, then) for then, later in _around(heading_2BRT)]
    return [
        *(_rows(_log(v).movedim(0, 2)) for v in velocities),
        *(_length(v).log1p() for v in velocities),
        *(torch.where(lost, torch.nan, turn) for turn in turns),
        _rows(motion.log1p()),
        length,
    ]


def _relation(xy_2BRKT: Tensor, centre_2BRT: Tensor, heading_2BRT: Tensor) -> list[Tensor]:
    """Distances between the two animals, how fast they shrink, and the angles under which they see one another."""
    x, y = xy_2BRKT[:, :, AGENT, :, None] - xy_2BRKT[:, :, TARGET, None]
    squares_BKKT = x.square_().add_(y.square_())
    distances = squares_BKKT[:, POINTS][:, :, POINTS].sqrt()
    squares_BKKT.nan_to_num_(nan=torch.inf)
    nearest = torch.stack(
        [squares_BKKT[:, NOSE, SIDES].amin(dim=1), squares_BKKT[:, SIDES, NOSE].amin(dim=1),
         squares_BKKT[:, NOSE].amin(dim=1), squares_BKKT[:, :, NOSE].amin(dim=1), squares_BKKT.amin(dim=(1, 2))],
        dim=1,
    ).sqrt_()  # fmt: skip
    nearest = torch.where(torch.isfinite(nearest), nearest, torch.nan)
    watched = torch.stack([distances[:, 1, 1], distances[:, 0, 0], distances[:, 0, 2], nearest[:, 4]], dim=1)
    across = centre_2BRT[:, :, TARGET] - centre_2BRT[:, :, AGENT]
    direction = across / _length(across).clamp(min=1e-3)
    agent, target = heading_2BRT[:, :, AGENT], heading_2BRT[:, :, TARGET]
    facing = torch.where(torch.isfinite(across), _rotate(target, agent), torch.nan)
    return [
        distances.flatten(1, 2).log1p(),
        nearest.log1p(),
        *(-_log(change) for change in _changes(watched)),
        _rotate(direction, agent).movedim(0, 1),
        _rotate(-direction, target).movedim(0, 1),
        facing.movedim(0, 1),
    ]


# --- geometry ---------------------------------------------------------------------------------------------
def _planes(tracks: Tracks) -> Tensor:
    """Coordinates [2, B, R, K, T]; a self action has no target."""
    target = torch.tensor([False, True], device=tracks.xy_BRTK2.device)
    hidden_BR = torch.where(tracks.is_self_B[:, None] & target, torch.nan, 0.0)
    return tracks.xy_BRTK2.permute(4, 0, 1, 3, 2).contiguous() + hidden_BR[:, :, None, None]


def _heading(xy_2BRKT: Tensor) -> Tensor:
    """Unit vector tail → head [2, B, R, T]; where it is unknown the last known one, before the first the first."""
    vector = torch.full_like(xy_2BRKT[..., 0, :], torch.nan)
    for front, back in reversed(AXES):
        axis = xy_2BRKT[..., front, :] - xy_2BRKT[..., back, :]
        vector = torch.where(_length(axis) > 1e-3, axis, vector)  # NaN is not
    known = torch.isfinite(vector[0])
    T = known.shape[-1]
    ticks = torch.arange(T, device=vector.device).expand(known.shape)
    last = torch.where(known, ticks, -1).cummax(dim=-1).values
    first = torch.where(known, ticks, T).amin(dim=-1, keepdim=True)
    held = torch.where(last >= 0, last, first).clamp(max=T - 1)
    x, y = (plane.gather(-1, held) for plane in vector)
    found = torch.isfinite(x)
    vector = torch.stack([torch.where(found, x, 1.0), torch.where(found, y, 0.0)])
    return vector / _length(vector).clamp(min=1e-6)


def _mean(value: Tensor) -> Tensor:
    """Mean over the parts that are known, [..., K, T] → [..., T]; NaN if none is."""
    unknown = value.isnan()
    return torch.where(unknown, 0.0, value).sum(dim=-2) / (~unknown).sum(dim=-2, dtype=value.dtype)


def _rotate(vector: Tensor, heading: Tensor) -> Tensor:
    """Components of `vector` [2, ...] along the heading [2, ...] and to its left."""
    x, y = vector
    cos, sin = heading
    return torch.stack([x * cos + y * sin, y * cos - x * sin])


def _around(value: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Values [..., T] at both ends of each lag around now; at a window's ends at its first or last tick."""
    T, others, most = value.shape[-1], value.shape[:-1], max(LAGS)
    first, last = value[..., :1].expand(*others, most), value[..., -1:].expand(*others, most)
    padded = torch.cat([first, value, last], dim=-1)
    ends = [(most - lag // 2, most + lag - lag // 2) for lag in LAGS]
    return [(padded[..., then : then + T], padded[..., later : later + T]) for then, later in ends]


def _changes(value: Tensor) -> list[Tensor]:
    """Change per second over each lag around now, [..., T]; at a window's ends over the ticks there are."""
    ticks = _around(torch.arange(value.shape[-1], device=value.device, dtype=value.dtype))
    per_second = [CLOCK_HZ / (stop - start).clamp(min=1) for start, stop in ticks]
    return [(later - then) * rate for (then, later), rate in zip(_around(value), per_second, strict=True)]


def _angle(vector: Tensor, heading: Tensor) -> Tensor:
    """Signed angle (radians, to the left) from a heading to a vector, [2, ...] → [...]."""
    along, left = _rotate(vector, heading)
    return torch.atan2(left, along)


def _length(vector: Tensor) -> Tensor:
    """Length of [2, ...]."""
    x, y = vector
    return (x.square() + y.square()).sqrt()


def _log(value: Tensor) -> Tensor:
    return value.abs().log1p().copysign(value)


def _rows(value: Tensor) -> Tensor:
    """[B, ..., T] → [B, rows, T]."""
    return value.flatten(1, -2)
