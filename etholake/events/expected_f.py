"""Fit thresholds that maximise the expected official score on given videos, without their labels.

The official score is the mean of the F of a lab's actions. With calibrated probabilities p the expected F of an
action is 2 · sum of p over its predicted frames ÷ D, where D is the number of predicted frames plus the sum of p
over all frames. One more frame of the action changes it by (2p − F) ÷ D. So the score is highest if every frame
gets the action with the greatest such gain, and none if no gain is above 0: the threshold of an action is F ÷ 2,
and the choice between several actions is decided by (p − threshold) ÷ D. F and D follow from the decisions, so
they are found by iteration. Lipton, Elkan, Naryanaswamy (2014), "Optimal thresholding of classifiers to maximize
F1 measure", shows the threshold for one action.

Shape letters: N sampled frames, T frames of a video, A actions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from etholake.events.thresholds import ANY, DEFAULT, NEVER, Thresholds
from etholake.events.types import PairScores, Triplet

__all__ = ["Evidence", "fit"]

SAMPLES_PER_S = 2.0  # frames of a video that are looked at: neighbours say the same
ROUNDS = 200  # of the iteration, which converges in some dozens
LOWEST, HIGHEST = 0.01, 0.99  # thresholds

Floats = NDArray[np.float64]
Group = tuple[str, tuple[str, ...]]  # lab and actions that are looked for in the same frames


@dataclass
class Evidence:
    """Calibrated, smoothed probabilities of sampled frames [N, A], by lab and the actions that were looked for.

    It is filled video by video, so that no more than one video is in memory as a whole.
    """

    parts: dict[Group, list[NDArray[np.float32]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, pair: PairScores, labeled: Collection[Triplet]) -> None:
        """Sample the smoothed, calibrated probabilities of one (agent, target).

        Only its `labeled` behaviors count, and frames without any probability do not.
        """
        columns = [i for i, a in enumerate(pair.actions) if (pair.agent_id, pair.target_id, a) in labeled]
        if not columns or not len(pair.probabilities_TA):
            return
        every = max(1, round(pair.fps / SAMPLES_PER_S))
        sampled_NA = pair.probabilities_TA[every // 2 :: every, columns]
        sampled_NA = sampled_NA[~np.isnan(sampled_NA).all(axis=1)]
        actions = tuple(pair.actions[i] for i in columns)
        self.parts[pair.lab_id, actions].append(np.nan_to_num(sampled_NA))

    def groups(self, labs: Collection[str] | None = None) -> dict[tuple[str, ...], Floats]:
        """Return probabilities [N, A] by actions, of some labs (default: of all together)."""
        joined: dict[tuple[str, ...], list[NDArray[np.float32]]] = defaultdict(list)
        for (lab, actions), parts in self.parts.items():
            if labs is None or lab in labs:
                joined[actions] += parts
        return {actions: np.concatenate(parts).astype(np.float64) for actions, parts in joined.items()}

    @property
    def labs(self) -> list[str]:
        """Return the labs that have evidence, sorted."""
        return sorted({lab for lab, _ in self.parts})


def fit(evidence: Evidence, occurring: Mapping[str, Collection[str]] | None = None) -> Thresholds:
    """Return the thresholds and spreads that maximise the expected score of each lab.

    A lab without evidence gets those that suit all labs together. Actions of a lab of `occurring` that it does not
    name get the threshold `NEVER`.
    """
    occurring = occurring or {}
    values: dict[tuple[str, str], float] = {}
    spreads: dict[tuple[str, str], float] = {}
    for lab in (ANY, *evidence.labs):
        groups = evidence.groups(None if lab == ANY else [lab])
        if lab in occurring:
            values |= {(lab, a): NEVER for actions in groups for a in actions if a not in occurring[lab]}
            groups = _kept(groups, occurring[lab])
        for action, (threshold, spread) in _best(groups).items():
            values[lab, action], spreads[lab, action] = threshold, spread
    return Thresholds(DEFAULT, values, spreads)


def _kept(groups: Mapping[tuple[str, ...], Floats], wanted: Collection[str]) -> dict[tuple[str, ...], Floats]:
    """Return the columns of the wanted actions."""
    kept = {}
    for actions, p_NA in groups.items():
        columns = [i for i, action in enumerate(actions) if action in wanted]
        if columns:
            kept[tuple(actions[i] for i in columns)] = p_NA[:, columns]
    return kept


def _best(groups: Mapping[tuple[str, ...], Floats]) -> dict[str, tuple[float, float]]:
    """Return {action: (threshold, spread)}; the spread is D as a fraction of all frames."""
    names = list(dict.fromkeys(action for actions in groups for action in actions))
    if not names:
        return {}
    parts = [(np.array([names.index(a) for a in actions]), p_NA) for actions, p_NA in groups.items()]
    total_A = np.zeros(len(names))
    for at, p_NA in parts:
        total_A[at] += p_NA.sum(axis=0)
    total_A = np.maximum(total_A, 1e-9)
    alone = {name: np.concatenate([p[:, i] for at, p in parts for i in np.flatnonzero(at == n)])
             for n, name in enumerate(names)}  # fmt: skip
    f_A, d_A = np.array([_alone(p_N) for p_N in alone.values()]).T
    for _ in range(ROUNDS):
        n_A, true_A = np.zeros(len(names)), np.zeros(len(names))
        for at, p_NA in parts:
            gain_NA = (2 * p_NA - f_A[at]) / d_A[at]
            action_N = gain_NA.argmax(axis=1)
            chosen = np.flatnonzero(gain_NA[np.arange(len(p_NA)), action_N] > 0)
            n_A[at] += np.bincount(action_N[chosen], minlength=len(at))
            true_A[at] += np.bincount(action_N[chosen], p_NA[chosen, action_N[chosen]], minlength=len(at))
        d_new = n_A + total_A
        f_new = 2 * true_A / d_new
        done = np.allclose(f_A, f_new, atol=1e-4) and np.allclose(d_A, d_new, rtol=1e-3)
        f_A, d_A = (f_A + f_new) / 2, (d_A + d_new) / 2  # half steps: full ones may swing between two decisions
        if done:
            break
    n_frames = sum(len(p_NA) for _, p_NA in parts)
    limits = np.clip(f_A / 2, LOWEST, HIGHEST)
    return {name: (float(limits[i]), float(d_A[i] / n_frames)) for i, name in enumerate(names)}


def _alone(p_N: Floats) -> tuple[float, float]:
    """Return (F, D) of the best threshold of an action that has the frames to itself."""
    falling = np.sort(p_N)[::-1]
    d_N = np.arange(1, len(falling) + 1) + max(falling.sum(), 1e-9)
    f_N = 2 * np.cumsum(falling) / d_N
    best = int(np.argmax(f_N))
    return float(f_N[best]), float(d_N[best])
