"""Pages of a bucket in S3's order (UTF-8 bytes of the whole key), walked lazily: a page reads what it shows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from local_mock.keys import MARKER, is_in_progress
from local_mock.s3.errors import S3Error
from local_mock.s3.index import Row
from local_mock.s3.store import DEFAULT_TYPE, Store, Stored, md5_of

__all__ = ["Page", "page"]


@dataclass
class Page:
    """What one ListObjects answer shows. `last` is the key or common prefix to go on after, if truncated."""

    objects: list[Stored] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    truncated: bool = False
    last: str = ""


def page(store: Store, bucket: str, *, prefix: str, delimiter: str, after: str, limit: int) -> Page:
    """The first `limit` objects and common prefixes whose key is greater than `after`.

    `after` may be a common prefix of an earlier page: everything below it is passed over.
    """
    store.require_bucket(bucket)
    result = Page()
    found: list[tuple[str, str]] = []  # (key, path) of objects
    skip = after if delimiter and after.endswith(delimiter) else ""
    known = _Known(store, bucket)
    shown = 0
    for key, path in _walk(os.fspath(store.root / bucket), "", prefix, after):
        if (skip and key.startswith(skip)) or (is_in_progress(key) and not known.has(key)):
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        common = key[: cut + len(delimiter)] if cut >= 0 else ""
        if common and common == skip:
            continue
        if shown == limit:
            result.truncated = limit > 0
            break
        shown += 1
        result.last = common or key
        if common:
            result.prefixes.append(common)
            skip = common
        else:
            found.append((key, path))
    result.objects = _with_etags(store, bucket, found)
    return result


class _Known:
    """Whether a key with the name of an unfinished file was put through the API (then it is an object)."""

    def __init__(self, store: Store, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def has(self, key: str) -> bool:
        return key.endswith("/") or self._store.index.get(self._bucket, key) is not None


def _walk(folder: str, base: str, prefix: str, after: str) -> Iterator[tuple[str, str]]:
    """(key, path) of the files below `folder` (whose keys begin with `base`), in order, greater than `after`.

    Whole folders outside `prefix` or before `after` are not entered. Links are passed over.
    """
    start = after.encode()
    for name, path, is_folder in _entries(folder):
        key = base + name
        if is_folder:
            below = key + "/"
            outside = not (below.startswith(prefix) or prefix.startswith(below))
            passed = below.encode() < start and not after.startswith(below)
            if not outside and not passed:
                yield from _walk(path, below, prefix, after)
        elif key.startswith(prefix) and key.encode() > start:
            yield key, path


def _entries(folder: str) -> list[tuple[str, str, bool]]:
    """(name, path, is folder) in key order: a folder sorts as its name with '/', its marker first."""
    found = []
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return []
    for entry in entries:
        with contextlib.suppress(OSError, UnicodeEncodeError):
            raw = entry.name.encode()
            if entry.is_dir(follow_symlinks=False):
                found.append((raw + b"/", (entry.name, entry.path, True)))
            elif entry.name == MARKER:
                found.append((b"", ("", entry.path, False)))
            elif entry.is_file(follow_symlinks=False):
                found.append((raw, (entry.name, entry.path, False)))
    return [item for _, item in sorted(found)]


def _with_etags(store: Store, bucket: str, found: list[tuple[str, str]]) -> list[Stored]:
    """The objects with size, time and ETag; ETags that the index lacks are computed and kept."""
    if not found:
        return []
    rows = store.index.between(bucket, found[0][0], found[-1][0])
    result: list[Stored] = []
    adopted: list[tuple[str, Row]] = []
    for key, path in found:
        with contextlib.suppress(OSError, S3Error):  # vanished meanwhile
            stat = os.stat(path, follow_symlinks=False)  # noqa: PTH116
            row = rows.get(key)
            if row is None or (row.mtime_ns, row.size) != (stat.st_mtime_ns, stat.st_size):
                with open(path, "rb") as file:  # noqa: PTH123
                    row = Row(stat.st_mtime_ns, stat.st_size, md5_of(file), {"content-type": DEFAULT_TYPE})
                adopted.append((key, row))
            result.append(Stored(bucket, key, row))
    if adopted:
        store.index.put_many(bucket, adopted)
    return result
