"""Chromium through Playwright, for screenshots and tests: the one that is installed, with a profile of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["NO_CHROMIUM", "chromium", "chromium_path", "launch"]

NO_CHROMIUM = "no chromium is installed on this machine (Debian: apt-get install chromium)"
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


def chromium_path() -> str | None:
    """Return the path of Chromium, None if there is none."""
    return next(
        (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None
    )


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a headless browser; Playwright gives it a fresh profile and removes it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        try:
            yield browser
        finally:
            browser.close()


def launch(browser_type: Any, *arguments: str) -> Any:
    """Start a headless browser of Playwright's `browser_type` with more `arguments`; the caller closes it.

    A process can run Playwright once: a second browser is launched from the first one's `browser_type`. Raises
    FileNotFoundError if no Chromium is installed.
    """
    path = chromium_path()
    if path is None:
        raise FileNotFoundError(NO_CHROMIUM)
    return browser_type.launch(executable_path=path, args=[*_ARGUMENTS, *arguments])
