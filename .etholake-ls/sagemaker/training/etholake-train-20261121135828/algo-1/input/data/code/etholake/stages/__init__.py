"""The stages of the pipeline, one module each, all of one shape: ``run(settings, …) -> StageResult``.

A stage is idempotent: it compares the fingerprint of its inputs, code and settings with the one it left in
the state zone, and returns `unchanged` with the reason if there is nothing to do.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from etholake import aws
from etholake.contract import STATE_ZONE
from etholake.settings import Settings

__all__ = ["StageResult", "fingerprint", "load_state", "save_state"]


@dataclass(frozen=True)
class StageResult:
    """What a stage did. `summary` is one sentence for a person, `details` is JSON for a program."""

    stage: str
    status: Literal["done", "unchanged"]
    summary: str
    details: dict[str, Any] = field(default_factory=dict)


def fingerprint(*parts: Any) -> str:
    """16 hex digits over JSON-serialisable parts (order of dict keys does not matter)."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
