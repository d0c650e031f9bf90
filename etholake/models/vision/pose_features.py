"""Features of key points for video models: 18 geometric ones of a body graph, and 18 of an animal's motion.

Both take points in pixels of the crop and divide lengths by the crop's size, so that the camera's resolution does
not count. Shape letters: B batch, T frames, K key points. Missing points are NaN in the input and 0 in the
features; a mask says which features were computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.errors import UsageError
from etholake.features.frames import PAWS

__all__ = ["KINEMATIC", "PoseGraph", "body_graph", "geometric_graph", "kinematic_features"]

_EDGES = (
    ("mouth", "tail_base"),
    ("mouth", "left_fore_paw"),
    ("mouth", "right_fore_paw"),
    ("left_fore_paw", "right_fore_paw"),
    ("left_hind_paw", "right_hind_paw"),
    ("left_fore_paw", "left_hind_paw"),
    ("right_fore_paw", "right_hind_paw"),
    ("tail_base", "left_hind_paw"),
    ("tail_base", "right_hind_paw"),
)
_ANGLES = (  # (one end, vertex, other end)
    ("left_fore_paw", "mouth", "right_fore_paw"),
    ("left_hind_paw", "tail_base", "right_hind_paw"),
    ("mouth", "left_fore_paw", "left_hind_paw"),
    ("mouth", "right_fore_paw", "right_hind_paw"),
    ("left_fore_paw", "left_hind_paw", "tail_base"),
    ("right_fore_paw", "right_hind_paw", "tail_base"),
    ("left_fore_paw", "mouth", "tail_base"),
    ("right_fore_paw", "mouth", "tail_base"),
    ("mouth", "tail_base", "left_hind_paw"),
)


@dataclass(frozen=True)
class PoseGraph:
    """A body as a graph: its parts, edges whose length counts, and angles (end, vertex, end). Any skeleton works.

    Raises UsageError for an edge or angle that names a part the graph does not have.
    """

    parts: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    angles: tuple[tuple[str, str, str], ...]

    def __post_init__(self) -> None:
        named = {part for group in (*self.edges, *self.angles) for part in group}
        if unknown := sorted(named - set(self.parts)):
            raise UsageError(
                f"The pose graph has no part {', '.join(unknown)}; its parts are {', '.join(self.parts)}."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The features in order: ``length a-b`` in crop sizes, then ``angle a-b-c`` in radians (0 to π)."""
        return (
            *(f"length {a}-{b}" for a, b in self.edges),
            *(f"angle {a}-{vertex}-{b}" for a, vertex, b in self.angles),
        )

    def features(self, xy_BTK2: Tensor, crop_size: int) -> tuple[Tensor, Tensor]:
        """Return features [B, T, len(names)] of points in crop pixels, and a mask: 1 where all points were seen.

        `xy_BTK2` holds the graph's parts in its order; a missing point is NaN. An angle at a point that lies on
        one of the ends is 0 and counts as not computed.
        """
        at = {part: number for number, part in enumerate(self.parts)}
        first, second = ([at[edge[side]] for edge in self.edges] for side in (0, 1))
        length_BTE = (xy_BTK2[..., first, :] - xy_BTK2[..., second, :]).norm(dim=-1) / crop_size
        ends = [[at[angle[side]] for angle in self.angles] for side in (0, 1, 2)]
        arm_BTA2 = xy_BTK2[..., ends[0], :] - xy_BTK2[..., ends[1], :]
        other_BTA2 = xy_BTK2[..., ends[2], :] - xy_BTK2[..., ends[1], :]
        product_BTA = arm_BTA2.norm(dim=-1) * other_BTA2.norm(dim=-1)
        cosine_BTA = torch.where(product_BTA > 0, (arm_BTA2 * other_BTA2).sum(-1) / product_BTA, torch.nan)
        values = torch.cat((length_BTE, cosine_BTA.clamp(-1, 1).acos()), dim=-1)
        return _masked(values)


def geometric_graph() -> PoseGraph:
    """Return the graph of mouth, paws and tail base, seen from below, with nine lengths and nine angles."""
    return PoseGraph(PAWS, _EDGES, _ANGLES)


_BODY_EDGES = (
    ("nose", "tail_base"),
    ("nose", "body_center"),
    ("body_center", "tail_base"),
    ("nose", "neck"),
    ("neck", "tail_base"),
    ("ear_left", "ear_right"),
    ("side_left", "side_right"),
    ("ear_left", "side_left"),
    ("ear_right", "side_right"),
)
_BODY_ANGLES = (
    ("nose", "neck", "body_center"),
    ("neck", "body_center", "tail_base"),
    ("nose", "body_center", "tail_base"),
    ("ear_left", "nose", "ear_right"),
    ("side_left", "tail_base", "side_right"),
    ("nose", "ear_left", "side_left"),
    ("nose", "ear_right", "side_right"),
    ("ear_left", "side_left", "tail_base"),
    ("ear_right", "side_right", "tail_base"),
)


def body_graph() -> PoseGraph:
    """Return the graph of the unified parts, seen from above, with nine lengths and nine angles."""
    return PoseGraph(UNIFIED_PARTS, _BODY_EDGES, _BODY_ANGLES)


KINEMATIC = (
    "x of the centre", "y of the centre", "velocity x", "velocity y", "speed", "acceleration",
    "sine of the heading", "cosine of the heading", "turning rate",
    "body length", "change of the body length", "spread of the points", "change of the spread",
    "speed of the nose", "speed of the tail base", "speed of the fastest point", "mean speed of the points",
    "fraction of points seen",
)  # fmt: skip


def kinematic_features(
    xy_BTK2: Tensor, nose: int, tail_base: int, crop_size: int, fps: float
) -> tuple[Tensor, Tensor]:
    """Return 18 features [B, T, 18] of one animal's motion, in the order of `KINEMATIC`, and their mask.

    Lengths are in crop sizes, times in seconds, angles in radians; the frame of reference is the crop. The centre
    is the mean of the points seen. A rate at the first frame is not computed. `nose` and `tail_base` are the
    positions of these points among the K.
    """
    xy = xy_BTK2 / crop_size
    seen_BTK = xy.isfinite().all(-1)
    count_BT = seen_BTK.sum(-1)
    filled = torch.where(seen_BTK[..., None], xy, 0.0)
    centre = torch.where((count_BT > 0)[..., None], filled.sum(-2) / count_BT.clamp(min=1)[..., None], torch.nan)
    velocity = _rate(centre, fps)
    speed = velocity.norm(dim=-1)
    body = xy[..., nose, :] - xy[..., tail_base, :]
    length = body.norm(dim=-1)
    heading = torch.where((length > 0)[..., None], body / length.clamp(min=1e-12)[..., None], torch.nan)
    before = torch.cat((torch.full_like(heading[:, :1], torch.nan), heading[:, :-1]), dim=1)
    turn = torch.atan2(
        before[..., 0] * heading[..., 1] - before[..., 1] * heading[..., 0], (before * heading).sum(-1)
    )
    distances = torch.where(seen_BTK, (filled - centre[..., None, :]).norm(dim=-1), 0.0)
    spread = torch.where(count_BT > 0, distances.sum(-1) / count_BT.clamp(min=1), torch.nan)
    speeds_BTK = _rate(xy, fps).norm(dim=-1)
    moving = speeds_BTK.isfinite()
    mean_speed = torch.where(
        moving.any(-1), speeds_BTK.nan_to_num(0.0).sum(-1) / moving.sum(-1).clamp(min=1), torch.nan
    )
    fastest = torch.where(moving.any(-1), speeds_BTK.nan_to_num(0.0).amax(-1), torch.nan)
    values = torch.stack(
        (
            centre[..., 0], centre[..., 1], velocity[..., 0], velocity[..., 1], speed, _rate(speed, fps),
            heading[..., 1], heading[..., 0], turn * fps,
            length, _rate(length, fps), spread, _rate(spread, fps),
            speeds_BTK[..., nose], speeds_BTK[..., tail_base], fastest, mean_speed,
            seen_BTK.float().mean(-1),
        ),
        dim=-1,
    )  # fmt: skip
    return _masked(values)


def _rate(values: Tensor, fps: float) -> Tensor:
    """Return the change a second to each frame from the one before it; NaN at the first frame. Time is axis 1."""
    changes = values.diff(dim=1) * fps
    return torch.cat((torch.full_like(values[:, :1], torch.nan), changes), dim=1)


def _masked(values: Tensor) -> tuple[Tensor, Tensor]:
    mask = values.isfinite()
    return values.nan_to_num(0.0, 0.0, 0.0), mask.to(values.dtype)
