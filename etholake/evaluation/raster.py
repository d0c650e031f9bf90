"""The ethogram of one video: which frames were annotated, predicted, or both, by (agent, target, action)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etholake.events.intervals import Intervals, union
from etholake.events.metric import as_intervals
from etholake.events.types import Event

__all__ = ["Raster", "Row"]

Row = tuple[int, int, str]
Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Raster:
    """Events of one video in ``start_frame <= f < stop_frame``."""

    start_frame: int
    stop_frame: int
    truth: Sequence[Event]
    predicted: Sequence[Event]

    @property
    def rows(self) -> list[Row]:
        """Return every (agent, target, action) of the shown part, by action and then by pair."""
        shown = {
            (e.agent_id, e.target_id, e.action)
            for e in (*self.truth, *self.predicted)
            if e.start_frame < self.stop_frame and e.stop_frame > self.start_frame
        }
        return sorted(shown, key=lambda row: (row[2], row[0], row[1]))

    def spans(self, row: Row) -> list[tuple[str, str, int, int]]:
        """Return (lane, kind, start, stop) of a row, in frames.

        The lane is ``annotated`` or ``predicted``; the kind is ``right`` where both agree, else ``missed`` or
        ``false``.
        """
        both, missed, false = compare(self._intervals(self.truth, row), self._intervals(self.predicted, row))
        lanes = (("annotated", "missed", missed), ("predicted", "false", false))
        return [
            (lane, kind, start, stop)
            for lane, error, wrong in lanes
            for kind, spans in (("right", both), (error, wrong))
            for start, stop in spans
        ]

    def busiest(self, frames: int) -> tuple[int, int]:
        """Return (start, stop) of `frames` frames with the most starts and stops of bouts; the first of equals."""
        if self.stop_frame - self.start_frame <= frames:
            return self.start_frame, self.stop_frame
        edges = np.sort([f for e in (*self.truth, *self.predicted) for f in (e.start_frame, e.stop_frame)])
        edges = edges[(edges >= self.start_frame) & (edges < self.stop_frame)]
        held = np.searchsorted(edges, edges + frames) - np.arange(len(edges))
        first = int(edges[held.argmax()]) if len(edges) else self.start_frame
        start = min(max(self.start_frame, first - frames // 20), self.stop_frame - frames)
        return start, start + frames

    def _intervals(self, events: Sequence[Event], row: Row) -> Intervals:
        keys: dict[Hashable, int] = {}
        intervals = as_intervals([e for e in events if (e.agent_id, e.target_id, e.action) == row], keys)
        low, high = self.start_frame, self.stop_frame
        return union(
            Intervals(intervals.key, np.clip(intervals.start, low, high), np.clip(intervals.stop, low, high))
        )


def compare(true: Intervals, predicted: Intervals) -> tuple[Spans, Spans, Spans]:
    """Return the frames of both, of the first alone, of the second alone, as (start, stop).

    The intervals are those of `union`: sorted, none touches another.
    """
    edges = np.unique(np.concatenate([x for part in (true, predicted) for x in (part.start, part.stop)]))
    if not len(edges):
        return [], [], []
    middle = edges[:-1]
    in_true, in_predicted = (
        np.searchsorted(part.start, middle, side="right") > np.searchsorted(part.stop, middle, side="right")
        for part in (true, predicted)
    )

    def spans(chosen: NDArray[np.bool_]) -> Spans:
        return [(int(edges[i]), int(edges[i + 1])) for i in np.flatnonzero(chosen)]

    return spans(in_true & in_predicted), spans(in_true & ~in_predicted), spans(in_predicted & ~in_true)
