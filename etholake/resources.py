"""Locate the files that are shipped beside the code."""

from __future__ import annotations

from pathlib import Path

from etholake.errors import ContractError

__all__ = ["repository"]


def repository() -> Path:
    """The checkout that this package runs from. Raises ContractError where there is none (inside a job)."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "pyproject.toml").is_file():
        raise ContractError(
            f"{root} is not a checkout of Etholake (it has no pyproject.toml): packages and stacks are made "
            "from the repository, so run this there."
        )
    return root
