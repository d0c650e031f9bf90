"""Run a module of this package as a child process that decodes a video: its command and its environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["command", "environment"]


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this package."""
    # -P: Python would import an `av.py` that lies in the current folder, say one of videos.
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return the variables of the child: it finds this package, and computes in one thread."""
    packages = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [packages, os.getenv("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
