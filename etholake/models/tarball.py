"""Open the archive of a model: a tar file, gzipped or not, that is bounded in files and bytes.

An archive may come from anywhere. One of a few MB may unpack to any number of bytes or files, in its members as in
the headers that `tarfile` reads whole.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from etholake.errors import DataError

__all__ = ["MAX_BYTES", "MAX_FILES", "opened", "own_name", "unpack"]

MAX_BYTES = 4 << 30
MAX_FILES = 10_000
_LARGEST_READ = 16 << 20  # of a header; contents are read in pieces
_GZIP = b"\x1f\x8b"


class Members:
    """The members of an open archive, in their order.

    Iterate once; `read` a member, or iterate over its `pieces`, while it is the current one.
    """

    def __init__(self, archive: tarfile.TarFile, name: str) -> None:
        self._archive, self._name = archive, name

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """Yield the members. Raises DataError at the first that is one too many."""
        total = 0
        for count, member in enumerate(self._archive, start=1):
            total += member.size
            if count > MAX_FILES or total > MAX_BYTES:
                raise DataError(
                    f"'{self._name}' is not the archive of a model: it unpacks to more than {MAX_FILES:,} files "
                    f"or {MAX_BYTES >> 30} GiB."
                )
            yield member

    def extract(self, member: tarfile.TarInfo, folder: Path) -> None:
        """Write a member below `folder`. Raises TarError for links and paths that leave it, and for devices."""
        self._archive.extract(member, folder, filter="data")

    def pieces(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        """Yield the content of a member in pieces; nothing for what is no file."""
        if content := self._archive.extractfile(member):
            while piece := content.read(1 << 20):
                yield piece

    def read(self, member: tarfile.TarInfo) -> bytes:
        """Return the content of a member."""
        return b"".join(self.pieces(member))


class _Plain(io.RawIOBase):
    """The tar file of an archive, of which at most a block is read at once."""

    def __init__(self, archive: bytes) -> None:
        super().__init__()
        plain = io.BytesIO(archive)
        self._stream: Any = gzip.GzipFile(fileobj=plain) if archive[:2] == _GZIP else plain

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return bytes(self._stream.read(size))


@contextmanager
def opened(archive: bytes, name: str) -> Iterator[Members]:
    """Open an archive; `name` says in messages which.

    Raises DataError for anything but a tar archive, and for one that unpacks to more than `MAX_FILES` files or
    `MAX_BYTES` bytes; an error of the block that is none of the archive passes.
    """
    try:
        with tarfile.open(fileobj=cast(BinaryIO, _Plain(archive)), mode="r:") as content:
            yield Members(content, name)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as err:
        raise DataError(f"'{name}' is not the archive of a model: {err}.") from err


def own_name(member: tarfile.TarInfo) -> str:
    """Return the path of a member below the archive's root."""
    return member.name.removeprefix("./")


def unpack(archive: bytes, folder: Path, name: str) -> Path:
    """Extract an archive into `folder` and return it. Raises DataError as `opened`, and as `Members.extract`."""
    with opened(archive, name) as members:
        for member in members:
            members.extract(member, folder)
    return folder
