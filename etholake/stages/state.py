"""Open the lake of the settings, and keep the state of each stage in its state zone.

A stage compares the state with its inputs: if they are the same, there is nothing to do.
"""

from __future__ import annotations

import json
from typing import Any

from etholake import aws
from etholake.contract import STATE_ZONE
from etholake.lake import Lake
from etholake.settings import Settings

__all__ = ["load_state", "open_lake", "save_state"]


def open_lake(settings: Settings) -> Lake:
    """Return the curated zone of the settings' bucket, with its database in the Glue Catalog."""
    return Lake(aws.client(settings, "s3"), aws.client(settings, "glue"), settings.bucket, settings.database)


def load_state(settings: Settings, stage: str) -> dict[str, Any]:
    """Return what `stage` saved last; {} if nothing, or if it cannot be read (then the stage runs again)."""
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
    """Save `state` for the next run of `stage`. Call it when the stage has finished, never before."""
    aws.client(settings, "s3").put_object(
        Bucket=settings.bucket,
        Key=f"{STATE_ZONE}/{stage}.json",
        Body=json.dumps(state, indent=1, sort_keys=True, default=str).encode(),
        ContentType="application/json",
    )
