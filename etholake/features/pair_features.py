"""Features of (agent, target) pairs, computed per batch on the device from unified coordinates.

The frame of reference is an animal: the origin is its body centre, the x axis its heading (tail to head), so that
neither place nor direction in the arena matters. A missing value is 0, and the `observed` feature of its part
marks it.

Distances are log(1 + cm) and speeds sign(v) · log(1 + |v|), v in cm/s: one centimetre matters near the other
animal, not at the far wall, and a jump of the tracking stays within a few units.

Features of one animal are computed once per animal, however many pairs it is in; features of both animals are not
computed for self actions. Internally x and y are two planes, parts come before animals, and frames are side by
side in memory. Masks are 0.0 and 1.0, and NaN marks missing values until the end: on a CPU both are several times
as fast as masks of booleans.

Shape letters: B pairs, P pairs of two animals, N windows of single animals (the last is nobody: the target of self
actions), T frames at 30 Hz, K unified parts, F features, R rows of features, 2 = (x, y) in cm; `squares`
are squared distances.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.resampling import MODEL_FPS
from etholake.dataset.windows import AGENT, TARGET, MouseTracks, Tracks
from etholake.features.encoder import WindowEncoder

__all__ = ["ENCODER", "FEATURE_NAMES", "PairFeatures", "body_centre", "body_heading", "pair_features"]

LAGS = (3, 10, 30)  # frames over which changes are taken: 0.1 s, 0.33 s and 1 s
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
    *(f"{who}_{part}_observed" for who in _ROLES for part in UNIFIED_PARTS),
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


def pair_features(tracks: Tracks | MouseTracks) -> Tensor:
    """Return features [B, T, F] in the order of `FEATURE_NAMES`.

    Units: cm (coordinates, lengths), log(1 + cm) (distances), signed log(1 + cm/s) (speeds; closing is positive as
    they come nearer), radians (turns over a lag), cosines. Coordinates of both roles are in the agent's frame,
    each role's velocity in its own; `bearing` is the direction of the target in the agent's frame,
    `from_target` the direction of the agent in the target's frame, `facing` the target's heading in the agent's
    frame. `observed` is 1 where measured, 0.5 where interpolated, 0 where missing. For a self action the target is
    masked.
    """
    mice = tracks if isinstance(tracks, MouseTracks) else tracks.by_mouse()
    xy_2KNT = _planes(mice)
    centre_2NT = body_centre(xy_2KNT)
    xy_2KNT[:, CENTRE] = centre_2NT  # the derived centre stands for an untracked `body_center`
    heading_2NT = body_heading(xy_2KNT)
    B, T, nobody = len(mice), xy_2KNT.shape[-1], xy_2KNT.shape[2] - 1
    agent_B, is_self_B = mice.agent_B, mice.agent_B == mice.target_B
    target_B = mice.target_B.masked_fill(is_self_B, nobody)
    pairs_P = (~is_self_B).nonzero()[:, 0]
    pairs = (agent_B[pairs_P], target_B[pairs_P])
    xy, centre, heading = ([v.index_select(-2, of) for of in pairs] for v in (xy_2KNT, centre_2NT, heading_2NT))

    x_FBT = torch.empty(len(FEATURE_NAMES), B, T, device=xy_2KNT.device)
    at = 2 * len(UNIFIED_PARTS)
    torch.index_select(_coordinates(xy_2KNT, centre_2NT, heading_2NT), 1, agent_B, out=x_FBT[:at])
    x_FBT[at : 2 * at].zero_().index_copy_(1, pairs_P, _coordinates(xy[TARGET], centre[AGENT], heading[AGENT]))
    at *= 2
    for rows_RNT in (_observed(xy_2KNT, mice.observed_NTK), *_motion(xy_2KNT, centre_2NT, heading_2NT)):
        for animal_B in (agent_B, target_B):
            torch.index_select(rows_RNT, 1, animal_B, out=x_FBT[at : at + len(rows_RNT)])
            at += len(rows_RNT)
    x_FBT[at:-3].zero_().index_copy_(1, pairs_P, _relation(*xy, *centre, *heading))
    for row, flag_B in zip(x_FBT[-3:], (is_self_B, mice.rate_B, mice.in_cm_B), strict=True):
        row.copy_(flag_B[:, None])
    return x_FBT.nan_to_num_(nan=0.0).flatten(1).t().contiguous().view(B, T, -1)


def body_centre(xy_2K: Tensor) -> Tensor:
    """Return the centre of the body, [2, K, ...] → [2, ...].

    It is the tracked one, else the mean of the sides, else of tail base and both ears, else of neck and tail base,
    else of all parts that are present; NaN if none is.
    """
    mean = torch.nansum(xy_2K, dim=1) / _present(xy_2K).sum(dim=0)
    nothing, centre = mean - mean, mean.nan_to_num(nan=0.0)  # NaN where nothing is there, else 0
    for parts in ([NECK, TAIL], EARS_AND_TAIL, SIDES, [CENTRE]):
        better = xy_2K[:, parts].mean(dim=1)
        present = _present(better)
        centre = centre * (1 - present) + better.nan_to_num_(nan=0.0)
    return centre + nothing


# --- the groups of features, as rows of animals [R, N, T] or of pairs [R, P, T] ---------------------------
def _coordinates(xy_2KPT: Tensor, centre_2PT: Tensor, heading_2PT: Tensor) -> Tensor:
    """Return parts in the frame of the animal with this centre and heading; rows part by part, x and y."""
    return _rotate(xy_2KPT - centre_2PT[:, None], heading_2PT[:, None]).transpose(0, 1).flatten(0, 1)


def _observed(xy_2KNT: Tensor, observed_NTK: Tensor) -> Tensor:
    """Return 1 for parts that were measured, 0.5 for interpolated ones, 0 for missing ones."""
    known_KNT = _present(xy_2KNT)
    measured_KNT = torch.zeros_like(known_KNT)
    measured_KNT[:, :-1] = observed_NTK.permute(2, 0, 1)
    return 0.5 * known_KNT * (1 + measured_KNT)


def _motion(xy_2KNT: Tensor, centre_2NT: Tensor, heading_2NT: Tensor) -> list[Tensor]:
    """Return the features of motion.

    They are velocity along and across the body axis, speed and turns over each lag, the motion of parts against
    the body, and the body's length.
    """
    # The mean over the parts that are present at both ends, so that a part that is lost makes no motion.
    rates, means = _rates(xy_2KNT.shape[-1], xy_2KNT.device), []
    both_known = ((then * later).sum(dim=0) for then, later in _around(_present(xy_2KNT)))
    for (then, later), n_NT, rate_T in zip(_around(xy_2KNT), both_known, rates, strict=True):
        change_2KNT = later - then
        means.append(torch.nansum(change_2KNT, dim=1).div_(n_NT).mul_(rate_T))
        if len(means) == 1:
            motion_KNT = _length(change_2KNT.mul_(rate_T).sub_(means[0][:, None]))
    velocities = [_rotate(mean, heading_2NT) for mean in means]
    lost_NT = centre_2NT[0] - centre_2NT[0]  # NaN where the animal is
    turns = [_angle(later, then) + lost_NT for then, later in _around(heading_2NT)]
    return [
        *(_log(v) for v in velocities),
        *(_length(v).log1p_()[None] for v in velocities),
        *(turn[None] for turn in turns),
        motion_KNT.log1p_(),
        _length(xy_2KNT[:, NOSE] - xy_2KNT[:, TAIL])[None],
    ]


def _relation(
    agent_2KPT: Tensor, target_2KPT: Tensor,
    agents_centre: Tensor, targets_centre: Tensor, agents_heading: Tensor, targets_heading: Tensor,
) -> Tensor:  # fmt: skip
    """Return distances between the two animals, how fast they shrink, and the directions to each other."""
    x_KKPT, y_KKPT = (a[:, None] - b[None] for a, b in zip(agent_2KPT, target_2KPT, strict=True))
    squares_KKPT = x_KKPT.square_().addcmul_(y_KKPT, y_KKPT)
    distances_RPT = torch.stack([squares_KKPT[a, b] for a in POINTS for b in POINTS]).sqrt_()
    squares_KKPT.nan_to_num_(nan=torch.inf)
    nearest_RPT = torch.stack(
        [squares_KKPT[NOSE, SIDES].amin(dim=0), squares_KKPT[SIDES, NOSE].amin(dim=0),
         squares_KKPT[NOSE].amin(dim=0), squares_KKPT[:, NOSE].amin(dim=0), squares_KKPT.amin(dim=(0, 1))]
    ).sqrt_()  # fmt: skip
    nearest_RPT += nearest_RPT - nearest_RPT  # without any point: infinity becomes NaN
    watched_RPT = torch.stack([distances_RPT[4], distances_RPT[0], distances_RPT[2], nearest_RPT[4]])
    rates = _rates(watched_RPT.shape[-1], watched_RPT.device)
    closing = ((then - later).mul_(rate) for (then, later), rate in zip(_around(watched_RPT), rates, strict=True))
    across = targets_centre - agents_centre
    direction = across / _length(across).clamp_(min=1e-3)
    return torch.cat(
        [
            distances_RPT.log1p_(),
            nearest_RPT.log1p_(),
            *(_log(change) for change in closing),
            _rotate(direction, agents_heading),
            _rotate(-direction, targets_heading),
            _rotate(targets_heading, agents_heading) + (across - across),  # NaN where one of them is lost
        ]
    )


# --- geometry ---------------------------------------------------------------------------------------------
def _planes(mice: MouseTracks) -> Tensor:
    """Return coordinates [2, K, N, T] with nobody (all NaN) at the end."""
    n, T, K, _ = mice.xy_NTK2.shape
    xy_2KNT = mice.xy_NTK2.new_full((2, K, n + 1, T), torch.nan)
    xy_2KNT[:, :, :n] = mice.xy_NTK2.permute(3, 2, 0, 1)
    return xy_2KNT


def _present(xy_2: Tensor) -> Tensor:
    """Return 1 where there is a point, 0 where there is none, [2, ...] → [...]."""
    return torch.eq(xy_2[0], xy_2[0], out=torch.empty_like(xy_2[0]))


def body_heading(xy_2KNT: Tensor) -> Tensor:
    """Return the unit vector tail → head [2, N, T].

    Where it is missing it is the last one before; at the start of a window the first one after.
    """
    vector = torch.zeros_like(xy_2KNT[:, 0])
    present = torch.zeros_like(vector[0])
    for front, back in reversed(AXES):
        axis = xy_2KNT[:, front] - xy_2KNT[:, back]
        long = torch.gt(_length(axis), 1e-3, out=torch.empty_like(present))  # NaN is not
        vector = vector * (1 - long) + axis.nan_to_num_(nan=0.0) * long
        present = torch.maximum(present, long)
    N, T = present.shape
    frames = torch.arange(T, device=vector.device).expand(N, T)
    last = torch.where(present > 0, frames, -1).cummax(dim=-1).values
    first = torch.where(present > 0, frames, T).amin(dim=-1, keepdim=True)
    held = torch.where(last >= 0, last, first).clamp_(max=T - 1)
    x, y = (plane.gather(-1, held) for plane in vector)
    x = x + (x.square() + y.square() == 0)  # never present: along x
    vector = torch.stack([x, y])
    return vector / _length(vector).clamp_(min=1e-6)


def _rotate(vector_2: Tensor, heading_2: Tensor) -> Tensor:
    """Return the components of `vector` [2, ...] along the heading [2, ...] and to its left."""
    x, y = vector_2
    cos, sin = heading_2
    return torch.stack([x * cos + y * sin, y * cos - x * sin])


def _around(value: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return values [..., T] at both ends of each lag around each frame.

    Beyond the window its first or last value is repeated.
    """
    T, others, most = value.shape[-1], value.shape[:-1], max(LAGS)
    first, last = value[..., :1].expand(*others, most), value[..., -1:].expand(*others, most)
    padded = torch.cat([first, value, last], dim=-1)
    ends = [(most - lag // 2, most + lag - lag // 2) for lag in LAGS]
    return [(padded[..., then : then + T], padded[..., later : later + T]) for then, later in ends]


@lru_cache(maxsize=16)
def _rates(T: int, device: torch.device) -> list[Tensor]:
    """Return the factor [T] that turns a change over each lag into a change per second.

    It is greater at both ends of the window, where the lags are shorter.
    """
    frames = torch.arange(T, device=device, dtype=torch.float32)
    return [MODEL_FPS / (later - then).clamp_(min=1) for then, later in _around(frames)]


def _angle(vector_2: Tensor, heading_2: Tensor) -> Tensor:
    """Return the signed angle (radians, to the left) from a heading to a vector, [2, ...] → [...]."""
    along, left = _rotate(vector_2, heading_2)
    return torch.atan2(left, along)


def _length(vector_2: Tensor) -> Tensor:
    """Return the length of vectors [2, ...]."""
    x, y = vector_2
    return (x * x).addcmul_(y, y).sqrt_()


def _log(value: Tensor) -> Tensor:
    return value.abs().log1p_().copysign_(value)


class PairFeatures(WindowEncoder):
    """The encoder `pair_features`: see the function of that name."""

    name, version, names = "pair_features", 2, FEATURE_NAMES

    def __call__(self, windows: Tracks | MouseTracks) -> Tensor:
        """Return `pair_features` of the windows [B, T, F]."""
        return pair_features(windows)


ENCODER = PairFeatures()
