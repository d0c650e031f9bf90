"""The network's shapes and named configurations, its prior, and the scaler against quartiles by hand."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys

import pytest
import torch

from etholake.errors import UsageError
from etholake.models.cnn_transformer.config import PRESETS, CnnTransformerConfig
from etholake.models.cnn_transformer.family import FAMILY
from etholake.models.cnn_transformer.network import CnnTransformer, sinusoidal_positions
from etholake.models.family import Sizes
from etholake.models.registry import resolve
from etholake.models.scaler import BLOCK, RobustScaler

SIZES = {
    "features": 11,
    "classes": 5,
    "labs": 3,
    "width": 16,
    "convs": 4,
    "kernel": 5,
    "encoders": 2,
    "heads": 4,
    "cycle": 4,
    "stride": 1,
    "feature_dropout": 0.0,
}


def network() -> CnnTransformer:
    torch.manual_seed(0)
    return CnnTransformer(**SIZES, dropout=0.0).eval()


def test_features_become_logits_per_tick_and_class() -> None:
    x, lab, predicted_behaviors = torch.randn(2, 30, 11), torch.tensor([0, 2]), torch.ones(2, 5)
    assert network()(x, lab, predicted_behaviors).shape == (2, 30, 5)


def test_lab_and_candidates_matter_and_samples_do_not_mix() -> None:
    net, x = network(), torch.randn(1, 30, 11).expand(2, -1, -1)
    same = net(x, torch.tensor([1, 1]), torch.ones(2, 5))
    torch.testing.assert_close(same[0], same[1])
    labs = net(x, torch.tensor([1, 2]), torch.ones(2, 5))
    assert not torch.allclose(labs[0], labs[1], atol=1e-3)
    predicted_behaviors = net(x, torch.tensor([1, 1]), torch.tensor([[1.0] * 5, [0.0] * 5]))
    assert not torch.allclose(predicted_behaviors[0], predicted_behaviors[1], atol=1e-3)


def test_the_prior_is_where_training_starts() -> None:
    net = network()
    FAMILY.set_prior(net, torch.tensor([0.0, 0.01, 0.1, 0.25, 0.9]))
    p = torch.sigmoid(net.head.bias)
    torch.testing.assert_close(p, torch.tensor([0.001, 0.01, 0.1, 0.25, 0.5]))


def test_sinusoidal_positions() -> None:
    positions = sinusoidal_positions(5, 4, torch.device("cpu"))
    expected = [math.sin(3), math.cos(3), math.sin(0.03), math.cos(0.03)]
    torch.testing.assert_close(positions[3], torch.tensor(expected))


def test_base_keeps_the_figures_that_users_know() -> None:
    base = PRESETS["base"]
    assert (base.window, base.step, base.width, base.convs, base.kernel) == (128, 64, 256, 4, 5)
    assert (base.encoders, base.heads, base.dropout) == (6, 8, 0.1)
    assert (base.epochs, base.batch, base.lr, base.weight_decay, base.warmup_epochs) == (30, 64, 1e-3, 1e-4, 3)
    net = FAMILY.build(base, Sizes(features=80, classes=37, labs=20))
    assert isinstance(net, CnnTransformer)
    assert [block.conv.dilation for block in net.convs] == [(1,), (2,), (4,), (8,)]
    assert net.encoder.layers[0].linear1.out_features == 4 * 256
    assert net.encoder.layers[0].norm_first
    for config in PRESETS.values():
        assert CnnTransformerConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(("window", "convs"), [(64, 6), (128, 8), (256, 10), (512, 12)])
def test_longer_windows_are_deeper(window: int, convs: int) -> None:
    config = PRESETS[f"w{window}"]
    assert (config.window, config.convs, config.batch * config.window) == (window, convs, 8192)


@pytest.mark.parametrize("ticks", [1, 3, 8, 30])
def test_a_stride_keeps_every_tick(ticks: int) -> None:
    torch.manual_seed(0)
    net = CnnTransformer(**{**SIZES, "stride": 4}, dropout=0.0).eval()
    x = torch.randn(2, ticks, 11)
    coarse = net(x, torch.tensor([0, 2]), torch.ones(2, 5))
    assert coarse.shape == (2, ticks, 5)
    other = x.clone()
    other[:, -1] += 1
    assert not torch.allclose(net(other, torch.tensor([0, 2]), torch.ones(2, 5))[:, -1], coarse[:, -1], atol=1e-3)


def test_hidden_features_are_hidden_from_the_whole_window() -> None:
    net = CnnTransformer(**{**SIZES, "feature_dropout": 0.5}, dropout=0.0)
    torch.manual_seed(0)
    shown = net.hide(torch.ones(4, 11, 30))
    assert set(shown.unique().tolist()) == {0.0, 2.0}
    assert (shown == shown[:, :, :1]).all()


def test_names_that_do_not_exist() -> None:
    with pytest.raises(
        UsageError,
        match=r"'huge'\. Known: .*base, boosted, .*cnn_transformer, .*small, smoke, .*tiny, .*w128, w256, w512",
    ):
        resolve("huge")
    with pytest.raises(UsageError, match=r"no field 'epoch'\. Did you mean 'epochs'"):
        resolve("tiny", {"epoch": 3})
    with pytest.raises(
        UsageError,
        match=r"'augmentation' of a .* has no field 'nois'\. Did you mean 'noise_cm'",
    ):
        resolve("tiny", {"augmentation": {"nois": 3}})
    with pytest.raises(UsageError, match=r"batch \(48\) must be a multiple of accumulate \(5\)"):
        resolve("tiny", {"accumulate": 5})
    with pytest.raises(UsageError, match="amp must be auto, off, bfloat16 or float16, but got 'half'"):
        resolve("tiny", {"amp": "half"})
    with pytest.raises(UsageError, match=r"There is no model family 'lstm'\. "):
        resolve("lstm:small")
    with pytest.raises(UsageError, match="family 'boosted' has no preset 'small'; known: boosted"):
        resolve("boosted:small")
    for composed in ("ensemble", "stacking"):
        with pytest.raises(UsageError, match=f"no model configuration '{composed}'"):
            resolve(composed)
    assert resolve("cnn_transformer:small") == resolve("small")
    assert resolve("tiny", {"epochs": 3})[1].epochs == 3
    quiet = resolve("tiny", {"augmentation": {"noise_cm": 0.0}})[1]
    assert quiet.augmentation == dataclasses.replace(PRESETS["tiny"].augmentation, noise_cm=0.0)


def test_robust_scaling() -> None:
    """Quartiles of 1..101 are 26, 51, 76; a mask stays as it is; a 0 is missing and stays 0."""
    values = torch.stack([torch.arange(1.0, 102.0), (torch.arange(101) % 2).float()], dim=1)
    scaler = RobustScaler.fit(values)
    torch.testing.assert_close(scaler.median_F, torch.tensor([51.0, 0.0]))
    torch.testing.assert_close(scaler.iqr_F, torch.tensor([50.0, 1.0]))
    x = torch.tensor([[[51.0, 1.0], [101.0, 0.0], [0.0, 1.0], [9999.0, 0.0], [-9999.0, 0.0]]])
    expected = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [5.0, 0.0], [-5.0, 0.0]]])
    torch.testing.assert_close(scaler(x), expected)


def test_the_scaler_gives_the_same_in_blocks_as_at_once() -> None:
    x_BTF = torch.randn(3, BLOCK - 7, 4).where(torch.rand(3, BLOCK - 7, 4) > 0.3, 0.0)
    scaler = RobustScaler(torch.tensor([0.0, 1.0, -2.0, 0.5]), torch.tensor([1.0, 0.1, 2.0, 3.0]))
    expected = ((x_BTF - scaler.median_F) / scaler.iqr_F).clamp(-5, 5) * (x_BTF != 0)
    assert torch.equal(scaler(x_BTF), expected)
    turned = x_BTF.transpose(0, 1)
    assert torch.equal(scaler(turned), expected.transpose(0, 1))
    assert torch.equal(scaler(x_BTF[:0]), x_BTF[:0])


@pytest.mark.parametrize("package", ["models", "training"])
@pytest.mark.parametrize(("given", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_told_otherwise(package: str, given: str | None, expected: str) -> None:
    """It must be said before torch is imported, and by importing the package."""
    code = f"import os, sys, etholake.{package}; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    environ = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"} | (
        {"OMP_WAIT_POLICY": given} if given else {}
    )
    run = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [expected, "False"]
