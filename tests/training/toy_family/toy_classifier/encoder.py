"""The encoder `toy_distances`: how far apart two animals are, and how fast the agent moves."""

from __future__ import annotations

import torch
from torch import Tensor

from etholake.dataset.windows import AGENT, TARGET, MouseTracks, Tracks
from etholake.features.encoder import WindowEncoder


class ToyDistances(WindowEncoder):
    """Three features: distance (10 cm; 0 for a self action), speed of the agent (cm per frame), self or not."""

    name, version, names = "toy_distances", 1, ("distance", "speed", "is_self")

    def __call__(self, windows: Tracks | MouseTracks) -> Tensor:
        pairs = windows if isinstance(windows, Tracks) else windows.by_pair()
        centre_BRT2 = pairs.xy_BRTK2.nanmean(dim=3)
        distance_BT = (centre_BRT2[:, AGENT] - centre_BRT2[:, TARGET]).norm(dim=-1) / 10
        step_BT2 = centre_BRT2[:, AGENT].diff(dim=1, prepend=centre_BRT2[:, AGENT, :1])
        is_self_BT = pairs.is_self_B[:, None].expand_as(distance_BT).float()
        return torch.stack([distance_BT, step_BT2.norm(dim=-1), is_self_BT], dim=-1).nan_to_num(nan=0.0)


ENCODER = ToyDistances()
