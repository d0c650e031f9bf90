"""The learning curve of a cross-validated configuration: its score with fewer labelled videos, and with more.

Each fold's model is trained again on a part of the fold's teaching videos and judged on the same videos. A line
through the scores over the logarithm of the number of videos says what further labelled videos of the same kind
are worth. The interval comes from drawing the judged videos anew; which videos were left out adds to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from etholake.dataset.split import Split
from etholake.evaluation.bootstrap import Interval, drawn_scores, percentiles
from etholake.training.estimate import Estimate

__all__ = ["LearningCurve", "learning_curve", "mean_teaching_videos", "part_of", "smaller_splits"]

FRACTIONS = (1 / 3, 2 / 3)
MORE, MORE_OF_ALL = 3, 0.2  # the gain is told for so many further videos, or for this part of those at hand


@dataclass(frozen=True)
class LearningCurve:
    """Out-of-fold scores by the mean number of teaching videos of a fold, and the gain that more videos promise.

    `interval` (95 %) of the gain is None where no lab has two judged videos.
    """

    config: str
    points: tuple[tuple[float, float], ...]
    more: int
    gain: float
    interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """Return what `meta.json` keeps."""
        return {
            "config": self.config,
            "points": [{"videos": round(n, 1), "score": round(score, 4)} for n, score in self.points],
            "more_videos": self.more,
            "gain": round(self.gain, 4),
            "interval": None if self.interval is None else [round(bound, 4) for bound in self.interval],
        }

    def sentence(self) -> str:
        """Return the curve for a person."""
        shown = ", ".join(f"{score:.3f} from {n:.3g} videos" for n, score in self.points)
        bounds = f" (95 % {self.interval[0]:+.3f} to {self.interval[1]:+.3f})" if self.interval else ""
        return (
            f"learning curve of {self.config}: {shown}; with {self.more} more labelled videos expect "
            f"{self.gain:+.3f}{bounds}"
        )


def mean_teaching_videos(splits: Sequence[Split]) -> float:
    """Return how many videos teach in a split, on average."""
    return float(np.mean([len({span.video_id for span in split.train}) for split in splits]))


def part_of(split: Split, fraction: float, seed: int = 0) -> Split:
    """Return a split with a part of its teaching videos, at least one of each lab; `test` stays.

    The order in which videos are taken depends on `seed` alone, so the larger part of a split holds the smaller.
    """
    by_lab: dict[str, list[int]] = defaultdict(list)
    for span in split.train:
        if span.video_id not in by_lab[span.lab_id]:
            by_lab[span.lab_id].append(span.video_id)
    kept: set[int] = set()
    random = np.random.default_rng(seed)
    for lab in sorted(by_lab):
        videos = random.permutation(sorted(by_lab[lab]))
        kept.update(videos[: max(1, round(fraction * len(videos)))].tolist())
    return Split(tuple(span for span in split.train if span.video_id in kept), split.validation, split.test)


def learning_curve(config: str, estimates: Mapping[float, Estimate], videos: int) -> LearningCurve | None:
    """Return the curve; None with fewer than two sizes.

    Parameters
    ----------
    config
        Name of the configuration.
    estimates
        The score for each mean number of teaching videos.
    videos
        How many labelled videos there are: the gain starts from a model that is trained on all.
    """
    if len(estimates) < 2:
        return None
    sizes = sorted(estimates)
    log_n = np.log(sizes)
    centred = log_n - log_n.mean()
    weights = centred / (centred**2).sum()  # of the slope by least squares
    more = max(MORE, round(MORE_OF_ALL * videos))
    step = float(np.log((videos + more) / videos))
    scores = [estimates[n].report.score for n in sizes]
    draws_SR = drawn_scores([estimates[n].frames for n in sizes], estimates[sizes[-1]].labs)
    interval = None if draws_SR is None else percentiles(step * (weights @ draws_SR))
    gain = step * float(weights @ np.array(scores))
    return LearningCurve(config, tuple(zip(sizes, scores, strict=True)), more, gain, interval)


def smaller_splits(splits: Sequence[Split]) -> dict[float, list[Split]]:
    """Return {mean number of teaching videos: every fold with so many}, without the folds as they are."""
    whole = mean_teaching_videos(splits)
    by_size: dict[float, list[Split]] = {}
    for fraction in FRACTIONS:
        parts = [part_of(split, fraction, seed=fold) for fold, split in enumerate(splits)]
        if (size := mean_teaching_videos(parts)) < whole:
            by_size.setdefault(size, parts)
    return by_size
