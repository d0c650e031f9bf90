"""The sidecar: what a plain file cannot hold (ETag, content type, metadata, tags, checksum), in one SQLite file.

A row counts only while the file has the row's modification time and size; otherwise the file was replaced
from outside and is a new object. So the index may be lost or stale without harm to the data: ETags are
computed again, only metadata and tags are gone.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Index", "Row"]

_SCHEMA = """CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT, key TEXT, mtime_ns INTEGER, size INTEGER, etag TEXT, headers TEXT, tags TEXT,
    PRIMARY KEY (bucket, key)) WITHOUT ROWID"""


@dataclass(frozen=True)
class Row:
    """One object's sidecar. `mtime_ns`, `size` (bytes) are those of the file that it belongs to."""

    mtime_ns: int
    size: int
    etag: str
    headers: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def _checksums(headers: str) -> dict[str, str]:
    """Of stored headers, those of a checksum (nothing is parsed where there is none)."""
    if '"x-amz-checksum-' not in headers:
        return {}
    return {k: v for k, v in json.loads(headers).items() if k.startswith("x-amz-checksum-")}


class Index:
    """Rows by (bucket, key). Safe to use from many threads."""

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

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(_SCHEMA)
        db.execute("SELECT count(*) FROM objects WHERE bucket = ''").fetchone()
        return db

    def get(self, bucket: str, key: str) -> Row | None:
        sql = "SELECT mtime_ns, size, etag, headers, tags FROM objects WHERE bucket = ? AND key = ?"
        with self._lock:
            found = self._db.execute(sql, (bucket, key)).fetchone()
        return found and Row(found[0], found[1], found[2], json.loads(found[3]), json.loads(found[4]))

    def put(self, bucket: str, key: str, row: Row) -> None:
        values = (bucket, key, row.mtime_ns, row.size, row.etag, json.dumps(row.headers), json.dumps(row.tags))
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def delete(self, bucket: str, key: str) -> None:
        with self._lock:
            self._db.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))

    def delete_bucket(self, bucket: str) -> None:
        with self._lock:
            self._db.execute("DELETE FROM objects WHERE bucket = ?", (bucket,))

    def between(self, bucket: str, first: str, last: str) -> dict[str, Row]:
        """What a list shows of the objects by key, for first <= key <= last in UTF-8 order: rows whose headers
        are those of a checksum, and that have no tags."""
        sql = "SELECT key, mtime_ns, size, etag, headers FROM objects WHERE bucket = ? AND key BETWEEN ? AND ?"
        with self._lock:
            found = self._db.execute(sql, (bucket, first, last)).fetchall()
        return {k: Row(m, s, e, _checksums(h)) for k, m, s, e, h in found}

    def put_many(self, bucket: str, rows: Iterable[tuple[str, Row]]) -> None:
        values = [
            (bucket, key, r.mtime_ns, r.size, r.etag, json.dumps(r.headers), json.dumps(r.tags)) for key, r in rows
        ]
        with self._lock:
            self._db.execute("BEGIN")
            try:
                self._db.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            finally:
                self._db.execute("COMMIT")
