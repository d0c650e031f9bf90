"""Define what every stage returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["StageResult"]


@dataclass(frozen=True)
class StageResult:
    """Result of a stage: `summary` is one sentence for a person, `details` is JSON for a program."""

    stage: str
    status: Literal["done", "unchanged"]
    summary: str
    details: dict[str, Any] = field(default_factory=dict)
