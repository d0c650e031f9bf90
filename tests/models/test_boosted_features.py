"""The features of the boosted trees against hand-made motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from stiff_mice import BODY, body, tracks_of, video

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.labelled import LabelledVideo
from etholake.dataset.video_meta import VideoMeta
from etholake.events.types import Event
from etholake.features.place import half_sizes
from etholake.features.rolling import means, pair_table, rolling, self_table
from etholake.models.boosted.config import BoostedConfig
from etholake.models.boosted.forest import fit, part_of

SMALL = BoostedConfig(rounds=12, depth=3, eta=0.4, min_child_weight=5.0, max_rows=1500)


@pytest.fixture(scope="module")
def videos() -> list[LabelledVideo]:
    return [video(1), video(2), video(3)]


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
