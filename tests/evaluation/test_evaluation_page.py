"""The evaluation's page: what it shows, that it is well formed, asks for nothing, and trusts no name."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from etholake.contract import ACTIONS
from etholake.evaluation.raster import Raster, compare
from etholake.evaluation.report import judge
from etholake.events.intervals import Intervals
from etholake.events.types import Event, PairScores
from etholake.pages.attention import ModelView
from etholake.pages.evaluation import MAX_VIDEOS, render, write
from etholake.pages.evaluation_charts import _curve, ethogram
from etholake.pages.evaluation_table import COLUMNS

EVIL = '<script>alert("x")</script>'


def event(video: int, start: int, stop: int, action: str = "chase", target: int = 2) -> Event:
    return Event(video, 1, target, action, start, stop)


def page(
    truth: list[Event], predicted: list[Event], lab: str = "north", pairs: tuple[PairScores, ...] = ()
) -> str:
    videos = {e.video_id for e in truth}
    whitelist = {v: {(e.agent_id, e.target_id, e.action) for e in [*truth, *predicted]} for v in videos}
    labs, fps = dict.fromkeys(videos, lab), dict.fromkeys(videos, 30.0)
    return render(judge(truth, predicted, whitelist, labs, fps, pairs), "run 7")


class Balanced(HTMLParser):
    """Every tag that is opened is closed, in order."""

    VOID = ("meta", "rect", "line", "circle", "path", "polyline", "br", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


TRUTH = [event(1, 0, 30), event(1, 900, 960), event(2, 30, 60), event(2, 100, 130, "rear", 1)]
SAID = [event(1, 3, 30), event(1, 2000, 2040), event(2, 30, 60, "rear", 1)]


def test_the_page_says_the_numbers_and_asks_for_nothing() -> None:
    p = np.linspace(0, 1, 3000, dtype="f4")[:, None]
    text = page(TRUTH, SAID, pairs=(PairScores(1, "north", 30.0, 1, 2, 0, ("chase",), p),))
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert "<b>run 7</b>: 2 videos of 1 lab, 4 annotated bouts against 3 predicted ones." in text
    f = 2 * 27 / (2 * 27 + 40 + 93)
    assert f'<td class="n">{f:.3f}</td>' in text
    assert "1 / 3 / 2" in text  # matched, true and predicted bouts of chase
    assert "0.10 s, late" in text
    asking = r"(?:src|url)\s*[=(]|href=\"(?!data:text/csv)|@import|https?://(?!www\.w3\.org)"
    assert not re.search(asking, text)
    assert "Video 1" in text
    assert "ECE 0." in text


@pytest.mark.parametrize("width", [1280, 600, 390])
def test_in_a_browser_no_name_is_cut_and_nothing_overflows(
    chromium_browser: Any, width: int, tmp_path: Path
) -> None:
    longest = sorted(ACTIONS, key=len)[-3:]
    truth = [event(1, 100 * i, 100 * i + 60, action) for i, action in enumerate(longest)]
    predicted = [event(1, 100 * i + 20, 100 * i + 90, action) for i, action in enumerate(longest)]
    file = tmp_path / "page.html"
    file.write_text(page(truth, predicted), encoding="utf-8")
    view = chromium_browser.new_page(viewport={"width": width, "height": 900})
    view.goto(file.as_uri())
    texts = view.locator(".video svg text")
    names = [text for text in texts.all_text_contents() if any(action in text for action in longest)]
    assert len(names) == len(longest)
    outside = """texts => texts.filter(text => {
        const [inner, outer] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
        return inner.left < outer.left - 0.5 || inner.right > outer.right + 0.5;
    }).map(text => text.textContent)"""
    assert texts.evaluate_all(outside) == []
    assert view.evaluate("document.documentElement.scrollWidth") == width
    view.close()


def test_where_a_model_looked_stands_above_the_rows_of_its_pairs() -> None:
    whitelist = {1: {(1, 2, "chase")}, 2: {(1, 1, "rear"), (1, 2, "chase")}}
    judged = judge(TRUTH, SAID, whitelist, {1: "north", 2: "north"}, {1: 30.0, 2: 30.0})
    curve = np.where(np.arange(2100) < 1000, 2.0, 0.1)
    tasks = {
        "state:sex=male": {"videos": 2, "samples": 1200, "average_precision": 0.75, "balanced_accuracy": None}
    }
    view = ModelView("cnn_lstm", {1: {(1, 2): (0, curve), (2, 1): (0, curve)}}, tasks)
    text = render(judged, "run 7", view=view)
    assert "where cnn_lstm looked" in text
    assert text.count(">attention, mouse1 → mouse2</text>") == 2  # the whole video and its busiest minute
    assert "mouse2 → mouse1" not in text  # a pair without a row
    assert "<td>average precision 0.750</td><td>balanced accuracy –</td><td>1,200 clips of 2 videos</td>" in text
    plain = render(judged, "run 7")
    assert "attention" not in plain
    assert "<h2>Tasks</h2>" not in plain


def test_a_curve_has_the_time_axis_of_its_ethogram() -> None:
    """From 10 to 20 s of a video, at 10 frames/s: the mean of each part, and nothing before or after."""
    raster = Raster(100, 200, [event(1, 120, 130)], [])
    x = {"scale": {"domain": [10, 20]}}
    chart = _curve(raster, "attention", (50, np.repeat([9.0, 1.0, 3.0, 9.0], [50, 50, 50, 50])), 10.0, x)
    points = chart["data"]["values"]
    assert (points[0], points[-1]) == ({"from": 10.0, "value": 1.0}, {"from": 19.9, "value": 3.0})
    assert len(points) == 100
    assert chart["encoding"]["x"] is x


def test_names_of_the_data_are_text() -> None:
    text = page([event(1, 0, 30, EVIL)], [event(1, 0, 30, EVIL)], lab=EVIL)
    assert EVIL not in text
    assert "&lt;script&gt;" in text


def test_the_page_runs_its_own_script_and_no_other() -> None:
    text = page(TRUTH, SAID)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'\"" in text


def test_the_table_can_be_saved_with_all_figures() -> None:
    text = page(TRUTH, SAID, lab='no"rth, =1+1')
    address = html.unescape(re.findall(r'href="(data:text/csv[^"]*)" download="evaluation.csv"', text)[0])
    rows = list(csv.DictReader(io.StringIO(unquote(address.partition(",")[2]))))
    assert list(rows[0]) == list(COLUMNS)
    assert [(row["lab_id"], row["action"]) for row in rows] == [
        ('no"rth, =1+1', "chase"),
        ('no"rth, =1+1', "rear"),
    ]
    chase = rows[0]
    assert float(chase["f_score"]) == pytest.approx(2 * 27 / (2 * 27 + 40 + 93))
    assert (chase["bouts_matched"], chase["bouts_true"], chase["bouts_predicted"]) == ("1", "3", "2")
    assert chase["average_precision"] == "", "not known without probabilities"


def test_videos_link_to_their_pages_or_say_how_to_make_them(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "video-1.html").write_text("")
    labs = {1: "north", 2: "north"}
    whitelist = {v: {(e.agent_id, e.target_id, e.action) for e in [*TRUTH, *SAID]} for v in labs}
    write(tmp_path / "evaluation.html", judge(TRUTH, SAID, whitelist, labs, dict.fromkeys(labs, 30.0), ()))
    text = (tmp_path / "evaluation.html").read_text()
    assert '<a href="dist/video-1.html">Video 1</a>' in text
    assert "<code>make video VIDEO=2</code>" in text
    assert "VIDEO=1<" not in text
    assert '<a href="dist/video-1.html#frame=900">1</a>' in text, "the longest stretch that was missed"


def test_filters_leave_the_rows_of_a_lab_or_an_action(chromium_browser: Any, tmp_path: Path) -> None:
    truth = [event(1, 0, 30), event(1, 50, 70, "rear", 1), event(2, 0, 30), event(2, 40, 60, EVIL)]
    labs = {1: "north", 2: "south"}
    whitelist = {v: {(e.agent_id, e.target_id, e.action) for e in truth} for v in labs}
    p = np.linspace(0, 1, 3000, dtype="f4")[:, None]
    pairs = (PairScores(1, "north", 30.0, 1, 2, 0, ("chase",), p),)
    file = tmp_path / "page.html"
    file.write_text(
        render(judge(truth, truth, whitelist, labs, dict.fromkeys(labs, 30.0), pairs)), encoding="utf-8"
    )
    shown = chromium_browser.new_page()
    complaints: list[str] = []
    shown.on("console", lambda message: complaints.append(message.text))
    shown.goto(file.as_uri())

    def visible(selector: str) -> int:
        return sum(one.is_visible() for one in shown.locator(selector).all())

    assert (visible("tr[data-action]"), visible("article"), visible("figure")) == (4, 2, 1)
    shown.select_option("[data-filter=lab]", "south")
    assert (visible("tr[data-action]"), visible("article"), visible("figure")) == (2, 1, 0)
    shown.select_option("[data-filter=action]", EVIL)
    assert (visible("tr[data-action]"), shown.is_visible("#no-rows")) == (1, False)
    shown.select_option("[data-filter=lab]", "north")
    assert (visible("tr[data-action]"), shown.is_visible("#no-rows")) == (0, True)
    shown.select_option("[data-filter=lab]", "")
    shown.select_option("[data-filter=action]", "chase")
    assert (visible("tr[data-action]"), visible("article"), visible("figure")) == (2, 2, 1)
    assert complaints == []
    shown.close()


def test_a_long_video_has_no_more_bars_than_can_be_seen() -> None:
    """Drawing takes as long as there are bars: 6,000 short bouts of one action lie within some 800 pixels."""
    truth = [event(1, 10 * i, 10 * i + 5) for i in range(6000)]
    picture = ethogram(Raster(0, 60_000, truth, truth), [(1, 2, "chase")], 30.0)
    assert picture.count("<path") < 2 * 1000 + 50
    lone = [event(1, 0, 10), event(1, 30_000, 30_010), event(1, 59_000, 59_010)]
    assert ethogram(Raster(0, 60_000, lone, []), [(1, 2, "chase")], 30.0).count('fill="var(--missed)"') == 3


def test_without_probabilities_it_says_so() -> None:
    assert "No probabilities were at hand" in page(TRUTH, SAID)


def test_the_worst_video_comes_first_and_many_are_left_out() -> None:
    truth = [event(v, 0, 100) for v in range(1, 31)]
    predicted = [event(v, v, 100) for v in range(1, 31)]  # video 30 is the worst
    text = page(truth, predicted)
    shown = [int(v) for v in re.findall(r"<h3>Video (\d+)</h3>", text)]
    assert shown[:4] == [30, 1, 29, 2]
    assert len(shown) == MAX_VIDEOS
    assert f"{30 - MAX_VIDEOS} more videos are not shown." in text


def spans(*rows: tuple[int, int]) -> Intervals:
    array = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return Intervals(np.zeros(len(rows), dtype=np.int64), array[:, 0], array[:, 1])


@pytest.mark.parametrize("seed", range(20))
def test_agreement_missed_and_false_frames_are_told_apart(seed: int) -> None:
    random = np.random.default_rng(seed)
    masks = random.random((2, 50)) < 0.5
    edges = [np.flatnonzero(np.diff(np.r_[0, m, 0])).reshape(-1, 2) for m in masks]
    spans_by_kind = compare(*(spans(*map(tuple, e)) for e in edges))
    for got, expected in zip(
        spans_by_kind, (masks[0] & masks[1], masks[0] & ~masks[1], masks[1] & ~masks[0]), strict=True
    ):
        assert sorted(f for a, b in got for f in range(a, b)) == np.flatnonzero(expected).tolist()


def test_the_busiest_stretch_is_shown_close_up() -> None:
    events = [event(1, 0, 10), *(event(1, s, s + 5) for s in range(5000, 5100, 10))]
    start, stop = Raster(0, 9000, events, []).busiest(200)
    assert start <= 5000
    assert stop == start + 200 > 5095
    assert Raster(0, 100, events, []).busiest(200) == (0, 100)
    assert Raster(0, 9000, [], []).busiest(200) == (0, 200)
