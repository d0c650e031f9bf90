"""Compute short digests that decide whether inputs, code or settings have changed, and digests of files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["bytes_digest", "file_digest", "fingerprint"]


def fingerprint(*parts: Any) -> str:
    """Return 16 hex digits over parts of JSON types, and of types that say what they hold (paths, dates).

    The order of dict keys does not matter. Raises TypeError for an object whose text is its place in memory.
    """
    text = json.dumps(parts, sort_keys=True, default=_text)
    return bytes_digest(text.encode())[:16]


def _text(value: Any) -> str:
    text = str(value)
    if " object at 0x" in text:
        raise TypeError(f"{type(value).__name__} has no digest: its text differs from process to process.")
    return text


def bytes_digest(content: bytes) -> str:
    """Return the SHA-256 of `content` as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits; the file is read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
