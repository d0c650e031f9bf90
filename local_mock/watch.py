"""End this server with another process: the test run, the notebook or the script that it was started for.

`LOCAL_MOCK_ENDS_WITH` names process ids (``1234`` or ``1234,5678``). The server ends in order as soon as one of
them has ended, however it ended (kill -9 too). Every server that a descendant of the setter starts inherits it.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local_mock.errors import UsageError

__all__ = ["VARIABLE", "call_at_end_of", "is_alive", "parse"]

VARIABLE = "LOCAL_MOCK_ENDS_WITH"
_POLL_S = 0.2  # only where the kernel has no process file descriptors


def parse(environ: Mapping[str, str]) -> tuple[int, ...]:
    """Return the process ids of `LOCAL_MOCK_ENDS_WITH`, () if it is not set.

    Raises
    ------
    UsageError : it is not a list of process ids.
    """
    text = environ.get(VARIABLE, "")
    try:
        return tuple(int(word) for word in text.split(",")) if text else ()
    except ValueError as err:
        raise UsageError(f"{VARIABLE} must be process ids like 1234,5678, but got '{text}'.") from err


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended but is not reaped yet (a zombie) does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it runs as another user
    with contextlib.suppress(OSError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[0] not in "ZX"
    return True


def call_at_end_of(pids: Sequence[int], end: Callable[[], None]) -> None:
    """Call `end` once, in a thread of its own, when one of the processes has ended (at once if one has)."""
    if pids:
        threading.Thread(target=_watch, args=(tuple(pids), end), name="ends-with", daemon=True).start()


def _watch(pids: tuple[int, ...], end: Callable[[], None]) -> None:
    descriptors: list[int] = []
    try:
        for pid in pids:
            descriptors.append(os.pidfd_open(pid))
        select.select(descriptors, [], [])  # a process descriptor is readable when its process has ended
    except ProcessLookupError:
        pass  # it has ended already
    except (AttributeError, OSError):  # no such descriptors on this system
        while all(map(is_alive, pids)):
            time.sleep(_POLL_S)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    end()
