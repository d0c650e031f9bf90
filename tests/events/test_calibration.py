"""Calibration: what was distorted is found again, order is kept, few bouts move little, the round trip."""

from dataclasses import replace

import numpy as np
import pytest

from etholake.errors import ContractError
from etholake.evaluation.probabilities import judge
from etholake.events.calibration import Calibration, fit
from etholake.events.types import Event, PairScores

LABELED = {1: {(1, 2, "chase"), (1, 2, "sniff")}, 2: {(1, 2, "chase"), (1, 2, "sniff")}}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def world(seed: int, n_bouts: int, slope: float, offset: float, video: int = 1) -> tuple[PairScores, list[Event]]:
    """Each frame is true with probability q; the model's probability is sigmoid(slope·logit q + offset)."""
    random = np.random.default_rng(seed)
    logit = random.normal(-1, 2, 3 * n_bouts)
    true = random.random(len(logit)) < sigmoid(logit)
    events = [Event(video, 1, 2, "chase", int(2 * f), int(2 * f + 1)) for f in np.flatnonzero(true)]
    probabilities = np.full((2 * len(logit), 2), np.nan, "f4")
    probabilities[::2, 0] = sigmoid(slope * logit + offset)
    return PairScores(video, "north", 30.0, 1, 2, 0, ("chase", "sniff"), probabilities), events


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (2.5, 1.0), (0.5, -1.5)])
def test_a_distortion_is_undone(slope: float, offset: float) -> None:
    pair, events = world(0, 20_000, slope, offset)
    calibration = fit([pair], events, LABELED)
    assert calibration.values["chase"] == pytest.approx((1 / slope, -offset / slope), abs=0.06)
    assert "sniff" not in calibration.values  # no frame of it was predicted
    test, truth = world(1, 20_000, slope, offset)
    before, after = (judge([p], truth, LABELED)["north", "chase"] for p in (test, calibration.apply(test)))
    assert after.calibration_error < 0.01
    assert after.calibration_error <= before.calibration_error + 0.002
    assert after.average_precision == pytest.approx(before.average_precision, abs=1e-3)


def test_with_many_bouts_it_is_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    pair, events = world(2, 5000, 1.7, -0.4)
    p = pair.probabilities_TA[::2, 0].astype(float)
    y = np.isin(np.arange(len(p)) * 2, [e.start_frame for e in events])
    model = LogisticRegression(C=1e9).fit(np.log(p / (1 - p))[:, None], y)
    expected = (model.coef_[0, 0], model.intercept_[0])
    assert fit([pair], events, LABELED).values["chase"] == pytest.approx(expected, abs=0.02)


def test_few_bouts_move_little() -> None:
    """The model is right; three events must not change it, hundreds may."""
    for n, limit in ((3, 0.6), (300, 0.25)):
        offsets = [
            fit([pair], events, LABELED).values["chase"] for pair, events in (world(s, n, 1, 0) for s in range(30))
        ]
        assert np.abs(np.array(offsets) - [1, 0]).mean() < limit


def test_frames_of_one_bout_are_one_piece_of_evidence() -> None:
    """One bout of a thousand frames counts no more than one of ten."""
    calibrations = []
    for n in (10, 1000):
        p = np.full((3 * n, 2), 0.3, "f4")
        pair = PairScores(1, "north", 30.0, 1, 2, 0, ("chase", "sniff"), p)
        calibrations.append(fit([pair], [Event(1, 1, 2, "chase", 0, n)], LABELED).values["chase"])
    assert calibrations[0] == pytest.approx(calibrations[1])
    assert abs(calibrations[0][1]) < 0.2


def test_order_missing_and_unknown_stay_as_they_are() -> None:
    p = np.array([[0.1, 0.1], [0.6, 0.6], [np.nan, np.nan], [1.0, 1.0], [0.0, 0.0]], "f4")
    pair = PairScores(1, "north", 30.0, 1, 2, 7, ("chase", "sniff"), p)
    made = Calibration({"chase": (3.0, -1.0)}).apply(pair).probabilities_TA
    assert made.dtype == np.float32
    assert np.argsort(made[[0, 1, 3, 4], 0]).tolist() == np.argsort(p[[0, 1, 3, 4], 0]).tolist()
    assert np.isnan(made[2]).all()
    assert made[[0, 1], 1] == pytest.approx([0.1, 0.6])
    assert Calibration().apply(pair) is pair


def test_a_lab_has_its_own_fit_where_it_has_events() -> None:
    """Two labs whose probabilities are distorted in opposite ways are both undone; another has the common fit."""
    north, truth = world(3, 5000, 1, 1.5)
    south, more = world(4, 5000, 1, -1.5, video=2)
    south = replace(south, lab_id="south")
    fitted = fit([north, south], truth + more, LABELED)
    assert fitted.get("north", "chase") == pytest.approx((1, -1.5), abs=0.1)
    assert fitted.get("south", "chase") == pytest.approx((1, 1.5), abs=0.1)
    assert fitted.get("elsewhere", "chase") == fitted.values["chase"]
    assert abs(fitted.values["chase"][1]) < 0.5  # between the two
    few, bout = world(5, 3, 1, 3.0, video=2)
    shrunk = fit([north, replace(few, lab_id="south")], truth + bout, LABELED)
    own, common = shrunk.get("south", "chase"), shrunk.values["chase"]
    assert np.abs(np.array(own) - common).max() < 1.5  # three events do not show a shift of 4.5


def test_round_trip_and_refusals() -> None:
    before = Calibration({"chase": (1.5, -0.25)}, {("north", "chase"): (2.0, 0.5)})
    assert Calibration.from_dict(before.to_dict()) == before
    for fits in ([], {"chase": 1}, {"chase": [1, 2, 3]}, {"chase": ["x", 0]}):
        with pytest.raises(ContractError, match="Expected a calibration as"):
            Calibration.from_dict({"actions": fits, "labs": {}})
    for slope in (0.0, -1.0, float("nan")):
        with pytest.raises(ContractError, match="a slope above 0"):
            Calibration({"chase": (slope, 0.0)})
