"""A configuration is left out of an ensemble only if the videos leave no doubt that it spoils the score."""

from __future__ import annotations

from typing import Any

import numpy as np

from etholake.training.choice import OutOfFold, choose

ALL, TREES = ("trees", "network"), ("trees",)
LABS = dict.fromkeys(range(6), "north") | {6: "south"}


def result(right: list[int], score: float) -> OutOfFold:
    """Return a result in which so many of 100 frames of each video are found, and none is false."""
    frames: dict[tuple[int, str], Any] = {(v, "chase"): np.array([n, 0, 100 - n]) for v, n in enumerate(right)}
    return OutOfFold(score, frames)


def test_what_is_better_on_every_video_is_kept_alone() -> None:
    kept, sentence = choose({ALL: result([50] * 7, 0.7), TREES: result([60] * 7, 0.75)}, LABS)
    assert kept == TREES
    assert sentence == "out-of-fold scores: trees with network 0.700, trees 0.750; trees trained on everything"


def test_a_gain_that_one_video_makes_may_be_chance() -> None:
    one_video = {ALL: result([50] * 7, 0.7), TREES: result([49, 49, 49, 49, 49, 95, 50], 0.75)}
    kept, sentence = choose(one_video, LABS)
    assert kept == ALL
    assert sentence.endswith(
        "trees with network trained on everything, because +0.050 for trees may be chance on so few videos"
    )


def test_a_lab_of_one_video_decides_nothing() -> None:
    kept, _ = choose({ALL: result([50] * 7, 0.7), TREES: result([50] * 6 + [100], 0.75)}, LABS)
    assert kept == ALL
    alone = {0: "north"}
    kept, _ = choose({ALL: result([50], 0.7), TREES: result([90], 0.75)}, alone)
    assert kept == ALL


def test_a_small_gain_leaves_none_out() -> None:
    kept, sentence = choose({ALL: result([50] * 7, 0.7), TREES: result([60] * 7, 0.715)}, LABS)
    assert kept == ALL
    assert "chance" not in sentence
