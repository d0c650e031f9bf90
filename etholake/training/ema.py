"""Exponential moving average of a network's weights and buffers; the average is validated, stored and served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Ema"]


class Ema:
    """The averaged state of a network; with a decay of 0 it is the network's current state."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards the network's weights, after `step` steps (from 1).

        Early the average is short, so that the random weights of the start soon lose their effect.
        """
        keep = min(self.decay, step / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point() and self.decay:
                self.state[name].lerp_(value, 1 - keep)
            else:
                self.state[name].copy_(value)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Load a stored average."""
        for name, value in self.state.items():
            value.copy_(state[name])

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """Give the network the averaged weights inside the block."""
        current = {name: value.detach().clone() for name, value in network.state_dict().items()}
        network.load_state_dict(self.state)
        try:
            yield
        finally:
            network.load_state_dict(current)
