"""The error of what this library does not do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["check_options", "refuse"]


def refuse(what: str) -> NotImplementedError:
    """Return the error of something that local_mock's `awsglue` does not do."""
    return NotImplementedError(f"local_mock's awsglue does not support {what}.")


def check_options(options: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    """Raise NotImplementedError for an option that would not be followed."""
    if unknown := sorted(set(options) - set(allowed)):
        raise refuse(f"the option {unknown[0]!r} of {where}")
