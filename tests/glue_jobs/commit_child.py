"""Runs the driver side of etl or compact in a forked child that is killed at a chosen step. A script of the tests.

    python commit_child.py          # then one JSON task a line on stdin; answers one exit status a line

A *step* is a request to S3 or Glue (botocore's `_make_api_call`, counted before it is sent) or the moment before
a unit's file gets its final name. The modules are imported once, then every task runs in a fork of its own, which
is the leader of a process group and kills the whole group at the step `at` (0: at none). Every step is appended to
the file `trace` as one line. The units run in this process (`InProcess`): the commit window is the driver's, and
Spark's workers are killed in `test_faults.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import botocore.client
import pandas as pd  # noqa: F401 - pyarrow imports it at its first array, which is in every fork
from lake_world import compact_job, tables_job, tracking_job  # type: ignore[import-not-found]

from etholake import storage
from etholake.settings import Settings
from etholake.stages.lake import etl
from etholake.stages.state import open_lake

STAGES = ("etl", "compact")
CODE = "code"


class InProcess:
    """The part of a Spark session that the jobs' drivers use, with one worker: this process."""

    defaultParallelism = 2

    def __init__(self, rows: Iterable[Any] = ()) -> None:
        self._rows = rows

    @property
    def sparkContext(self) -> InProcess:  # noqa: N802 (PySpark's names)
        """Return the context."""
        return self

    def parallelize(self, rows: Iterable[Any], slices: int) -> InProcess:
        """Return a data set of these rows."""
        return InProcess(rows)

    def map(self, work: Callable[[Any], Any]) -> InProcess:
        """Return the results of `work`."""
        return InProcess([work(row) for row in self._rows])

    def flatMap(self, work: Callable[[Any], Iterable[Any]]) -> InProcess:  # noqa: N802
        """Return all elements of the results of `work`."""
        return InProcess([element for row in self._rows for element in work(row)])

    def collect(self) -> list[Any]:
        """Return the rows."""
        return list(self._rows)


class Steps:
    """Counts the steps of this process and ends its process group at the `at`-th."""

    def __init__(self, trace: Path, at: int) -> None:
        self._trace, self._at = trace, at
        self._count = 0
        self._lock = threading.Lock()

    def step(self, name: str) -> None:
        """Count one step; the one to die at does not happen."""
        with self._lock:
            self._count += 1
            if self._count == self._at:
                os.killpg(os.getpgid(0), signal.SIGKILL)
            with self._trace.open("a") as file:
                file.write(name + "\n")

    def watch(self) -> None:
        """Make every request and every renaming of a finished file a step."""
        real_call, real_output = botocore.client.BaseClient._make_api_call, storage.output

        def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            where = parameters.get("Key") or parameters.get("TableName") or parameters.get("TableInput", {})
            self.step(f"{operation} {where if isinstance(where, str) else where.get('Name', '')}".strip())
            return real_call(client, operation, parameters)

        @contextlib.contextmanager
        def output(uri: str) -> Iterator[Any]:
            with real_output(uri) as stream:
                yield stream
                self.step(f"Rename {storage.split_uri(uri)[1]}")

        botocore.client.BaseClient._make_api_call = call  # type: ignore[method-assign]
        storage.output = output


def run(task: dict[str, Any]) -> None:
    """Run one task to its end, or to the step that kills it."""
    os.environ.update(task["environment"])
    Steps(Path(task["trace"]), task["at"]).watch()
    settings = Settings(**task["settings"])
    arguments = ["job.py", "--bucket", settings.bucket, "--database", settings.database]
    if task["stage"] == "compact":
        compact_job.main(arguments, InProcess())
        return
    arguments += ["--max_gap_frames", "15", "--code_digest", CODE]
    tracking_job.main(arguments, InProcess())
    tables_job.main(arguments, InProcess())
    lake = open_lake(settings)
    etl.save(settings, lake, CODE, lake.register(), {})


def in_child(task: dict[str, Any]) -> int:
    """Run the task in a fork; return its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setpgid(0, 0)
            os.dup2(2, 1)  # what the jobs print is not an answer
            run(task)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        print(in_child(json.loads(line)), flush=True)
