"""The error of a definition that is refused when a pipeline is made or changed."""

from __future__ import annotations

from local_mock.sagemaker.errors import InvalidRequestError

__all__ = ["refuse"]


def refuse(message: str) -> InvalidRequestError:
    """Return the error with which AWS refuses a definition."""
    return InvalidRequestError(f"Unable to parse pipeline definition. {message}")
