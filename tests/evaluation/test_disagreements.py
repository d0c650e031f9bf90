"""The longest disagreements, worked out by hand."""

from __future__ import annotations

from etholake.evaluation.confusion import NONE
from etholake.evaluation.disagreements import disagreements
from etholake.events.types import Event


def test_the_longest_stretches_are_found_with_what_the_other_source_says() -> None:
    truth = [Event(1, 1, 2, "chase", 0, 100), Event(1, 1, 2, "sniff", 200, 260)]
    predicted = [Event(1, 1, 2, "sniff", 40, 70), Event(1, 1, 2, "chase", 70, 120)]
    stretches = disagreements(truth, predicted, {1: "north"}, {1: 20.0})
    rows = {
        at: [(d.kind, d.start_frame, d.stop_frame, d.seconds, d.instead) for d in own]
        for at, own in stretches.items()
    }
    assert rows == {
        ("north", "chase"): [("missed", 0, 70, 3.5, "sniff"), ("false", 100, 120, 1.0, NONE)],
        ("north", "sniff"): [("missed", 200, 260, 3.0, NONE), ("false", 40, 70, 1.5, "chase")],
    }


def test_another_pair_or_video_is_another_stretch_and_seconds_decide() -> None:
    truth = [Event(1, 1, 2, "chase", 0, 60), Event(2, 1, 2, "chase", 0, 60)]
    predicted = [Event(1, 2, 1, "chase", 0, 60)]
    stretches = disagreements(truth, predicted, {1: "north", 2: "north"}, {1: 60.0}, most=2)
    assert [(d.video_id, d.kind, d.agent_id, d.seconds) for d in stretches["north", "chase"]] == [
        (2, "missed", 1, None),  # 60 frames without a rate count as two seconds
        (1, "missed", 1, 1.0),
    ]


def test_sources_that_agree_have_none() -> None:
    events = [Event(1, 1, 2, "chase", 0, 60)]
    assert disagreements(events, events, {1: "north"}, {}) == {}
