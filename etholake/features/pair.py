"""Features of an (agent, target) pair, computed per batch on the device from unified coordinates.

Everything is in the agent's frame: origin at its body centre, x axis along its heading (tail to head), so that
neither place nor direction in the arena matters. A missing value is 0 with a 0 in its mask channel.

Shape letters: B batch, T time (ticks of the 30 Hz clock), K unified parts, F features, 2 = (x, y) in cm.
"""

from __future__ import annotations

import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.features.clip import CLOCK_HZ

__all__ = ["FEATURE_NAMES", "FEATURE_VERSION", "body_centre", "pair_features"]

FEATURE_VERSION = 1
LAGS = (3, 10)  # ticks over which velocities are taken: 0.1 s and 0.33 s
NOSE, NECK, TAIL = (UNIFIED_PARTS.index(name) for name in ("nose", "neck", "tail_base"))
SIDES = [UNIFIED_PARTS.index(name) for name in ("side_left", "side_right")]
EARS_AND_TAIL = [UNIFIED_PARTS.index(name) for name in ("ear_left", "ear_right", "tail_base")]
_POINTS = ("nose", "center", "tail_base")

FEATURE_NAMES: tuple[str, ...] = (
    *(f"agent_{part}_{axis}" for part in UNIFIED_PARTS for axis in "xy"),
    *(f"target_{part}_{axis}" for part in UNIFIED_PARTS for axis in "xy"),
    *(f"agent_{part}_seen" for part in UNIFIED_PARTS),
    *(f"target_{part}_seen" for part in UNIFIED_PARTS),
    *(f"{who}_v{axis}_{lag}" for lag in LAGS for who in ("agent", "target") for axis in "xy"),
    *(f"{who}_speed_{lag}" for lag in LAGS for who in ("agent", "target")),
    *(f"agent_part_motion_{part}" for part in UNIFIED_PARTS),
    *(f"distance_{a}_{b}" for a in _POINTS for b in _POINTS),
    *(f"closing_{lag}" for lag in LAGS),
    "bearing_cos", "bearing_sin", "facing_cos", "facing_sin",
    "agent_length", "target_length", "agent_turn", "is_self",
)  # fmt: skip


def pair_features(agent_BTK2: Tensor, target_BTK2: Tensor, is_self_B: Tensor) -> Tensor:
    """Features [B, T, F] in the order of `FEATURE_NAMES`; NaN coordinates are missing parts.

    Units: cm, cm/s, cosines, radians per tick (`agent_turn`). For a self action (`is_self_B`) the target's stream
    is masked.
    """
    target_BTK2 = torch.where(is_self_B[:, None, None, None], torch.nan, target_BTK2)
    centre_A, centre_T = body_centre(agent_BTK2), body_centre(target_BTK2)
    heading_A, heading_T = _heading(agent_BTK2), _heading(target_BTK2)
    agent = _into(agent_BTK2, centre_A, heading_A)
    target = _into(target_BTK2, centre_A, heading_A)
    points_A = torch.stack([agent[..., NOSE, :], torch.zeros_like(centre_A), agent[..., TAIL, :]], dim=2)
    target_centre = _rotate(centre_T - centre_A, heading_A)
    points_T = torch.stack([target[..., NOSE, :], target_centre, target[..., TAIL, :]], dim=2)
    gaps = (points_A[:, :, :, None] - points_T[:, :, None, :]).norm(dim=-1)  # [B, T, 3, 3]
    gap = gaps[:, :, 1, 1]
    streams = [agent.flatten(2), target.flatten(2), _seen(agent), _seen(target)]
    velocities = {
        lag: [_rotate(_body_velocity(p, lag), heading_A) for p in (agent_BTK2, target_BTK2)] for lag in LAGS
    }
    streams += [v for lag in LAGS for v in velocities[lag]]
    streams += [v.norm(dim=-1, keepdim=True) for lag in LAGS for v in velocities[lag]]
    streams += [_part_motion(agent_BTK2, LAGS[0]), gaps.flatten(2)]
    bearing = target_centre / gap.clamp(min=1e-3)[..., None]
    streams += [((own - other) * bearing).sum(dim=-1, keepdim=True) for own, other in velocities.values()]
    facing = torch.where(torch.isfinite(centre_T), _rotate(heading_T, heading_A), torch.nan)
    lengths = [(p[..., NOSE, :] - p[..., TAIL, :]).norm(dim=-1, keepdim=True) for p in (agent, target)]
    self_flag = is_self_B[:, None, None].expand(*gap.shape, 1).to(agent.dtype)
    streams += [bearing, facing, *lengths, _turn(heading_A), self_flag]
    return torch.nan_to_num(torch.cat(streams, dim=-1), nan=0.0)


def body_centre(xy_BTK2: Tensor) -> Tensor:
    """[B, T, 2]: mean of the sides, else of tail base and both ears, else of whatever is there; NaN if nothing."""
    whole = xy_BTK2.nanmean(dim=2)
    for parts in (EARS_AND_TAIL, SIDES):
        mean = xy_BTK2[:, :, parts].mean(dim=2)
        whole = torch.where(torch.isfinite(mean), mean, whole)
    return whole


def _body_velocity(xy_BTK2: Tensor, lag: int) -> Tensor:
    """cm/s [B, T, 2]: mean over the parts that are there at both ends, so that a lost part is no motion."""
    return _velocity(xy_BTK2, lag).nanmean(dim=2)


def _part_motion(xy_BTK2: Tensor, lag: int) -> Tensor:
    """Speed of each part relative to the body, cm/s [B, T, K]."""
    velocity = _velocity(xy_BTK2, lag)
    return (velocity - velocity.nanmean(dim=2, keepdim=True)).norm(dim=-1)


def _heading(xy_BTK2: Tensor) -> Tensor:
    """Unit vector tail → head [B, T, 2]; the last known one where an end is missing, (1, 0) before the first."""
    front = _first_known(xy_BTK2[..., NOSE, :], xy_BTK2[..., NECK, :])
    back = _first_known(xy_BTK2[..., TAIL, :], xy_BTK2[..., NECK, :])
    vector = front - back
    known = torch.isfinite(vector).all(dim=-1) & (vector.norm(dim=-1) > 1e-3)
    ticks = torch.arange(vector.shape[1], device=vector.device).expand(known.shape)
    last = torch.where(known, ticks, -1).cummax(dim=1).values
    held = vector.gather(1, last.clamp(min=0)[..., None].expand_as(vector))
    start = torch.tensor([1.0, 0.0], dtype=vector.dtype, device=vector.device).expand_as(vector)
    held = torch.where((last >= 0)[..., None], held, start)
    return held / held.norm(dim=-1, keepdim=True).clamp(min=1e-6)


def _first_known(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(torch.isfinite(a), a, b)


def _rotate(vector: Tensor, heading_BT2: Tensor) -> Tensor:
    """Components of ``vector [B, T, 2]`` along the heading and to its left."""
    cos, sin = heading_BT2[..., 0], heading_BT2[..., 1]
    x, y = vector[..., 0], vector[..., 1]
    return torch.stack([x * cos + y * sin, y * cos - x * sin], dim=-1)


def _into(xy_BTK2: Tensor, centre_BT2: Tensor, heading_BT2: Tensor) -> Tensor:
    return _rotate(xy_BTK2 - centre_BT2[:, :, None], heading_BT2[:, :, None])


def _seen(xy_BTK2: Tensor) -> Tensor:
    return torch.isfinite(xy_BTK2[..., 0]).to(xy_BTK2.dtype)


def _velocity(value: Tensor, lag: int) -> Tensor:
    """Change per second over `lag` ticks up to now; the window's first ticks take what there is."""
    T = value.shape[1]
    now = torch.arange(T, device=value.device)
    then = (now - lag).clamp(min=0)
    elapsed = (now - then).clamp(min=1).reshape(1, T, *([1] * (value.dim() - 2)))
    return (value - value[:, then]) * (CLOCK_HZ / elapsed)


def _turn(heading_BT2: Tensor) -> Tensor:
    before = torch.cat([heading_BT2[:, :1], heading_BT2[:, :-1]], dim=1)
    change = _rotate(heading_BT2, before)
    return torch.atan2(change[..., 1], change[..., 0])[..., None]
