"""Features of a pair against values computed by hand, and their invariances."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.windows import Tracks
from etholake.features.pair_features import FEATURE_NAMES, body_centre, pair_features

K = len(UNIFIED_PARTS)
SHAPE = {"nose": (4, 0), "ear_left": (3, 1), "ear_right": (3, -1), "neck": (2, 0), "body_center": (0, 0),
         "side_left": (0, 1), "side_right": (0, -1), "tail_base": (-4, 0)}  # fmt: skip


def feature(x_BTF: Tensor, name: str) -> Tensor:
    return x_BTF[0, :, FEATURE_NAMES.index(name)]


def mouse(centre_T2: Tensor, angle: float) -> Tensor:
    """A stiff mouse [1, T, K, 2], 8 cm from tail base to nose, its sides at ±1 cm across `centre`."""
    body = torch.tensor([SHAPE[part] for part in UNIFIED_PARTS], dtype=torch.float32)
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return (centre_T2[:, None] + body @ turn)[None]


def pair(agent_BTK2: Tensor, target_BTK2: Tensor, *, is_self: bool = False) -> Tracks:
    xy = torch.stack([agent_BTK2, target_BTK2], dim=1)
    ones = torch.ones(len(xy))
    return Tracks(xy, torch.isfinite(xy[..., 0]), ones.bool() if is_self else ~ones.bool(), 0 * ones, ones)


def log(value: float) -> float:
    return math.copysign(math.log1p(abs(value)), value)


@pytest.fixture
def approach() -> tuple[Tensor, Tensor]:
    """Mouse 1 walks along x = y at 30 cm/s towards mouse 2, which stands at (30, 30) and looks back at it."""
    along = torch.arange(31) / 30 * 30 / math.sqrt(2)
    walker = mouse(torch.stack([along, along], dim=1), math.pi / 4)
    return walker, mouse(torch.full((31, 2), 30.0), -3 * math.pi / 4)


def test_approach_along_the_diagonal(approach: tuple[Tensor, Tensor]) -> None:
    x = pair_features(pair(*approach))
    assert x.shape == (1, 31, len(FEATURE_NAMES))
    apart = 30 * math.sqrt(2) - torch.arange(31.0)
    expected = {"distance_center_center": apart, "distance_nose_nose": apart - 8,
                "distance_nose_any": apart - 8, "distance_any_nose": apart - 8, "distance_any_any": apart - 8,
                "distance_nose_side": ((apart - 4).square() + 1).sqrt(),
                "distance_nose_tail_base": apart}  # fmt: skip
    for name, distance in expected.items():
        torch.testing.assert_close(feature(x, name), distance.log1p(), atol=1e-4, rtol=0, msg=name)
    for lag in (3, 10, 30):
        for name in (f"agent_vx_{lag}", f"agent_speed_{lag}", f"closing_center_center_{lag}",
                     f"closing_nose_nose_{lag}", f"closing_any_any_{lag}"):  # fmt: skip
            torch.testing.assert_close(feature(x, name), torch.full((31,), log(30.0)), atol=1e-3, rtol=0, msg=name)
        assert feature(x, f"target_speed_{lag}").abs().max() < 1e-3
    constant = {"bearing_cos": 1, "bearing_sin": 0, "from_target_cos": 1, "from_target_sin": 0, "facing_cos": -1,
                "facing_sin": 0, "agent_length": 8, "target_length": 8, "agent_turn_10": 0, "agent_nose_x": 4,
                "agent_side_left_y": 1, "target_side_left_y": -1, "agent_motion_nose": 0, "is_self": 0, "rate": 0,
                "in_cm": 1, "agent_nose_observed": 1}  # fmt: skip
    for name, value in constant.items():
        torch.testing.assert_close(feature(x, name), torch.full((31,), float(value)), atol=2e-4, rtol=0, msg=name)


def test_turning_on_the_spot_is_told_in_radians_to_the_left() -> None:
    angles = torch.arange(61) / 30 * math.pi / 2  # 90° a second
    body = torch.tensor([SHAPE[part] for part in UNIFIED_PARTS], dtype=torch.float32)
    cos, sin = angles.cos(), angles.sin()
    turn = torch.stack([torch.stack([cos, sin], dim=-1), torch.stack([-sin, cos], dim=-1)], dim=-2)
    spinning = (body @ turn)[None]
    x = pair_features(pair(spinning, spinning, is_self=True))
    for lag in (3, 10, 30):
        middle = feature(x, f"agent_turn_{lag}")[20:40]
        torch.testing.assert_close(middle, torch.full((20,), lag / 30 * math.pi / 2), atol=1e-4, rtol=0)


def test_place_and_direction_in_the_arena_do_not_matter() -> None:
    random = torch.Generator().manual_seed(0)
    agent, target = (torch.randn((2, 40, K, 2), generator=random) * 5 for _ in range(2))
    agent[0, 5:9, 2] = torch.nan
    tracks = replace(pair(agent, target), is_self_B=torch.tensor([False, True]))
    cos, sin = math.cos(1.1), math.sin(1.1)
    turn, shift = torch.tensor([[cos, -sin], [sin, cos]]), torch.tensor([30.0, -7.0])
    moved = replace(tracks, xy_BRTK2=tracks.xy_BRTK2 @ turn + shift)
    torch.testing.assert_close(pair_features(tracks), pair_features(moved), atol=2e-3, rtol=1e-4)


def test_the_target_of_a_self_action_is_masked(approach: tuple[Tensor, Tensor]) -> None:
    agent, target = approach
    x = pair_features(pair(agent, agent, is_self=True))
    torch.testing.assert_close(x, pair_features(pair(agent, target, is_self=True)))
    of_target = ("target", "distance", "closing", "bearing", "from_target", "facing")
    masked = [i for i, name in enumerate(FEATURE_NAMES) if name.startswith(of_target)]
    assert (x[..., masked] == 0).all()
    assert (feature(x, "is_self") == 1).all()
    assert (feature(x, "agent_nose_observed") == 1).all()


def test_missing_parts_are_zero_with_a_mask_and_never_nan(approach: tuple[Tensor, Tensor]) -> None:
    agent, target = (xy.clone() for xy in approach)
    agent[:, 10:20, UNIFIED_PARTS.index("ear_left")] = torch.nan
    target[:, 25:] = torch.nan
    tracks = pair(agent, target)
    tracks.observed_BRTK[0, 0, 5:, UNIFIED_PARTS.index("ear_left")] = False  # there, but interpolated
    x = pair_features(tracks)
    assert torch.isfinite(x).all()
    assert (feature(x, "agent_ear_left_x")[10:20] == 0).all()
    seen = [1.0 if t < 5 else 0.0 if 10 <= t < 20 else 0.5 for t in range(31)]
    assert feature(x, "agent_ear_left_observed").tolist() == seen
    for name in ("distance_center_center", "distance_any_any", "facing_cos", "target_turn_10", "bearing_cos"):
        assert (feature(x, name)[25:] == 0).all(), name
    assert torch.isfinite(pair_features(pair(torch.full_like(agent, torch.nan), target))).all()


def test_a_lost_part_is_not_motion() -> None:
    still = mouse(torch.zeros(30, 2), 0.0)
    still[:, 10:, UNIFIED_PARTS.index("side_left")] = torch.nan
    still[:, 20:, UNIFIED_PARTS.index("nose")] = torch.nan
    x = pair_features(pair(still, still, is_self=True))
    moving = [i for i, name in enumerate(FEATURE_NAMES) if any(word in name for word in ("_v", "speed", "turn"))]
    assert x[..., moving].abs().max() == 0


def test_the_heading_is_taken_from_what_is_left_of_the_axis() -> None:
    gone = mouse(torch.zeros(30, 2), 0.5)
    gone[:, 10:, UNIFIED_PARTS.index("nose")] = torch.nan  # then neck and tail base
    gone[:, 15:, UNIFIED_PARTS.index("tail_base")] = torch.nan
    gone[:, 20:] = torch.nan  # then nothing: the last one is held
    x = pair_features(pair(gone, mouse(torch.tensor([[10.0, 0.0]]).expand(30, 2), 0.5)))
    torch.testing.assert_close(feature(x, "bearing_cos")[:20], torch.full((20,), math.cos(0.5)), atol=1e-4, rtol=0)
    torch.testing.assert_close(feature(x, "agent_ear_left_x")[:20], torch.full((20,), 3.0), atol=1e-4, rtol=0)


def test_body_centre_falls_back_as_it_says() -> None:
    xy = mouse(torch.zeros(1, 2), 0.0)
    centres = []
    for lost in ("body_center", "side_left", "ear_left", "neck"):
        xy[..., UNIFIED_PARTS.index(lost), :] = torch.nan
        centres.append(body_centre(xy[0].permute(2, 1, 0))[:, 0].tolist())
    # the sides; the ears at x = 3 and the tail base at -4; neck at 2 and tail base; mean of the four left
    expected = [(0, 0), (2 / 3, 0), (-1, 0), (3 / 4, -2 / 4)]
    torch.testing.assert_close(torch.tensor(centres), torch.tensor(expected), atol=1e-6, rtol=0)
