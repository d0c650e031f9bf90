"""A reviewed lake on the running mock, a review server over it, and how tests look at its page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import video_lake
from lakes import open_lake, rows

from browsers import watched
from etholake.pages.review.server import ReviewServer
from etholake.settings import Settings
from etholake.stages.review.service import ReviewChoice, make_server
from etholake.video.encode import video_writer

# A refusal that a test asks for, and advice on the reading of pixels, which only tests do.
EXPECTED = ("409", "400", "willReadFrequently")
FILM = bytes(range(256)) * 4  # of video 42, in the raw zone; that of video 43 is a real one, in a folder
GRAY, BRIGHTER = 40, 4  # of the film of video 43: its first frame, and the step from frame to frame


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
        "out_of_fold", rows("out_of_fold", *(probability | v for v in values)), "one", {"run_id": "job-1"}
    )
    film = {"video_id": 42, "source_file": "videos/lab_id=north/42.mp4", "bytes": len(FILM), "codec": "h264",
            "frames_per_second": 20.0, "frame_map": "offset", "frame_difference": 3, "flags": []}  # fmt: skip
    side = film | {"source_file": "videos/lab_id=north/42.side.mp4", "bytes": 512, "camera": "side",
                   "frames_per_second": 60.0, "frame_map": "offset", "frame_difference": -80}  # fmt: skip
    lake.replace_table("videos", rows("videos", film, side), "one", {"lab_id": "north"})
    lake.s3.put_object(Bucket=lake.bucket, Key="raw-zone/videos/lab_id=north/42.mp4", Body=FILM)
    lake.s3.put_object(Bucket=lake.bucket, Key="raw-zone/videos/lab_id=north/42.side.mp4", Body=FILM[::-1][:512])
    return settings


@pytest.fixture(scope="package")
def serve_review(
    review_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], ReviewServer]]:
    """Serve the review for a reviewer; one server a name."""
    films = tmp_path_factory.mktemp("films")
    (films / "north").mkdir()
    for name in ("43.mp4", "43.side.mp4"):
        with video_writer(films / "north" / name, 25.0, 400, 300, crf=10) as film:
            for frame in range(50):
                film.write(np.full((300, 400), GRAY + BRIGHTER * frame, np.uint8))
    quick = tmp_path_factory.mktemp("quick")  # a film of video 41 at twice the rate of its tracks, and far shorter
    with video_writer(quick / "41.mp4", 50.0, 64, 48) as film:
        for frame in range(40):
            film.write(np.full((48, 64), 2 * frame, np.uint8))
    with video_writer(quick / "43.mp4", 25.0, 64, 48) as film:
        for _ in range(50):
            film.write(np.zeros((48, 64), np.uint8))
    servers: dict[str, ReviewServer] = {}

    def serve(name: str) -> ReviewServer:
        if name not in servers:
            folder = Path(quick if name == "vera" else films)
            servers[name] = make_server(review_settings, ReviewChoice(name, films=folder))
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
        complaints, requests = watched(shown)
        url = serve_review(name).url
        opened.append((shown, complaints, requests, url))
        shown.goto(url + at)
        shown.wait_for_selector("body[data-ready='1']", timeout=20_000)
        return shown

    yield open_
    for shown, complaints, requests, url in opened:
        assert [text for text in complaints if not any(word in text for word in EXPECTED)] == []
        assert [r for r in requests if not r.startswith((url, "data:", "blob:"))] == []
        shown.close()
