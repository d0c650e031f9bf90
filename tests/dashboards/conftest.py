"""A small lake for the dashboards' views, with answers that can be worked out by hand.

Lab `north`, 10 frames/s. VideoView 11: mouse1 chases mouse2 on frames 0..19, 100..119, … (a chase in each of six
blocks of 10 s), rears on 20..29. Run `r1` predicts each chase half a second late, but the last one not at all,
and a false chase on 700..709. VideoView 12 was received without annotation.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import video_lake
from lakes import open_lake, rows
from playwright.sync_api import expect

from browsers import watched
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.reports import video

FPS = 10.0
CHASES = [100 * block for block in range(6)]


def event(target: int, action: str, start: int, stop: int) -> dict[str, Any]:
    where = {"split": "train", "video_id": 11, "agent_id": 1, "target_id": target, "action": action}
    clock = {"start_frame": start, "stop_frame": stop, "start_sec": start / FPS, "stop_sec": stop / FPS}
    length = {"duration_frames": stop - start, "duration_sec": (stop - start) / FPS, "frames_per_second": FPS}
    length |= {"counted_start_frame": start, "counted_stop_frame": stop, "counted_sec": (stop - start) / FPS}
    return {**where, **clock, **length, "is_self": target == 1, "is_labeled": True, "agent_sex": "male"}


def fill(lake: Lake) -> None:
    def put(table: str, *items: dict[str, Any], **partition: str) -> None:
        lake.replace_table(table, rows(table, *items), "one", partition)

    video = {"lab_id": "north", "frames_per_second": FPS, "video_duration_sec": 90.0, "pix_per_cm_approx": 16.0,
             "n_mice": 2, "body_parts_tracked": ["nose", "tail_base"], "has_tracking": True,
             "flags": [], "animal_sexes": ["male", "female"]}  # fmt: skip
    put("metadata_train", {**video, "video_id": 11, "has_annotation": True}, {**video, "video_id": 12})
    put("metadata_test", {**video, "video_id": 13, "has_tracking": False})
    point = {"video_id": 11, "x": 0.0, "y": 0.0}
    put(
        "tracking_curated",
        *({**point, "video_frame": f, "mouse_id": 1, "bodypart": "nose", "is_imputed": f == 3}
          for f in range(10) if f != 5),
        split="train", lab_id="north",
    )  # fmt: skip
    put("track_summary", {"video_id": 11, "mouse_id": 1, "bodypart": "nose", "first_frame": 0, "last_frame": 9,
        "frames_present": 9, "points_measured": 8, "points_imputed": 1, "gaps": 1, "gap_frames": 1},
        split="train", lab_id="north")  # fmt: skip
    chases = [event(2, "chase", start, start + 20) for start in CHASES]
    put("annotations_enriched", *chases, event(1, "rear", 20, 30), lab_id="north")
    triplet = {"split": "train", "lab_id": "north", "video_id": 11, "agent_id": 1}
    put("labeled_behaviors", {**triplet, "target_id": 2, "action": "chase"},
        {**triplet, "target_id": 1, "action": "rear", "is_self": True},
        {**triplet, "agent_id": 2, "target_id": 1, "action": "chase"})  # fmt: skip
    file = {"split": "train", "lab_id": "north", "video_id": 11}
    put("curation_files", {**file, "kind": "tracking", "rows_in": 9, "rows_imputed": 1, "flags": ["gap", "late"]},
        {**file, "kind": "annotation", "rows_in": 7, "flags": ["gap"]})  # fmt: skip
    put("quarantine", {**file, "source_file": "a", "rows": 3, "rule": "unknown-mouse", "detail": "mouse 9"},
        {"source_file": "b", "rows": 2, "rule": "unreadable", "detail": "no parquet"})  # fmt: skip
    guess = {**triplet, "target_id": 2, "action": "chase"}
    predicted = [(start + 5, start + 25, 0.85) for start in CHASES[:-1]] + [(700, 710, 0.55)]
    put(
        "predictions",
        *({**guess, "start_frame": a, "stop_frame": b, "start_sec": a / FPS, "stop_sec": b / FPS, "confidence": c}
          for a, b, c in predicted),
        run_id="r1",
    )  # fmt: skip
    # 5 chases share 15 frames: tp 75; predicted 110, annotated 120
    score = {"lab_id": "north", "videos": 1, "f_score": 150 / 230, "precision": 75 / 110, "recall": 75 / 120}
    put("scores", {**score, "action": "chase", "tp_frames": 75, "fp_frames": 35, "fn_frames": 45},
        {**score, "action": "rear", "f_score": 0.0, "tp_frames": 0, "fp_frames": 0, "fn_frames": 10},
        run_id="r1")  # fmt: skip


@pytest.fixture(scope="session")
def dash_lake(mock_settings: Settings) -> Settings:
    """Settings of a lake of its own, filled, with its views."""
    settings, lake = open_lake(mock_settings, "dash")
    fill(lake)
    query.create_views(settings)
    return settings


@pytest.fixture(scope="session")
def video_lake_at(mock_settings: Settings) -> Settings:
    """Settings of the filled lake."""
    settings, lake = open_lake(mock_settings, "video")
    video_lake.fill(lake)
    return settings


@pytest.fixture(scope="session")
def video_file(video_lake_at: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static page of video 41 with run r1."""
    out = tmp_path_factory.mktemp("video") / "page.html"
    result = video.run(video_lake_at, 41, out, "r1")
    assert result.details | {"page": 0, "bytes": 0} == {
        "page": 0, "video_id": 41, "run_id": "r1", "events": 11, "slices": 5, "bytes": 0}  # fmt: skip
    return out


@pytest.fixture
def show_video(chromium_browser: Any, video_file: Path) -> Iterator[Callable[..., Any]]:
    """Open the page; at the end it has asked for nothing beyond its address and complained of nothing."""
    opened: list[tuple[Any, list[str], list[str], str]] = []

    def open_(url: str = "", at: str = "", **context: Any) -> Any:
        shown = chromium_browser.new_page(**{"viewport": {"width": 1280, "height": 800}, **context})
        complaints, requests = watched(shown)
        opened.append((shown, complaints, requests, url or "file:"))
        shown.goto((url or video_file.as_uri()) + at)
        shown.wait_for_selector("body[data-ready='41']")
        expect(shown.locator("#wait")).to_be_hidden()
        return shown

    yield open_
    for shown, complaints, requests, origin in opened:
        assert complaints == []
        assert [r for r in requests if not r.startswith((origin, "data:", "blob:"))] == []
        shown.close()
