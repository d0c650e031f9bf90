"""The video page in headless Chromium, on a small lake whose poses and events can be worked out by hand.

Lab `north`, video 41, 25 frames/s, 4,500 frames (five slices). mouse1 walks: its nose is at
x = f % 700 / 50 - 7 cm, y = f / 450 - 5 cm, its tail 4 cm to the left; the tail is filled by curation on frames
100..109. mouse2 stands at (5, 5) cm; its nose is not known on frames 200..299. Nothing is known of mouse1 on
3000..3009. Video 43 has no scale: the one part of mouse1, which no skeleton knows, is at (100 + f, 50) px.
"""

import csv
import io
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from playwright.sync_api import expect

from etholake import aws
from etholake.contract import arrow_schema
from etholake.errors import UsageError
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages import query
from etholake.stages import video as stage

FPS, FRAMES = 25.0, 4500
TRIPLETS = [(1, 2, "chase"), (1, 1, "rear"), (2, 1, "sniff")]  # what was looked for
ANNOTATED = [(1, 2, "chase", 100, 200), (1, 2, "chase", 1000, 1050), (1, 2, "chase", 3600, 3700),
             (1, 1, "rear", 250, 300), (2, 1, "sniff", 500, 600), (1, 1, "rear", 4200, 4200)]  # fmt: skip
PREDICTED = [(1, 2, "chase", 110, 205, 0.9), (1, 2, "chase", 1040, 1100, 0.5), (1, 1, "rear", 260, 290, 0.75),
             (1, 2, "attack", 700, 750, 0.6), (2, 1, "sniff", 4000, 4040, 0.45)]  # fmt: skip


def pose(frame: int) -> dict[tuple[int, str], tuple[float, float, bool]]:
    """{(mouse, part): (x cm, y cm, imputed)} of what is known at a frame."""
    x, y = frame % 700 / 50 - 7, frame / 450 - 5
    known = {(2, "tail_base"): (5.0, 5.0, False)}
    if not 3000 <= frame < 3010:
        known |= {(1, "nose"): (x, y, False), (1, "tail_base"): (x - 4, y, 100 <= frame < 110)}
    if not 200 <= frame < 300:
        known[2, "nose"] = (8.0, 5.0, False)
    return known


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    blank = {"bool": False, "string": "", "list<item: string>": []}
    schema = arrow_schema(name)
    empty = {f.name: None if f.nullable else blank.get(str(f.type), 0) for f in schema}
    return pa.Table.from_pylist([empty | row for row in rows], schema=schema)


def _fill(lake: Lake) -> None:
    def put(name: str, rows: list[dict[str, Any]], **partition: str) -> None:
        lake.replace_table(name, _table(name, rows), "one", partition)

    here = {"lab_id": "north", "video_id": 41, "split": "train"}
    put("metadata_train", [{**here, "frames_per_second": FPS, "video_duration_sec": FRAMES / FPS, "n_mice": 2,
        "pix_per_cm_approx": 10.0, "video_width_pix": 400, "video_height_pix": 300, "arena_width_cm": 30.0,
        "arena_height_cm": 20.0, "arena_shape": "rectangular", "has_tracking": True, "has_annotation": True,
        "mouse1_strain": "C57BL/6J", "mouse1_sex": "male", "tracking_method": "by hand"},
        {**here, "video_id": 43, "frames_per_second": FPS, "video_duration_sec": 2.0, "video_width_pix": 400,
         "video_height_pix": 300, "has_tracking": True}])  # fmt: skip
    put("metadata_test", [{"lab_id": "north", "video_id": 42, "video_duration_sec": 10.0}])  # no rate, no tracks
    points = [
        {"video_id": 41, "video_frame": f, "mouse_id": mouse, "bodypart": part, "is_imputed": imputed,
         "x": 10 * x + 200, "y": 10 * y + 150, "x_cm": x, "y_cm": y, "speed": 12.5 if mouse == 1 else 0.0}
        for f in range(FRAMES) for (mouse, part), (x, y, imputed) in pose(f).items()
    ]  # fmt: skip
    whisker = {"video_id": 43, "mouse_id": 1, "bodypart": "whisker"}
    points += [{**whisker, "video_frame": f, "x": 100.0 + f, "y": 50.0, "is_imputed": False} for f in range(50)]
    put("tracking_curated", points, split="train", lab_id="north")
    tracks = [{"video_id": 41, "mouse_id": mouse, "bodypart": part, "last_frame": FRAMES - 1, "points_measured": 9}
              for mouse in (1, 2) for part in ("nose", "tail_base")]  # fmt: skip
    tracks.append({**whisker, "last_frame": 49, "points_measured": 50})
    put("track_summary", tracks, split="train", lab_id="north")
    names = ("agent_id", "target_id", "action", "start_frame", "stop_frame", "confidence")
    put("annotations_enriched", [here | dict(zip(names, e, strict=False)) for e in ANNOTATED], lab_id="north")
    put("labeled_behaviors", [here | dict(zip(names, t, strict=False)) for t in TRIPLETS])
    put("predictions", [here | dict(zip(names, e, strict=True)) for e in PREDICTED], run_id="r1")
    put("predictions", [here | dict(zip(names, PREDICTED[0], strict=True))], run_id="r2")


@pytest.fixture(scope="module")
def lake(mock_settings: Settings) -> Settings:
    """Settings of the filled lake."""
    settings = replace(mock_settings, bucket="video-lake", database="video_db", workgroup="video", stack="video")
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    s3.create_bucket(Bucket=settings.bucket)
    glue.create_database(DatabaseInput={"Name": settings.database})
    where = {"ResultConfiguration": {"OutputLocation": f"s3://{settings.bucket}/query-results/"}}
    aws.client(settings, "athena").create_work_group(Name=settings.workgroup, Configuration=where)
    lake = Lake(s3, glue, settings.bucket, settings.database)
    lake.register()
    _fill(lake)
    return settings


@pytest.fixture(scope="module")
def page_file(lake: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static page of video 41 with run r1."""
    out = tmp_path_factory.mktemp("video") / "page.html"
    result = stage.run(lake, 41, out, "r1")
    assert result.details | {"page": 0, "bytes": 0} == {
        "page": 0, "video_id": 41, "run_id": "r1", "events": 11, "slices": 5, "bytes": 0}  # fmt: skip
    return out


@pytest.fixture
def show(chromium_browser: Any, page_file: Path) -> Iterator[Callable[..., Any]]:
    """Open the page; at the end it has asked for nothing beyond its address and complained of nothing."""
    opened: list[tuple[Any, list[str], list[str], str]] = []

    def open_(url: str = "", at: str = "", **context: Any) -> Any:
        shown = chromium_browser.new_page(**{"viewport": {"width": 1280, "height": 800}, **context})
        complaints: list[str] = []
        requests: list[str] = []
        shown.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
        shown.on("pageerror", lambda e: complaints.append(str(e)))
        shown.on("request", lambda r: requests.append(r.url))
        opened.append((shown, complaints, requests, url or "file:"))
        shown.goto((url or page_file.as_uri()) + at)
        shown.wait_for_selector("body[data-ready='41']")
        expect(shown.locator("#wait")).to_be_hidden()
        return shown

    yield open_
    for shown, complaints, requests, origin in opened:
        assert complaints == []
        assert [r for r in requests if not r.startswith((origin, "data:", "blob:"))] == []
        shown.close()


def at_frame(shown: Any, frame: int) -> None:
    """Wait until that frame is drawn."""
    expect(shown.locator("#arena")).to_have_attribute("data-frame", str(frame))


def go_to(shown: Any, frame: int) -> None:
    shown.fill("#frame", str(frame))
    shown.press("#frame", "Enter")
    at_frame(shown, frame)
    shown.focus("#arena")


def drawn(shown: Any) -> tuple[int, dict[tuple[int, str], dict[str, Any]]]:
    """(frame, {(mouse, part): point}) of what the canvas shows."""
    found = shown.evaluate("videoPage.drawn()")
    points = {(m["id"], part): p for m in found["mice"] for part, p in m["points"].items()}
    return found["frame"], points


def watch(shown: Any) -> None:
    """From now on keep (time in ms, frame) of what is drawn, in `window.seen`."""
    shown.evaluate("""() => { window.seen = []; new MutationObserver(() => window.seen.push(
        [performance.now(), videoPage.drawn().frame])).observe(document.getElementById('arena'),
        { attributeFilter: ['data-frame'] }) }""")


def lake_pose(
    settings: Settings, frames: list[int]
) -> dict[int, dict[tuple[int, str], tuple[float, float, bool]]]:
    """What the lake's rows say, by frame."""
    answer = query.run_sql(settings, f"""SELECT video_frame, mouse_id, bodypart, x_cm, y_cm, is_imputed
        FROM tracking_curated WHERE video_id = 41 AND video_frame IN ({", ".join("?" * len(frames))})""",
        [str(f) for f in frames])  # fmt: skip
    found: dict[int, dict[tuple[int, str], tuple[float, float, bool]]] = {f: {} for f in frames}
    for frame, mouse, part, x, y, imputed in answer.rows:
        found[frame][mouse, part] = (x, y, imputed)
    return found


def rows_of(shown: Any) -> list[list[str]]:
    return [r.split("\t") for r in shown.locator("#list tbody tr").all_inner_texts()]


def pick(shown: Any, name: str, value: str) -> None:
    shown.click(f"#pick-{name}")
    shown.check(f"[data-pick={name}] input[value='{value}']")
    shown.keyboard.press("Escape")


# --- skeletons --------------------------------------------------------------------------------------------
def test_stepping_shows_the_lakes_points_frame_by_frame(show: Callable[..., Any], lake: Settings):
    shown = show()
    wanted = [99, 100, 109, 110, 199, 200, 299, 300, 899, 900, 2999, 3000, 3009, 3010, 4499]
    truth = lake_pose(lake, wanted)
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


def test_the_canvas_has_the_points_where_the_page_says(show: Callable[..., Any]):
    shown = show()
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


def test_a_close_up_is_larger_and_has_the_mice_in_it(show: Callable[..., Any]):
    shown = show()
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


def test_paths_and_speed_of_long_times_are_means_of_seconds(show: Callable[..., Any]):
    shown = show()
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
def test_a_click_on_an_event_jumps_there_and_plays(show: Callable[..., Any], where: str):
    shown = show()
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
    assert shown.locator("#list tr.here").inner_text().split()[:2] == ["annotated", "0:40.00"]


@pytest.mark.parametrize("rate", [1, 8])
def test_playing_runs_on_the_videos_clock_and_never_back(show: Callable[..., Any], rate: int):
    shown = show()
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


def test_a_repeated_event_stays_within_its_frames(show: Callable[..., Any]):
    shown = show()
    shown.check("#loop")
    shown.select_option("#rate", "8")
    shown.locator("#list tbody tr", has_text="0:10.00").click()  # rear on 250..299, 0.25 s at this speed
    expect(shown.locator("#clock")).to_contain_text("0:1")
    watch(shown)
    shown.wait_for_timeout(1200)
    frames = [f for _, f in shown.evaluate("window.seen")]
    assert all(250 <= f < 300 for f in frames)
    assert any(b < a for a, b in pairwise(frames))


def test_slices_are_decoded_when_they_are_looked_at(show: Callable[..., Any], page_file: Path):
    shown = show()
    assert page_file.read_text().count('<script type="text/plain" id="slice-') == 5
    assert shown.evaluate("videoPage.stats.decoded") == 1
    go_to(shown, 3650)
    assert shown.evaluate("videoPage.stats.decoded") == 2
    go_to(shown, 3651)
    go_to(shown, 10)
    assert shown.evaluate("videoPage.stats.decoded") == 2


# --- events -----------------------------------------------------------------------------------------------
def disagreements() -> list[tuple[str, int, int, str, int, int]]:
    """Missed and false events, by pandas, from nothing but the lists above."""
    names = ["agent", "target", "action", "start", "stop"]
    truth = pd.DataFrame(ANNOTATED, columns=names).query("stop > start").assign(source="annotation")
    guess = pd.DataFrame([e[:5] for e in PREDICTED], columns=names).assign(source="prediction")
    looked_for = pd.DataFrame(TRIPLETS, columns=names[:3])
    guess = guess.merge(looked_for)
    found = []
    for one, other in ((truth, guess), (guess, truth)):
        both = one.reset_index().merge(other, on=names[:3], how="left", suffixes=("", "_2"))
        shared = both[["stop", "stop_2"]].min(axis=1) - both[["start", "start_2"]].max(axis=1)
        united = both[["stop", "stop_2"]].max(axis=1) - both[["start", "start_2"]].min(axis=1)
        best = (shared.clip(lower=0) / united).where(both["start_2"].notna(), 0).groupby(both["index"]).max()
        wrong = one.loc[best[best < 0.5].index]
        found += [tuple(row) for row in wrong[["source", *names]].itertuples(index=False)]
    return sorted(found)


def export(shown: Any, button: str) -> bytes:
    with shown.expect_download() as download:
        shown.click(button)
    return Path(download.value.path()).read_bytes()


def exported_events(shown: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export(shown, "#csv").decode(), newline="")))


def test_disagreements_are_those_of_an_independent_computation(show: Callable[..., Any]):
    shown = show()
    shown.select_option("#verdict", "disagree")
    rows = exported_events(shown)
    number = {"mouse1": 1, "mouse2": 2}
    found = sorted(
        (r["source"], number[r["agent"]], number.get(r["target"], number[r["agent"]]), r["action"],
         int(r["start_frame"]), int(r["stop_frame"])) for r in rows
    )  # fmt: skip
    assert found == disagreements()
    assert len(found) == 5
    assert {r["agreement"] for r in rows if r["source"] == "annotation"} == {"missed"}
    assert {r["agreement"] for r in rows if r["source"] == "prediction"} == {"false"}
    assert shown.inner_text("#count") == "5 of 11, 5 disagreements"
    shown.select_option("#verdict", "false")
    assert [r[0].split()[-1] for r in rows_of(shown)] == ["0:41.60", "2:40.00"]


def test_filters_combine_and_can_be_taken_back(show: Callable[..., Any]):
    shown = show()
    assert shown.inner_text("#count") == "11 of 11, 5 disagreements"
    pick(shown, "action", "chase")
    assert len(rows_of(shown)) == 5
    shown.select_option("#source", "prediction")
    assert len(rows_of(shown)) == 2
    pick(shown, "pair", "mouse2 → mouse1")
    assert shown.inner_text("#count") == "0 of 11, 0 disagreements"
    for name in ("pair", "action"):
        shown.click(f"#pick-{name}")
        shown.click(f"[data-pick={name}] .all")
        shown.keyboard.press("Escape")
    shown.select_option("#source", "")
    shown.evaluate("Timeline.show(0, 240)")
    shown.check("#in-window")
    expect(shown.locator("#count")).to_have_text("2 of 11, 0 disagreements")
    shown.evaluate("document.activeElement.blur()")
    shown.keyboard.press("0")
    expect(shown.locator("#list tbody tr")).to_have_count(11)


def test_the_list_sorts_and_its_keys_go_from_event_to_event(show: Callable[..., Any]):
    shown = show()
    shown.click("#list thead button >> text=Length")
    assert [r[1] for r in rows_of(shown)][:3] == ["4.00 s", "4.00 s", "4.00 s"]
    shown.click("#list thead button >> text=Start")
    shown.evaluate("document.activeElement.blur()")
    shown.keyboard.press("n")
    expect(shown.locator("#list tr.here")).to_contain_text("0:04.00")
    shown.keyboard.press("n")
    expect(shown.locator("#list tr.here")).to_contain_text("0:04.40")
    shown.keyboard.press("p")
    expect(shown.locator("#list tr.here")).to_contain_text("0:04.00")
    shown.keyboard.press("Space")


def test_the_csv_is_this_to_the_byte(show: Callable[..., Any]):
    shown = show()
    pick(shown, "action", "rear")
    assert export(shown, "#csv").decode() == (
        "lab_id,video_id,source,run_id,agent,target,action,start_frame,stop_frame,start_sec,stop_sec,duration_sec,"
        "confidence,iou,agreement\r\n"
        "north,41,annotation,,mouse1,self,rear,250,300,10.000,12.000,2.000,,0.6,matched\r\n"
        "north,41,prediction,r1,mouse1,self,rear,260,290,10.400,11.600,1.200,0.75,0.6,matched\r\n"
        "north,41,annotation,,mouse1,self,rear,4200,4200,168.000,168.000,0.000,,,unjudged\r\n"
    )


# The header of BORIS 8's "Export events, tabular", with one modifier and no independent variable.
BORIS = ["Observation id", "Observation date", "Description", "Observation duration", "Observation type", "Source",
         "Time offset (s)", "Media duration (s)", "FPS", "Subject", "Behavior", "Behavioral category",
         "Modifier #1", "Behavior type", "Time", "Media file name", "Image index", "Image file path",
         "Comment"]  # fmt: skip


def test_the_boris_file_gives_the_events_back(show: Callable[..., Any]):
    shown = show()
    text = export(shown, "#boris").decode()
    table = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert list(table.columns) == BORIS
    assert text.splitlines()[1] == (
        "41 annotated,,,180.000,Media file(s),player #1:41,0.000,180.000,25.000,"
        "mouse1,chase,,mouse2,START,4.000,41,100,NA,"
    )
    assert set(table["Behavior type"]) == {"START", "STOP", "POINT"}
    back = []
    for (observation, subject, action, target), rows in table.groupby(
        ["Observation id", "Subject", "Behavior", "Modifier #1"]
    ):
        assert list(rows["Time"]) == sorted(rows["Time"])
        states = rows[rows["Behavior type"] != "POINT"]
        assert list(states["Behavior type"]) == ["START", "STOP"] * (len(states) // 2)
        ends = states["Image index"].to_numpy().reshape(-1, 2)
        assert (ends / FPS == states["Time"].to_numpy().reshape(-1, 2)).all()
        back += [(observation, subject, target, action, int(a), int(b)) for a, b in ends]
        points = rows[rows["Behavior type"] == "POINT"]["Image index"]
        back += [(observation, subject, target, action, int(a), int(a)) for a in points]
    given = [("41 annotated", *e) for e in ANNOTATED] + [("41 predicted by r1", *e[:5]) for e in PREDICTED]
    assert sorted(back) == sorted(
        (o, f"mouse{a}", "self" if a == t else f"mouse{t}", action, start, stop)
        for o, a, t, action, start, stop in given
    )


# --- time -------------------------------------------------------------------------------------------------
def shown_time(shown: Any) -> tuple[float, float]:
    shown.wait_for_timeout(120)  # one drawing follows many steps of a wheel
    axis = shown.locator("#axis")
    return float(axis.get_attribute("data-from")), float(axis.get_attribute("data-to"))


def test_time_zooms_by_wheel_buttons_and_keys_and_moves_by_dragging(show: Callable[..., Any]):
    shown = show()
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


def test_one_cursor_for_all_and_tooltips(show: Callable[..., Any]):
    shown = show(at="#frame=2000")
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
def test_nothing_sticks_out_in_light_and_dark(show: Callable[..., Any], width: int, scheme: str):
    shown = show(viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert shown.evaluate("document.documentElement.dataset.theme") == scheme
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    wide = "els => els.filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.id)"
    assert shown.eval_on_selector_all(".card, canvas, button, select", wide) == []
    shown.click("#theme")
    assert shown.evaluate("document.documentElement.dataset.theme") != scheme


# --- live, and what is refused ----------------------------------------------------------------------------
def test_the_live_page_asks_for_poses_when_they_are_shown(show: Callable[..., Any], lake: Settings):
    with stage.make_server(lake, 41, "r1") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        refused = [("api/slice/5", None, 404), ("api/slice/-1", None, 404), ("etc/passwd", None, 404)]
        for path, host, code in [*refused, ("", "evil.example:80", 403)]:
            request = urllib.request.Request(server.url + path, headers={"Host": host} if host else {})
            with pytest.raises(urllib.error.HTTPError, match=str(code)):
                opener.open(request)
        shown = show(url=server.url)
        assert shown.locator("script[type='text/plain']").count() == 0
        assert shown.evaluate("videoPage.stats.decoded") == 1
        go_to(shown, 3650)
        assert drawn(shown)[1][1, "nose"]["x"] == pytest.approx(pose(3650)[1, "nose"][0], abs=0.0051)
        assert shown.evaluate("videoPage.stats.decoded") == 2
        server.shutdown()


def test_poses_that_cannot_be_read_say_why_and_are_asked_for_again(chromium_browser: Any, lake: Settings):
    with stage.make_server(lake, 41, "r1") as server:
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


def test_a_video_without_tracks_rate_and_events_has_a_page(
    chromium_browser: Any, lake: Settings, tmp_path: Path, page_file: Path
):
    out = tmp_path / "bare.html"
    assert stage.run(lake, 42, out).details["slices"] == 0
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


def test_a_video_without_a_scale_is_shown_in_pixels(chromium_browser: Any, lake: Settings, tmp_path: Path):
    out = tmp_path / "pixels.html"
    stage.run(lake, 43, out)
    shown = chromium_browser.new_page()
    shown.goto(out.as_uri() + "#frame=20")
    at_frame(shown, 20)
    point = drawn(shown)[1][1, "whisker"]
    assert (point["x"], point["y"]) == pytest.approx((120, 50))
    assert "Coordinates are in px, y down." in shown.text_content("#definitions")
    assert "the video has no scale" in shown.inner_text("#speed-what")
    assert shown.inner_text("#count") == "0 of 0, nothing to compare"
    shown.close()


def test_a_run_must_be_named_where_there_are_several(lake: Settings, page_file: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"Several runs predicted video 41: name one with --run: r1, r2"):
        stage.run(lake, 41, tmp_path / "x.html")
    with pytest.raises(UsageError, match=r"Run 'r9' did not predict video 41. It was predicted by r1, r2"):
        stage.run(lake, 41, tmp_path / "x.html", "r9")
    with pytest.raises(UsageError, match=r"The lake has no video 99"):
        stage.run(lake, 99, tmp_path / "x.html")
    assert stage.most_predicted(lake) == (41, "r1")


def test_there_are_pictures_of_the_page():
    pictures = {path.name for path in (Path(query.QUERIES).parent / "docs" / "img").glob("video-page*.png")}
    assert {"video-page.png", "video-page-dark.png", "video-page-400.png"} <= pictures, "run `make screenshots`"
