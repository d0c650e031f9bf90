"""Windows of (agent, target) tracks as tensors, from which features are computed in training and in use alike.

Shape letters: B batch, N windows of single animals, R roles (0 agent, 1 target), T frames at 30 Hz,
K unified parts, 2 = (x, y) in cm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from etholake.dataset.clip_batch import ClipBatch
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.resampling import MODEL_FPS

__all__ = ["AGENT", "TARGET", "MouseTracks", "Tracks", "Window", "gather", "gather_by_mouse"]

AGENT, TARGET = 0, 1
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tracks:
    """One batch of pairs.

    Attributes
    ----------
    xy_BRTK2
        float32, cm; NaN where a part is missing. For a self action both roles are the agent.
    seen_BRTK
        True where the part was measured, False where it is interpolated or missing.
    is_self_B
        True for self actions: the target is no second animal, and its features are masked.
    rate_B
        log2 of the video's own frames per second over 30.
    in_cm_B
        1 if the video's px/cm is known, 0 if it was scaled by the length of its animals.
    clips
        The pixels of the same windows, for encoders that read them.
    z_BRTK
        The third coordinate in cm, NaN where it is missing; None of two-dimensional tracks.
    """

    xy_BRTK2: Tensor
    observed_BRTK: Tensor
    is_self_B: Tensor
    rate_B: Tensor
    in_cm_B: Tensor
    clips: ClipBatch | None = None
    z_BRTK: Tensor | None = None

    def __len__(self) -> int:
        return len(self.xy_BRTK2)

    def __getitem__(self, index: slice) -> Tracks:
        """Return a range of the pairs."""
        return Tracks(*_changed(self, lambda values: values[index]))

    def to(self, device: torch.device) -> Tracks:
        """Return the pairs with all tensors on a device."""
        return Tracks(*_changed(self, lambda values: values.to(device)))

    def by_mouse(self) -> MouseTracks:
        """Return the same pairs by animal; the animal of a self action is stored once."""
        own, B = self.is_self_B, len(self)
        agent_B = torch.arange(B, device=own.device)
        others = (~own).nonzero()[:, 0]
        target_B = agent_B.index_copy(0, others, torch.arange(B, B + len(others), device=own.device))
        xy, observed, z = (
            None if x is None else torch.cat([x[:, AGENT], x[others, TARGET]])
            for x in (self.xy_BRTK2, self.observed_BRTK, self.z_BRTK)
        )  # fmt: skip
        assert xy is not None
        assert observed is not None
        return MouseTracks(xy, observed, agent_B, target_B, self.rate_B, self.in_cm_B, self.clips, z)


@dataclass(frozen=True)
class MouseTracks:
    """One batch of pairs that share animals: the window of each animal is stored once.

    Attributes
    ----------
    xy_NTK2, seen_NTK
        As in `Tracks`, for every animal.
    agent_B, target_B
        Positions among the N of a pair's animals; the same one twice for a self action.
    rate_B, in_cm_B, clips
        As in `Tracks`.
    z_NTK
        As `z_BRTK` in `Tracks`, for every animal.
    """

    xy_NTK2: Tensor
    observed_NTK: Tensor
    agent_B: Tensor
    target_B: Tensor
    rate_B: Tensor
    in_cm_B: Tensor
    clips: ClipBatch | None = None
    z_NTK: Tensor | None = None

    def __len__(self) -> int:
        return len(self.agent_B)

    def to(self, device: torch.device) -> MouseTracks:
        """Return the animals with all tensors on a device."""
        return MouseTracks(*_changed(self, lambda values: values.to(device)))

    def by_pair(self) -> Tracks:
        """Return the same pairs, each with its own copy of the tracks."""
        mice_BR = torch.stack([self.agent_B, self.target_B], dim=1)
        is_self_B = self.agent_B == self.target_B
        xy, observed = self.xy_NTK2[mice_BR], self.observed_NTK[mice_BR]
        z = None if self.z_NTK is None else self.z_NTK[mice_BR]
        return Tracks(xy, observed, is_self_B, self.rate_B, self.in_cm_B, self.clips, z)


@dataclass(frozen=True)
class Window:
    """Frames ``start <= t < start + length`` of a pair, at 30 Hz.

    `agent` and `target` are positions in `mouse_ids`. `start` may be negative, and the window may reach behind the
    end of the tracks: nothing is tracked there.
    """

    tracks: PoseTracks
    agent: int
    target: int
    start: int

    def frame_numbers(self, length: int) -> npt.NDArray[np.int64]:
        """Return the nearest frames of the video itself [length]; they may lie outside it."""
        times = self.start + np.arange(length)
        at = np.round(self.tracks.first_frame + times * (self.tracks.fps / MODEL_FPS))
        return at.astype(np.int64)


def gather(windows: Sequence[Window], length: int) -> Tracks:
    """Copy the tracks of windows of `length` frames out of the (memory-mapped) arrays of their videos."""
    xy, observed, z = _nothing(windows[0].tracks, len(windows), 2, length)
    for b, window in enumerate(windows):
        for role, mouse in ((AGENT, window.agent), (TARGET, window.target)):
            _copy(window, mouse, xy[b, role], observed[b, role], None if z is None else z[b, role])
    is_self_B = torch.tensor([window.agent == window.target for window in windows])
    places = (torch.from_numpy(xy), torch.from_numpy(observed))
    return Tracks(*places, is_self_B, *_flags(windows), z_BRTK=None if z is None else torch.from_numpy(z))


def gather_by_mouse(windows: Sequence[Window], length: int) -> MouseTracks:
    """Copy the tracks as `gather`; an animal that several windows share is read once."""
    places: dict[tuple[int, int, int], int] = {}
    firsts, members = [], []
    for window in windows:
        for mouse in (window.agent, window.target):
            key = (id(window.tracks), window.start, mouse)
            if key not in places:
                places[key] = len(places)
                firsts.append((window, mouse))
            members.append(places[key])
    xy, observed, z = _nothing(windows[0].tracks, len(firsts), length)
    for n, (window, mouse) in enumerate(firsts):
        _copy(window, mouse, xy[n], observed[n], None if z is None else z[n])
    agent_B, target_B = torch.tensor(members).view(-1, 2).unbind(1)
    arrays = (torch.from_numpy(xy), torch.from_numpy(observed))
    return MouseTracks(
        *arrays, agent_B, target_B, *_flags(windows), z_NTK=None if z is None else torch.from_numpy(z)
    )  # fmt: skip


def _changed(windows: Tracks | MouseTracks, change: Callable[[Any], Any]) -> list[Any]:
    """Return the changed values of all fields; absent clips stay absent."""
    values = (getattr(windows, field.name) for field in fields(windows))
    return [None if value is None else change(value) for value in values]


def _nothing(tracks: PoseTracks, *shape: int) -> tuple[Floats, Bools, Floats | None]:
    """Return coordinates, masks and (of three-dimensional tracks) z of windows in which nothing is tracked."""
    parts = tracks.xy_TMK2.shape[2]
    z = None if tracks.z_TMK is None else np.full((*shape, parts), np.nan, dtype=np.float32)
    return np.full((*shape, parts, 2), np.nan, dtype=np.float32), np.zeros((*shape, parts), dtype=bool), z


def _copy(window: Window, mouse: int, xy_TK2: Floats, observed_TK: Bools, z_TK: Floats | None) -> None:
    """Copy the part of an animal's tracks that lies in a window."""
    tracks, start = window.tracks, window.start
    low, high = max(0, start), min(len(tracks.xy_TMK2), start + len(xy_TK2))
    if low < high:
        xy_TK2[low - start : high - start] = tracks.xy_TMK2[low:high, mouse]
        observed_TK[low - start : high - start] = tracks.observed_TMK[low:high, mouse]
        if z_TK is not None and tracks.z_TMK is not None:
            z_TK[low - start : high - start] = tracks.z_TMK[low:high, mouse]


def _flags(windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """Return `rate_B` and `in_cm_B`."""
    metas = [window.tracks.meta for window in windows]
    rates = torch.tensor([math.log2(meta.fps / 30.0) for meta in metas], dtype=torch.float32)
    return rates, torch.tensor([float(meta.pix_per_cm is not None) for meta in metas])
