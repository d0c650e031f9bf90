"""The baseline of trees: its features against hand-made motion, what it learns, memory by parts, storage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.labelled import LabelledVideo, whole_spans
from etholake.dataset.pose_tracks import PoseTracks, VideoMeta
from etholake.dataset.split import Span
from etholake.errors import ContractError, DataError
from etholake.events import metric
from etholake.events.post_processing import fit as decide
from etholake.events.types import Event
from etholake.features.place import half_sizes
from etholake.features.rolling import Rolling, means, pair_table, rolling, self_table
from etholake.models.archive import load_model
from etholake.models.boosted import forest as boosted
from etholake.models.boosted.config import BoostedConfig
from etholake.models.boosted.forest import Boosted, fit, part_of
from etholake.models.ensemble.model import Ensemble

SMALL = BoostedConfig(rounds=12, depth=3, eta=0.4, min_child_weight=5.0, max_rows=1500)
LABELED = ((1, 1, "rest"), (1, 2, "chase"), (2, 1, "chase"))
BOUT = 60  # frames
BODY = {"nose": (4, 0), "ear_left": (3, 1), "ear_right": (3, -1), "neck": (2, 0), "body_center": (0, 0),
        "side_left": (0, 1), "side_right": (0, -1), "tail_base": (-4, 0)}  # fmt: skip


def body(centre_T2: NDArray[np.float64], heading_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """The parts of a stiff mouse [T, K, 2]."""
    parts = np.array([BODY[part] for part in UNIFIED_PARTS])
    c, s = np.cos(heading_T), np.sin(heading_T)
    turn = np.stack([np.stack([c, s], axis=1), np.stack([-s, c], axis=1)], axis=1)
    return centre_T2[:, None] + parts @ turn


def tracks_of(
    *mice: NDArray[np.float64], video: int = 1, lab: str = "north", fps: float = 30.0, frames: int = 0
) -> PoseTracks:
    xy = np.stack(mice, axis=1).astype(np.float32)
    meta = VideoMeta(video, lab, fps, 10.0, labeled_behaviors=LABELED)
    return PoseTracks(meta, xy, np.isfinite(xy[..., 0]), tuple(range(1, len(mice) + 1)), 0, frames or len(xy))


def video(number: int, lab: str = "north", n: int = 1200) -> LabelledVideo:
    """In turn mouse 1 runs 10 cm behind mouse 2 on a circle, or rests while mouse 2 runs alone."""
    random = np.random.default_rng(number)
    chasing = (np.arange(n) // BOUT) % 2 == 0
    angle = random.uniform(0, 6) + np.arange(n) * 0.04
    lag = np.where(chasing, 0.6, 0.0)
    still = angle[np.maximum.accumulate(np.where(chasing, np.arange(n), 0))] - 0.6
    animals = []
    for at in (np.where(chasing, angle - lag, still), angle):
        centre = 15 * np.stack([np.cos(at), np.sin(at)], axis=1)
        animals.append(body(centre, at + np.pi / 2) + random.normal(0, 0.05, (n, len(UNIFIED_PARTS), 2)))
    animals[0][random.random((n, len(UNIFIED_PARTS))) < 0.1] = np.nan
    events = [
        Event(number, 1, 2 if chasing[s] else 1, "chase" if chasing[s] else "rest", s, min(s + BOUT, n))
        for s in range(0, n, BOUT)
    ]
    return LabelledVideo(tracks_of(*animals, video=number, lab=lab), tuple(events))


@pytest.fixture(scope="module")
def videos() -> list[LabelledVideo]:
    return [video(1), video(2), video(3)]


@pytest.fixture(scope="module")
def model(videos: list[LabelledVideo]) -> Boosted:
    return fit(videos[:2], config=SMALL)


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


# --- features ---------------------------------------------------------------------------------------------
def test_two_mice_that_walk_side_by_side() -> None:
    """Mouse 1 walks along x at 6 cm/s, mouse 2 beside it, 5 cm to its left, with the same heading."""
    x = 0.2 * np.arange(300)
    one, two = (body(np.stack([x, np.full(300, y)], axis=1), np.zeros(300)) for y in (0.0, 5.0))
    table = {name: values[150] for name, values in pair_table(tracks_of(one, two), 0, 1).items()}
    assert table["distance"] == pytest.approx(5)
    assert table["agent nose to target nose"] == pytest.approx(5)
    assert table["nearest parts"] == pytest.approx(3)  # left side of the one, right side of the other
    assert table["agent length"] == table["target length"] == pytest.approx(8)
    assert table["agent speed 0.5 s"] == table["agent forward 0.5 s"] == pytest.approx(6, rel=1e-4)
    assert table["same heading"] == pytest.approx(1)
    assert table["agent faces target"] == pytest.approx(0, abs=1e-5)
    assert table["relative speed"] == table["approach"] == pytest.approx(0, abs=1e-3)
    assert table["agent bend"] == table["agent turning"] == pytest.approx(0, abs=1e-5)


def test_a_mouse_that_comes_nearer() -> None:
    """Mouse 1 walks at 6 cm/s along x towards mouse 2, which sits and faces it."""
    x = 0.2 * np.arange(100)
    one = body(np.stack([x, 0 * x], axis=1), 0 * x)
    two = body(np.stack([0 * x + 60, 0 * x], axis=1), 0 * x + np.pi)
    table = pair_table(tracks_of(one, two), 0, 1)
    now = {name: values[50] for name, values in table.items()}
    ahead = np.mean([along for along, _ in BODY.values()])  # of the body's middle, the mean of the parts
    apart = 50 - 2 * ahead
    assert now["distance"] == pytest.approx(apart)
    assert (now["approach"], now["agent advances"]) == pytest.approx((6, 6), rel=1e-3)
    assert now["target withdraws"] == pytest.approx(0, abs=1e-3)
    assert now["agent faces target"] == now["target faces agent"] == pytest.approx(1)
    assert now["same heading"] == pytest.approx(-1)
    assert now["distance mean 2 s"] == pytest.approx(apart)
    assert now["distance min 2 s"] == pytest.approx(apart - 6)
    assert now["distance before 1 s"] == pytest.approx(apart + 6)
    assert now["distance after 1 s"] == pytest.approx(apart - 6)
    swapped = pair_table(tracks_of(two, one), 0, 1)
    assert swapped["target withdraws"][50] == pytest.approx(-6, rel=1e-3)


def test_only_the_place_knows_where_the_arena_is(videos: list[LabelledVideo]) -> None:
    tracks = videos[0].tracks
    turned = replace(tracks, xy_TMK2=tracks.xy_TMK2 @ np.array([[0, 1], [-1, 0]], "f4") + np.float32(30))
    place = ("x", "y", "from", "wall", "corner", "heading")
    starts = {(role, name) for role in ("agent", "target") for name in place}
    for table in (lambda c: pair_table(c, 0, 1), lambda c: self_table(c, 0)):
        before, after = table(tracks), table(turned)
        free = [name for name in before if tuple(name.split()[:2]) not in starts]
        assert len(before) - len(free) in (84, 42)  # of two animals, of one
        for name in free:
            np.testing.assert_allclose(after[name], before[name], atol=0.02, err_msg=name)


def test_place_in_the_arena_by_hand() -> None:
    """A mouse walks along x at y = 5 in an arena of 60 x 40 cm, looking along x."""
    x = 0.2 * np.arange(100)
    tracks = tracks_of(body(np.stack([x, np.full(100, 5.0)], axis=1), 0 * x))
    tracks = replace(tracks, meta=replace(tracks.meta, arena_width_cm=60.0, arena_height_cm=40.0))
    middle = np.mean([along for along, _ in BODY.values()])
    now = {name: values[50] for name, values in self_table(tracks, 0).items()}
    assert (now["agent x"], now["agent y"]) == pytest.approx((10 + middle, 5), abs=1e-4)
    assert now["agent wall"] == pytest.approx(15)  # the one at y = 20
    assert now["agent corner"] == pytest.approx(np.hypot(20 - middle, 15), rel=1e-4)
    assert (now["agent heading x"], now["agent heading y"]) == pytest.approx((1, 0), abs=1e-5)
    assert now["agent x mean 2 s"] == pytest.approx(10 + middle, abs=1e-3)


def test_the_time_of_a_session_is_known_in_every_part_of_it() -> None:
    """Frame 60 of a video that is tracked from frame 30 on comes 2 s after its beginning; at 60 frames/s 1 s."""
    x = 0.2 * np.arange(200)
    tracks = replace(tracks_of(body(np.stack([x, 0 * x], axis=1), 0 * x)), first_frame=30)
    whole = self_table(tracks, 0)["session time"]
    assert (whole[0], whole[30]) == pytest.approx((1.0, 2.0))
    part = part_of(part_of(tracks, slice(50, 150)), slice(10, 40))
    np.testing.assert_allclose(self_table(part, 0)["session time"], whole[60:90], rtol=1e-6)
    fast = replace(tracks, meta=replace(tracks.meta, fps=60.0))
    assert self_table(fast, 0)["session time"][15] == pytest.approx(1.0)


def test_own_points_by_hand() -> None:
    """An object 30 cm from the origin is tracked with both animals; the target stands 5 cm before it."""
    x = 0.2 * np.arange(100)
    one = body(np.stack([x, 0 * x], axis=1), 0 * x)
    two = body(np.stack([0 * x + 25, 0 * x], axis=1), 0 * x)
    object_TMJ2 = np.tile(np.float32([30, 0]), (100, 2, 1, 1))
    tracks = replace(tracks_of(one, two), own_parts=("object",), own_TMJ2=object_TMJ2)
    middle, nose = np.mean([along for along, _ in BODY.values()]), BODY["nose"][0]
    now = {name: values[50] for name, values in pair_table(tracks, 0, 1).items()}
    assert now["agent own object from nose"] == pytest.approx(30 - 10 - nose, rel=1e-4)
    assert now["target own object from middle"] == pytest.approx(abs(5 - middle), rel=1e-4)
    assert now["least own object middle"] == pytest.approx(abs(5 - middle), rel=1e-4)
    assert now["most own object middle mean 2 s"] == pytest.approx(20 - middle, rel=1e-4)
    assert now["agent own object speed"] == 0
    alone = {name: values[50] for name, values in self_table(tracks, 0).items()}
    assert alone["agent own object from nose"] == now["agent own object from nose"]
    assert not any("own" in name for name in self_table(replace(tracks, own_parts=()), 0))


def test_walls_are_those_of_the_arena_else_of_the_picture_else_unknown() -> None:
    meta = VideoMeta(1, "north", 30.0, 10.0, width_pix=600, height_pix=400)
    assert half_sizes(meta) == (30.0, 20.0)
    assert half_sizes(replace(meta, arena_width_cm=50.0)) == (25.0, 20.0)
    assert np.isnan(half_sizes(replace(meta, pix_per_cm=None))).all()


def test_distances_between_parts_whichever_animal_has_which() -> None:
    """The same for both directions: the nose of one to the tail of the other, the smaller and the larger."""
    x = 0.2 * np.arange(100)
    one = body(np.stack([x, 0 * x], axis=1), 0 * x)
    two = body(np.stack([0 * x + 60, 0 * x], axis=1), 0 * x)  # in front, looking away
    there, back = (pair_table(tracks_of(*pair), 0, 1) for pair in ((one, two), (two, one)))
    assert there["least nose tail_base"][50] == pytest.approx(50 - 8, rel=1e-4)
    assert there["most nose tail_base"][50] == pytest.approx(50 + 8, rel=1e-4)
    for name in (n for n in there if n.startswith(("least", "most"))):
        np.testing.assert_allclose(there[name], back[name], err_msg=name, atol=1e-5)


def test_an_action_at_an_object_is_learnt_by_its_place() -> None:
    """One mouse walks about; it explores while it is within 6 cm of an object that no part tracks."""

    def walk(number: int) -> LabelledVideo:
        random = np.random.default_rng(number)
        heading = np.cumsum(random.normal(0, 0.25, 3000))
        step = 0.8 * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        centre = np.abs((np.cumsum(step, axis=0) + random.uniform(0, 40, 2)) % 80 - 40) - 20  # reflected by walls
        near = np.hypot(*(centre - (10, 5)).T) < 6
        edges = np.flatnonzero(np.diff(np.r_[0, near.astype(int), 0]))
        events = tuple(
            Event(number, 1, 1, "explore", int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)
        )
        tracks = tracks_of(body(centre, heading), video=number)
        meta = replace(tracks.meta, labeled_behaviors=((1, 1, "explore"),))
        return LabelledVideo(replace(tracks, meta=meta), events)

    model, new = fit([walk(k) for k in (1, 2)], config=replace(SMALL, colsample=0.3)), walk(9)
    p = model.predict(new.tracks)[0].probabilities_TA[:, 0]
    true = np.zeros(len(p), bool)
    for event in new.events:
        true[event.start_frame : event.stop_frame] = True
    best = max(2 * (true & (p > t)).sum() / (true.sum() + (p > t).sum()) for t in np.arange(0.1, 0.9, 0.05))
    assert best > 0.7


def test_rolling_statistics_are_those_of_the_slice() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=400).astype("f4")
    x[random.random(400) < 0.3] = np.nan
    x[100:180] = np.nan  # longer than the window
    table = rolling({"x": x})
    for t in (0, 7, 99, 140, 250, 399):
        part = x[max(0, t - 15) : t + 16]
        expected = (np.nanmean, np.nanstd, np.nanmin, np.nanmax)
        for name, f in zip(("mean", "std", "min", "max"), expected, strict=True):
            got = table[f"x {name} 1 s"][t]
            assert got == pytest.approx(f(part), abs=1e-5) if not np.isnan(part).all() else np.isnan(got)


def test_means_are_those_of_rolling() -> None:
    x = np.random.default_rng(2).normal(size=300).astype("f4")
    x[40:90] = np.nan
    some, every = means({"x": x}, (1.0, 5.0)), rolling({"x": x})
    assert list(some) == ["x mean 1 s", "x mean 5 s"]
    for name, values in some.items():
        np.testing.assert_array_equal(values, every[name])


def test_nothing_known_of_a_mouse_is_no_error() -> None:
    gone = np.full((50, len(UNIFIED_PARTS), 2), np.nan)
    standing = body(np.zeros((50, 2)), np.zeros(50))
    table = pair_table(tracks_of(gone, standing), 0, 1)
    assert np.isnan(table["distance"]).all()
    assert table["target length"] == pytest.approx(8)


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
