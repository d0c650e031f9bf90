"""Curate one track: filling, centimetres, velocity, and its row of `track_summary`. numpy, no I/O.

The rules are those of `etholake.curate.tracking.curate_tracking`; here they are arithmetic on short vectors.
Shape letters: N = measured points of the track, R = its curated rows (measured and imputed), ascending in frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etholake.contract import JUMP_CM, JUMP_SPEED
from etholake.curate.points import Track

__all__ = ["TrackRows", "VideoScale", "curate_track", "positive"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class VideoScale:
    """Frame rate, scale and sizes of a video, as curation needs them. None (or not above 0) where unknown."""

    video_id: int
    lab_id: str
    fps: float | None = None
    pix_per_cm: float | None = None
    width_pix: float | None = None
    height_pix: float | None = None
    arena_width_cm: float | None = None
    arena_height_cm: float | None = None
    min_likelihood: float | None = None


@dataclass(frozen=True)
class TrackRows:
    """Rows of one track in the columns of `tracking_curated` (`bodypart` as a dictionary), and their summary."""

    rows: pa.RecordBatch
    summary: dict[str, Any]


def curate_track(track: Track, meta: Any, centre: tuple[float, float], max_gap_frames: int) -> TrackRows:
    """Curate one track.

    Parameters
    ----------
    meta
        Anything with the attributes of `VideoScale`.
    centre
        Centre of the arena in px.
    max_gap_frames
        As in `curate_tracking`.
    """
    frame_R, donor_R, imputed_R = _fill(track, max_gap_frames)
    fps, scale = positive(meta.fps), positive(meta.pix_per_cm)
    x_N, y_N = track.x.astype(np.float64), track.y.astype(np.float64)
    step_N = np.diff(track.frame)
    velocity: list[Floats | None] = [None, None, None]
    motion: dict[str, Any] = dict.fromkeys(_MOTION)
    if fps and scale:
        *velocity, motion = _motion(x_N / scale, y_N / scale, step_N, fps, max_gap_frames)
    cm = [(v - c) / scale if scale else None for v, c in zip((x_N, y_N), centre, strict=True)]
    everything = donor_R is None
    x_R, y_R = (v if everything else v[donor_R] for v in (track.x, track.y))
    cm_R = [v if v is None or everything else v[donor_R] for v in cm]
    rows = frame_R.size
    arrays = [
        pa.array(np.full(rows, meta.video_id, dtype=np.int64)),
        pa.array(frame_R.astype(np.int32)),
        pa.array(np.full(rows, track.mouse, dtype=np.int8)),
        pa.DictionaryArray.from_arrays(np.zeros(rows, np.int16), [track.part]),
        pa.array(x_R),
        pa.array(y_R),
        *(_nullable(v, rows) for v in cm_R),
        *(_nullable(v if v is None or everything else _spread(v, imputed_R), rows) for v in velocity),
        pa.array(imputed_R),
        *(_nullable(_shown(track.extras.get(name), donor_R), rows) for name in ("z", "likelihood")),
    ]
    if not everything and "likelihood" in track.extras:  # of a point that was not measured there is none
        arrays[-1] = pc.if_else(pa.array(imputed_R), pa.scalar(None, pa.float32()), arrays[-1])
    summary = {
        "video_id": meta.video_id, "mouse_id": track.mouse, "bodypart": track.part,
        "first_frame": int(track.frame[0]), "last_frame": int(track.frame[-1]),
        "frames_present": track.present.size, "points_measured": track.frame.size,
        "points_imputed": rows - track.frame.size, "points_missing": track.present.size - rows,
        "gaps": int(np.count_nonzero(step_N > 1)), "gap_frames": int((step_N - 1).sum()),
        "longest_gap_frames": int(step_N.max()) - 1 if step_N.size else 0,
        **motion,
    }  # fmt: skip
    return TrackRows(pa.RecordBatch.from_arrays(arrays, names=_NAMES), summary)


_MOTION = ("tracked_sec", "path_cm", "max_speed", "jumps")  # null without any velocity
_NAMES = [
    "video_id", "video_frame", "mouse_id", "bodypart", "x", "y", "x_cm", "y_cm", "vx", "vy", "speed", "is_imputed",
    "z", "likelihood",
]  # fmt: skip


def _shown(values_N: npt.NDArray[Any] | None, donor_R: Ints | None) -> npt.NDArray[Any] | None:
    """Return the value of the measured point that each row shows [R]; None for None."""
    return values_N if values_N is None or donor_R is None else values_N[donor_R]


def positive(value: float | None) -> float | None:
    """Return the value if it is a finite number above 0, else None: 0, NaN and None all mean unknown."""
    if value is None or not np.isfinite(value) or value <= 0:
        return None
    return float(value)


def _fill(track: Track, max_gap: int) -> tuple[Ints, Ints | None, Bools]:
    """Return frames [R], the measured point that each row shows [R] (None: its own), and the imputed rows [R]."""
    if track.frame.size == track.present.size:
        return track.frame, None, np.zeros(track.frame.size, np.bool_)
    last = np.cumsum(track.observed) - 1  # per present frame: the last measured point, -1 before the first
    missing = np.flatnonzero(~track.observed)
    at, before = track.present[missing], last[missing]
    after = np.minimum(before + 1, track.frame.size - 1)
    near_before = (before >= 0) & (at - track.frame[before] <= max_gap)
    ahead = track.frame[after] - at
    near_after = (ahead > 0) & (ahead <= max_gap)
    donor = last
    donor[missing] = np.where(near_before, before, np.where(near_after, after, -1))
    shown = donor >= 0
    return track.present[shown], donor[shown], ~track.observed[shown]


def _motion(
    x_N: Floats, y_N: Floats, step: Ints, fps: float, max_gap: int
) -> tuple[Floats, Floats, Floats, dict[str, Any]]:
    """Return vx, vy, speed in cm/s [N], NaN where undefined, and the summary's entries; `x_N`, `y_N` in cm."""
    velocities = np.full((3, x_N.size), np.nan)
    vx, vy, speed = velocities
    factor = fps / step
    with np.errstate(over="ignore", invalid="ignore"):
        np.multiply(np.diff(x_N), factor, out=vx[1:])
        np.multiply(np.diff(y_N), factor, out=vy[1:])
        if step.size and step.max() > max_gap:
            velocities[:2, 1:][:, step > max_gap] = np.nan
        np.sqrt(vx * vx + vy * vy, out=speed)
        defined = np.isfinite(speed[1:].astype(np.float32))  # as the table has it
        length = speed[1:][defined] / factor[defined]
        fast = (length > JUMP_CM) & (speed[1:][defined] > JUMP_SPEED)
    if not length.size:
        return vx, vy, speed, dict.fromkeys(_MOTION)
    motion = {
        "tracked_sec": float(step[defined].sum() / fps),
        "path_cm": float(length.sum()),
        "max_speed": float(speed[1:][defined].max()),
        "jumps": int(np.count_nonzero(fast)),
    }
    return vx, vy, speed, motion


def _spread(values_N: Floats, imputed_R: Bools) -> Floats:
    """Return the values of the measured points at their rows; NaN at the imputed ones."""
    out = np.full(imputed_R.size, np.nan)
    out[~imputed_R] = values_N
    return out


def _nullable(values: Floats | None, rows: int) -> pa.Array:
    """Return a float32 array, null where NaN or too large for 32 bits; all null for None."""
    if values is None:
        return pa.nulls(rows, pa.float32())
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    missing = ~np.isfinite(single)
    return pa.array(single, mask=missing) if missing.any() else pa.array(single)
