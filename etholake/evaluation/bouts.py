"""Predicted bouts against annotated ones: which belong together, and how far their boundaries are apart.

A bout is a maximal run of frames of one (video, agent, target, action): rows that overlap or touch are one. Two
bouts match if their intersection over union is at least `MIN_IOU`; one bout matches at most one. Shape letter: N.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.events.intervals import Intervals, union
from etholake.events.metric import as_intervals
from etholake.events.types import Event

__all__ = ["MIN_IOU", "Bouts", "compare", "matches"]

MIN_IOU = 0.5


@dataclass(frozen=True)
class Bouts:
    """Bouts of one (lab, action); errors of the matched ones, predicted minus true, in seconds [N].

    A video without a known frame rate has bouts but no errors.
    """

    true: int
    predicted: int
    matched: int
    start_error_s: NDArray[np.float64]
    stop_error_s: NDArray[np.float64]

    @property
    def precision(self) -> float | None:
        """Return the fraction of the predicted bouts that match; None if none was predicted."""
        return self.matched / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """Return the fraction of the true bouts that were matched; None if there is none."""
        return self.matched / self.true if self.true else None

    @property
    def f_score(self) -> float:
        """F1, 0..1; 0 without any bout."""
        return 2 * self.matched / max(self.true + self.predicted, 1)


def compare(
    truth: Sequence[Event], predicted: Sequence[Event], labs: Mapping[int, str], fps: Mapping[int, float]
) -> dict[tuple[str, str], Bouts]:
    """Return the bouts by (lab, action). `predicted` are those that count; `fps` is by video, where known."""
    keys: dict[Hashable, int] = {}
    true, claimed = (union(as_intervals(events, keys)) for events in (truth, predicted))
    names: list[Any] = list(keys)
    group: dict[tuple[str, str], int] = {}
    group_of_key = np.array([group.setdefault((labs[n[0]], n[3]), len(group)) for n in names], dtype=np.int64)
    fps_of_key = np.array([fps.get(n[0], np.nan) for n in names])
    i, j = matches(true, claimed)
    at, rate = group_of_key[true.key[i]], fps_of_key[true.key[i]]
    start = (claimed.start[j] - true.start[i]) / rate
    stop = (claimed.stop[j] - true.stop[i]) / rate
    n_true, n_claimed = (np.bincount(group_of_key[x.key], minlength=len(group)) for x in (true, claimed))
    return {
        name: Bouts(
            int(n_true[g]),
            int(n_claimed[g]),
            int((at == g).sum()),
            *(x[(at == g) & ~np.isnan(x)] for x in (start, stop)),
        )
        for name, g in group.items()
    }


def matches(true: Intervals, predicted: Intervals) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of matching bouts in `true` and in `predicted`; both must come from `union`.

    Of several candidates the largest intersection over union wins, then the earliest.
    """
    i, j = _overlapping(true, predicted)
    shared = np.minimum(true.stop[i], predicted.stop[j]) - np.maximum(true.start[i], predicted.start[j])
    iou = shared / (true.length[i] + predicted.length[j] - shared)
    order = np.argsort(-iou, kind="stable")
    taken_true, taken_claimed, kept = set[int](), set[int](), []
    for k in order[iou[order] >= MIN_IOU]:
        if int(i[k]) not in taken_true and int(j[k]) not in taken_claimed:
            taken_true.add(int(i[k]))
            taken_claimed.add(int(j[k]))
            kept.append(int(k))
    chosen = np.sort(np.array(kept, dtype=np.int64))
    return i[chosen], j[chosen]


def _overlapping(left: Intervals, right: Intervals) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of all pairs of intervals of one key that overlap in a frame."""
    none = np.zeros(0, dtype=np.int64)
    if not len(left.key) or not len(right.key):
        return none, none
    low = min(int(left.start.min()), int(right.start.min()))
    span = max(int(left.stop.max()), int(right.stop.max())) - low + 2
    begin, end = (right.key * span + (x - low) for x in (right.start, right.stop))
    first = np.searchsorted(end, left.key * span + left.start - low, side="right")
    last = np.searchsorted(begin, left.key * span + left.stop - low, side="left")
    n = np.maximum(last - first, 0)
    i = np.repeat(np.arange(len(left.key)), n)
    j = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)
    return i, j
