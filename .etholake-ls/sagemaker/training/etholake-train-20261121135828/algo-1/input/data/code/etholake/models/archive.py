"""The archive that a training job leaves and takes: a model folder as `model.tar.gz`."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from etholake.errors import DataError

__all__ = ["ARCHIVE", "unpack"]

ARCHIVE = "model.tar.gz"


def unpack(archive: bytes, folder: Path, name: str) -> Path:
    """The files of an archive below `folder`; links and paths that leave it are refused. Raises DataError."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as content:
            content.extractall(folder, filter="data")
    except tarfile.TarError as err:
        raise DataError(f"'{name}' is not the archive of a model: {err}.") from err
    return folder
