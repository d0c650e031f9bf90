"""Gradient checkpointing: blocks whose activations are computed again in the backward pass instead of being kept.

It needs less memory and one more forward pass of the blocks (Chen et al. 2016, arXiv 1604.06174). Losses,
gradients and statistics of batch normalisation are those of a training without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from etholake.errors import UsageError

__all__ = ["RecomputableBlock", "recompute_blocks"]


class RecomputableBlock(nn.Module):
    """A block with one input and one output, which keeps its input alone in training if `recomputes` is set."""

    recomputes = False

    def __call__(self, x: Tensor) -> Tensor:
        """Return the output of the block; dropout draws the same numbers when it is computed again."""
        y: Tensor
        if self.recomputes and self.training and torch.is_grad_enabled():
            y = checkpoint(super().__call__, x, use_reentrant=False, context_fn=self._contexts)
        else:
            y = super().__call__(x)
        return y

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Return the contexts of the first and of the second computation."""
        return nullcontext(), _on_copies_of_buffers(self)


@contextmanager
def _on_copies_of_buffers(block: nn.Module) -> Iterator[None]:
    """Let a block compute on copies of its buffers: else batch normalisation would count a batch twice."""
    buffers = [
        (module, name, buffer)
        for module in block.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    for module, name, buffer in buffers:
        setattr(module, name, buffer.clone())
    try:
        yield
    finally:
        for module, name, buffer in buffers:
            setattr(module, name, buffer)


def recompute_blocks(network: nn.Module) -> None:
    """Let all blocks of a network be computed again in the backward pass.

    They are the `RecomputableBlock` modules and the layers of networks of the library transformers (which have no
    batch normalisation). Raises UsageError for a network without any.
    """
    blocks = 0
    for module in network.modules():
        enable: Any = getattr(module, "activation_checkpointing_enable", None)  # of the library transformers
        if enable is not None:
            enable({"use_reentrant": False})
        elif isinstance(module, RecomputableBlock):
            module.recomputes = True
        else:
            continue
        blocks += 1
    if not blocks:
        raise UsageError(
            f"The network {type(network).__name__} has no blocks that can be computed again: leave "
            "gradient_checkpointing out."
        )
