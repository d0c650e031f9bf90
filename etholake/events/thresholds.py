"""Thresholds per (lab, action): fitted on held-out probabilities, shrunk where an action is rare.

A threshold is what the *smoothed* probability must reach (see `decode`). Fitting maximises the frame F1 that
the official score takes: pooled over all whitelisted pairs and videos of a lab. Shape letters: T frames,
A actions.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.errors import ContractError
from etholake.events.types import Event, PairScores, Triplet, mask

__all__ = ["DEFAULT", "NEVER", "Thresholds", "fit"]

DEFAULT = 0.5  # where none was fitted
NEVER = 1.01  # above every probability: the action is not predicted in this lab (the phantom trap)
GRID = np.round(np.arange(0.05, 0.951, 0.01), 2)
_TRUST_SECONDS = 10.0  # so much annotated time weighs as much as the prior

_Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """Threshold by (lab, action), with `default` for the rest; all in 0 < t <= NEVER."""

    default: float = DEFAULT
    values: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [t for t in (self.default, *self.values.values()) if not 0 < t <= NEVER]
        if wrong:
            raise ContractError(f"Thresholds must lie in 0 < t <= {NEVER}, but got {wrong}.")

    def get(self, lab_id: str, action: str) -> float:
        """The threshold of an action in a lab."""
        return self.values.get((lab_id, action), self.default)

    def to_json(self) -> str:
        """``{"default": …, "labs": {lab: {action: …}}}``, sorted."""
        labs: dict[str, dict[str, float]] = {}
        for (lab, action), value in sorted(self.values.items()):
            labs.setdefault(lab, {})[action] = round(float(value), 4)
        return json.dumps({"default": round(float(self.default), 4), "labs": labs}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Thresholds:
        """What `to_json` wrote. Raises ContractError for anything else."""
        try:
            data = json.loads(text)
            values = {(lab, a): float(t) for lab, actions in data["labs"].items() for a, t in actions.items()}
            return cls(float(data["default"]), values)
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise ContractError(
                f'Expected thresholds as {{"default": …, "labs": {{lab: {{action: …}}}}}}, but got {text[:80]!r}.'
            ) from err


def fit(
    pairs: Sequence[PairScores],
    truth: Iterable[Event],
    whitelist_by_video: Mapping[int, Collection[Triplet]],
    *,
    smoothing_s: float = 5 / 30,
    occurring: Mapping[str, Collection[str]] | None = None,
) -> Thresholds:
    """Thresholds that maximise the pooled frame F1 of each (lab, action) on held-out scores.

    Only whitelisted (agent, target, action) of a video are counted; truth outside the frames of `pairs` is not.
    The default is the best single threshold over everything. A (lab, action) gets a mean of its own optimum
    and that default, weighted by its annotated seconds against `_TRUST_SECONDS`: a rare action stays near it.

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
    from etholake.events.decode import DecodeConfig, smooth

    config = DecodeConfig(smoothing_s=smoothing_s)
    events: dict[tuple[int, int, int, str], list[Event]] = {}
    for e in truth:
        events.setdefault((e.video_id, e.agent_id, e.target_id, e.action), []).append(e)
    counts: dict[tuple[str, str], _Counts] = {}
    seconds: dict[tuple[str, str], float] = {}
    for pair in pairs:
        smoothed = smooth(pair.probabilities_TA, config.smoothing_frames(pair.fps))
        for i, action in enumerate(pair.actions):
            if (pair.agent_id, pair.target_id, action) not in whitelist_by_video.get(pair.video_id, ()):
                continue
            own = events.get((pair.video_id, pair.agent_id, pair.target_id, action), [])
            true_T = mask(own, pair.first_frame, len(smoothed))
            at = (pair.lab_id, action)
            counts[at] = counts.get(at, np.zeros((3, len(GRID)))) + _count(smoothed[:, i], true_T)
            seconds[at] = seconds.get(at, 0.0) + float(true_T.sum()) / pair.fps
    default = _best(np.sum([*counts.values()], axis=0), DEFAULT) if counts else DEFAULT
    values = {}
    for at, table in counts.items():
        weight = seconds[at] / (seconds[at] + _TRUST_SECONDS)
        values[at] = weight * _best(table, default) + (1 - weight) * default
    return Thresholds(default, values | _phantoms(whitelist_by_video, pairs, occurring or {}))


def _phantoms(
    whitelist_by_video: Mapping[int, Collection[Triplet]],
    pairs: Sequence[PairScores],
    occurring: Mapping[str, Collection[str]],
) -> dict[tuple[str, str], float]:
    """NEVER for what is looked for, or can be said, in a named lab but does not occur there."""
    never: dict[tuple[str, str], float] = {}
    for pair in pairs:
        if pair.lab_id in occurring:
            asked = {action for _, _, action in whitelist_by_video.get(pair.video_id, ())} | set(pair.actions)
            never |= {(pair.lab_id, action): NEVER for action in asked - set(occurring[pair.lab_id])}
    return never


def _count(probability_T: NDArray[Any], true_T: NDArray[np.bool_]) -> _Counts:
    """(TP, predicted, true) frames at each threshold of the grid [3, grid]."""

    def reached(values: NDArray[Any]) -> NDArray[Any]:
        """How many values reach each threshold."""
        bins = np.searchsorted(GRID, values, side="right")  # thresholds that a value reaches
        return np.cumsum(np.bincount(bins, minlength=len(GRID) + 1)[::-1])[::-1][1:]

    n_true = np.full(len(GRID), float(true_T.sum()))
    return np.stack([reached(probability_T[true_T]), reached(probability_T), n_true])


def _best(table: _Counts, prior: float) -> float:
    """The threshold with the best F1; of equals the one nearest to `prior`, which also stands without truth."""
    tp, predicted, true = table
    if not true[0]:
        return prior
    f1 = 2 * tp / np.maximum(predicted + true, 1)
    best = GRID[f1 >= f1.max() - 1e-12]
    return float(best[np.abs(best - prior).argmin()]) if f1.max() > 0 else prior
