"""Fitting thresholds: cases whose optimum is known, shrinkage of rare actions, the round trip through JSON."""

from dataclasses import replace

import numpy as np
import pytest

from etholake.errors import ContractError
from etholake.events.thresholds import ANY, DEFAULT, NEVER, Thresholds, fit
from etholake.events.types import Event, PairScores

LABELED = {1: {(1, 2, "chase"), (1, 2, "sniff")}}


def scores(
    chase: list[float], sniff: list[float] | None = None, *, lab: str = "north", fps: float = 1.0
) -> PairScores:
    table = np.array([chase, sniff or [0.0] * len(chase)], "f4").T
    return PairScores(1, lab, fps, 1, 2, 100, ("chase", "sniff"), table)


def test_it_finds_the_threshold_that_separates():
    pair = scores([0.1] * 900 + [0.3] * 100)  # true where 0.3; nothing else comes between
    fitted = fit([pair], [Event(1, 1, 2, "chase", 1000, 1100)], LABELED, smoothing_s=0.0)
    assert 0.1 < fitted.get("north", "chase") <= 0.3
    assert 0.1 < fitted.default <= 0.3


def test_f1_is_pooled_over_the_pairs_of_a_lab():
    # Alone, the second pair would want a threshold above 0.4; pooled, its 10 false frames are worth the 100 true.
    one = scores([0.4] * 100 + [0.0] * 100)
    two = PairScores(2, "north", 1.0, 1, 2, 0, ("chase",), np.array([[0.4] * 10 + [0.9] * 10], "f4").T)
    truth = [Event(1, 1, 2, "chase", 100, 200), Event(2, 1, 2, "chase", 10, 20)]
    fitted = fit([one, two], truth, {**LABELED, 2: {(1, 2, "chase")}}, smoothing_s=0.0)
    assert fitted.get("north", "chase") <= 0.4


def test_one_bout_is_shrunk_towards_what_holds_elsewhere():
    common = scores([0.1] * 900 + [0.3] * 100, fps=1.0)
    rare = PairScores(2, "south", 30.0, 1, 2, 0, ("sniff",), np.array([[0.1] * 600 + [0.9] * 3], "f4").T)
    truth = [Event(1, 1, 2, "chase", 1000, 1100), Event(2, 1, 2, "sniff", 600, 603)]
    fitted = fit([common, rare], truth, {**LABELED, 2: {(1, 2, "sniff")}}, smoothing_s=0.0)
    middle = (0.11 + 0.90) / 2  # of the thresholds that separate
    assert fitted.default == pytest.approx(0.2, abs=0.02)
    assert fitted.get("south", "sniff") == pytest.approx((middle + 2 * fitted.default) / 3, abs=0.01)


def examples(
    random: np.random.Generator, n: int, video: int, lab: str, action: str
) -> tuple[PairScores, list[Event]]:
    """n bouts of ten frames among five times as many others; bouts, and groups of five, differ in plainness."""
    probabilities, truth, at = [], [], 0
    for first in range(0, n, 5):
        size = min(5, n - first)
        true = np.r_[np.tile(np.r_[np.ones(10), np.zeros(10)], size), np.zeros(40 * size)]
        bout = np.repeat(random.normal(0, 1, len(true) // 10), 10)
        probabilities.append(random.normal(0, 0.7) - 2.5 + 3 * true + bout + random.normal(0, 0.7, len(true)))
        truth += [Event(video, 1, 2, action, at + 20 * i, at + 20 * i + 10) for i in range(size)]
        at += len(true)
    p = 1 / (1 + np.exp(-np.concatenate(probabilities)))
    return PairScores(video, lab, 30.0, 1, 2, 0, (action,), p[:, None].astype("f4")), truth


def f_at(threshold: float, pair: PairScores, truth: list[Event]) -> float:
    predicted = pair.probabilities_TA[:, 0] >= threshold
    true = np.zeros(len(predicted), bool)
    for e in truth:
        true[e.start_frame : e.stop_frame] = True
    return 2 * (predicted & true).sum() / (predicted.sum() + true.sum())


@pytest.mark.parametrize(("n", "gain"), [(3, 0.02), (8, 0.01), (30, 0.002)])
def test_rare_actions_do_better_on_new_videos_than_by_their_own_optimum(n: int, gain: float):
    """Mean over 60 simulated labs; with many bouts the threshold is the optimum's equal."""
    gains = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        common, truth = examples(random, 150, 1, "north", "chase")
        rare, few = examples(random, n, 2, "south", "sniff")
        labeled = {1: {(1, 2, "chase")}, 2: {(1, 2, "sniff")}}
        fitted = fit([common, rare], truth + few, labeled, smoothing_s=0.0)
        grid = np.arange(0.01, 0.99, 0.01)
        own = grid[np.argmax([f_at(t, rare, few) for t in grid])]
        fresh, later = examples(random, 200, 3, "south", "sniff")
        gains.append(f_at(fitted.get("south", "sniff"), fresh, later) - f_at(float(own), fresh, later))
    assert np.mean(gains) > gain
    assert np.mean(gains) > 2 * np.std(gains) / len(gains) ** 0.5  # beyond chance


def test_an_action_of_another_lab_is_the_prior_and_stands_in_for_unknown_labs():
    random = np.random.default_rng(0)
    north, truth = examples(random, 100, 1, "north", "chase")
    low = replace(north, probabilities_TA=north.probabilities_TA / 3)  # the same model with lower probabilities
    south = PairScores(2, "south", 30.0, 1, 2, 0, ("chase",), np.zeros((50, 1), "f4"))
    labeled = {1: {(1, 2, "chase")}, 2: {(1, 2, "chase")}}
    fitted = fit([low, south], truth, labeled, smoothing_s=0.0)
    assert fitted.get("north", "chase") < 0.3
    assert fitted.get("south", "chase") == pytest.approx(fitted.get("north", "chase"), abs=0.03)
    assert fitted.get("elsewhere", "chase") == fitted.get(ANY, "chase") < 0.3
    assert fitted.get("elsewhere", "sniff") == fitted.default
    assert fitted.spread("north", "chase") == pytest.approx(low.probabilities_TA.std(), abs=1e-4)
    assert fitted.spread("elsewhere", "sniff") == 1.0
    assert Thresholds.from_dict(fitted.to_dict()).spread("north", "chase") == pytest.approx(
        fitted.spread("north", "chase"), abs=1e-4
    )


def test_without_truth_or_scores_the_default_stands():
    assert fit([], [], {}) == Thresholds(DEFAULT, {})
    assert fit([scores([0.4] * 50)], [], LABELED).get("north", "chase") == DEFAULT


def test_scores_outside_the_whitelist_are_not_used():
    assert fit([scores([0.9] * 50)], [Event(1, 1, 2, "chase", 100, 150)], {1: set()}).values == {}


def test_actions_that_do_not_occur_in_a_lab_are_never_predicted():
    fitted = fit(
        [scores([0.1] * 50)], [Event(1, 1, 2, "chase", 100, 110)], LABELED, occurring={"north": {"chase"}}
    )
    assert fitted.get("north", "sniff") == NEVER
    assert fitted.get("north", "chase") < 1
    assert fitted.get("elsewhere", "sniff") == fitted.default


def test_json_round_trip():
    before = Thresholds(0.4, {("north", "chase"): 0.25, ("south", "a b"): NEVER})
    assert Thresholds.from_dict(before.to_dict()) == before
    assert before.to_dict() == {"default": 0.4, "labs": {"north": {"chase": 0.25}, "south": {"a b": 1.01}}}


@pytest.mark.parametrize("data", ["", [], {"default": 0.5}, {"default": "x", "labs": {}}, {"labs": {"a": 1}}])
def test_other_json_is_refused(data: object):
    with pytest.raises(ContractError, match="Expected thresholds as"):
        Thresholds.from_dict(data)


@pytest.mark.parametrize("value", [0.0, -1.0, 1.5, float("nan")])
def test_impossible_thresholds_are_refused(value: float):
    with pytest.raises(ContractError, match=r"0 < t <= 1\.01"):
        Thresholds(value)


def test_impossible_spreads_are_refused():
    with pytest.raises(ContractError, match="must be above 0"):
        Thresholds(0.5, {}, {("north", "chase"): 0.0})
