"""The interval of a difference: both scores are drawn from the same videos."""

from __future__ import annotations

import numpy as np
import pytest

from etholake.evaluation.bootstrap import paired_difference, uncertainty

LABS = {1: "A", 2: "A", 3: "A", 4: "A"}


def frames(*true: int) -> dict[tuple[int, str], np.ndarray]:
    """TP, FP, FN of one action in four videos of 100 annotated frames."""
    return {(video, "chase"): np.array([tp, 0, 100 - tp]) for video, tp in enumerate(true, start=1)}


def test_what_is_better_on_every_video_is_surely_better() -> None:
    """Scores scatter by video much more than their difference does."""
    worse, better = frames(10, 40, 60, 90), frames(15, 45, 65, 95)
    low, high = paired_difference(better, worse, LABS)  # type: ignore[misc]
    assert 0 < low < high < 0.1
    apart = [uncertainty(one, LABS).score for one in (worse, better)]
    assert apart[0][1] > apart[1][0]  # type: ignore[index]  # the intervals of the scores themselves overlap


def test_the_sign_is_that_of_the_first_and_equals_have_none() -> None:
    low, high = paired_difference(frames(10, 40, 60, 90), frames(15, 45, 65, 95), LABS)  # type: ignore[misc]
    assert low < high < 0
    assert paired_difference(frames(10, 40, 60, 90), frames(10, 40, 60, 90), LABS) == (0.0, 0.0)


def test_a_model_that_predicts_nothing_has_a_score_of_zero() -> None:
    low, high = paired_difference(frames(50, 50, 50, 50), {}, LABS)  # type: ignore[misc]
    assert low == high == pytest.approx(100 / 150)


def test_with_one_video_a_lab_it_is_not_known() -> None:
    assert paired_difference({(1, "chase"): np.ones(3)}, {(1, "chase"): np.ones(3)}, {1: "A"}) is None
