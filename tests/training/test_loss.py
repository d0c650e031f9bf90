"""The masked loss against sums done by hand."""

from __future__ import annotations

import math

import pytest
import torch

from etholake.models.loss import masked_loss, positive_weights, soft_f1_loss

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


def test_parts_of_a_batch_add_up_to_the_whole() -> None:
    random = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(6, 5, 3, generator=random), (torch.rand(6, 5, 3, generator=random) < 0.3).float()
    wanted = (torch.rand(6, 5, 3, generator=random) < 0.5).float()
    whole = masked_loss(logits, labels, wanted)
    parts = [
        masked_loss(logits[i], labels[i], wanted[i], entries=wanted.sum()) for i in (slice(0, 2), slice(2, 6))
    ]
    torch.testing.assert_close(sum(parts), whole)


def test_no_gradient_reaches_what_was_not_looked_for() -> None:
    wanted = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    for loss in (masked_loss, soft_f1_loss):
        logits = LOGITS.clone().requires_grad_()
        loss(logits, LABELS, wanted).backward()
        assert logits.grad is not None
        assert (logits.grad[..., 1] == 0).all()
        assert (logits.grad[..., 0] != 0).all()


def test_focal_asymmetric_and_weights() -> None:
    positive, negative = (torch.tensor([[[a, 0.0], [b, 0.0]]]) for a, b in ((1.0, 0.0), (0.0, 1.0)))
    for wanted, gamma in ((positive, 2.0), (negative, 4.0)):  # p = 0.5 in both
        loss = masked_loss(LOGITS, LABELS, wanted, gammas=(2.0, 4.0)).item()
        assert loss == pytest.approx(math.log(2) / 2**gamma)
    weighted = masked_loss(LOGITS, LABELS, positive, weight_C=torch.tensor([3.0, 1.0])).item()
    assert weighted == pytest.approx(3 * math.log(2))
    sure = torch.tensor([[[50.0, 0.0], [-50.0, 0.0]]]).requires_grad_()
    masked_loss(sure, LABELS, positive + negative, gammas=(0.5, 0.5)).backward()
    assert torch.isfinite(sure.grad).all()  # type: ignore[arg-type]


def test_soft_f1_of_certain_predictions_is_f1_of_frames() -> None:
    """Three of four true frames found and one false: F = 6 / 8; both counts are smoothed by one."""
    labels = torch.tensor([1.0, 1, 1, 1, 0, 0])[None, :, None]
    logits = torch.tensor([99.0, 99, 99, -99, 99, -99])[None, :, None]
    assert soft_f1_loss(logits, labels, torch.ones_like(labels)).item() == pytest.approx(1 - 7 / 9)
    assert soft_f1_loss(logits, labels, torch.zeros_like(labels)).item() == 1


def test_positive_weights_are_capped() -> None:
    weights = positive_weights(torch.tensor([0.0, 0.5, 0.1, 0.0001, 0.9]), cap=5.0)
    torch.testing.assert_close(weights, torch.tensor([1.0, 1.0, 3.0, 5.0, 1.0]))
