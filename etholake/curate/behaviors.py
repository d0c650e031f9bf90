"""Parse `behaviors_labeled` and `body_parts_tracked`: JSON lists in a string, as labs really write them.

An item is ``mouse1,mouse2,attack`` or ``mouse1,self,rear``. Repaired: stray quotes and blanks, repeats, ids
written ``1``, a self target written as the mouse itself. Empty, NaN and ``[]`` mean the same: nothing.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from etholake.contract import MAX_ANIMALS, SELF, action_name

__all__ = ["Labeled", "Spans", "Triplet", "parse_items", "parse_labeled", "parse_list", "parse_spans"]

Triplet = tuple[int, int, str]  # agent, target (the agent itself for a self action), action
Spans = tuple[tuple[int, int], ...]  # (start, stop) frames, disjoint and ascending
_EMPTY = frozenset({"", "nan", "none", "null", "na", "n/a"})
_MOUSE = re.compile(r"(?:mouse)?\s*([1-9][0-9]{0,2})", re.IGNORECASE)


@dataclass(frozen=True)
class Labeled:
    """Labeled triplets, each with whether only a dirty item named it, and the items that are no triplet."""

    triplets: dict[Triplet, bool]
    repaired: bool
    malformed: tuple[str, ...]

    @cached_property
    def items(self) -> list[str]:
        """Return the repaired items, sorted: ``mouse1,mouse2,attack``, ``mouse1,self,rear``."""
        return sorted(
            f"mouse{agent},{SELF if agent == target else f'mouse{target}'},{action}"
            for agent, target, action in self.triplets
        )


def parse_list(text: str | None) -> list[str] | None:
    """Return the strings of a JSON list; [] for an empty cell; None if the text is no list of strings."""
    text = (text or "").strip()
    if text.lower() in _EMPTY:
        return []
    for parse in (json.loads, ast.literal_eval):  # some tools write Python's repr instead of JSON
        try:
            value = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) and _is_text(item) for item in value):
            return list(value)
    return None


def _is_text(item: str) -> bool:
    """Return whether a file can hold the text: JSON can name half a surrogate pair."""
    return not any("\ud800" <= letter <= "\udfff" for letter in item)


def parse_items(items: list[str]) -> Labeled:
    """Repair and parse the items. The order of items does not matter."""
    triplets: dict[Triplet, bool] = {}
    malformed, repaired = [], False
    for item in items:
        triplet = _triplet(item)
        if triplet is None:
            malformed.append(item)
            continue
        dirty = item != Labeled({triplet: False}, False, ()).items[0]
        repaired |= dirty or triplet in triplets
        triplets[triplet] = triplets.get(triplet, True) and dirty
    return Labeled(triplets, repaired, tuple(sorted(malformed)))


@lru_cache(maxsize=1024)
def parse_labeled(text: str | None) -> Labeled:
    """Parse the items of a cell; a cell that is no list at all is one malformed item.

    The videos of a lab mostly hold the same text: they share one result, which nobody may change.
    """
    items = parse_list(text)
    return Labeled({}, False, (str(text),)) if items is None else parse_items(items)


def parse_spans(text: str | None) -> dict[Triplet, Spans] | None:
    """Return the spans by triplet of a cell like ``{"mouse1,self,rear": [[0, 900], [1800, 2700]]}``.

    Actions that it does not name were looked for in the whole video. {} for an empty cell, None for a text that
    is not written so.
    """
    text = (text or "").strip()
    if text.lower() in _EMPTY:
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    spans: dict[Triplet, Spans] = {}
    for item, ranges in content.items() if isinstance(content, dict) else ():
        triplet = _triplet(item)
        if triplet is None or not isinstance(ranges, list) or not all(_is_span(r) for r in ranges):
            return None
        spans[triplet] = _joined([*spans.get(triplet, ()), *((r[0], r[1]) for r in ranges)])
    return spans if isinstance(content, dict) else None


def _is_span(value: object) -> bool:
    whole = isinstance(value, list) and len(value) == 2 and all(type(frame) is int for frame in value)
    return whole and 0 <= value[0] <= value[1] < 2**31  # type: ignore[index]


def _joined(ranges: list[tuple[int, int]]) -> Spans:
    """Return the union of ranges; empty ones vanish."""
    union: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], stop))
        elif start < stop:
            union.append((start, stop))
    return tuple(union)


def _triplet(item: str) -> Triplet | None:
    fields = [re.sub(r"[\s'\"`]+", "", field) for field in item.split(",")]
    if len(fields) != 3 or not (action := action_name(item.split(",")[2])):
        return None
    agent, target = _MOUSE.fullmatch(fields[0]), _MOUSE.fullmatch(fields[1])
    if agent is None or (target is None and fields[1].lower() != SELF):
        return None
    pair = int(agent[1]), int((target or agent)[1])
    return (*pair, action) if max(pair) <= MAX_ANIMALS else None
