"""The review sends the means of each second only when asked, and after a correction only what has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lakes import open_lake, rows
from test_review_server import WHERE, ask, of

from etholake.pages.review.server import ReviewServer
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.reports import video as video_page

Serve = Callable[[str], ReviewServer]
NEW = {**WHERE, "operation": "create", "agent_id": 2, "target_id": 2, "action": "dig", "stop_frame": 9}
VIDEO = "split=train&lab=north&video=41"


def posted(server: ReviewServer, name: str, values: dict[str, Any]) -> dict[str, Any]:
    status, body, _ = ask(server, "POST", of(server, f"api/{name}"), values)
    assert status == 200, body
    return dict(json.loads(body))


def asked(server: ReviewServer, path: str) -> dict[str, Any]:
    return dict(json.loads(ask(server, "GET", of(server, f"api/{path}"))[1]))


def test_a_video_opens_without_its_seconds(serve_review: Serve) -> None:
    server = serve_review("sven")
    opened = asked(server, f"video?{VIDEO}")
    assert [mouse["seconds"] for mouse in opened["mice"]] == [{"x": [], "y": [], "speed": []}] * 2
    seconds = asked(server, f"seconds?{VIDEO}")["seconds"]
    assert set(seconds) == {"1", "2"}
    assert set(seconds["1"]["speed"]) == {1250}  # hundredths of cm/s, 180 seconds
    assert len(seconds["1"]["x"]) == 180


def test_half_a_minute_reads_only_its_part_of_a_track(mock_settings: Settings) -> None:
    settings, lake = open_lake(mock_settings, "stretch")
    points = (
        {"video_id": 1, "video_frame": f, "mouse_id": 1, "bodypart": "nose", "x": 1.0} for f in range(30_000)
    )
    lake.replace_table(
        "tracking_curated", rows("tracking_curated", *points), "a", {"split": "train", "lab_id": "lab"}
    )
    where = (query.literal("train"), query.literal("lab"), "1")
    part = query.run_sql(settings, video_page.SLICES, [*where, *video_page.pose_frames(20, 20)])
    whole = query.run_sql(settings, video_page.SLICES, [*where, *video_page.pose_frames(0, 33)])
    ((*_, frames, xs, _, _, _),) = part.rows
    assert (frames.split(), set(xs.split())) == ([str(f) for f in range(900)], {"100"})
    assert len(whole.rows) == 34
    assert part.scanned_bytes < whole.scanned_bytes / 5


def test_after_a_correction_only_the_difference_is_sent(serve_review: Serve) -> None:
    first, second = serve_review("tina"), serve_review("uwe")
    opened = asked(first, f"video?{VIDEO}")["state"]
    made = posted(first, "change", {**NEW, "start_frame": 7, "since": opened["changes"]})
    (bout,) = (bout for bout in made["bouts"] if bout["action"] == "dig")
    later = posted(second, "change", {**NEW, "start_frame": 5, "since": 0})  # a state that nobody has seen here
    assert "gone" not in later
    assert {bout["start"] for bout in later["bouts"] if bout["action"] == "dig"} == {5, 7}
    assert all(bout["by"] for bout in later["bouts"])  # all others are as the runs and the annotation have them
    assert later["received"] == opened["received"]
    caught_up = asked(first, f"state?{VIDEO}&since={made['changes']}")
    assert [(b["start"], b["by"]) for b in caught_up["bouts"]] == [(5, ["uwe"])]
    assert (caught_up["gone"], "received" in caught_up) == ([], False)
    undone = posted(first, "undo", {**WHERE, "since": caught_up["changes"]})
    assert (undone["bouts"], undone["gone"]) == ([], [bout["id"]])
    posted(second, "undo", {**WHERE, "since": later["changes"]})
    state = asked(first, f"state?{VIDEO}")
    assert {b["id"] for b in state["bouts"]} == {b["id"] for b in opened["bouts"]}
    assert asked(first, f"state?{VIDEO}&since={state['changes']}") == {"changes": state["changes"]}
