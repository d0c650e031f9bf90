"""Model families by name, and how a trained model is stored and used."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from etholake.errors import ContractError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FAMILIES", "build"]

# Read by OpenMP when torch is imported, which this package therefore does not do up here. By default waiting
# threads spin: on two cores that others use too, a training step took 4 times as long as with sleeping threads
# (and longer than with one thread). A value that the user has set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _cnn_transformer(**sizes: Any) -> nn.Module:
    from etholake.models.cnn_transformer.network import CnnTransformer

    return CnnTransformer(**sizes)


# A family is a maker: (features, classes, labs, **its own sizes) -> module of [B, T, F] → logits [B, T, C].
FAMILIES: dict[str, Callable[..., nn.Module]] = {"cnn_transformer": _cnn_transformer}


def build(family: str, **sizes: Any) -> nn.Module:
    """A new network of a family. Raises ContractError for a family that does not exist."""
    if family not in FAMILIES:
        raise ContractError(f"There is no model family '{family}'; known: {sorted(FAMILIES)}.")
    return FAMILIES[family](**sizes)
