"""The stack: it repairs what a base does wrong, sees only other folds, and refuses what it was not trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.labelled import LabelledVideo, whole_spans
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import ContractError, DataError
from etholake.evaluation.probabilities import judge
from etholake.events.post_processing import PostProcessing
from etholake.events.types import Event, PairScores, mask
from etholake.models.archive import META, load_model
from etholake.models.boosted.config import BoostedConfig
from etholake.models.boosted.forest import fit as fit_trees
from etholake.models.ensemble.model import average
from etholake.models.stacking.model import StackingModel
from etholake.models.stacking.trees import StackingTrees, fit, out_of_fold

SMALL = BoostedConfig(rounds=15, depth=2, eta=0.4, colsample=0.5, min_child_weight=5.0, max_rows=2000)
LABELED = ((1, 2, "chase"), (1, 1, "rest"))
T, BOUT = 900, 45


def video(number: int, lab: str = "north") -> LabelledVideo:
    random = np.random.default_rng(number)
    xy = np.cumsum(random.normal(0, 0.1, (T, 2, len(UNIFIED_PARTS), 2)), axis=0).astype("f4")
    starts = np.sort(random.choice(np.arange(0, T - BOUT, 2 * BOUT), 6, replace=False))
    events = tuple(
        Event(number, 1, 2 if i % 2 else 1, "chase" if i % 2 else "rest", int(s), int(s) + BOUT)
        for i, s in enumerate(starts)
    )
    meta = VideoMeta(number, lab, 30.0, 10.0, labeled_behaviors=LABELED)
    return LabelledVideo(PoseTracks(meta, xy, np.isfinite(xy[..., 0]), (1, 2), 0, T), events)


def base(videos: list[LabelledVideo], seed: int, noise: float = 2.5) -> list[PairScores]:
    """A model that is late by 20 frames, and noisy on every frame."""
    scores = []
    for v in videos:
        random = np.random.default_rng([seed, v.tracks.video_id])
        for agent, target, action in LABELED:
            true = mask([e for e in v.events if e.action == action], 0, T)
            logit = np.roll(4.0 * true, 20) - 2 + noise * random.normal(size=T)
            p = (1 / (1 + np.exp(-logit))).astype("f4")[:, None]
            scores.append(PairScores(v.tracks.video_id, v.tracks.lab_id, 30.0, agent, target, 0, (action,), p))
    return scores


@pytest.fixture(scope="module")
def videos() -> list[LabelledVideo]:
    return [video(n) for n in range(1, 5)]


@pytest.fixture(scope="module")
def bases(videos: list[LabelledVideo]) -> list[list[PairScores]]:
    return [base(videos, seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def stack(videos: list[LabelledVideo], bases: list[list[PairScores]]) -> StackingTrees:
    return fit(videos[:3], bases, SMALL)


def precision(pairs: list[PairScores], videos: list[LabelledVideo]) -> float:
    labeled = {v.tracks.video_id: set(LABELED) for v in videos}
    measures = judge(pairs, [e for v in videos for e in v.events], labeled)
    return float(np.mean([x.average_precision for x in measures.values()]))


def halves(videos: list[LabelledVideo]) -> list[list[Span]]:
    spans = whole_spans(videos)
    return [spans[:2], spans[2:]]


def test_out_of_fold_it_is_better_than_its_bases(
    videos: list[LabelledVideo], bases: list[list[PairScores]]
) -> None:
    stacked = [pair for fold in out_of_fold(videos, bases, halves(videos), SMALL) for pair in fold]
    assert sorted({p.video_id for p in stacked}) == [1, 2, 3, 4]
    assert all(p.probabilities_TA.shape == (T, 1) for p in stacked)
    assert precision(stacked, videos) > max(precision(b, videos) for b in bases) + 0.15


def test_where_nothing_can_be_told_it_is_the_mean_of_log_odds(
    videos: list[LabelledVideo], bases: list[list[PairScores]]
) -> None:
    """A single video does not show whether a correction holds for others."""
    tracks = videos[3].tracks
    mean = average([[p for p in scores if p.video_id == 4] for scores in bases], "logit")
    scores = fit(videos[:1], bases, SMALL).predict(tracks, bases)
    assert {p.actions for p in scores} == {("chase",), ("rest",)}
    for pair in scores:
        (plain,) = (p for p in mean if p.target_id == pair.target_id)
        np.testing.assert_allclose(pair.probabilities_TA, plain.probabilities_TA, atol=1e-5)
    corrected = fit(videos[:3], bases, SMALL).predict(tracks, bases)
    assert np.abs(corrected[0].probabilities_TA - scores[0].probabilities_TA).max() > 0.1


@pytest.mark.slow
def test_labels_of_a_fold_do_not_reach_its_own_scores(
    videos: list[LabelledVideo], bases: list[list[PairScores]]
) -> None:
    """Turning the labels of the held-out fold upside down changes nothing of what is said about it."""
    turned = [
        replace(v, events=(Event(v.tracks.video_id, 1, 2, "chase", 0, T),)) if v.tracks.video_id in {3, 4} else v
        for v in videos
    ]
    one, two = (
        {(p.video_id, p.actions): p.probabilities_TA for f in out_of_fold(x, bases, halves(x), SMALL) for p in f}
        for x in (videos, turned)
    )
    for video_id in (3, 4):
        for action in ("chase", "rest"):
            np.testing.assert_array_equal(one[video_id, (action,)], two[video_id, (action,)])
    assert (one[1, ("chase",)] != two[1, ("chase",)]).any()  # whose stack did see those labels


def test_a_base_that_says_little_of_a_frame_is_borne(
    stack: StackingTrees, videos: list[LabelledVideo], bases: list[list[PairScores]]
) -> None:
    tracks = videos[3].tracks
    short = [replace(p, first_frame=200, probabilities_TA=p.probabilities_TA[200:400]) for p in bases[0]]
    for pair in stack.predict(tracks, [short, bases[1]]):
        assert np.isfinite(pair.probabilities_TA).all()
    only_chase = [p for p in bases[0] if p.actions == ("chase",)]
    assert {p.actions for p in stack.predict(tracks, [only_chase, bases[1]])} == {("chase",), ("rest",)}


def test_what_it_cannot_stand_on_is_refused(
    stack: StackingTrees, videos: list[LabelledVideo], bases: list[list[PairScores]]
) -> None:
    with pytest.raises(ContractError, match="has 2 base models, but got scores of 1"):
        stack.predict(videos[3].tracks, bases[:1])
    with pytest.raises(DataError, match="base 2 has none of video 4"):
        fit(videos, [bases[0], [p for p in bases[1] if p.video_id != 4]], SMALL)
    with pytest.raises(DataError, match="needs out-of-fold probabilities of every base"):
        fit(videos, [], SMALL)


@pytest.mark.slow
def test_with_its_bases_it_is_a_model_that_is_stored_and_read_again(
    videos: list[LabelledVideo], tmp_path: Path
) -> None:
    below = [fit_trees(videos[:2], config=SMALL), fit_trees(videos[:1], config=SMALL)]
    scores = [[pair for v in videos for pair in base.predict(v.tracks)] for base in below]
    model = StackingModel(fit(videos, scores, SMALL), tuple(below), details={"seed": 3})
    tracks = videos[3].tracks
    assert model.lab_actions == {"north": ["chase", "rest"]}
    expected = model.stack.predict(tracks, [base.predict(tracks) for base in below])
    model.save(tmp_path)
    again = load_model(tmp_path)
    assert isinstance(again, StackingModel)
    assert (again.stack.n_bases, again.stack.config, again.details) == (2, SMALL, {"seed": 3})
    for a, b in zip(expected, again.predict(tracks), strict=True):
        np.testing.assert_array_equal(a.probabilities_TA, b.probabilities_TA)
    assert again.events(tracks) == PostProcessing().events(expected, set(LABELED))
    meta = json.loads((tmp_path / META).read_text())
    (tmp_path / META).write_text(json.dumps(meta | {"bases": None}))
    with pytest.raises(ContractError, match="expected bases ≥ 1, but got None"):
        load_model(tmp_path)
