"""Key points of a pair as they are: coordinates and, for each point, whether it is missing.

The frame of reference is the window: the origin is the mean of all points of both animals in it, the axes are
those of the arena. The unit is 10 cm, so that most values are near 1. Models that read key points learn motion by
themselves; `PoseBert` is one. A missing point is 0 and its mask is 1; the target of a self action is missing as a
whole.

Shape letters: B pairs, R roles (0 agent, 1 target), T frames at 30 Hz, K unified parts, 2 = (x, y) in cm.
"""

from __future__ import annotations

import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.windows import TARGET, MouseTracks, Tracks
from etholake.features.encoder import WindowEncoder

__all__ = ["ANIMALS", "DIMENSIONS", "ENCODER", "UNIT_CM", "Keypoints", "window_origin"]

UNIT_CM = 10.0
ANIMALS, DIMENSIONS = 2, 2
_ROLES = ("agent", "target")


class Keypoints(WindowEncoder):
    """Coordinates [R · K · 2], then masks [R · K]: 1 where a point is missing."""

    name, version = "keypoints", 1
    names = (
        *(f"{who}_{part}_{axis}" for who in _ROLES for part in UNIFIED_PARTS for axis in "xy"),
        *(f"{who}_{part}_missing" for who in _ROLES for part in UNIFIED_PARTS),
    )

    def __call__(self, windows: Tracks | MouseTracks) -> Tensor:
        """Return coordinates and masks [B, T, F]."""
        pairs = windows if isinstance(windows, Tracks) else windows.by_pair()
        xy_BRTK2 = pairs.xy_BRTK2.clone()
        xy_BRTK2[pairs.is_self_B, TARGET] = torch.nan  # nobody
        missing_BRTK = xy_BRTK2[..., 0].isnan()
        places = ((xy_BRTK2 - window_origin(xy_BRTK2)) / UNIT_CM).nan_to_num(nan=0.0)
        coordinates = places.permute(0, 2, 1, 3, 4).flatten(2)
        return torch.cat([coordinates, missing_BRTK.permute(0, 2, 1, 3).flatten(2).float()], dim=-1)


def window_origin(xy_BRTK2: Tensor) -> Tensor:
    """Return the mean of all points of a window in cm, [B, 1, 1, 1, 2]; NaN without any point."""
    return xy_BRTK2.nanmean(dim=(1, 2, 3), keepdim=True)


ENCODER = Keypoints()
