"""Guess which unified body part a lab means by a name that the vocabulary does not hold.

Labs write `leftear`, `l_ear`, `EarL`, `righthip`, `snout` or `tail_1`. A guess is used and always shown as a
guess; the setting `part_map` overrides it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from etholake.contract.vocabulary import BODY_PARTS

__all__ = ["guess_part", "guess_parts"]

_SIDES = {"left": "left", "l": "left", "lt": "left", "right": "right", "r": "right", "rt": "right"}
# Words that are left when the side is taken off -> (unified part, whether it has a side), most specific names
# first.
_WORDS: Mapping[str, tuple[str, bool]] = {
    **dict.fromkeys(("nose", "snout", "nosetip", "tipnose", "muzzle", "rostrum"), ("nose", False)),
    **dict.fromkeys(("ear", "earbase", "eartip", "pinna"), ("ear", True)),
    **dict.fromkeys(("hip", "side", "lateral", "flank", "bodyside", "waist"), ("side", True)),
    **dict.fromkeys(("neck", "nape", "necknape", "neckbase", "shoulders"), ("neck", False)),
    **dict.fromkeys(
        (
            "body", "center", "centre", "bodycenter", "bodycentre", "centerbody", "centrebody", "torso", "midbody",
            "bodymid", "midback", "back", "centroid", "trunk", "spinemid", "midspine", "mousecenter",
        ),
        ("body_center", False),
    ),
    **dict.fromkeys(
        (
            "tail", "tailbase", "basetail", "tailroot", "roottail", "tailstart", "tail1", "tail0", "tb",
            "tailhead", "tailbeginning", "tailset", "tailin",
        ),
        ("tail_base", False),
    ),
}  # fmt: skip
_HEADS = ("head", "headcenter", "headcentre", "centerhead", "headmid")  # stand for the nose where there is none


def guess_part(name: str) -> str | None:
    """Return the unified part that a name means, or None; a name of the vocabulary is never guessed."""
    if name in BODY_PARTS:
        return None
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)]
    side = next((_SIDES[word] for word in words if word in _SIDES), None)
    stem = "".join(word for word in words if word not in _SIDES)
    if side is None:
        for prefix in ("left", "right"):
            if stem.startswith(prefix) or stem.endswith(prefix):
                side, stem = prefix, stem.removeprefix(prefix).removesuffix(prefix)
                break
    if stem in _HEADS:
        return "nose" if side is None else None
    part, has_side = _WORDS.get(stem, (None, False))
    if part is None or has_side != (side is not None):
        return None
    return f"{part}_{side}" if side else part


def guess_parts(names: Iterable[str], readable: Iterable[str]) -> dict[str, str]:
    """Return {name: unified part} for the names outside `readable`.

    Of two names for one part the first by name counts. A head stands for the nose only where no other name does.
    """
    readable = set(readable)
    guesses: dict[str, str] = {}
    ordered = sorted(set(names) - readable, key=lambda name: ("head" in name.lower(), name))
    for name in ordered:
        part = guess_part(name)
        if part and part not in guesses.values():
            guesses[name] = part
    return guesses
