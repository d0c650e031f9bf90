"""The longest stretches of frames on which annotation and prediction disagree, to look at and to learn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from etholake.evaluation.confusion import NONE
from etholake.evaluation.raster import Raster
from etholake.events.types import Event

__all__ = ["Disagreement", "disagreements"]

Pair = tuple[int, int, int]  # video, agent, target


@dataclass(frozen=True)
class Disagreement:
    """Frames ``start_frame <= f < stop_frame`` of one pair on which an action is missed, or falsely predicted.

    `kind` is ``missed`` (annotated, not predicted) or ``false`` (predicted, not annotated). `instead` is the
    action of the other source that takes most of these frames, `NONE` where it has none. `seconds` is None where
    the frame rate is not known.
    """

    kind: str
    video_id: int
    agent_id: int
    target_id: int
    start_frame: int
    stop_frame: int
    seconds: float | None
    instead: str = NONE

    @property
    def frames(self) -> int:
        """Return the length in frames."""
        return self.stop_frame - self.start_frame

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, JSON-ready."""
        return asdict(self)


def disagreements(
    truth: Sequence[Event],
    predicted: Sequence[Event],
    labs: Mapping[int, str],
    fps: Mapping[int, float],
    most: int = 10,
) -> dict[tuple[str, str], list[Disagreement]]:
    """Return the `most` longest disagreements of each (lab, action), the longest first.

    Stretches of videos of different frame rates are compared by seconds; a video without a frame rate counts as
    one of 30 frames/s. Parameters are those of `report.judge`; `predicted` are the events that the metric counts.
    """
    true_of, predicted_of = _by_pair(truth), _by_pair(predicted)
    stretches: dict[tuple[str, str], list[Disagreement]] = defaultdict(list)
    for pair in sorted(true_of.keys() | predicted_of.keys()):
        video = pair[0]
        both = [*true_of[pair], *predicted_of[pair]]
        first, last = min(e.start_frame for e in both), max(e.stop_frame for e in both)
        raster = Raster(first, last, true_of[pair], predicted_of[pair])
        for row in raster.rows:
            for _, kind, start, stop in raster.spans(row):
                if kind != "right":
                    seconds = (stop - start) / fps[video] if video in fps else None
                    stretches[labs[video], row[2]].append(Disagreement(kind, *pair, start, stop, seconds))

    def named(stretch: Disagreement) -> Disagreement:
        pair = (stretch.video_id, stretch.agent_id, stretch.target_id)
        other = predicted_of if stretch.kind == "missed" else true_of
        return replace(stretch, instead=_most_of(other[pair], stretch.start_frame, stretch.stop_frame))

    return {
        at: [named(d) for d in sorted(own, key=lambda d: (-_length_s(d), d.video_id, d.start_frame))[:most]]
        for at, own in sorted(stretches.items())
    }


def _by_pair(events: Sequence[Event]) -> defaultdict[Pair, list[Event]]:
    by_pair: defaultdict[Pair, list[Event]] = defaultdict(list)
    for e in events:
        by_pair[e.video_id, e.agent_id, e.target_id].append(e)
    return by_pair


def _most_of(events: Sequence[Event], start: int, stop: int) -> str:
    """Return the action with most frames in a stretch, `NONE` without any; the first by name of equals."""
    frames: dict[str, int] = defaultdict(int)
    for e in events:
        frames[e.action] += max(0, min(e.stop_frame, stop) - max(e.start_frame, start))
    covered = {action: n for action, n in frames.items() if n}
    return min(covered, key=lambda action: (-covered[action], action)) if covered else NONE


def _length_s(disagreement: Disagreement) -> float:
    return disagreement.frames / 30.0 if disagreement.seconds is None else disagreement.seconds
