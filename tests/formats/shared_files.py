"""Find the real files of other tools, which are read in place and never copied.

`FORMATS_DIR` (else ../shared/data/formats beside the project) holds them; without it the tests that need them are
skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FORMATS_FOLDER = Path(os.environ.get("FORMATS_DIR", Path(__file__).resolve().parents[3] / "shared/data/formats"))
needs_real_files = pytest.mark.skipif(
    not FORMATS_FOLDER.is_dir(), reason=f"no files of other tools in {FORMATS_FOLDER}: set FORMATS_DIR"
)
