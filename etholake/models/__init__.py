"""Model families by name, and how a trained model is stored and used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from etholake.errors import ContractError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FAMILIES", "build"]


def _cnn_transformer(**sizes: Any) -> nn.Module:
    from etholake.models.cnn_transformer import CnnTransformer

    return CnnTransformer(**sizes)


# A family is a maker: (features, classes, labs, **its own sizes) -> module of [B, T, F] → logits [B, T, C].
FAMILIES: dict[str, Callable[..., nn.Module]] = {"cnn_transformer": _cnn_transformer}


def build(family: str, **sizes: Any) -> nn.Module:
    """A new network of a family. Raises ContractError for a family that does not exist."""
    if family not in FAMILIES:
        raise ContractError(f"There is no model family '{family}'; known: {sorted(FAMILIES)}.")
    return FAMILIES[family](**sizes)
