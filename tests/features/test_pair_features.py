"""Features of a pair against values computed by hand, and their invariances."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.features import augment
from etholake.features.pair import FEATURE_NAMES, body_centre, pair_features

PAIR, SELF = torch.tensor([False]), torch.tensor([True])


def feature(x_BTF: Tensor, name: str) -> Tensor:
    return x_BTF[0, :, FEATURE_NAMES.index(name)]


def mouse(centre_T2: Tensor, angle: float) -> Tensor:
    """A stiff mouse [1, T, K, 2], 8 cm from tail base to nose, its sides at ±1 cm across `centre`."""
    shape = {"nose": (4, 0), "ear_left": (3, 1), "ear_right": (3, -1), "neck": (2, 0), "side_left": (0, 1),
             "side_right": (0, -1), "tail_base": (-4, 0)}  # fmt: skip
    body = torch.tensor([shape[part] for part in UNIFIED_PARTS], dtype=torch.float32)
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return (centre_T2[:, None] + body @ turn)[None]


@pytest.fixture
def approach() -> tuple[Tensor, Tensor]:
    """Mouse 1 walks along x = y at 30 cm/s towards mouse 2, which stands at (30, 30) and looks back at it."""
    along = torch.arange(31) / 30 * 30 / math.sqrt(2)
    walker = mouse(torch.stack([along, along], dim=1), math.pi / 4)
    return walker, mouse(torch.full((31, 2), 30.0), -3 * math.pi / 4)


def test_approach_along_the_diagonal(approach: tuple[Tensor, Tensor]) -> None:
    x = pair_features(*approach, PAIR)
    apart = 30 * math.sqrt(2) - torch.arange(31.0)
    torch.testing.assert_close(feature(x, "distance_center_center"), apart, atol=1e-4, rtol=0)
    torch.testing.assert_close(feature(x, "distance_nose_nose"), apart - 8, atol=1e-4, rtol=0)
    for lag in (3, 10):
        torch.testing.assert_close(feature(x, f"agent_vx_{lag}")[1:], torch.full((30,), 30.0), atol=1e-3, rtol=0)
        torch.testing.assert_close(feature(x, f"closing_{lag}")[1:], torch.full((30,), 30.0), atol=1e-3, rtol=0)
        assert feature(x, f"target_speed_{lag}").abs().max() < 1e-3
    expected = {"bearing_cos": 1, "bearing_sin": 0, "facing_cos": -1, "facing_sin": 0, "agent_length": 8,
                "target_length": 8, "agent_turn": 0, "agent_nose_x": 4, "agent_side_left_y": 1,
                "target_side_left_y": -1, "agent_part_motion_nose": 0, "is_self": 0}  # fmt: skip
    for name, value in expected.items():
        torch.testing.assert_close(feature(x, name), torch.full((31,), float(value)), atol=1e-4, rtol=0, msg=name)


def test_place_and_direction_in_the_arena_do_not_matter() -> None:
    random = torch.Generator().manual_seed(0)
    agent, target = (torch.randn((2, 40, 7, 2), generator=random) * 5 for _ in range(2))
    agent[0, 5:9, 2] = torch.nan
    before = pair_features(agent, target, torch.tensor([False, True]))
    cos, sin = math.cos(1.1), math.sin(1.1)
    turn, shift = torch.tensor([[cos, -sin], [sin, cos]]), torch.tensor([30.0, -7.0])
    after = pair_features(agent @ turn + shift, target @ turn + shift, torch.tensor([False, True]))
    torch.testing.assert_close(before, after, atol=2e-3, rtol=1e-4)


def test_the_target_of_a_self_action_is_masked(approach: tuple[Tensor, Tensor]) -> None:
    agent, target = approach
    x = pair_features(agent, agent, SELF)
    torch.testing.assert_close(x, pair_features(agent, target, SELF))
    masked = [
        i for i, name in enumerate(FEATURE_NAMES) if name.startswith(("target", "distance", "closing", "bearing"))
    ]
    assert (x[..., masked] == 0).all()
    assert (feature(x, "is_self") == 1).all()
    assert (feature(x, "agent_nose_seen") == 1).all()


def test_missing_parts_are_zero_with_a_mask_and_never_nan(approach: tuple[Tensor, Tensor]) -> None:
    agent, target = (xy.clone() for xy in approach)
    agent[:, 10:20, UNIFIED_PARTS.index("ear_left")] = torch.nan
    target[:, 25:] = torch.nan
    x = pair_features(agent, target, PAIR)
    assert torch.isfinite(x).all()
    assert (feature(x, "agent_ear_left_x")[10:20] == 0).all()
    assert (
        feature(x, "agent_ear_left_seen") == torch.tensor([0.0 if 10 <= t < 20 else 1.0 for t in range(31)])
    ).all()
    assert (feature(x, "distance_center_center")[25:] == 0).all()
    assert (feature(x, "facing_cos")[25:] == 0).all()
    nothing = pair_features(torch.full_like(agent, torch.nan), target, PAIR)
    assert torch.isfinite(nothing).all()


def test_a_lost_part_is_not_motion() -> None:
    still = mouse(torch.zeros(30, 2), 0.0)
    still[:, 10:, UNIFIED_PARTS.index("side_left")] = torch.nan
    still[:, 20:, UNIFIED_PARTS.index("nose")] = torch.nan
    x = pair_features(still, still, SELF)
    moving = [i for i, name in enumerate(FEATURE_NAMES) if "_v" in name or "speed" in name or "motion" in name]
    assert x[..., moving].abs().max() == 0


def test_body_centre_falls_back_as_the_contract_says() -> None:
    xy = mouse(torch.zeros(1, 2), 0.0)
    torch.testing.assert_close(body_centre(xy)[0, 0], torch.tensor([0.0, 0.0]))
    xy[:, :, UNIFIED_PARTS.index("side_left")] = torch.nan
    torch.testing.assert_close(body_centre(xy)[0, 0], torch.tensor([2 / 3, 0.0]))  # ears at x 3, tail base at -4
    xy[:, :, UNIFIED_PARTS.index("ear_left")] = torch.nan
    torch.testing.assert_close(body_centre(xy)[0, 0], torch.tensor([1.0, -2 / 5]))  # mean of the five left


def test_reflection_swaps_left_and_right_and_keeps_the_rest(approach: tuple[Tensor, Tensor]) -> None:
    agent, target = approach
    plain, mirrored = (
        pair_features(*augment.reflect(agent, target, torch.tensor([flip])), PAIR) for flip in (False, True)
    )
    torch.testing.assert_close(plain, pair_features(agent, target, PAIR))
    for name in ("distance_nose_tail_base", "closing_10", "agent_speed_3", "bearing_cos", "agent_ear_left_y"):
        torch.testing.assert_close(feature(mirrored, name), feature(plain, name), atol=1e-4, rtol=0)
    twisted = agent.clone()
    twisted[..., UNIFIED_PARTS.index("ear_left"), 0] += 1
    mirror = augment.reflect(twisted, target, torch.tensor([True]))[0]
    ear = UNIFIED_PARTS.index("ear_right")
    torch.testing.assert_close(
        mirror[..., ear, :], twisted[..., UNIFIED_PARTS.index("ear_left"), :] * torch.tensor([1, -1])
    )


def test_stretch_jitter_and_dropout(approach: tuple[Tensor, Tensor]) -> None:
    agent, target = approach
    bigger = augment.stretch(agent, target, torch.tensor([1.1]))
    torch.testing.assert_close(feature(pair_features(*bigger, PAIR), "agent_length"), torch.full((31,), 8.8))
    noisy = augment.jitter(agent, target, 0.05, torch.Generator().manual_seed(1))[0]
    assert 0.04 < float((noisy - agent).std()) < 0.06
    hidden = augment.drop_parts(agent, target, 1.0, torch.Generator().manual_seed(1))
    kept = [UNIFIED_PARTS.index("nose"), UNIFIED_PARTS.index("tail_base")]
    for xy in hidden:
        assert torch.isfinite(xy[:, :, kept]).all()
        assert torch.isnan(xy).sum() == 31 * 5 * 2
