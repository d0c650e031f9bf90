"""The spare: one started Spark driver that waits for the next Glue job, which need not wait for Spark's start.

A spare is a process of its own (`spare_driver`): Python with PySpark imported, and a JVM that has had a Spark
context. One job takes it and ends with it; nothing of a job is in the process before, nothing is used twice.

There is at most one, of some 300 MB. It is started `QUIET_S` seconds after a job that has used Spark, if no other
job of Spark runs then: beside one it would only take its processor time. It ends when it has waited `IDLE_S`
seconds, and with the server. A job that wants another JVM than it has (`spare_driver.fits`), or finds it dead or
silent, starts without it, as every job does with ``LOCAL_MOCK_SPARE_DRIVER=off``.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from local_mock.errors import LocalMockError
from local_mock.glue.spare_driver import fits
from local_mock.process import Child

__all__ = ["IDLE_S", "QUIET_S", "Spare", "Spares"]

QUIET_S, IDLE_S = 2.0, 600.0
_ANSWER_S = 10.0  # on a busy machine; it only has to read a line
_DRIVER = Path(__file__).with_name("spare_driver.py")


class Spare:
    """A process that waits for a job.

    Attributes
    ----------
    folder : its own; gone when the job that took it has ended, or when it is ended without one.
    work : the scratch and working folder of the job that takes it.
    properties : the Spark properties that its JVM was started with.
    jvm_options : options of the JVM among them.
    """

    def __init__(
        self,
        folder: Path,
        properties: Mapping[str, str],
        jvm_options: list[str],
        environment: Mapping[str, str],
    ) -> None:
        self.folder, self.work = folder, folder / "work"
        self.properties, self.jvm_options = dict(properties), jvm_options
        (folder / "properties.json").write_text(json.dumps(self.properties), encoding="utf-8")
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(_ANSWER_S)
        with theirs:
            self.child = Child(
                [sys.executable, "-P", _DRIVER, folder, str(theirs.fileno())],
                env=environment,
                cwd=self.work,
                log_path=folder / "output.log",
                pass_fds=(theirs.fileno(),),
            )

    def run(self, job: Mapping[str, Any], before: Callable[[], None]) -> bool:
        """Let it run a job; return whether it does. If not, it has run nothing of it, and is ended.

        Parameters
        ----------
        job : what `spare_driver.main` reads.
        before : is called when the spare has answered, before the script begins.
        """
        # An OSError: it has died, or does not answer in time.
        with contextlib.suppress(OSError), self._channel, self._channel.makefile("rw", encoding="utf-8") as lines:
            lines.write(json.dumps(job) + "\n")
            lines.flush()
            if lines.readline() == "ready\n":
                before()
                lines.write("go\n")
                lines.flush()
                return True
        self.end()
        return False

    def end(self) -> None:
        """End it, with its JVM and its files."""
        self._channel.close()
        self.child.stop(0.0)
        shutil.rmtree(self.folder, ignore_errors=True)


class Spares:
    """Keeps at most one spare ready.

    Parameters
    ----------
    folder : for the folders of spares; what an earlier server has left there is removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._spare: Spare | None = None
        self._running = 0  # jobs of Spark
        self._timer: threading.Timer | None = None
        shutil.rmtree(folder, ignore_errors=True)

    def prepare(self, make: Callable[[Path], Spare]) -> None:
        """Start a spare now, unless there is one or a job runs. `make` starts it in a folder that is given."""
        with self._lock:
            spare = self._spare
            if self._running or (spare is not None and spare.child.poll() is None):
                return
            self._set_timer(None)
            if spare is not None:  # it has died
                spare.end()
                self._spare = None
            folder = self._folder / uuid.uuid4().hex[:12]
            try:
                (folder / "work").mkdir(parents=True)
                self._spare = make(folder)
            except (OSError, LocalMockError):  # a full disk; the server is shutting down
                shutil.rmtree(folder, ignore_errors=True)
                return
            self._set_timer(IDLE_S, partial(self._end, self._spare))

    def take(self, wanted: Callable[[Spare], Mapping[str, str]]) -> Spare | None:
        """Return the spare, which is the caller's then, if it fits; None if there is none.

        `wanted` returns the properties of the caller's job if it ran in the spare.
        """
        with self._lock:
            spare = self._spare
            if spare is None or not fits(spare.properties, wanted(spare)):
                return None
            self._spare = None
            self._set_timer(None)
            return spare

    def job_begins(self) -> None:
        """Note that a job of Spark has begun: no spare is started beside it."""
        with self._lock:
            self._running += 1
            if self._spare is None:
                self._set_timer(None)

    def job_ends(self, following: Callable[[], None] | None = None) -> None:
        """Note that it has ended; `following` is called if no job begins within `QUIET_S` seconds."""
        with self._lock:
            self._running -= 1
            if following is not None and self._running == 0 and self._spare is None:
                self._set_timer(QUIET_S, following)

    def _end(self, idle: Spare) -> None:
        with self._lock:
            if self._spare is not idle:  # taken or replaced while the timer fired
                return
            self._spare = None
        idle.end()

    def _set_timer(self, seconds: float | None, call: Callable[[], None] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if seconds is not None and call is not None:
            self._timer = threading.Timer(seconds, call)
            self._timer.daemon = True
            self._timer.start()
