"""The documents that hold the state of the services: when they are written, and how they are read back.

One document a service, account and region, written before the answer to a request that may have changed it goes
out, so that what a client has been told survives `kill -9`. Changes that no request makes (a job that ends) are
made inside `change`. Many clients at once share a write. Athena's executions and Glue's databases are documents of
their own.

Not kept: log events, data points of metrics, and services that are not in `SERVICES`. What was running is ended
with the server and marked so; endpoints start their hosts again.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import logging
import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from local_mock.disk import StateNotWrittenError
from local_mock.durable.graph import Pieces, Reader, Writer, stamp
from local_mock.errors import ServerError
from local_mock.keys import PRIVATE

__all__ = ["SERVICES", "State", "change", "open_state", "save"]

# moto's names; the stacks come last, their resources are objects of the others
SERVICES = (
    "iam", "kms", "s3", "sns", "sqs", "events", "logs", "cloudwatch", "budgets", "lakeformation", "glue", "athena",
    "sagemaker", "applicationautoscaling", "quicksight", "stepfunctions", "cloudformation",
)  # fmt: skip
# Their requests change other services without asking them.
_WIDE = frozenset({"cloudformation", "resourcegroupstaggingapi"})
_READS = ("Get", "List", "Describe", "BatchGet", "Head", "Search", "Simulate", "Validate", "Estimate", "Invoke")


def _none() -> None:
    return None


def _keys() -> Any:
    from moto.s3.models import _VersionedKeyStore

    return _VersionedKeyStore()


def _uploads() -> Any:
    from moto.s3.models import MultipartDict

    return MultipartDict()


_DROPPED: Mapping[str, Mapping[str, Callable[[], Any]]] = {
    "JobRun": {"_execution": _none},
    "ExecutingCrawler": {"_footers": _none},
    "TrainingJob": {"runner": _none},
    "TransformJob": {"runner": _none},
    "ProcessingJob": {"runner": _none},
    "PipelineExecution": {"runner": _none},
    "TuningJob": {"_start": _none, "_search": _none},
    "Endpoint": {"runner": _none},
    "StateMachineInstance": {"executions": list},
    "LogStream": {"events": list},
    "Execution": {"executor": _none, "stopped": threading.Event, "lock": threading.Lock},
    "FakeBucket": {"keys": _keys, "multiparts": _uploads},
}
_CONSTANT: Mapping[str, frozenset[str]] = {"FakeTable": frozenset({"partitions", "versions"})}
_TREES: Mapping[str, frozenset[str]] = {
    "Stack": frozenset({"template_dict"}),
    "ChangeSet": frozenset({"template_dict"}),
}
# attributes of back ends whose items are documents of their own: a request writes only those that it has changed
_SPLIT: Mapping[str, str] = {"glue": "databases"}
# attributes of back ends that their constructors make anew
_OWN: Mapping[str, frozenset[str]] = {
    "athena": frozenset({"runs", "catalog", "_slots", "_results", "_engine", "_guard", "_starting", "_by_token"}),
    "s3": frozenset({"_store", "_objects", "_unclaimed"}),
    "cloudwatch": frozenset({"metric_data", "paged_metric_data"}),
}
_log = logging.getLogger("local_mock.durable")
_SCHEMA = "CREATE TABLE IF NOT EXISTS documents (name TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID"


class State:
    """The documents of one server. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(_SCHEMA)
        # A disk without space is found here, before a client is told that anything is kept.
        self._db.execute("INSERT OR REPLACE INTO documents VALUES ('opened', ?)", (str(time.time()),))
        self._db_lock = threading.Lock()
        self._clock = itertools.count(1)
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._written: dict[str, int] = Counter()  # service -> when its last write began
        self._changing: Counter[str] = Counter()
        self._texts: dict[str, int] = {}  # document -> hash of what was written
        self._unwritten: dict[str, str] = {}  # document -> text that the disk had no space for
        self._pieces: dict[str, Pieces] = {}  # document -> its constant values, written once
        self._stamps: dict[str, dict[str, Any]] = {}  # document -> key of an item -> stamp of what was written

    # --- documents ----------------------------------------------------------------------------------------
    def put(self, name: str, value: Any) -> None:
        """Write one object as a document of its own."""
        self._put(name, json.dumps(Writer({}, _DROPPED).write(value, name)))

    def all(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """Yield (name, object) of the documents that `put` has written under a prefix; damaged ones are logged."""
        rows = self._db.execute(
            "SELECT name, body FROM documents WHERE substr(name, 1, ?) = ? ORDER BY name", (len(prefix), prefix)
        ).fetchall()
        for name, body in rows:
            with self._logged(name):
                yield name, Reader(_nowhere, _DROPPED).read(json.loads(body))

    def _put(self, name: str, body: str) -> None:
        """Write a document. On a full disk it is kept in memory and written by a later call."""
        with self._db_lock:
            self._unwritten[name] = body
            self._flush()

    def _flush(self) -> sqlite3.Error | None:
        """Write what is unwritten (the lock is held); returns the error that stopped it."""
        try:
            for name, body in list(self._unwritten.items()):
                self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?)", (name, body))
                del self._unwritten[name]
        except sqlite3.Error as err:
            _log.error("%d documents could not be written: %s", len(self._unwritten), err)
            return err
        return None

    def require_written(self) -> None:
        """Write what an earlier full disk has left unwritten.

        Raises
        ------
        StateNotWrittenError : there is still no space.
        """
        if not self._unwritten:
            return
        with self._db_lock:
            error = self._flush()
        if error is not None:
            raise StateNotWrittenError(
                f"The disk of {self._path.parent.parent} has no space ({error}): the change is made, but a "
                "restart would lose it. Free some space; it is written with the next request."
            ) from error

    # --- services -----------------------------------------------------------------------------------------
    def save(self, service: str) -> None:
        """Write a service as it is now; a write that began after this call serves it too."""
        asked = next(self._clock)
        with self._locks[service]:
            if self._written[service] > asked:
                return
            began = next(self._clock)
            self._write(service)
            self._written[service] = began

    def _write(self, service: str) -> None:
        elsewhere = _anchors(service)
        for account, region, backend in _backends(service):
            name = f"{service}/{account}/{region}"
            own = _OWN.get(service, frozenset())
            held = {key: value for key, value in list(vars(backend).items()) if key not in own}
            split = _SPLIT.get(service)
            gone = set()
            if split is not None:
                items = dict(held[split])
                gone = self._write_items(name, items, elsewhere)
                held[split] = list(items)
            body = self._text(name, held, elsewhere)
            if self._texts.get(name) != hash(body):
                self._put(name, body)
                self._texts[name] = hash(body)
            for document in gone:  # after the document that named it
                self._forget(document)

    def _write_items(self, name: str, items: dict[str, Any], elsewhere: Mapping[int, list[Any]]) -> set[str]:
        """Write the items of a split attribute that have changed; return the documents of those that are gone."""
        stamps = self._stamps.setdefault(name, {})
        for key, item in items.items():
            # The stamp comes first: what changes while the text is made is written by its own request.
            now = stamp(item, _CONSTANT)
            if key not in stamps or stamps[key] != now:
                self._put(f"{name}/{key}", self._text(f"{name}/{key}", item, elsewhere))
                stamps[key] = now
        gone = {key for key in stamps if key not in items}
        for key in gone:
            del stamps[key]
        return {f"{name}/{key}" for key in gone}

    def _text(self, name: str, value: Any, elsewhere: Mapping[int, list[Any]]) -> str:
        writer = Writer(elsewhere, _DROPPED, _CONSTANT, self._pieces.get(name), _TREES)
        text = json.dumps(writer.write(value, name))
        self._pieces[name] = writer.kept
        return text

    def _forget(self, name: str) -> None:
        """Delete a document that no other names; one that a full disk keeps is deleted at the next start."""
        self._pieces.pop(name, None)
        with self._db_lock, contextlib.suppress(sqlite3.Error):
            self._unwritten.pop(name, None)
            self._db.execute("DELETE FROM documents WHERE name = ?", (name,))

    def restore(self) -> None:
        """Bring back what an earlier server has written. Call once, after the services are installed."""
        for service in SERVICES:
            rows = self._db.execute("SELECT name, body FROM documents WHERE name LIKE ?", (f"{service}/%",))
            bodies = dict(rows.fetchall())
            for name in [name for name in bodies if name.count("/") == 2]:
                _, account, region = name.split("/")
                with self._logged(name):
                    backend = _backend(service, account, region)
                    held = Reader(_find, _DROPPED).read(json.loads(bodies.pop(name)))
                    split = _SPLIT.get(service)
                    if split and isinstance(held[split], list):  # an earlier version kept the items themselves
                        held[split] = self._items(name, held[split], bodies)
                    vars(backend).update({k: v for k, v in held.items() if k not in _OWN.get(service, ())})
            if service in _SPLIT:
                for left in bodies:
                    self._forget(left)

    def _items(self, name: str, keys: list[str], bodies: dict[str, str]) -> dict[str, Any]:
        """Return the items that a document names, in its order; damaged ones are logged and left out."""
        items = {}
        for key in keys:
            with self._logged(f"{name}/{key}"):
                items[key] = Reader(_find, _DROPPED).read(json.loads(bodies.pop(f"{name}/{key}")))
        return items

    @contextlib.contextmanager
    def _logged(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception:
            _log.exception("%s could not be read: it is left as after a first start", name)

    # --- when ---------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def change(self, service: str) -> Iterator[None]:
        """Mark a change that no request makes; it is written at the end, or by a request that may see it."""
        self._changing[service] += 1
        try:
            yield
        finally:
            self.save(service)
            self._changing[service] -= 1

    def after(self, service: str | None, operation: str | None, method: str) -> None:
        """Write, before a request is answered, what it may have changed, or may have seen change.

        Raises
        ------
        StateNotWrittenError : the disk has no space for what the request changed.
        """
        read = method in ("GET", "HEAD") if not operation else operation.startswith(_READS)
        name = (service or "").replace("-", "")
        if read:
            touched = [name] if self._changing[name] else []
        else:
            touched = list(SERVICES) if name in _WIDE or not name else [name]
        for each in touched:
            if each in SERVICES:
                self.save(each)
        if not read:
            self.require_written()
        elif self._unwritten:
            with contextlib.suppress(StateNotWrittenError):  # what is only read can be answered
                self.require_written()


# --- moto's back ends -------------------------------------------------------------------------------------
def _backends(service: str) -> list[tuple[str, str, Any]]:
    """Return (account, region, back end) of a service that has been used."""
    return list(_of_moto(service).iter_backends())


def _backend(service: str, account: str, region: str) -> Any:
    return _of_moto(service)[account][region]


@functools.cache
def _of_moto(service: str) -> Any:
    """Return moto's back ends of a service; of Step Functions those that execute."""
    from moto.backends import get_backend
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    return stepfunctions_parser_backends if service == "stepfunctions" else get_backend(service)


def _anchors(service: str) -> dict[int, list[Any]]:
    """Return {id: place} of the objects that other documents hold: back ends; for stacks their contents too."""
    places: dict[int, list[Any]] = {}
    for other in SERVICES:
        for account, region, backend in _backends(other):
            place = [other, account, region]
            places[id(backend)] = place
            if service != "cloudformation" or other == service:
                continue
            for attribute, held in list(vars(backend).items()):
                if isinstance(held, dict):
                    places |= {
                        id(item): [*place, attribute, key]
                        for key, item in list(held.items())
                        if isinstance(key, str) and hasattr(item, "__dict__")
                    }
    return places


def _find(place: list[Any]) -> Any:
    service, account, region, *rest = place
    holder = _backend(service, account, region)
    return getattr(holder, rest[0]).get(rest[1]) if rest else holder


def _nowhere(place: list[Any]) -> Any:
    raise KeyError(f"A document of its own refers to {place}.")


# --- the one of this process ------------------------------------------------------------------------------
_current: State | None = None


def open_state(s3_root: Path | None) -> State | None:
    """Open the state beside the buckets; None if they are elsewhere. A damaged one is put aside.

    Raises
    ------
    ServerError : it cannot be opened (a full disk, no rights); it is left as it is.
    """
    global _current  # noqa: PLW0603
    _current = None
    if s3_root is not None:
        path = s3_root / PRIVATE / "state.sqlite"
        try:
            _current = State(path)
        except sqlite3.DatabaseError as err:
            if err.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise ServerError(
                    f"The state of the services cannot be opened in {path.parent}: {err}. Is its disk full?"
                ) from err
            _log.exception("%s is damaged: it is put aside, and the services start empty", path)
            path.replace(path.with_suffix(f".damaged-{int(time.time())}"))
            _current = State(path)
    return _current


def current() -> State | None:
    """Return the state of this process's server, None without one."""
    return _current


def change(service: str) -> contextlib.AbstractContextManager[None]:
    """Return `State.change` of this process's server; it does nothing without one (a service on its own)."""
    return _current.change(service) if _current else contextlib.nullcontext()


def save(service: str) -> None:
    """Write a service of this process's server, if there is one."""
    if _current:
        _current.save(service)


def changes(service: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator with which a function runs inside `change`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def changing(*args: Any, **kwargs: Any) -> Any:
            with change(service):
                return function(*args, **kwargs)

        return changing

    return decorate
