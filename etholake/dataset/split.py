"""Split videos into parts that train, validate, or are held out for the score (ADR 4).

The split is deterministic: videos are ordered by a hash of lab and id, so that new labs do not move old ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from etholake.digest import bytes_digest
from etholake.errors import UsageError

__all__ = ["Span", "Split", "choose", "joined"]


@dataclass(frozen=True)
class Span:
    """``start_frame <= f < stop_frame`` of one video."""

    video_id: int
    lab_id: str
    start_frame: int
    stop_frame: int


@dataclass(frozen=True)
class Split:
    """The spans of each part; no frame is in two."""

    train: tuple[Span, ...]
    validation: tuple[Span, ...]
    test: tuple[Span, ...]

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Return {part: spans as dicts}, ready for `json.dumps`."""
        return {part: [asdict(s) for s in getattr(self, part)] for part in ("train", "validation", "test")}


@dataclass(frozen=True)
class AnnotatedVideo:
    """An annotated video with frames ``0 <= f < n_frames`` and the `actions` that occur in it."""

    video_id: int
    lab_id: str
    n_frames: int
    actions: frozenset[str]


def choose(videos: Sequence[AnnotatedVideo], holdout: Sequence[int] = ()) -> Split:
    """Split annotated videos per lab; `holdout` names the test videos of their labs instead.

    A fifth of the videos of a lab that are not named validates, and without names a fifth is the test.

    Raises UsageError if a held-out video is not annotated.
    """
    unknown = sorted(set(holdout) - {v.video_id for v in videos})
    if unknown:
        raise UsageError(f"Cannot hold out {unknown}: no annotated video of the training split has these ids.")
    labs: dict[str, list[AnnotatedVideo]] = defaultdict(list)
    for video in videos:
        labs[video.lab_id].append(video)
    parts: dict[str, list[Span]] = {"train": [], "validation": [], "test": []}
    for _, members in sorted(labs.items()):
        for part, spans in _lab(_ordered(members), set(holdout)).items():
            parts[part] += spans
    return Split(tuple(parts["train"]), tuple(parts["validation"]), tuple(parts["test"]))


def joined(labelled: Split, others: Split) -> Split:
    """Return the parts of both; what `others` would hold out for the score, which needs events, validates."""
    validation = (*labelled.validation, *others.validation, *others.test)
    return Split((*labelled.train, *others.train), validation, labelled.test)


def _ordered(videos: Sequence[AnnotatedVideo]) -> list[AnnotatedVideo]:
    return sorted(videos, key=lambda v: bytes_digest(f"{v.lab_id}/{v.video_id}".encode()))


def _lab(videos: list[AnnotatedVideo], holdout: set[int]) -> Mapping[str, list[Span]]:
    test = [v for v in videos if v.video_id in holdout]
    rest = [v for v in videos if v.video_id not in holdout]
    n_validation = max(1, round(0.2 * len(rest)))  # of what is not held out by name
    if not test:
        if len(rest) == 1:
            return _in_time(rest[0], {"train": 0.6, "validation": 0.8, "test": 1.0})
        test, rest = _take(rest, max(1, round(0.2 * len(rest))))
    spans = {"train": [], "validation": [], "test": [_whole(v) for v in test]}  # type: dict[str, list[Span]]
    if len(rest) == 1:
        return spans | _in_time(rest[0], {"train": 0.8, "validation": 1.0})
    if rest:
        validation, train = _take(rest, n_validation if len(rest) > 2 else 1)
        spans |= {"train": [_whole(v) for v in train], "validation": [_whole(v) for v in validation]}
    return spans


def _take(videos: list[AnnotatedVideo], n: int) -> tuple[list[AnnotatedVideo], list[AnnotatedVideo]]:
    """Return (n videos, the rest), both in hash order.

    The only video in which an action occurs stays in the rest where that can be avoided.
    """
    taken: list[AnnotatedVideo] = []
    rest = list(videos)
    while len(taken) < n and len(rest) > 1:
        safe = [v for v in rest if v.actions <= frozenset().union(*(o.actions for o in rest if o is not v))]
        taken.append((safe or rest)[0])
        rest.remove(taken[-1])
    return taken, rest


def _whole(video: AnnotatedVideo) -> Span:
    return Span(video.video_id, video.lab_id, 0, video.n_frames)


def _in_time(video: AnnotatedVideo, until: Mapping[str, float]) -> dict[str, list[Span]]:
    spans, start = {}, 0
    for part, end in until.items():
        stop = round(end * video.n_frames)
        spans[part] = [Span(video.video_id, video.lab_id, start, stop)]
        start = stop
    return spans
