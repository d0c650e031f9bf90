"""Keep the state of each stage in the state zone of the lake, so that a later run can find nothing to do."""

from __future__ import annotations

import json
from typing import Any

from etholake import aws
from etholake.contract import STATE_ZONE
from etholake.settings import Settings

__all__ = ["load_state", "save_state"]


def load_state(settings: Settings, stage: str) -> dict[str, Any]:
    """What `stage` left behind last time; {} if nothing, or if it cannot be read (then the stage runs again)."""
    from botocore.exceptions import ClientError

    try:
        body = aws.client(settings, "s3").get_object(Bucket=settings.bucket, Key=f"{STATE_ZONE}/{stage}.json")[
            "Body"
        ]
        state = json.loads(body.read())
    except (ClientError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def save_state(settings: Settings, stage: str, state: dict[str, Any]) -> None:
    """Leave `state` for the next run; written when the stage has finished, never before."""
    aws.client(settings, "s3").put_object(
        Bucket=settings.bucket,
        Key=f"{STATE_ZONE}/{stage}.json",
        Body=json.dumps(state, indent=1, sort_keys=True, default=str).encode(),
        ContentType="application/json",
    )
