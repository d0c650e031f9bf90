"""Pytest plugin: mark every test with what it needs, hold it to that, and order the run.

A test that asks for a fixture of `FIXTURES`, directly or through another fixture, gets the marker `server`, `jvm`
or `browser` by itself. A test that starts such a process in its own body carries the marker by hand; where the
marker is missing, starting the process fails with a sentence that names it. So ``make check``, which leaves out
what is marked, stays fast without anybody watching over it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

FIXTURES = {
    "server": {"local_mock_server", "mock_settings", "target_settings"},
    "jvm": {"spark"},
    "browser": {"chromium_browser"},
}
_COMMANDS = {
    "server": re.compile(r"\b(?:local_mock|moto_server|moto\.server)\b"),
    "jvm": re.compile(r"(?:^|/|\s)(?:java|spark-submit)\b"),
    "browser": re.compile(r"playwright/driver|chromium"),
}
# Modules with such tests start first, so that the many short ones fill the gaps at the end of a parallel run.
_COST = {"slow": 8, "jvm": 4, "server": 2, "browser": 1}

_running: pytest.Item | None = None


def missing_need(command: str, item: pytest.Item) -> str | None:
    """Return the marker that `item` lacks to start `command` (a line of words), None if it may start it."""
    for need, pattern in _COMMANDS.items():
        if pattern.search(command) and item.get_closest_marker(need) is None:
            return need
    return None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "subprocess.Popen" or _running is None:
        return
    executable, words = arguments[:2]
    words = words if isinstance(words, (list, tuple)) else [words]
    # A word with blanks is text (the source of a script, for instance), not the name of a program.
    names = [os.fsdecode(word) for word in (executable or "", *words)]
    need = missing_need(" ".join(name for name in names if name and not re.search(r"\s", name)), _running)
    if need is not None:
        fixtures = ", ".join(sorted(FIXTURES[need]))
        pytest.fail(
            f"{_running.nodeid} needs the marker `{need}` for what it starts: write @pytest.mark.{need} above it"
            f" (or ask for a fixture of {fixtures}), so that `make check` leaves it out.",
            pytrace=False,
        )


sys.addaudithook(_audit)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    global _running
    _running = item
    try:
        return (yield)
    finally:
        _running = None


class _Order:
    """Sorts whole modules by cost, and the tests of a story by their numbers.

    It comes after pytest-randomly, whose order of modules and of tests stays within each class of cost. Tests that
    are called `test_1_…`, `test_2_…` are steps of one story, each on what the one before has left.
    """

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        costs: dict[str, int] = {}
        for item in items:
            module = item.nodeid.partition("::")[0]
            costs[module] = costs.get(module, 0) | _cost(item.iter_markers())
        items.sort(key=lambda item: -costs[item.nodeid.partition("::")[0]])
        steps: dict[str, list[int]] = {}
        for place, item in enumerate(items):
            if _step(item) is not None:
                steps.setdefault(item.nodeid.partition("::")[0], []).append(place)
        for places in steps.values():
            ordered = sorted((items[place] for place in places), key=lambda item: _step(item) or 0)
            for place, item in zip(places, ordered, strict=True):
                items[place] = item


def _step(item: pytest.Item) -> int | None:
    """Return the number of a step, None if the test is none."""
    match = re.match(r"test_(\d+)_", item.name)
    return int(match[1]) if match else None


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Order(), "order-by-cost")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by its fixtures, before ``-m`` chooses."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        for need, fixtures in FIXTURES.items():
            if names & fixtures:
                item.add_marker(need)


def _cost(markers: Iterable[pytest.Mark]) -> int:
    return sum(_COST[name] for name in {mark.name for mark in markers} & _COST.keys())
