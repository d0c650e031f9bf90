"""Windows: three-state targets, the part of a video that trains, the share of positives, draws by step."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from chases import SMALL, training_data, video  # type: ignore[import-not-found]

from etholake.contract import ACTIONS
from etholake.dataset.labelled import LabelledVideo
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span
from etholake.dataset.video_meta import VideoMeta
from etholake.events.types import Event, PairScores
from etholake.models.registry import resolve
from etholake.training.validation import HeldOut
from etholake.training.windows import WindowSampler

CHASE, REST, ATTACK, SNIFF = (ACTIONS.index(a) for a in ("chase", "rest", "attack", "sniff"))


def sampler(videos: list[LabelledVideo], *spans: Span, **overrides: object) -> WindowSampler:
    _, config = resolve("smoke", {**SMALL, **overrides})
    return WindowSampler(training_data(videos), spans, [spans[0].lab_id], config, seed=0)


def test_labels_are_positive_negative_or_masked() -> None:
    whole = sampler([video(1)], Span(1, "Lab", 0, 400), batch=64)
    batch = whole.draw(0)
    for b in range(64):
        self_action = bool(batch.tracks.is_self_B[b])
        asked = {REST} if self_action else {CHASE, ATTACK}
        assert set(np.flatnonzero(batch.loss_mask_BTC[b].any(dim=0))) == asked
        assert set(np.flatnonzero(batch.labeled_BC[b])) == asked
        assert not batch.labels_BTC[b][:, [c for c in range(len(ACTIONS)) if c not in asked]].any()
    assert not batch.labels_BTC[..., ATTACK].any()
    assert not batch.loss_mask_BTC[..., SNIFF].any()
    assert batch.tracks.is_self_B.any()
    assert not batch.tracks.is_self_B.all()


def test_labels_lie_on_their_frames() -> None:
    """Both mice are within 15 cm exactly while they chase: tracks and labels of a window belong together."""
    batch = sampler([video(1)], Span(1, "Lab", 0, 400), batch=64).draw(3)
    apart = (batch.tracks.xy_BRTK2[:, 0, :, 4] - batch.tracks.xy_BRTK2[:, 1, :, 4]).norm(dim=-1)
    pairs = ~batch.tracks.is_self_B
    assert pairs.sum() > 10
    torch.testing.assert_close(batch.labels_BTC[pairs][..., CHASE] > 0, apart[pairs] < 15)


def test_labels_of_another_rate_are_taken_from_the_nearest_frame() -> None:
    n = 121  # one second and a frame at 120 fps: 31 ticks
    tracks = PoseTracks(
        VideoMeta(1, "Lab", 120.0, labeled_behaviors=((1, 2, "chase"),)),
        np.zeros((31, 2, 8, 2), np.float32), np.ones((31, 2, 8), bool), (1, 2), 1000, n,
    )  # fmt: skip
    fast = LabelledVideo(tracks, (Event(1, 1, 2, "chase", 1040, 1080),))
    whole = sampler([fast], Span(1, "Lab", 1000, 1121), window=31, batch=1)
    assert np.flatnonzero(whole.draw(0).labels_BTC[0, :, CHASE]).tolist() == list(range(10, 20))
    assert whole.draw(0).tracks.rate_B.tolist() == [2.0]  # log2(120 / 30)


def test_frames_outside_the_training_spans_never_count() -> None:
    spans = Span(1, "Lab", 0, 100), Span(1, "Lab", 150, 200)
    whole = sampler([video(1)], *spans, batch=64)
    assert all(pair.train.tolist() == [[0, 100], [150, 200]] for pair in whole.pairs)
    assert all(
        pair.trains(start + SMALL["window"] // 2) for p, start in whole.everywhere for pair in [whole.pairs[p]]
    )
    inside = {(0, 100), (150, 200)}
    for group in whole.around:
        assert all(any(low <= a < b <= high for low, high in inside) for _, a, b in group)
    for step in range(3):
        batch = whole.draw(step)
        starts = [
            int(np.argmin((video(1).tracks.xy_TMK2[:, 0, 0] - first.numpy()).__abs__().sum(axis=1)))
            for first in batch.tracks.xy_BRTK2[:, 0, 0, 0]
        ]
        for b, start in enumerate(starts):
            ticks = start + np.arange(SMALL["window"])
            expected = (ticks < 100) | ((ticks >= 150) & (ticks < 200))
            np.testing.assert_array_equal(batch.loss_mask_BTC[b].any(dim=1).numpy(), expected)


def test_frames_in_which_nobody_looked_are_neither_present_nor_absent() -> None:
    partly = dataclasses.replace(video(1), spans={(1, 2, "chase"): ((30, 60), (90, 400))})
    whole = sampler([partly], Span(1, "Lab", 0, 200), batch=64)
    (pair,) = [pair for pair in whole.pairs if CHASE in pair.events]
    assert pair.training(CHASE).tolist() == [[30, 60], [90, 200]]
    assert pair.training(ATTACK).tolist() == [[0, 200]]
    # Chases are frames 0..39, 80..119, 160..199: 10 + 30 + 40 of the 30 + 110 frames that were looked at.
    assert whole.prevalence()[CHASE].item() == pytest.approx(80 / 140)
    batch = whole.draw(0)
    for b in np.flatnonzero(~batch.tracks.is_self_B.numpy()):
        first = batch.tracks.xy_BRTK2[b, 0, 0, 0].numpy()
        start = int(np.argmin(np.abs(partly.tracks.xy_TMK2[:, 0, 0] - first).sum(axis=1)))
        ticks = start + np.arange(SMALL["window"])
        expected = ((ticks >= 30) & (ticks < 60)) | ((ticks >= 90) & (ticks < 200))
        np.testing.assert_array_equal(batch.loss_mask_BTC[b, :, CHASE].numpy() > 0, expected)
        np.testing.assert_array_equal(batch.loss_mask_BTC[b, :, ATTACK].numpy() > 0, ticks < 200)


def test_a_held_out_video_is_judged_where_somebody_looked() -> None:
    partly = dataclasses.replace(video(1), spans={(1, 2, "chase"): ((100, 150),)})
    scores = PairScores(1, "Lab", 30.0, 1, 2, 0, ("attack", "chase"), np.ones((400, 2), np.float32))
    (pair,) = HeldOut.given([scores], [partly], [Span(1, "Lab", 0, 400)]).pairs
    assert np.flatnonzero(np.isfinite(pair.probabilities_TA[:, 1])).tolist() == list(range(100, 150))
    assert np.isfinite(pair.probabilities_TA[:, 0]).all()


def test_a_rare_action_is_drawn_as_often_as_a_common_one() -> None:
    one = video(1, frames=4000)
    rare = dataclasses.replace(one, events=(*one.events, Event(1, 1, 2, "attack", 2000, 2010)))
    whole = sampler([rare], Span(1, "Lab", 0, 4000), positive_fraction=1.0, batch=300)
    batch = whole.draw(0)
    shown = [float(batch.labels_BTC[:, :, c].any(dim=1).float().mean()) for c in (ATTACK, CHASE, REST)]
    assert shown[0] == pytest.approx(1 / 3, abs=0.1)
    share = whole.prevalence()
    assert share[ATTACK] == pytest.approx(10 / 4000)
    assert share[CHASE] == pytest.approx(0.5)


def test_a_share_of_samples_hides_its_lab() -> None:
    hidden = sampler([video(1)], Span(1, "Lab", 0, 400), hidden_lab_fraction=0.25, batch=400).draw(0).lab_B
    assert float((hidden == 0).float().mean()) == pytest.approx(0.25, abs=0.07)
    assert set(hidden.tolist()) == {0, 1}


def test_a_clip_shorter_than_a_window_is_padded_with_missing_points() -> None:
    whole = sampler([video(1, frames=20)], Span(1, "Lab", 0, 20))
    batch = whole.draw(0)
    assert torch.isnan(batch.tracks.xy_BRTK2[:, :, 20:]).all()
    assert not batch.loss_mask_BTC[:, 20:].any()
    assert torch.isfinite(batch.tracks.xy_BRTK2[:, :, :20]).all()
    wide = whole.draw(0, margin=5)  # the same windows, with more to both sides
    torch.testing.assert_close(wide.tracks.xy_BRTK2[:, :, 5:-5], batch.tracks.xy_BRTK2, equal_nan=True)
    torch.testing.assert_close(wide.labels_BTC[:, 5:-5], batch.labels_BTC)
    assert not wide.loss_mask_BTC[:, :5].any()


def test_a_step_draws_the_same_whenever_it_is_drawn() -> None:
    first, second = (sampler([video(1)], Span(1, "Lab", 0, 400)) for _ in range(2))
    for step in range(5):
        first.draw(step)
    torch.testing.assert_close(first.draw(7).tracks.xy_BRTK2, second.draw(7).tracks.xy_BRTK2)
    assert not torch.equal(first.draw(7).labels_BTC, first.draw(8).labels_BTC)
