"""Chromium through Playwright, for screenshots and tests: the one that is installed, with a profile of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["NO_CHROMIUM", "chromium", "chromium_path"]

NO_CHROMIUM = "no chromium is installed on this machine (Debian: apt-get install chromium)"
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


def chromium_path() -> str | None:
    """Return the path of Chromium, None if there is none."""
    return next(
        (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None
    )


@contextmanager
def chromium(*arguments: str) -> Iterator[Any]:
    """Yield a headless browser with more `arguments`; Playwright gives it a fresh profile and removes it."""
    from playwright.sync_api import sync_playwright

    path = chromium_path()
    if path is None:
        raise FileNotFoundError(NO_CHROMIUM)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()
