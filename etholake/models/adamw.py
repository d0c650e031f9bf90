"""AdamW for networks that run as they are: `torch.optim.AdamW` without the import of torch's compiler.

The methods of torch's optimisers tell the compiler (`torch._dynamo`) to leave them alone, and import it to do so.
That takes two seconds in each process that trains, as long as many a small training. The methods below are torch's
own, without that wrapper; the compiler never sees them, since only the network is ever compiled.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["AdamW"]


class AdamW(torch.optim.AdamW):
    """Makes the same updates as `torch.optim.AdamW`, with the same arguments and state."""

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.AdamW.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.AdamW.state_dict)
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)
    _step = inspect.unwrap(torch.optim.AdamW.step)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters by their gradients; `closure` as in torch."""
        return self._step(closure)
