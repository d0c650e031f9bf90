"""Objects as plain files: read, write, delete, change. No HTTP here, no XML, no moto.

Rules: a write goes to a temporary file and is renamed (a reader, a kill or a full disk sees the old object or
the new one, whole, with its own ETag and metadata); rows of the index are written under the lock of their key;
links are not followed; files that appear or vanish outside are adopted or dropped when they are next asked for.
Where a key lies is told by `local_mock.keys`, what older versions are by `versions`.
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
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from local_mock.context import Context
from local_mock.data.folder import prune
from local_mock.keys import PRIVATE, KeyRefusedError, bucket_ok, paths_of
from local_mock.s3.errors import S3Error, no_such_bucket, no_such_key
from local_mock.s3.index import Index, Row, row_of

__all__ = ["DEFAULT_TYPE", "Store", "StoredObject", "full_disk", "store_of"]

_STRIPES = 64
_ATTEMPTS = 5
DEFAULT_TYPE = "binary/octet-stream"


@dataclass(frozen=True)
class StoredObject:
    """One object, or one version of it. `etag` without quotes; `headers` lower case, as given at the put."""

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
    """The buckets below `root`, with the objects as they are now."""

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
        """Return (name, time of creation) of every bucket, sorted."""
        with os.scandir(self.root) as entries:
            folders = [e for e in entries if e.is_dir(follow_symlinks=False) and bucket_ok(e.name)]
        return sorted((e.name, e.stat().st_ctime) for e in folders)

    def has_bucket(self, bucket: str) -> bool:
        folder = self.root / bucket
        return bucket_ok(bucket) and folder.is_dir() and not folder.is_symlink()

    def require_bucket(self, bucket: str) -> None:
        if not self.has_bucket(bucket):
            raise no_such_bucket(bucket)

    def create_bucket(self, bucket: str) -> None:
        """Make the folder; what is left in the private folder of one that was removed from outside goes."""
        if not self.has_bucket(bucket):
            self._forget(bucket)
            (self.root / bucket).mkdir()

    def remove_bucket(self, bucket: str) -> None:
        """Remove an empty bucket (the caller has checked), with what writers left unfinished in it."""
        shutil.rmtree(self.root / bucket)
        self._forget(bucket)

    def _forget(self, bucket: str) -> None:
        for part in ("aside", "versions"):
            shutil.rmtree(self.private / part / bucket, ignore_errors=True)
        self.index.delete_bucket(bucket)

    # --- reading ------------------------------------------------------------------------------------------
    def check(self, bucket: str, key: str) -> None:
        """Raise S3Error for a bucket that is not there or a key that is refused."""
        self._paths(bucket, key)

    def _paths(self, bucket: str, key: str) -> tuple[Path, ...]:
        self.require_bucket(bucket)
        with _refusals():
            return paths_of(self.root, bucket, key)

    def open(self, bucket: str, key: str) -> tuple[BinaryIO, StoredObject]:
        """Return the object's open file (whole even if the object is replaced meanwhile), and its sidecar."""
        paths = self._paths(bucket, key)
        file = _open_first(paths)
        if file is not None:
            # The file first, then its row: the row of an open file is there, and no later file can have its inode.
            row = row_of(self.index.get(bucket, key), os.fstat(file.fileno()))
            if row is not None:
                return file, StoredObject(bucket, key, row)
            file.close()
        return self._adopt(bucket, key, paths)

    def _adopt(self, bucket: str, key: str, paths: tuple[Path, ...]) -> tuple[BinaryIO, StoredObject]:
        """Open an object that no row belongs to: it was replaced this moment, or it comes from outside."""
        for attempt in range(1, _ATTEMPTS + 1):
            with self.lock(bucket, key):
                file = _open_first(paths)
                if file is None:
                    raise no_such_key(key)
                stat = os.fstat(file.fileno())
                row = row_of(self.index.get(bucket, key), stat)
            if row is not None:
                return file, StoredObject(bucket, key, row)
            etag = md5_of(file, stat.st_size)  # may take seconds: nobody should wait for it
            content = {"content-type": DEFAULT_TYPE}
            row = Row(stat.st_mtime_ns, stat.st_size, etag, content, inode=stat.st_ino)
            with self.lock(bucket, key):
                rows = self.index.get(bucket, key)
                if _is_at(paths, stat, file) and row_of(rows, stat) is None:
                    self.index.put(bucket, key, row)
                    self.index.keep_only(bucket, key, row)
                    return file, StoredObject(bucket, key, row)
            if attempt == _ATTEMPTS:  # somebody outside writes on and on: as it was when we read it, not kept
                return file, StoredObject(bucket, key, row)
            file.close()
        raise AssertionError

    def head(self, bucket: str, key: str) -> StoredObject:
        file, stored = self.open(bucket, key)
        file.close()
        return stored

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """Return what `head` returns; None if there is no such object."""
        try:
            return self.head(bucket, key)
        except S3Error as err:
            if err.code == "NoSuchKey":
                return None
            raise

    # --- writing ------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def incoming(self) -> Iterator[tuple[Path, BinaryIO]]:
        """Yield a temporary file in the same file system, removed unless `commit` has moved it."""
        path = self._temporary / uuid.uuid4().hex
        try:
            with full_disk(), path.open("wb", buffering=0) as file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)

    def place(self, temporary: Path, bucket: str, key: str, row: Row) -> StoredObject:
        """Make a finished file the object, with the sidecar `row` but for what the file itself tells.

        The caller holds the key's lock.
        """
        paths = self._paths(bucket, key)
        stat = temporary.stat()
        row = replace(row, inode=stat.st_ino, mtime_ns=stat.st_mtime_ns, size=stat.st_size)
        self.index.put(bucket, key, row)
        try:
            self._move(temporary, paths)
        except BaseException:
            self.index.drop(bucket, key, row)
            raise
        self.index.keep_only(bucket, key, row)
        return StoredObject(bucket, key, row)

    def change(self, bucket: str, key: str, edit: Callable[[Row], Row]) -> StoredObject:
        """Replace headers and tags of the object that is there now."""
        with self.lock(bucket, key):
            stored = self.head(bucket, key)
            row = edit(stored.row)
            self.index.put(bucket, key, row)
        return StoredObject(bucket, key, row)

    def remove(self, bucket: str, key: str) -> None:
        """Delete the file; none is no error. Empty folders on the way up go, too. The caller holds the lock."""
        for path in self._paths(bucket, key):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
                path.unlink()
            prune(path.parent, self.root)
        self.index.delete(bucket, key)

    def link(self, bucket: str, key: str, target: Path) -> None:
        """Give the present file a second name (a copy where the file system has no links)."""
        for path in self._paths(bucket, key):
            if path.is_file():
                try:
                    os.link(path, target, follow_symlinks=False)
                except OSError:
                    shutil.copy2(path, target)
                return

    def lock(self, bucket: str, key: str) -> threading.RLock:
        """Return the lock under which the file and the rows of a key change together."""
        return self._locks[hash((bucket, key)) % _STRIPES]

    @staticmethod
    def _move(temporary: Path, paths: tuple[Path, ...]) -> None:
        """Rename to the plain place; to the private folder if the key has none or something is in the way."""
        *plain, aside = paths
        if plain and _rename(temporary, plain[0]):
            with contextlib.suppress(OSError):
                aside.unlink()
            return
        for _ in range(_ATTEMPTS):  # a delete beside us may prune the folder that we have just made
            aside.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                temporary.replace(aside)
                return
        raise S3Error("InternalError", f"{aside.name} cannot be stored: its folder is removed all the time.")


def _open_first(paths: tuple[Path, ...]) -> BinaryIO | None:
    """Return the first of these that is a regular file, open for reading."""
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe must not block us
        except OSError:
            continue
        if S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
    return None


def _is_at(paths: tuple[Path, ...], stat: os.stat_result, file: BinaryIO) -> bool:
    """Return whether an open file has not changed since `stat` and is still the one that the paths lead to."""
    present = _open_first(paths)
    if present is None:
        return False
    with present:
        stats = os.fstat(present.fileno()), os.fstat(file.fileno())
    return all(
        (s.st_ino, s.st_mtime_ns, s.st_size) == (stat.st_ino, stat.st_mtime_ns, stat.st_size) for s in stats
    )


def _rename(temporary: Path, path: Path) -> bool:
    """Move a file to its place, making folders; False if a file is in the way of a folder or the reverse."""
    for _ in range(20):  # a delete beside us may prune the folder that we have just made
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                _remove_empty(path)
            temporary.replace(path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            return False
        except FileNotFoundError:
            if not temporary.exists():
                raise
        else:
            return True
    return False


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except KeyRefusedError as err:
        code = "KeyTooLongError" if "1,024" in err.reason else "InvalidArgument"
        raise S3Error(code, str(err)) from err


def md5_of(file: BinaryIO, size: int) -> str:
    """Return the hex MD5 of the first `size` bytes of an open file, which is rewound."""
    digest = hashlib.md5(usedforsecurity=False)
    while size > 0 and (block := file.read(min(1 << 20, size))):
        digest.update(block)
        size -= len(block)
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


@lru_cache(maxsize=4)
def _store(root: Path) -> Store:
    return Store(root)


def store_of(context: Context) -> Store:
    """Return the one store of a server."""
    return _store(context.s3_root)
