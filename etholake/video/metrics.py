"""Measure videos with their events: tables of bouts, of windows of time, and of behaviors. numpy, no I/O.

An animal is one point of its tracks. Lengths are centimetres where the video's scale is known, else pixels: of the
two columns (`distance_cm`, `distance_px`) one is null. Shape letters: T frames, M animals, K parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.events.types import Event, mask
from etholake.video.box_log import BOX_PARTS
from etholake.video.prepare import VideoTracks

__all__ = ["MeasuredVideo", "tables_of"]

Floats = npt.NDArray[np.float64]
CENTRE_PARTS = ("body_center", "neck", "spine_1", "tail_base", "nose")
MAX_GAP_S = 0.5  # a path goes on over a gap that is at most so long, as in curation


@dataclass(frozen=True)
class MeasuredVideo:
    """A video with its events; ``start_frame <= f < stop_frame`` are the frames that were looked at.

    `tracks` are in pixels of the frame; None: lengths are not known. `pix_per_cm` None: lengths stay in pixels.
    """

    video_id: int
    lab_id: str
    fps: float
    start_frame: int
    stop_frame: int
    events: Sequence[Event]
    tracks: VideoTracks | None = None
    pix_per_cm: float | None = None

    @property
    def seconds(self) -> float:
        """The time that was looked at."""
        return (self.stop_frame - self.start_frame) / self.fps


@dataclass(frozen=True)
class _Motion:
    """An animal's point over all frames [T, 2] and the way [T] since the frame before, NaN where unknown."""

    point: str
    xy_T2: Floats
    step_T: Floats


def tables_of(videos: Iterable[MeasuredVideo], window_s: float = 60.0) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the tables `bouts`, `windows` and `behaviors`; every row of a table has the same columns.

    - `bouts`: an event each, with the agent's way and speed, and the mean distance of agent and target.
    - `windows`: an animal in each `window_s` seconds from the first frame that was looked at, with its way and
      speed, and the seconds of every action (``seconds_<action>``: the animal is the agent, whoever the target).
    - `behaviors`: (agent, target, action) of a video that occurs, with its share of the time that was looked at.
    """
    tables: dict[str, list[dict[str, Any]]] = {"bouts": [], "windows": [], "behaviors": []}
    actions: set[str] = set()
    for video in videos:
        motions = _motions(video)
        actions |= {event.action for event in video.events}
        tables["bouts"] += [_bout(video, event, motions) for event in sorted(video.events, key=_order)]
        tables["windows"] += _windows(video, motions, window_s)
        tables["behaviors"] += _behaviors(video, motions)
    names = [f"seconds_{action}" for action in sorted(actions)]
    tables["windows"] = [
        {name: value for name, value in row.items() if name not in names}
        | {name: row.get(name, 0.0) for name in names}  # in the same order in every row
        for row in tables["windows"]
    ]
    return tables


def _order(event: Event) -> tuple[int, int, int, str]:
    return event.start_frame, event.agent_id, event.target_id, event.action


def _motions(video: MeasuredVideo) -> dict[int, _Motion]:
    if video.tracks is None:
        return {}
    animals = enumerate(video.tracks.animals)
    return {animal: _motion(video, video.tracks, column) for column, animal in animals}


def _motion(video: MeasuredVideo, tracks: VideoTracks, column: int) -> _Motion:
    point, xy_T2 = _centre(tracks, column)
    step_T = np.full(len(xy_T2), np.nan)
    seen = np.flatnonzero(np.isfinite(xy_T2).all(axis=1))
    if len(seen) > 1:
        gaps = np.diff(seen)
        lengths = np.hypot(*np.diff(xy_T2[seen], axis=0).T)
        near = gaps <= max(1.0, MAX_GAP_S * video.fps)
        # Spread over the gap, so that windows add up to the whole.
        step_T[seen[0] + 1 : seen[-1] + 1] = np.repeat(np.where(near, lengths / gaps, np.nan), gaps)
    return _Motion(point, xy_T2, step_T)


def _centre(tracks: VideoTracks, column: int) -> tuple[str, Floats]:
    """Return the name and the track [T, 2] of the point that stands for an animal.

    It is the first of `CENTRE_PARTS` that is known at least half as often as the part that is known most often,
    else that part; of an animal that has a box only, the middle of the box.
    """
    if tracks.parts == BOX_PARTS:
        return "box", np.asarray(tracks.keypoints_TMK3[:, column, :, :2], np.float64).mean(axis=1)
    counts = np.isfinite(tracks.keypoints_TMK3[:, column, :, 0]).sum(axis=0)
    often = [
        part for part in CENTRE_PARTS
        if part in tracks.parts and counts[tracks.parts.index(part)] * 2 >= counts.max()
    ]  # fmt: skip
    part = often[0] if often else tracks.parts[int(counts.argmax())]
    return part, np.asarray(tracks.keypoints_TMK3[:, column, tracks.parts.index(part), :2], np.float64)


def _bout(video: MeasuredVideo, event: Event, motions: dict[int, _Motion]) -> dict[str, Any]:
    agent, target = motions.get(event.agent_id), motions.get(event.target_id)
    row = {
        "video_id": video.video_id, "lab_id": video.lab_id, "agent_id": event.agent_id,
        "target_id": event.target_id, "action": event.action,
        "start_frame": event.start_frame, "stop_frame": event.stop_frame,
        "start_s": event.start_frame / video.fps, "stop_s": event.stop_frame / video.fps,
        "seconds": (event.stop_frame - event.start_frame) / video.fps, "confidence": event.confidence,
    }  # fmt: skip
    row |= _way(video, agent, event.start_frame, event.stop_frame)
    apart = None
    if agent and target and event.agent_id != event.target_id:
        span = slice(event.start_frame, event.stop_frame)
        distances = np.hypot(*(agent.xy_T2[span] - target.xy_T2[span]).T)
        measured = distances[np.isfinite(distances)]
        apart = float(measured.mean()) if measured.size else None
    return row | _length(video, "mean_apart", apart)


def _windows(video: MeasuredVideo, motions: dict[int, _Motion], window_s: float) -> list[dict[str, Any]]:
    animals = sorted(set(motions) | {event.agent_id for event in video.events})
    length = max(1, round(window_s * video.fps))
    total = video.stop_frame - video.start_frame
    rows = []
    for animal in animals:
        own = [event for event in video.events if event.agent_id == animal]
        masks = {
            action: mask([e for e in own if e.action == action], video.start_frame, total)
            for action in sorted({event.action for event in own})
        }
        for start in range(video.start_frame, video.stop_frame, length):
            stop = min(start + length, video.stop_frame)
            inside = slice(start - video.start_frame, stop - video.start_frame)
            row = {
                "video_id": video.video_id, "lab_id": video.lab_id, "animal": animal, "start_s": start / video.fps,
                "stop_s": stop / video.fps,
            }  # fmt: skip
            row |= _way(video, motions.get(animal), start, stop)
            rows.append(row | {f"seconds_{a}": int(m[inside].sum()) / video.fps for a, m in masks.items()})
    return rows


def _behaviors(video: MeasuredVideo, motions: dict[int, _Motion]) -> list[dict[str, Any]]:
    rows = []
    for agent, target, action in sorted({(e.agent_id, e.target_id, e.action) for e in video.events}):
        own = [e for e in video.events if (e.agent_id, e.target_id, e.action) == (agent, target, action)]
        busy = mask(own, video.start_frame, video.stop_frame - video.start_frame)
        seconds = int(busy.sum()) / video.fps
        rows.append(
            {
                "video_id": video.video_id, "lab_id": video.lab_id, "agent_id": agent, "target_id": target,
                "action": action, "bouts": len(own), "seconds": seconds, "share": seconds / video.seconds,
                "mean_bout_s": float(np.mean([e.stop_frame - e.start_frame for e in own])) / video.fps,
            }
            | _way(video, motions.get(agent), video.start_frame, video.stop_frame, busy)
        )  # fmt: skip
    return rows


def _way(
    video: MeasuredVideo,
    motion: _Motion | None,
    start: int,
    stop: int,
    chosen: npt.NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Return distance, speeds and the seconds in which they are known, of the frames or of those `chosen`."""
    step = np.zeros(0) if motion is None else motion.step_T[start:stop]
    if chosen is not None:
        step = step[chosen[: len(step)]]
    steps = step[np.isfinite(step)]
    distance = float(steps.sum()) if steps.size else None
    mean = float(steps.mean()) * video.fps if steps.size else None
    top = float(steps.max()) * video.fps if steps.size else None
    return (
        {"point": motion.point if motion else None, "tracked_s": steps.size / video.fps}
        | _length(video, "distance", distance)
        | _length(video, "mean_speed", mean, "_s")
        | _length(video, "max_speed", top, "_s")
    )


def _length(video: MeasuredVideo, name: str, pixels: float | None, per: str = "") -> dict[str, float | None]:
    scale = video.pix_per_cm
    return {
        f"{name}_cm{per}": pixels / scale if pixels is not None and scale else None,
        f"{name}_px{per}": None if scale else pixels,
    }
