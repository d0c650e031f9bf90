"""The query processes: started when a query needs one, ended when idle, swollen, stopped or out of time.

`LOCAL_MOCK_ATHENA_MEMORY` (bytes, or `512MB`, `2GB`) is what all of them together may hold, `2GB` unless set;
`LOCAL_MOCK_ATHENA_TIMEOUT` the seconds that one query may take (Athena's quota of 30 minutes unless set:
https://docs.aws.amazon.com/athena/latest/ug/service-limits.html).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from local_mock.athena.errors import QueryError
from local_mock.athena.frames import read_frame, stream_of, write_frame

__all__ = ["Limits", "Pool", "WorkerError", "limits_of"]

_IDLE_S = 60.0
_KEEP_BYTES = 320 * 2**20  # a process that holds more after its query makes room for a new one
_UNITS = {"": 1, "B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}


@dataclass(frozen=True)
class Limits:
    """Ceilings of the query engine: bytes over all processes, seconds per query, processes at a time."""

    memory_bytes: int = 2 * 2**30
    timeout_s: float = 1800.0
    processes: int = 2


class WorkerError(Exception):
    """A query failed in its process: `kind` is the name of DuckDB's exception."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def limits_of(environment: dict[str, str]) -> Limits:
    """Return the limits that an environment sets. Raises ValueError with the variable's name."""
    given = environment.get("LOCAL_MOCK_ATHENA_MEMORY", "2GB").strip().upper().replace(" ", "")
    match = re.fullmatch(r"(\d+)(B|KB|MB|GB)?", given)
    if match is None or int(match.group(1)) * _UNITS[match.group(2) or ""] < 400 * 2**20:
        raise ValueError(f"LOCAL_MOCK_ATHENA_MEMORY must be a size of at least 400MB, but got {given!r}.")
    seconds = environment.get("LOCAL_MOCK_ATHENA_TIMEOUT", "1800")
    if not re.fullmatch(r"\d+(\.\d+)?", seconds) or float(seconds) <= 0:
        raise ValueError(f"LOCAL_MOCK_ATHENA_TIMEOUT must be a number of seconds above 0, but got {seconds!r}.")
    size = int(match.group(1)) * _UNITS[match.group(2) or ""]
    return Limits(size, float(seconds), 2 if size >= 800 * 2**20 else 1)


class _Worker:
    """One query process."""

    def __init__(self, settings: dict[str, Any]) -> None:
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")}
        # glibc's and Arrow's arenas would keep what a query has freed.
        tuned = {
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            "MALLOC_ARENA_MAX": "2",
            "MALLOC_TRIM_THRESHOLD_": "1000000",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local_mock.athena.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | tuned,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._input: IO[bytes] = self.process.stdin
        self._output: IO[bytes] = self.process.stdout
        self.idle_since = time.monotonic()
        self.resident = 0
        self._is_ended = False
        try:
            write_frame(self._input, json.dumps(settings).encode())
            started = read_frame(self._output)
        except OSError:
            started = None
        if started != b"ready":
            self.kill()
            raise QueryError("GENERIC_INTERNAL_ERROR", "The query process of local_mock did not start")

    def run(self, request: dict[str, Any], rows: pa.Table | None = None) -> pa.Table:
        """Return the result of one request, which may bring rows.

        Raises WorkerError; its kind is `Lost` if the process has died.
        """
        try:
            write_frame(self._input, json.dumps(request | {"rows": rows is not None}).encode())
            if rows is not None:
                write_frame(self._input, stream_of(rows))
            head = read_frame(self._output)
            answer = json.loads(head) if head is not None else None
            if answer is not None and "error" not in answer:
                body = read_frame(self._output)
                if body is not None:
                    self.resident = answer["resident"]
                    return pa.ipc.open_stream(body).read_all()
                answer = None
        except (OSError, ValueError) as err:
            raise WorkerError("Lost", str(err)) from err
        if answer is None:
            raise WorkerError("Lost", "the query process ended")
        self.resident = answer["resident"]
        raise WorkerError(answer["error"], answer["message"])

    @property
    def is_spent(self) -> bool:
        """Return whether no further query may have it: it was ended, died, or holds too much."""
        return self._is_ended or self.process.poll() is not None or self.resident > _KEEP_BYTES

    def end(self) -> None:
        """End the process, whose request another thread may be waiting for."""
        self._is_ended = True
        self.process.kill()

    def kill(self) -> None:
        self._is_ended = True
        self.process.kill()
        self.process.wait()
        for stream in (self._input, self._output):
            with contextlib.suppress(OSError):
                stream.close()


class Pool:
    """A pool of at most `limits.processes` query processes."""

    def __init__(self, limits: Limits, folders: list[Path], scratch: Path) -> None:
        self.limits = limits
        self._scratch = scratch
        share = limits.memory_bytes // limits.processes
        self._settings = {
            "memory_bytes": share,
            "duckdb_bytes": share * 55 // 100,
            "threads": max(1, min(os.cpu_count() or 1, 8)),
            "scratch": str(scratch),
            "folders": [f"{folder}/" for folder in [*folders, scratch]],
        }
        self._changed = threading.Condition()
        self._idle: list[_Worker] = []
        self._count = 0
        self._reaper: threading.Thread | None = None

    @contextlib.contextmanager
    def worker(self, deadline: float) -> Iterator[_Worker]:
        """Yield a process of one's own for one request. Raises QueryError when none is free by `deadline`."""
        worker = self._take(deadline)
        try:
            yield worker
        except QueryError:  # an answer like any other: the process goes on
            raise
        except BaseException:
            worker.kill()
            raise
        finally:
            self._give_back(worker)

    def _take(self, deadline: float) -> _Worker:
        with self._changed:
            while not self._idle and self._count >= self.limits.processes:
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise QueryError("", "Query timeout")
            while self._idle:
                worker = self._idle.pop()
                if worker.process.poll() is None:
                    return worker
                worker.kill()
                self._count -= 1
            self._count += 1
        try:
            self._scratch.mkdir(parents=True, exist_ok=True)
            return _Worker(self._settings)
        except BaseException:
            with self._changed:
                self._count -= 1
                self._changed.notify()
            raise

    def _give_back(self, worker: _Worker) -> None:
        is_spent = worker.is_spent
        if is_spent:
            worker.kill()
        with self._changed:
            if not is_spent:
                worker.idle_since = time.monotonic()
                self._idle.append(worker)
            else:
                self._count -= 1
            if self._reaper is None:
                self._reaper = threading.Thread(target=self._reap, name="athena-idle", daemon=True)
                self._reaper.start()
            self._changed.notify()

    def _reap(self) -> None:
        """End processes that nobody has needed for a while; this thread ends with the last of them."""
        while True:
            time.sleep(_IDLE_S / 4)
            with self._changed:
                now = time.monotonic()
                old = [w for w in self._idle if now - w.idle_since > _IDLE_S]
                self._idle = [w for w in self._idle if w not in old]
                self._count -= len(old)
                if not self._count:
                    self._reaper = None
            for worker in old:
                worker.kill()
            if self._reaper is None:
                return

    def close(self) -> None:
        """End the idle processes (busy ones end with their query or with the server)."""
        with self._changed:
            idle, self._idle = self._idle, []
            self._count -= len(idle)
        for worker in idle:
            worker.kill()
