"""Calibrate probabilities: Platt scaling per action, fitted on held-out probabilities.

A calibrated probability is sigmoid(slope · logit(p) + offset), the same for every lab, so that one prior threshold
and the choice between actions treat all actions alike. Slope 1 and offset 0 are used where nothing was fitted. A
prior draws every fit towards them, so that an action with few events is hardly changed. Source: Platt (1999),
"Probabilistic outputs for support vector machines". Shape letters: N frames, T frames of a video, A actions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.errors import ContractError
from etholake.events.types import Event, PairScores, Triplet, mask

__all__ = ["Calibration", "fit", "pooled_frames"]

_LIMIT = 12.0  # logits beyond this are clipped
_BINS = 2400  # bins of the logit, to which millions of frames are reduced
_PRIOR_EVENTS = 4.0  # the weight of the prior (slope 1, offset 0), in events
_Pooled = dict[tuple[str, str], tuple[NDArray[np.float32], NDArray[np.bool_]]]


@dataclass(frozen=True)
class Calibration:
    """(slope, offset) by action; slopes are above 0, so that no order of probabilities changes."""

    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = {a: v for a, v in self.values.items() if not (len(v) == 2 and v[0] > 0 and np.isfinite(v).all())}
        if wrong:
            raise ContractError(f"A calibration is a slope above 0 and an offset, but got {wrong}.")

    def apply(self, pair: PairScores) -> PairScores:
        """Return calibrated probabilities; NaN stays NaN."""
        if not any(action in self.values for action in pair.actions):
            return pair
        slope, offset = np.array([self.values.get(a, (1.0, 0.0)) for a in pair.actions], dtype=np.float32).T
        logit_TA = _logit(pair.probabilities_TA)
        return replace(pair, probabilities_TA=1 / (1 + np.exp(-(slope * logit_TA + offset))))

    def to_dict(self) -> dict[str, list[float]]:
        """Return ``{action: [slope, offset]}``."""
        return {a: [round(float(x), 5) for x in v] for a, v in sorted(self.values.items())}

    @classmethod
    def from_dict(cls, data: Any) -> Calibration:
        """Read what `to_dict` returned. Raises ContractError for anything else."""
        try:
            return cls({str(a): (float(slope), float(offset)) for a, (slope, offset) in data.items()})
        except (AttributeError, TypeError, ValueError) as err:
            raise ContractError(
                f"Expected a calibration as {{action: [slope, offset]}}, but got {data!r}."
            ) from err


def fit(
    pairs: Sequence[PairScores], truth: Sequence[Event], labeled_by_video: Mapping[int, Collection[Triplet]]
) -> Calibration:
    """Fit slope and offset of every action over all labs.

    Actions without a positive or without a negative frame are left out.

    Parameters
    ----------
    pairs
        Held-out probabilities (not from videos that the model was trained on).
    truth
        Annotated events of the same videos. Frames of one event are nearly the same evidence, so the evidence of
        an action is scaled down to one frame an event; videos without any event are not used.
    """
    parts: dict[str, list[Any]] = defaultdict(list)
    for (_, action), frames in pooled_frames(pairs, truth, labeled_by_video).items():
        parts[action].append(frames)
    n_events: dict[str, int] = defaultdict(int)
    for e in truth:
        n_events[e.action] += 1
    values = {}
    for action, pooled in sorted(parts.items()):
        p, y = (np.concatenate(x) for x in zip(*pooled, strict=True))
        if y.any() and not y.all():
            values[action] = _platt(_logit(p), y, n_events[action])
    return Calibration(values)


def pooled_frames(
    pairs: Sequence[PairScores], truth: Sequence[Event], labeled: Mapping[int, Collection[Triplet]]
) -> _Pooled:
    """Return probability (float32 [N]) and truth (bool [N]) of the frames of every (lab, action); N > 0."""
    events: dict[tuple[int, int, int, str], list[Event]] = defaultdict(list)
    for e in truth:
        events[e.video_id, e.agent_id, e.target_id, e.action].append(e)
    scored = {e.video_id for e in truth}
    parts: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for pair in pairs:
        own_labeled = labeled.get(pair.video_id, ()) if pair.video_id in scored else ()
        for i, action in enumerate(pair.actions):
            if (pair.agent_id, pair.target_id, action) in own_labeled:
                p = pair.probabilities_TA[:, i]
                own = events[pair.video_id, pair.agent_id, pair.target_id, action]
                present = ~np.isnan(p)
                parts[pair.lab_id, action].append((p[present], mask(own, pair.first_frame, len(p))[present]))
    joined = {
        at: tuple(np.concatenate(x) for x in zip(*arrays, strict=True)) for at, arrays in sorted(parts.items())
    }
    return {at: (p, y) for at, (p, y) in joined.items() if len(p)}


def _logit(p: NDArray[Any]) -> NDArray[np.float32]:
    low = np.float32(1 / (1 + np.exp(_LIMIT)))
    clipped = np.clip(np.asarray(p, dtype=np.float32), low, 1 - low)
    return np.log(clipped / (1 - clipped))


def _platt(logit_N: NDArray[np.float32], true_N: NDArray[np.bool_], n_events: int) -> tuple[float, float]:
    """Find the most likely (slope, offset) by Newton's method on counts per bin of the logit."""
    which = np.clip(((logit_N + _LIMIT) * (_BINS / (2 * _LIMIT))).astype(np.int64), 0, _BINS - 1)
    n = np.bincount(which, minlength=_BINS).astype(np.float64)
    k = np.bincount(which, weights=true_N, minlength=_BINS)
    used = n > 0
    x = np.stack([(np.flatnonzero(used) + 0.5) * (2 * _LIMIT / _BINS) - _LIMIT, np.ones(used.sum())])
    scale = min(1.0, n_events / k.sum())  # one frame an event
    n, k = n[used] * scale, k[used] * scale
    start = np.array([1.0, 0.0])
    prior = np.diag([_PRIOR_EVENTS, _PRIOR_EVENTS / 4])
    w = start.copy()
    for _ in range(50):
        p = 1 / (1 + np.exp(-w @ x))
        gradient = x @ (k - n * p) - prior @ (w - start)
        step = np.linalg.solve((x * (n * p * (1 - p))) @ x.T + prior, gradient)
        step *= min(1.0, 2.0 / max(np.abs(step).max(), 1e-9))  # far from the optimum a full step may overshoot
        w += step
        if np.abs(step).max() < 1e-6:
            break
    return max(float(w[0]), 0.05), float(w[1])
