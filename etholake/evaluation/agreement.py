"""Agreement of two sets of labels of the same videos: frames, kappa, bouts, boundaries; per action. numpy, no I/O.

Neither side is the truth: every measure is the same when the two change places, but for the sign of the bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from etholake.evaluation.bouts import compare
from etholake.events.intervals import overlap, union
from etholake.events.metric import as_intervals
from etholake.events.types import Event

__all__ = ["ActionAgreement", "agreement", "kappa"]


@dataclass(frozen=True)
class ActionAgreement:
    """The agreement on one action.

    Attributes
    ----------
    f_score
        Of frames, 0..1: twice the common frames by the sum of both.
    kappa
        Cohen's, -1..1: agreement beyond that by chance over all frames that could have the action; None where the
        length of no video is known, or where both sides never (or always) see it.
    bout_f_score
        Of bouts with an intersection over union of a half or more.
    start_error_s, stop_error_s
        Median absolute difference of the boundaries of those bouts, in seconds; None without any.
    """

    action: str
    frames_first: int
    frames_second: int
    frames_common: int
    f_score: float
    kappa: float | None
    bouts_first: int
    bouts_second: int
    bouts_matched: int
    bout_f_score: float
    start_error_s: float | None
    stop_error_s: float | None


def agreement(
    first: Sequence[Event], second: Sequence[Event], frames: Mapping[int, int], fps: Mapping[int, float]
) -> list[ActionAgreement]:
    """Return the agreement by action, sorted by name.

    Parameters
    ----------
    frames
        Length of each compared video in frames, where it is known. A frame counts once for each (agent, target)
        that has the action in one of the sets.
    fps
        Frames/s of each video, where it is known.
    """
    results = []
    bouts = compare(first, second, dict.fromkeys({e.video_id for e in (*first, *second)}, ""), fps)
    for action in sorted({event.action for event in (*first, *second)}):
        sides = [[event for event in events if event.action == action] for events in (first, second)]
        keys: dict[object, int] = {}
        one, two = (union(as_intervals(events, keys)) for events in sides)
        common = int(overlap(one, two).sum())
        n_one, n_two = int(one.length.sum()), int(two.length.sum())
        lengths = [frames.get(name[0]) for name in keys]  # type: ignore[index]
        whole = sum(max(length, 0) for length in lengths if length) if all(lengths) else None
        pairs = bouts["", action]
        results.append(
            ActionAgreement(
                action, n_one, n_two, common, 2 * common / max(n_one + n_two, 1),
                kappa(n_one, n_two, common, whole),
                pairs.true, pairs.predicted, pairs.matched, pairs.f_score,
                _median(pairs.start_error_s), _median(pairs.stop_error_s),
            )
        )  # fmt: skip
    return results


def kappa(first: int, second: int, common: int, whole: int | None) -> float | None:
    """Return the kappa of raters who marked `first` and `second` of `whole` frames, `common` both alike.

    None where the whole is unknown or less than what is marked, or where chance alone would agree on all frames.
    """
    if not whole or first + second - common > whole:
        return None
    observed = (whole - first - second + 2 * common) / whole
    chance = (first * second + (whole - first) * (whole - second)) / whole**2
    return None if chance >= 1 else (observed - chance) / (1 - chance)


def _median(errors: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float | None:
    return float(np.median(np.abs(errors))) if errors.size else None
