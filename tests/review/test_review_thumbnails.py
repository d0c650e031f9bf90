"""The library's small pictures: the animals, a frame of the film, what is refused, what is kept."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from test_review_server import ask, of
from test_review_speed import asked

from etholake.errors import UsageError
from etholake.pages.review import thumbnail
from etholake.pages.review.server import ReviewServer
from etholake.settings import Settings
from etholake.stages.review import thumbnails
from etholake.stages.review.film import Film
from etholake.stages.review.store import VideoKey
from etholake.stages.review.thumbnails import Thumbnails
from etholake.stages.state import open_lake

Serve = Callable[[str], ReviewServer]
KEY = VideoKey("train", "north", 41)
FILM = Film(".mp4", 1000, lambda first, last: bytes(last - first + 1))


def jpeg(size: int) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8\xff" + bytes(size - 3)).decode()


def test_animals_are_drawn_as_they_lie() -> None:
    points = [
        {"mouse_id": mouse, "bodypart": part, "x": x, "y": y}
        for mouse, part, x, y in ((1, "nose", 0.0, 0.0), (1, "tail_base", 26.0, 0.0), (2, "nose", 26.0, 14.0))
    ]
    picture = thumbnail.skeletons(points)
    assert picture.count("<circle") == 3
    assert (
        '<line x1="8.0" y1="8.0" x2="112.0" y2="8.0"' in picture
    )  # 26 on 14 units fill the picture: 104 on 56 px
    assert 'cx="112.0" cy="64.0"' in picture
    assert "&lt;b&gt;" in thumbnail.words("<b>")


def test_a_video_without_film_shows_its_animals(serve_review: Serve) -> None:
    answer = asked(serve_review("ann"), "thumbnail?split=train&lab=north&video=41")
    assert (answer["film"], answer["text"]) == (False, "animals of the middle frame")
    assert answer["svg"].count("<circle") == 4
    bare = asked(serve_review("ann"), "thumbnail?split=test&lab=north&video=42")
    assert (bare["film"], bare["text"], "no poses" in bare["svg"]) == (True, "no picture", True)


@pytest.mark.parametrize(
    "picture", ["", "data:image/jpeg;base64,AAAA", "data:image/jpeg;base64,/9j/?", jpeg(60_001)]
)
def test_only_a_small_jpeg_is_kept(serve_review: Serve, picture: str) -> None:
    server = serve_review("ann")
    request = {"split": "test", "lab": "north", "video": "42", "picture": picture}
    status, body, _ = ask(server, "POST", of(server, "api/thumbnail"), request)
    assert (status, body) == (400, b"Expected the picture of a film as a JPEG of at most 60,000 bytes.")


def test_pictures_are_kept_until_there_are_too_many(
    review_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "KEPT_BYTES", 12_000)
    kept = Thumbnails(replace(review_settings, state_dir=str(tmp_path)), open_lake(review_settings))
    for video in (1, 2):
        kept.keep(VideoKey("train", "north", video), FILM, jpeg(5000))
    for file in kept.folder.iterdir():
        os.utime(file, (0, 0))  # of long ago
    assert kept.of(VideoKey("train", "north", 1), FILM)["jpeg"] == jpeg(5000)  # looked at last
    kept.keep(VideoKey("train", "north", 3), FILM, jpeg(5000))
    assert [kept.of(VideoKey("train", "north", video), FILM)["film"] for video in (1, 2, 3)] == [
        False,
        True,
        False,
    ]
    assert kept.of(VideoKey("train", "north", 1), replace(FILM, size=1001))["film"]  # another file
    with pytest.raises(UsageError, match="no film of video 41"):
        kept.keep(KEY, None, jpeg(5000))


def test_the_library_takes_the_picture_of_a_film(open_review: Callable[..., Any], serve_review: Serve) -> None:
    from PIL import Image

    shown = open_review("thea")
    pictures = shown.locator("#videos img.thumb")
    expect(pictures).to_have_count(3)
    row = {number: shown.locator("#videos tr", has_text=number).locator("img") for number in ("41", "42", "43")}
    expect(row["41"]).to_have_attribute("alt", "animals of the middle frame")
    expect(row["42"]).to_have_attribute("alt", re.compile("^no picture; the film cannot be shown: "))
    expect(row["43"]).to_have_attribute("alt", "film")
    answer = asked(serve_review("thea"), "thumbnail?split=train&lab=north&video=43")
    content = base64.b64decode(answer["jpeg"].partition(",")[2])
    frame = Image.open(io.BytesIO(content)).convert("L")
    assert frame.size == (thumbnail.WIDTH, thumbnail.HEIGHT)
    assert frame.getpixel((60, 36)) == pytest.approx(40 + 4 * 25, abs=8)  # GRAY and 25 times BRIGHTER: the middle


def test_pictures_that_come_at_once_are_all_kept(review_settings: Settings, tmp_path: Path) -> None:
    """Each thread looks at the files of all others while these are written and replaced."""
    kept = Thumbnails(replace(review_settings, state_dir=str(tmp_path)), open_lake(review_settings))
    keys = [VideoKey("train", "north", number % 40) for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: kept.keep(key, FILM, jpeg(2000)), keys))
    assert len(list((tmp_path / "thumbnails").iterdir())) == 40
