"""Our AdamW makes torch's updates, bit for bit, and leaves torch's compiler alone."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from etholake.models.adamw import AdamW

TRAINING = """
import sys, torch
from etholake.models.adamw import AdamW
parameter = torch.nn.Parameter(torch.ones(3))
optimiser = AdamW([parameter], lr=0.1)
rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=10, pct_start=0.3)
optimiser.zero_grad()
parameter.sum().backward()
optimiser.step()
rate.step()
optimiser.load_state_dict(optimiser.state_dict())
print(float(parameter.detach().max()) < 1, "torch._dynamo" in sys.modules)
"""

pytestmark = pytest.mark.slow  # torch, or its compiler, is imported anew


def test_the_compiler_of_torch_is_not_imported() -> None:
    done = subprocess.run([sys.executable, "-c", TRAINING], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


def weights_after(kind: type[torch.optim.AdamW], steps: int = 12) -> list[torch.Tensor]:
    """Train a small network in two groups; in the middle another optimiser goes on with the state."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    groups = [{"params": network[0].parameters(), "weight_decay": 0.1}, {"params": network[2].parameters()}]
    optimiser, x = kind(groups, lr=0.05), torch.randn(16, 4)
    for step in range(steps):
        if step == steps // 2:
            state = optimiser.state_dict()
            optimiser = kind([{"params": layer.parameters()} for layer in (network[0], network[2])])
            optimiser.load_state_dict(state)
        optimiser.zero_grad()
        network(x).square().mean().backward()
        optimiser.step()
    return [parameter.detach() for parameter in network.parameters()]


def test_the_updates_are_those_of_torch() -> None:
    ours, theirs = weights_after(AdamW), weights_after(torch.optim.AdamW)
    assert all(torch.equal(*pair) for pair in zip(ours, theirs, strict=True))
    assert not torch.equal(ours[0], weights_after(AdamW, steps=2)[0])
