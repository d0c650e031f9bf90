"""Mutual actions: found where annotations go both ways, and then both directions say the same."""

from __future__ import annotations

import numpy as np
import pytest

from etholake.errors import ContractError
from etholake.events.mutual import averaged, mutual_actions
from etholake.events.post_processing import PostProcessing, fit
from etholake.events.types import Event, PairScores, mask

T = 1200
STARTS = range(20, T - 40, 100)  # twelve bouts of 30 frames
WAYS = ((1, 2), (2, 1))


def huddles(agent: int, target: int, action: str = "huddle", video: int = 7, late: int = 0) -> list[Event]:
    return [Event(video, agent, target, action, s + late, s + late + 30) for s in STARTS]


def scores(agent: int, target: int, values: list[list[float]], actions: tuple[str, ...]) -> PairScores:
    return PairScores(7, "north", 30.0, agent, target, 0, actions, np.array(values, dtype=np.float32))


def test_what_both_directions_hold_is_mutual() -> None:
    labs = {7: "north", 8: "south"}
    both = [*huddles(1, 2), *huddles(2, 1)]
    assert mutual_actions(both, labs) == {("north", "huddle")}
    assert mutual_actions([*both, *huddles(1, 2, video=8)], labs) == {("north", "huddle")}
    assert mutual_actions(huddles(1, 2), labs) == frozenset()
    assert mutual_actions([*huddles(1, 2), *huddles(2, 1, late=2)], labs) == frozenset()  # 28 of 30 frames
    assert mutual_actions([*huddles(1, 1), *huddles(2, 2)], labs) == frozenset()  # self actions, at the same time
    assert mutual_actions([*huddles(1, 2)[:9], *huddles(2, 1)[:9]], labs) == frozenset()  # too few to tell
    assert mutual_actions([], labs) == frozenset()


def test_both_directions_get_the_mean_of_the_mutual_action() -> None:
    pairs = [
        scores(1, 2, [[0.2, 0.5], [np.nan, 0.5]], ("huddle", "chase")),
        scores(2, 1, [[0.9, 0.6], [0.1, 0.4]], ("chase", "huddle")),
        scores(1, 1, [[0.3], [0.3]], ("huddle",)),
    ]
    one, two, alone = averaged(pairs, {("north", "huddle")})
    np.testing.assert_allclose(one.probabilities_TA, [[0.4, 0.5], [0.4, 0.5]])
    np.testing.assert_allclose(two.probabilities_TA, [[0.9, 0.4], [0.1, 0.4]])
    assert alone is pairs[2]
    assert averaged(pairs, {("south", "huddle")}) == pairs
    assert averaged(pairs[:1], {("north", "huddle")}) == pairs[:1]


def test_fitted_decisions_give_both_animals_the_same_events() -> None:
    random = np.random.default_rng(0)
    truth = [e for agent, target in WAYS for e in huddles(agent, target)]
    noisy = [
        np.clip(mask(huddles(a, t), 0, T) * 0.5 + random.normal(0.25, 0.25, T), 0, 1)[:, None] for a, t in WAYS
    ]
    pairs = [scores(*way, x.tolist(), ("huddle",)) for way, x in zip(WAYS, noisy, strict=True)]
    labeled = {(*way, "huddle") for way in WAYS}
    decisions = fit(pairs, truth, {7: labeled})
    assert decisions.mutual == {("north", "huddle")}
    spans = [
        {(e.start_frame, e.stop_frame) for e in decisions.events(pairs, labeled) if e.agent_id == agent}
        for agent, _ in WAYS
    ]
    assert spans[0] == spans[1] != set()
    again = PostProcessing.from_dict(decisions.to_dict())
    assert again.mutual == decisions.mutual
    older = {key: value for key, value in decisions.to_dict().items() if key != "mutual"}
    assert PostProcessing.from_dict(older).mutual == frozenset()
    with pytest.raises(ContractError, match="Expected post-processing with"):
        PostProcessing.from_dict(decisions.to_dict() | {"mutual": [["north"]]})
