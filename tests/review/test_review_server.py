"""The review's server: who gets in, what it answers, how fast its library is."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import video_lake
from lakes import open_lake, rows

from etholake.errors import UsageError
from etholake.pages.review.server import ReviewServer, byte_range
from etholake.settings import Settings
from etholake.stages.review.film import films_in_lake
from etholake.stages.review.library import COLUMNS, VideoLibrary
from etholake.stages.review.service import ReviewChoice, ReviewService
from etholake.stages.review.store import VideoKey

WHERE = {"split": "train", "lab": "north", "video": "41"}
LOOKED_FOR = (("north", 7), ("north", 8), ("south", 7))
Serve = Callable[[str], ReviewServer]


def ask(server: ReviewServer, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    sent = {"Content-Type": "application/json", "Origin": server.url[: server.url.index("/", 8)], **headers}
    sent = {name.replace("_", "-"): value for name, value in sent.items() if value}
    connection.request(method, path, None if body is None else json.dumps(body), sent)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content, response.headers


def of(server: ReviewServer, path: str) -> str:
    return f"/{server.token}/{path}"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "words"),
    [
        ("GET", "/", {}, 403, b"Open the address"),
        ("GET", "/wrong/api/start", {}, 403, b"Open the address"),
        ("GET", "{}api/start", {"Host": "evil.example"}, 403, b"own address only"),
        ("GET", "{}api/start", {"Origin": "http://evil.example"}, 403, b"own pages only"),
        ("POST", "{}api/undo", {"Origin": ""}, 403, b"Only the page itself"),
        ("POST", "{}api/undo", {"Origin": "http://evil.example"}, 403, b"own pages only"),
        ("POST", "{}api/undo", {"Content_Type": "text/plain"}, 415, b"application/json"),
        ("POST", "{}api/nothing", {}, 404, b"no such action"),
        ("GET", "{}web/../server.py", {}, 404, b"no such file"),
        ("GET", "{}api/video?video=41&lab=north&split=test", {}, 400, b"no video 41 of lab north in split test"),
        ("GET", "{}api/library?order=luck", {}, 400, b"no order 'luck'"),
    ],
)
def test_who_may_ask_what(
    serve_review: Serve, method: str, path: str, headers: dict[str, str], status: int, words: bytes
) -> None:
    server = serve_review("ann")
    answer = ask(server, method, path.format(of(server, "")), {} if method == "POST" else None, **headers)
    assert answer[0] == status
    assert words in answer[1]


def test_the_page_may_run_its_own_scripts_only(serve_review: Serve) -> None:
    server = serve_review("ann")
    status, page, headers = ask(server, "GET", of(server, ""), Origin="")
    assert status == 200
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert b"<script>" not in page


def test_a_film_is_sent_in_ranges(serve_review: Serve) -> None:
    server = serve_review("ann")
    path = of(server, "api/film?split=test&lab=north&video=42")  # it lies in the raw zone
    status, piece, headers = ask(server, "GET", path, Range="bytes=10-19")
    assert (status, piece) == (206, bytes(range(10, 20)))
    assert headers["Content-Range"] == "bytes 10-19/1024"
    assert headers["Content-Type"] == "video/mp4"
    assert ask(server, "GET", path, Range="bytes=1020-")[1] == bytes(range(252, 256))
    assert ask(server, "GET", path, Range="bytes=5000-")[0] == 416
    content = json.loads(ask(server, "GET", of(server, "api/video?split=test&lab=north&video=42"))[1])
    assert content["film"] == {"fps": 20.0, "note": "the tracks have +3 frames against the film (offset)"}
    assert content["cameras"] == {
        "side": {
            "fps": 20.0,  # that of the first film: its own frames are others
            "note": "the first film has -80 frames against it: both are shown by the clock from their start, and "
            "may be apart",
        }
    }
    assert ask(server, "GET", path + "&camera=side", Range="bytes=0-1")[1] == bytes([255, 254])
    assert ask(server, "GET", path + "&camera=back")[0] == 404
    assert ask(server, "GET", path)[:2] == (
        400, b"A film is sent in pieces: ask with the header Range, as a browser does.",
    )  # fmt: skip
    assert ask(server, "GET", of(server, "api/film?split=train&lab=north&video=41"))[0] == 404
    assert (byte_range("bytes=-4", 10), byte_range("nonsense", 10)) == ((6, 9), (0, 9))


def test_a_further_camera_in_a_folder_leaves_the_first_film_of_the_lake(
    review_settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "42.back.mp4").write_bytes(b"film")
    service = ReviewService(review_settings, ReviewChoice("mia", films=tmp_path))
    films = [service.film({**WHERE, "video": "42", "camera": name}) for name in ("", "side", "back")]
    assert [film and film.size for film in films] == [1024, 512, 4]


def test_films_do_not_depend_on_the_catalog(mock_settings: Settings) -> None:
    """A lake of an earlier version is not registered with the column `camera` until it is written again."""
    _, lake = open_lake(mock_settings, "films")
    film = {"video_id": 7, "source_file": "videos/lab_id=north/7.mp4", "bytes": 5, "codec": "h264"}
    table = rows("videos", film, film | {"video_id": 8, "error": "is empty"})
    lake.replace_table("videos", table, "one", {"lab_id": "north"})
    lake.glue.delete_table(DatabaseName=lake.database, Name="videos")
    by_video = [films_in_lake(lake, VideoKey("train", *video)) for video in LOOKED_FOR]
    assert [{camera: film.size for camera, film in films.items()} for films in by_video] == [{"": 5}, {}, {}]


def test_a_change_comes_back_and_is_undone(serve_review: Serve) -> None:
    server = serve_review("carl")
    new = {
        **WHERE,
        "operation": "create",
        "agent_id": 2,
        "target_id": 2,
        "action": "dig",
        "start_frame": 7,
        "stop_frame": 9,
    }
    status, body, _ = ask(server, "POST", of(server, "api/change"), new)
    assert status == 200
    (bout,) = [bout for bout in json.loads(body)["bouts"] if bout["action"] == "dig"]
    assert (bout["start"], bout["stop"], bout["status"], bout["by"]) == (7, 9, "kept", ["carl"])
    other = {**WHERE, "operation": "delete", "bouts": [bout["id"]]}
    status, body, headers = ask(serve_review("dora"), "POST", of(serve_review("dora"), "api/change"), other)
    assert status == 409
    assert b"carl has changed this bout" in body
    assert int(headers["X-Change"]) == bout["change"]
    state = json.loads(ask(server, "POST", of(server, "api/undo"), WHERE)[1])
    assert not [bout for bout in state["bouts"] if bout["action"] == "dig"]
    for wrong, words in (
        ({"start_frame": "7"}, b"whole number"),
        ({"bouts": 3}, b"list of ids"),
        ({"operation": 1}, b"must be text"),
    ):
        status, body, _ = ask(server, "POST", of(server, "api/change"), {**new, **wrong})
        assert (status, words in body) == (400, True)


def test_stored_probabilities_and_scores_are_shown(serve_review: Serve) -> None:
    server = serve_review("ann")
    for run in ("", "&run=job-1"):
        curve = json.loads(ask(server, "GET", of(server, f"api/curve?split=train&lab=north&video=41{run}"))[1])
        assert (curve["runs"], curve["run"]) == (["job-1"], "job-1")
        # 4,500 frames are fewer than two for each point
        assert curve["step"] == 1
        assert curve["curves"] == [[1, 2, "chase", [[f, f / 10] for f in range(10)]]]
    other = json.loads(ask(server, "GET", of(server, "api/curve?split=train&lab=north&video=43"))[1])
    assert (other["runs"], other["run"], other["curves"]) == ([], "", [])
    compared = json.loads(ask(server, "GET", of(server, "api/compare?first=r1&second=r2"))[1])
    assert compared == {"scores": [["north", "chase", 0.25, 0.75]]}
    assert json.loads(ask(server, "GET", of(server, "api/learn"))[1]) == {"runs": ["r1", "r2"], "versions": []}


def test_a_column_of_the_tracks_is_the_poses_by_hand(serve_review: Serve) -> None:
    server = serve_review("ann")
    where = "api/column?split=train&lab=north&video=41"
    answer = json.loads(ask(server, "GET", of(server, f"{where}&column=x_cm&part=nose"))[1])
    assert (answer["unit"], answer["step"]) == ("cm", 1)
    curves = {mouse: dict(points) for mouse, points in answer["curves"]}
    for frame in (0, 250, 4499):
        assert curves[1][frame] == pytest.approx(video_lake.pose(frame)[1, "nose"][0], abs=1e-3)
    assert (250 in curves[2], curves[2][300]) == (False, 8)
    for wrong, message in (("column=x_c&part=nose", "x_cm"), ("column=x_cm&part=nosy", "Did you mean 'nose'")):
        status, body, _ = ask(server, "GET", of(server, f"{where}&{wrong}"))
        assert (status, message.encode() in body) == (400, True)


@pytest.mark.parametrize("given", ["first=r1&second=r1", "first=r1", ""])
def test_a_run_is_not_compared_with_itself(serve_review: Serve, given: str) -> None:
    server = serve_review("ann")
    answer = ask(server, "GET", of(server, f"api/compare?{given}"))
    assert answer[:2] == (400, b"Choose two different runs to compare.")


def test_the_library_says_how_well_runs_agree(review_settings: Settings) -> None:
    service = ReviewService(review_settings, ReviewChoice("ann"))
    page = service.library.page({"search": "41"})
    (video,) = page["videos"]
    # r1 shares 90, 10 and 30 frames with the annotation, r2 only the 90 of the first chase
    assert video["labels"] == 6
    assert video["runs"] == 2
    r1, r2 = 2 * 130 / (275 + 400), 2 * 90 / (95 + 400)
    assert video["score"] == pytest.approx((r1 + r2) / 2)
    assert video["disagreement"] == pytest.approx(1 - 2 * 95 / (95 + 275))
    assert service.library.find(41) == VideoKey("train", "north", 41)
    with pytest.raises(UsageError, match="no video 99"):
        service.library.find(99)
    with pytest.raises(UsageError, match="needs a name"):
        ReviewService(review_settings, ReviewChoice(" "))


def test_long_bouts_share_the_frames_that_they_share(mock_settings: Settings) -> None:
    settings, lake = open_lake(mock_settings, "pieces")
    key = {"split": "train", "lab_id": "lab", "video_id": 1}
    kind = {"agent_id": 1, "target_id": 2, "action": "chase"}
    bouts = {"truth": [(2900, 9100), (3000, 3000), (12_000, 12_001)], "r1": [(0, 3000), (5999, 6001)],
             "r2": [(2999, 3001), (6000, 15_000)]}  # fmt: skip
    for name, spans in bouts.items():
        items = [{**key, **kind, "start_frame": start, "stop_frame": stop} for start, stop in spans]
        counted = [
            item | {"counted_start_frame": item["start_frame"], "counted_stop_frame": item["stop_frame"]}
            for item in items
        ]
        if name == "truth":
            lake.replace_table(
                "annotations_enriched", rows("annotations_enriched", *counted), "a", {"lab_id": "lab"}
            )
        else:
            lake.replace_table("predictions", rows("predictions", *items), "a", {"run_id": name})
    for table in ("metadata_train", "metadata_test"):
        lake.replace_table(table, rows(table, *([key] if table.endswith("train") else [])), "a")
    (video,) = ReviewService(settings, ReviewChoice("ann")).library.page({})["videos"]
    frames = {name: {f for start, stop in spans for f in range(start, stop)} for name, spans in bouts.items()}

    def f_score(one: str, other: str) -> float:
        return 2 * len(frames[one] & frames[other]) / (len(frames[one]) + len(frames[other]))

    assert video["score"] == pytest.approx((f_score("truth", "r1") + f_score("truth", "r2")) / 2)
    assert video["disagreement"] == pytest.approx(1 - f_score("r1", "r2"))


def test_ten_thousand_videos_answer_at_once() -> None:
    rows = [
        ("train", f"lab {number % 20}", number, 30.0, 600.0, 2, True, number % 3, number % 5, number % 7, 1,
         number % 100 / 100, None, number % 50 / 50, number % 11, "ann, ben" if number % 11 else "")
        for number in range(10_000)
    ]  # fmt: skip
    assert len(rows[0]) == len(COLUMNS)
    library = VideoLibrary(rows)
    began = time.process_time()
    page = library.page(
        {"lab": "lab 3", "state": "reviewed", "reviewer": "ben", "order": "uncertainty", "page": "2"}
    )
    assert time.process_time() - began < 0.3
    fitting = [r for r in rows if r[1] == "lab 3" and r[14]]
    best = sorted(fitting, key=lambda r: (-r[11], r[1], r[2]))
    assert page["count"] == len(fitting)
    assert [v["video_id"] for v in page["videos"]] == [r[2] for r in best[100:150]]
    assert page["whole"]["videos"] == 10_000
    assert library.page({"reviewer": "be"})["count"] == 0
