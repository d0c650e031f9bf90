"""The body parts that are joined by a line: one table for every lab's scheme of parts.

A chain joins each of its parts that a video has with the next one that it has, so that a scheme without a neck
still has a spine. A part that no chain names is drawn as a point.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

__all__ = ["CENTRE_PARTS", "edges", "outline", "speed_part"]

CHAINS: tuple[tuple[str, ...], ...] = (
    ("nose", "head", "neck", "spine_1", "body_center", "spine_2", "tail_base", "tail_middle_1", "tail_midpoint",
     "tail_middle_2", "tail_tip"),
    ("nose", "ear_left", "lateral_left", "hip_left", "tail_base"),
    ("nose", "ear_right", "lateral_right", "hip_right", "tail_base"),
    ("ear_left", "head", "ear_right"),
    ("ear_left", "neck", "ear_right"),
    ("forepaw_left", "neck", "forepaw_right"),
    ("hindpaw_left", "tail_base", "hindpaw_right"),
    # the headpiece: a box, its top, its bottom and the pillars between them
    *(
        (f"headpiece_{level}frontleft", f"headpiece_{level}frontright", f"headpiece_{level}backright",
         f"headpiece_{level}backleft", f"headpiece_{level}frontleft")
        for level in ("top", "bottom")
    ),
    *(
        (f"headpiece_bottom{corner}", f"headpiece_top{corner}")
        for corner in ("frontleft", "frontright", "backleft", "backright")
    ),
)  # fmt: skip
# Round the body, in order: what is shaded.
OUTLINE = (
    "nose", "ear_left", "lateral_left", "hip_left", "tail_base", "hip_right", "lateral_right", "ear_right",
)  # fmt: skip
# Where a mouse is, and whose speed is its speed: the first one that it has.
CENTRE_PARTS = ("body_center", "spine_1", "neck", "spine_2", "tail_base", "head", "nose")


def edges(parts: Collection[str]) -> list[tuple[str, str]]:
    """Return the lines between `parts`, each once, in the order of the table."""
    lines: dict[frozenset[str], tuple[str, str]] = {}
    for chain in CHAINS:
        for a, b in pairwise([part for part in chain if part in parts]):
            lines.setdefault(frozenset((a, b)), (a, b))
    return list(lines.values())


def outline(parts: Collection[str]) -> list[str]:
    """Return the parts round the body that there are; [] if they enclose nothing."""
    present = [part for part in OUTLINE if part in parts]
    return present if len(present) > 2 else []


def speed_part(parts: Sequence[str]) -> str:
    """Return the part that stands for the mouse: the first of `CENTRE_PARTS` that is tracked, else of `parts`."""
    return next((part for part in CENTRE_PARTS if part in parts), parts[0])
