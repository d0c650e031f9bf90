"""The masked loss against sums done by hand."""

from __future__ import annotations

import math

import pytest
import torch

from etholake.training.loss import masked_loss, positive_weights

LOGITS = torch.tensor([[[0.0, 3.0], [0.0, -50.0]]])
LABELS = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])


def test_only_what_was_looked_for_counts() -> None:
    first = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    assert masked_loss(LOGITS, LABELS, first).item() == pytest.approx(math.log(2))
    wild = LOGITS.clone()
    wild[..., 1] = torch.inf
    assert masked_loss(wild, LABELS, first).item() == pytest.approx(math.log(2))
    everything = masked_loss(LOGITS, LABELS, torch.ones_like(LABELS)).item()
    assert everything == pytest.approx((2 * math.log(2) + math.log(1 + math.exp(3)) + 50) / 4, rel=1e-5)
    assert masked_loss(LOGITS, LABELS, torch.zeros_like(LABELS)).item() == 0


def test_no_gradient_reaches_what_was_not_looked_for() -> None:
    logits = LOGITS.clone().requires_grad_()
    masked_loss(logits, LABELS, torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])).backward()
    assert logits.grad is not None
    assert (logits.grad[..., 1] == 0).all()
    assert (logits.grad[..., 0] != 0).all()


def test_focal_and_weights() -> None:
    first = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    assert masked_loss(LOGITS, LABELS, first, focal_gamma=2.0).item() == pytest.approx(math.log(2) / 4)
    weighted = masked_loss(LOGITS, LABELS, first, weight_C=torch.tensor([3.0, 1.0])).item()
    assert weighted == pytest.approx(3 * math.log(2))


def test_positive_weights_are_capped() -> None:
    weights = positive_weights(torch.tensor([0.0, 0.5, 0.1, 0.0001, 0.9]), cap=5.0)
    torch.testing.assert_close(weights, torch.tensor([1.0, 1.0, 3.0, 5.0, 1.0]))
