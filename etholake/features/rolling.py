"""Features over time for trees: rolling statistics of posture, motion, distances and place.

Vectorised numpy; NaN means missing, which trees handle. Windows and lags are in seconds and centred, so that a
frame's features use as much of the future as of the past. Shape letters: T frames at 30 Hz, K unified parts, 2 =
(x, y) in cm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.resampling import MODEL_FPS
from etholake.features.encoder import Table, TableEncoder
from etholake.features.place import place_now

__all__ = [
    "ENCODER", "MOMENT", "Moment", "Rolling", "Table", "means", "pair_moment", "pair_now", "pair_table", "rolling",
    "self_moment", "self_now", "self_table",
]  # fmt: skip

Floats = npt.NDArray[np.float32]
WINDOWS_S = (0.4, 1.0, 2.0, 5.0)
LONG_S = (15.0, 60.0)  # means only: they tell phases of behavior apart
LAGS_S = (0.25, 0.5, 1.0, 2.0)
SPEED_S = (0.1, 0.5)  # times over which velocities are measured
APART_S = (0.5, 2.0, 6.0)  # windows of the distances between parts, whichever animal has which
PLACE_S, PLACE_SPREAD_S = (2.0, 6.0, 60.0), (2.0, 60.0)  # windows of means and of deviations of the place
_NOSE, _LEFT, _RIGHT, _NECK, _SIDE_L, _SIDE_R, _TAIL = (
    UNIFIED_PARTS.index(part)
    for part in ("nose", "ear_left", "ear_right", "neck", "side_left", "side_right", "tail_base")
)


def pair_table(tracks: PoseTracks, agent: int, target: int) -> Table:
    """Return features of both bodies, of their relation, and of all these over time.

    `agent` and `target` are positions on the animal axis of the tracks. Lengths are in cm, speeds in cm/s, angles
    in radians; NaN where a part is missing.
    """
    moving = pair_now(tracks, agent, target)
    distances = _distances(tracks.xy_TMK2[:, agent], tracks.xy_TMK2[:, target])
    apart = _apart(distances)
    places = _places(tracks, {"agent": agent, "target": target})
    own = _own_of_pair(tracks, agent, target)
    return (
        distances
        | moving
        | rolling(moving)
        | apart
        | _over(apart, APART_S, APART_S)
        | places
        | _over(places, PLACE_S, PLACE_SPREAD_S)
        | own
        | _over(own, APART_S, APART_S)
        | _session(tracks)
    )


def self_table(tracks: PoseTracks, agent: int) -> Table:
    """Return features of one animal, and the distance of the nearest other one, over time."""
    now = self_now(tracks, agent)
    own = _own_of_one(tracks, agent, "agent")
    places = _places(tracks, {"agent": agent})
    return (
        now
        | rolling(now)
        | places
        | _over(places, PLACE_S, PLACE_SPREAD_S)
        | own
        | _over(own, APART_S, APART_S)
        | _session(tracks)
    )


def pair_moment(tracks: PoseTracks, agent: int, target: int) -> Table:
    """Return the columns of `pair_table` that describe one moment, without windows and lags."""
    distances = _distances(tracks.xy_TMK2[:, agent], tracks.xy_TMK2[:, target])
    places = _places(tracks, {"agent": agent, "target": target})
    moving, own = pair_now(tracks, agent, target), _own_of_pair(tracks, agent, target)
    return distances | moving | _apart(distances) | places | own | _session(tracks)


def self_moment(tracks: PoseTracks, agent: int) -> Table:
    """Return the columns of `self_table` that describe one moment, without windows and lags."""
    places, own = _places(tracks, {"agent": agent}), _own_of_one(tracks, agent, "agent")
    return self_now(tracks, agent) | places | own | _session(tracks)


def pair_now(tracks: PoseTracks, agent: int, target: int) -> Table:
    """Return posture and motion of both animals, and their relation, at each frame."""
    one, other = tracks.xy_TMK2[:, agent], tracks.xy_TMK2[:, target]
    now = {f"agent {name}": x for name, x in _body(one, tracks.observed_TMK[:, agent]).items()}
    now |= {f"target {name}": x for name, x in _body(other, tracks.observed_TMK[:, target]).items()}
    return now | _relation(one, other)


def self_now(tracks: PoseTracks, agent: int) -> Table:
    """Return posture and motion of one animal, and the distance of the nearest other one, at each frame."""
    now = {
        f"agent {name}": x for name, x in _body(tracks.xy_TMK2[:, agent], tracks.observed_TMK[:, agent]).items()
    }
    centre_TM2 = _mean(tracks.xy_TMK2, axis=2)
    others = [m for m in range(len(tracks.mouse_ids)) if m != agent]
    if others:
        now["nearest distance"] = _least(_norm(centre_TM2[:, others] - centre_TM2[:, [agent]]))
    return now


def means(now: Table, windows_s: Sequence[float]) -> Table:
    """Return means over centred windows, without NaN."""
    return {
        f"{name} mean {seconds:g} s": _moments(x, max(1, round(seconds * MODEL_FPS / 2)))[0]
        for name, x in now.items()
        for seconds in windows_s
    }


def rolling(now: Table) -> Table:
    """Return the columns `now` over time, with the window or lag in their names.

    Of each column these are mean, standard deviation, minimum and maximum over centred windows of `WINDOWS_S`,
    means over those of `LONG_S`, and the values `LAGS_S` before and after. NaN is left out; a window without any
    value, and a time outside the video, give NaN.
    """
    columns: Table = {}
    for name, x in now.items():
        for seconds in WINDOWS_S:
            half = max(1, round(seconds * MODEL_FPS / 2))
            mean, std = _moments(x, half)
            columns[f"{name} mean {seconds:g} s"], columns[f"{name} std {seconds:g} s"] = mean, std
            columns[f"{name} min {seconds:g} s"] = -_most(-x, half)
            columns[f"{name} max {seconds:g} s"] = _most(x, half)
        columns |= means({name: x}, LONG_S)
        for seconds in LAGS_S:
            lag = round(seconds * MODEL_FPS)
            columns[f"{name} before {seconds:g} s"] = _shifted(x, lag)
            columns[f"{name} after {seconds:g} s"] = _shifted(x, -lag)
    return columns


# --- one moment -------------------------------------------------------------------------------------------
def _body(xy_TK2: Floats, observed_TK: npt.NDArray[np.bool_]) -> Table:
    """Return posture and motion of one animal."""
    centre = _mean(xy_TK2, axis=1)
    axis_T2 = _axis(xy_TK2)
    columns: Table = {
        "length": _norm(xy_TK2[:, _NOSE] - xy_TK2[:, _TAIL]),
        "width": _norm(xy_TK2[:, _SIDE_L] - xy_TK2[:, _SIDE_R]),
        "head": _norm(xy_TK2[:, _LEFT] - xy_TK2[:, _RIGHT]),
        "spread": np.sqrt(_mean(np.square(xy_TK2 - centre[:, None]).sum(-1), axis=1)),
        "bend": _angle(xy_TK2[:, _NOSE] - xy_TK2[:, _NECK], xy_TK2[:, _NECK] - xy_TK2[:, _TAIL]),
        "observed": observed_TK.mean(axis=1, dtype=np.float32),
    }
    for seconds in SPEED_S:
        velocity = _velocity(centre, seconds)
        columns[f"speed {seconds:g} s"] = _norm(velocity)
        columns[f"forward {seconds:g} s"] = _dot(velocity, axis_T2)
    columns["nose speed"] = _norm(_velocity(xy_TK2[:, _NOSE], SPEED_S[0]))
    columns["turning"] = np.abs(_angle(axis_T2, _lagged(axis_T2, round(0.5 * MODEL_FPS))))
    return columns


def _relation(one_TK2: Floats, other_TK2: Floats) -> Table:
    """Return distances and directions between two animals, and how they change."""
    agent_centre, target_centre = _mean(one_TK2, axis=1), _mean(other_TK2, axis=1)
    between, facing, faced = target_centre - agent_centre, _axis(one_TK2), _axis(other_TK2)
    distance = _norm(between)
    every = _norm(one_TK2[:, :, None] - other_TK2[:, None])
    v_agent, v_target = (_velocity(x, SPEED_S[1]) for x in (agent_centre, target_centre))
    return {
        "distance": distance,
        "nearest parts": _least(every.reshape(len(every), -1)),
        "agent nose to target": _least(every[:, _NOSE]),
        "target nose to agent": _least(every[:, :, _NOSE]),
        "approach": -_slope(distance, SPEED_S[1]),
        "agent advances": _dot(v_agent, between) / np.maximum(distance, 1e-3),
        "target withdraws": _dot(v_target, between) / np.maximum(distance, 1e-3),
        "agent faces target": np.cos(_angle(facing, between)),
        "target faces agent": np.cos(_angle(faced, -between)),
        "same heading": np.cos(_angle(facing, faced)),
        "relative speed": _norm(v_agent - v_target),
        "same motion": _dot(v_agent, v_target) / np.maximum(_norm(v_agent) * _norm(v_target), 1.0),
    }


def _distances(one_TK2: Floats, other_TK2: Floats) -> Table:
    """Return the distances between every part of one animal and every part of the other."""
    return {
        f"agent {a} to target {b}": _norm(one_TK2[:, i] - other_TK2[:, j])
        for i, a in enumerate(UNIFIED_PARTS)
        for j, b in enumerate(UNIFIED_PARTS)
    }


def _apart(distances: Table) -> Table:
    """Return distances between a part of one animal and a part of the other, whichever animal has which.

    Of the two (nose to tail, tail to nose) these are the smaller and the larger. They are the same for both
    directions of a pair. Parts that the video lacks have no columns.
    """
    now: Table = {}
    for i, a in enumerate(UNIFIED_PARTS):
        for b in UNIFIED_PARTS[i:]:
            one, other = distances[f"agent {a} to target {b}"], distances[f"agent {b} to target {a}"]
            if not np.isnan(one).all() or not np.isnan(other).all():
                now[f"least {a} {b}"] = np.fmin(one, other)
                if a != b:
                    now[f"most {a} {b}"] = np.fmax(one, other)
    return now


def _places(tracks: PoseTracks, roles: Mapping[str, int]) -> Table:
    """Return where in the arena the animals are and what way they look."""
    now: Table = {}
    for role, animal in roles.items():
        xy_TK2 = tracks.xy_TMK2[:, animal]
        place = place_now(_mean(xy_TK2, axis=1), _axis(xy_TK2), tracks.meta)
        now |= {f"{role} {name}": x for name, x in place.items()}
    return now


def _own_of_one(tracks: PoseTracks, animal: int, role: str) -> Table:
    """Return the distances of a lab's own points from nose and middle of the animal, and their speeds.

    Such a point is a body part that is not unified, or an object that was tracked with the animal.
    """
    xy_TK2 = tracks.xy_TMK2[:, animal]
    nose, middle = xy_TK2[:, _NOSE], _mean(xy_TK2, axis=1)
    now: Table = {}
    for j, name in enumerate(tracks.own_parts):
        point = tracks.own_TMJ2[:, animal, j]
        now[f"{role} own {name} from nose"] = _norm(point - nose)
        now[f"{role} own {name} from middle"] = _norm(point - middle)
        now[f"{role} own {name} speed"] = _norm(_velocity(point, SPEED_S[1]))
    return now


def _own_of_pair(tracks: PoseTracks, agent: int, target: int) -> Table:
    """Return what `_own_of_one` does of both animals, and how far the own points of each are from the other.

    Of the two directions these are the smaller and the larger distance.
    """
    now = _own_of_one(tracks, agent, "agent") | _own_of_one(tracks, target, "target")
    for j, name in enumerate(tracks.own_parts):
        for of, position in (
            ("nose", lambda xy_TK2: xy_TK2[:, _NOSE]),
            ("middle", lambda xy_TK2: _mean(xy_TK2, 1)),
        ):
            one, other = (
                _norm(tracks.own_TMJ2[:, m, j] - position(tracks.xy_TMK2[:, n]))
                for m, n in ((agent, target), (target, agent))
            )
            now[f"least own {name} {of}"], now[f"most own {name} {of}"] = np.fmin(one, other), np.fmax(one, other)
    return now


def _session(tracks: PoseTracks) -> Table:
    """Return the time since the video began, in seconds: animals do less, and other things, later in a session."""
    return {"session time": tracks.session_times().astype(np.float32)}


def _over(now: Table, means_s: Sequence[float], spreads_s: Sequence[float]) -> Table:
    """Return means and standard deviations over centred windows."""
    columns: Table = {}
    for name, x in now.items():
        for seconds in sorted({*means_s, *spreads_s}):
            mean, spread = _moments(x, max(1, round(seconds * MODEL_FPS / 2)))
            if seconds in means_s:
                columns[f"{name} mean {seconds:g} s"] = mean
            if seconds in spreads_s:
                columns[f"{name} std {seconds:g} s"] = spread
    return columns


def _axis(xy_TK2: Floats) -> Floats:
    """Return the unit vector from rear to front [T, 2]; each end is the mean of its parts that are present."""
    front = _mean(xy_TK2[:, [_NOSE, _LEFT, _RIGHT, _NECK]], axis=1)
    rear = _mean(xy_TK2[:, [_TAIL, _SIDE_L, _SIDE_R]], axis=1)
    axis_T2: Floats = front - rear
    length_T: Floats = np.maximum(_norm(axis_T2), np.float32(1e-3))
    return axis_T2 / length_T[:, None]


def _norm(x: Floats) -> Floats:
    return np.hypot(x[..., 0], x[..., 1])


def _dot(a_T2: Floats, b_T2: Floats) -> Floats:
    return a_T2[:, 0] * b_T2[:, 0] + a_T2[:, 1] * b_T2[:, 1]


def _angle(a_T2: Floats, b_T2: Floats) -> Floats:
    """Return the signed angle from a to b, rad."""
    return np.arctan2(a_T2[:, 0] * b_T2[:, 1] - a_T2[:, 1] * b_T2[:, 0], _dot(a_T2, b_T2))


def _lagged(x_T2: Floats, n_frames: int) -> Floats:
    return np.stack([_shifted(x_T2[:, i], n_frames) for i in range(2)], axis=1)


def _velocity(x_T2: Floats, seconds: float) -> Floats:
    """Return the velocity in cm/s, over `seconds` around each frame."""
    return np.stack([_slope(x_T2[:, i], seconds) for i in range(2)], axis=1)


def _slope(x_T: Floats, seconds: float) -> Floats:
    half = max(1, round(seconds * MODEL_FPS / 2))
    return (_shifted(x_T, -half) - _shifted(x_T, half)) * np.float32(MODEL_FPS / (2 * half))


def _mean(x: Floats, axis: int) -> Floats:
    """Return the mean of values that are not NaN; NaN where all are."""
    present = ~np.isnan(x)
    n = present.sum(axis=axis, dtype=np.float32)
    total = np.where(present, x, 0).sum(axis=axis, dtype=np.float32)
    return np.where(n > 0, total / np.maximum(n, 1), np.float32(np.nan))


def _least(x: Floats) -> Floats:
    """Return the minimum over the last axis, without NaN; NaN where all are."""
    least = np.where(np.isnan(x), np.inf, x).min(axis=-1)
    return np.where(np.isinf(least), np.float32(np.nan), least)


# --- over time --------------------------------------------------------------------------------------------
def _shifted(x: Floats, n_frames: int) -> Floats:
    """Return the value `n_frames` earlier (later, if negative); NaN where there is none."""
    moved = np.full_like(x, np.nan)
    if n_frames >= 0:
        moved[n_frames:] = x[: max(0, len(x) - n_frames)]
    else:
        moved[:n_frames] = x[-n_frames:]
    return moved


def _moments(x: Floats, half: int) -> tuple[Floats, Floats]:
    """Return mean and standard deviation over ``2 * half + 1`` frames, without NaN."""
    present = ~np.isnan(x)
    value = np.where(present, x, 0).astype(np.float64)
    n = _windowed(present.astype(np.float64), half)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _windowed(value, half) / n
        variance = _windowed(np.square(value), half) / n - np.square(mean)
    mean[n < 0.5], variance[n < 0.5] = np.nan, np.nan
    return mean.astype(np.float32), np.sqrt(np.maximum(variance, 0)).astype(np.float32)


def _windowed(value: npt.NDArray[np.float64], half: int) -> npt.NDArray[np.float64]:
    """Return the sum over the window, which is cut at the ends."""
    total = np.concatenate([[0.0], np.cumsum(value)])
    at = np.arange(len(value))
    return total[np.minimum(at + half + 1, len(value))] - total[np.maximum(at - half, 0)]


def _most(x: Floats, half: int) -> Floats:
    """Return the maximum over ``2 * half + 1`` frames, without NaN, by windows of doubling width."""
    width, covered = 2 * half + 1, 1
    best = np.full(len(x) + 2 * half, -np.inf, dtype=np.float32)
    best[half : half + len(x)] = np.where(np.isnan(x), -np.inf, x)
    while covered < width:
        step = min(covered, width - covered)
        best = np.maximum(best[: len(best) - step], best[step:])
        covered += step
    return np.where(np.isinf(best), np.float32(np.nan), best)


class Rolling(TableEncoder):
    """The encoder `rolling`: `pair_table` for a pair of animals, `self_table` for one."""

    name, version = "rolling", 3
    context_s = LONG_S[-1] / 2 + 1.0

    def table(self, tracks: PoseTracks, agent: int, target: int) -> Table:
        """Return the features of a pair, or of one animal if both positions on the animal axis are equal."""
        return self_table(tracks, agent) if agent == target else pair_table(tracks, agent, target)


class Moment(TableEncoder):
    """The encoder `moment`: the columns of `rolling` at one moment, for networks that look over time."""

    name, version = "moment", 1
    context_s = 2.0

    def table(self, tracks: PoseTracks, agent: int, target: int) -> Table:
        """Return the features of a pair, or of one animal if both positions on the animal axis are equal."""
        return self_moment(tracks, agent) if agent == target else pair_moment(tracks, agent, target)


ENCODER, MOMENT = Rolling(), Moment()
