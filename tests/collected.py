"""One test over many files or tables that reports everything that is wrong, not the first thing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def check_each(items: Iterable[Item], check: Callable[[Item], None], name: Callable[[Item], str] = str) -> None:
    """Run `check` on every item; fail once, with the names and the messages of all the items that failed.

    No items at all is a failure too: a check of nothing would pass for ever.
    """
    problems, count = [], 0
    for count, item in enumerate(items, start=1):  # noqa: B007 - counted for the message
        try:
            check(item)
        except AssertionError as err:
            problems.append(f"{name(item)}: {err}")
    assert count, "There is nothing to check."
    if problems:
        raise AssertionError(f"{len(problems)} of {count} are wrong:\n" + "\n".join(problems))
