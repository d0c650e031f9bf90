"""Pages of a bucket in S3's order (UTF-8 bytes of the whole key), walked lazily: a page reads what it shows."""

from __future__ import annotations

import contextlib
import heapq
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from local_mock.keys import MARKER, aside_keys, is_in_progress
from local_mock.s3.errors import S3Error
from local_mock.s3.index import Old, row_of
from local_mock.s3.store import Store, StoredObject

__all__ = ["Page", "VersionsPage", "page", "versions_page"]

_Found = tuple[str, str]  # key, path of its file


@dataclass
class Page:
    """The content of one ListObjects answer. `last` is the key or common prefix to go on after, if truncated."""

    objects: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    truncated: bool = False
    last: str = ""


@dataclass
class VersionsPage:
    """The content of one ListObjectVersions answer: (version, is it a marker, is it the newest), and prefixes."""

    versions: list[tuple[StoredObject, bool, bool]] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    truncated: bool = False
    last: str = ""
    last_version: str = ""


def page(store: Store, bucket: str, *, prefix: str, delimiter: str, after: str, limit: int) -> Page:
    """Return the first `limit` objects and common prefixes whose key is greater than `after`.

    `after` may be a common prefix of an earlier page: everything below it is passed over.
    """
    store.require_bucket(bucket)
    result = Page()
    entries: list[_Found] = []
    common_of = _common(prefix, delimiter)
    skip, shown = common_of(after), 0
    skip = skip if skip == after else ""
    for key, path in _keys(store, bucket, prefix, after):
        if skip and key.startswith(skip):
            continue
        common = common_of(key)
        if shown == limit:
            result.truncated = limit > 0
            break
        shown += 1
        result.last = common or key
        if common:
            result.prefixes.append(common)
            skip = common
        else:
            entries.append((key, path))
    result.objects = [*_with_etags(store, bucket, entries).values()]
    return result


def versions_page(
    store: Store, bucket: str, *, prefix: str, delimiter: str, after: str, after_version: str, limit: int
) -> VersionsPage:
    """Return the first `limit` versions and common prefixes after one version of key `after` ('': after all)."""
    store.require_bucket(bucket)
    result = VersionsPage()
    common_of = _common(prefix, delimiter)
    skip, shown = common_of(after), 0
    skip = skip if skip == after else ""
    present: list[_Found] = []
    chosen: list[tuple[str, Old | None, bool]] = []
    for key, path, olds in _with_versions(store, bucket, prefix, after):
        if skip and key.startswith(skip):
            continue
        common = common_of(key)
        entries = [(old, n == 0) for n, old in enumerate([*([None] if path else []), *olds])]
        if key == after:
            entries = _rest(entries, after_version)
        for old, newest in entries[:1] if common else entries:
            if shown == limit:
                result.truncated = limit > 0
                break
            shown += 1
            result.last, result.last_version = common or key, old.row.version if old and not common else ""
            if common:
                result.prefixes.append(common)
                skip = common
                break
            if old is None:
                present.append((key, path))
            chosen.append((key, old, newest))
        if result.truncated:
            break
    objects = _with_etags(store, bucket, present)
    for key, old, newest in chosen:
        now = objects.get(key)
        if old is None and now is not None:
            result.versions.append((now, False, newest))
        elif old is not None and (now is None or now.row.version != old.row.version):  # else: killed on its way
            result.versions.append((StoredObject(bucket, key, old.row), old.is_marker, newest))
    if not result.last_version and result.last in objects:
        result.last_version = objects[result.last].row.version
    return result


def _rest(entries: list[tuple[Old | None, bool]], version: str) -> list[tuple[Old | None, bool]]:
    """Return the versions of a key that follow one that was shown ('' for all of them)."""
    if not version:
        return []
    names = [old.row.version if old else "" for old, _ in entries]
    return entries[names.index(version) + 1 :] if version in names else entries[1:]


def _common(prefix: str, delimiter: str) -> Callable[[str], str]:
    """Return the function from a key to its common prefix, '' if it has none."""

    def common_of(key: str) -> str:
        cut = key.find(delimiter, len(prefix)) if delimiter and key.startswith(prefix) else -1
        return key[: cut + len(delimiter)] if cut >= 0 else ""

    return common_of


def _keys(store: Store, bucket: str, prefix: str, after: str, *, inclusive: bool = False) -> Iterator[_Found]:
    """Yield the key and path of every object greater than `after` (or equal, if `inclusive`), in order."""
    plain = (
        (key, path)
        for key, path in _walk(os.fspath(store.root / bucket), "", prefix, after, inclusive=inclusive)
        if not is_in_progress(key) or key.endswith("/") or store.index.get(bucket, key)  # put through the API
    )
    aside = sorted(
        (key, os.fspath(path))
        for key, path in aside_keys(store.root, bucket)
        if key.startswith(prefix) and (key > after or (inclusive and key == after))
    )
    if not aside:
        yield from plain
        return
    for _, table in groupby(heapq.merge(plain, aside, key=_first), key=_first):
        yield next(table)  # the plain file counts


def _first(item: tuple[str, object]) -> str:
    return item[0]


def _with_versions(store: Store, bucket: str, prefix: str, after: str) -> Iterator[tuple[str, str, list[Old]]]:
    """Yield (key, path of the present object or '', older versions from new to old) of keys from `after` on."""
    present = ((key, (path, None)) for key, path in _keys(store, bucket, prefix, after, inclusive=True))
    older = ((old.key, ("", old)) for old in _older(store, bucket, prefix, after))
    for key, group in groupby(heapq.merge(present, older, key=_first), key=_first):
        items = [item for _, item in group]
        yield key, items[0][0], [old for _, old in items if old is not None]


def _older(store: Store, bucket: str, prefix: str, after: str) -> Iterator[Old]:
    for old in store.index.versions(bucket, max(prefix, after)):
        if not old.key.startswith(prefix):
            return
        yield old


def _walk(folder: str, base: str, prefix: str, after: str, *, inclusive: bool) -> Iterator[_Found]:
    """Yield the key and path of the files below `folder` (whose keys begin with `base`), in order.

    Whole folders outside `prefix` or before `after` are not entered. Links are passed over.
    """
    for name, path, is_folder in _entries(folder):
        key = base + name
        if is_folder:
            below = key + "/"
            outside = not (below.startswith(prefix) or prefix.startswith(below))
            passed = below < after and not after.startswith(below)
            if not outside and not passed:
                yield from _walk(path, below, prefix, after, inclusive=inclusive)
        elif key.startswith(prefix) and (key > after or (inclusive and key == after)):
            yield key, path


def _entries(folder: str) -> list[tuple[str, str, bool]]:
    """Return (name, path, is folder) in key order: a folder sorts as its name with '/', its marker first."""
    listed = []
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return []
    for entry in entries:
        with contextlib.suppress(OSError, UnicodeEncodeError):
            raw = entry.name.encode()
            if entry.is_dir(follow_symlinks=False):
                listed.append((raw + b"/", (entry.name, entry.path, True)))
            elif entry.name == MARKER:
                listed.append((b"", ("", entry.path, False)))
            elif entry.is_file(follow_symlinks=False):
                listed.append((raw, (entry.name, entry.path, False)))
    return [item for _, item in sorted(listed)]


def _with_etags(store: Store, bucket: str, items: list[_Found]) -> dict[str, StoredObject]:
    """Return the objects by key, with size, time and ETag; a file without a row is adopted."""
    stats: dict[str, os.stat_result] = {}
    for key, path in items:
        with contextlib.suppress(OSError):  # vanished meanwhile
            stats[key] = os.stat(path, follow_symlinks=False)  # noqa: PTH116
    if not stats:
        return {}
    # After the files: the row of a file that we have seen is there, or the file has been replaced since.
    rows = store.index.between(bucket, items[0][0], items[-1][0])
    objects: dict[str, StoredObject] = {}
    for key, stat in stats.items():
        row = row_of(rows.get(key, []), stat)
        with contextlib.suppress(S3Error):
            objects[key] = StoredObject(bucket, key, row) if row else store.head(bucket, key)
    return objects
