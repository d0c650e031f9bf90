"""Windows: three-state targets, the part of a video that trains, and the share of positives."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from chases import SMALL, training_data, video  # type: ignore[import-not-found]

from etholake.contract import ACTIONS
from etholake.events.types import Event
from etholake.features.clip import PoseClip, VideoMeta
from etholake.models.config import named
from etholake.training.data import LabelledVideo
from etholake.training.split import Span
from etholake.training.windows import WindowSampler

CHASE, REST, ATTACK, SNIFF = (ACTIONS.index(a) for a in ("chase", "rest", "attack", "sniff"))


def sampler(videos: list[LabelledVideo], span: Span, **overrides: object) -> WindowSampler:
    config = named("smoke", {**SMALL, **overrides})
    return WindowSampler(training_data(videos), [span], [span.lab_id], config, seed=0)


def test_labels_are_positive_negative_or_masked() -> None:
    whole = sampler([video(1)], Span(1, "Lab", 0, 400), batch=64)
    batch = whole.draw()
    for b in range(64):
        self_action = bool(batch.is_self_B[b])
        asked = {REST} if self_action else {CHASE, ATTACK}
        assert set(np.flatnonzero(batch.wanted_BTC[b].any(dim=0))) == asked
        assert set(np.flatnonzero(batch.candidates_BC[b])) == asked
        assert not batch.labels_BTC[b][:, [c for c in range(len(ACTIONS)) if c not in asked]].any()
    assert not batch.labels_BTC[..., ATTACK].any()
    assert not batch.wanted_BTC[..., SNIFF].any()
    assert batch.is_self_B.any()
    assert not batch.is_self_B.all()


def test_labels_lie_on_their_frames() -> None:
    whole = sampler([video(1)], Span(1, "Lab", 0, 400))
    pair = next(p for p in whole.pairs if p.agent != p.target)
    chase = pair.labels_TA[:, list(pair.columns).index(CHASE)]
    np.testing.assert_array_equal(chase, (np.arange(400) // 40) % 2 == 0)


def test_labels_of_another_rate_are_taken_from_the_nearest_frame() -> None:
    n = 121  # one second and a frame at 120 fps: 31 ticks
    clip = PoseClip(
        VideoMeta(1, "Lab", 120.0, behaviors=((1, 2, "chase"),)),
        np.zeros((31, 2, 7, 2), np.float32), np.ones((31, 2, 7), bool), (1, 2), 1000, n,
    )  # fmt: skip
    fast = LabelledVideo(clip, (Event(1, 1, 2, "chase", 1040, 1080),))
    (pair,) = sampler([fast], Span(1, "Lab", 1000, 1121)).pairs
    assert np.flatnonzero(pair.labels_TA[:, 0]).tolist() == list(range(10, 20))


def test_frames_outside_the_training_span_never_count() -> None:
    whole = sampler([video(1)], Span(1, "Lab", 0, 200), batch=64)
    assert all(not pair.train_T[200:].any() and pair.train_T[:200].all() for pair in whole.pairs)
    for p, start in whole.everywhere:
        assert start + SMALL["window"] // 2 < 200, p
    assert all(stop <= 200 for group in whole.around for _, _, stop in group)


def test_a_rare_action_is_drawn_as_often_as_a_common_one() -> None:
    one = video(1, frames=4000)
    rare = dataclasses.replace(one, events=(*one.events, Event(1, 1, 2, "attack", 2000, 2010)))
    whole = sampler([rare], Span(1, "Lab", 0, 4000), positive_share=1.0, batch=300)
    batch = whole.draw()
    shown = [float(batch.labels_BTC[:, :, c].any(dim=1).float().mean()) for c in (ATTACK, CHASE, REST)]
    assert shown[0] == pytest.approx(1 / 3, abs=0.1)
    share = whole.shares()
    assert share[ATTACK] == pytest.approx(10 / 4000)
    assert share[CHASE] == pytest.approx(0.5)


def test_a_share_of_samples_hides_its_lab() -> None:
    hidden = sampler([video(1)], Span(1, "Lab", 0, 400), hidden_lab_share=0.25, batch=400).draw().lab_B
    assert float((hidden == 0).float().mean()) == pytest.approx(0.25, abs=0.07)
    assert set(hidden.tolist()) == {0, 1}


def test_a_clip_shorter_than_a_window_is_padded_with_missing_points() -> None:
    batch = sampler([video(1, frames=20)], Span(1, "Lab", 0, 20)).draw()
    assert torch.isnan(batch.agent_BTK2[:, 20:]).all()
    assert not batch.wanted_BTC[:, 20:].any()
    assert torch.isfinite(batch.agent_BTK2[:, :20]).all()
