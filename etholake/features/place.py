"""Place and heading of an animal in the arena: what actions at an object, a wall or a nest are known by.

Coordinates are in cm from the centre of the arena (`PoseTracks.xy_TMK2`). Its walls are those of the metadata,
else the edges of the picture. Shape letters: T frames at 30 Hz, K unified parts, 2 = (x, y) in cm.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from etholake.dataset.video_meta import VideoMeta

__all__ = ["half_sizes", "place_now"]

Floats = npt.NDArray[np.float32]


def half_sizes(meta: VideoMeta) -> tuple[float, float]:
    """Return how far the walls are from the centre along x and y, in cm; NaN where nothing says it."""
    sides = ((meta.arena_width_cm, meta.width_pix), (meta.arena_height_cm, meta.height_pix))
    halves = []
    for arena_cm, picture_px in sides:
        if arena_cm:
            halves.append(arena_cm / 2)
        elif picture_px and meta.pix_per_cm:
            halves.append(picture_px / meta.pix_per_cm / 2)
        else:
            halves.append(float("nan"))
    return halves[0], halves[1]


def place_now(centre_T2: Floats, axis_T2: Floats, meta: VideoMeta) -> dict[str, Floats]:
    """Return position and heading in the arena at each frame.

    Position, distance to the centre, to the nearest wall and to the nearest corner are in cm, the heading is a
    unit vector.
    """
    x, y = centre_T2.T
    half_x, half_y = half_sizes(meta)
    to_x, to_y = np.float32(half_x) - np.abs(x), np.float32(half_y) - np.abs(y)
    return {
        "x": x,
        "y": y,
        "from centre": np.hypot(x, y),
        "wall": np.minimum(to_x, to_y),
        "corner": np.hypot(to_x, to_y),
        "heading x": axis_T2[:, 0],
        "heading y": axis_T2[:, 1],
    }
