"""Annotation against prediction, event by event, of one video and one run.

An event is *matched* if an event of the other source with the same agent, target and action has an IoU (shared
over united frames) of at least `IOU` with it. Else an annotated event is *missed* and a predicted one *false*, as
report `predicted_events_matched` has it. An event is *unjudged* where there is nothing to compare it with: the
video has no annotation, the run predicted nothing in it, the action was not looked for in this pair, or the event
has no frame.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

__all__ = ["IOU", "MatchedEvent", "judge"]

IOU = 0.5
ANNOTATION, PREDICTION = "annotation", "prediction"


@dataclass(frozen=True)
class MatchedEvent:
    """One event, ``start_frame <= f < stop_frame``. `iou` is that with its best counterpart, None if unjudged."""

    source: str  # annotation or prediction
    agent: int
    target: int
    action: str
    start_frame: int
    stop_frame: int
    confidence: float | None = None
    issue: str | None = None
    iou: float | None = None
    verdict: str = "unjudged"

    @property
    def triplet(self) -> tuple[int, int, str]:
        """Return (agent, target, action)."""
        return self.agent, self.target, self.action


def judge(
    events: Sequence[MatchedEvent], looked_for: Collection[tuple[int, int, str]], *, annotated: bool
) -> list[MatchedEvent]:
    """Return the events with their verdicts, by start. `looked_for` are the labelled triplets of the video."""
    sides: dict[tuple[str, tuple[int, int, str]], list[MatchedEvent]] = defaultdict(list)
    for event in events:
        if event.stop_frame > event.start_frame:
            sides[event.source, event.triplet].append(event)
    counterparts = defaultdict(lambda: _ByStart([]), {key: _ByStart(own) for key, own in sides.items()})
    comparable = annotated and any(e.source == PREDICTION for e in events)
    other = {ANNOTATION: PREDICTION, PREDICTION: ANNOTATION}

    def judged(event: MatchedEvent) -> MatchedEvent:
        looked_at = event.source == ANNOTATION or event.triplet in looked_for
        if not comparable or not looked_at or event.stop_frame <= event.start_frame:
            return event
        best = counterparts[other[event.source], event.triplet].best_iou(event)
        failed = "missed" if event.source == ANNOTATION else "false"
        return replace(event, iou=best, verdict="matched" if best >= IOU else failed)

    return sorted(
        map(judged, events), key=lambda e: (e.start_frame, e.stop_frame, e.source, e.agent, e.target, e.action)
    )


class _ByStart:
    """Events of one source and triplet, in which those that overlap another event are found without all others."""

    def __init__(self, events: Sequence[MatchedEvent]) -> None:
        self._events = sorted(events, key=lambda e: e.start_frame)
        self._starts = [e.start_frame for e in self._events]
        self._reached = list(accumulate((e.stop_frame for e in self._events), max))  # by an event or one before

    def best_iou(self, event: MatchedEvent) -> float:
        """Return the highest IoU of an event with one of these; 0 if none overlaps it."""
        best, at = 0.0, bisect_left(self._starts, event.stop_frame) - 1
        while at >= 0 and self._reached[at] > event.start_frame:
            best = max(best, _iou(event, self._events[at]))
            at -= 1
        return best


def _iou(a: MatchedEvent, b: MatchedEvent) -> float:
    shared = min(a.stop_frame, b.stop_frame) - max(a.start_frame, b.start_frame)
    united = max(a.stop_frame, b.stop_frame) - min(a.start_frame, b.start_frame)
    return max(0, shared) / united
