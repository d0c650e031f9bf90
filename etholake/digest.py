"""Compute short digests that decide whether inputs, code or settings have changed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

__all__ = ["fingerprint"]


def fingerprint(*parts: Any) -> str:
    """Return 16 hex digits over JSON-serialisable parts (the order of dict keys does not matter)."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
