"""Mutual actions: those that a lab annotates for both animals alike, whoever began.

Of such an action one answer is right for both directions of a pair, so the probabilities of both are averaged:
less noise, and the same events for both animals. Which (lab, action) are mutual is learnt from annotations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from etholake.events.types import Event, PairScores, mask

__all__ = ["Mutual", "averaged", "learnt"]

Mutual = Collection[tuple[str, str]]  # (lab, action)
SHARE = 0.98  # of the annotated frames that must stand for both directions
BOUTS = 20  # annotated ones (of either direction): fewer may be alike by chance


def learnt(truth: Iterable[Event], labs: Mapping[int, str]) -> frozenset[tuple[str, str]]:
    """The (lab, action) whose annotations go both ways in at least `SHARE` of their frames; `labs` by video."""
    events: dict[tuple[int, int, int, str], list[Event]] = defaultdict(list)
    n_events: dict[tuple[str, str], int] = defaultdict(int)
    frames: dict[tuple[str, str], int] = defaultdict(int)
    both: dict[tuple[str, str], int] = defaultdict(int)
    for e in truth:
        events[e.video_id, e.agent_id, e.target_id, e.action].append(e)
    for (video, agent, target, action), mine in events.items():
        at, stop = (labs[video], action), max(e.stop_frame for e in mine)
        back = events.get((video, target, agent, action), []) if agent != target else []
        true = mask(mine, 0, stop)
        n_events[at] += len(mine)
        frames[at] += int(true.sum())
        both[at] += int((true & mask(back, 0, stop)).sum())
    return frozenset(at for at, n in frames.items() if n_events[at] >= BOUTS and both[at] >= SHARE * n > 0)


def averaged(pairs: Sequence[PairScores], mutual: Mutual) -> list[PairScores]:
    """The scores, in both directions the mean of both where an action is mutual in the lab; NaN is left out.

    A pair without scores of the other direction, on the same frames and of that action, stays as it is.
    """
    said = {(p.video_id, p.first_frame, p.agent_id, p.target_id): p for p in pairs} if mutual else {}
    found = []
    for pair in pairs:
        back = said.get((pair.video_id, pair.first_frame, pair.target_id, pair.agent_id), pair)
        shared = [a for a in pair.actions if (pair.lab_id, a) in mutual and a in back.actions]
        same = len(back.probabilities_TA) == len(pair.probabilities_TA)
        found.append(_with_mean(pair, back, shared) if shared and same and back is not pair else pair)
    return found


def _with_mean(pair: PairScores, back: PairScores, actions: Sequence[str]) -> PairScores:
    """The scores of a pair with the mean of both directions for some actions; NaN where both are."""
    mine, yours = ([p.actions.index(a) for a in actions] for p in (pair, back))
    said = np.stack([pair.probabilities_TA[:, mine], back.probabilities_TA[:, yours]])
    known = (~np.isnan(said)).sum(axis=0)
    values = pair.probabilities_TA.copy()
    values[:, mine] = np.where(known > 0, np.nan_to_num(said).sum(axis=0) / np.maximum(known, 1), np.nan)
    return replace(pair, probabilities_TA=values)
