"""Add the dirt of real data, at a chosen rate from 0 to 1, to tracks, annotations and metadata."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from etholake.simulate.motion import SimulatedEvent

__all__ = ["dirty_annotations", "dirty_items", "dirty_tracks", "visible"]

Floats = npt.NDArray[np.float32]


def dirty_tracks(
    xy_TMP2: Floats, parts: Sequence[str], fps: float, rate: float, random: np.random.Generator
) -> Floats:
    """Swap identities, and left and right, over short stretches; in place. Returns the array."""
    T, M = xy_TMP2.shape[:2]
    for _ in range(random.poisson(rate * T / fps / 30)):
        start = int(random.integers(T))
        span = slice(start, start + max(1, round(fps * float(random.uniform(0.05, 0.4)))))
        if random.random() < 0.5 and M > 1:
            a, b = random.choice(M, 2, replace=False)
            xy_TMP2[span, [a, b]] = xy_TMP2[span, [b, a]]
        else:
            mirror = [_index_of_mirror(parts, p) for p in parts]
            mouse = int(random.integers(M))
            xy_TMP2[span, mouse] = xy_TMP2[span, mouse][:, mirror]
    return xy_TMP2


def _index_of_mirror(parts: Sequence[str], part: str) -> int:
    other = part.replace("left", "?").replace("right", "left").replace("?", "right")
    return list(parts).index(other if other in parts else part)


def visible(
    shape: tuple[int, int, int], fps: float, rate: float, random: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return the mask [T, M, P] of detected points: single points, whole mice and whole frames go missing."""
    T, M, _ = shape
    visible_TM = random.random(shape, dtype=np.float32) >= np.float32(0.3 * rate)
    for mouse in range(M):
        for start in random.integers(0, T, random.poisson(rate * T / fps / 10)):
            visible_TM[start : start + max(1, round(fps * float(random.uniform(0.1, 1.0)))), mouse] = False
    for start in random.integers(0, T, random.poisson(rate * T / fps / 30)):
        visible_TM[start : start + max(1, round(fps * 0.1))] = False
    return visible_TM


def dirty_annotations(
    events: list[SimulatedEvent], frames: int, rate: float, random: np.random.Generator
) -> list[SimulatedEvent]:
    """Add zero-length intervals, and intervals that end long after the video."""
    out = list(events)
    for b in events:
        if random.random() < 0.05 * rate:
            out.append(SimulatedEvent(b.stop, b.stop, b.agent, b.target, b.action))
        elif random.random() < 0.02 * rate:
            out.remove(b)
            out.append(SimulatedEvent(b.start, b.stop + frames, b.agent, b.target, b.action))
    return sorted(out)


def dirty_items(items: list[str]) -> list[str]:
    """Return items of `behaviors_labeled` with stray quotes, half with their clean twin, as in DeliriousFly."""
    quoted = [item.replace(",", "','") + "'" for item in items]
    return quoted + items[::2]
