"""Retry policies of steps: which errors they are for, and how long they wait.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local_mock.sagemaker.pipelines.refusal import refuse

__all__ = ["RetryPolicy", "error_type", "failure_type", "policy_for"]

_TYPES = frozenset({
    "Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR",
    "SageMaker.RESOURCE_LIMIT",
})  # fmt: skip
_MEMBERS = frozenset({"ExceptionType", "IntervalSeconds", "BackoffRate", "MaxAttempts", "ExpireAfterMin"})
_REASONS = {"InternalServerError": "SageMaker.JOB_INTERNAL_ERROR", "CapacityError": "SageMaker.CAPACITY_ERROR"}


@dataclass(frozen=True)
class RetryPolicy:
    """One policy. `attempts` is None where `expire_s` bounds the retries, and the other way round."""

    types: frozenset[str]
    interval_s: float
    backoff: float
    attempts: int | None
    expire_s: float | None

    @classmethod
    def parse(cls, item: Any, where: str) -> RetryPolicy:
        """Return the policy of a definition. Raises InvalidRequestError."""
        types = item.get("ExceptionType") if isinstance(item, dict) else None
        if not types or set(types) - _TYPES or item.keys() - _MEMBERS:
            raise refuse(f"RetryPolicies of {where} have ExceptionType of {', '.join(sorted(_TYPES))}.")
        attempts, minutes = item.get("MaxAttempts"), item.get("ExpireAfterMin")
        if (attempts is None) == (minutes is None):
            raise refuse(f"RetryPolicies of {where} need either MaxAttempts or ExpireAfterMin.")
        if not 1 <= (attempts or 1) <= 20 or not 1 <= (minutes or 1) <= 14_400:
            raise refuse(f"RetryPolicies of {where}: MaxAttempts is 1 to 20, ExpireAfterMin 1 to 14400.")
        interval, backoff = float(item.get("IntervalSeconds", 1)), float(item.get("BackoffRate", 2.0))
        return cls(frozenset(types), interval, backoff, attempts, minutes and minutes * 60.0)

    def pause(self, retry: int, elapsed_s: float) -> float | None:
        """Return the seconds to wait before the retry of this number (from 1), None if there are no more."""
        if self.attempts is not None and retry > self.attempts:
            return None
        if self.expire_s is not None and elapsed_s > self.expire_s:
            return None
        return self.interval_s * self.backoff ** (retry - 1)


def error_type(response: Mapping[str, Any]) -> str:
    """Return the ExceptionType of a failed request, "" if no policy is for it."""
    code = response["Error"]["Code"]
    if "Throttl" in code or "TooManyRequests" in code:
        return "Step.THROTTLING"
    if code == "ResourceLimitExceeded":
        return "SageMaker.RESOURCE_LIMIT"
    return "Step.SERVICE_FAULT" if response["ResponseMetadata"]["HTTPStatusCode"] >= 500 else ""


def failure_type(reason: str) -> str:
    """Return the ExceptionType of a failed job by its FailureReason, "" if no policy is for it."""
    return _REASONS.get(reason.partition(":")[0], "")


def policy_for(policies: Iterable[RetryPolicy], kind: str) -> RetryPolicy | None:
    """Return the first policy for an ExceptionType, None without one."""
    return next((policy for policy in policies if kind in policy.types), None)
