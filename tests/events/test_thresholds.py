"""Thresholds: the nearest entry counts, the round trip through JSON, refusals."""

import pytest

from etholake.errors import ContractError
from etholake.events.thresholds import ANY, NEVER, Thresholds


def test_a_lab_without_an_entry_has_that_of_any_lab_then_the_default():
    limits = Thresholds(0.4, {("north", "chase"): 0.25, (ANY, "chase"): 0.3}, {(ANY, "chase"): 0.1})
    assert [limits.get(lab, "chase") for lab in ("north", "south")] == [0.25, 0.3]
    assert limits.get("north", "sniff") == 0.4
    assert (limits.spread("north", "chase"), limits.spread("north", "sniff")) == (0.1, 1.0)


def test_json_round_trip():
    before = Thresholds(0.4, {("north", "chase"): 0.25, ("south", "a b"): NEVER})
    assert Thresholds.from_dict(before.to_dict()) == before
    small = Thresholds(0.4, {}, {("north", "chase"): 0.000012345})  # the spread of a rare action keeps its digits
    assert Thresholds.from_dict(small.to_dict()) == small
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
