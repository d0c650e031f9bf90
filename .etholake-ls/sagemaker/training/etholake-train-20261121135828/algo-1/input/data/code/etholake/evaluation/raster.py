"""The ethogram of one video as SVG: annotation above prediction, errors loud, agreement calm.

A row is one (agent, target, action); time runs in seconds of the video's own clock, in frames where the frame
rate is not known.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etholake.events.intervals import Intervals, union
from etholake.events.metric import as_intervals
from etholake.events.types import Event

__all__ = ["Raster", "Row"]

ROW = 30  # height of a row: annotation, prediction, a gap
LANE = 12
WIDTH = 1000.0  # user units across; the picture is stretched to the page
Row = tuple[int, int, str]
Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Raster:
    """What stands in ``start_frame <= f < stop_frame`` of one video."""

    start_frame: int
    stop_frame: int
    truth: Sequence[Event]
    predicted: Sequence[Event]

    @property
    def rows(self) -> list[Row]:
        """(agent, target, action) that occur in the shown part, by action and then by pair."""
        shown = {
            (e.agent_id, e.target_id, e.action)
            for e in (*self.truth, *self.predicted)
            if e.start_frame < self.stop_frame and e.stop_frame > self.start_frame
        }
        return sorted(shown, key=lambda row: (row[2], row[0], row[1]))

    def svg(self, rows: Sequence[Row], mark: tuple[int, int] | None = None) -> str:
        """The rows as one picture; `mark` is a part of the time to point at."""
        height = ROW * len(rows)
        parts = [f'<rect class="lane" x="0" y="{ROW * r + 2}" width="{WIDTH:g}" height="{2 * LANE + 1}"/>'
                 for r in range(len(rows))]  # fmt: skip
        if mark is not None:
            x, w = self._x(mark[0]), self._x(mark[1]) - self._x(mark[0])
            parts.append(f'<rect class="mark" x="{x:.1f}" y="0" width="{w:.1f}" height="{height}"/>')
        paths: dict[str, list[str]] = {}
        for r, row in enumerate(rows):
            both, missed, false = compare(self._spans(self.truth, row), self._spans(self.predicted, row))
            for lane, kinds in enumerate(((both, "right", missed, "missed"), (both, "right", false, "false"))):
                y = ROW * r + 2 + lane * (LANE + 1)
                for spans, kind in (kinds[:2], kinds[2:]):
                    paths.setdefault(str(kind), []).extend(self._box(*span, y) for span in spans)
        parts += [f'<path class="{kind}" d="{"".join(boxes)}"/>' for kind, boxes in paths.items() if boxes]
        return (
            f'<svg viewBox="0 0 {WIDTH:g} {height}" preserveAspectRatio="none" style="height:{height}px" '
            f'role="img" aria-label="annotation above prediction">{"".join(parts)}</svg>'
        )

    def busiest(self, frames: int) -> tuple[int, int]:
        """The stretch of `frames` with the most starts and stops of bouts, of equals the first."""
        if self.stop_frame - self.start_frame <= frames:
            return self.start_frame, self.stop_frame
        edges = np.sort([f for e in (*self.truth, *self.predicted) for f in (e.start_frame, e.stop_frame)])
        edges = edges[(edges >= self.start_frame) & (edges < self.stop_frame)]
        held = np.searchsorted(edges, edges + frames) - np.arange(len(edges))
        first = int(edges[held.argmax()]) if len(edges) else self.start_frame
        start = min(max(self.start_frame, first - frames // 20), self.stop_frame - frames)
        return start, start + frames

    def _x(self, frame: int) -> float:
        return WIDTH * (frame - self.start_frame) / (self.stop_frame - self.start_frame)

    def _box(self, start: int, stop: int, y: int) -> str:
        """A box of the path; what is narrower than a pixel is drawn as wide as one."""
        x = self._x(start)
        width = max(self._x(stop) - x, 0.9)
        return f"M{x:.1f} {y}h{width:.1f}v{LANE}h-{width:.1f}z"

    def _spans(self, events: Sequence[Event], row: Row) -> Intervals:
        keys: dict[Hashable, int] = {}
        found = as_intervals([e for e in events if (e.agent_id, e.target_id, e.action) == row], keys)
        low, high = self.start_frame, self.stop_frame
        return union(Intervals(found.key, np.clip(found.start, low, high), np.clip(found.stop, low, high)))


def compare(true: Intervals, predicted: Intervals) -> tuple[Spans, Spans, Spans]:
    """Frames of both, of the first alone, of the second alone, as (start, stop); one set each, from `union`."""
    edges = np.unique(np.concatenate([x for part in (true, predicted) for x in (part.start, part.stop)]))
    if not len(edges):
        return [], [], []
    middle = edges[:-1]
    here, there = (
        np.searchsorted(part.start, middle, side="right") > np.searchsorted(part.stop, middle, side="right")
        for part in (true, predicted)
    )

    def spans(chosen: NDArray[np.bool_]) -> Spans:
        return [(int(edges[i]), int(edges[i + 1])) for i in np.flatnonzero(chosen)]

    return spans(here & there), spans(here & ~there), spans(there & ~here)
