"""The review page in real Chromium: the keyboard alone, two reviewers, both themes, both widths, axe-core."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import expect
from video_lake import FPS

from browsers import faults

VIDEO = "?split=train&lab=north&video=41"
Open = Callable[..., Any]


def saved(shown: Any) -> int:
    return int(shown.locator("body").get_attribute("data-changes"))


def press(shown: Any, *keys: str) -> None:
    """Press keys of changes one by one, each when the one before is saved."""
    for key in keys:
        before = saved(shown)
        shown.keyboard.press(key)
        expect(shown.locator("body")).not_to_have_attribute("data-changes", str(before))


def labels(shown: Any) -> list[list[Any]]:
    return shown.evaluate(
        "reviewPage.labels.listed().filter(b => b.status === 'kept').map(b => [b.action, b.start, b.stop])"
    )


def go_to(shown: Any, frame: int) -> None:
    shown.fill("#frame", str(frame))
    shown.press("#frame", "Enter")
    expect(shown.locator("#lanes")).to_have_attribute("data-frame", str(frame))
    shown.focus("#lanes")


def test_the_library_finds_and_opens_a_video(open_review: Open) -> None:
    shown = open_review()
    expect(shown.locator("#videos tbody tr")).to_have_count(3)
    shown.fill("#search", "41")
    expect(shown.locator("#videos tbody tr")).to_have_count(1)
    assert "1 of 3 videos" in shown.inner_text("#library-count")
    shown.focus("#videos tbody button")
    shown.keyboard.press("Enter")
    shown.wait_for_selector("body[data-view='video'][data-ready='1']")
    expect(shown.locator("#title")).to_have_text("Video 41")
    expect(shown.locator("#wait")).to_be_hidden()
    assert shown.evaluate("Arena.drawn().mice.length") == 2


def test_labels_are_made_by_the_keyboard_alone(open_review: Open) -> None:
    shown = open_review("kate", VIDEO)
    before = labels(shown)
    assert len(before) == 6
    go_to(shown, 2000)
    shown.keyboard.press("e")  # a state starts, and stops 30 frames later
    expect(shown.locator("#bout .running")).to_contain_text("runs since frame 2000")
    for _ in range(30):
        shown.keyboard.press("ArrowRight")
    press(shown, "e")
    assert ["chase", 2000, 2031] in labels(shown)
    go_to(shown, 2010)
    press(shown, "[")
    go_to(shown, 2020)
    press(shown, "]", "s")
    assert [bout for bout in labels(shown) if 2000 <= bout[1] < 2100] == [
        ["chase", 2010, 2020], ["chase", 2020, 2021],
    ]  # fmt: skip
    shown.keyboard.press("ArrowUp")
    shown.keyboard.press("ArrowDown")
    press(shown, "z", "z", "z", "z")
    assert labels(shown) == before
    press(shown, "y", "p")
    assert len(labels(shown)) == len(before) + 2
    press(shown, "Control+z", "z")
    assert labels(shown) == before
    shown.keyboard.press("?")
    expect(shown.locator("#keys")).to_be_visible()
    shown.click("#key-list button[aria-label$='point event']")
    shown.keyboard.press("q")
    shown.keyboard.press("Escape")
    go_to(shown, 30)
    press(shown, "q")
    assert ["chase", 30, 31] in labels(shown)
    press(shown, "z")
    assert labels(shown) == before


def test_predictions_are_judged_one_by_one_and_in_bulk(open_review: Open) -> None:
    shown = open_review("lena", VIDEO)
    go_to(shown, 690)
    shown.keyboard.press("ArrowDown")
    expect(shown.locator("#bout")).to_contain_text("attack mouse2, frames 700 to 750")
    press(shown, "x")
    assert (
        shown.evaluate("reviewPage.labels.current().bouts.find(b => b.action === 'attack').status") == "rejected"
    )
    expect(shown.locator("#bout")).to_contain_text("frames 1040 to 1100")  # the next one that waits
    press(shown, "Enter")
    assert ["chase", 1040, 1100] in labels(shown)
    shown.fill("#bulk", "0.7")
    before = saved(shown)
    shown.click("[data-command=acceptAbove]")
    expect(shown.locator("body")).to_have_attribute("data-changes", str(before + 1))
    assert ["chase", 110, 205] in labels(shown)
    assert ["rear", 260, 290] in labels(shown)
    shown.click("[data-command=acceptAbove]")
    expect(shown.locator("#message")).to_contain_text("No prediction of run r1 with confidence 0.70")
    press(shown, "z", "z", "z")


def test_two_reviewers_see_each_other_and_overwrite_nothing(open_review: Open) -> None:
    first, second = open_review("mary", VIDEO), open_review("nora", VIDEO)
    for shown in (first, second):
        go_to(shown, 3990)
        shown.keyboard.press("ArrowDown")
        expect(shown.locator("#bout")).to_contain_text("sniff mouse1, frames 4000 to 4040")
    press(first, "Enter")
    second.keyboard.press("x")
    expect(second.locator("#conflict")).to_contain_text("mary has changed this bout")
    second.click("#conflict button >> text=Keep theirs")
    expect(second.locator("body")).to_have_attribute("data-changes", str(saved(first)), timeout=10_000)
    assert ["sniff", 4000, 4040] in labels(second)
    second.keyboard.press("x")
    second.click("#conflict button >> text=Apply mine")
    expect(first.locator("body")).to_have_attribute("data-changes", str(saved(first) + 1), timeout=10_000)
    assert ["sniff", 4000, 4040] not in labels(first)
    expect(first.locator("#bouts")).to_contain_text("mary, nora")


def test_the_film_stands_on_the_frame_of_the_cursor(open_review: Open) -> None:
    shown = open_review("rita", "?split=train&lab=north&video=43")

    def brightness() -> int:
        """Return the brightness of the film beside the middle of the arena."""
        return shown.evaluate("""() => { const c = document.getElementById('arena'), k = c.width / c.clientWidth;
            const at = [c.clientWidth / 2 + 9, (c.clientHeight - 22) / 2 + 9].map((v) => Math.round(v * k));
            return c.getContext('2d', { willReadFrequently: true }).getImageData(...at, 1, 1).data[0] }""")

    def shows(frame: int) -> bool:
        """Frame n of the film has the brightness 40 + 4n, as `conftest` wrote it."""
        for _ in range(250):  # five seconds: a machine may be busy
            if abs(brightness() - (40 + 4 * frame)) < 2:
                return True
            shown.wait_for_timeout(20)
        return False

    go_to(shown, 20)
    assert shows(20)
    for key, frame in (("ArrowRight", 21), ("ArrowRight", 22), ("ArrowRight", 23), ("ArrowLeft", 22)):
        shown.keyboard.press(key)
        assert shows(frame), (frame, brightness(), 40 + 4 * frame)


def test_a_short_film_of_another_rate_gives_way_to_the_skeleton(open_review: Open) -> None:
    shown = open_review("vera", VIDEO)
    expect(shown.locator("#about")).to_contain_text("the tracks have +4460 frames against the film (offset)")
    film = shown.locator("#film")
    go_to(shown, 30)
    assert film.evaluate("v => v.currentTime") == pytest.approx(30.5 / 50)
    shown.evaluate(
        """() => { window.seen = [];
        const watch = () => { seen.push(reviewPage.player.at()); requestAnimationFrame(watch); };
        requestAnimationFrame(watch) }"""
    )
    shown.click("#play")
    past_its_end = re.compile(r"^([6-9]\d|\d{3,})$")  # at frame 40
    expect(shown.locator("#lanes")).to_have_attribute("data-frame", past_its_end)
    shown.click("#play")
    at = shown.locator("#lanes").get_attribute("data-frame")
    assert shown.evaluate("reviewPage.player.pictureOrNull()") is None
    shown.click("#play")  # the film does not begin anew
    expect(shown.locator("#lanes")).not_to_have_attribute("data-frame", str(at))
    expect(shown.locator("#lanes")).to_have_attribute("data-frame", past_its_end)
    shown.click("#play")
    seen = shown.evaluate("seen")
    assert seen == sorted(seen)


def test_no_black_picture_of_a_film_is_kept(open_review: Open) -> None:
    shown = open_review("vera")
    pictures = shown.locator("#videos img.thumb")
    expect(pictures.nth(0)).to_have_attribute("alt", re.compile("film$"))
    expect(pictures.nth(2)).to_have_attribute("alt", re.compile("the film cannot be shown: its middle is black$"))


def test_further_cameras_are_in_step_with_the_cursor(open_review: Open) -> None:
    shown = open_review("rita", "?split=train&lab=north&video=43")
    side = shown.locator("#cameras video")
    expect(side).to_have_attribute("aria-label", "Camera side")
    expect(shown.locator("#cameras figcaption")).to_have_text("side")
    frame = "v => Math.floor(v.currentTime * 25)"
    go_to(shown, 20)
    assert side.evaluate(frame) == 20
    shown.keyboard.press("ArrowRight")
    assert side.evaluate(frame) == 21
    shown.select_option("#rate", "0.25")
    shown.click("#play")
    expect(shown.locator("#arena")).to_have_attribute("data-frame", re.compile("^(2[4-9]|[34].)$"))
    apart = "v => Math.abs(v.currentTime - (Number(document.getElementById('arena').dataset.frame) + 0.5) / 25)"
    assert side.evaluate(apart) < 0.15
    assert (side.evaluate("v => v.paused"), side.evaluate("v => v.playbackRate")) == (False, 0.25)
    shown.click("#play")
    assert side.evaluate(apart) < 0.001
    assert side.evaluate("v => v.paused")


def test_a_camera_of_a_rate_far_from_that_of_the_tracks_plays(open_review: Open) -> None:
    """Browsers throw an error at rates below 1/16 and above 16."""
    shown = open_review("rita", "?split=train&lab=north&video=43")
    rates = shown.evaluate(
        """async () => {
          const cameras = await import(new URL("web/review/cameras.js", location));
          const address = document.querySelector("#cameras video").src;
          const [quick, slow] = [1000, 1].map((fps) => ({ fps, note: "", address }));
          cameras.open({ fps: 25, cameras: { quick, slow } });
          cameras.play(25);
          return [...document.querySelectorAll("#cameras video")].slice(1).map((film) => film.playbackRate);
        }"""
    )
    assert rates == [0.0625, 16]


def test_a_drag_moves_an_end(open_review: Open) -> None:
    shown = open_review("olga", VIDEO)
    before = saved(shown)
    shown.evaluate("reviewPage.lanes.reveal({ start: 3600, stop: 3700 }, true)")
    shown.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    box = shown.locator("#lanes").bounding_box()
    spot = shown.evaluate(
        """() => { const r = reviewPage.lanes.range(), w = document.getElementById('lanes').clientWidth - 132;
        const x = (f) => 132 + (f - r.from) / (r.to - r.from) * w; return [x(3700), x(3750)] }"""
    )
    y = box["y"] + shown.evaluate("reviewPage.lanes.rowOf('chase 1→2', 'label')")
    shown.mouse.move(box["x"] + spot[0], y)
    shown.mouse.down()
    shown.mouse.move(box["x"] + spot[1] + 1, y)
    shown.mouse.up()
    expect(shown.locator("body")).to_have_attribute("data-changes", str(before + 1))
    (stop,) = (bout[2] for bout in labels(shown) if bout[1] == 3600)
    assert 3745 <= stop <= 3755
    shown.focus("#lanes")
    press(shown, "z")


def test_the_queue_of_a_lab_and_a_run_is_worked_through(open_review: Open) -> None:
    shown = open_review("quinn")
    shown.click("#to-queue")
    shown.select_option("#queue-run", "r1")
    shown.click("#queue-form button")
    # other tests have judged some of the five
    expect(shown.locator("#queue tbody tr").nth(2)).to_be_visible(timeout=30_000)
    assert set(shown.locator("#queue tbody td:nth-child(5)").all_inner_texts()) == {"r1"}
    first = shown.inner_text("#queue-count")
    shown.select_option("#queue-lab", "north")
    shown.select_option("#queue-run", "r2")
    shown.click("#queue-form button")
    # that of r1 in this stretch is another bout
    expect(shown.locator("#queue tbody tr")).to_have_count(1, timeout=30_000)
    shown.select_option("#queue-run", "r1")
    shown.click("#queue-form button")
    expect(shown.locator("#queue-count")).to_have_text(first, timeout=30_000)
    frames = shown.locator("#queue tbody td:nth-child(4)").all_inner_texts()
    shown.locator("#queue tbody button").nth(1).focus()
    shown.keyboard.press("Enter")
    shown.wait_for_selector("body[data-view='video'][data-ready='1']")
    expect(shown.locator("#bout")).to_contain_text(f"frames {frames[1]}")
    shown.keyboard.press("n")
    expect(shown.locator("#bout")).to_contain_text(f"frames {frames[2]}")
    shown.wait_for_selector("body[data-view='video'][data-ready='1']")
    expect(shown.locator("#queue-run")).to_have_value("r1")


def test_the_probabilities_of_a_training_are_a_curve(open_review: Open) -> None:
    """A training has another name than the runs that predict with its model."""
    shown = open_review("sara", VIDEO)
    shown.select_option("#curve", "probability")
    expect(shown.locator("#curve-run")).to_have_value("job-1", timeout=30_000)
    shown.select_option("#agent", "1")
    shown.fill("#action", "chase")
    shown.press("#action", "Tab")
    expect(shown.locator("#curve-what")).to_have_text("mouse1 chase mouse2")
    go_to(shown, 690)
    # a chosen bout says whose curve it is
    shown.keyboard.press("ArrowDown")
    expect(shown.locator("#curve-what")).to_have_text("the training has no probabilities of mouse1 attack")
    shown.select_option("#curve", "speed")
    expect(shown.locator("#curve-run")).to_be_hidden()


def test_a_column_of_the_tracks_is_a_curve(open_review: Open) -> None:
    shown = open_review("sara", VIDEO)
    expect(shown.locator("#curve-part")).to_be_hidden()
    shown.select_option("#curve", "column:x_cm")
    expect(shown.locator("#curve-what")).to_have_text("mouse1 nose, mouse2 nose", timeout=30_000)
    shown.select_option("#curve-part", "tail_base")
    expect(shown.locator("#curve-what")).to_have_text("mouse1 tail_base, mouse2 tail_base", timeout=30_000)
    shown.select_option("#curve", "column:likelihood")
    expect(shown.locator("#curve-what")).to_have_text("likelihood of the tail_base is not known", timeout=30_000)


def test_a_hidden_video_is_not_drawn(open_review: Open) -> None:
    shown = open_review("tess", VIDEO)
    expect(shown.locator("#wait")).to_be_hidden()
    shown.click("#to-learn")
    # `open_review` fails if this draws on a canvas without a size
    shown.evaluate("dispatchEvent(new Event('resize'))")
    shown.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shown.evaluate("Arena.draw(0, { path: 'none', near: false, from: 0, to: 10, exact: false, film: null })")
    assert shown.evaluate("document.getElementById('arena').width") == 0


def test_two_runs_are_compared_never_one_with_itself(open_review: Open) -> None:
    shown = open_review("ruth")
    shown.click("#to-learn")
    first, second = shown.locator("#run-first"), shown.locator("#run-second")
    expect(first).to_have_value("r1", timeout=30_000)
    expect(second).to_have_value("r2")
    shown.click("#compare-form button")
    expect(shown.locator("#compare tbody tr")).to_have_text(["northchase0.250.750.50"], timeout=30_000)
    first.select_option("r2")
    expect(second).to_have_value("r1")
    shown.click("#compare-form button")
    expect(shown.locator("#compare tbody tr")).to_have_text(["northchase0.750.25-0.50"], timeout=30_000)
    expect(shown.locator("#versions tbody")).to_contain_text("no version is registered")
    shown.route("**/api/compare*", lambda route: route.fulfill(json={"scores": []}))
    shown.click("#compare-form button")
    expect(shown.locator("#compare tbody")).to_contain_text("--submission FILE --run-id r1")
    shown.route("**/api/learn*", lambda route: route.fulfill(json={"runs": ["r1"], "versions": []}))
    shown.click("#to-queue")
    shown.click("#to-learn")
    expect(shown.locator("#compare-runs")).to_be_disabled()
    expect(shown.locator("#compare-why")).to_contain_text("only one run has predicted")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "dark"), (390, "light")])
def test_no_view_breaks_a_rule_of_axe_or_its_width(open_review: Open, axe: str, width: int, scheme: str) -> None:
    shown = open_review("pia", VIDEO, viewport={"width": width, "height": 844}, color_scheme=scheme)
    shown.keyboard.press("ArrowDown")
    problems = [("video", *fault) for fault in faults(shown, axe)]
    shown.keyboard.press("?")
    problems += [("keys", *fault) for fault in faults(shown, axe)]
    shown.keyboard.press("Escape")
    shown.click("#to-library")
    shown.wait_for_selector("body[data-view='library'][data-ready='1'] #videos tbody tr")
    for view in ("library", "queue", "agreement", "learn"):
        shown.click(f"#to-{view}")
        problems += [(view, *fault) for fault in faults(shown, axe)]
    assert problems == []


def saved_file(shown: Any, button: str) -> tuple[str, bytes]:
    """Press a button that saves a file; return the file's name and content."""
    with shown.expect_download() as download:
        shown.click(button)
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_what_is_seen_is_saved(open_review: Open) -> None:
    shown = open_review("olga", VIDEO)
    expect(shown.locator("#curve-what")).to_contain_text("mouse")  # the means of seconds are there
    for canvas, what in (("lanes", "ethogram"), ("curves", "curve"), ("arena", "picture")):
        name, content = saved_file(shown, f"[data-save='{canvas}.png']")
        assert (name, content[:4]) == (f"north-41-{what}.png", b"\x89PNG")
    name, content = saved_file(shown, "[data-save='lanes.svg']")
    assert name == "north-41-ethogram.svg"
    picture = ElementTree.fromstring(content)
    words = {node.text.strip() for node in picture.iter("{http://www.w3.org/2000/svg}text") if node.text}
    assert {"chase 1→2", "label"} <= words
    assert len(picture.findall("{http://www.w3.org/2000/svg}rect")) > 6
    name, content = saved_file(shown, "[data-save='curves.svg']")
    assert b"clip-path" in content
    ElementTree.fromstring(content)

    name, content = saved_file(shown, "[data-save='lanes.csv']")
    rows = list(csv.DictReader(content.decode().splitlines()))
    bouts = [[row["action"], int(row["start_frame"]), int(row["stop_frame"])] for row in rows]
    kept = [bout for bout, row in zip(bouts, rows, strict=True) if row["source"] == "label"]
    assert sorted(kept) == sorted(labels(shown))
    assert {row["source"] for row in rows} == {"annotation", "prediction", "label"}
    assert {round(int(row["stop_frame"]) / float(row["stop_s"]), 6) for row in rows} == {FPS}
    name, content = saved_file(shown, "[data-save='curves.csv']")
    header, *points = csv.reader(content.decode().splitlines())
    assert header == ["curve", "frame", "s", "cm/s"]
    assert {name for name, *_ in points} == {"mouse1", "mouse2"}
    name, content = saved_file(shown, "#bouts >> xpath=../following-sibling::button")
    assert name == "north-41-bouts.csv"
    assert len(content.decode().splitlines()) == 1 + shown.locator("#bouts tbody tr").count()


def test_the_library_is_saved_as_it_is_shown(open_review: Open) -> None:
    shown = open_review("olga")
    shown.fill("#search", "41")
    expect(shown.locator("#videos tbody tr")).to_have_count(1)
    name, content = saved_file(shown, "#videos >> xpath=../following-sibling::button[1]")
    header, *videos = csv.reader(content.decode().splitlines())
    assert name == "videos.csv"
    assert "picture" not in header
    assert [row[header.index("video")] for row in videos] == ["41"]
