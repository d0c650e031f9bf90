"""Paths that a shell takes as one word: the SDK's scripts, and those of users, write paths without quotes.

On AWS such a path is ``/opt/ml/…``, which needs none. Here it lies below a folder with any name.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

from local_mock.errors import LocalMockError

__all__ = ["interpreter_folder", "is_plain", "job_folder"]

_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")


def is_plain(path: Path) -> bool:
    """Return whether a shell takes the path as one word, without quotes."""
    return _PLAIN.fullmatch(str(path)) is not None


def job_folder(wanted: Path) -> Path:
    """Make an empty folder for a job: `wanted`, or a temporary one if `wanted` is not plain."""
    if not is_plain(wanted):
        return Path(tempfile.mkdtemp(prefix="local-mock-ml-")).resolve()
    shutil.rmtree(wanted, ignore_errors=True)
    wanted.mkdir(parents=True)
    return wanted


@cache
def interpreter_folder() -> Path:
    """Return the folder of this interpreter's programs; by way of a link if its own path is not plain.

    The link stands for the whole environment (the parent of `bin`), which Python recognises by its `pyvenv.cfg`.
    """
    folder = Path(sys.executable).parent
    if is_plain(folder):
        return folder
    name = hashlib.sha256(os.fsencode(folder.parent)).hexdigest()[:16]
    link = Path(tempfile.gettempdir()) / f"local-mock-python-{os.getuid()}-{name}"
    try:
        link.symlink_to(folder.parent)
    except FileExistsError as err:
        if link.lstat().st_uid != os.getuid() or not link.is_symlink() or link.readlink() != folder.parent:
            raise LocalMockError(f"{link} is in the way of a link to {folder.parent}: remove it.") from err
    return link / folder.name
