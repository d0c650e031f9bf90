"""Choose which configurations an ensemble keeps, by their out-of-fold results on the same videos.

The mean of several rarely loses on other videos, while the best of several out-of-fold scores is partly luck. So
all are kept, unless fewer are better by `CHOICE_GAIN` and stay better when the videos are drawn anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from etholake.evaluation.bootstrap import paired_difference

__all__ = ["CHOICE_GAIN", "OutOfFold", "choose"]

CHOICE_GAIN = 0.02  # of the out-of-fold score, which scatters by about as much from seed to seed


@dataclass(frozen=True)
class OutOfFold:
    """The out-of-fold result of an ensemble: its score, and (TP, FP, FN) by (video, action)."""

    score: float
    frames: Mapping[tuple[int, str], npt.NDArray[Any]]


def choose(results: Mapping[tuple[str, ...], OutOfFold], labs: Mapping[int, str]) -> tuple[tuple[str, ...], str]:
    """Return the configurations to keep, and a sentence on it.

    Parameters
    ----------
    results
        By configurations, those of all together first.
    labs
        The lab of each video. A lab of one video cannot tell whether a difference is chance, so it is not asked.
    """
    everything = next(iter(results))
    best = max(results, key=lambda configs: results[configs].score)
    shown = [configs for configs in results if len(configs) == 1 or configs in (best, everything)]
    figures = ", ".join(f"{_and(configs)} {results[configs].score:.3f}" for configs in shown)
    gain = results[best].score - results[everything].score
    kept, doubt = best, ""
    if gain <= CHOICE_GAIN:
        kept = everything
    elif not _surely_better(results[best], results[everything], labs):
        kept = everything
        doubt = f", because {gain:+.3f} for {_and(best)} may be chance on so few videos"
    return kept, f"out-of-fold scores: {figures}; {_and(kept)} trained on everything{doubt}"


def _surely_better(best: OutOfFold, everything: OutOfFold, labs: Mapping[int, str]) -> bool:
    """Return whether the 95 % interval of the difference lies above 0, over labs of several videos."""
    videos = Counter(labs[video] for video in {video for video, _ in everything.frames})
    own, other = (
        {at: counts for at, counts in result.frames.items() if videos[labs[at[0]]] > 1}
        for result in (best, everything)
    )
    interval = paired_difference(own, other, labs) if own and other else None
    return interval is not None and interval[0] > 0


def _and(configs: Sequence[str]) -> str:
    return " with ".join(configs)
