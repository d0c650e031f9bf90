"""The documentation builds without a warning, names all verbs, tables and settings, loads only its own files."""

from __future__ import annotations

import dataclasses
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from browsers import watched
from etholake import cli
from etholake.contract import TABLES
from etholake.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    warnings: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("mkdocs").addHandler(handler)
    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))
    assert warnings == []
    return folder


def test_the_reference_is_whole(site: Path) -> None:
    command_line = (site / "reference/cli.html").read_text()
    (action,) = (a for a in cli._parser()._actions if hasattr(a, "choices") and isinstance(a.choices, dict))
    assert [verb for verb in action.choices if f'id="{verb}"' not in command_line] == []
    tables = (site / "reference/tables.html").read_text()
    assert [name for name in TABLES if f'id="{name}"' not in tables] == []
    settings = (site / "reference/settings.html").read_text()
    assert [f.name for f in dataclasses.fields(Settings) if f"<code>{f.name}</code>" not in settings] == []
    api = (site / "reference/api.html").read_text()
    for name in ("open", "train", "NotebookLake.tracks", "NotebookLake.events", "TrainedModel.predict"):
        assert f'id="etholake.notebook.{name}"' in api


def test_every_document_is_a_page(site: Path) -> None:
    pages = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    documents = {
        path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")
    }
    assert documents - pages == set()
    start = (site / "index.html").read_text()  # its navigation leads to all of them
    assert [name for name in documents if f'href="{name}.html"' not in start] == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"(https?:)?//[^\"]+\"")
    for page in site.rglob("*.html"):
        elsewhere = [m[0] for m in loaded.finditer(page.read_text()) if 'rel="canonical"' not in m[0]]
        assert elsewhere == [], page


def test_the_search_finds_a_page_where_the_site_is_a_folder_of_files(site: Path, chromium_browser: Any) -> None:
    shown = chromium_browser.new_page()
    _, requests = watched(shown)
    for page in ("index.html", "tutorials/pose-lab.html"):
        shown.goto((site / page).as_uri())
        shown.click(".md-search__input")
        shown.keyboard.type("quarantine")
        expect(shown.locator(".md-search-result__link").first).to_be_visible(timeout=60_000)
    assert [address for address in requests if not address.startswith(("file:", "data:", "about:"))] == []
    shown.close()


def test_a_document_that_a_text_names_is_a_link(site: Path) -> None:
    start = (site / "index.html").read_text()
    assert '<a href="formats.html"><code>docs/formats.md</code></a>' in start
    assert '<a href="tutorials/video-lab.html"><code>video-lab.md</code></a>' in start
    desk = (site / "desk.html").read_text()
    assert '<a href="review.html"><code>review.md</code></a>' in desk
    # a file of a lab is none of ours
    assert "<code>data/imports/my_lab/report.md</code>" in start
    assert "report.md</code></a>" not in start
