"""Access of the executing services to objects: straight from the folders, or through an S3 client.

`FolderData` is used where S3 is our own (plain files), `ClientData` where S3 is elsewhere (LocalStack); the
latter keeps downloaded objects in a cache by ETag. Both read every key of S3, and neither writes one that is no
relative path: a service has no reason to, and a job's code that does has lost track of its paths.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import stat
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from local_mock.errors import DataError
from local_mock.keys import (
    MARKER,
    KeyRefusedError,
    aside_keys,
    check_key,
    is_in_progress,
    is_plain,
    object_path,
    paths_of,
    split_uri,
)
from local_mock.options import DUMMY_KEY

__all__ = ["ClientData", "DataAccess", "FolderData", "ObjectInfo"]


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
        """(URI, path relative to the prefix) of all objects under a prefix, sorted by key.

        As SageMaker does for a channel: if the prefix does not end in '/', the folder part of the key is cut
        off, so ``s3://b/a/f.csv`` is ``f.csv``, and ``s3://b/a`` stands for ``a/…``.
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
            _check_plain(name)
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


class FolderData(DataAccess):
    """Buckets are the subfolders of `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def _path(self, uri: str) -> Path:
        """Return the file of an object that is there; the place for one that is not."""
        paths = paths_of(self.root, *split_uri(uri))
        return next((path for path in paths if path.is_file()), paths[0])

    def list(self, uri_prefix: str) -> list[ObjectInfo]:
        bucket, prefix = split_uri(uri_prefix)
        top = self.root / bucket
        start = top / prefix.rpartition("/")[0]
        stats = dict(_aside(self.root, bucket))
        if os.path.realpath(start) == os.fspath(start):  # else '..' or a link on the way
            stats |= dict(_walk(os.fspath(start), os.fspath(top)))
        objects = [
            ObjectInfo(f"s3://{bucket}/{key}", key, stat.st_size, f"{stat.st_mtime_ns:x}-{stat.st_size:x}")
            for key, stat in stats.items()
            if key.startswith(prefix)
        ]
        return sorted(objects, key=lambda info: info.key.encode())

    def has_bucket(self, uri: str) -> bool:
        return (self.root / split_uri(uri)[0]).is_dir()

    def read(self, uri: str) -> bytes:
        return self._path(uri).read_bytes()

    def write(self, uri: str, data: bytes) -> None:
        with self._replacing(uri) as partial:
            partial.write_bytes(data)

    def local_file(self, uri: str) -> Path:
        path = self._path(uri)
        if not path.is_file():
            raise FileNotFoundError(f"There is no object {uri}.")
        return path

    def local_files(self, infos: Sequence[ObjectInfo]) -> Sequence[Path]:
        return [self._listed_file(info) for info in infos]

    def _listed_file(self, info: ObjectInfo) -> Path:
        """Return the file of an object of a listing, which has followed no link: without asking again."""
        if is_plain(info.key):
            path = os.path.join(self.root, split_uri(info.uri)[0], info.key)  # noqa: PTH118 - of ten thousand
            with contextlib.suppress(OSError):
                if stat.S_ISREG(os.lstat(path).st_mode):
                    return Path(path)
        return self.local_file(info.uri)

    def seekable(self, info: ObjectInfo) -> Path | IO[bytes]:
        return self.local_file(info.uri)

    def delete(self, uri: str) -> None:
        for path in paths_of(self.root, *split_uri(uri)):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                path.unlink()
            prune(path.parent, self.root)

    def _put_file(self, path: Path, uri: str) -> None:
        with self._replacing(uri) as partial:
            shutil.copyfile(path, partial)

    @contextlib.contextmanager
    def _replacing(self, uri: str) -> Iterator[Path]:
        """Yield a partial file beside the object, renamed to it if the block succeeds."""
        _check_plain(split_uri(uri)[1])
        final = object_path(self.root, *split_uri(uri))
        if not (self.root / split_uri(uri)[0]).is_dir():
            raise FileNotFoundError(f"Bucket '{split_uri(uri)[0]}' of {uri} does not exist.")
        partial = final.with_name(f".tmp-{uuid.uuid4().hex}")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(final)
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as err:
            raise DataError(f"{uri} cannot be written: a part of its key is already an object.") from err
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def _check_plain(key: str) -> None:
    """Raise DataError for a key that is no relative path: as a file it could leave its folder."""
    if not is_plain(key):
        raise KeyRefusedError(key, "it must not be absolute, nor have the parts '', '.' or '..'.")


def _aside(root: Path, bucket: str) -> Iterator[tuple[str, os.stat_result]]:
    """(key, stat) of the objects that are no plain files."""
    for key, path in aside_keys(root, bucket):
        with contextlib.suppress(OSError):
            if not key.endswith("/"):
                yield key, path.stat()


def prune(folder: Path, root: Path) -> None:
    """Remove `folder` and its parents while they are empty, up to (not including) a bucket's own folder."""
    while folder.parent != root and root in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _walk(folder: str, top: str) -> Iterator[tuple[str, os.stat_result]]:
    """(key, stat) of every finished regular file below `folder`; links and vanished files are passed over."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, top)
            elif entry.is_file(follow_symlinks=False):
                key = entry.path[len(top) + 1 :]
                if entry.name != MARKER and not is_in_progress(key):
                    yield key, entry.stat(follow_symlinks=False)


class ClientData(DataAccess):
    """Objects of an S3 at `endpoint`; `cache` is a folder for local copies, named by URI and ETag."""

    def __init__(self, endpoint: str, region: str, cache: Path) -> None:
        self._endpoint, self._region, self._cache = endpoint, region, cache
        self._made: Any = None

    @property
    def _client(self) -> Any:
        if self._made is None:  # boto3 costs half a second: not at the server's start
            import boto3
            from botocore.config import Config

            config = Config(
                s3={"addressing_style": "path"}, retries={"mode": "standard"}, proxies={}, max_pool_connections=32
            )
            from local_mock.localstack import work_around

            made = boto3.session.Session().client(
                "s3",
                endpoint_url=self._endpoint,
                region_name=self._region,
                aws_access_key_id=DUMMY_KEY,
                aws_secret_access_key=DUMMY_KEY,
                config=config,
            )
            self._made = work_around(made)
        return self._made

    def list(self, uri_prefix: str) -> list[ObjectInfo]:
        bucket, prefix = split_uri(uri_prefix)
        objects = []
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                objects += [
                    ObjectInfo(f"s3://{bucket}/{i['Key']}", i["Key"], i["Size"], i["ETag"].strip('"'))
                    for i in page.get("Contents", [])
                    if not i["Key"].endswith("/")
                ]
        except self._client.exceptions.NoSuchBucket:
            return []
        return objects

    def has_bucket(self, uri: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._client.head_bucket(Bucket=split_uri(uri)[0])
        except ClientError:
            return False
        return True

    def read(self, uri: str) -> bytes:
        bucket, key = self._split(uri)
        with self._missing(uri):
            return bytes(self._client.get_object(Bucket=bucket, Key=key)["Body"].read())
        raise AssertionError

    def write(self, uri: str, data: bytes) -> None:
        bucket, key = self._split(uri)
        _check_plain(key)
        with self._missing(uri):
            self._client.put_object(Bucket=bucket, Key=key, Body=data)

    def local_file(self, uri: str) -> Path:
        bucket, key = self._split(uri)
        with self._missing(uri):
            etag = self._client.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
        return self._cached(uri, etag)

    def local_files(self, infos: Sequence[ObjectInfo]) -> Sequence[Path]:
        with ThreadPoolExecutor(max_workers=8) as pool:
            return list(pool.map(lambda info: self._cached(info.uri, info.etag), infos))

    def seekable(self, info: ObjectInfo) -> Path | IO[bytes]:
        path = self._local(info.uri, info.etag)
        return path if path.is_file() else io.BufferedReader(_Ranged(self, info), 1 << 16)

    def range(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        """Bytes `start` to before `stop` of one version; FileNotFoundError if it is no longer that version."""
        bucket, key = self._split(info.uri)
        with self._missing(info.uri):
            answer = self._client.get_object(
                Bucket=bucket, Key=key, IfMatch=f'"{info.etag}"', Range=f"bytes={start}-{stop - 1}"
            )
            return bytes(answer["Body"].read())
        raise AssertionError

    def delete(self, uri: str) -> None:
        bucket, key = self._split(uri)
        self._client.delete_object(Bucket=bucket, Key=key)

    def download(self, uri_prefix: str, folder: Path, share: slice = slice(None)) -> int:
        self.local_files(self.list(uri_prefix))  # fill the cache side by side
        return super().download(uri_prefix, folder, share)

    def _put_file(self, path: Path, uri: str) -> None:
        bucket, key = self._split(uri)
        _check_plain(key)
        with self._missing(uri):
            self._client.upload_file(os.fspath(path), bucket, key)

    def _cached(self, uri: str, etag: str) -> Path:
        """Return the local copy of one version, downloaded if absent; it keeps the file's suffix for readers."""
        bucket, key = self._split(uri)
        path = self._local(uri, etag)
        if path.is_file():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".tmp-{uuid.uuid4().hex}")
        try:
            with self._missing(uri):
                body = self._client.get_object(Bucket=bucket, Key=key, IfMatch=f'"{etag}"')["Body"]
                with partial.open("wb") as file:
                    shutil.copyfileobj(body, file, 1 << 20)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path

    def _local(self, uri: str, etag: str) -> Path:
        """Return the path at which the copy of one version lies once it has been downloaded."""
        name = hashlib.sha256(f"{uri}\n{etag}".encode()).hexdigest()[:40]
        return self._cache / name[:2] / (name + Path(uri).suffix)

    @staticmethod
    def _split(uri: str) -> tuple[str, str]:
        bucket, key = split_uri(uri)
        check_key(key)
        return bucket, key

    @contextlib.contextmanager
    def _missing(self, uri: str) -> Iterator[None]:
        from botocore.exceptions import ClientError

        try:
            yield
        except ClientError as err:
            code = err.response["Error"]["Code"]
            if code in ("NoSuchKey", "NoSuchBucket", "404", "PreconditionFailed", "412"):
                raise FileNotFoundError(f"There is no object {uri}.") from err
            raise DataError(f"{uri}: {err}") from err


class _Ranged(io.RawIOBase):
    """One version of an object as a stream whose reads are ranged GETs."""

    def __init__(self, data: ClientData, info: ObjectInfo) -> None:
        super().__init__()
        self._data, self._info, self._at = data, info, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._info.size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + len(buffer), self._info.size)
        if stop <= self._at:
            return 0
        body = self._data.range(self._info, self._at, stop)
        buffer[: len(body)] = body
        self._at += len(body)
        return len(body)
