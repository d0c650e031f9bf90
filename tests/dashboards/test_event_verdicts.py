"""The verdicts of many events are those of comparing each with all others, but take no time for it."""

from __future__ import annotations

import random

from etholake.pages.video.events import IOU, MatchedEvent, judge


def drawn(source: str, n: int, frames: int, seed: int) -> list[MatchedEvent]:
    """Return events that overlap each other here and there, some without a frame."""
    chance = random.Random(seed)
    starts = [chance.randrange(frames) for _ in range(n)]
    return [MatchedEvent(source, 1, 2, chance.choice("ab"), a, a + chance.randint(0, 90)) for a in starts]


def iou(a: MatchedEvent, b: MatchedEvent) -> float:
    own, other = set(range(a.start_frame, a.stop_frame)), set(range(b.start_frame, b.stop_frame))
    return len(own & other) / len(own | other)


def test_each_event_is_compared_with_all_of_its_counterparts() -> None:
    events = [*drawn("annotation", 60, 1500, 1), *drawn("prediction", 80, 1500, 2)]
    verdicts = set()
    for event in judge(events, {(1, 2, "a")}, annotated=True):
        unjudged = event.start_frame == event.stop_frame or (event.source == "prediction" and event.action == "b")
        others = [
            e for e in events
            if e.source != event.source and e.triplet == event.triplet and e.stop_frame > e.start_frame
        ]  # fmt: skip
        best = None if unjudged else max((iou(event, e) for e in others), default=0.0)
        assert event.iou == best
        wrong = "missed" if event.source == "annotation" else "false"
        assert event.verdict == ("unjudged" if best is None else "matched" if best >= IOU else wrong)
        verdicts.add(event.verdict)
    assert verdicts == {"unjudged", "matched", "missed", "false"}


def test_five_hours_of_events_are_judged() -> None:
    """Comparing all with all would be 40 million pairs."""
    events = [*drawn("annotation", 2000, 540_000, 3), *drawn("prediction", 20_000, 540_000, 4)]
    judged = judge(events, {(1, 2, "a"), (1, 2, "b")}, annotated=True)
    assert len(judged) == 22_000
