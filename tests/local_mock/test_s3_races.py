"""Readers beside writers: bytes, ETag and metadata are those of one version. Hooks make the interleavings."""

import hashlib
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_mock.s3.errors import S3Error
from local_mock.s3.index import Row
from local_mock.s3.listing import page
from local_mock.s3.store import Store, StoredObject
from local_mock.s3.versions import Versions


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.create_bucket("bucket")
    return store


def put(store: Store, key: str, data: bytes, etag: str | None = None) -> StoredObject:
    with store.incoming() as (temporary, file):
        file.write(data)
        headers = {"content-type": "text/x", "x-amz-meta-md5": md5(data)}
        return Versions(store).commit(temporary, "bucket", key, etag or md5(data), headers, {"t": "1"})


def read(store: Store, key: str) -> tuple[bytes, Row]:
    file, stored = store.open("bucket", key)
    with file:
        return file.read(), stored.row


def check_whole(data: bytes, row: Row) -> None:
    """Bytes, ETag, metadata and tags belong together."""
    assert (row.etag, row.headers["x-amz-meta-md5"], row.tags) == (md5(data), md5(data), {"t": "1"})


def in_thread(work: Callable[[], None]) -> None:
    """Run on another thread, to its end; its error is raised here. A reader that waits for the writer fails."""
    problems: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as err:
            problems.append(err)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "a reader waits for a writer that is between its steps"
    if problems:
        raise problems[0]


@pytest.mark.parametrize("reader", ["open", "list"])
@pytest.mark.parametrize("step", ["before", "after"])
def test_a_read_in_the_middle_of_a_put_keeps_metadata(
    store: Store, monkeypatch: pytest.MonkeyPatch, reader: str, step: str
) -> None:
    put(store, "k", b"old")
    original = store._move

    def look() -> None:
        if reader == "open":
            check_whole(*read(store, "k"))
        else:
            listed = page(store, "bucket", prefix="", delimiter="", after="", limit=9).objects
            assert [o.etag for o in listed] == [md5(b"old" if step == "before" else b"new")]

    def move(temporary: Path, paths: tuple[Path, ...]) -> None:
        if step == "before":
            in_thread(look)
        original(temporary, paths)
        if step == "after":
            in_thread(look)

    monkeypatch.setattr(store, "_move", move)
    put(store, "k", b"new")
    check_whole(*read(store, "k"))
    assert read(store, "k")[0] == b"new"


def test_a_put_between_the_open_and_the_row_of_a_reader(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader holds the old file and finds the row of the new one: it must take the new file then."""
    put(store, "k", b"old", etag="0" * 32 + "-1")
    original, done = store.index.get, threading.Event()

    def get(bucket: str, key: str) -> list[Row]:
        if not done.is_set():
            done.set()
            in_thread(lambda: put(store, "k", b"new") and None)
        return original(bucket, key)

    monkeypatch.setattr(store.index, "get", get)
    data, row = read(store, "k")
    assert data == b"new"
    check_whole(data, row)
    check_whole(*read(store, "k"))


def test_a_put_while_a_file_from_outside_is_adopted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The MD5 of a large file takes seconds, without the lock; what was put meanwhile keeps its row."""
    (store.root / "bucket" / "k").write_bytes(b"outside")
    import local_mock.s3.store as module

    original, once = module.md5_of, iter([True])

    def md5_of(file: Any, size: int) -> str:
        if next(once, False):
            in_thread(lambda: put(store, "k", b"by api!") and None)  # of the same size
        return original(file, size)

    monkeypatch.setattr(module, "md5_of", md5_of)
    check_whole(*read(store, "k"))
    check_whole(*read(store, "k"))


def test_files_of_equal_size_and_time_are_told_apart(store: Store) -> None:
    """Two writes within one tick of the clock: the inode tells which row is whose."""
    for data in (b"one", b"two"):
        with store.incoming() as (temporary, file):
            file.write(data)
            os.utime(temporary, ns=(10**18, 10**18))
            headers = {"x-amz-meta-md5": md5(data)}
            Versions(store).commit(temporary, "bucket", "k", md5(data), headers, {"t": "1"})
        check_whole(*read(store, "k"))
    replaced = store.root / "bucket" / "other"
    replaced.write_bytes(b"six")
    os.utime(replaced, ns=(10**18, 10**18))
    replaced.replace(store.root / "bucket" / "k")  # by somebody outside, in the same tick
    data, row = read(store, "k")
    assert (data, row.etag, row.headers) == (b"six", md5(b"six"), {"content-type": "binary/octet-stream"})


def test_a_put_that_is_killed_leaves_one_version_or_the_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies before or after the rename: a new server finds an object with its own metadata."""

    class KilledError(BaseException):
        pass

    put(store, "k", b"old")
    original = store._move

    def die_after(temporary: Path, paths: tuple[Path, ...]) -> None:
        original(temporary, paths)
        raise KilledError("killed")

    monkeypatch.setattr(store, "_move", die_after)
    monkeypatch.setattr(store.index, "drop", lambda *_: None)  # a killed process tidies nothing up
    with pytest.raises(KilledError, match="killed"):
        put(store, "k", b"new")
    data, row = read(Store(store.root), "k")
    assert data == b"new"
    check_whole(data, row)


def test_a_file_that_changes_while_it_is_adopted_gets_no_row(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.root / "bucket" / "k"
    path.write_bytes(b"0")
    import local_mock.s3.store as module

    original, counter = module.md5_of, iter(range(100))

    def md5_of(file: Any, size: int) -> str:
        digest = original(file, size)
        path.write_bytes(b"%d" % next(counter))
        os.utime(path, ns=(0, time.time_ns()))
        return digest

    monkeypatch.setattr(module, "md5_of", md5_of)
    store.open("bucket", "k")[0].close()  # somebody writes on and on: an answer, but nothing is kept
    assert store.index.get("bucket", "k") == []
    monkeypatch.undo()
    assert store.head("bucket", "k").etag == md5(path.read_bytes())


def test_tags_that_meet_a_put_go_to_one_object_whole(store: Store) -> None:
    put(store, "k", b"old")
    versions = Versions(store)

    def edit(row: Row) -> Row:
        return Row(row.mtime_ns, row.size, row.etag, row.headers, {"t": "1", "more": "2"}, row.inode, row.version)

    writers = [threading.Thread(target=lambda: put(store, "k", os.urandom(8))) for _ in range(20)]
    for writer in writers:
        writer.start()
        versions.change("bucket", "k", "", edit)
    for writer in writers:
        writer.join()
    data, row = read(store, "k")
    assert (row.etag, row.headers["x-amz-meta-md5"]) == (md5(data), md5(data))
    assert len(store.index.get("bucket", "k")) == 1


@pytest.mark.slow
def test_four_writers_of_equal_size_and_readers(store: Store) -> None:
    """2 of 52,653 reads had the ETag of other content before the inode was part of a file's identity."""
    put(store, "k", b"start---")
    stop = time.monotonic() + 3
    problems: list[BaseException] = []
    counts, written = {"read": 0, "listed": 0}, {md5(b"start---")}

    def guarded(work: Callable[[], None]) -> None:
        try:
            while time.monotonic() < stop and not problems:
                work()
        except BaseException as err:
            problems.append(err)

    def look() -> None:
        data, row = read(store, "k")
        check_whole(data, row)
        counts["read"] += 1

    def listed() -> None:
        (item,) = page(store, "bucket", prefix="", delimiter="", after="", limit=9).objects
        assert item.etag in written
        counts["listed"] += 1

    def write() -> None:
        data = os.urandom(8)
        written.add(md5(data))
        put(store, "k", data)

    jobs = [write, write, write, write, look, look, listed]
    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert counts["read"] > 100
    assert counts["listed"] > 100


def test_a_lake_that_was_copied_keeps_etags_and_metadata(store: Store, tmp_path: Path) -> None:
    """A copy keeps times and sizes, not inodes. Multipart ETags could not be computed again."""
    put(store, "k", b"data", etag="0" * 32 + "-2")
    copy = tmp_path.with_name(tmp_path.name + "-copy")
    shutil.copytree(tmp_path, copy)
    moved = Store(copy)
    assert moved.head("bucket", "k").row.etag == "0" * 32 + "-2"
    put(moved, "k", b"data2")
    check_whole(*read(moved, "k"))


def test_the_index_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / ".local_mock").mkdir()
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / "k").write_bytes(b"1")
    stat = (tmp_path / "bucket" / "k").stat()
    with sqlite3.connect(tmp_path / ".local_mock" / "index.sqlite") as db:
        db.execute("CREATE TABLE objects (bucket, key, mtime_ns, size, etag, headers, tags)")
        values = ("bucket", "k", stat.st_mtime_ns, 1, "e-2", '{"x-amz-meta-m": "1"}', '{"t": "2"}')
        db.execute("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    row = Store(tmp_path).head("bucket", "k").row
    assert (row.etag, row.headers, row.tags) == ("e-2", {"x-amz-meta-m": "1"}, {"t": "2"})


def test_a_full_disk_during_the_rename_leaves_the_old_row(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "k", b"old")

    def full(*_: object) -> None:
        raise S3Error("InsufficientStorage", "The disk of the S3 folder is full")

    monkeypatch.setattr(store, "_move", full)
    with pytest.raises(S3Error, match="disk of the S3 folder is full"):
        put(store, "k", b"new")
    check_whole(*read(store, "k"))
    assert len(store.index.get("bucket", "k")) == 1
