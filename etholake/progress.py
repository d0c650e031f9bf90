"""Progress on long work: a bar on a terminal, a line now and then in a log, silence for programs.

Stages know nothing of it: they call ``on_progress(done, total, what)``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["OnProgress", "progress", "silent"]

OnProgress = Callable[[int, int, str], None]
LOG_EVERY_S = 10.0


def silent(done: int, total: int, what: str) -> None:
    """Report nothing."""


@contextmanager
def progress(label: str, *, enabled: bool = True) -> Iterator[OnProgress]:
    """Give a callback for a stage, for as long as the block runs. It writes to stderr."""
    if not enabled:
        yield silent
    elif sys.stderr.isatty():
        with _bar(label) as callback:
            yield callback
    else:
        yield _logger(label)


@contextmanager
def _bar(label: str) -> Iterator[OnProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(f"  {label:<9}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def update(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total or None, description=what[:60])

        yield update


def _logger(label: str) -> OnProgress:
    last = time.monotonic()

    def log(done: int, total: int, what: str) -> None:
        nonlocal last
        if time.monotonic() - last >= LOG_EVERY_S:
            last = time.monotonic()
            print(f"  {label}: {done}/{total} {what}".rstrip(), file=sys.stderr, flush=True)

    return log
