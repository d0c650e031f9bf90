"""The processes of a job that has one for every instance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from local_mock.process import Child, ChildResult

__all__ = ["MAX_INSTANCES", "wait_for_all"]

MAX_INSTANCES = 8  # of one job; each is a process here


def wait_for_all(children: Sequence[Child], end_all: Callable[[], None]) -> list[ChildResult]:
    """Return the results of processes when all have ended. If one fails, `end_all` is called for the others."""
    results: dict[int, ChildResult] = {}

    def wait(index: int) -> None:
        results[index] = children[index].wait()
        if results[index].returncode != 0:
            end_all()

    waiting = [threading.Thread(target=wait, args=(n,), daemon=True) for n in range(len(children))]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    return [results[n] for n in range(len(children))]
