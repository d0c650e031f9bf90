"""Objects as plain files: read, write, delete, copy. No HTTP here, no XML, no moto.

Rules: a write goes to a temporary file and is renamed (a reader, a kill or a full disk sees the old object or
the new one); a key `a` and a key `a/b` cannot both exist (`KeyConflict`, the second writer gets the error);
links are not followed; files that appear or vanish outside are adopted or dropped when they are next asked for.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from local_mock.data import prune
from local_mock.keys import PRIVATE, KeyRefusedError, bucket_ok, object_path
from local_mock.s3.errors import S3Error, no_such_bucket, no_such_key
from local_mock.s3.index import Index, Row

__all__ = ["Store", "Stored"]

_STRIPES = 64
DEFAULT_TYPE = "binary/octet-stream"


@dataclass(frozen=True)
class Stored:
    """One object as it is now. `etag` without quotes; `headers` lower case, as given at the put."""

    bucket: str
    key: str
    row: Row

    @property
    def etag(self) -> str:
        return self.row.etag

    @property
    def size(self) -> int:
        return self.row.size

    @property
    def modified(self) -> float:
        """Seconds since 1970."""
        return self.row.mtime_ns / 1e9


class Store:
    """The buckets below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.private = self.root / PRIVATE
        self.index = Index(self.private / "index.sqlite")
        self._temporary = self.private / "tmp"
        shutil.rmtree(self._temporary, ignore_errors=True)  # left by a killed server; we hold its lock
        self._temporary.mkdir(parents=True)
        self._locks = [threading.RLock() for _ in range(_STRIPES)]

    # --- buckets ------------------------------------------------------------------------------------------
    def buckets(self) -> list[tuple[str, float]]:
        """(name, time of creation) of every bucket, sorted."""
        with os.scandir(self.root) as entries:
            found = [e for e in entries if e.is_dir(follow_symlinks=False) and bucket_ok(e.name)]
        return sorted((e.name, e.stat().st_ctime) for e in found)

    def has_bucket(self, bucket: str) -> bool:
        folder = self.root / bucket
        return bucket_ok(bucket) and folder.is_dir() and not folder.is_symlink()

    def require_bucket(self, bucket: str) -> None:
        if not self.has_bucket(bucket):
            raise no_such_bucket(bucket)

    def remove_bucket(self, bucket: str) -> None:
        """Remove an empty bucket (the caller has checked), with what writers left unfinished in it."""
        shutil.rmtree(self.root / bucket)
        self.index.delete_bucket(bucket)

    # --- objects ------------------------------------------------------------------------------------------
    def path(self, bucket: str, key: str) -> Path:
        """The file of a key. Raises S3Error for a bucket that is not there or a key that is refused."""
        self.require_bucket(bucket)
        try:
            return object_path(self.root, bucket, key)
        except KeyRefusedError as err:
            code = "KeyTooLongError" if "1,024" in err.reason else "InvalidArgument"
            raise S3Error(code, str(err)) from err

    def open(self, bucket: str, key: str) -> tuple[BinaryIO, Stored]:
        """The object's file, open for reading (it stays whole if the object is replaced), and its sidecar."""
        path = self.path(bucket, key)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe must not block us
        except OSError as err:
            raise no_such_key(key) from err
        stat = os.fstat(descriptor)
        if not S_ISREG(stat.st_mode):
            os.close(descriptor)
            raise no_such_key(key)
        file = os.fdopen(descriptor, "rb")
        try:
            row = self.index.get(bucket, key)
            if row is None or (row.mtime_ns, row.size) != (stat.st_mtime_ns, stat.st_size):
                row = Row(stat.st_mtime_ns, stat.st_size, md5_of(file), {"content-type": DEFAULT_TYPE})
                self.index.put(bucket, key, row)
        except BaseException:
            file.close()
            raise
        return file, Stored(bucket, key, row)

    def head(self, bucket: str, key: str) -> Stored:
        file, stored = self.open(bucket, key)
        file.close()
        return stored

    def find(self, bucket: str, key: str) -> Stored | None:
        """As `head`, None if there is no such object."""
        try:
            return self.head(bucket, key)
        except S3Error as err:
            if err.code == "NoSuchKey":
                return None
            raise

    @contextlib.contextmanager
    def incoming(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A temporary file in the same file system, removed unless `commit` has moved it."""
        path = self._temporary / uuid.uuid4().hex
        try:
            with full_disk(), path.open("wb", buffering=0) as file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)

    def commit(
        self,
        temporary: Path,
        bucket: str,
        key: str,
        etag: str,
        headers: dict[str, str],
        tags: dict[str, str],
        condition: Callable[[Stored | None], None] | None = None,
    ) -> Stored:
        """Make a finished temporary file the object. `condition` sees the present object and may raise."""
        path = self.path(bucket, key)
        with self._lock(bucket, key), full_disk():
            if condition is not None:
                condition(self.find(bucket, key))
            self._move(temporary, path, key)
            stat = path.stat()
            row = Row(stat.st_mtime_ns, stat.st_size, etag, headers, tags)
            self.index.put(bucket, key, row)
        return Stored(bucket, key, row)

    def update(self, stored: Stored, headers: dict[str, str], tags: dict[str, str]) -> None:
        """Replace headers and tags of an object."""
        row = stored.row
        self.index.put(stored.bucket, stored.key, Row(row.mtime_ns, row.size, row.etag, headers, tags))

    def delete(self, bucket: str, key: str, condition: Callable[[Stored | None], None] | None = None) -> None:
        """Delete an object; none is no error. Empty folders on the way up go, too."""
        path = self.path(bucket, key)
        with self._lock(bucket, key):
            if condition is not None:
                condition(self.find(bucket, key))
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
                path.unlink()
            self.index.delete(bucket, key)
            prune(path.parent, self.root)

    def _lock(self, bucket: str, key: str) -> threading.RLock:
        return self._locks[hash((bucket, key)) % _STRIPES]

    @staticmethod
    def _move(temporary: Path, path: Path, key: str) -> None:
        for _ in range(20):  # a delete beside us may prune the folder that we have just made
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_dir():
                    _remove_empty(path)
                temporary.replace(path)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as err:
                raise S3Error(
                    "KeyConflict",
                    f"Key '{key}' cannot be stored: objects are plain files here, and a part of this key is an "
                    "object already, or objects lie below it. Delete those first, or choose another key.",
                ) from err
            except FileNotFoundError:
                if not temporary.exists():
                    raise
            else:
                return
        raise S3Error("KeyConflict", f"Key '{key}' cannot be stored: its folder is being removed all the time.")


def md5_of(file: BinaryIO) -> str:
    """Hex MD5 of an open file, which is rewound."""
    digest = hashlib.md5(usedforsecurity=False)
    while block := file.read(1 << 20):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Turn 'no space left' into an error that an SDK does not retry."""
    try:
        yield
    except OSError as err:
        if err.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise S3Error(
                "InsufficientStorage",
                f"The disk of the S3 folder is full ({err.strerror}); the old object, if any, is as it was.",
            ) from err
        raise


def _remove_empty(folder: Path) -> None:
    """Remove a folder that holds nothing but empty folders; leave it if there is a file."""
    for current, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(current)  # noqa: PTH106
