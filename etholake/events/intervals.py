"""Arithmetic on many sets of frame intervals at once: union, length, overlap.

The intervals of all sets ("keys") are put one after another on one line, ``key * span + frame``, so that one sort
and one running maximum serve all of them. An interval is ``start <= f < stop``; empty ones vanish. Shape letter: N
intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Intervals", "first_overlap", "overlap", "union"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Intervals:
    """Intervals with the number of the set that each belongs to; three int64 arrays [N], frames."""

    key: Ints
    start: Ints
    stop: Ints

    @property
    def length(self) -> Ints:
        """Frames per interval [N]."""
        return self.stop - self.start


def _span(*parts: Intervals) -> tuple[int, int]:
    """Return (lowest frame, length per key), so that no two keys touch on the line."""
    starts = [int(p.start.min()) for p in parts if len(p.start)]
    stops = [int(p.stop.max()) for p in parts if len(p.stop)]
    low = min(starts, default=0)
    return low, max(stops, default=low) - low + 2


def union(intervals: Intervals) -> Intervals:
    """Return, per key, the sorted, disjoint, non-touching intervals that cover the same frames."""
    keep = intervals.stop > intervals.start
    key, start, stop = intervals.key[keep], intervals.start[keep], intervals.stop[keep]
    if not len(key):
        return Intervals(key, start, stop)
    low, span = _span(Intervals(key, start, stop))
    begin, end = key * span + (start - low), key * span + (stop - low)
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], np.maximum.accumulate(end[order])
    first = np.flatnonzero(np.r_[True, begin[1:] > end[:-1]])
    begin, end = begin[first], end[np.r_[first[1:] - 1, len(end) - 1]]
    owner = begin // span
    return Intervals(owner, begin - owner * span + low, end - owner * span + low)


def overlap(left: Intervals, right: Intervals) -> Ints:
    """Return the frames of each interval of `left` that `right` covers for the same key [N of left].

    Both must come from `union`.
    """
    if not len(left.key) or not len(right.key):
        return np.zeros(len(left.key), dtype=np.int64)
    low, span = _span(left, right)
    begin, end = right.key * span + right.start - low, right.key * span + right.stop - low
    before = np.r_[0, np.cumsum(end - begin)]

    def covered(position: Ints) -> Ints:
        """Return the frames of `right` before each position."""
        i = np.searchsorted(begin, position, side="right")
        last = np.maximum(i - 1, 0)
        inside = np.where(i > 0, np.minimum(position, end[last]) - begin[last], 0)
        result: Ints = before[last] + inside
        return result

    offset = left.key * span - low
    return covered(offset + left.stop) - covered(offset + left.start)


def first_overlap(intervals: Intervals) -> tuple[int, int] | None:
    """Return the positions of two intervals of one key that share a frame; None if there are none.

    Empty intervals share nothing.
    """
    index = np.flatnonzero(intervals.stop > intervals.start)
    if not len(index):
        return None
    order = index[np.lexsort((intervals.start[index], intervals.key[index]))]
    key, start, stop = intervals.key[order], intervals.start[order], intervals.stop[order]
    # The first clash in sorted order is between neighbours: before it the intervals are disjoint.
    clash = np.flatnonzero((key[1:] == key[:-1]) & (start[1:] < stop[:-1]))
    if not len(clash):
        return None
    return int(order[clash[0]]), int(order[clash[0] + 1])
