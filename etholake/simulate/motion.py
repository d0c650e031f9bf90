"""Turn events into tracks: the motion of all mice of one video, vectorised over frames within an event.

Each mouse walks on its own (a smooth random walk inside the walls) unless a event says otherwise; a event moves
its agent relative to where the target is, and sets the pace of both. Positions are cm from the arena centre,
y up; frames count from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etholake.simulate import body, kinematics

__all__ = ["Scene", "SimulatedEvent", "tracks"]

Floats = npt.NDArray[np.float32]
RAMP_S = 0.3  # a event takes over this gently: inertia
WAY_CM_S = 20.0  # pace of the way to a place
RUSH_CM_S = 80.0  # no faster than this on the way to the target
WALK_CM_S = 7.0
MARGIN_CM = 3.0


@dataclass(frozen=True, order=True)
class SimulatedEvent:
    """One event, ``start <= f < stop``; `agent` and `target` count from 0, and are equal for a self action."""

    start: int
    stop: int
    agent: int
    target: int
    action: str


@dataclass(frozen=True)
class Scene:
    """Arena, mice and frame rate of one video."""

    frames: int
    mice: int
    fps: float
    width_cm: float
    height_cm: float
    objects: tuple[tuple[float, float], ...] = ()  # cm from the centre; they stay where they are


@dataclass
class _State:
    """State per mouse and frame that events set before the motion is computed."""

    speed: Floats
    stretch: Floats
    nod: Floats
    shake: Floats
    face: Floats  # [M, T, 2] point to face, NaN: along the motion
    xy: Floats  # [M, T, 2]
    done: list[int]
    acted: list[int]  # frames that events have set: a way to a place may not change them


def tracks(
    scene: Scene, events: Sequence[SimulatedEvent], parts: Sequence[str], random: np.random.Generator
) -> Floats:
    """Return positions [T, M, P, 2] in cm of `parts`."""
    state, steps = _start(scene, events, random)
    for event in sorted(events):
        if event.start < min(event.stop, scene.frames):
            _act(scene, state, steps, event)
    for mouse in range(scene.mice):
        _walk(scene, state, steps, mouse, scene.frames)
    out = np.empty((scene.frames, scene.mice, len(parts), 2), dtype=np.float32)
    seconds = np.arange(scene.frames, dtype=np.float32) / np.float32(scene.fps)
    for mouse in range(scene.mice):
        xy = _smooth(state.xy[mouse], max(1, round(0.12 * scene.fps))) + state.shake[mouse]
        heading = _heading(xy, state.face[mouse], scene.fps)
        stretch = _smooth(state.stretch[mouse][:, None], max(1, round(0.2 * scene.fps)))[:, 0]
        sway = 0.8 * np.sin(2 * np.pi * 1.3 * seconds + random.uniform(0, 6)).astype(np.float32)
        out[:, mouse] = body.pose(
            xy, heading, stretch, state.nod[mouse], sway, parts, float(random.uniform(0.9, 1.1))
        )
    return out


def _start(scene: Scene, events: Sequence[SimulatedEvent], random: np.random.Generator) -> tuple[_State, Floats]:
    """Return the state with the pace of every mouse, and the free steps [M, T, 2] (cm per frame) it would take."""
    M, T = scene.mice, scene.frames
    slow = max(1, round(1.0 * scene.fps))
    noise = _smooth(random.standard_normal((T, 2 * M)).astype(np.float32), slow) * np.float32(np.sqrt(slow))
    speed = WALK_CM_S * np.clip(0.8 + 0.7 * noise[:, :M].T, 0.05, None)
    turn = 1.8 * noise[:, M:].T / np.float32(scene.fps)
    for event in events:
        move = kinematics.of(event.action, is_self=event.agent == event.target)
        if move.speed is not None and move.relation == "alone":
            speed[event.agent, event.start : event.stop] = move.speed
        if move.target_speed is not None and event.agent != event.target:
            speed[event.target, event.start : event.stop] = move.target_speed
    angle = random.uniform(0, 2 * np.pi, (M, 1)).astype(np.float32) + np.cumsum(turn, axis=1)
    steps = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * (speed / np.float32(scene.fps))[..., None]
    zeros = np.zeros((M, T), dtype=np.float32)
    state = _State(
        speed, zeros + 1, zeros.copy(), np.zeros((M, T, 2), np.float32),
        np.full((M, T, 2), np.nan, np.float32), np.zeros((M, T, 2), np.float32), [0] * M,
        [0] * M,
    )  # fmt: skip
    limits = _limits(scene)
    state.xy[:, 0] = random.uniform(-limits, limits, (M, 2))
    state.done = [1] * M
    return state, steps.astype(np.float32)


def _limits(scene: Scene) -> Floats:
    half = np.array([scene.width_cm, scene.height_cm], dtype=np.float32) / 2
    return np.maximum(half - MARGIN_CM, 0.25 * half)


def _fold(xy: Floats, limits: Floats) -> Floats:
    """Reflect at the walls: a triangle wave of the free path."""
    period = 4 * limits
    shifted = np.mod(xy + limits, period)
    return (np.where(shifted > 2 * limits, period - shifted, shifted) - limits).astype(np.float32)


def _walk(scene: Scene, state: _State, steps: Floats, mouse: int, until: int) -> None:
    """Let a mouse walk on its own up to frame `until` (exclusive)."""
    done = state.done[mouse]
    if until > done:
        path = state.xy[mouse, done - 1] + np.cumsum(steps[mouse, done:until], axis=0)
        state.xy[mouse, done:until] = _fold(path, _limits(scene))
        state.done[mouse] = until


def _act(scene: Scene, state: _State, steps: Floats, event: SimulatedEvent) -> None:
    """Act one event: set the agent's path from start to stop, and its posture."""
    move = kinematics.of(event.action, is_self=event.agent == event.target)
    start, stop = event.start, min(event.stop, scene.frames)
    span = slice(start, stop)
    seconds = (np.arange(stop - start, dtype=np.float32)) / np.float32(scene.fps)
    for mouse in {event.agent, event.target}:
        _walk(scene, state, steps, mouse, stop)
    if event.agent != event.target:  # the agent's path has been set by the target's
        state.acted[event.target] = max(state.acted[event.target], stop)
    state.stretch[event.agent, span] = move.stretch
    state.nod[event.agent, span] = move.nod_cm * np.sin(2 * np.pi * move.nod_hz * seconds)
    shake = move.shake_cm * np.sin(2 * np.pi * move.shake_hz * seconds)
    state.shake[event.agent, span, 0] = shake
    state.shake[event.agent, span, 1] = move.shake_cm * np.cos(2 * np.pi * 0.8 * move.shake_hz * seconds)
    if move.relation == "alone":
        if move.place:
            _go_to(scene, state, event, move)
        return
    agent, target = state.xy[event.agent], state.xy[event.target]
    wanted, face = _relative(scene, agent, target, start, stop, move)
    origin = agent[max(start - 1, 0)].copy()
    way = float(np.linalg.norm(wanted[0] - origin))
    ramp = max(RAMP_S, way / RUSH_CM_S)
    if move.relation == "reach":
        ramp = max(ramp, float(seconds[-1]))
    elif move.relation == "part":
        ramp = max(ramp, way / (move.speed or WALK_CM_S))
    weight = np.clip((seconds + 1 / scene.fps) / ramp, 0, 1)[:, None]
    weight = weight * weight * (3 - 2 * weight)
    limits = _limits(scene)
    agent[span] = np.clip((1 - weight) * origin + weight * wanted, -limits - 1, limits + 1)
    state.face[event.agent, span] = face
    state.done[event.agent] = stop  # what comes later continues from here
    state.acted[event.agent] = max(state.acted[event.agent], stop)


def _go_to(scene: Scene, state: _State, event: SimulatedEvent, move: kinematics.Kinematics) -> None:
    """Let the agent arrive at the action's place when the event starts, and stay there; it walks there before."""
    start, stop = event.start, min(event.stop, scene.frames)
    agent = state.xy[event.agent]
    spot = _place(scene, move.place, agent[start])
    if spot is None:
        return
    side = agent[start] - spot
    if move.place == "nest" or not side.any():
        side = -spot
    goal = spot + side / max(float(np.linalg.norm(side)), 1e-3) * move.distance
    way = max(1, round(float(np.linalg.norm(goal - agent[start])) / WAY_CM_S * scene.fps))
    begin = max(start - way, state.acted[event.agent], 1)
    weight = np.clip((np.arange(begin, stop) - begin + 1) / max(1, start - begin), 0, 1)[:, None]
    weight = weight * weight * (3 - 2 * weight)
    limits = _limits(scene)
    path = (1 - weight) * agent[begin - 1] + weight * goal
    agent[begin:stop] = np.clip(path, -limits - 1, limits + 1)
    state.face[event.agent, begin:stop] = spot
    state.done[event.agent] = state.acted[event.agent] = stop


def _place(scene: Scene, place: str, xy: Floats) -> Floats | None:
    """Return the nearest point of a kind of place; None where the arena has none."""
    half = np.array([scene.width_cm, scene.height_cm], dtype=np.float32) / 2
    if place == "nest":
        return np.array([-half[0], half[1]], dtype=np.float32)
    if place == "wall":
        axis = int(np.argmin(half - np.abs(xy)))
        spot = xy.copy()
        spot[axis] = np.copysign(half[axis], xy[axis])
        return spot
    if not scene.objects:
        return None
    objects = np.array(scene.objects, dtype=np.float32)
    nearest: Floats = objects[int(np.argmin(np.linalg.norm(objects - xy, axis=1)))]
    return nearest


def _relative(
    scene: Scene, agent: Floats, target: Floats, start: int, stop: int, move: kinematics.Kinematics
) -> tuple[Floats, Floats]:
    """Return (desired path of the agent [t, 2], point that it faces [t, 2]: NaN along its motion)."""
    span = np.arange(start, stop)
    if move.relation == "trail":
        lag = max(1, round(move.distance * scene.fps))
        return target[np.maximum(span - lag, 0)], np.full((len(span), 2), np.nan, np.float32)
    target_path = target[span]
    axis = _direction(target, span, max(1, round(0.3 * scene.fps)))
    spot = target_path + move.point * axis
    origin = agent[max(start - 1, 0)]
    if move.relation == "part":
        goal = _refuge(origin, target_path[0], move.distance, _limits(scene))
        return np.broadcast_to(goal, spot.shape), np.full(spot.shape, np.nan, np.float32)
    if move.align:
        return spot - axis * move.distance, spot + 5 * axis
    side = origin - spot[0]
    side = side / max(float(np.linalg.norm(side)), 1e-3)
    if not side.any():
        side = -axis[0]
    return spot + side * move.distance, spot


def _refuge(origin: Floats, threat: Floats, distance: float, limits: Floats) -> Floats:
    """Return the place to go to, `distance` from `origin` where walls allow.

    Away from the threat, not past it, and out of a corner along the wall rather than stay in it.
    """
    away = origin - threat
    angles = np.arctan2(away[1], away[0]) + np.linspace(0, 2 * np.pi, 16, endpoint=False)
    goals = np.clip(origin + distance * np.stack([np.cos(angles), np.sin(angles)], axis=1), -limits, limits)
    gained, gone = (np.linalg.norm(goals - point, axis=1) for point in (threat, origin))
    past_the_threat = 0.4 * distance * (1 - np.cos(angles - angles[0]))
    return goals[int(np.argmax(gained + 0.7 * gone - past_the_threat))].astype(np.float32)


def _direction(xy: Floats, span: npt.NDArray[np.intp], lag: int) -> Floats:
    """Return unit vectors of the motion over `lag` frames; the previous one where it stands still."""
    step = xy[span] - xy[np.maximum(span - lag, 0)]
    return _held(step)


def _held(step_T2: Floats) -> Floats:
    length = np.linalg.norm(step_T2, axis=1)
    moving = length > 0.05
    last = np.maximum.accumulate(np.where(moving, np.arange(len(step_T2)), 0))
    unit = step_T2[last] / np.maximum(length[last], 1e-6)[:, None]
    if not moving.any() or not moving[0]:
        first = int(np.argmax(moving)) if moving.any() else -1
        before = step_T2[first] / length[first] if first >= 0 else np.array([1.0, 0.0], np.float32)
        unit[last == 0] = before if not moving[0] else unit[0]
    return unit.astype(np.float32)


def _heading(xy: Floats, face_T2: Floats, fps: float) -> Floats:
    """Return the angle of the body axis (rad): towards the faced point, else along the motion, without jumps."""
    lag = max(1, round(0.2 * fps))
    unit = _direction(_smooth(xy, lag), np.arange(len(xy)), lag)
    towards = face_T2 - xy
    length = np.linalg.norm(towards, axis=1)
    facing = np.isfinite(length) & (length > 0.5)
    unit[facing] = towards[facing] / length[facing][:, None]
    unit = _smooth(unit, max(1, round(0.15 * fps)))
    return np.arctan2(unit[:, 1], unit[:, 0]).astype(np.float32)


def _smooth(x_TN: Floats, width: int) -> Floats:
    """Return the moving mean over `width` frames (made odd), edges held."""
    half = width // 2
    if half == 0:
        return x_TN
    padded = np.concatenate([np.repeat(x_TN[:1], half + 1, axis=0), x_TN, np.repeat(x_TN[-1:], half, axis=0)])
    sums = np.cumsum(padded, axis=0, dtype=np.float64)
    return ((sums[2 * half + 1 :] - sums[: -2 * half - 1]) / (2 * half + 1)).astype(np.float32)
