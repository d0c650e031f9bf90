"""The official score once more, slowly and obviously: sets of frames in plain Python, text by text, row by row.

Follows the text of the rules, not the product: ids are written as in a submission (`mouse1`, `self`), and the
whitelist is the JSON of `behaviors_labeled` as the competition's tables hold it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """A row of a solution or a submission."""

    video: int
    agent: str
    target: str
    action: str
    start: int
    stop: int


class RefusedError(Exception):
    """The official score gives no number for such a submission."""


def official_score(
    solution: Sequence[Row], submission: Sequence[Row], labeled: Mapping[int, str], labs: Mapping[int, str]
) -> float:
    """Mean over labs; `labeled` is video -> JSON text of `behaviors_labeled`."""
    if not solution or not submission:
        raise RefusedError("nothing there")
    if any(row.start > row.stop for row in [*solution, *submission]):
        raise RefusedError("start after stop")
    annotated_videos = {row.video for row in solution}
    scores = []
    for lab in sorted({labs[video] for video in annotated_videos}):
        own_videos = {video for video in annotated_videos if labs[video] == lab}
        scores.append(
            _lab(
                [r for r in solution if r.video in own_videos],
                [r for r in submission if r.video in own_videos],
                labeled,
            )
        )
    return sum(scores) / len(scores)


def _lab(solution: Sequence[Row], submission: Sequence[Row], labeled: Mapping[int, str]) -> float:
    true: dict[tuple[int, str, str, str], set[int]] = {}
    for row in solution:
        true.setdefault(row[:4], set()).update(range(row.start, row.stop))
    predicted: dict[tuple[int, str, str, str], set[int]] = {}
    for row in submission:
        if f"{row.agent},{row.target},{row.action}" in json.loads(labeled.get(row.video, "[]")):
            predicted.setdefault(row[:4], set()).update(range(row.start, row.stop))
    for one, frames in predicted.items():
        for other, others in predicted.items():
            if one != other and one[:3] == other[:3] and frames & others:
                raise RefusedError("two actions on one frame")
    scores = []
    for action in {key[3] for key in [*true, *predicted]}:
        hit = missed = wrong = 0
        for key in {key for key in [*true, *predicted] if key[3] == action}:
            truth, claim = true.get(key, set()), predicted.get(key, set())
            hit += len(truth & claim)
            missed += len(truth - claim)
            wrong += len(claim - truth)
        whole = 2 * hit + missed + wrong
        scores.append(2 * hit / whole if whole else 0.0)
    return sum(scores) / len(scores)
