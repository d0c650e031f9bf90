"""The 48 engineered features of a pair: the input that the CNN-BiLSTM of the family `cnn_lstm` was published with.

Two encoders differ in the frame of reference of coordinates, velocities and headings only:

- `engineered48`: the arena. The origin is its centre, the axes are those of the picture (`PoseTracks.xy_TMK2`).
- `engineered48_centred`: the agent. The origin is its body centre, the x axis its heading (tail to head). The
  heading of the agent is then the constant (sin 0, cos 1).

Every channel stands with its unit and its rule in `CHANNELS`, in the order of the last axis. Velocities are taken
over a central difference of two frames (one at the ends of a window), as the mean over the parts that are seen at
both ends, so that a part that is lost makes no motion. A missing value is 0, as the scaler expects it. Of a self
action only the agent's own channels are computed; the others are 0.

Shape letters: B pairs, R roles (0 agent, 1 target), T frames at 30 Hz, K the 8 unified parts, P the 7 parts of the
channels, 2 = (x, y) in cm.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.resampling import MODEL_FPS
from etholake.dataset.windows import AGENT, TARGET, MouseTracks, Tracks
from etholake.features.encoder import WindowEncoder
from etholake.features.pair_features import body_centre, body_heading

__all__ = ["CENTRED", "CHANNELS", "ENCODER", "PARTS", "Channel", "Engineered48"]

# The seven points of the published input. `body_center` is none of them: it is derived, and gives the centre.
PARTS = ("nose", "ear_left", "ear_right", "neck", "side_left", "side_right", "tail_base")
_ROLES = ("agent", "target")
_OTHER = {"agent": "target", "target": "agent"}
_PLACES = [UNIFIED_PARTS.index(part) for part in PARTS]
_NOSE = UNIFIED_PARTS.index("nose")


@dataclass(frozen=True)
class Channel:
    """One channel: its name, its unit, and how it is computed."""

    name: str
    unit: str
    rule: str


CHANNELS: tuple[Channel, ...] = (
    *(Channel(f"{who}_{part}_{axis}", "cm", f"{axis} of the {who}'s {part}")
      for who in _ROLES for part in PARTS for axis in "xy"),
    Channel("distance_centres", "cm", "from the agent's body centre to the target's"),
    Channel("distance_noses", "cm", "from the agent's nose to the target's"),
    Channel("distance_agent_nose_body", "cm", "from the agent's nose to the target's body centre"),
    Channel("distance_target_nose_body", "cm", "from the target's nose to the agent's body centre"),
    *(Channel(f"{who}_{what}", "cm/s", rule)
      for who in _ROLES
      for what, rule in (("vx", f"velocity of the {who}'s body along x"),
                         ("vy", f"velocity of the {who}'s body along y"),
                         ("speed", f"length of the {who}'s velocity"))),
    *(Channel(f"{who}_acceleration", "cm/s²", f"change of the {who}'s speed, central difference")
      for who in _ROLES),
    *(Channel(f"{who}_approach", "cm/s", f"the {who}'s velocity towards the {_OTHER[who]}'s body centre; "
              "above 0 as it comes nearer") for who in _ROLES),
    *(Channel(f"{who}_heading_{function}", "1",
              f"{function[:3]} of the angle from the x axis to the {who}'s heading")
      for who in _ROLES for function in ("sin", "cos")),
    *(Channel(f"{who}_facing", "rad", f"angle between the {who}'s heading and the direction to the "
              f"{_OTHER[who]}'s body centre, 0 (looks at it) to π") for who in _ROLES),
)  # fmt: skip


class Engineered48(WindowEncoder):
    """The 48 channels in the frame of the arena, or of the agent."""

    version = 1
    names = tuple(channel.name for channel in CHANNELS)

    def __init__(self, name: str, *, centred: bool) -> None:
        self.name, self.centred = name, centred

    def __call__(self, windows: Tracks | MouseTracks) -> Tensor:
        """Return the channels [B, T, 48] in the order and units of `CHANNELS`; 0 where missing."""
        mice = windows.by_mouse() if isinstance(windows, Tracks) else windows
        planes_2KNT = mice.xy_NTK2.permute(3, 2, 0, 1)
        centre_NT2 = body_centre(planes_2KNT).permute(1, 2, 0)
        heading_NT2 = body_heading(planes_2KNT).permute(1, 2, 0) + (centre_NT2 - centre_NT2)  # NaN as the animal
        of_animals = (mice.xy_NTK2, centre_NT2, heading_NT2, _velocity(mice.xy_NTK2))
        xy_BRTK2, centre_BRT2, heading_BRT2, velocity_BRT2 = (_of_pairs(value_N, mice) for value_N in of_animals)
        if self.centred:
            origin_B1T2, axis_B1T2 = centre_BRT2[:, [AGENT]], heading_BRT2[:, [AGENT]]
            xy_BRTK2 = _turned(xy_BRTK2 - origin_B1T2[..., None, :], axis_B1T2[..., None, :])
            centre_BRT2 = _turned(centre_BRT2 - origin_B1T2, axis_B1T2)
            velocity_BRT2, heading_BRT2 = (_turned(vector, axis_B1T2) for vector in (velocity_BRT2, heading_BRT2))
        speed_BRT = velocity_BRT2.norm(dim=-1)
        other_BRT2 = centre_BRT2.flip(1) - centre_BRT2
        towards_BRT2 = other_BRT2 / other_BRT2.norm(dim=-1, keepdim=True).clamp(min=1e-3)
        nose_BRT2 = xy_BRTK2[:, :, :, _NOSE]
        groups = (
            xy_BRTK2[:, :, :, _PLACES].permute(0, 2, 1, 3, 4).flatten(2),
            other_BRT2[:, AGENT].norm(dim=-1)[..., None],
            (nose_BRT2[:, AGENT] - nose_BRT2[:, TARGET]).norm(dim=-1)[..., None],
            _roles((nose_BRT2 - centre_BRT2.flip(1)).norm(dim=-1)[..., None]),
            _roles(torch.cat([velocity_BRT2, speed_BRT[..., None]], dim=-1)),
            _roles(_rate(speed_BRT)[..., None]),
            _roles((velocity_BRT2 * towards_BRT2).sum(dim=-1, keepdim=True)),
            _roles(heading_BRT2.flip(-1)),  # sin before cos
            _roles((heading_BRT2 * towards_BRT2).sum(dim=-1, keepdim=True).clamp(-1, 1).arccos()),
        )
        return torch.cat(groups, dim=-1).nan_to_num(nan=0.0)


def _of_pairs(value_N: Tensor, mice: MouseTracks) -> Tensor:
    """Return a value of every animal [N, ...] for the roles of every pair [B, R, ...]; NaN where nobody is."""
    value_BR = value_N[torch.stack([mice.agent_B, mice.target_B], dim=1)]
    value_BR[mice.agent_B == mice.target_B, TARGET] = torch.nan
    return value_BR


def _roles(value_BRTn: Tensor) -> Tensor:
    """Return values [B, T, R · n], the agent's first."""
    return value_BRTn.transpose(1, 2).flatten(2)


def _turned(vector_2: Tensor, axis_2: Tensor) -> Tensor:
    """Return the components of a vector [..., 2] along a unit vector and to its left."""
    (x, y), (cos, sin) = vector_2.unbind(-1), axis_2.unbind(-1)
    return torch.stack([x * cos + y * sin, y * cos - x * sin], dim=-1)


def _ends(length: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the frames [T] before and after each frame, and the frames per second between them."""
    frames = torch.arange(length, device=device)
    before, after = (frames - 1).clamp(min=0), (frames + 1).clamp(max=length - 1)
    return before, after, MODEL_FPS / (after - before).clamp(min=1)


def _velocity(xy_NTK2: Tensor) -> Tensor:
    """Return the velocity of the body [N, T, 2] in cm/s: the mean over the parts that both ends have."""
    before, after, rate_T = _ends(xy_NTK2.shape[1], xy_NTK2.device)
    change = xy_NTK2[:, after] - xy_NTK2[:, before]
    return change.nanmean(dim=2) * rate_T[:, None]


def _rate(value_BRT: Tensor) -> Tensor:
    """Return the change per second."""
    before, after, rate_T = _ends(value_BRT.shape[2], value_BRT.device)
    return (value_BRT[:, :, after] - value_BRT[:, :, before]) * rate_T


ENCODER = Engineered48("engineered48", centred=False)
CENTRED = Engineered48("engineered48_centred", centred=True)
