"""Post-processing tuned on held-out scores does better on new videos; without reason it stays simple."""

import numpy as np
import pytest

from etholake.errors import ContractError
from etholake.events import metric
from etholake.events.calibration import Calibration
from etholake.events.decode import DecodeConfig
from etholake.events.post_processing import GRID, PostProcessing, fit
from etholake.events.thresholds import ANY, NEVER, Thresholds
from etholake.events.types import Event, PairScores

ACTIONS = ("chase", "sniff")
PAIR = {(1, 2, action) for action in ACTIONS}
SHORT = tuple(config for config in GRID if config.max_gap_s < 0.1)  # five smoothings


def video(seed: int, number: int, lab: str, bout: int, noise: float) -> tuple[PairScores, list[Event]]:
    """Bouts of `bout` frames of both actions in turn, seen through independent noise on every frame."""
    random = np.random.default_rng([seed, number])
    true, events, at = np.zeros((4000, 2)), [], int(random.integers(50))
    while at + bout < 4000:
        a = int(random.random() < 0.3)
        true[at : at + bout, a] = 1
        events.append(Event(number, 1, 2, ACTIONS[a], at, at + bout))
        at += bout + int(random.integers(20, 120))
    p = 1 / (1 + np.exp(-(4 * true - 2 + noise * random.normal(size=true.shape))))
    return PairScores(number, lab, 30.0, 1, 2, 0, ACTIONS, p.astype("f4")), events


def world(seed: int, **labs: tuple[int, int, float]) -> tuple[list[PairScores], list[Event], dict[int, str]]:
    """lab = (videos, frames of a bout, noise)."""
    pairs, truth, names = [], [], {}
    for lab, (n, bout, noise) in labs.items():
        for _ in range(n):
            number = len(names) + 1
            pair, events = video(seed, number, lab, bout, noise)
            pairs.append(pair)
            truth += events
            names[number] = lab
    return pairs, truth, names


def scored(decisions: PostProcessing, seed: int, **labs: tuple[int, int, float]) -> float:
    pairs, truth, names = world(seed, **labs)
    predicted = [e for pair in pairs for e in decisions.events([pair], PAIR)]
    return metric.pooled(truth, predicted, dict.fromkeys(names, PAIR), names).score


def fitted(seed: int, **labs: tuple[int, int, float]) -> PostProcessing:
    pairs, truth, names = world(seed, **labs)
    return fit(pairs, truth, dict.fromkeys(names, PAIR), grid=SHORT)


def test_noise_is_smoothed_and_new_videos_gain() -> None:
    noisy = {"north": (6, 90, 4.0)}
    tuned = fitted(0, **noisy)
    assert tuned.decoding.smoothing_s >= 0.5
    pairs, truth, names = world(0, **noisy)
    plain = fit(pairs, truth, dict.fromkeys(names, PAIR), grid=())
    assert plain.decoding == DecodeConfig()
    assert scored(tuned, 9, **noisy) > scored(plain, 9, **noisy) + 0.02


def test_without_a_gain_the_base_stays() -> None:
    assert fitted(0, north=(6, 30, 0.5)).decoding == DecodeConfig()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_video_is_judged_with_thresholds_that_suit_it(seed: int) -> None:
    """A lab of one video has no other one that gives thresholds; those of 0.5 chose half a second for seed 1."""
    tuned = fitted(seed, north=(1, 90, 6.0))
    assert tuned.decoding.smoothing_s == 1.5
    assert scored(tuned, 9, north=(6, 90, 6.0)) > 0.8


def test_a_lab_of_its_own_kind_gets_its_own_lengths_if_it_has_enough() -> None:
    labs = {"brief": (8, 6, 0.3), "noisy": (8, 90, 4.5), "few": (2, 90, 4.5)}
    tuned = fitted(1, **labs)
    smoothing = {lab: tuned.lab_decoding.get(lab, tuned.decoding).smoothing_s for lab in labs}
    assert smoothing["brief"] < smoothing["noisy"]
    assert "few" not in tuned.lab_decoding
    common = PostProcessing(tuned.calibration, tuned.thresholds, tuned.decoding)
    assert scored(tuned, 5, **labs) > scored(common, 5, **labs)


def test_phantoms_are_never_predicted_and_the_whitelist_rules() -> None:
    pairs, truth, names = world(2, north=(4, 60, 2.0))
    truth = [e for e in truth if e.action == "chase"]
    decisions = fit(pairs, truth, dict.fromkeys(names, PAIR), grid=(), occurring={"north": {"chase"}})
    assert decisions.thresholds.get("north", "sniff") == NEVER
    events = decisions.events(pairs[:1], PAIR)
    assert {e.action for e in events} == {"chase"}
    assert decisions.events(pairs[:1], {(2, 1, "chase")}) == []


def test_calibration_comes_before_the_thresholds() -> None:
    pairs, truth, names = world(3, north=(4, 60, 1.0))
    labeled_by_video = dict.fromkeys(names, PAIR)
    with_it, without = (fit(pairs, truth, labeled_by_video, grid=(), calibrate=c) for c in (True, False))
    assert set(with_it.calibration.values) == set(ACTIONS)
    assert without.calibration.values == {}
    scores = [scored(d, 4, north=(4, 60, 1.0)) for d in (with_it, without)]
    assert scores[0] > scores[1] + 0.005  # the expected score is true of calibrated probabilities only


def test_nothing_to_fit_on_gives_the_defaults() -> None:
    assert fit([], [], {}, grid=SHORT) == PostProcessing()


def test_a_new_lab_is_decided_on_its_own_and_other_labs_stay() -> None:
    old, new = DecodeConfig(), DecodeConfig(smoothing_s=0.5)
    before = PostProcessing(
        Calibration({"chase": (0.5, 1.0)}),
        Thresholds(0.5, {("north", "chase"): 0.3, (ANY, "chase"): 0.4}, {("north", "chase"): 0.1}),
        old,
        {"north": DecodeConfig(min_length_s=1.0)},
    )
    pairs, truth, names = world(0, south=(6, 90, 4.0))
    after = fit(pairs, truth, dict.fromkeys(names, PAIR), grid=SHORT, before=before)
    assert [after.thresholds.get(lab, "chase") for lab in ("north", "elsewhere")] == [0.3, 0.4]
    assert after.thresholds.get("south", "chase") not in (0.3, 0.4)
    assert after.thresholds.spread("north", "chase") == 0.1
    assert after.calibration.get("north", "chase") == (0.5, 1.0)  # with which north's threshold was fitted
    assert after.calibration.get("south", "chase") not in ((0.5, 1.0), (1.0, 0.0))
    assert (after.decoding, after.lab_decoding["north"]) == (old, before.lab_decoding["north"])
    assert after.lab_decoding["south"].smoothing_s >= new.smoothing_s
    predicted = [e for pair in pairs for e in after.events([pair], PAIR)]
    assert metric.pooled(truth, predicted, dict.fromkeys(names, PAIR), names).score > 0.8


def test_round_trip() -> None:
    before = fitted(1, brief=(8, 6, 0.3), noisy=(8, 90, 4.5))
    after = PostProcessing.from_dict(before.to_dict())
    assert after.to_dict() == before.to_dict()
    assert after.lab_decoding == before.lab_decoding
    with pytest.raises(ContractError, match="Expected post-processing with calibration"):
        PostProcessing.from_dict({"calibration": {"actions": {}, "labs": {}}})
    with pytest.raises(ContractError, match="Expected post-processing with calibration"):
        PostProcessing.from_dict(before.to_dict() | {"decoding": {"speed": 1}})
