"""Augmentations: each moves tracks and labels together, and what it must not change stays."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.batch import Batch
from etholake.dataset.windows import Tracks
from etholake.features.pair_features import FEATURE_NAMES, pair_features
from etholake.models.cnn_transformer.config import Augmentation
from etholake.training import augment

T, K = 41, len(UNIFIED_PARTS)
SHAPE = torch.tensor(
    [[4.0, 0], [3, 1], [3, -1], [2, 0], [0, 0], [0, 1], [0, -1], [-4, 0]]
)  # nose, ears, neck, centre, sides, tail base
EAR_LEFT, EAR_RIGHT, CENTRE = (UNIFIED_PARTS.index(p) for p in ("ear_left", "ear_right", "body_center"))


@pytest.fixture
def batch() -> Batch:
    """Two samples: the agent walks along x, 1 cm a tick, past a target at (20, 5); labels from tick 20 on."""
    at = torch.arange(T, dtype=torch.float32)
    agent = torch.stack([at, torch.zeros(T)], dim=1)[:, None] + SHAPE
    target = (torch.tensor([20.0, 5.0]) + SHAPE).expand(T, -1, -1)
    xy = torch.stack([agent, target])[None].repeat(2, 1, 1, 1, 1)
    labels = (at >= 20).float()[None, :, None].repeat(2, 1, 2)
    tracks = Tracks(
        xy, torch.ones(2, 2, T, K, dtype=torch.bool), torch.zeros(2).bool(), torch.zeros(2), torch.ones(2)
    )
    return Batch(tracks, torch.ones(2).long(), torch.ones(2, 2), labels, torch.ones(2, T, 2))


def agent_x(batch: Batch) -> torch.Tensor:
    return batch.tracks.xy_BRTK2[:, 0, :, CENTRE, 0]


def test_time_stretch_moves_tracks_and_labels_together(batch: Batch) -> None:
    fast = augment.time_stretch(batch, torch.tensor([2.0, 1.0]), window=21)
    at = 20 + 2 * (torch.arange(21) - 10.0)
    torch.testing.assert_close(agent_x(fast)[0], at)  # twice the distance in the same time
    torch.testing.assert_close(agent_x(fast)[1], torch.arange(10.0, 31.0))
    for b in range(2):
        assert ((fast.labels_BTC[b, :, 0] > 0) == (agent_x(fast)[b] >= 20)).all()
    slow = augment.time_stretch(batch, torch.tensor([0.5, 0.5]), window=21)
    torch.testing.assert_close(agent_x(slow)[0], 20 + (torch.arange(21) - 10) / 2)
    assert ((slow.labels_BTC[0, :, 0] > 0) == (agent_x(slow)[0] >= 19.5)).all()  # the nearest tick, half to even
    beyond = augment.time_stretch(batch, torch.tensor([3.0, 3.0]), window=21)
    outside = (torch.arange(21) - 10.0).abs() * 3 > 20
    assert torch.isnan(beyond.tracks.xy_BRTK2[:, :, outside]).all()
    assert not beyond.loss_mask_BTC[:, outside].any()
    assert not beyond.tracks.observed_BRTK[:, :, outside].any()
    assert beyond.loss_mask_BTC[:, ~outside].all()


def test_no_stretch_changes_nothing_even_beside_missing_points(batch: Batch) -> None:
    batch.tracks.xy_BRTK2[0, 0, 7] = torch.nan
    same = augment.time_stretch(batch, torch.ones(2), window=T)
    torch.testing.assert_close(same.tracks.xy_BRTK2, batch.tracks.xy_BRTK2, equal_nan=True)
    torch.testing.assert_close(same.labels_BTC, batch.labels_BTC)
    every = augment.lower_rate(batch, torch.ones(2, dtype=torch.long))
    torch.testing.assert_close(every.tracks.xy_BRTK2, batch.tracks.xy_BRTK2, equal_nan=True)


def test_a_lower_rate_interpolates_between_the_frames_it_keeps(batch: Batch) -> None:
    batch.tracks.xy_BRTK2[:, 0, 1] += 100  # a jump that a slower camera does not see
    slow = augment.lower_rate(batch, torch.tensor([2, 1]))
    torch.testing.assert_close(agent_x(slow)[0], torch.arange(float(T)))
    assert slow.tracks.observed_BRTK[0, 0, :, 0].tolist() == [t % 2 == 0 for t in range(T)]
    assert agent_x(slow)[1, 1] == 101
    assert slow.tracks.observed_BRTK[1].all()
    assert slow.tracks.rate_B.tolist() == [-1.0, 0.0]
    torch.testing.assert_close(slow.labels_BTC, batch.labels_BTC)


def test_rotation_changes_nothing_that_the_network_sees(batch: Batch) -> None:
    turned = augment.rotate(batch, torch.tensor([1.0, -2.5]))
    assert not torch.allclose(turned.tracks.xy_BRTK2, batch.tracks.xy_BRTK2)
    torch.testing.assert_close(pair_features(turned.tracks), pair_features(batch.tracks), atol=1e-4, rtol=1e-4)


def test_reflection_swaps_left_and_right_and_keeps_the_rest(batch: Batch) -> None:
    batch.tracks.observed_BRTK[0, 0, :, EAR_LEFT] = False
    mirrored = augment.reflect(batch, torch.tensor([True, False]))
    plain, mirror = pair_features(batch.tracks), pair_features(mirrored.tracks)
    torch.testing.assert_close(mirror[1], plain[1])
    for name in ("distance_nose_tail_base", "closing_center_center_10", "agent_speed_3", "bearing_cos",
                 "agent_ear_left_y"):  # fmt: skip
        i = FEATURE_NAMES.index(name)
        torch.testing.assert_close(mirror[0, :, i], plain[0, :, i], atol=1e-4, rtol=0)
    bearing = FEATURE_NAMES.index("bearing_sin")
    torch.testing.assert_close(mirror[0, :, bearing], -plain[0, :, bearing], atol=1e-5, rtol=0)
    assert not mirrored.tracks.observed_BRTK[0, 0, :, EAR_RIGHT].any()
    assert mirrored.tracks.observed_BRTK[0, 0, :, EAR_LEFT].all()
    twice = augment.reflect(mirrored, torch.tensor([True, False]))
    torch.testing.assert_close(twice.tracks.xy_BRTK2, batch.tracks.xy_BRTK2)


def test_scale_and_noise(batch: Batch) -> None:
    length = FEATURE_NAMES.index("agent_length")
    bigger = augment.scale(batch, torch.tensor([[1.1, 1.1], [1.0, 2.0]]))
    torch.testing.assert_close(
        pair_features(bigger.tracks)[:, :, length], torch.tensor([8.8, 8.0])[:, None].expand(2, T)
    )
    offset = torch.zeros_like(batch.tracks.xy_BRTK2)
    offset[0, 1, 5, 2, 1] = 0.25
    moved = augment.noise(batch, offset).tracks.xy_BRTK2 - batch.tracks.xy_BRTK2
    torch.testing.assert_close(moved, offset)


def test_dropped_parts_are_gone_but_never_the_last_one(batch: Batch) -> None:
    hidden = torch.zeros(2, 2, K, dtype=torch.bool)
    hidden[0, 0, [EAR_LEFT, EAR_RIGHT]] = True
    hidden[1, 1] = True
    fewer = augment.drop_parts(batch, hidden)
    assert torch.isnan(fewer.tracks.xy_BRTK2[0, 0, :, [EAR_LEFT, EAR_RIGHT]]).all()
    assert torch.isnan(fewer.tracks.xy_BRTK2).sum() == T * 2 * 2
    assert (~fewer.tracks.observed_BRTK).sum() == T * 2


def test_dropped_frames_and_self_actions(batch: Batch) -> None:
    hidden = torch.zeros(2, 2, T, K, dtype=torch.bool)
    hidden[:, 0, 3:6] = True
    own = dataclasses.replace(batch.tracks, is_self_B=torch.tensor([False, True]))
    fewer = augment.drop_frames(dataclasses.replace(batch, tracks=own), hidden)
    gone = torch.isnan(fewer.tracks.xy_BRTK2[..., 0]).all(dim=-1)
    assert gone[0].nonzero().tolist() == [[0, t] for t in (3, 4, 5)]
    assert gone[1].nonzero().tolist() == [[r, t] for r in (0, 1) for t in (3, 4, 5)]  # one animal in both roles
    torch.testing.assert_close(fewer.labels_BTC, batch.labels_BTC)


def test_swapped_animals(batch: Batch) -> None:
    swapped = torch.zeros(2, T, dtype=torch.bool)
    swapped[0, 10:20] = True
    after = augment.swap_animals(batch, swapped).tracks.xy_BRTK2
    torch.testing.assert_close(after[0, 0, 10:20], batch.tracks.xy_BRTK2[0, 1, 10:20])
    torch.testing.assert_close(after[0, 1, 10:20], batch.tracks.xy_BRTK2[0, 0, 10:20])
    torch.testing.assert_close(after[0, :, 20:], batch.tracks.xy_BRTK2[0, :, 20:])
    torch.testing.assert_close(after[1], batch.tracks.xy_BRTK2[1])


def test_mixup_blends_features_and_labels_of_like_samples(batch: Batch) -> None:
    batch.labels_BTC[1] = 0
    batch.loss_mask_BTC[1, :5] = 0
    x = torch.stack([torch.zeros(T, 3), torch.ones(T, 3)])
    mixed, after = augment.mixup(x, batch, torch.tensor([1, 1]), torch.tensor([0.75, 0.5]))
    torch.testing.assert_close(mixed[0], torch.full((T, 3), 0.25))
    torch.testing.assert_close(after.labels_BTC[0], 0.75 * batch.labels_BTC[0])
    torch.testing.assert_close(mixed[1], x[1])
    assert not after.loss_mask_BTC[0, :5].any()
    assert augment.mixup_partners(batch, torch.tensor([1, 0])).tolist() == [1, 0]
    other = dataclasses.replace(batch, lab_B=torch.tensor([1, 2]))
    assert augment.mixup_partners(other, torch.tensor([1, 0])).tolist() == [0, 1]


def test_everything_off_changes_nothing_and_everything_on_is_usable(batch: Batch) -> None:
    random = torch.Generator().manual_seed(0)
    same = augment.augment(batch, Augmentation.none(), T, random)
    torch.testing.assert_close(same.tracks.xy_BRTK2, batch.tracks.xy_BRTK2)
    torch.testing.assert_close(same.labels_BTC, batch.labels_BTC)
    strong = Augmentation(1.5, 0.9, True, 0.5, 0.2, 0.5, 0.3, 0.3, 0.5, 20.0, 0.5)
    for _ in range(5):
        after = augment.augment(batch, strong, 31, random)
        x = pair_features(after.tracks)
        assert x.shape == (2, 31, len(FEATURE_NAMES))
        assert torch.isfinite(x).all()
        assert after.labels_BTC.shape == after.loss_mask_BTC.shape == (2, 31, 2)


def test_the_same_generator_augments_alike(batch: Batch) -> None:
    one, two = (
        augment.augment(batch, Augmentation(), 31, torch.Generator().manual_seed(5)).tracks.xy_BRTK2
        for _ in range(2)
    )
    torch.testing.assert_close(one, two, equal_nan=True)
    assert math.isfinite(float(one.nansum()))
