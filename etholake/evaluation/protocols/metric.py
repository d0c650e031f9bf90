"""The metric of CalMS21: frame-wise F1 and average precision, means over the classes without "other".

Shape letters: N frames of all test sequences behind each other, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etholake.errors import DataError
from etholake.evaluation.probabilities import average_precision

__all__ = ["ClassScores", "mean_of", "score_classes"]


@dataclass(frozen=True)
class ClassScores:
    """F1 and average precision of each class, and their means; a class without a true frame has neither."""

    f1: Mapping[str, float]
    ap: Mapping[str, float]

    @property
    def mean_f1(self) -> float:
        """The mean of the classes' F1."""
        return float(np.mean(list(self.f1.values())))

    @property
    def mean_ap(self) -> float:
        """The mean of the classes' average precision."""
        return float(np.mean(list(self.ap.values())))


def score_classes(
    probabilities_NC: NDArray[np.float32], true_N: NDArray[np.int64], classes: Sequence[str], other: str
) -> ClassScores:
    """Return the scores of all classes but `other`; a frame's prediction is the class of highest probability.

    Parameters
    ----------
    probabilities_NC
        Of each class, in the order of `classes`.
    true_N
        Index of the true class.

    Raises
    ------
    DataError
        The shapes do not fit, or no class but `other` occurs.
    """
    if probabilities_NC.shape != (len(true_N), len(classes)):
        raise DataError(
            f"Expected probabilities of {len(true_N)} frames and {len(classes)} classes, but got the shape "
            f"{probabilities_NC.shape}."
        )
    predicted_N = probabilities_NC.argmax(axis=1)
    f1: dict[str, float] = {}
    ap: dict[str, float] = {}
    for c, name in enumerate(classes):
        true_c = true_N == c
        precision = average_precision(probabilities_NC[:, c], true_c)
        if name == other or precision is None:
            continue
        predicted_c = predicted_N == c
        hits = int((true_c & predicted_c).sum())
        f1[name] = 2 * hits / (int(true_c.sum()) + int(predicted_c.sum()))
        ap[name] = precision
    if not f1:
        raise DataError(f"The test sequences hold nothing but '{other}': there is nothing to score.")
    return ClassScores(f1, ap)


def mean_of(groups: Mapping[str, ClassScores]) -> tuple[float, float]:
    """Return (F1, AP) of a task: the mean over its annotators or behaviours of the means over the classes."""
    return (
        float(np.mean([scores.mean_f1 for scores in groups.values()])),
        float(np.mean([scores.mean_ap for scores in groups.values()])),
    )
