"""Declare a function: `FUNCTIONS["name"] = plain(call)` or `generic(make)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Implementation", "generic", "plain"]


@dataclass(frozen=True)
class Implementation:
    """`call` takes the values; `make(argument types, result type)` gives such a function for those types."""

    call: Callable[..., Any] | None = None
    make: Callable[..., Callable[..., Any]] | None = None
    strict: bool = True

    @property
    def generic(self) -> bool:
        return self.make is not None


def plain(call: Callable[..., Any], *, nulls: bool = False) -> Implementation:
    """Return a function of the same Python text for all its types. `nulls`: it is called with None too."""
    return Implementation(call=call, strict=not nulls)


def generic(make: Callable[..., Callable[..., Any]], *, nulls: bool = False) -> Implementation:
    """Return a function that needs its types."""
    return Implementation(make=make, strict=not nulls)
