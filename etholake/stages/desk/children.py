"""Run verbs of the command line as child processes, one at a time, with a log file each; never through a shell.

A verb that serves a page (review) runs beside the others until it is stopped.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake.errors import UsageError
from etholake.stages.desk.forms import DeskForm, command

__all__ = ["Children"]

_TAIL = 64_000  # bytes of a log that one answer brings at most
_PROGRESS = re.compile(r"^  [\w-]+: (\d+)/(\d+) ?(.*)$", re.MULTILINE)
_ADDRESS = re.compile(r"^http://127\.0\.0\.1:\d+/\S*$", re.MULTILINE)
_STOPPED = 130  # the exit code of a verb that Ctrl-C has stopped
_PATIENCE_S = 20.0  # from Ctrl-C to the hard end when the desk closes


class _Child:
    """One verb that was started: its process, its log, and how it ended."""

    def __init__(
        self, number: int, form: DeskForm, words: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        self.number, self.form, self.words, self.log = number, form, list(words), log
        self.began = time.monotonic()
        self.seconds: float | None = None
        self.is_stopped = False
        self._progress: list[Any] | None = None  # done, total, and what, of the newest line that says it
        self._address = ""
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-m", "etholake.cli", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,  # Ctrl-C at the desk reaches it through `close` only
            )
        threading.Thread(target=self._wait, name=f"desk-{number}", daemon=True).start()

    def _wait(self) -> None:
        self.process.wait()
        self.seconds = time.monotonic() - self.began

    @property
    def status(self) -> str:
        """Return running, done, stopped or failed."""
        code = self.process.poll()
        if code is None:
            return "running"
        if self.is_stopped and code in (_STOPPED, -signal.SIGINT, -signal.SIGKILL):
            return "stopped"
        return "done" if code == 0 else "failed"

    def stop(self) -> None:
        """Press Ctrl-C; when it was pressed before, end the process and its children at once."""
        if self.process.poll() is not None:
            return  # it has ended, and its number may be that of another process by now
        chosen = signal.SIGKILL if self.is_stopped else signal.SIGINT
        self.is_stopped = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, chosen)

    def state(self) -> dict[str, Any]:
        """Return what the page shows of it beside its log."""
        return {
            "number": self.number,
            "form": self.form.name,
            "title": self.form.title,
            "command": command(self.words),
            "status": self.status,
            "seconds": round(time.monotonic() - self.began if self.seconds is None else self.seconds, 1),
            "asked": self.is_stopped,
        }

    def with_log(self, start: int = 0) -> dict[str, Any]:
        """Return the state, and the log from byte `start` on: its end, where that is more than an answer takes."""
        state = self.state()  # before the log is read: what an ended child has written is all there
        with self.log.open("rb") as file:
            file.seek(max(start, os.fstat(file.fileno()).st_size - _TAIL))
            text = file.read(_TAIL).decode("utf-8", "replace")
            position = file.tell()
        if steps := _PROGRESS.findall(text):
            self._progress = [int(steps[-1][0]), int(steps[-1][1]), steps[-1][2]]
        if self.form.serves and (address := _ADDRESS.search(text)):
            self._address = address[0]
        running = state["status"] == "running"
        address_now = self._address if running else ""
        return state | {"log": text, "position": position, "progress": self._progress, "address": address_now}


class Children:
    """The verbs that this desk has started.

    Parameters
    ----------
    folder
        Where the logs go.
    environment
        The variables of the child processes.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._lock = threading.Lock()
        self._all: list[_Child] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, form: DeskForm, words: Sequence[str]) -> dict[str, Any]:
        """Start a verb and return its state.

        Raises UsageError while another one runs: two verbs would wait for, or overwrite, the same tables.
        """
        with self._lock:
            for child in self._all:
                if child.status == "running" and child.form.serves == form.serves:
                    raise UsageError(f"'{child.form.title}' is still running: wait for its end, or stop it.")
            number = len(self._all) + 1
            log = self._folder / f"{number:03d}-{form.name}.log"
            self._all.append(_Child(number, form, words, log, self._environment))
            return self._all[-1].state()

    def states(self, number: int = 0, start: int = 0) -> list[dict[str, Any]]:
        """Return the state of every child, the newest first; child `number` with its log from byte `start` on."""
        return [
            child.with_log(start) if child.number == number else child.state() for child in reversed(self._all)
        ]

    def stop(self, number: Any) -> dict[str, Any]:
        """Stop a child as Ctrl-C does; a second time, at once. Raises UsageError if there is none."""
        chosen = next((child for child in self._all if child.number == number), None)
        if chosen is None:
            raise UsageError(f"The desk has started no job {number}.")
        chosen.stop()
        return chosen.state()

    def close(self) -> None:
        """Stop every child that runs, and wait for their ends."""
        for child in self._all:
            child.stop()
        for child in self._all:
            try:
                child.process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                child.stop()
