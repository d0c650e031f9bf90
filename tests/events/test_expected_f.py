"""Thresholds of the highest expected score: against every other pair of thresholds, on rare actions, by lab."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from etholake.events import metric
from etholake.events.expected_f import Evidence, fit
from etholake.events.post_processing import PostProcessing
from etholake.events.post_processing import fit as fit_all
from etholake.events.thresholds import ANY, NEVER
from etholake.events.types import Event, PairScores

ACTIONS = ("chase", "sniff")
LABELED = {(1, 2, action) for action in ACTIONS}


def evidence(*pairs: PairScores) -> Evidence:
    collected = Evidence()
    for pair in pairs:
        collected.add(pair, LABELED)
    return collected


def calibrated(
    seed: int, n: int = 20_000, chase: float = -3.0, sniff: float = -1.0, lab: str = "north"
) -> PairScores:
    """Two actions that compete for frames; of each the probabilities are those of a calibrated classifier."""
    random = np.random.default_rng(seed)
    z = random.normal((0.0, chase, sniff), 1.5, (n, 3))
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return PairScores(seed, lab, 2.0, 1, 2, 0, ACTIONS, p[:, 1:].astype("f4"))


def expected_score(p_NA: np.ndarray, limits: tuple[float, float], spreads: tuple[float, float]) -> float:
    margin = (p_NA - limits) / spreads
    action = np.where(margin.max(axis=1) > 0, margin.argmax(axis=1), -1)
    f = [2 * p_NA[action == a, a].sum() / ((action == a).sum() + p_NA[:, a].sum()) for a in (0, 1)]
    return float(np.mean(f))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_other_thresholds_or_weights_have_a_higher_expected_score(seed: int) -> None:
    pair = calibrated(seed)
    limits = fit(evidence(pair))
    p = pair.probabilities_TA.astype(float)
    own = expected_score(
        p, tuple(limits.get("north", a) for a in ACTIONS), tuple(limits.spread("north", a) for a in ACTIONS)
    )
    grid = [(t, u, w) for t, u in product(np.arange(0.05, 0.6, 0.05), repeat=2) for w in (0.1, 0.3, 1.0, 3.0)]
    assert own >= max(expected_score(p, (t, u), (1.0, w)) for t, u, w in grid) - 1e-3


def test_the_threshold_of_an_action_alone_is_half_its_expected_f() -> None:
    p = np.array([[0.8] * 100 + [0.1] * 900], "f4").T
    limits = fit(evidence(PairScores(1, "north", 2.0, 1, 2, 0, ("chase",), p)))
    best = 2 * 80 / (100 + 80 + 90)  # the 100 frames at 0.8, of 170 that are expected
    assert limits.get("north", "chase") == pytest.approx(best / 2, abs=1e-3)


def test_a_rarer_action_has_a_smaller_spread_and_labs_are_apart() -> None:
    limits = fit(evidence(calibrated(0), calibrated(1, chase=-1.0, sniff=-3.0, lab="south")))
    assert limits.spread("north", "chase") < limits.spread("north", "sniff")
    assert limits.spread("south", "chase") > limits.spread("south", "sniff")
    assert limits.get("elsewhere", "chase") == limits.get(ANY, "chase")


def test_only_what_was_looked_for_and_occurs_is_decided() -> None:
    collected = Evidence()
    collected.add(calibrated(0), {(1, 2, "chase")})
    assert ("north", "sniff") not in fit(collected).values
    collected.add(calibrated(1), {(2, 1, "chase")})
    assert [len(p) for p in collected.groups().values()] == [20_000]
    phantom = fit(evidence(calibrated(0)), {"north": {"chase"}})
    assert phantom.get("north", "sniff") == NEVER
    assert phantom.get("north", "chase") < 0.5
    assert fit(Evidence()).values == {}


def test_an_action_that_is_never_likely_gets_a_usable_threshold() -> None:
    silent = PairScores(1, "north", 2.0, 1, 2, 0, ACTIONS, np.zeros((50, 2), "f4"))
    assert 0 < fit(evidence(silent)).get("north", "chase") < 1


def examples(
    random: np.random.Generator, n: int, video: int, lab: str, action: str
) -> tuple[PairScores, list[Event]]:
    """n bouts of ten frames among five times as many others; bouts, and groups of five, differ in plainness."""
    logits, truth, at = [], [], 0
    for first in range(0, n, 5):
        count = min(5, n - first)
        true = np.r_[np.tile(np.r_[np.ones(10), np.zeros(10)], count), np.zeros(40 * count)]
        bout = np.repeat(random.normal(0, 1, len(true) // 10), 10)
        logits.append(random.normal(0, 0.7) - 2.5 + 3 * true + bout + random.normal(0, 0.7, len(true)))
        truth += [Event(video, 1, 2, action, at + 20 * i, at + 20 * i + 10) for i in range(count)]
        at += len(true)
    p = 1 / (1 + np.exp(-np.concatenate(logits)))
    return PairScores(video, lab, 30.0, 1, 2, 0, (action,), p[:, None].astype("f4")), truth


def f_of(decisions: PostProcessing, pair: PairScores, truth: list[Event], action: str) -> float:
    labeled = {(1, 2, action)}
    events = decisions.events([pair], labeled)
    return metric.pooled(truth, events, {pair.video_id: labeled}, {pair.video_id: pair.lab_id}).score


@pytest.mark.slow
@pytest.mark.parametrize(("n", "gain"), [(3, 0.008), (8, 0.005), (30, -0.002)])
def test_rare_actions_do_better_on_new_videos_than_by_their_own_optimum(n: int, gain: float) -> None:
    """Mean over 40 simulated labs; with many bouts the threshold is the optimum's equal."""
    gains = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        common, truth = examples(random, 150, 1, "north", "chase")
        rare, few = examples(random, n, 2, "south", "sniff")
        labeled = {1: {(1, 2, "chase")}, 2: {(1, 2, "sniff")}}
        fitted = fit_all([common, rare], truth + few, labeled, grid=())
        grid = np.arange(0.02, 0.99, 0.02)
        own_grid = [_with_threshold(fitted, float(t)) for t in grid]
        own = own_grid[int(np.argmax([f_of(d, rare, few, "sniff") for d in own_grid]))]
        fresh, later = examples(random, 200, 3, "south", "sniff")
        gains.append(f_of(fitted, fresh, later, "sniff") - f_of(own, fresh, later, "sniff"))
    assert np.mean(gains) > gain


def _with_threshold(fitted: PostProcessing, threshold: float) -> PostProcessing:
    limits = replace(fitted.thresholds, values={("south", "sniff"): threshold})
    return replace(fitted, thresholds=limits)
