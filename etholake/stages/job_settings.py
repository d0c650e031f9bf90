"""Read `sagemaker/jobs.json`: images, limits and metric expressions of SageMaker's jobs and endpoints."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

from etholake import aws
from etholake.resources import folder
from etholake.settings import Settings

__all__ = ["image_uri", "job_settings"]


@cache
def job_settings() -> dict[str, Any]:
    """Return the content of `sagemaker/jobs.json`. Raises ContractError inside a job, where the file is not."""
    content = json.loads((folder("sagemaker") / "jobs.json").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def image_uri(settings: Settings, kind: Literal["training", "hosting"]) -> str:
    """Return the URI of the image for training (and processing), or for hosting, in the settings' region.

    The hosting image is one of your own: it lies in the registry of the account that `etholake.aws.account_id`
    gives, which is the caller's unless the setting `account` names another.
    """
    template = str(job_settings()[kind]["image"])
    account = aws.account_id(settings) if "{account}" in template else ""
    return template.format(region=settings.region, account=account)
