"""The interface to objects that every service uses, whatever S3 they lie in."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local_mock.keys import KeyRefusedError, is_plain, split_uri

__all__ = ["DataAccess", "ObjectInfo", "check_plain"]


@dataclass(frozen=True)
class ObjectInfo:
    """One object. `etag` is opaque: it differs when the content may differ. `size` is in bytes."""

    uri: str
    key: str
    size: int
    etag: str


class DataAccess(ABC):
    """Objects by ``s3://bucket/key``. Missing objects raise FileNotFoundError, bad URIs and keys DataError."""

    @abstractmethod
    def list(self, uri_prefix: str) -> list[ObjectInfo]:
        """Return the objects whose key begins with the prefix (a plain string prefix, as in S3), sorted by key.

        Folder markers (keys that end in '/') are left out. [] if there is no such bucket.
        """

    @abstractmethod
    def read(self, uri: str) -> bytes:
        """Return the bytes of one object."""

    @abstractmethod
    def write(self, uri: str, data: bytes) -> None:
        """Write one object atomically: a reader sees the old one or the new one."""

    @abstractmethod
    def local_file(self, uri: str) -> Path:
        """Return a real file with the object's content; to be read only."""

    @abstractmethod
    def local_files(self, infos: Sequence[ObjectInfo]) -> Sequence[Path]:
        """Return `local_file` of each listed object, in order."""

    @abstractmethod
    def seekable(self, info: ObjectInfo) -> Path | IO[bytes]:
        """Return a source for readers of parts of an object (a Parquet footer): a file, or ranged reads."""

    @abstractmethod
    def delete(self, uri: str) -> None:
        """Delete one object; no error if there is none."""

    @abstractmethod
    def _put_file(self, path: Path, uri: str) -> None: ...

    @abstractmethod
    def has_bucket(self, uri: str) -> bool:
        """Return whether the bucket of a URI exists."""

    def exists(self, uri: str) -> bool:
        """Return whether there is an object with exactly this key."""
        return any(info.uri == uri for info in self.list(uri))

    def entries(self, uri_prefix: str) -> Sequence[tuple[str, str]]:
        """Return (URI, path relative to the prefix) of all objects under a prefix, sorted by key.

        It is done as SageMaker does it for a channel: if the prefix does not end in '/', the folder part of the
        key is cut off, so ``s3://b/a/f.csv`` is ``f.csv``, and ``s3://b/a`` stands for ``a/…``.
        """
        bucket, prefix = split_uri(uri_prefix)
        objects = self.list(uri_prefix)
        if prefix and not prefix.endswith("/"):
            objects = [i for i in objects if i.key == prefix or i.key.startswith(prefix + "/")] or objects
            inside = all(i.key.startswith(prefix + "/") for i in objects)
            base = prefix + "/" if inside else prefix.rpartition("/")[0] + "/"
        else:
            base = prefix
        base = "" if base == "/" else base
        return [(f"s3://{bucket}/{info.key}", info.key.removeprefix(base)) for info in objects]

    def download(self, uri_prefix: str, folder: Path, share: slice = slice(None)) -> int:
        """Copy the objects under a prefix, or a share of them, into `folder`, with the paths of `entries`.

        Returns the number of all objects. Raises DataError, before it writes, for a key that is no relative path.
        """
        objects = self.entries(uri_prefix)
        for _, name in objects:
            check_plain(name)
        for uri, name in objects[share]:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.local_file(uri), target)
        return len(objects)

    def upload(self, folder: Path, uri_prefix: str) -> int:
        """Write every regular file below `folder` under the prefix (joined by one '/'). Returns their number."""
        files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink()]
        base = uri_prefix.rstrip("/")
        for path in files:
            self._put_file(path, f"{base}/{path.relative_to(folder).as_posix()}")
        return len(files)


def check_plain(key: str) -> None:
    """Raise DataError for a key that is no relative path: as a file it could leave its folder."""
    if not is_plain(key):
        raise KeyRefusedError(key, "it must not be absolute, nor have the parts '', '.' or '..'.")
