"""Judge answers to tasks beside the actions: states by their probabilities, regressions by their numbers.

Shape letters: N clips or frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from etholake.evaluation.probabilities import average_precision

__all__ = ["judge_numbers", "judge_states", "sample_kind"]

Floats = NDArray[np.floating[Any]]


def sample_kind(task: str) -> str:
    """Return what a task is judged by: ``clips`` or ``frames``."""
    return "frames" if task.startswith("frame") else "clips"


def judge_states(probability_N: Floats, true_N: NDArray[np.bool_]) -> dict[str, float | None]:
    """Return average precision and balanced accuracy (the mean of both recalls, at 0.5).

    None where it is not defined: the first without a true clip, the second unless both states occur.
    """
    balanced = None
    if true_N.any() and not true_N.all():
        predicted_N = probability_N >= 0.5
        balanced = float((predicted_N[true_N].mean() + (~predicted_N[~true_N]).mean()) / 2)
    return {"average_precision": average_precision(probability_N, true_N), "balanced_accuracy": balanced}


def judge_numbers(answer_N: Floats, true_N: Floats) -> dict[str, float | None]:
    """Return R² (1 less squared errors over those of the mean; can be below 0) and the mean absolute error.

    The error has the unit of the numbers. R² is None where all true numbers are equal; both are None without any.
    """
    if not len(true_N):
        return {"r2": None, "mean_absolute_error": None}
    error_N, spread_N = answer_N - true_N, true_N - true_N.mean()
    total = float(np.square(spread_N, dtype=np.float64).sum())
    r2 = 1 - float(np.square(error_N, dtype=np.float64).sum()) / total if total > 0 else None
    return {"r2": r2, "mean_absolute_error": float(np.abs(error_N).mean())}
