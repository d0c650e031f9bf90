"""Step caching: a step with the same arguments takes over what an earlier execution gave.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from moto.core.utils import utcnow

from local_mock.sagemaker.pipelines.models import PipelineExecution, StepRun
from local_mock.sagemaker.pipelines.refusal import refuse

__all__ = ["digest_of", "earlier_run", "parse_duration"]

_DURATION = re.compile(
    r"P?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.IGNORECASE,
)


def parse_duration(text: str, where: str) -> dt.timedelta:
    """Return an ISO 8601 duration of weeks, days, hours, minutes and seconds. Raises InvalidRequestError."""
    match = _DURATION.fullmatch(text)
    parts = {name: int(value) for name, value in match.groupdict().items() if value} if match else {}
    if not parts:
        raise refuse(f"CacheConfig.ExpireAfter of {where} must be a duration such as P4DT12H, but got '{text}'.")
    return dt.timedelta(**parts)


def digest_of(kind: str, arguments: Any) -> str:
    """Return what two runs of a step have in common if they do the same."""
    return hashlib.sha256(json.dumps([kind, arguments], sort_keys=True).encode()).hexdigest()


def earlier_run(
    executions: Iterable[PipelineExecution], name: str, digest: str, expiry: dt.timedelta
) -> tuple[PipelineExecution, StepRun] | None:
    """Return the newest successful run of a step that did the same and is not older than `expiry`."""
    runs = [(execution, execution.steps[name]) for execution in executions if name in execution.steps]
    same = [
        (execution, run)
        for execution, run in runs
        if run.status == "Succeeded" and run.digest == digest and not run.cached_from
        and run.ended is not None and utcnow() - run.ended <= expiry
    ]  # fmt: skip
    return max(same, key=lambda pair: pair[1].started, default=None)
