"""The errors of operations and of runs: AWS's error codes with our sentences."""

from __future__ import annotations

from moto.sagemaker.exceptions import SagemakerClientError

__all__ = ["InvalidRequestError", "ResourceInUseError", "RunError", "shorten"]

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
MAX_REASON = 1024


class InvalidRequestError(SagemakerClientError):
    """The request is refused: what is wrong, and what would be right."""

    code = "ValidationException"


class ResourceInUseError(SagemakerClientError):
    """The name is taken."""

    code = "ResourceInUse"


class RunError(Exception):
    """A job or endpoint cannot go on; the message becomes its FailureReason."""


def shorten(head: str, tail: str) -> str:
    """Return a FailureReason: the whole of `head`, and as much of the end of `tail` as AWS's limit leaves."""
    room = MAX_REASON - len(head) - 1
    return head[:MAX_REASON] if room <= 0 or not tail else f"{head}\n{tail[-room:]}"
