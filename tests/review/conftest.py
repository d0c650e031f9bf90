"""A reviewed lake on the running mock, a review server over it, and how tests look at its page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import video_lake
from lakes import open_lake, rows

from etholake.pages.review.server import ReviewServer
from etholake.settings import Settings
from etholake.stages.review.service import ReviewChoice, make_server

FILM = bytes(range(256)) * 4


@pytest.fixture(scope="package")
def review_settings(mock_settings: Settings) -> Settings:
    settings, lake = open_lake(mock_settings, "desk")
    video_lake.fill(lake)
    score = {"lab_id": "north", "action": "chase", "videos": 1}
    lake.replace_table("scores", rows("scores", score | {"f_score": 0.25}), "one", {"run_id": "r1"})
    lake.replace_table("scores", rows("scores", score | {"f_score": 0.75}), "one", {"run_id": "r2"})
    probability = {"lab_id": "north", "video_id": 41, "agent_id": 1, "target_id": 2, "action": "chase"}
    values = ({"video_frame": frame, "probability": frame / 10} for frame in range(10))
    lake.replace_table(
        "out_of_fold", rows("out_of_fold", *(probability | v for v in values)), "one", {"run_id": "r1"}
    )
    return settings


@pytest.fixture(scope="package")
def serve_review(
    review_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], ReviewServer]]:
    """Serve the review for a reviewer; one server a name."""
    films = tmp_path_factory.mktemp("films")
    (films / "north").mkdir()
    (films / "north" / "43.webm").write_bytes(FILM)
    servers: dict[str, ReviewServer] = {}

    def serve(name: str) -> ReviewServer:
        if name not in servers:
            servers[name] = make_server(review_settings, ReviewChoice(name, films=Path(films)))
            threading.Thread(target=servers[name].serve_forever, daemon=True).start()
        return servers[name]

    yield serve
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture
def open_review(
    chromium_browser: Any, serve_review: Callable[[str], ReviewServer]
) -> Iterator[Callable[..., Any]]:
    """Open the page of a reviewer; at the end it has complained of nothing and asked nobody else."""
    opened: list[tuple[Any, list[str], list[str], str]] = []

    def open_(name: str = "ann", at: str = "", **context: Any) -> Any:
        shown = chromium_browser.new_page(**{"viewport": {"width": 1440, "height": 900}, **context})
        complaints: list[str] = []
        requests: list[str] = []
        shown.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
        shown.on("pageerror", lambda e: complaints.append(str(e)))
        shown.on("request", lambda r: requests.append(r.url))
        url = serve_review(name).url
        opened.append((shown, complaints, requests, url))
        shown.goto(url + at)
        shown.wait_for_selector("body[data-ready='1']", timeout=20_000)
        return shown

    yield open_
    for shown, complaints, requests, url in opened:
        assert [text for text in complaints if "409" not in text and "400" not in text] == []
        assert [r for r in requests if not r.startswith((url, "data:", "blob:"))] == []
        shown.close()
