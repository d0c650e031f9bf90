"""Work on many items in a few threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

__all__ = ["each"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(threads: int, work: Callable[[Item], Result], items: Sequence[Item]) -> Generator[Result, None, None]:
    """Yield the results of `work` for each of `items`, in the order of completion. Its errors are raised here.

    No future is made per item. Closing the iterator ends it when those begun are done.
    """
    feed, stop = iter(items), threading.Event()
    results: SimpleQueue[tuple[Result | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        for item in feed:  # a step of a list's iterator is atomic
            if stop.is_set():
                return
            try:
                results.put((work(item), None))
            except BaseException as err:
                results.put((None, err))

    with ThreadPoolExecutor(min(threads, len(items)) or 1) as pool:
        try:
            for _ in range(threads):
                pool.submit(run)
            for _ in items:
                result, error = results.get()
                if error is not None:
                    raise error
                yield result  # type: ignore[misc]
        finally:
            stop.set()
