"""Key points of a pair as they are: coordinates and, for each point, whether it is missing.

`keypoints` reads two-dimensional tracks, `keypoints_3d` three-dimensional ones (x, y, z); each refuses the other.
The frame of reference is the window: the origin is the mean of all points of both animals in it, the axes are
those of the arena. The unit is 10 cm, so that most values are near 1. Models that read key points learn motion by
themselves; `PoseBert` is one. A missing point is 0 and its mask is 1; the target of a self action is missing as a
whole. A point without one of its coordinates is missing.

Shape letters: B pairs, R roles (0 agent, 1 target), T frames at 30 Hz, K unified parts, D coordinates (x, y[, z])
in cm.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.windows import TARGET, MouseTracks, Tracks, Window
from etholake.errors import DataError
from etholake.features.encoder import WindowEncoder

__all__ = ["ANIMALS", "ENCODER", "ENCODER_3D", "UNIT_CM", "Keypoints", "points", "window_origin"]

UNIT_CM = 10.0
ANIMALS = 2
_ROLES = ("agent", "target")


class Keypoints(WindowEncoder):
    """Coordinates [R · K · D], then masks [R · K]: 1 where a point is missing."""

    version = 1

    def __init__(self, name: str, axes: str) -> None:
        self.name, self.axes = name, axes
        self.names = (
            *(f"{who}_{part}_{axis}" for who in _ROLES for part in UNIFIED_PARTS for axis in axes),
            *(f"{who}_{part}_missing" for who in _ROLES for part in UNIFIED_PARTS),
        )

    @property
    def dimensions(self) -> int:
        """The number D of coordinates of a point."""
        return len(self.axes)

    def gather(self, windows: Sequence[Window], length: int) -> Tracks:
        """Copy the tracks of windows. Raises DataError for tracks of other dimensions."""
        self._check(windows)
        return super().gather(windows, length)

    def gather_by_mouse(self, windows: Sequence[Window], length: int) -> MouseTracks:
        """Copy the tracks by animal. Raises DataError for tracks of other dimensions."""
        self._check(windows)
        return super().gather_by_mouse(windows, length)

    def _check(self, windows: Sequence[Window]) -> None:
        for window in windows:
            self.check_tracks(window.tracks)

    def check_tracks(self, tracks: PoseTracks) -> None:
        """Raise DataError for tracks of other dimensions than the encoder reads."""
        own = 2 if tracks.z_TMK is None else 3
        if own != self.dimensions:
            raise DataError(
                f"Video {tracks.video_id} has {own}D tracks, but the model reads {self.dimensions}D ones "
                f"({', '.join(self.axes)}): use a model that was trained on {own}D tracks."
            )

    def __call__(self, windows: Tracks | MouseTracks) -> Tensor:
        """Return coordinates and masks [B, T, F]."""
        pairs = windows if isinstance(windows, Tracks) else windows.by_pair()
        xy_BRTKD = points(pairs)
        xy_BRTKD[pairs.is_self_B, TARGET] = torch.nan  # nobody
        missing_BRTK = xy_BRTKD[..., 0].isnan()
        places = ((xy_BRTKD - window_origin(xy_BRTKD)) / UNIT_CM).nan_to_num(nan=0.0)
        coordinates = places.permute(0, 2, 1, 3, 4).flatten(2)
        return torch.cat([coordinates, missing_BRTK.permute(0, 2, 1, 3).flatten(2).float()], dim=-1)


def points(tracks: Tracks) -> Tensor:
    """Return a copy of all coordinates [B, R, T, K, D] in cm; all are NaN where one of a point is."""
    if tracks.z_BRTK is None:
        return tracks.xy_BRTK2.clone()
    xyz = torch.cat([tracks.xy_BRTK2, tracks.z_BRTK[..., None]], dim=-1)
    return xyz.masked_fill(xyz.isnan().any(dim=-1, keepdim=True), torch.nan)


def window_origin(xy_BRTKD: Tensor) -> Tensor:
    """Return the mean of all points of a window in cm, [B, 1, 1, 1, D]; NaN without any point."""
    return xy_BRTKD.nanmean(dim=(1, 2, 3), keepdim=True)


ENCODER = Keypoints("keypoints", "xy")
ENCODER_3D = Keypoints("keypoints_3d", "xyz")
