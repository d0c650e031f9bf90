"""Name the actions and the body parts, and map a lab's own body parts onto the unified ones."""

from __future__ import annotations

from collections.abc import Mapping

from etholake.errors import SettingsError

# A step between measured points that is longer and faster than this is a suspected swap or detection error:
# mice sprint at up to some 100 cm/s; the length keeps the jitter of 120 fps cameras out.
JUMP_CM, JUMP_SPEED = 3.0, 150.0  # cm, cm/s

# --- actions ----------------------------------------------------------------------------------------------
SELF_ACTIONS = (
    "biteobject", "climb", "dig", "exploreobject", "freeze", "genitalgroom", "huddle", "rear", "rest", "run",
    "selfgroom",
)  # fmt: skip
PAIR_ACTIONS = (
    "allogroom", "approach", "attack", "attemptmount", "avoid", "chase", "chaseattack", "defend", "disengage",
    "dominance", "dominancegroom", "dominancemount", "ejaculate", "escape", "flinch", "follow", "intromit",
    "mount", "reciprocalsniff", "shepherd", "sniff", "sniffbody", "sniffface", "sniffgenital", "submit", "tussle",
)  # fmt: skip
ACTIONS = tuple(sorted(SELF_ACTIONS + PAIR_ACTIONS))  # the 37; a lab may bring more (no underscore in a name)

# --- body parts -------------------------------------------------------------------------------------------
HEADPIECE_PARTS = tuple(
    f"headpiece_{v}{d}{s}" for v in ("bottom", "top") for d in ("back", "front") for s in ("left", "right")
)
BODY_PARTS = tuple(sorted((
    "body_center", "ear_left", "ear_right", "forepaw_left", "forepaw_right", "head", *HEADPIECE_PARTS,
    "hindpaw_left", "hindpaw_right", "hip_left", "hip_right", "lateral_left", "lateral_right", "neck", "nose",
    "spine_1", "spine_2", "tail_base", "tail_middle_1", "tail_middle_2", "tail_midpoint", "tail_tip",
)))  # fmt: skip
# What models read: every lab's parts mapped onto one small set, in this order (K = 8).
UNIFIED_PARTS = (
    "nose", "ear_left", "ear_right", "neck", "body_center", "side_left", "side_right", "tail_base",
)  # fmt: skip
# First present wins; a lab's own names are added by the setting `part_map`. Without a `body_center` the features
# take the mean of the sides, else of tail_base and both ears (`etholake.features.pair_features.body_centre`).
UNIFIED_PART_SOURCES: Mapping[str, tuple[str, ...]] = {
    "nose": ("nose", "head"),
    "ear_left": ("ear_left",),
    "ear_right": ("ear_right",),
    "neck": ("neck", "spine_1"),
    "body_center": ("body_center",),
    "side_left": ("hip_left", "lateral_left"),
    "side_right": ("hip_right", "lateral_right"),
    "tail_base": ("tail_base",),
}


def unified_part_sources(part_map: str) -> Mapping[str, tuple[str, ...]]:
    """Return `UNIFIED_PART_SOURCES` with a lab's own names first: ``"snout=nose,hip_l=side_left"``.

    Raises SettingsError for an item that is not written so, or a part that models do not know.
    """
    sources = dict(UNIFIED_PART_SOURCES)
    for item in filter(None, (item.strip() for item in part_map.split(","))):
        own, _, unified = (word.strip() for word in item.partition("="))
        if not own or unified not in sources:
            raise SettingsError(
                f"part_map must be written own_name=unified_part,…, but got '{item}'. "
                f"Unified parts: {', '.join(UNIFIED_PARTS)}."
            )
        sources[unified] = (own, *sources[unified])
    return sources
