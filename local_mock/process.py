"""Child processes of the mock: jobs and endpoint servers that never outlive it.

`Child` starts a command under `local_mock/child_supervisor.py`, which kills it and all that it started when it
is stopped, times out, ends, or when the server dies (kill -9 included). Threads that run jobs call
`Child.wait`; `stop_all` ends whatever still runs when the server shuts down.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_mock.errors import LocalMockError

__all__ = ["Child", "ChildResult", "running_children", "stop_all"]

_SUPERVISOR = Path(__file__).with_name("child_supervisor.py")
_TAIL_BYTES = 256 * 1024

_lock = threading.Lock()
_children: set[Child] = set()
_closed = False


@dataclass(frozen=True)
class ChildResult:
    """The end of a child: its exit code (negative: killed by that signal), and whether the server ended it."""

    returncode: int
    timed_out: bool
    stopped: bool


class Child:
    """A running command in a session of its own, its output (both streams) appended to `log_path`.

    Parameters
    ----------
    args : the command; the first word is looked up on `env`'s PATH.
    env : the whole environment (see `Context.child_environment`).
    cwd : its working folder.
    log_path : file for its output; the folder is made.
    timeout_s : seconds from now after which `wait` kills it; None for no limit.
    pass_fds : descriptors that it inherits beside its streams.

    Raises
    ------
    LocalMockError : the server is shutting down.
    """

    def __init__(
        self,
        args: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log_path: Path,
        timeout_s: float | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.args = [os.fspath(a) for a in args]
        self.log_path = log_path
        self._timed_out = self._stopped = False
        self._deadline: float | None = None
        self.limit(timeout_s)
        self._line_lock = threading.Lock()
        log_path.parent.mkdir(parents=True, exist_ok=True)
        reader, self._lifeline = os.pipe()
        with _lock:
            try:
                if _closed:
                    raise LocalMockError("local_mock is shutting down and starts no more processes.")
                with log_path.open("ab") as log:
                    self._process = subprocess.Popen(
                        [sys.executable, "-I", "-S", os.fspath(_SUPERVISOR), str(reader), *self.args],
                        env=dict(env),
                        cwd=cwd,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        pass_fds=(reader, *pass_fds),
                        start_new_session=True,
                    )
            except BaseException:
                os.close(self._lifeline)
                raise
            finally:
                os.close(reader)
            _children.add(self)
        self.pid = self._process.pid

    def limit(self, timeout_s: float | None) -> None:
        """Let `wait`, called after this, kill it in so many seconds from now; None for no limit."""
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s

    def poll(self) -> int | None:
        """Return the exit code if it has ended, else None."""
        code = self._process.poll()
        if code is not None:
            self._forget()
        return code

    def wait(self) -> ChildResult:
        """Block until it has ended; kills it at its time limit."""
        while True:
            try:
                left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
                code = self._process.wait(left)
            except subprocess.TimeoutExpired:
                self._deadline = None
                self._timed_out = True
                self._end(grace_s=2.0)
                continue
            self._forget()
            return ChildResult(code, self._timed_out, self._stopped)

    def stop(self, grace_s: float = 5.0) -> None:
        """Ask it to end (SIGTERM to its group), kill the whole tree after `grace_s` seconds; return at its end."""
        if self.poll() is None:
            self._stopped = True
            self._end(grace_s)
        self._forget()

    def tail(self, n_lines: int = 20) -> str:
        """Return the last lines of its log ('' if there are none)."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - _TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-n_lines:])

    def _end(self, grace_s: float) -> None:
        if grace_s > 0:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)  # the supervisor hands it on to the group
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
                return
        self._cut()  # the supervisor kills the tree
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _cut(self) -> None:
        with self._line_lock:
            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1

    def _forget(self) -> None:
        self._cut()
        with _lock:
            _children.discard(self)


def running_children() -> list[Child]:
    """Return the children that have not been seen to end."""
    with _lock:
        return list(_children)


def stop_all(grace_s: float = 2.0, *, closing: bool = True) -> None:
    """Stop every child, side by side; with `closing`, no new one may start afterwards."""
    global _closed  # noqa: PLW0603
    with _lock:
        _closed = _closed or closing
    threads = [threading.Thread(target=c.stop, args=(grace_s,), daemon=True) for c in running_children()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(grace_s + 12.0)
