"""The baseline of trees: what it learns, memory by parts, storage; its features are in `test_boosted_features`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stiff_mice import BOUT, LABELED, tracks_of, video

from etholake.dataset.labelled import LabelledVideo, whole_spans
from etholake.dataset.split import Span
from etholake.errors import ContractError, DataError
from etholake.events import metric
from etholake.events.post_processing import fit as decide
from etholake.events.types import Event
from etholake.features.rolling import Rolling
from etholake.models.archive import load_model
from etholake.models.boosted import forest as boosted
from etholake.models.boosted.config import BoostedConfig
from etholake.models.boosted.forest import Boosted, fit
from etholake.models.ensemble.model import Ensemble

SMALL = BoostedConfig(rounds=12, depth=3, eta=0.4, min_child_weight=5.0, max_rows=1500)


@pytest.fixture(scope="module")
def videos() -> list[LabelledVideo]:
    return [video(1), video(2), video(3)]


@pytest.fixture(scope="module")
def model(videos: list[LabelledVideo]) -> Boosted:
    return fit(videos[:2], config=SMALL)


@pytest.mark.slow
def test_frames_in_which_nobody_looked_teach_nothing() -> None:
    """Outside of the spans the labels are turned around: what is learnt must not change."""
    looked_for = {(1, 2, "chase"): ((0, 600),), (1, 1, "rest"): ((0, 600),)}
    plain = [replace(video(n), spans=looked_for) for n in (1, 2)]
    wrong = []
    for v in plain:
        events = tuple(e for e in v.events if e.stop_frame <= 600)
        wrong.append(replace(v, events=(*events, Event(v.tracks.video_id, 1, 2, "chase", 640, 1200))))
    one, other = (fit(videos, config=SMALL).predict(video(3).tracks) for videos in (plain, wrong))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.probabilities_TA, b.probabilities_TA)


# --- learning ---------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_it_learns_who_chases_whom_on_a_new_video(model: Boosted, videos: list[LabelledVideo]) -> None:
    held_out = videos[2]
    pairs = model.predict(held_out.tracks)
    assert {(p.agent_id, p.target_id): p.actions for p in pairs} == {
        (1, 1): ("rest",), (1, 2): ("chase",), (2, 1): ("chase",),
    }  # fmt: skip
    assert all(p.probabilities_TA.shape == (1200, len(p.actions)) for p in pairs)
    decisions = decide(
        [p for v in videos[:2] for p in model.predict(v.tracks)], [e for v in videos[:2] for e in v.events],
        {v.tracks.video_id: set(LABELED) for v in videos}, grid=(),
    )  # fmt: skip
    predicted = decisions.events(pairs, set(LABELED))
    score = metric.score(held_out.events, predicted, {3: set(LABELED)}, {3: "north"})
    assert score.score > 0.9
    assert replace(model, post_processing=decisions).events(held_out.tracks) == predicted


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(model: Boosted, videos: list[LabelledVideo]) -> None:
    again = fit(videos[:2], config=SMALL)
    one, two = (m.predict(videos[2].tracks)[0].probabilities_TA for m in (model, again))
    np.testing.assert_array_equal(one, two)


def test_frames_restrict_what_is_computed(model: Boosted, videos: list[LabelledVideo]) -> None:
    whole, part = (model.predict(videos[2].tracks, frames) for frames in (None, (300, 500)))
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_allclose(b.probabilities_TA[300:500], a.probabilities_TA[300:500], atol=1e-6)
        assert np.isnan(b.probabilities_TA[:290]).all()
        assert np.isnan(b.probabilities_TA[510:]).all()


def test_members_of_an_ensemble_share_their_features(
    model: Boosted, videos: list[LabelledVideo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three pairs, three tables, however many members; a member that lacks an action has fewer scores."""
    calls = []
    table = Rolling.table
    monkeypatch.setattr(Rolling, "table", lambda *arguments: calls.append(arguments[2:]) or table(*arguments))
    chase = replace(model, forests={at: forest for at, forest in model.forests.items() if at[1] == "chase"})
    together = Boosted.predict_together([model, chase], videos[2].tracks)
    assert calls == [(0, 0), (0, 1), (1, 0)]
    assert [pair.actions for pair in together[1]] == [("chase",), ("chase",)]
    alone = [one.predict(videos[2].tracks) for one in (model, chase)]
    for ours, theirs in zip(together, alone, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a.probabilities_TA, b.probabilities_TA)
    calls.clear()
    Ensemble((model, chase, model)).predict(videos[2].tracks)
    assert len(calls) == 3


@pytest.mark.slow
def test_a_long_clip_in_parts_is_the_same(
    model: Boosted, videos: list[LabelledVideo], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tracks_of(*np.moveaxis(np.concatenate([v.tracks.xy_TMK2 for v in [*videos, *videos]]), 1, 0))
    whole = model.predict(long)
    monkeypatch.setattr(boosted, "CHUNK_S", 20.0)
    for a, b in zip(whole, model.predict(long), strict=True):
        np.testing.assert_allclose(b.probabilities_TA, a.probabilities_TA, atol=0.02)  # sums in another order


def test_another_frame_rate_is_answered_on_its_own_frames(model: Boosted, videos: list[LabelledVideo]) -> None:
    tracks = videos[2].tracks
    fast = replace(tracks, meta=replace(tracks.meta, fps=60.0), n_frames=2 * tracks.n_frames)
    for a, b in zip(model.predict(tracks), model.predict(fast), strict=True):
        assert len(b.probabilities_TA) == 2400
        np.testing.assert_allclose(b.probabilities_TA[::2], a.probabilities_TA, atol=1e-6)


@pytest.mark.slow
def test_only_what_was_looked_for_is_learnt(videos: list[LabelledVideo]) -> None:
    """(2, 1, chase) was never looked for in video 1: its frames are no examples against it."""
    asked = replace(videos[0].tracks.meta, labeled_behaviors=((1, 2, "chase"),))
    one = replace(videos[0], tracks=replace(videos[0].tracks, meta=asked))
    model = fit([one], config=SMALL)
    assert set(model.forests) == {("north", "chase")}
    backwards = replace(
        videos[2].tracks, meta=replace(videos[2].tracks.meta, labeled_behaviors=((2, 1, "chase"),))
    )
    both = fit(videos[:1], config=SMALL)
    assert (
        model.predict(backwards)[0].probabilities_TA.mean() != both.predict(backwards)[0].probabilities_TA.mean()
    )


@pytest.mark.slow
def test_what_a_lab_never_does_is_no_candidate_and_unknown_labs_borrow(videos: list[LabelledVideo]) -> None:
    south = [
        LabelledVideo(v.tracks, tuple(e for e in v.events if e.action == "rest")) for v in (video(7, "south"),)
    ]
    model = fit([videos[0], *south], config=SMALL)
    assert set(model.forests) == {("north", "chase"), ("north", "rest"), ("south", "rest")}
    assert model.lab_actions == {"north": ["chase", "rest"], "south": ["rest"]}
    assert set(model.predicted_behaviors(south[0].tracks)) == {(1, 1)}
    stranger = replace(videos[2].tracks, meta=replace(videos[2].tracks.meta, lab_id="west"))
    probabilities = {p.actions: p.probabilities_TA for p in model.predict(stranger) if p.agent_id == p.target_id}
    each = [fit(v, config=SMALL).predict(stranger)[0].probabilities_TA for v in ([videos[0]], south)]
    assert [p.actions for p in fit(south, config=SMALL).predict(stranger)] == [("rest",)]
    np.testing.assert_allclose(probabilities["rest",], np.mean(each, axis=0), atol=1e-6)


def test_spans_restrict_what_is_learnt(videos: list[LabelledVideo]) -> None:
    assert whole_spans(videos)[0] == Span(1, "north", 0, 1200)
    with pytest.raises(DataError, match="nothing to learn"):
        fit(videos, [Span(1, "north", 5, 5)], SMALL)
    model = fit(videos, [Span(1, "north", 0, BOUT + 5)], SMALL)
    assert set(model.forests) == {("north", "chase"), ("north", "rest")}


@pytest.mark.slow
def test_the_frequent_class_is_thinned_and_weighted_back() -> None:
    videos = [video(1, n=3000)]
    shares = boosted._fractions({1: videos[0]}, whole_spans(videos), {("north", "rest"), ("north", "chase")}, 1000)
    false, true = shares["north", "rest"]  # 1,500 ticks each
    assert (false, true) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    false, true = shares["north", "chase"]  # 1,500 true ones, 4,500 false ones of two pairs
    assert (false * 4500, true * 1500) == (pytest.approx(500), pytest.approx(500))
    mean = [
        fit(videos, config=replace(SMALL, max_rows=n)).predict(videos[0].tracks)[1].probabilities_TA.mean()
        for n in (800, 10_000)
    ]
    assert mean[0] == pytest.approx(mean[1], abs=0.03)  # the base rate is kept


# --- storage ----------------------------------------------------------------------------------------------
def test_stored_and_read_again_it_says_the_same(
    model: Boosted, videos: list[LabelledVideo], tmp_path: Path
) -> None:
    replace(model, details={"fingerprint": "abc"}).save(tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["forest-0000.ubj", "forest-0001.ubj", "meta.json"]
    again = Boosted.load(tmp_path)
    assert (again.config, again.details) == (SMALL, {"fingerprint": "abc"})
    for a, b in zip(model.predict(videos[2].tracks), again.predict(videos[2].tracks), strict=True):
        np.testing.assert_array_equal(a.probabilities_TA, b.probabilities_TA)


def test_what_does_not_fit_is_refused(model: Boosted, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="is not the description of an Etholake model"):
        Boosted.load(tmp_path)
    model.save(tmp_path)
    meta = json.loads((tmp_path / "meta.json").read_text())
    (tmp_path / "meta.json").write_text(json.dumps(meta | {"family": "stacking"}))
    with pytest.raises(ContractError, match="expected a model of the family boosted, but got stacking"):
        Boosted.load(tmp_path)
    (tmp_path / "meta.json").write_text(json.dumps(meta | {"family": "oracle"}))
    with pytest.raises(
        ContractError,
        match=r"needs the family 'oracle'.* Known: boosted, cnn3d, cnn_lstm, cnn_transformer",
    ):
        load_model(tmp_path)
    (tmp_path / "meta.json").write_text(json.dumps(meta | {"config": {"speed": 1}}))
    with pytest.raises(ContractError, match="does not fit this code"):
        Boosted.load(tmp_path)
    meta["forests"][0]["features"].append("luck")
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(ContractError, match=r"forest-0000\.ubj has \d+ features"):
        Boosted.load(tmp_path)
    (tmp_path / "forest-0000.ubj").write_bytes(b"{no tree}")
    with pytest.raises(ContractError, match=r"forest-0000\.ubj cannot be read"):
        Boosted.load(tmp_path)
