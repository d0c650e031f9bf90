"""Frames of a lab by annotated and by predicted action, pooled over videos and pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from etholake.events.intervals import Intervals, overlap, union
from etholake.events.metric import as_intervals
from etholake.events.types import Event

__all__ = ["NONE", "confusion"]

NONE = "none"  # nothing annotated, or nothing predicted


def confusion(
    truth: Sequence[Event], predicted: Sequence[Event], labs: Mapping[int, str]
) -> dict[str, dict[tuple[str, str], int]]:
    """Return {lab: {(annotated, predicted): frames}}, of one (video, agent, target) at a time; zeros are left out.

    A row tells what was predicted on the frames of an action. A frame with several annotated actions stands in
    each of their rows; one with none stands in the row `NONE`, if something was predicted there. `predicted` are
    the events that count; they hold one action per frame and pair.
    """
    by_lab: dict[str, tuple[list[Event], list[Event]]] = defaultdict(lambda: ([], []))
    for which, events in enumerate((truth, predicted)):
        for e in events:
            by_lab[labs[e.video_id]][which].append(e)
    return {lab: _of_lab(*by_lab[lab]) for lab in sorted(by_lab)}


def _of_lab(truth: Sequence[Event], predicted: Sequence[Event]) -> dict[tuple[str, str], int]:
    keys: dict[Hashable, int] = {}
    true, claimed = _by_action(truth, keys), _by_action(predicted, keys)
    any_true, any_claimed = (_union([*actions.values()]) for actions in (true, claimed))
    counts: dict[tuple[str, str], int] = {}
    for name, frames in true.items():
        for other, spans in claimed.items():
            counts[name, other] = int(overlap(frames, spans).sum())
        counts[name, NONE] = int(frames.length.sum() - overlap(frames, any_claimed).sum())
    for other, spans in claimed.items():
        counts[NONE, other] = int(spans.length.sum() - overlap(spans, any_true).sum())
    return {at: n for at, n in sorted(counts.items()) if n}


def _by_action(events: Sequence[Event], pairs: dict[Hashable, int]) -> dict[str, Intervals]:
    """Return {action: its frames}.

    The key of an interval is the number of its (video, agent, target); new ones are added to `pairs`.
    """
    keys: dict[Hashable, int] = {}
    rows = as_intervals(events, keys)
    names = [(*key[:3],) for key in keys]  # type: ignore[index]
    actions = np.array([key[3] for key in keys])  # type: ignore[index]
    pair = np.array([pairs.setdefault(name, len(pairs)) for name in names], dtype=np.int64)
    return {
        str(action): union(
            Intervals(*(x[actions[rows.key] == action] for x in (pair[rows.key], rows.start, rows.stop)))
        )
        for action in np.unique(actions)
    }


def _union(parts: Sequence[Intervals]) -> Intervals:
    empty = np.zeros(0, dtype=np.int64)
    joined = (np.concatenate([empty, *(getattr(p, name) for p in parts)]) for name in ("key", "start", "stop"))
    return union(Intervals(*joined))
