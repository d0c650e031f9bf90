"""Windows of several pairs in one batch: mice are shared, and every pair gets what it would get alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.dataset.windows import Window, gather, gather_by_mouse
from etholake.features.pair_features import FEATURE_NAMES, pair_features
from etholake.models.cnn_transformer.config import PRESETS
from etholake.models.cnn_transformer.family import FAMILY
from etholake.models.network_model import NetworkModel, new_network
from etholake.models.scaler import RobustScaler
from etholake.models.scoring import BATCH, probabilities

ACTIONS = ("chase", "rear", "sniff")
PAIRS = {(1, 2): ["sniff", "chase"], (2, 1): ["chase"], (2, 2): ["rear"], (3, 1): ["sniff"]}


@pytest.fixture(scope="module")
def tracks() -> PoseTracks:
    """Three wandering mice for 200 ticks; mouse 2 is away for a while."""
    random = np.random.default_rng(0)
    xy = random.normal(0, 0.3, (200, 3, 1, 2)).cumsum(axis=0) + random.normal(0, 2, (8, 2))
    xy[50:90, 1] = np.nan
    labeled_behaviors = tuple(
        (agent, target, action) for (agent, target), actions in PAIRS.items() for action in actions
    )
    meta = VideoMeta(1, "Lab", 30.0, 10.0, labeled_behaviors=labeled_behaviors)
    xy = xy.astype(np.float32)
    return PoseTracks(meta, xy, np.isfinite(xy[..., 0]), (1, 2, 3), 0, 200)


@pytest.fixture(scope="module")
def model() -> NetworkModel:
    torch.manual_seed(0)
    config = PRESETS["smoke"]
    network = new_network(FAMILY, config, classes=3, labs=1)
    scaler = RobustScaler(torch.zeros(len(FEATURE_NAMES)), torch.ones(len(FEATURE_NAMES)))
    return NetworkModel(network.eval(), scaler, config, ACTIONS, ("Lab",), {"Lab": ACTIONS})


def test_shared_mice_have_the_features_of_pairs_of_their_own(tracks: PoseTracks) -> None:
    pairs = [(0, 1), (1, 0), (1, 1), (2, 0)]
    windows = [Window(tracks, *pair, start) for start in (-10, 40, 180) for pair in pairs]
    shared, apart = gather_by_mouse(windows, 32), gather(windows, 32)
    assert len(shared.xy_NTK2) == 3 * 3
    torch.testing.assert_close(shared.by_pair().xy_BRTK2, apart.xy_BRTK2, equal_nan=True, atol=0, rtol=0)
    assert torch.equal(shared.by_pair().observed_BRTK, apart.observed_BRTK)
    assert torch.equal(shared.by_pair().is_self_B, apart.is_self_B)
    torch.testing.assert_close(pair_features(shared), pair_features(apart), atol=1e-6, rtol=1e-6)


def test_a_pair_gets_in_company_what_it_gets_alone(tracks: PoseTracks, model: NetworkModel) -> None:
    starts = model.window_starts(tracks)
    assert len(starts) * len(PAIRS) > BATCH["cpu"]
    together, with_pose = probabilities(model, tracks, 1, PAIRS, starts)
    assert with_pose == 0
    assert list(together) == list(PAIRS)
    for pair, actions in PAIRS.items():
        assert together[pair].shape == (200, len(actions))
        assert ((together[pair] > 0) & (together[pair] < 1)).all()
        alone = probabilities(model, tracks, 1, {pair: actions}, starts)[0][pair]
        np.testing.assert_allclose(together[pair], alone, atol=1e-5)


def test_where_no_window_reaches_there_is_nothing(tracks: PoseTracks, model: NetworkModel) -> None:
    values = probabilities(model, tracks, 1, {(1, 2): ["chase"]}, [64, 80])[0][1, 2][:, 0]
    assert np.isfinite(values[64:112]).all()
    assert np.isnan(values[:64]).all()
    assert np.isnan(values[112:]).all()


def test_a_clip_shorter_than_a_window_is_covered(tracks: PoseTracks, model: NetworkModel) -> None:
    short = replace(tracks, xy_TMK2=tracks.xy_TMK2[:20], observed_TMK=tracks.observed_TMK[:20], n_frames=20)
    for pair in model.predict(short):
        assert np.isfinite(pair.probabilities_TA).all()
        assert len(pair.probabilities_TA) == 20
