"""Decide which of a lab's body parts is read for each unified body part (`contract.UNIFIED_PARTS`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etholake.contract import BODY_PARTS, HEADPIECE_PARTS, guess_parts

__all__ = ["PartSources", "choose_own_parts", "chosen_source", "with_guesses"]

MAX_OWN_PARTS = 8  # of a lab's own points beside the unified parts: they are memory and features

PartSources = Mapping[str, tuple[str, ...]]  # unified part -> names of parts that are read for it, best first


def with_guesses(names: Sequence[str], sources: PartSources) -> tuple[PartSources, tuple[str, ...]]:
    """Return the sources with guessed names last, and notes on guessed names and on others."""
    readable = {name for part_names in sources.values() for name in part_names}
    unknown = sorted(set(names) - readable - set(BODY_PARTS))
    guesses = guess_parts(unknown, readable)
    notes: tuple[str, ...] = ()
    if guesses:
        pairs = ", ".join(f"{name} as {part}" for name, part in guesses.items())
        notes += (f"body parts read by a guess of their names: {pairs}; correct it with the setting part_map",)
    if unread := [name for name in unknown if name not in guesses]:
        notes += (
            f"body parts that only trees read, by their own names: {', '.join(unread)}; map what a network should "
            f"read with the setting part_map, for example {unread[0]}=body_center",
        )
    extended = dict(sources)
    for name, part in guesses.items():
        extended[part] = (*extended[part], name)
    return extended, notes


def choose_own_parts(points: Mapping[str, int], sources: PartSources) -> tuple[str, ...]:
    """Return the names that stand for no unified part, sorted; the `MAX_OWN_PARTS` with most points.

    Parts of a headpiece are left out: they move with the head. `points` counts the points of each name.
    """
    read = {name for part_names in sources.values() for name in part_names} | set(HEADPIECE_PARTS)
    own = [name for name, count in points.items() if name not in read and count]
    return tuple(sorted(sorted(own, key=lambda name: (-points[name], name))[:MAX_OWN_PARTS]))


def chosen_source(sources: Sequence[str], measured: Mapping[str, int]) -> str | None:
    """Return the source that is read for a unified part: the first with at least half as many points as the best.

    There is one source per animal and video, because a change of source from frame to frame would look like
    motion. `measured` counts the points of each name; None if no source has any.
    """
    present = [source for source in sources if measured.get(source)]
    most = max((measured[source] for source in present), default=0)
    return next((source for source in present if 2 * measured[source] >= most), None)
