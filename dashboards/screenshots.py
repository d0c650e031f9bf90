"""``python -m dashboards.screenshots [--page FILE] [--out docs/img]``: pictures of every tab, a video, the review.

Without ``--page`` the pages are made first, from the lake at PORT (`make up deploy etl`, or `make demo` with
``ARGS=--keep``); the video is the one with the most predicted events.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from dashboards.browser import chromium

if TYPE_CHECKING:
    from etholake.settings import Settings

DARK = ("behaviour-classes",)  # shown in dark, too
NARROW = ("lake-overview", "model-scores")  # shown at 400 px, too


def take(page_file: Path, out: Path) -> list[Path]:
    """Write the pictures and return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with chromium() as browser:
        tabs = _tabs(browser, page_file)
        wide = [(tab, 1280, "light") for tab in tabs]
        wide += [(tab, 1280, "dark") for tab in tabs if tab in DARK]
        for tab, width, scheme in [*wide, *((tab, 400, "light") for tab in tabs if tab in NARROW)]:
            name = f"{tab}{'-dark' if scheme == 'dark' else ''}{'-400' if width == 400 else ''}.png"
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            page.goto(f"{page_file.resolve().as_uri()}#{tab}")
            page.wait_for_selector(f"body[data-ready={tab}]")
            _save(page.screenshot(full_page=True), out / name)
            page.close()
            written.append(out / name)
    return written


def take_video(page_file: Path, out: Path) -> list[Path]:
    """Write pictures of a video page, in the middle of its longest matched event between two mice."""
    written = []
    with chromium() as browser:
        for width, scheme in ((1280, "light"), (1280, "dark"), (400, "light")):
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            page.goto(page_file.resolve().as_uri())
            page.wait_for_selector("body[data-ready]")
            page.select_option("#verdict", "matched")
            if width > 560:  # narrow pages have no column of lengths
                page.click("#list thead button >> text=Length")
            page.locator("#list tbody tr").filter(has_not_text="self").first.click()
            page.click("#play")
            page.select_option("#verdict", "")
            if width > 560:
                page.click("#list thead button >> text=Start")
            if scheme == "dark" or width == 400:
                page.check("#near")
            page.fill("#frame", str(page.evaluate("Events.selected().start_frame") + 30))
            page.press("#frame", "Enter")
            page.evaluate("document.activeElement.blur(); document.getElementById('list').scrollTop = 0")
            page.wait_for_timeout(300)  # a drawing follows the last change
            name = f"video-page{'-dark' if scheme == 'dark' else ''}{'-400' if width == 400 else ''}.png"
            _save(page.screenshot(full_page=True), out / name)
            page.close()
            written.append(out / name)
    return written


def take_review(url: str, at: str, out: Path) -> list[Path]:
    """Write pictures of the review's player and library; `at` is the query of the video's address."""
    written = []
    with chromium() as browser:
        for name, width, scheme in (
            ("review", 1440, "light"), ("review-dark", 1440, "dark"), ("review-390", 390, "light"),
        ):  # fmt: skip
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.goto(url + at)
            page.wait_for_selector("body[data-ready='1'][data-view='video'][data-seconds='1']")
            page.keyboard.press("ArrowDown")
            page.wait_for_timeout(500)  # the poses of the bout come from Athena
            _save(page.screenshot(full_page=True), out / f"{name}.png")
            written.append(out / f"{name}.png")
            if name == "review":
                page.click("#to-library")
                page.wait_for_selector("body[data-view='library'] #videos img.thumb[src]")
                for picture in page.locator("#videos img.thumb").all()[:12]:  # those that the picture shows
                    picture.evaluate("i => i.src ? 0 : new Promise(done => i.addEventListener('load', done))")
                _save(page.screenshot(), out / "review-library.png")
                written.append(out / "review-library.png")
            page.close()
    return written


def review_of(current: Settings, video_id: int, out: Path) -> list[Path]:
    """Serve the review of a lake and write its pictures."""
    from etholake.stages.review.service import ReviewChoice, ReviewService, make_server

    key = ReviewService(current, ReviewChoice("anna", video_id=video_id)).first
    at = "" if key is None else "?" + urlencode({"split": key.split, "lab": key.lab_id, "video": key.video_id})
    with make_server(current, ReviewChoice("anna")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        written = take_review(server.url, at, out)
        server.shutdown()
    return written


def _save(png: bytes, path: Path) -> None:
    """Return the picture with a palette of 256 colours: a third of the size, and no difference to the eye."""
    from PIL import Image

    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _tabs(browser: Any, page_file: Path) -> list[str]:
    page = browser.new_page()
    page.goto(page_file.resolve().as_uri())
    page.wait_for_selector("body[data-ready]")
    tabs = page.eval_on_selector_all("[role=tab]", "tabs => tabs.map(t => t.id.replace('tab-', ''))")
    page.close()
    return [str(tab) for tab in tabs]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/img"))
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        made, film = arguments.page, None
        written: list[Path] = []
        if made is None:
            from etholake import aws, settings
            from etholake.stages.reports import dashboards, video

            current = settings.load()
            aws.export(current)
            made = Path(folder) / "dashboards.html"
            print(dashboards.run(current, made).summary, file=sys.stderr)
            if most_predicted := video.most_predicted(current):
                film = Path(folder) / "video.html"
                print(video.run(current, most_predicted[0], film, most_predicted[1]).summary, file=sys.stderr)
                written = review_of(current, most_predicted[0], arguments.out)
        for path in take(made, arguments.out) + (take_video(film, arguments.out) if film else []) + written:
            print(path)


if __name__ == "__main__":
    main()
