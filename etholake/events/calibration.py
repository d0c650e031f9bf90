"""Calibrate probabilities: Platt scaling per action, then per lab, fitted on held-out probabilities.

A calibrated probability is sigmoid(slope · logit(p) + offset). Slope 1 and offset 0 are used where nothing was
fitted. A prior draws the fit of an action towards them, and the fit of a lab towards that of the action over all
labs, so that what has few events is hardly changed. Source: Platt (1999),
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
    """(slope, offset) by action, for labs without a fit of their own, and by (lab, action).

    Slopes are above 0, so that no order of probabilities changes.
    """

    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    labs: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fits = [*self.values.items(), *self.labs.items()]
        wrong = {str(at): v for at, v in fits if not (len(v) == 2 and v[0] > 0 and np.isfinite(v).all())}
        if wrong:
            raise ContractError(f"A calibration is a slope above 0 and an offset, but got {wrong}.")

    def apply(self, pair: PairScores) -> PairScores:
        """Return calibrated probabilities; NaN stays NaN."""
        if not any(a in self.values or (pair.lab_id, a) in self.labs for a in pair.actions):
            return pair
        slope, offset = np.array([self.get(pair.lab_id, a) for a in pair.actions], dtype=np.float32).T
        logit_TA = _logit(pair.probabilities_TA)
        return replace(pair, probabilities_TA=1 / (1 + np.exp(-(slope * logit_TA + offset))))

    def get(self, lab_id: str, action: str) -> tuple[float, float]:
        """Return slope and offset of an action in a lab."""
        return self.labs.get((lab_id, action), self.values.get(action, (1.0, 0.0)))

    def extended(self, fitted: Calibration, labs: Collection[str]) -> Calibration:
        """Return a calibration in which those fitted for `labs` replace these; other labs keep theirs."""
        return Calibration(
            {**fitted.values, **self.values},
            {**self.labs, **{(lab, a): fitted.get(lab, a) for lab in labs for a in fitted.values}},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"actions": {action: [slope, offset]}, "labs": {lab: {action: [slope, offset]}}}``."""
        by_lab: dict[str, dict[str, list[float]]] = {}
        for (lab, action), fit_of_lab in sorted(self.labs.items()):
            by_lab.setdefault(lab, {})[action] = _rounded(fit_of_lab)
        return {"actions": {a: _rounded(v) for a, v in sorted(self.values.items())}, "labs": by_lab}

    @classmethod
    def from_dict(cls, data: Any) -> Calibration:
        """Read what `to_dict` returned. Raises ContractError for anything else."""
        try:
            return cls(
                {str(a): (float(slope), float(offset)) for a, (slope, offset) in data["actions"].items()},
                {(str(lab), str(a)): (float(slope), float(offset))
                 for lab, fits in data["labs"].items() for a, (slope, offset) in fits.items()},
            )  # fmt: skip
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            raise ContractError(
                'Expected a calibration as {"actions": {action: [slope, offset]}, "labs": {lab: …}}, '
                f"but got {data!r:.120}."
            ) from err


def _rounded(fitted: tuple[float, float]) -> list[float]:
    return [round(float(x), 5) for x in fitted]


def fit(
    pairs: Sequence[PairScores], truth: Sequence[Event], labeled_by_video: Mapping[int, Collection[Triplet]]
) -> Calibration:
    """Fit slope and offset of every action over all labs, then of every lab.

    What has no positive or no negative frames is left out.

    Parameters
    ----------
    pairs
        Held-out probabilities (not from videos that the model was trained on).
    truth
        Annotated events of the same videos. Frames of one event are nearly the same evidence, so the evidence of
        an action is scaled down to one frame an event; videos without any event are not used.
    """
    by_lab = pooled_frames(pairs, truth, labeled_by_video)
    names = {pair.video_id: pair.lab_id for pair in pairs}
    n_events: dict[tuple[str, str], int] = defaultdict(int)
    for e in truth:
        n_events[names.get(e.video_id, ""), e.action] += 1
    values, labs = {}, {}
    for action in sorted({action for _, action in by_lab}):
        own = {lab: frames for (lab, other), frames in by_lab.items() if other == action}
        p, y = (np.concatenate(x) for x in zip(*own.values(), strict=True))
        if not y.any() or y.all():
            continue
        values[action] = _platt(_logit(p), y, sum(n_events[lab, action] for lab in own))
        for lab, (p_lab, y_lab) in own.items() if len(own) > 1 else ():
            if y_lab.any() and not y_lab.all():
                labs[lab, action] = _platt(_logit(p_lab), y_lab, n_events[lab, action], values[action])
    return Calibration(values, labs)


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


def _platt(
    logit_N: NDArray[np.float32],
    true_N: NDArray[np.bool_],
    n_events: int,
    prior_fit: tuple[float, float] = (1.0, 0.0),
) -> tuple[float, float]:
    """Find the most likely (slope, offset) by Newton's method on counts per bin of the logit."""
    which = np.clip(((logit_N + _LIMIT) * (_BINS / (2 * _LIMIT))).astype(np.int64), 0, _BINS - 1)
    n = np.bincount(which, minlength=_BINS).astype(np.float64)
    k = np.bincount(which, weights=true_N, minlength=_BINS)
    used = n > 0
    x = np.stack([(np.flatnonzero(used) + 0.5) * (2 * _LIMIT / _BINS) - _LIMIT, np.ones(used.sum())])
    scale = min(1.0, n_events / k.sum())  # one frame an event
    n, k = n[used] * scale, k[used] * scale
    start = np.array(prior_fit)
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
