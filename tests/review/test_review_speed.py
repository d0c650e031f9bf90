"""The review sends the means of each second only when asked, and after a correction only what has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from test_review_server import WHERE, ask, of

from etholake.pages.review.server import ReviewServer

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


def test_after_a_correction_only_the_difference_is_sent(serve_review: Serve) -> None:
    first, second = serve_review("tina"), serve_review("uwe")
    opened = asked(first, f"video?{VIDEO}")["state"]
    made = posted(first, "change", {**NEW, "start_frame": 7, "since": opened["changes"]})
    (bout,) = (bout for bout in made["bouts"] if bout["action"] == "dig")
    later = posted(second, "change", {**NEW, "start_frame": 5, "since": 0})  # a state that nobody has seen here
    assert "gone" not in later
    assert len(later["bouts"]) > len(opened["bouts"])
    caught_up = asked(first, f"state?{VIDEO}&since={made['changes']}")
    assert [(b["start"], b["by"]) for b in caught_up["bouts"]] == [(5, ["uwe"])]
    assert (caught_up["gone"], "received" in caught_up) == ([], False)
    undone = posted(first, "undo", {**WHERE, "since": caught_up["changes"]})
    assert (undone["bouts"], undone["gone"]) == ([], [bout["id"]])
    posted(second, "undo", {**WHERE, "since": later["changes"]})
    state = asked(first, f"state?{VIDEO}")
    assert {b["id"] for b in state["bouts"]} == {b["id"] for b in opened["bouts"]}
    assert asked(first, f"state?{VIDEO}&since={state['changes']}") == {"changes": state["changes"]}
