"""Windows of (agent, target) tracks as tensors: what features are computed from, in training and in use alike.

Shape letters: B batch, R roles (0 agent, 1 target), T ticks of the 30 Hz clock, K unified parts, 2 = (x, y) in cm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from etholake.features.clip import PoseClip

__all__ = ["AGENT", "TARGET", "Tracks", "Window", "gather"]

AGENT, TARGET = 0, 1


@dataclass(frozen=True)
class Tracks:
    """One batch of pairs.

    Attributes
    ----------
    xy_BRTK2
        float32, cm; NaN where a part is missing. Of a self action both roles are the agent.
    seen_BRTK
        True where the part was measured, False where it is interpolated or missing.
    is_self_B
        True for self actions: the target is no second animal, and its features are masked.
    rate_B
        log2 of the video's own frames per second over 30.
    in_cm_B
        1 if the video's px/cm is known, 0 if it was scaled by the length of its animals.
    """

    xy_BRTK2: Tensor
    seen_BRTK: Tensor
    is_self_B: Tensor
    rate_B: Tensor
    in_cm_B: Tensor

    def __len__(self) -> int:
        return len(self.xy_BRTK2)

    def to(self, device: torch.device) -> Tracks:
        return Tracks(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True)
class Window:
    """Ticks ``start <= t < start + length`` of a pair of a clip; `agent` and `target` are mouse positions.

    `start` may be negative, and the window may reach behind the clip's end: there nothing is tracked.
    """

    clip: PoseClip
    agent: int
    target: int
    start: int


def gather(windows: Sequence[Window], length: int) -> Tracks:
    """The tracks of windows of `length` ticks, copied out of the clips' (memory-mapped) arrays."""
    parts = windows[0].clip.xy_TMK2.shape[2]
    xy = np.full((len(windows), 2, length, parts, 2), np.nan, dtype=np.float32)
    seen = np.zeros((len(windows), 2, length, parts), dtype=bool)
    for b, window in enumerate(windows):
        low, high = max(0, window.start), min(len(window.clip.xy_TMK2), window.start + length)
        if low >= high:
            continue
        at = slice(low - window.start, high - window.start)
        for role, mouse in ((AGENT, window.agent), (TARGET, window.target)):
            xy[b, role, at] = window.clip.xy_TMK2[low:high, mouse]
            seen[b, role, at] = window.clip.seen_TMK[low:high, mouse]
    metas = [window.clip.meta for window in windows]
    return Tracks(
        torch.from_numpy(xy),
        torch.from_numpy(seen),
        torch.tensor([window.agent == window.target for window in windows]),
        torch.tensor([math.log2(meta.fps / 30.0) for meta in metas], dtype=torch.float32),
        torch.tensor([float(meta.pix_per_cm is not None) for meta in metas]),
    )
