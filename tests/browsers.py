"""Pytest plugin: one headless Chromium a worker, and no trace of it in the tests that use none."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards import browser

AXE = Path(os.environ.get("AXE_CORE", Path(__file__).resolve().parents[1] / "node_modules/axe-core/axe.min.js"))


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the script of axe-core; skip the test where it is not installed."""
    if not AXE.is_file():
        pytest.skip(f"{AXE} is not there: npm install axe-core, or AXE_CORE=FILE")
    return AXE.read_text(encoding="utf-8")


def faults(shown: Any, axe: str) -> list[Any]:
    """Return the rules of axe that the page breaks as it is shown, and how much it is wider than the window."""
    if not shown.evaluate("'axe' in window"):
        shown.evaluate(axe)
    broken = shown.evaluate(
        "axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.target.join(' '))]))"
    )
    over = shown.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*broken, *([["wider than the window", over]] if over > 0 else [])]


@pytest.fixture(scope="session")
def chromium_browser() -> Iterator[Any]:
    """A headless Chromium; the test is skipped where none is installed."""
    if browser.chromium_path() is None:
        pytest.skip(browser.NO_CHROMIUM)
    with browser.chromium() as running:
        yield running


def watched(shown: Any) -> tuple[list[str], list[str]]:
    """Return two lists that a page fills from now on: complaints of its console, addresses that it asks for."""
    complaints: list[str] = []
    requests: list[str] = []
    shown.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    shown.on("pageerror", lambda e: complaints.append(str(e)))
    shown.on("request", lambda r: requests.append(r.url))
    return complaints, requests


@contextlib.contextmanager
def without_event_loop(item: Any) -> Iterator[None]:
    """Hide the event loop that Playwright leaves running in this thread from a test that uses no browser.

    Playwright's synchronous interface runs its loop as long as the browser lives, so `asyncio.run` would be
    refused in every later test of the same worker. A test with a browser needs the loop and sees it.
    """
    loop = None if "chromium_browser" in getattr(item, "fixturenames", ()) else asyncio._get_running_loop()
    if loop is None:
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with without_event_loop(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with without_event_loop(item):
        return (yield)
