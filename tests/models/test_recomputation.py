"""Gradient checkpointing: the same losses, gradients and statistics with fewer kept tensors, and its refusals."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from etholake.dataset.clip_batch import ClipBatch
from etholake.errors import UsageError
from etholake.models.family import Sizes
from etholake.models.recomputation import RecomputableBlock, recompute_blocks
from etholake.models.registry import resolve

pytestmark = pytest.mark.slow

C, SIZE = 3, 32
LAB, LABELED = torch.tensor([0, 1]), torch.ones(2, C)
TRANSFORMERS = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": SIZE, "patch_size": 8,
}  # fmt: skip
FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "cnn3d": ("cnn3d:smoke", {}),
    "video_pose": ("video_pose:smoke", {}),
    "slowfast": ("slowfast:smoke", {}),
    "multitask": ("multitask:smoke", {}),
    "crop_sequence": ("crop_sequence:smoke", {}),
    **{
        name: ("crop_sequence:smoke", {"backbone": name})
        for name in ("mobilenet_v3_small", "efficientnet_b0", "efficientnet_lite0")
    },
    "vit": (
        "crop_sequence:smoke",
        {
            "backbone": "transformers_vit",
            "backbone_config": {**TRANSFORMERS, "intermediate_size": 32},
        },
    ),
    "dinov2": (
        "multitask:smoke",
        {
            "backbone": "transformers_dinov2",
            "backbone_config": {**TRANSFORMERS, "mlp_ratio": 2},
        },
    ),
    "videomae": (
        "multitask:smoke",
        {
            "backbone": "transformers_videomae",
            "backbone_config": {**TRANSFORMERS, "intermediate_size": 32, "num_frames": 4},
        },
    ),
}


def network_of(name: str) -> nn.Module:
    if name in ("vit", "dinov2", "videomae"):
        pytest.importorskip("transformers", reason="pip install 'etholake[video]'")
    family, config = resolve(*FIELDS[name])
    torch.manual_seed(0)
    network: nn.Module = family.build(config, Sizes(0, C, 2, SIZE))  # type: ignore[attr-defined]  # of networks
    return network


def clips() -> ClipBatch:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2, 4, SIZE, SIZE, 3), dtype=torch.uint8, generator=generator)
    points = torch.rand(2, 4, 14, 3, generator=generator) * SIZE
    return ClipBatch(pixels, points, torch.ones(2, 4, dtype=torch.bool), fps=30.0)


def kept_bytes(compute: Callable[[], Tensor], network: nn.Module) -> tuple[Tensor, int]:
    """Return the result, and the size of all tensors kept for its backward pass but the parameters."""
    parameters = {parameter.data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        result = compute()
    return result, sum(kept.values())


def two_steps(name: str, recomputes: bool) -> tuple[list[float], dict[str, Tensor], dict[str, Tensor], int]:
    """Return losses of two steps, gradients of the last, the state after them and the bytes kept for one."""
    network = network_of(name)
    if recomputes:
        recompute_blocks(network)
    batch, losses, kept = clips(), [], 0
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    for step in range(2):
        torch.manual_seed(step)  # for dropout
        optimiser.zero_grad()
        loss, kept = kept_bytes(lambda: network(batch, LAB, LABELED).square().mean(), network)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    return losses, gradients, network.state_dict(), kept


@pytest.mark.parametrize("name", FIELDS)
def test_a_training_that_recomputes_is_the_same_and_keeps_less(name: str) -> None:
    losses, gradients, state, kept = two_steps(name, recomputes=False)
    again, gradients_again, state_again, kept_again = two_steps(name, recomputes=True)
    assert again == pytest.approx(losses, rel=1e-6)
    torch.testing.assert_close(gradients_again, gradients)
    torch.testing.assert_close(state_again, state)
    counters = [value for key, value in state_again.items() if key.endswith("num_batches_tracked")]
    assert all(counter == 2 for counter in counters)
    assert kept_again < 0.6 * kept


def test_dropout_draws_the_same_numbers_again() -> None:
    class Block(RecomputableBlock):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.dropout(x * x, 0.5, self.training)

    gradients = []
    for recomputes in (False, True):
        block, x = Block(), torch.ones(1000, requires_grad=True)
        block.recomputes = recomputes
        torch.manual_seed(0)
        block(x).sum().backward()
        gradients.append(x.grad)
    assert torch.equal(*gradients)  # type: ignore[arg-type]


def test_nothing_is_recomputed_outside_of_training() -> None:
    network = network_of("cnn3d")
    recompute_blocks(network)
    calls: list[nn.Module] = []
    first = next(module for module in network.modules() if isinstance(module, nn.Conv3d))
    first.register_forward_hook(lambda module, *_: calls.append(module))
    network(clips(), LAB, LABELED).sum().backward()
    assert len(calls) == 2
    network.eval()(clips(), LAB, LABELED).sum().backward()
    assert len(calls) == 3


def test_configurations_that_cannot_use_it_are_refused() -> None:
    on = {"gradient_checkpointing": True}
    assert resolve("cnn3d:smoke", on)[1].gradient_checkpointing
    for name, fields, reason in (
        ("cnn_transformer:smoke", on, "must be false for a network that reads no clips"),
        ("multitask:smoke", {**on, "freeze_epochs": -1}, "must be false with freeze_epochs -1"),
        ("multitask:smoke", {**on, "compile": True}, "must be false with compile"),
    ):
        with pytest.raises(UsageError, match=reason):
            resolve(name, fields)
    with pytest.raises(UsageError, match=r"network Linear has no blocks that can be computed again"):
        recompute_blocks(nn.Linear(1, 1))


def test_the_network_of_fine_tuning_may_recompute() -> None:
    _, config = resolve("slowfast:smoke")
    assert replace(config, gradient_checkpointing=True).sizes() == config.sizes()
