"""Run one command for the server and end all of it with the server: the job, its children, and their children.

Started by `local_mock.process` as ``python -I -S child_supervisor.py <lifeline fd> <command …>``. It holds the
read end of a pipe (the lifeline) whose write end only the server holds, so the pipe ends when the server closes
it or dies, even by kill -9. Then every descendant is killed: on Linux this process is their sub-reaper, so that
even one that made a session of its own (a JVM's shell, a torchrun worker) is found. It ends with the job's
own exit status. Standard library only, and few imports: it must start in milliseconds.
"""

import ctypes
import os
import select
import signal
import sys
from contextlib import suppress
from types import FrameType

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _children(pid: int) -> list[int]:
    """Return the direct children of a process, by /proc; [] where there is no /proc."""
    children: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:  # noqa: PTH123
                children += [int(word) for word in file.read().split()]
    return children


def _descendants(pid: int) -> list[int]:
    descendants = []
    todo = [pid]
    while todo:
        children = _children(todo.pop())
        descendants += children
        todo += children
    return descendants


def _kill_tree(group: int) -> None:
    """Kill the job's process group and all descendants, until none is left (new ones may appear meanwhile)."""
    with suppress(OSError):
        os.killpg(group, signal.SIGKILL)
    for _ in range(200):
        alive = _descendants(os.getpid())
        for pid in alive:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not alive:
            return
        select.select([], [], [], 0.01)


def _start(command: list[str]) -> int:
    pid = os.fork()
    if pid == 0:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # should this process itself be killed
        with suppress(OSError):
            os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            os.execvp(command[0], command)  # noqa: S606
        except OSError as err:
            sys.stderr.write(f"Cannot start {command[0]}: {err}\n")
            sys.stderr.flush()
        os._exit(127)
    with suppress(OSError):
        os.setpgid(pid, pid)
    return pid


def _wait(job: int, lifeline: int, wake: int) -> int | None:
    """Return the job's wait status, or None if the lifeline ended first. Reaps adopted orphans on the way."""
    while True:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == job:
                    return status
                if pid == 0:
                    break
        ready, _, _ = select.select([lifeline, wake], [], [])
        if wake in ready:
            os.read(wake, 512)
        if lifeline in ready and not os.read(lifeline, 64):
            return None


def main(argv: list[str]) -> None:
    lifeline, command = int(argv[0]), argv[1:]
    os.set_inheritable(lifeline, False)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    job = 0

    def forward(signum: int, _frame: FrameType | None) -> None:
        if job:
            with suppress(OSError):
                os.killpg(job, signum)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, forward)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    job = _start(command)
    status = _wait(job, lifeline, wake_read)
    _kill_tree(job)
    if status is None:
        os._exit(137)
    if os.WIFSIGNALED(status):  # die as the job died
        signum = os.WTERMSIG(status)
        with suppress(ImportError, OSError, ValueError):
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if signum != signal.SIGKILL:
            signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main(sys.argv[1:])
