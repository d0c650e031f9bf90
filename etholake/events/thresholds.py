"""Thresholds per (lab, action): fitted on held-out probabilities, shrunk where an action is rare.

The *smoothed* probability must reach the threshold (see `decode`). Fitting maximises the frame F1 of the official
score, pooled over all labeled pairs and videos of a lab. Two rules prevent overfitting on few examples; both
depend on the number n of annotated events, which (unlike frames) are independent of each other. First, the result
is not the best threshold but the middle of all whose F1 is within 0.7/√n of the best, because few events cannot
tell them apart. Second, it is averaged, with weight n against 2, with the optimum of the action in other labs, or
of all actions. Both constants were chosen on simulated actions. Shape letters: T frames, A actions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.errors import ContractError
from etholake.events.smoothing import smooth, smoothing_frames
from etholake.events.types import Event, PairScores, Triplet, mask

__all__ = ["ANY", "DEFAULT", "NEVER", "Thresholds", "fit"]

DEFAULT = 0.5  # the threshold where none was fitted
NEVER = 1.01  # above every probability: the action is not predicted in this lab (the phantom trap)
ANY = "*"  # stands for a lab that has no threshold of its own for an action
GRID = np.round(np.arange(0.01, 0.991, 0.01), 2)
_PRIOR_EVENTS = 2.0  # the weight of the prior, in annotated events
_TOLERANCE, _MAX_TOLERANCE = 0.7, 0.3  # relative to the best F1: 0.7/√events, at most 0.3


@dataclass(frozen=True)
class Thresholds:
    """Threshold by (lab, action), then by (ANY, action), with `default` for the rest; all in 0 < t <= NEVER.

    `spreads` are the standard deviations of the probabilities, by the same keys; 1 where there is none.
    """

    default: float = DEFAULT
    values: Mapping[tuple[str, str], float] = field(default_factory=dict)
    spreads: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [t for t in (self.default, *self.values.values()) if not 0 < t <= NEVER]
        if wrong:
            raise ContractError(f"Thresholds must lie in 0 < t <= {NEVER}, but got {wrong}.")
        if wrong := [s for s in self.spreads.values() if not 0 < s < np.inf]:
            raise ContractError(f"Spreads of probabilities must be above 0, but got {wrong}.")

    def get(self, lab_id: str, action: str) -> float:
        """Return the threshold of an action in a lab."""
        return self.values.get((lab_id, action), self.values.get((ANY, action), self.default))

    def spread(self, lab_id: str, action: str) -> float:
        """Return the standard deviation of the probabilities of an action in a lab."""
        return self.spreads.get((lab_id, action), self.spreads.get((ANY, action), 1.0))

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"default": …, "labs": {lab: {action: …}}, "spreads": {lab: {action: …}}}``.

        Labs and actions are sorted, and all values are plain numbers, ready for `json.dumps`.
        """
        made: dict[str, Any] = {"default": round(float(self.default), 4), "labs": _nested(self.values)}
        if self.spreads:
            made["spreads"] = _nested(self.spreads)
        return made

    @classmethod
    def from_dict(cls, data: Any) -> Thresholds:
        """Read what `to_dict` returned. Raises ContractError for anything else."""
        try:
            values, spreads = (
                {(lab, a): float(t) for lab, actions in named.items() for a, t in actions.items()}
                for named in (data["labs"], data.get("spreads", {}))
            )
            return cls(float(data["default"]), values, spreads)
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise ContractError(
                f'Expected thresholds as {{"default": …, "labs": {{lab: {{action: …}}}}}}, but got {data!r:.80}.'
            ) from err

    def extended(self, fitted: Thresholds, labs: Collection[str]) -> Thresholds:
        """Return these thresholds, with those of `fitted` in place of the ones of `labs`.

        For any other lab the value here stays, and a value of `fitted` is taken only where there is none.
        """
        values, spreads = (
            {**new, **old, **{at: value for at, value in new.items() if at[0] in labs}}
            for old, new in ((self.values, fitted.values), (self.spreads, fitted.spreads))
        )
        return Thresholds(self.default, values, spreads)


def fit(
    pairs: Sequence[PairScores],
    truth: Iterable[Event],
    labeled_by_video: Mapping[int, Collection[Triplet]],
    *,
    smoothing_s: float = 5 / 30,
    occurring: Mapping[str, Collection[str]] | None = None,
) -> Thresholds:
    """Fit thresholds that maximise the pooled frame F1 of each (lab, action) on held-out probabilities.

    Only labeled behaviors of a video are counted; truth outside the frames of `pairs` is not. The default is the
    optimum over everything. The head of this module explains how thresholds of rare actions are shrunk. An action
    in a lab without data gets the optimum over the labs that have it.

    Parameters
    ----------
    pairs
        Held-out probabilities (not from videos that the model was trained on).
    truth
        Annotated events of the same videos.
    smoothing_s
        Window of the mean that decoding will use, seconds.
    occurring
        lab -> actions that the *training* annotations hold; other actions of a named lab get `NEVER`.
    """
    events: dict[tuple[int, int, int, str], list[Event]] = {}
    for e in truth:
        events.setdefault((e.video_id, e.agent_id, e.target_id, e.action), []).append(e)
    tables: dict[tuple[str, str], _Table] = {}
    for pair in pairs:
        smoothed = smooth(pair.probabilities_TA, smoothing_frames(smoothing_s, pair.fps))
        for i, action in enumerate(pair.actions):
            if (pair.agent_id, pair.target_id, action) not in labeled_by_video.get(pair.video_id, ()):
                continue
            own = events.get((pair.video_id, pair.agent_id, pair.target_id, action), [])
            true_T = mask(own, pair.first_frame, len(smoothed))
            at = (pair.lab_id, action)
            tables[at] = tables.get(at, _Table.empty()) + _Table.of(smoothed[:, i], true_T)
    default = _sum(tables.values()).best(DEFAULT, prior_events=0.0)
    values, spreads = {}, {}
    for (lab, action), table in tables.items():
        elsewhere = _sum(t for (other, same), t in tables.items() if same == action and other != lab)
        everywhere = _sum(t for (_, same), t in tables.items() if same == action)
        values[ANY, action] = everywhere.best(default)
        values[lab, action] = table.best(elsewhere.best(default))
        spreads[lab, action], spreads[ANY, action] = table.spread, everywhere.spread
    return Thresholds(default, values | _phantoms(labeled_by_video, pairs, occurring or {}), spreads)


def _phantoms(
    labeled_by_video: Mapping[int, Collection[Triplet]],
    pairs: Sequence[PairScores],
    occurring: Mapping[str, Collection[str]],
) -> dict[tuple[str, str], float]:
    """Return NEVER for actions that are labeled or predicted in a lab of `occurring` but do not occur there."""
    never: dict[tuple[str, str], float] = {}
    for pair in pairs:
        if pair.lab_id in occurring:
            actions = {action for _, _, action in labeled_by_video.get(pair.video_id, ())} | set(pair.actions)
            never |= {(pair.lab_id, action): NEVER for action in actions - set(occurring[pair.lab_id])}
    return never


@dataclass(frozen=True)
class _Table:
    """Counts of a (lab, action): (TP, predicted, true) frames at each threshold of the grid [3, grid]."""

    counts: NDArray[np.float64]
    n_events: int
    moments: NDArray[np.float64]  # frames, sum and sum of squares of the probabilities

    @classmethod
    def empty(cls) -> _Table:
        return cls(np.zeros((3, len(GRID))), 0, np.zeros(3))

    @classmethod
    def of(cls, probability_T: NDArray[Any], true_T: NDArray[np.bool_]) -> _Table:
        def reached(values: NDArray[Any]) -> NDArray[Any]:
            """Return how many values reach each threshold."""
            bins = np.searchsorted(GRID, values, side="right")  # thresholds that a value reaches
            return np.cumsum(np.bincount(bins, minlength=len(GRID) + 1)[::-1])[::-1][1:]

        counts = [reached(probability_T[true_T]), reached(probability_T), np.full(len(GRID), float(true_T.sum()))]
        n_events = int(np.count_nonzero(np.diff(true_T.astype(np.int8), prepend=0) == 1))
        moments = [len(probability_T), probability_T.sum(), np.square(probability_T).sum()]
        return cls(np.stack(counts), n_events, np.array(moments, dtype=np.float64))

    def __add__(self, other: _Table) -> _Table:
        return _Table(self.counts + other.counts, self.n_events + other.n_events, self.moments + other.moments)

    @property
    def spread(self) -> float:
        """The standard deviation of the probabilities, at least 0.01."""
        n, total, squares = self.moments
        return max(0.01, float(np.sqrt(max(0.0, squares / n - (total / n) ** 2)))) if n else 1.0

    def best(self, prior: float, prior_events: float = _PRIOR_EVENTS) -> float:
        """Return the middle of the thresholds that are as good as the best, shrunk towards `prior`."""
        tp, predicted, true = self.counts
        f1 = 2 * tp / np.maximum(predicted + true, 1)
        if not self.n_events or not f1.max() > 0:
            return prior
        tolerance = min(_MAX_TOLERANCE, _TOLERANCE / self.n_events**0.5)
        own = float(GRID[f1 >= f1.max() * (1 - tolerance)].mean())
        return (self.n_events * own + prior_events * prior) / (self.n_events + prior_events)


def _sum(tables: Iterable[_Table]) -> _Table:
    return sum(tables, _Table.empty())


def _nested(values: Mapping[tuple[str, str], float]) -> dict[str, dict[str, float]]:
    nested: dict[str, dict[str, float]] = {}
    for (lab, action), value in sorted(values.items()):
        nested.setdefault(lab, {})[action] = round(float(value), 4)
    return nested
