"""The 48 channels against numbers that one can work out by hand, and against docs/models.md."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.windows import Tracks
from etholake.features.engineered48 import CENTRED, CHANNELS, ENCODER, PARTS

ROOT = Path(__file__).resolve().parents[2]
# Places of the parts of an animal at the origin that looks along x, in cm.
BODY = {"nose": (3, 0), "ear_left": (2, 1), "ear_right": (2, -1), "neck": (1, 0), "body_center": (0, 0),
        "side_left": (0, 1), "side_right": (0, -1), "tail_base": (-2, 0)}  # fmt: skip
HALF_TURN = math.pi / 2
# At the middle of three frames. The agent looks along x and runs so, at x = 0, 1, 3 cm: 30, 45, 60 cm/s. The
# target looks along y, 8 cm above the agent, and slides backwards towards it with 30 cm/s.
EXPECTED = {
    "agent_nose_x": 4, "agent_nose_y": 0, "agent_ear_left_x": 3, "agent_ear_left_y": 1,
    "agent_ear_right_x": 3, "agent_ear_right_y": -1, "agent_neck_x": 2, "agent_neck_y": 0,
    "agent_side_left_x": 1, "agent_side_left_y": 1, "agent_side_right_x": 1, "agent_side_right_y": -1,
    "agent_tail_base_x": -1, "agent_tail_base_y": 0,
    "target_nose_x": 1, "target_nose_y": 11, "target_ear_left_x": 0, "target_ear_left_y": 10,
    "target_ear_right_x": 2, "target_ear_right_y": 10, "target_neck_x": 1, "target_neck_y": 9,
    "target_side_left_x": 0, "target_side_left_y": 8, "target_side_right_x": 2, "target_side_right_y": 8,
    "target_tail_base_x": 1, "target_tail_base_y": 6,
    "distance_centres": 8, "distance_noses": math.hypot(3, 11),
    "distance_agent_nose_body": math.hypot(3, 8), "distance_target_nose_body": 11,
    "agent_vx": 45, "agent_vy": 0, "agent_speed": 45, "target_vx": 0, "target_vy": -30, "target_speed": 30,
    "agent_acceleration": 450, "target_acceleration": 0, "agent_approach": 0, "target_approach": 30,
    "agent_heading_sin": 0, "agent_heading_cos": 1, "target_heading_sin": 1, "target_heading_cos": 0,
    "agent_facing": HALF_TURN, "target_facing": math.pi,
}  # fmt: skip


def scene(turned: float = 0.0, moved: tuple[float, float] = (0.0, 0.0), *, is_self: bool = False) -> Tracks:
    """The two animals of `EXPECTED`, the whole picture turned (radians) and then moved (cm)."""
    body_K2 = torch.tensor([BODY[part] for part in UNIFIED_PARTS], dtype=torch.float32)
    agent_TK2 = torch.stack([body_K2 + torch.tensor([x, 0.0]) for x in (0.0, 1.0, 3.0)])
    up_K2 = _turned(body_K2, HALF_TURN)
    target_TK2 = torch.stack([up_K2 + torch.tensor([1.0, y]) for y in (9.0, 8.0, 7.0)])
    xy = torch.stack([agent_TK2, agent_TK2 if is_self else target_TK2])[None]
    xy = _turned(xy, turned) + torch.tensor(moved)
    return Tracks(xy, torch.ones(xy.shape[:-1], dtype=torch.bool), torch.tensor([is_self]), *torch.zeros(2, 1))


def _turned(xy: Tensor, angle: float) -> Tensor:
    x, y = xy.unbind(-1)
    return torch.stack([x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)], -1)


def middle(x_BTF: Tensor) -> dict[str, float]:
    assert x_BTF.shape == (1, 3, 48)
    return dict(zip(ENCODER.names, x_BTF[0, 1].tolist(), strict=True))


def test_there_are_exactly_the_channels_of_the_issue() -> None:
    assert len(CHANNELS) == len(set(ENCODER.names)) == 48
    assert list(ENCODER.names) == list(EXPECTED)
    assert set(PARTS) == {*UNIFIED_PARTS} - {"body_center"}
    assert {channel.unit for channel in CHANNELS} == {"cm", "cm/s", "cm/s²", "rad", "1"}


@pytest.mark.parametrize("channel", EXPECTED)
def test_a_channel_is_the_number_worked_out_by_hand(channel: str) -> None:
    assert middle(ENCODER(scene()))[channel] == pytest.approx(EXPECTED[channel], abs=1e-4)


def test_by_animal_or_by_pair_is_the_same() -> None:
    torch.testing.assert_close(ENCODER(scene().by_mouse()), ENCODER(scene()))


@pytest.mark.parametrize(("turned", "moved"), [(0.0, (0.0, 0.0)), (HALF_TURN, (7.0, -3.0)), (2.5, (-20.0, 40.0))])
def test_centred_on_the_agent_neither_place_nor_direction_matters(
    turned: float, moved: tuple[float, float]
) -> None:
    """The agent looks along x already, so that only its place is taken from the coordinates."""
    expected = {
        name: value - 1 if name.endswith("_x") and "_v" not in name else value for name, value in EXPECTED.items()
    }
    assert middle(CENTRED(scene(turned, moved))) == pytest.approx(expected, abs=1e-3)


def test_in_the_arena_the_direction_matters() -> None:
    turned = middle(ENCODER(scene(HALF_TURN)))
    assert (turned["agent_vx"], turned["agent_vy"]) == pytest.approx((0, 45), abs=1e-3)
    assert (turned["agent_heading_sin"], turned["agent_heading_cos"]) == pytest.approx((1, 0), abs=1e-3)
    assert turned["agent_facing"] == pytest.approx(HALF_TURN, abs=1e-3)


@pytest.mark.parametrize("encoder", [ENCODER, CENTRED])
def test_what_is_missing_is_zero_and_spoils_nothing_else(encoder: object) -> None:
    tracks = scene()
    tracks.xy_BRTK2[:, 1] = math.nan
    alone = middle(encoder(tracks))  # type: ignore[operator]
    own = [name for name in alone if name.startswith("agent_") and name not in ("agent_approach", "agent_facing")]
    whole = middle(encoder(scene()))  # type: ignore[operator]
    assert {name: alone[name] for name in own} == pytest.approx({name: whole[name] for name in own})
    assert {value for name, value in alone.items() if name not in own} == {0.0}
    tracks.xy_BRTK2[:] = math.nan
    assert not encoder(tracks).any()  # type: ignore[operator]


def test_a_lost_part_makes_no_motion() -> None:
    tracks = scene()
    tracks.xy_BRTK2[0, 0, 2, UNIFIED_PARTS.index("nose")] = math.nan
    assert middle(ENCODER(tracks))["agent_speed"] == pytest.approx(45)


def test_a_self_action_has_no_target() -> None:
    channels = middle(ENCODER(scene(is_self=True)))
    assert channels["agent_speed"] == pytest.approx(45)
    assert {value for name, value in channels.items() if name.startswith(("target", "distance"))} == {0.0}


def test_the_documentation_lists_every_channel_with_its_unit_and_rule() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for number, channel in enumerate(CHANNELS, start=1):
        assert f"| {number} | `{channel.name}` | {channel.unit} | {channel.rule} |" in text
