"""Poses of a video in slices of `FRAMES` frames: from the text that Athena joins to bytes for the browser.

Shape letters: M mice, K tracks (a part of a mouse), F frames of a slice.

A slice is zlib-compressed; inside, little endian: ``step`` (float32, the unit of a coordinate), then in blocks
x (K, F), y (K, F) as int16 deltas along F, speed (M, F) as uint16, state (K, F) as uint8. Each 16-bit block lies
as its low bytes, then its high bytes, which packs better. `web/video/slices.js` reads it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ABSENT", "FRAMES", "IMPUTED", "MEASURED", "NO_SPEED", "TrackedParts", "pack", "unpack"]

FRAMES = 900  # as the query `SLICES` of stage `video` has it: half a minute at 30 frames/s
ABSENT, MEASURED, IMPUTED = 0, 1, 2
NO_SPEED = 0xFFFF
_FINEST = 0.01  # cm (px without a scale): the query's own unit
_LARGEST = 32_000  # of an int16

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class TrackedParts:
    """The tracked (mouse, part) in the order of the slices, and the part that gives each mouse its speed."""

    tracks: Sequence[tuple[int, str]]
    speed_parts: Mapping[int, str]


def pack(tracks: TrackedParts, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return one slice from its rows of the query `SLICES`. A point without a row is absent."""
    order = {track: at for at, track in enumerate(tracks.tracks)}
    mice = {mouse: at for at, mouse in enumerate(tracks.speed_parts)}
    x_KF, y_KF = (np.zeros((len(order), FRAMES), np.int32) for _ in range(2))
    state_KF = np.full((len(order), FRAMES), ABSENT, np.uint8)
    speed_MF = np.full((len(mice), FRAMES), NO_SPEED, np.uint16)
    for row in rows:
        mouse, part = int(row["mouse_id"]), str(row["bodypart"])
        at, frames = order[mouse, part], _ints(row["frames"])
        x_KF[at, frames], y_KF[at, frames] = _ints(row["xs"]), _ints(row["ys"])
        state_KF[at, frames] = np.where(_ints(row["imputed"]) == 1, IMPUTED, MEASURED)
        if tracks.speed_parts[mouse] == part:
            speed = _ints(row["speeds"])
            speed_MF[mice[mouse], frames] = np.where(speed < 0, NO_SPEED, np.minimum(speed, NO_SPEED - 1))
    step = max(1.0, max(np.abs(x_KF).max(initial=0), np.abs(y_KF).max(initial=0)) / _LARGEST)
    deltas = [np.diff(_held(np.rint(v / step).astype(np.int32), state_KF), prepend=0) for v in (x_KF, y_KF)]
    blocks = [_planes(v.astype(np.uint16)) for v in deltas]
    body = np.float32(step * _FINEST).tobytes() + b"".join([*blocks, _planes(speed_MF), state_KF.tobytes()])
    return zlib.compress(body, 6)


def unpack(tracks: TrackedParts, packed: bytes) -> dict[str, npt.NDArray[Any]]:
    """Undo `pack`: return x, y (K, F) in cm or px, speed (M, F) in cm/s, state (K, F); unknown is NaN."""
    body = zlib.decompress(packed)
    K, M, at = len(tracks.tracks), len(tracks.speed_parts), 4
    step = np.frombuffer(body[:4], "<f4")[0]
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, count in (("x", K), ("y", K), ("speed", M)):
        planes = np.frombuffer(body, np.uint8, 2 * count * FRAMES, at).astype(np.uint16).reshape(2, count, FRAMES)
        arrays[name] = planes[0] | planes[1] << 8
        at += 2 * count * FRAMES
    arrays["state"] = np.frombuffer(body, np.uint8, K * FRAMES, at).reshape(K, FRAMES)
    for name in ("x", "y"):
        whole = np.cumsum(arrays[name], axis=1, dtype=np.uint16).view(np.int16) * step
        arrays[name] = np.where(arrays["state"] == ABSENT, np.nan, whole)
    arrays["speed"] = np.where(arrays["speed"] == NO_SPEED, np.nan, arrays["speed"] * _FINEST)
    return arrays


def _ints(text: str) -> Ints:
    return np.fromstring(text or "", np.int32, sep=" ")


def _held(values_KF: Ints, state_KF: npt.NDArray[np.uint8]) -> Ints:
    """Return the values with absent points at their last value: a delta of 0, which costs nothing."""
    last_KF = np.maximum.accumulate(np.where(state_KF != ABSENT, np.arange(FRAMES), 0), axis=1)
    return np.asarray(np.take_along_axis(values_KF, last_KF, axis=1), np.int32)


def _planes(values: npt.NDArray[np.uint16]) -> bytes:
    return (values & 0xFF).astype(np.uint8).tobytes() + (values >> 8).astype(np.uint8).tobytes()
