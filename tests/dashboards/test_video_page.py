"""The video page in headless Chromium, on the lake of `video_lake`: skeletons, time, live, and what is refused."""

import io
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect
from video_lake import (
    FPS,
    FRAMES,
    at_frame,
    drawn,
    go_to,
    lake_pose,
    pose,
    watch,
)

from etholake.errors import UsageError
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.reports import video as stage


# --- skeletons --------------------------------------------------------------------------------------------
def test_stepping_shows_the_lakes_points_frame_by_frame(show_video: Callable[..., Any], video_lake_at: Settings):
    shown = show_video()
    wanted = [99, 100, 109, 110, 199, 200, 299, 300, 899, 900, 2999, 3000, 3009, 3010, 4499]
    truth = lake_pose(video_lake_at, wanted)
    assert {f: len(p) for f, p in truth.items()} == {f: len(pose(f)) for f in wanted}
    for before, frame in zip([None, *wanted], wanted, strict=False):
        if before == frame - 1:
            shown.keyboard.press("ArrowRight")  # over the end of a slice, a gap, a filled point
        else:
            go_to(shown, frame)
        at_frame(shown, frame)
        on, points = drawn(shown)
        assert on == frame
        assert set(points) == set(truth[frame]), f"frame {frame}: a missing part is absent"
        for key, (x, y, imputed) in truth[frame].items():
            assert (points[key]["x"], points[key]["y"]) == pytest.approx((x, y), abs=0.0051), (frame, key)
            assert points[key]["imputed"] == imputed
    for _ in range(3):
        shown.keyboard.press("ArrowLeft")
    at_frame(shown, 4496)
    shown.keyboard.press("Shift+ArrowLeft")  # a second
    at_frame(shown, 4471)


def test_the_canvas_has_the_points_where_the_page_says(show_video: Callable[..., Any]):
    shown = show_video()
    shown.select_option("#path", "none")
    go_to(shown, 105)
    _, points = drawn(shown)
    picture = Image.open(io.BytesIO(shown.locator("#arena").screenshot())).convert("RGB")

    def colour(point: dict[str, Any]) -> Any:
        return picture.getpixel((round(point["px"] + 1), round(point["py"] + 1)))  # + 1: the canvas's border

    assert colour(points[1, "nose"]) == (0, 158, 115)
    filled = points[1, "tail_base"]  # a ring: the floor within
    assert min(colour(filled)) > 200
    scale = (points[2, "nose"]["px"] - points[2, "tail_base"]["px"]) / 3
    assert points[1, "nose"]["px"] - filled["px"] == pytest.approx(4 * scale, rel=0.01)


def test_a_close_up_is_larger_and_has_the_mice_in_it(show_video: Callable[..., Any]):
    shown = show_video()
    go_to(shown, 4480)  # the mice are 10 cm apart, in an arena of 30 x 20 cm

    def scale() -> float:
        _, points = drawn(shown)
        box = shown.locator("#arena").bounding_box()
        assert all(0 < p["px"] < box["width"] and 0 < p["py"] < box["height"] for p in points.values())
        return float(points[2, "nose"]["px"] - points[2, "tail_base"]["px"])

    before = scale()
    shown.keyboard.press("c")
    expect(shown.locator("#near")).to_be_checked()
    assert scale() > 1.15 * before
    shown.keyboard.press("c")
    assert scale() == pytest.approx(before)


def test_paths_and_speed_of_long_times_are_means_of_seconds(show_video: Callable[..., Any]):
    shown = show_video()
    page = json.loads(shown.locator("#page").text_content())
    first = page["mice"][0]
    assert first["centre"] == "tail_base"
    x = sum(pose(f)[1, "tail_base"][0] for f in range(75, 100)) / 25
    assert first["seconds"]["x"][3] == pytest.approx(100 * x, abs=0.6)
    assert first["seconds"]["speed"][3] == 1250
    assert len(first["seconds"]["x"]) == 180
    assert "mean of each second" in shown.inner_text("#speed-what")
    shown.evaluate("Timeline.show(0, 500)")
    expect(shown.locator("#speed-what")).to_contain_text("frame by frame")


@pytest.mark.parametrize("where", ["list", "raster"])
def test_a_click_on_an_event_jumps_there_and_plays(show_video: Callable[..., Any], where: str):
    shown = show_video()
    shown.select_option("#rate", "0.25")
    if where == "list":
        shown.locator("#list tbody tr", has_text="0:40.00").click()  # chase on 1000..1049
    else:
        x, y = shown.evaluate("""() => { const r = Timeline.rows().find(r => r.action === 'chase');
            return [Timeline.at(1025), r.top + 5] }""")
        shown.click("#raster", position={"x": x, "y": y})
    expect(shown.locator("#play")).to_have_text("Pause")
    expect(shown.locator("#clock")).to_contain_text("0:40.")
    expect(shown.locator("#now")).to_contain_text("mouse1 chase mouse2")
    shown.keyboard.press("Space")
    expect(shown.locator("#play")).to_have_text("Play")
    frame, points = drawn(shown)
    assert 1000 <= frame < 1050
    assert shown.inner_text("#clock").endswith(f"frame {frame}")
    assert points[1, "nose"]["x"] == pytest.approx(pose(frame)[1, "nose"][0], abs=0.0051)
    assert shown.url.endswith(f"#frame={frame}")
    assert shown.locator("#list tr.current").inner_text().split()[:2] == ["annotated", "0:40.00"]


@pytest.mark.parametrize("rate", [1, 8])
def test_playing_runs_on_the_videos_clock_and_never_back(show_video: Callable[..., Any], rate: int):
    shown = show_video()
    shown.select_option("#rate", str(rate))
    watch(shown)
    shown.evaluate("document.activeElement.blur()")
    shown.keyboard.press("Space")
    shown.wait_for_timeout(1200)
    shown.keyboard.press("Space")
    seen = shown.evaluate("window.seen")
    frames = [f for _, f in seen]
    assert frames == sorted(frames)
    passed = (seen[-1][0] - seen[0][0]) / 1000
    assert frames[-1] - frames[0] == pytest.approx(passed * FPS * rate, abs=max(3, 0.12 * FPS * rate))


def test_a_repeated_event_stays_within_its_frames(show_video: Callable[..., Any]):
    shown = show_video()
    shown.check("#loop")
    shown.select_option("#rate", "8")
    shown.locator("#list tbody tr", has_text="0:10.00").click()  # rear on 250..299, 0.25 s at this speed
    expect(shown.locator("#clock")).to_contain_text("0:1")
    watch(shown)
    shown.wait_for_timeout(1200)
    frames = [f for _, f in shown.evaluate("window.seen")]
    assert all(250 <= f < 300 for f in frames)
    assert any(b < a for a, b in pairwise(frames))


def test_slices_are_decoded_when_they_are_looked_at(show_video: Callable[..., Any], video_file: Path):
    shown = show_video()
    assert video_file.read_text().count('<script type="text/plain" id="slice-') == 5
    assert shown.evaluate("videoPage.stats.decoded") == 1
    go_to(shown, 3650)
    assert shown.evaluate("videoPage.stats.decoded") == 2
    go_to(shown, 3651)
    go_to(shown, 10)
    assert shown.evaluate("videoPage.stats.decoded") == 2


# --- time -------------------------------------------------------------------------------------------------
def shown_time(shown: Any) -> tuple[float, float]:
    shown.wait_for_timeout(120)  # one drawing follows many steps of a wheel
    axis = shown.locator("#axis")
    return float(axis.get_attribute("data-from")), float(axis.get_attribute("data-to"))


def test_time_zooms_by_wheel_buttons_and_keys_and_moves_by_dragging(show_video: Callable[..., Any]):
    shown = show_video()
    assert shown_time(shown) == (0, FRAMES)
    shown.click("#zoom-in")
    width = FRAMES / 2
    a, b = shown_time(shown)
    assert b - a == pytest.approx(width)
    shown.focus("#raster")
    shown.keyboard.press("+")
    a, b = shown_time(shown)
    assert b - a == pytest.approx(width / 2)
    box = shown.locator("#raster").bounding_box()
    middle = box["x"] + box["width"] * 0.6
    shown.mouse.move(middle, box["y"] + 30)
    left, next_ = (shown.evaluate("f => Timeline.at(f)", f) for f in (0, 1))
    pointed = (middle - box["x"] - left) / (next_ - left)
    shown.mouse.wheel(0, -200)
    c, d = shown_time(shown)
    assert d - c < 0.7 * (b - a)
    assert (pointed - c) / (d - c) == pytest.approx((pointed - a) / (b - a), abs=0.01)  # what is pointed at stays
    shown.mouse.down()
    shown.mouse.move(middle - 100, box["y"] + 30, steps=4)
    shown.mouse.up()
    e, f = shown_time(shown)
    assert e > c
    assert f - e == pytest.approx(d - c)
    shown.keyboard.press("d")
    assert shown_time(shown)[0] > e
    shown.keyboard.press("0")
    assert shown_time(shown) == (0, FRAMES)


def test_one_cursor_for_all_and_tooltips(show_video: Callable[..., Any]):
    shown = show_video(at="#frame=2000")
    at_frame(shown, 2000)
    place = "els => els.map(e => new DOMMatrix(getComputedStyle(e).transform).m41)"
    spots = shown.eval_on_selector_all(".cursor", place)
    assert len(spots) == 4
    assert max(spots) - min(spots) < 1  # the whole video is shown: every panel has it at one place
    x, y = shown.evaluate("""() => { const r = Timeline.rows().find(r => r.action === 'sniff');
        return [Timeline.at(550), r.top + 5] }""")
    shown.hover("#raster", position={"x": x, "y": y})
    assert "mouse2 sniff mouse1" in shown.inner_text("#tip")
    assert "missed by the run" in shown.inner_text("#tip")
    shown.hover("#speed", position={"x": x, "y": 40})
    assert "12.5 cm/s" in shown.inner_text("#tip")
    _, points = drawn(shown)
    nose = points[1, "nose"]
    shown.hover("#arena", position={"x": nose["px"], "y": nose["py"]})
    assert f"{pose(2000)[1, 'nose'][0]:.2f} cm" in shown.inner_text("#tip")
    shown.click("#speed", position={"x": x, "y": 40})  # an empty place: the cursor goes there and does not play
    expect(shown.locator("#play")).to_have_text("Play")
    assert abs(drawn(shown)[0] - 550) <= 4


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_in_light_and_dark(show_video: Callable[..., Any], width: int, scheme: str):
    shown = show_video(viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert shown.evaluate("document.documentElement.dataset.theme") == scheme
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    wide = "els => els.filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.id)"
    assert shown.eval_on_selector_all(".card, canvas, button, select", wide) == []
    shown.click("#theme")
    assert shown.evaluate("document.documentElement.dataset.theme") != scheme


# --- live, and what is refused ----------------------------------------------------------------------------
def test_the_live_page_asks_for_poses_when_they_are_shown(show_video: Callable[..., Any], video_lake_at: Settings):
    with stage.make_server(video_lake_at, 41, "r1") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        refused = [("api/slice/5", None, 404), ("api/slice/-1", None, 404), ("etc/passwd", None, 404)]
        for path, host, code in [*refused, ("", "evil.example:80", 403)]:
            request = urllib.request.Request(server.url + path, headers={"Host": host} if host else {})
            with pytest.raises(urllib.error.HTTPError, match=str(code)):
                opener.open(request)
        shown = show_video(url=server.url)
        assert shown.locator("script[type='text/plain']").count() == 0
        assert shown.evaluate("videoPage.stats.decoded") == 1
        go_to(shown, 3650)
        assert drawn(shown)[1][1, "nose"]["x"] == pytest.approx(pose(3650)[1, "nose"][0], abs=0.0051)
        assert shown.evaluate("videoPage.stats.decoded") == 2
        server.shutdown()


def test_poses_that_cannot_be_read_say_why_and_are_asked_for_again(chromium_browser: Any, video_lake_at: Settings):
    with stage.make_server(video_lake_at, 41, "r1") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answer = server.slice

        def fail(number: int) -> bytes:
            raise RuntimeError(f"Query 7 failed on slice {number}")

        server.slice = fail
        shown = chromium_browser.new_page()
        shown.goto(server.url)
        expect(shown.locator("#wait")).to_contain_text("could not be read: Query 7 failed on slice 0")
        server.slice = answer
        shown.focus("#arena")
        shown.keyboard.press("ArrowRight")
        expect(shown.locator("#wait")).to_be_hidden()
        assert drawn(shown)[1][1, "nose"]["x"] == pytest.approx(pose(1)[1, "nose"][0], abs=0.0051)
        shown.close()
        server.shutdown()


def test_the_live_page_is_there_before_the_means_by_second(chromium_browser: Any, video_lake_at: Settings):
    with stage.make_server(video_lake_at, 41, "r1") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answer, may_answer = server.seconds, threading.Event()

        def wait() -> str:
            assert may_answer.wait(20)
            return answer()

        server.seconds = wait
        shown = chromium_browser.new_page()
        shown.goto(server.url)
        shown.wait_for_selector("body[data-ready='41']")
        expect(shown.locator("#wait")).to_be_hidden()  # the poses are there
        assert shown.inner_text("#speed-what") == "is being read"
        may_answer.set()
        expect(shown.locator("#speed-what")).to_contain_text("mean of each second")

        def fail() -> str:
            raise RuntimeError("Query 8 failed")

        server.seconds = fail
        shown.reload()
        expect(shown.locator("#speed-what")).to_have_text("could not be read: Query 8 failed")
        shown.close()
        server.shutdown()


def test_a_video_without_tracks_rate_and_events_has_a_page(
    chromium_browser: Any, video_lake_at: Settings, tmp_path: Path, video_file: Path
):
    out = tmp_path / "bare.html"
    assert stage.run(video_lake_at, 42, out).details["slices"] == 0
    shown = chromium_browser.new_page()
    complaints: list[str] = []
    shown.on("pageerror", lambda e: complaints.append(str(e)))
    shown.goto(out.as_uri())
    shown.wait_for_selector("body[data-ready='42']")
    assert "frame rate unknown, 30 frames/s assumed" in shown.inner_text("#about")
    assert "no tracks of this video" in shown.inner_text("#wait")
    shown.keyboard.press("ArrowRight")
    assert complaints == []
    shown.close()


def test_a_video_without_a_scale_is_shown_in_pixels(
    chromium_browser: Any, video_lake_at: Settings, tmp_path: Path
):
    out = tmp_path / "pixels.html"
    stage.run(video_lake_at, 43, out)
    shown = chromium_browser.new_page()
    shown.goto(out.as_uri() + "#frame=20")
    at_frame(shown, 20)
    point = drawn(shown)[1][1, "whisker"]
    assert (point["x"], point["y"]) == pytest.approx((120, 50))
    assert "Coordinates are in px, y down." in shown.text_content("#definitions")
    assert "the video has no scale" in shown.inner_text("#speed-what")
    assert shown.inner_text("#count") == "0 of 0, nothing to compare"
    shown.close()


def test_a_run_must_be_named_where_there_are_several(video_lake_at: Settings, video_file: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"Several runs predicted video 41: name one with --run: r1, r2"):
        stage.run(video_lake_at, 41, tmp_path / "x.html")
    with pytest.raises(UsageError, match=r"Run 'r9' did not predict video 41. It was predicted by r1, r2"):
        stage.run(video_lake_at, 41, tmp_path / "x.html", "r9")
    with pytest.raises(UsageError, match=r"The lake has no video 99"):
        stage.run(video_lake_at, 99, tmp_path / "x.html")
    assert stage.most_predicted(video_lake_at) == (41, "r1")


def test_there_are_pictures_of_the_page():
    pictures = {path.name for path in (query.queries_folder().parent / "docs" / "img").glob("video-page*.png")}
    assert {"video-page.png", "video-page-dark.png", "video-page-400.png"} <= pictures, "run `make screenshots`"
