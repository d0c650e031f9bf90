"""Give each behaviour its motion, in numbers. Simulated: a caricature that a model can learn, not ethology.

Units: cm, s, cm/s, Hz. Distances are between the agent's body centre and a point of the target.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from etholake.contract import SELF_ACTIONS

__all__ = ["KINEMATICS", "Kinematics", "of"]


@dataclass(frozen=True)
class Kinematics:
    """Motion of an agent (and its target) during one event.

    relation
        alone: the agent keeps to itself; reach: it walks up to the target; stay: it keeps beside a point of the
        target; trail: it follows the target's path; part: it leaves the target.
    point
        Where on the target, along the target's body axis (+4 nose, 0 centre, -4 tail base).
    distance
        Kept from that point (for trail: seconds behind the target).
    speed, target_speed
        Own walking speed of agent (for part: of leaving) and target; None: as they were.
    stretch
        Body length as a share of the normal one (a rearing mouse is short from above).
    shake_hz, shake_cm
        Oscillation of the whole body (attack) along both axes.
    nod_hz, nod_cm
        Oscillation of the head alone (grooming, digging).
    place
        Where the arena has it, a self action happens at an `object`, at the nearest `wall`, or in the `nest` (the
        corner at the upper left); `distance` is that of the body centre from it.
    align
        The agent takes the target's heading instead of facing it.
    seconds
        Median duration of a event.
    """

    relation: str = "alone"
    point: float = 0.0
    distance: float = 0.0
    speed: float | None = 0.0
    target_speed: float | None = None
    stretch: float = 1.0
    shake_hz: float = 0.0
    shake_cm: float = 0.0
    nod_hz: float = 0.0
    nod_cm: float = 0.0
    align: bool = False
    seconds: float = 1.5
    place: str = ""


_GROOM = Kinematics(stretch=0.75, nod_hz=4, nod_cm=0.9, seconds=3)
_MOUNT = Kinematics("stay", -2, 2.0, target_speed=1, stretch=1.1, shake_hz=3, shake_cm=0.4, align=True, seconds=4)
_SNIFF = Kinematics("stay", 0, 5.0, target_speed=2, nod_hz=2, nod_cm=0.2, seconds=1.6)

KINEMATICS: Mapping[str, Kinematics] = {
    "biteobject": Kinematics(nod_hz=6, nod_cm=0.5, seconds=1.5),
    "climb": Kinematics(distance=2, stretch=0.4, nod_hz=1, nod_cm=0.8, speed=2, seconds=2, place="wall"),
    "dig": Kinematics(stretch=0.85, nod_hz=7, nod_cm=0.6, seconds=2.5),
    "exploreobject": Kinematics(distance=6, nod_hz=2, nod_cm=0.4, speed=1, seconds=2, place="object"),
    "freeze": Kinematics(stretch=1.05, seconds=3),
    "genitalgroom": Kinematics(stretch=0.6, nod_hz=5, nod_cm=0.7, seconds=3),
    "huddle": Kinematics(distance=4, stretch=0.65, seconds=8, place="nest"),
    "rear": Kinematics(stretch=0.45, speed=0.5, seconds=1.5),
    "rest": Kinematics(stretch=0.8, seconds=6),
    "run": Kinematics(speed=35, stretch=1.1, seconds=1.2),
    "selfgroom": _GROOM,
    "allogroom": Kinematics("stay", 2, 4.0, target_speed=0, nod_hz=4, nod_cm=0.7, seconds=3),
    "approach": Kinematics("reach", 0, 6.0, target_speed=2, seconds=1.2),
    "attack": Kinematics("stay", 0, 2.0, target_speed=14, shake_hz=6, shake_cm=1.8, seconds=1.8),
    "attemptmount": Kinematics(
        "stay", -2, 3.0, target_speed=5, stretch=1.05, shake_hz=2, shake_cm=0.6, align=True
    ),
    "avoid": Kinematics("part", 0, 20.0, speed=15, target_speed=4, seconds=1.2),
    "chase": Kinematics("trail", 0, 0.30, target_speed=32, stretch=1.1, seconds=1.5),
    "chaseattack": Kinematics("trail", 0, 0.15, target_speed=26, shake_hz=6, shake_cm=1.2, seconds=1.5),
    "defend": Kinematics("stay", 4, 6.0, target_speed=3, stretch=0.6, shake_hz=2, shake_cm=0.4, seconds=1.5),
    "disengage": Kinematics("part", 0, 12.0, speed=9, target_speed=2, seconds=1.0),
    "dominance": Kinematics("stay", 1, 1.5, target_speed=0, stretch=0.9, seconds=2.5),
    "dominancegroom": Kinematics("stay", 1, 2.5, target_speed=0, nod_hz=4, nod_cm=0.7, seconds=2.5),
    "dominancemount": _MOUNT,
    "ejaculate": Kinematics("stay", -2, 1.5, target_speed=0, stretch=1.1, align=True, seconds=5),
    "escape": Kinematics("part", 0, 30.0, speed=40, target_speed=8, stretch=1.1, seconds=1.0),
    "flinch": Kinematics("part", 0, 8.0, speed=30, shake_hz=8, shake_cm=0.5, seconds=0.5),
    "follow": Kinematics("trail", 0, 0.9, target_speed=10, seconds=2.5),
    "intromit": Kinematics(
        "stay", -2, 1.6, target_speed=0, stretch=1.1, shake_hz=5, shake_cm=0.5, align=True, seconds=5
    ),
    "mount": _MOUNT,
    "reciprocalsniff": Kinematics("stay", 4, 4.5, target_speed=0, nod_hz=3, nod_cm=0.3, seconds=1.5),
    "shepherd": Kinematics("trail", 0, 0.5, target_speed=7, seconds=4),
    "sniff": _SNIFF,
    "sniffbody": _SNIFF,
    "sniffface": Kinematics("stay", 4, 4.5, target_speed=1, nod_hz=2, nod_cm=0.2, seconds=1.3),
    "sniffgenital": Kinematics("stay", -4, 4.5, target_speed=3, nod_hz=2, nod_cm=0.2, align=True, seconds=1.5),
    "submit": Kinematics("stay", 2, 5.0, target_speed=2, stretch=0.7, seconds=2),
    "tussle": Kinematics("stay", 2, 3.0, target_speed=8, shake_hz=5, shake_cm=1.2, seconds=1.8),
}


def of(action: str, *, is_self: bool) -> Kinematics:
    """Return the kinematics of an action; one outside the 37 gets those of one of them, always the same."""
    if action in KINEMATICS:
        return KINEMATICS[action]
    candidates = sorted(name for name in KINEMATICS if (name in SELF_ACTIONS) == is_self)
    return KINEMATICS[candidates[zlib.crc32(action.encode()) % len(candidates)]]
