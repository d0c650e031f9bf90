"""Place the parts of a mouse, seen from above, around its body centre. cm; x towards the nose, y to the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["TEMPLATE", "pose"]

Floats = npt.NDArray[np.float32]

TEMPLATE: Mapping[str, tuple[float, float]] = {
    "nose": (4.5, 0.0), "head": (3.6, 0.0), "ear_left": (2.9, 1.0), "ear_right": (2.9, -1.0), "neck": (2.0, 0.0),
    "forepaw_left": (2.2, 1.2), "forepaw_right": (2.2, -1.2), "spine_1": (1.0, 0.0), "body_center": (0.0, 0.0),
    "spine_2": (-1.6, 0.0), "lateral_left": (-0.3, 1.5), "lateral_right": (-0.3, -1.5), "hip_left": (-2.2, 1.3),
    "hip_right": (-2.2, -1.3), "hindpaw_left": (-2.4, 1.8), "hindpaw_right": (-2.4, -1.8),
    "tail_base": (-3.8, 0.0),
    "tail_middle_1": (-5.4, 0.0), "tail_midpoint": (-6.6, 0.0), "tail_middle_2": (-7.8, 0.0),
    "tail_tip": (-10.0, 0.0),
    **{
        f"headpiece_{v}{d}{s}": (3.2 + (0.4 if d == "front" else -0.4), (0.3 if s == "left" else -0.3))
        for v in ("bottom", "top") for d in ("back", "front") for s in ("left", "right")
    },
}  # fmt: skip
_HEAD_FROM = 2.5  # parts in front of this nod
_TAIL_FROM = -4.5  # parts behind this sway


def pose(
    centre_T2: Floats, heading_T: Floats, stretch_T: Floats, nod_T: Floats, sway_T: Floats,
    parts: Sequence[str], size: float,
) -> Floats:  # fmt: skip
    """Return positions [T, P, 2] in cm of `parts`, by centre, heading (rad), stretch, nod and tail sway (cm)."""
    base_P2 = np.array([TEMPLATE[part] for part in parts], dtype=np.float32) * np.float32(size)
    along_TP = base_P2[None, :, 0] * stretch_T[:, None]
    across_TP = np.broadcast_to(base_P2[None, :, 1], along_TP.shape).copy()
    across_TP += nod_T[:, None] * (base_P2[:, 0] > _HEAD_FROM)
    across_TP += sway_T[:, None] * np.where(base_P2[:, 0] < _TAIL_FROM, -base_P2[:, 0] / 10, 0)
    cos, sin = np.cos(heading_T)[:, None], np.sin(heading_T)[:, None]
    x = centre_T2[:, None, 0] + along_TP * cos - across_TP * sin
    y = centre_T2[:, None, 1] + along_TP * sin + across_TP * cos
    return np.stack([x, y], axis=-1).astype(np.float32)
