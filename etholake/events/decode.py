"""Probabilities to events: smooth → whitelist → threshold → one label per frame → fill gaps → minimum length.

Lengths are given in seconds (the defaults are 5, 2 and 3 frames at 30 fps) and become frames by each video's
own fps. Shape letters: T video frames, A actions. Thresholds come from `thresholds`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.errors import ContractError
from etholake.events.thresholds import Thresholds
from etholake.events.types import Event, PairScores, Triplet

__all__ = ["DecodeConfig", "decode", "smooth"]

_NONE = -1  # no action on this frame


@dataclass(frozen=True)
class DecodeConfig:
    """Post-processing, in seconds."""

    smoothing_s: float = 5 / 30  # window of the centred mean
    max_gap_s: float = 2 / 30  # gaps up to this long inside one action are filled
    min_length_s: float = 3 / 30  # shorter events are dropped

    def smoothing_frames(self, fps: float) -> int:
        """The window in frames: the nearest odd number, at least 1."""
        return 2 * max(0, round((self.smoothing_s * fps - 1) / 2)) + 1

    def max_gap_frames(self, fps: float) -> int:
        """The longest gap that is filled, frames."""
        return round(self.max_gap_s * fps)

    def min_length_frames(self, fps: float) -> int:
        """The shortest event that is kept, frames; at least 1."""
        return max(1, round(self.min_length_s * fps))


def decode(
    pairs: Sequence[PairScores],
    whitelist: Collection[Triplet],
    thresholds: Thresholds,
    config: DecodeConfig | None = None,
) -> list[Event]:
    """Events of one video (or of several with one whitelist), sorted by video, start and pair.

    A frame gets the action whose probability most exceeds its threshold *in proportion* (probability ÷
    threshold), so that a rare action with a low threshold has a fair chance; ties go to the first action.
    One frame of one (video, agent, target) never gets two actions. The whitelist is taken as it stands: it
    holds self actions as (agent, agent, action), so it tells self from pair too.

    Parameters
    ----------
    pairs
        At most one entry per (video, agent, target). NaN counts as 0. `confidence` of an event is the mean
        of the unsmoothed probability over its frames.

    Raises
    ------
    ContractError
        Two entries for one (video, agent, target): their labels could contradict one another.
    """
    config = config or DecodeConfig()
    seen: set[tuple[int, int, int]] = set()
    events: list[Event] = []
    for pair in pairs:
        key = (pair.video_id, pair.agent_id, pair.target_id)
        if key in seen:
            raise ContractError(
                f"Video {key[0]} has two sets of scores for mouse{key[1]} → mouse{key[2]}; expected one. "
                "Average the windows before decoding."
            )
        seen.add(key)
        events += _decode_pair(pair, whitelist, thresholds, config)
    return sorted(events, key=lambda e: (e.video_id, e.start_frame, e.agent_id, e.target_id))


def smooth(probabilities_TA: NDArray[np.float32], window: int) -> NDArray[np.float64]:
    """Centred mean over `window` (odd) frames [T, A]; at the ends over the frames there are. NaN is 0."""
    clean = np.nan_to_num(probabilities_TA.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    n_frames, half = len(clean), window // 2
    if half < 1 or not n_frames:
        return clean
    # Slices of the running sum, padded by its last value on the right and by zeros on the left.
    total = np.zeros((n_frames + 2 * half + 1, clean.shape[1]))
    np.cumsum(clean, axis=0, out=total[half + 1 : half + 1 + n_frames])
    total[half + 1 + n_frames :] = total[half + n_frames]
    frame = np.arange(n_frames)
    width = np.minimum(frame + half + 1, n_frames) - np.maximum(frame - half, 0)
    result: NDArray[np.float64] = (total[2 * half + 1 :] - total[: -(2 * half + 1)]) / width[:, None]
    return result


def _decode_pair(
    pair: PairScores, whitelist: Collection[Triplet], thresholds: Thresholds, config: DecodeConfig
) -> list[Event]:
    looked_for = [
        i for i, action in enumerate(pair.actions) if (pair.agent_id, pair.target_id, action) in whitelist
    ]
    if not looked_for or not len(pair.probabilities_TA):
        return []
    raw = pair.probabilities_TA[:, looked_for]
    names = [pair.actions[i] for i in looked_for]
    limits = np.array([thresholds.get(pair.lab_id, name) for name in names])
    ratio = smooth(raw, config.smoothing_frames(pair.fps)) / limits
    best = ratio.argmax(axis=1)
    label_T = np.where(np.take_along_axis(ratio, best[:, None], axis=1)[:, 0] >= 1.0, best, _NONE)
    label_T = _fill_gaps(label_T, config.max_gap_frames(pair.fps))

    start, stop, label = _runs(label_T)
    keep = (label != _NONE) & (stop - start >= config.min_length_frames(pair.fps))
    start, stop, label = start[keep], stop[keep], label[keep]
    confidence = _means(smooth(raw, 1), start, stop, label)
    return [
        Event(
            pair.video_id,
            pair.agent_id,
            pair.target_id,
            names[a],
            pair.first_frame + int(i),
            pair.first_frame + int(j),
            c,
        )
        for i, j, a, c in zip(start, stop, label, confidence, strict=True)
    ]


def _means(
    probability_TA: NDArray[np.float64], start: NDArray[Any], stop: NDArray[Any], label: NDArray[Any]
) -> list[float]:
    """Mean probability of each event's action over its frames."""
    return [float(probability_TA[i:j, a].mean()) for i, j, a in zip(start, stop, label, strict=True)]


def _runs(label_T: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(start, stop, label) of the maximal runs of one label."""
    change = np.flatnonzero(label_T[1:] != label_T[:-1]) + 1
    start = np.r_[0, change]
    return start, np.r_[change, len(label_T)], label_T[start]


def _fill_gaps(label_T: NDArray[Any], max_gap: int) -> NDArray[Any]:
    """Give an unlabelled run of at most `max_gap` frames the label that stands on both of its sides."""
    start, stop, label = _runs(label_T)
    if len(label) < 3:
        return label_T
    gap = np.zeros(len(label), dtype=bool)
    gap[1:-1] = (label[1:-1] == _NONE) & (label[:-2] == label[2:]) & ((stop - start)[1:-1] <= max_gap)
    filled = label.copy()
    filled[gap] = label[np.flatnonzero(gap) - 1]
    return np.repeat(filled, stop - start)
