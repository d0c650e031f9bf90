"""Fitting thresholds: cases whose optimum is known, shrinkage of rare actions, the round trip through JSON."""

import numpy as np
import pytest

from etholake.errors import ContractError
from etholake.events.thresholds import DEFAULT, NEVER, Thresholds, fit
from etholake.events.types import Event, PairScores

WHITELIST = {1: {(1, 2, "chase"), (1, 2, "sniff")}}


def scores(
    chase: list[float], sniff: list[float] | None = None, *, lab: str = "north", fps: float = 1.0
) -> PairScores:
    table = np.array([chase, sniff or [0.0] * len(chase)], "f4").T
    return PairScores(1, lab, fps, 1, 2, 100, ("chase", "sniff"), table)


def test_it_finds_the_threshold_that_separates():
    pair = scores([0.1] * 900 + [0.3] * 100)  # true where 0.3; nothing else comes between
    fitted = fit([pair], [Event(1, 1, 2, "chase", 1000, 1100)], WHITELIST, smoothing_s=0.0)
    assert 0.1 < fitted.get("north", "chase") <= 0.3
    assert 0.1 < fitted.default <= 0.3


def test_f1_is_pooled_over_the_pairs_of_a_lab():
    # Alone, the second pair would want a threshold above 0.4; pooled, its 10 false frames are worth the 100 true.
    one = scores([0.4] * 100 + [0.0] * 100)
    two = PairScores(2, "north", 1.0, 1, 2, 0, ("chase",), np.array([[0.4] * 10 + [0.9] * 10], "f4").T)
    truth = [Event(1, 1, 2, "chase", 100, 200), Event(2, 1, 2, "chase", 10, 20)]
    fitted = fit([one, two], truth, {**WHITELIST, 2: {(1, 2, "chase")}}, smoothing_s=0.0)
    assert fitted.get("north", "chase") <= 0.4


def test_a_rare_action_stays_near_the_default():
    common = scores([0.1] * 900 + [0.3] * 100, fps=1.0)
    rare = PairScores(2, "south", 30.0, 1, 2, 0, ("sniff",), np.array([[0.1] * 600 + [0.9] * 3], "f4").T)
    truth = [Event(1, 1, 2, "chase", 1000, 1100), Event(2, 1, 2, "sniff", 600, 603)]
    fitted = fit([common, rare], truth, {**WHITELIST, 2: {(1, 2, "sniff")}}, smoothing_s=0.0)
    assert fitted.get("south", "sniff") == pytest.approx(fitted.default, abs=0.05)


def test_without_truth_or_scores_the_default_stands():
    assert fit([], [], {}) == Thresholds(DEFAULT, {})
    assert fit([scores([0.4] * 50)], [], WHITELIST).get("north", "chase") == DEFAULT


def test_scores_outside_the_whitelist_are_not_used():
    assert fit([scores([0.9] * 50)], [Event(1, 1, 2, "chase", 100, 150)], {1: set()}).values == {}


def test_actions_that_do_not_occur_in_a_lab_are_never_predicted():
    fitted = fit(
        [scores([0.1] * 50)], [Event(1, 1, 2, "chase", 100, 110)], WHITELIST, occurring={"north": {"chase"}}
    )
    assert fitted.get("north", "sniff") == NEVER
    assert fitted.get("north", "chase") < 1
    assert fitted.get("elsewhere", "sniff") == fitted.default


def test_json_round_trip():
    before = Thresholds(0.4, {("north", "chase"): 0.25, ("south", "a b"): NEVER})
    assert Thresholds.from_json(before.to_json()) == before
    assert before.to_json() == '{"default": 0.4, "labs": {"north": {"chase": 0.25}, "south": {"a b": 1.01}}}'


@pytest.mark.parametrize(
    "text", ["", "[]", '{"default": 0.5}', '{"default": "x", "labs": {}}', '{"labs": {"a": 1}}']
)
def test_other_json_is_refused(text: str):
    with pytest.raises(ContractError, match="Expected thresholds as"):
        Thresholds.from_json(text)


@pytest.mark.parametrize("value", [0.0, -1.0, 1.5, float("nan")])
def test_impossible_thresholds_are_refused(value: float):
    with pytest.raises(ContractError, match=r"0 < t <= 1\.01"):
        Thresholds(value)
