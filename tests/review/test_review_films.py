"""The files of films are opened at once, and again only when they have changed."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from etholake.formats.video import VideoInfo
from etholake.formats.video import probe as really_probe
from etholake.stages.review import film
from etholake.stages.review.store import VideoKey
from etholake.video.encode import video_writer

KEY = VideoKey("train", "north", 5)
NAMES = ("5.mp4", "5.side.mp4")


def write(path: Path, frames: int) -> None:
    with video_writer(path, 25.0, 64, 48) as out:
        for _ in range(frames):
            out.write(np.full((48, 64), 90, np.uint8))


def test_films_are_opened_at_once_and_again_only_when_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        write(tmp_path / name, 20)
    opened: list[str] = []
    # The first that is opened waits until the second one is.
    together = threading.Barrier(len(NAMES), timeout=60)

    def probe(path: Path) -> VideoInfo:
        opened.append(path.name)
        if len(opened) <= len(NAMES):
            together.wait()
        return really_probe(path)

    monkeypatch.setattr(film, "probe", probe)

    def notes(frames: int) -> dict[str, str]:
        films = film.measured(film.films_in_folder(tmp_path, KEY), frames)
        return {camera: described.note for camera, described in films.items()}

    assert notes(20) == {"": "", "side": ""}
    assert sorted(opened) == sorted(NAMES)
    assert notes(25)[""] == "the tracks have +5 frames against the film (offset)"
    assert len(opened) == 2
    write(tmp_path / NAMES[1], 30)
    assert notes(20)["side"].startswith("the first film has -10 frames against it")
    assert opened[2:] == ["5.side.mp4"]


def test_a_film_that_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    good, path = tmp_path / "good.mp4", tmp_path / "5.mp4"
    write(good, 20)
    path.write_bytes(b"nothing")
    unread = film.measured(film.films_in_folder(tmp_path, KEY), 20)[""]
    assert (unread.fps, unread.note) == (
        None, "its frame rate cannot be read, and is taken to be that of the tracks",
    )  # fmt: skip
    path.write_bytes(good.read_bytes())
    assert film.measured(film.films_in_folder(tmp_path, KEY), 20)[""].fps == 25.0
