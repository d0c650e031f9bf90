"""A file that is read for its upload, and may change, shrink or fail meanwhile."""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from functools import cached_property
from io import FileIO

from etholake.digest import bytes_digest
from etholake.stages.lake.ingest.checksum_cache import FileState
from etholake.stages.lake.ingest.folder import RawFile
from etholake.stages.lake.ingest.footers import check

__all__ = ["SMALL_BYTES", "Body", "ChangedError", "Reading"]

SMALL_BYTES = 1 << 20
_BLOCK = 1 << 20
_DIGEST_BLOCK = 1 << 18  # stays in the processor's cache from one checksum to the other


class ChangedError(Exception):
    """The file's bytes are not those that were looked at."""


class Reading:
    """An open file. `content`: its bytes, if they are at most SMALL_BYTES. All raise OSError if it fails."""

    def __init__(self, file: RawFile, stream: FileIO) -> None:
        self.file, self.stream = file, stream
        self._read_ns = time.time_ns()
        self._state = self._state_now()
        self.size = self._state[0]
        self.content = read(stream, self.size + 1) if self.size <= SMALL_BYTES else None
        if self.content is not None and len(self.content) != self.size:
            raise ChangedError

    @cached_property
    def digests(self) -> tuple[str, int]:
        """Return (hex SHA-256, CRC32) of the whole file."""
        if self.content is not None:
            return bytes_digest(self.content), zlib.crc32(self.content)
        sha256, crc32, block = hashlib.sha256(), 0, memoryview(bytearray(_DIGEST_BLOCK))
        self.stream.seek(0)
        while count := self.stream.readinto(block):
            sha256.update(block[:count])
            crc32 = zlib.crc32(block[:count], crc32)
        return sha256.hexdigest(), crc32

    def look(self, before: FileState | None) -> FileState:
        """Return the file's state: `before` if it is unchanged, else newly read. Raises ChangedError."""
        if before is not None and before.is_unchanged(*self._state):
            state = before
        else:
            file = RawFile(self.file.path, self.file.key, self.file.kind, *self._state)
            problems = tuple(text.removeprefix(str(file.path)) for text in check(file, self.content))
            state = FileState.at(*self._state, self.digests[0], problems, read_ns=self._read_ns)
        self.require_unchanged()
        return state

    def require_unchanged(self) -> None:
        """Raise ChangedError if the file changed since it was opened."""
        if self._state_now() != self._state:
            raise ChangedError

    def _state_now(self) -> tuple[int, int, int]:
        status = os.fstat(self.stream.fileno())
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns


class Body:
    """`size` bytes of a file for an HTTP client, which reads them as often as it sends them.

    Reads answer with more than they are asked for: the client asks for 16 KiB at a time, which costs more than
    the transfer. Should the file have become shorter, or unreadable, zeros follow: the request is then complete,
    and S3 refuses it by its checksum.
    """

    def __init__(self, stream: FileIO, size: int) -> None:
        self._stream, self._size, self._at = stream, size, 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes: at least `size` of them, unless the body ends."""
        left = self._size - self._at
        want = left if size < 0 else min(left, max(size, _BLOCK))
        try:
            data = os.pread(self._stream.fileno(), want, self._at) if want else b""
        except OSError:
            data = b""
        data = data or bytes(want)
        self._at += len(data)
        return data

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position, within the body; return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = min(max(start + offset, 0), self._size)
        return self._at


def read(stream: FileIO, size: int) -> bytes:
    """Return up to `size` bytes, fewer only at the end of the file."""
    data = stream.read(size)
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data
