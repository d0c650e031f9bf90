"""Decode probabilities to events.

The steps: smooth → labeled behaviors → threshold → one label per frame → fill gaps → minimum length. Lengths are
given in seconds (the defaults are 5, 2 and 3 frames at 30 fps) and become frames by each video's own fps. Shape
letters: T video frames, A actions. Thresholds come from `thresholds`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.errors import ContractError
from etholake.events.smoothing import finite_by_action, smooth_column, smoothing_frames
from etholake.events.thresholds import Thresholds
from etholake.events.types import Event, PairScores, Triplet

__all__ = ["DecodeConfig", "decode"]

_NONE = -1  # no action on this frame


@dataclass(frozen=True)
class DecodeConfig:
    """Smoothing and lengths, in seconds."""

    smoothing_s: float = 5 / 30  # window of the centred mean
    max_gap_s: float = 2 / 30  # gaps up to this long inside one action are filled
    min_length_s: float = 3 / 30  # shorter events are dropped

    def smoothing_frames(self, fps: float) -> int:
        """Return the window in frames: the nearest odd number, at least 1."""
        return smoothing_frames(self.smoothing_s, fps)

    def max_gap_frames(self, fps: float) -> int:
        """Return the longest gap that is filled, in frames."""
        return round(self.max_gap_s * fps)

    def min_length_frames(self, fps: float) -> int:
        """Return the shortest event that is kept, in frames; at least 1."""
        return max(1, round(self.min_length_s * fps))


def decode(
    pairs: Sequence[PairScores],
    labeled: Collection[Triplet],
    thresholds: Thresholds,
    config: DecodeConfig | None = None,
) -> list[Event]:
    """Return the events of one video (or of several with the same labeled behaviors), by video, start and pair.

    A frame gets the action whose probability most exceeds its threshold, in units of its spread: a rare action
    with a low threshold and a small spread has a fair chance. Ties go to the first action. One frame of one
    (video, agent, target) never gets two actions. `labeled` holds self actions as (agent, agent, action), so it
    tells self from pair actions, too. An action that never occurs in a lab has the threshold `NEVER`.

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
    keys: set[tuple[int, int, int]] = set()
    events: list[Event] = []
    for pair in pairs:
        key = (pair.video_id, pair.agent_id, pair.target_id)
        if key in keys:
            raise ContractError(
                f"Video {key[0]} has two sets of scores for mouse{key[1]} → mouse{key[2]}; expected one. "
                "Average the windows before decoding."
            )
        keys.add(key)
        events += _decode_pair(pair, labeled, thresholds, config)
    return sorted(events, key=lambda e: (e.video_id, e.start_frame, e.agent_id, e.target_id))


def _decode_pair(
    pair: PairScores, labeled: Collection[Triplet], thresholds: Thresholds, config: DecodeConfig
) -> list[Event]:
    columns = [i for i, action in enumerate(pair.actions) if (pair.agent_id, pair.target_id, action) in labeled]
    if not columns or not len(pair.probabilities_TA):
        return []
    raw_AT = finite_by_action(pair.probabilities_TA[:, columns])
    names = [pair.actions[i] for i in columns]
    label_T = _choose(raw_AT, names, pair, thresholds, config)
    label_T = _fill_gaps(label_T, config.max_gap_frames(pair.fps))

    start, stop, label = _runs(label_T)
    keep = (label != _NONE) & (stop - start >= config.min_length_frames(pair.fps))
    # Frames of _NONE get the probability of the last action; their runs are not kept.
    chosen_T = np.take_along_axis(raw_AT, label_T[None], axis=0)[0]
    confidence = np.add.reduceat(chosen_T, start) / (stop - start)
    rows = zip(*(x[keep].tolist() for x in (start, stop, label, confidence)), strict=True)
    video, agent, target, first = pair.video_id, pair.agent_id, pair.target_id, pair.first_frame
    return [Event(video, agent, target, names[a], first + i, first + j, c) for i, j, a, c in rows]


def _choose(
    raw_AT: NDArray[np.float64],
    names: Sequence[str],
    pair: PairScores,
    thresholds: Thresholds,
    config: DecodeConfig,
) -> NDArray[np.int64]:
    """Return the action (position in `names`) of each frame, or `_NONE`."""
    window = config.smoothing_frames(pair.fps)
    label_T = np.full(raw_AT.shape[1], _NONE, dtype=np.int64)
    best_T = np.full(raw_AT.shape[1], np.nextafter(0.0, -1.0))  # a margin of 0 is enough
    for a, name in enumerate(names):
        limit, spread = thresholds.get(pair.lab_id, name), thresholds.spread(pair.lab_id, name)
        smoothed_T = smooth_column(raw_AT[a], window)
        margin_T = smoothed_T - limit
        if spread != 1.0:
            margin_T /= spread
        better_T = margin_T > best_T
        np.copyto(best_T, margin_T, where=better_T)
        label_T[better_T] = a
    return label_T


def _runs(label_T: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return (start, stop, label) of the maximal runs of one label."""
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
