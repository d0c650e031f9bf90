"""Mutual actions: a lab annotates them for both animals of a pair at the same time, whoever began.

The truth is the same for both directions of a pair, so the probabilities of both are averaged. This gives less
noise, and the same events for both animals. Which (lab, action) are mutual is learnt from annotations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from etholake.events.types import Event, PairScores, mask

__all__ = ["Mutual", "averaged", "mutual_actions"]

Mutual = Collection[tuple[str, str]]  # (lab, action)
MIN_FRACTION = 0.98  # of the annotated frames must be annotated for both directions
MIN_EVENTS = 20  # annotated events (of either direction); fewer may agree by chance


def mutual_actions(truth: Iterable[Event], labs: Mapping[int, str]) -> frozenset[tuple[str, str]]:
    """Return the (lab, action) that are annotated for both directions in at least `MIN_FRACTION` of their frames.

    `labs` is {video: lab}.
    """
    events: dict[tuple[int, int, int, str], list[Event]] = defaultdict(list)
    n_events: dict[tuple[str, str], int] = defaultdict(int)
    frames: dict[tuple[str, str], int] = defaultdict(int)
    both: dict[tuple[str, str], int] = defaultdict(int)
    for e in truth:
        events[e.video_id, e.agent_id, e.target_id, e.action].append(e)
    for (video, agent, target, action), own in events.items():
        at, stop = (labs[video], action), max(e.stop_frame for e in own)
        back = events.get((video, target, agent, action), []) if agent != target else []
        true = mask(own, 0, stop)
        n_events[at] += len(own)
        frames[at] += int(true.sum())
        both[at] += int((true & mask(back, 0, stop)).sum())
    return frozenset(
        at for at, n in frames.items() if n_events[at] >= MIN_EVENTS and both[at] >= MIN_FRACTION * n > 0
    )


def averaged(pairs: Sequence[PairScores], mutual: Mutual) -> list[PairScores]:
    """Return the probabilities; those of mutual actions are the mean of both directions, without NaN.

    A pair is not changed if the other direction has no probabilities of that action on the same frames.
    """
    by_pair = {(p.video_id, p.first_frame, p.agent_id, p.target_id): p for p in pairs} if mutual else {}
    result = []
    for pair in pairs:
        back = by_pair.get((pair.video_id, pair.first_frame, pair.target_id, pair.agent_id), pair)
        shared = [a for a in pair.actions if (pair.lab_id, a) in mutual and a in back.actions]
        same = len(back.probabilities_TA) == len(pair.probabilities_TA)
        result.append(_with_mean(pair, back, shared) if shared and same and back is not pair else pair)
    return result


def _with_mean(pair: PairScores, back: PairScores, actions: Sequence[str]) -> PairScores:
    """Return the probabilities of a pair with the mean of both directions for some actions; NaN where both are."""
    columns, back_columns = ([p.actions.index(a) for a in actions] for p in (pair, back))
    both = np.stack([pair.probabilities_TA[:, columns], back.probabilities_TA[:, back_columns]])
    n_present = (~np.isnan(both)).sum(axis=0)
    values = pair.probabilities_TA.copy()
    mean = np.nan_to_num(both).sum(axis=0) / np.maximum(n_present, 1)
    values[:, columns] = np.where(n_present > 0, mean, np.nan)
    return replace(pair, probabilities_TA=values)
