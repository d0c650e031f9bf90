"""The sidecar: what a plain file cannot hold (ETag, content type, metadata, tags, checksum), in one SQLite file.

A row belongs to one file, by inode, modification time and size. A writer puts the row of its file before it
renames the file into place, and drops the rows of earlier files after: so whichever file a reader has opened, its
row is there, and no reader sees the bytes of one version with the ETag of another. A file without a row is from
outside.

Older versions of an object and delete markers are rows of `versions`; their files lie in the private folder.
If the index is lost, ETags are computed again; metadata, tags and older versions are gone.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["NULL", "Index", "Old", "Row", "row_of"]

NULL = "null"  # version of what was written while versioning was not enabled
_FIELDS = "inode, mtime_ns, size, etag, headers, tags, version"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    bucket TEXT, key TEXT, inode INTEGER, mtime_ns INTEGER, size INTEGER, etag TEXT, headers TEXT, tags TEXT,
    version TEXT, PRIMARY KEY (bucket, key, inode)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, bucket TEXT, key TEXT, file TEXT, inode INTEGER, mtime_ns INTEGER,
    size INTEGER, etag TEXT, headers TEXT, tags TEXT, version TEXT, UNIQUE (bucket, key, version));
CREATE INDEX IF NOT EXISTS versions_in_order ON versions (bucket, key, sequence DESC);
CREATE TABLE IF NOT EXISTS settings (bucket TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
_PLACE = ""  # the setting that holds which file the index is; no bucket has this name
_BATCH = 1000


@dataclass(frozen=True)
class Row:
    """One object's sidecar. `mtime_ns`, `size` (bytes), `inode` are those of the file that it belongs to.

    Inode 0 stands for any: the folder was copied to another disk, which keeps times and sizes but not inodes.
    """

    mtime_ns: int
    size: int
    etag: str
    headers: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    inode: int = 0
    version: str = NULL


@dataclass(frozen=True)
class Old:
    """A version that is not the present object. `file`: its name in the private folder; '' for a delete marker."""

    key: str
    row: Row
    file: str
    sequence: int

    @property
    def is_marker(self) -> bool:
        return not self.file


def row_of(rows: Iterable[Row], stat: os.stat_result) -> Row | None:
    """Return the row that belongs to a file, None if there is none."""
    fitting = [row for row in rows if (row.mtime_ns, row.size) == (stat.st_mtime_ns, stat.st_size)]
    exact = [row for row in fitting if row.inode == stat.st_ino]
    return next(iter(exact or [row for row in fitting if not row.inode]), None)


def _listed(headers: str) -> dict[str, str]:
    """Return the stored headers that a list shows, checksum and storage class; other texts are not parsed."""
    if '"x-amz-checksum-' not in headers and '"x-amz-storage-class"' not in headers:
        return {}
    return {k: v for k, v in json.loads(headers).items() if k.startswith(("x-amz-checksum-", "x-amz-storage-"))}


def _row(values: tuple[int, int, int, str, str, str, str]) -> Row:
    inode, mtime_ns, size, etag, headers, tags, version = values
    return Row(mtime_ns, size, etag, json.loads(headers), json.loads(tags), inode, version)


def _values(row: Row) -> tuple[int, int, int, str, str, str, str]:
    headers, tags = json.dumps(row.headers), json.dumps(row.tags)
    return row.inode, row.mtime_ns, row.size, row.etag, headers, tags, row.version


class Index:
    """Rows by bucket and key, older versions, and whether a bucket keeps them. Safe to use from many threads.

    One process has it open at a time: the server holds the lock of its S3 folder.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = self._open(path)
        except sqlite3.DatabaseError:  # damaged, by a power cut say: it can be made again
            path.replace(path.with_suffix(".damaged"))
            for side in ("-wal", "-shm"):
                path.with_name(path.name + side).unlink(missing_ok=True)
            self._db = self._open(path)
        kept = self._db.execute("SELECT bucket, value FROM settings").fetchall()
        self._settings: dict[str, dict[str, Any]] = {bucket: json.loads(value) for bucket, value in kept}
        self._follow_copy(path)

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'objects'").fetchone():  # of local_mock before 0.2
            db.execute(
                "INSERT OR REPLACE INTO files "
                "SELECT bucket, key, 0, mtime_ns, size, etag, headers, tags, 'null' FROM objects"
            )
            db.execute("DROP TABLE objects")
        db.execute("SELECT count(*) FROM files WHERE bucket = ''").fetchone()
        return db

    def _follow_copy(self, path: Path) -> None:
        """Forget the inodes of all objects if the index is another file than before: so are the objects."""
        stat = path.stat()
        place = f"{stat.st_dev}:{stat.st_ino}"
        if self.setting(_PLACE, "place") not in (None, place):
            self._db.execute("UPDATE OR REPLACE files SET inode = 0")
        self.set_setting(_PLACE, "place", place)

    # --- settings of a bucket -----------------------------------------------------------------------------
    def setting(self, bucket: str, name: str) -> Any:
        """Return a setting, None if it was never set."""
        return self._settings.get(bucket, {}).get(name)

    def set_setting(self, bucket: str, name: str, value: Any) -> None:
        """Keep a setting (a JSON value). Those are kept here that a write must know: versioning, object lock."""
        with self._lock:
            settings = self._settings.get(bucket, {}) | {name: value}
            self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (bucket, json.dumps(settings)))
            self._settings[bucket] = settings

    def versioning(self, bucket: str) -> str:
        """Return 'Enabled', 'Suspended', or '' for a bucket that never kept versions."""
        return self.setting(bucket, "versioning_status") or ""

    # --- the present objects ------------------------------------------------------------------------------
    def get(self, bucket: str, key: str) -> list[Row]:
        """Return the rows of a key: one, or two while a writer replaces the object."""
        sql = f"SELECT {_FIELDS} FROM files WHERE bucket = ? AND key = ?"  # noqa: S608 - a constant
        with self._lock:
            rows = self._db.execute(sql, (bucket, key)).fetchall()
        return [_row(values) for values in rows]

    def put(self, bucket: str, key: str, row: Row) -> None:
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (bucket, key, *_values(row))
            )

    def keep_only(self, bucket: str, key: str, row: Row) -> None:
        """Drop the rows of a key that belong to other files than `row` does."""
        with self._lock:
            self._db.execute(
                "DELETE FROM files WHERE bucket = ? AND key = ? AND inode <> ?", (bucket, key, row.inode)
            )

    def drop(self, bucket: str, key: str, row: Row) -> None:
        """Drop one row."""
        with self._lock:
            self._db.execute(
                "DELETE FROM files WHERE bucket = ? AND key = ? AND inode = ?", (bucket, key, row.inode)
            )

    def delete(self, bucket: str, key: str) -> None:
        with self._lock:
            self._db.execute("DELETE FROM files WHERE bucket = ? AND key = ?", (bucket, key))

    def delete_bucket(self, bucket: str) -> None:
        with self._lock:
            for table in ("files", "versions", "settings"):
                self._db.execute(f"DELETE FROM {table} WHERE bucket = ?", (bucket,))  # noqa: S608
            self._settings.pop(bucket, None)

    def between(self, bucket: str, first: str, last: str) -> dict[str, list[Row]]:
        """Return the rows that a list needs by key, for first <= key <= last in UTF-8 order.

        Their headers are only those of checksum and storage class, and they have no tags.
        """
        sql = (
            "SELECT key, inode, mtime_ns, size, etag, headers, version FROM files "
            "WHERE bucket = ? AND key BETWEEN ? AND ?"
        )
        with self._lock:
            stored = self._db.execute(sql, (bucket, first, last)).fetchall()
        rows: dict[str, list[Row]] = defaultdict(list)
        for key, inode, mtime_ns, size, etag, headers, version in stored:
            rows[key].append(Row(mtime_ns, size, etag, _listed(headers), {}, inode, version))
        return rows

    # --- versions -----------------------------------------------------------------------------------------
    def add_version(self, bucket: str, key: str, row: Row, file: str) -> None:
        """Add a version as the newest of those that are not the present object."""
        values = (bucket, key, file, *_values(row))
        with self._lock:
            self._db.execute(
                f"INSERT OR REPLACE INTO versions (bucket, key, file, {_FIELDS}) "  # noqa: S608
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )

    def change_version(self, bucket: str, old: Old, row: Row) -> None:
        """Give an older version other headers or tags; its place in the order stays."""
        with self._lock:
            self._db.execute(
                "UPDATE versions SET headers = ?, tags = ? WHERE bucket = ? AND key = ? AND sequence = ?",
                (json.dumps(row.headers), json.dumps(row.tags), bucket, old.key, old.sequence),
            )

    def drop_version(self, bucket: str, old: Old) -> None:
        with self._lock:
            self._db.execute(
                "DELETE FROM versions WHERE bucket = ? AND key = ? AND sequence = ?",
                (bucket, old.key, old.sequence),
            )

    def version(self, bucket: str, key: str, version: str = "") -> Old | None:
        """Return one version of a key; the newest if none is named."""
        wanted, values = ("AND version = ?", (bucket, key, version)) if version else ("", (bucket, key))
        return next(self._versions(f"bucket = ? AND key = ? {wanted}", values, 1), None)

    def versions(self, bucket: str, first: str) -> Iterator[Old]:
        """Yield the versions from key `first` on, by key and from new to old, read in batches."""
        where, values = "bucket = ? AND key >= ?", (bucket, first)
        while True:
            batch = list(self._versions(where, values, _BATCH))
            yield from batch
            if len(batch) < _BATCH:
                return
            last = batch[-1]
            where = "bucket = ? AND (key > ? OR (key = ? AND sequence < ?))"
            values = (bucket, last.key, last.key, last.sequence)  # type: ignore[assignment]

    def _versions(self, where: str, values: tuple[object, ...], limit: int) -> Iterator[Old]:
        sql = (
            f"SELECT key, file, sequence, {_FIELDS} FROM versions WHERE {where} "  # noqa: S608 - constants
            f"ORDER BY key, sequence DESC LIMIT {limit}"
        )
        with self._lock:
            rows = self._db.execute(sql, values).fetchall()
        for key, file, sequence, *rest in rows:
            yield Old(key, _row(tuple(rest)), file, sequence)
