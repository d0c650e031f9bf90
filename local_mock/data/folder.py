"""Objects as plain files: buckets are folders."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from local_mock.data.access import DataAccess, ObjectInfo, check_plain
from local_mock.errors import DataError
from local_mock.keys import MARKER, aside_keys, is_in_progress, is_plain, object_path, paths_of, split_uri

__all__ = ["FolderData", "prune"]


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
        check_plain(split_uri(uri)[1])
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


def _aside(root: Path, bucket: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (key, stat) of the objects that are no plain files."""
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
    """Yield (key, stat) of every finished regular file below `folder`, without links and vanished files."""
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
