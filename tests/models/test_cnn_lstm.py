"""The CNN-BiLSTM: its layers as published, its two heads, its loss, and its configurations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from etholake.dataset.batch import Batch
from etholake.dataset.windows import Tracks
from etholake.errors import UsageError
from etholake.models.cnn_lstm.loss import inverse_frequencies, window_loss, window_targets
from etholake.models.cnn_lstm.network import CnnLstm
from etholake.models.family import Sizes
from etholake.models.registry import resolve


def network(name: str = "cnn_lstm", classes: int = 3, **changes: object) -> CnnLstm:
    family, config = resolve(name, changes)
    torch.manual_seed(0)
    built: CnnLstm = family.build(config, Sizes(48, classes, 2)).eval()  # type: ignore[attr-defined]
    return built


def batch(labels: list[list[list[float]]], labeled: list[list[float]]) -> Batch:
    """Targets [B, T, C] of windows without tracks; every frame trains."""
    labels_BTC, labeled_BC = torch.tensor(labels), torch.tensor(labeled)
    B, T, _ = labels_BTC.shape
    nothing = Tracks(
        torch.zeros(B, 2, T, 8, 2), torch.zeros(B, 2, T, 8) > 0, torch.zeros(B) > 0, *torch.zeros(2, B)
    )
    mask = labeled_BC[:, None].expand(-1, T, -1)
    return Batch(nothing, torch.zeros(B, dtype=torch.long), labeled_BC, labels_BTC, mask)


def test_the_layers_are_the_published_ones() -> None:
    built = network(classes=5)
    convs = [layer for layer in built.convs if isinstance(layer, nn.Conv1d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in convs] == [
        (48, 64, 5), (64, 128, 5), (128, 256, 3),
    ]  # fmt: skip
    kinds = [type(layer).__name__ for layer in built.convs]
    assert kinds == ["Conv1d", "BatchNorm", "ReLU", "MaxPool1d"] * 2 + ["Conv1d", "BatchNorm", "ReLU"]
    lstm = built.lstm
    assert (lstm.input_size, lstm.hidden_size, lstm.num_layers, lstm.bidirectional) == (256, 128, 2, True)
    linear = [layer for layer in [*built.body, built.head] if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(256, 128), (128, 64), (64, 5)]
    assert sum(isinstance(layer, nn.Dropout) for layer in built.body) == 2


def test_the_configuration_is_the_published_training() -> None:
    config = resolve("cnn_lstm")[1]
    assert (config.window, config.batch, config.lr, config.epochs, config.patience) == (60, 64, 5e-4, 100, 20)
    assert (config.focal_gamma, config.head, config.encoder) == (2.0, "dense", "engineered48")
    augmentation = config.augmentation
    assert (augmentation.feature_noise, augmentation.shift, augmentation.scale) == (0.02, 2, 0.05)
    assert augmentation.mixup == 0.2
    assert resolve("cnn_lstm:centred")[1].encoder == "engineered48_centred"


@pytest.mark.parametrize("frames", [60, 61, 7, 4, 1])
@pytest.mark.parametrize(("name", "columns"), [("cnn_lstm:smoke", 3), ("cnn_lstm:smoke_window", 4)])
def test_there_is_an_output_for_every_frame(name: str, columns: int, frames: int) -> None:
    built, x = network(name), torch.randn(2, frames, 48)
    logits = built(x, torch.tensor([0, 1]), torch.ones(2, 3))
    assert logits.shape == (2, frames, columns)
    assert logits.isfinite().all()
    weights = built.attention(x)
    assert weights.shape == (2, frames)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    assert (weights >= 0).all()


def test_a_batch_is_the_same_as_its_samples_one_by_one() -> None:
    for name in ("cnn_lstm:smoke", "cnn_lstm:smoke_window"):
        built, x, lab = network(name), torch.randn(3, 32, 48), torch.tensor([0, 1, 1])
        together = built(x, lab, torch.ones(3, 3))
        alone = torch.cat([built(x[[b]], lab[[b]], torch.ones(1, 3)) for b in range(3)])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_the_window_head_shares_probability_among_labeled_actions_and_other() -> None:
    built = network("cnn_lstm:smoke_window")
    p = built(torch.randn(2, 32, 48), torch.tensor([0, 1]), torch.tensor([[1.0, 0, 1], [0, 1, 0]])).sigmoid()
    torch.testing.assert_close(p.sum(dim=-1), torch.ones(2, 32))
    assert p[0, :, 1].max() == 0
    assert p[1, 0, [0, 2]].max() == 0
    assert (p == p[:, :1]).all()


def test_the_label_of_a_window_is_that_of_its_middle_frame() -> None:
    one_sample = batch(
        [[[1, 0], [0, 0], [0, 0]], [[0, 0], [0, 1], [0, 0]], [[0, 0], [1, 1], [0, 0]]], [[1, 1]] * 3
    )  # fmt: skip
    assert window_targets(one_sample).tolist() == [[0, 0, 1], [0, 1, 0], [0.5, 0.5, 0]]
    unlabeled = batch([[[0, 0], [1, 1], [0, 0]]], [[1, 0]])
    assert window_targets(unlabeled).tolist() == [[1, 0, 0]]


def test_the_window_loss_is_the_focal_loss_by_hand() -> None:
    one_sample, p = batch([[[0, 0], [1, 0], [0, 0]]], [[1, 0]]), 0.8
    logits = torch.tensor([math.log(p / (1 - p)), -math.inf, math.log((1 - p) / p)]).expand(1, 3, 3)
    weight, entries = torch.tensor([1.5, 1.0, 1.0]), one_sample.loss_mask_BTC.sum()
    loss = window_loss(logits, one_sample, 2.0, weight, entries)
    assert loss.item() == pytest.approx(1.5 * (1 - p) ** 2 * -math.log(p))
    part = window_loss(logits, one_sample, 2.0, weight, 2 * entries)
    assert part.item() == pytest.approx(loss.item() / 2)


def test_an_unlabeled_action_neither_learns_nor_spoils_the_gradient() -> None:
    built = network("cnn_lstm:smoke_window")
    sample = batch([[[0.0, 0, 0]] * 32] * 2, [[1, 0, 0]] * 2)
    logits = built(torch.randn(2, 32, 48), sample.lab_B, sample.labeled_BC)
    window_loss(logits, sample, 2.0, torch.ones(4), sample.loss_mask_BTC.sum()).backward()
    gradients = {name: p.grad for name, p in built.named_parameters() if p.grad is not None}
    assert all(g.isfinite().all() for g in gradients.values())
    assert not gradients["head.weight"][1:].any()
    assert gradients["head.weight"][0].any()


def test_class_weights_are_inverse_to_the_frequencies() -> None:
    weights = inverse_frequencies(torch.tensor([0.4, 0.1, 0.0]), other=False)
    assert weights.tolist() == pytest.approx([0.4, 1.6, 1.0])  # 1/0.4 : 1/0.1 = 1 : 4, mean 1
    with_other = inverse_frequencies(torch.tensor([0.5, 0.0]), other=True)
    assert with_other.tolist() == pytest.approx([1.0, 1.0, 1.0])


def test_configurations_that_make_no_network_are_refused() -> None:
    with pytest.raises(UsageError, match="head must be one of dense, window, but got 'frame'"):
        resolve("cnn_lstm", {"head": "frame"})
    with pytest.raises(UsageError, match=r"A window of 3 frames cannot be halved 2 times: give at least 4 frames"):
        resolve("cnn_lstm", {"window": 3})
    with pytest.raises(UsageError, match=r"channels \(\[64\]\) and kernels \(\[5, 5, 3\]\) must be equally many"):
        resolve("cnn_lstm", {"channels": [64]})
