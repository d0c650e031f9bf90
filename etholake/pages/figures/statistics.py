"""Tests of groups of animals, one action at a time, corrected for the number of actions.

One value an animal and video. Animals of one video and videos of one animal are taken to be independent; where
they are not, p is too small. The numbers are those of the view `v_group_comparison`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FEWEST", "TEST", "Comparison", "compare", "holm", "interval_of_mean"]

TEST = "Mann-Whitney U test, two-sided, corrected by Holm"
FEWEST = 3  # values of a group, below which there is no test
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Two groups compared on one action.

    `effect` is the mean of group a minus that of group b, with Welch's 95 % interval, in the unit of the values.
    `p` is None where a group has fewer than `FEWEST` values or all values are equal; `p_holm` is corrected for all
    actions of this pair of groups. The interval is None below four degrees of freedom.
    """

    action: str
    group_a: str
    group_b: str
    n_a: int
    n_b: int
    effect: float
    effect_low: float | None
    effect_high: float | None
    p: float | None
    p_holm: float | None = None


def compare(values: Mapping[tuple[str, str], Sequence[float]]) -> list[Comparison]:
    """Compare every pair of groups on every action, sorted by groups and action.

    `values` is {(group, action): one value an animal and video}, without NaN.
    """
    groups = sorted({group for group, _ in values})
    compared: list[Comparison] = []
    for a, b in itertools.combinations(groups, 2):
        actions = sorted(
            {action for group, action in values if group == a} & {action for group, action in values if group == b}
        )
        tested = [
            _tested(action, a, b, np.asarray(values[a, action], float), np.asarray(values[b, action], float))
            for action in actions
        ]
        corrected = holm([one.p for one in tested])
        compared += [Comparison(**{**one.__dict__, "p_holm": p}) for one, p in zip(tested, corrected, strict=True)]
    return compared


def _tested(action: str, group_a: str, group_b: str, a: Floats, b: Floats) -> Comparison:
    from scipy import stats

    p = None
    if min(len(a), len(b)) >= FEWEST and np.unique(np.concatenate((a, b))).size > 1:
        p = float(stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=True).pvalue)
    low = high = None
    if min(len(a), len(b)) >= 2 and np.var(a) + np.var(b) > 0:
        test = stats.ttest_ind(a, b, equal_var=False)
        if test.df >= 4:
            interval = test.confidence_interval(0.95)
            low, high = float(interval.low), float(interval.high)
    return Comparison(action, group_a, group_b, len(a), len(b), float(a.mean() - b.mean()), low, high, p)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Return p values corrected by Holm (1979) for the number of tests; None stays None and does not count."""
    order = sorted((value, position) for position, value in enumerate(p) if value is not None)
    corrected: list[float | None] = [None] * len(p)
    highest = 0.0
    for place, (value, position) in enumerate(order):
        highest = max(highest, min(1.0, value * (len(order) - place)))
        corrected[position] = highest
    return corrected


def interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of a mean by Student's t; NaN for fewer than two values."""
    from scipy import stats

    array = np.asarray(values, float)
    if len(array) < 2:
        return float("nan"), float("nan")
    half = float(stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array)))
    return float(array.mean() - half), float(array.mean() + half)
