"""The page in headless Chromium: tabs, filters, tables, tooltips, keys, a broken visual, themes, widths, live."""

import copy
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from browsers import watched
from etholake.pages.dashboards import definitions, page
from etholake.pages.dashboards.server import DashboardServer

LOADED = definitions.load()
LABS, ACTIONS = ("north", "south"), ("chase", "rear", "sniff")


def rows_of(name: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Six rows for each data set: a lab and an action each, numbers that count up, a word for any other text."""
    kinds = definitions.columns(LOADED.data_sets[name])
    rows = []
    for number in range(6):
        given = {"lab_id": LABS[number % 2], "action": ACTIONS[number % 3], "run_id": "r1", "split": "train"}
        plain = {"STRING": lambda c, n=number: f"{c} {n % 3}", "INTEGER": lambda c, n=number: n + 1,
                 "DECIMAL": lambda c, n=number: (n + 1) / 8}  # fmt: skip
        rows.append(tuple(given.get(column) or plain[kind](column) for column, kind in kinds.items()))
    return list(kinds), rows


def packed() -> dict[str, Any]:
    return {name: page.pack(body, *rows_of(name)) for name, body in LOADED.data_sets.items()}


@pytest.fixture
def show(chromium_browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open a page of some definitions and data; at the end, it has asked for nothing and complained of nothing."""
    opened: list[tuple[Any, list[str], list[str]]] = []

    def open_(
        loaded: definitions.Definitions = LOADED, data: dict[str, Any] | None = None, at: str = "", url: str = "",
        videos: dict[str, str] | None = None, **context: Any,
    ) -> Any:  # fmt: skip
        file = tmp_path / "page.html"
        text = page.render(loaded, data or packed(), facts="Facts.", read="Read.", videos=videos)
        file.write_text(text, encoding="utf-8")
        shown = chromium_browser.new_page(**{"viewport": {"width": 1280, "height": 800}, **context})
        complaints, requests = watched(shown)
        opened.append((shown, complaints, [] if url else requests))
        shown.goto((url or file.as_uri()) + (f"#{at}" if at else ""))
        shown.wait_for_selector("body[data-ready]")
        return shown

    yield open_
    for shown, complaints, requests in opened:
        assert complaints == []
        assert [r for r in requests if not r.startswith(("file:", "data:"))] == []
        shown.close()


def kpi(shown: Any, visual: str) -> str:
    return str(shown.inner_text(f"#v-{visual} .kpi"))


def choose(shown: Any, parameter: str, value: str) -> None:
    shown.click(f"[data-parameter={parameter}] summary")
    shown.check(f"[data-parameter={parameter}] input[value='{value}']")
    shown.keyboard.press("Escape")


def sheets() -> list[tuple[str, str, int]]:
    return [(s["SheetId"], s["Name"], len(s["Visuals"]))
            for d in LOADED.dashboards.values() for s in d["Definition"]["Sheets"]]  # fmt: skip


def test_every_tab_shows_every_visual_of_its_sheet_by_its_title(show: Callable[..., Any]):
    shown = show()
    assert shown.locator("[role=tab]").all_inner_texts() == [name for _, name, _ in sheets()]
    assert "It is not QuickSight" in shown.inner_text("header")
    for dashboard in LOADED.dashboards.values():
        for sheet in dashboard["Definition"]["Sheets"]:
            shown.click(f"#tab-{sheet['SheetId']}")
            shown.wait_for_selector(f"body[data-ready={sheet['SheetId']}]")
            titles = [next(iter(v.values()))["Title"]["FormatText"]["PlainText"] for v in sheet["Visuals"]]
            assert shown.locator(".card h3").all_inner_texts() == titles
            assert shown.locator(".error").count() == 0
            pictures = [v for v in sheet["Visuals"] if not {"KPIVisual", "TableVisual"} & set(v)]
            assert shown.locator(".card svg[role=img]").count() == len(pictures)
            assert shown.locator(".card details.rows").count() == len(pictures)


def test_a_filter_acts_on_every_visual_that_has_the_column_and_can_be_taken_back(show: Callable[..., Any]):
    shown = show(at="lake-overview")
    assert kpi(shown, "lake-videos") == "6"
    choose(shown, "Lab", "north")
    assert kpi(shown, "lake-videos") == "3"
    assert shown.locator("#v-lake-labs-table tbody tr").count() == 1
    assert "Lab=north" in shown.url
    shown.click("#tab-lake-quality")  # the choice is the dashboard's, not the sheet's
    shown.wait_for_selector("body[data-ready=lake-quality]")
    assert kpi(shown, "lake-rejected") == "9"  # rows 1, 3, 5
    shown.click("#reset")
    assert kpi(shown, "lake-rejected") == "21"
    assert "Lab=" not in shown.url


def test_an_address_with_a_choice_opens_that_choice(show: Callable[..., Any]):
    shown = show(at="behaviour-classes?Action=chase&Action=rear")
    assert kpi(shown, "behaviour-events") == "4"
    assert shown.inner_text("[data-parameter=Action] .value") == "2 of 3"


def test_the_table_under_a_chart_has_its_numbers_and_sorts(show: Callable[..., Any]):
    shown = show(at="lake-overview")
    shown.click("#v-lake-hours-by-lab details.rows summary")
    cells = "#v-lake-hours-by-lab tbody tr"
    shown.wait_for_selector(cells)
    assert shown.locator(cells).all_inner_texts() == ["south\t1.50", "north\t1.13"]  # (2+4+6)/8, (1+3+5)/8
    shown.click("#v-lake-hours-by-lab thead th:first-child button")
    assert shown.locator(cells).all_inner_texts() == ["north\t1.13", "south\t1.50"]


def test_keys_alone_are_enough(show: Callable[..., Any]):
    shown = show(at="lake-overview")
    shown.focus("#tab-lake-overview")
    shown.keyboard.press("ArrowRight")
    shown.wait_for_selector("body[data-ready=lake-quality]")
    assert shown.evaluate("document.activeElement.id") == "tab-lake-quality"
    shown.focus("#v-lake-rejected-by-rule svg")
    shown.keyboard.press("ArrowRight")
    assert shown.is_visible("#tip")
    assert shown.inner_text("#tip strong").startswith("rule")
    assert shown.inner_text("#spoken") != ""
    shown.keyboard.press("Escape")
    assert not shown.is_visible("#tip")
    shown.focus("[data-parameter=Lab] summary")
    shown.keyboard.press("Enter")
    shown.keyboard.press("Tab")  # All
    shown.keyboard.press("Tab")  # north
    shown.keyboard.press("Space")
    assert shown.inner_text("[data-parameter=Lab] .value") == "north"


def test_a_mark_under_the_pointer_has_a_tooltip(show: Callable[..., Any]):
    shown = show(at="behaviour-classes")
    shown.hover("#v-behaviour-lab-action .layer_1_marks path >> nth=0")
    assert shown.is_visible("#tip")
    assert "north · chase" in shown.inner_text("#tip")
    assert "Annotated time (s)" in shown.inner_text("#tip")


def test_a_chart_is_saved_as_png_and_svg_with_the_colours_of_the_theme(show: Callable[..., Any]):
    shown = show(at="behaviour-classes", color_scheme="dark")
    for kind, begins in (("png", b"\x89PNG"), ("svg", b"<svg")):
        with shown.expect_download() as download:
            shown.click(f"#v-behaviour-lab-action button.save >> text={kind.upper()}")
        assert download.value.suggested_filename == f"behaviour-lab-action.{kind}"
        content = Path(download.value.path()).read_bytes()
        assert content.startswith(begins)
    assert b"var(--" not in content  # a file has no style of the page
    assert b"#18212A" in content  # the panel in the dark


def test_no_bar_stands_on_a_log_axis(show: Callable[..., Any]):
    shown = show(at="behaviour-classes")
    assert shown.locator("#v-behaviour-imbalance .role-mark.mark-symbol path").count() == len(ACTIONS)
    assert shown.locator("#v-behaviour-imbalance .role-mark.mark-rect").count() == 0
    texts = shown.locator("#v-behaviour-imbalance .role-axis-label text").all_text_contents()
    ticks = [float(text.replace(",", "")) for text in texts if re.fullmatch(r"[\d.,]+", text)]
    steps = [b / a for a, b in pairwise(ticks)]
    assert len(ticks) > 1
    assert max(steps) <= 2.5 or set(steps) == {10.0}, "1, 2, 5 of every decade, or whole decades"


def test_one_broken_visual_names_its_column_and_leaves_the_others_standing(show: Callable[..., Any]):
    broken = copy.deepcopy(LOADED)
    bar = broken.dashboards["lake"]["Definition"]["Sheets"][0]["Visuals"][7]["BarChartVisual"]
    wells = bar["ChartConfiguration"]["FieldWells"]["BarChartAggregatedFieldWells"]
    wells["Values"][0]["NumericalMeasureField"]["Column"]["ColumnName"] = "hourz"
    shown = show(broken, at="lake-overview")
    assert shown.locator(".error").count() == 1
    error = shown.inner_text(f"#v-{bar['VisualId']} .error")
    assert 'Column "hourz" is not in data set "videos", which has split, lab_id' in error
    assert shown.locator(".card:not(.broken)").count() == 11
    assert kpi(shown, "lake-videos") == "6"


def test_a_kind_that_the_page_does_not_draw_is_named(show: Callable[..., Any]):
    broken = copy.deepcopy(LOADED)
    visuals = broken.dashboards["lake"]["Definition"]["Sheets"][0]["Visuals"]
    visuals[7] = {"WordCloudVisual": visuals[7]["BarChartVisual"]}
    shown = show(broken, at="lake-overview")
    assert "does not draw a WordCloudVisual" in shown.inner_text(".error")


def test_a_data_set_that_could_not_be_read_says_why_where_it_is_used(show: Callable[..., Any]):
    data = packed() | {"rejected": page.pack_error(LOADED.data_sets["rejected"], "Query 7 failed: no such table")}
    shown = show(data=data, at="lake-quality")
    assert shown.locator(".broken").count() == 3  # the number, the bars and the table of this data set
    assert "Query 7 failed: no such table" in shown.locator(".error").first.inner_text()


def test_text_of_the_data_is_only_text(show: Callable[..., Any]):
    columns, rows = rows_of("rejected")
    at = columns.index("example")
    rows[0] = (*rows[0][:at], "</script><img src=x onerror=alert(1)>", *rows[0][at + 1 :])
    shown = show(
        data=packed() | {"rejected": page.pack(LOADED.data_sets["rejected"], columns, rows)}, at="lake-quality"
    )
    assert "<img src=x" in shown.inner_text("#v-lake-rejected-table")
    assert shown.locator("#v-lake-rejected-table img").count() == 0


def test_a_video_that_has_a_page_is_linked_at_the_time_of_the_event(show: Callable[..., Any]):
    shown = show(at="model-review", videos={"video 1": "video-1.html"})
    links = shown.locator("td a, th a")
    assert set(links.all_inner_texts()) == {"video 1"}
    columns, rows = rows_of("review")
    start = {row[columns.index("start_sec")] for row in rows if row[columns.index("video")] == "video 1"}
    assert {a.get_attribute("href") for a in links.all()} == {f"video-1.html#time={s:g}" for s in start}


def test_an_empty_lake_is_not_an_error(show: Callable[..., Any]):
    empty = {name: page.pack(body, rows_of(name)[0], []) for name, body in LOADED.data_sets.items()}
    shown = show(data=empty)
    for sheet, _, visuals in sheets():
        shown.click(f"#tab-{sheet}")
        shown.wait_for_selector(f"body[data-ready={sheet}]")
        assert shown.locator(".card").count() == visuals
        assert shown.locator(".error").count() == 0
        assert [text for text in shown.locator("p.empty").all_inner_texts() if text in ("", "undefined")] == []
        assert shown.locator(".save:visible").count() == 0  # there is no picture to save
    assert "No rows yet. Run make train predict evaluate to fill this chart." in shown.inner_text("#panel")
    shown.click("#tab-lake-quality")
    expect(shown.locator("#v-lake-rejected-by-rule .empty")).to_have_text("None: no row was rejected.")


def test_the_axis_of_a_box_plot_has_ticks_at_both_ends(show: Callable[..., Any]):
    """The values are 1/8 to 6/8: the ticks reach from 0 or 0.1 to 0.8, not from 0.2 to 0.6."""
    shown = show(at="lake-overview", viewport={"width": 390, "height": 800})
    boxes = shown.locator("#v-lake-fps-by-lab svg .role-axis-label text")
    ticks = [float(text) for text in boxes.all_text_contents() if re.fullmatch(r"[\d.]+", text)]
    assert len(ticks) >= 2
    assert min(ticks) <= 1 / 8
    assert max(ticks) >= 6 / 8


def test_one_minute_is_a_bar_and_no_empty_area(show: Callable[..., Any]):
    data = packed()
    names, rows = rows_of("minutes")
    minute = names.index("video_minute")
    rows = [(*row[:minute], 0, *row[minute + 1 :]) for row in rows]
    data["minutes"] = page.pack(LOADED.data_sets["minutes"], names, rows)
    shown = show(data=data, at="behaviour-budgets")
    boxes = shown.locator("#v-behaviour-by-minute svg .mark-rect.layer_0_marks path")
    assert boxes.count() == len(ACTIONS)
    assert all(box.bounding_box()["height"] > 5 for box in boxes.all())


def test_numbers_of_a_heat_map_without_contrast_of_values_can_be_read(show: Callable[..., Any]):
    data = packed()
    names, rows = rows_of("points")
    missing = names.index("not_measured")
    rows = [(*row[:missing], 0, *row[missing + 1 :]) for row in rows]
    data["points"] = page.pack(LOADED.data_sets["points"], names, rows)
    shown = show(data=data, at="lake-quality")
    written = shown.locator("#v-lake-missing-by-part svg .mark-text.role-mark text")
    assert {text.get_attribute("fill") for text in written.all()} == {"#10202F"}  # on the palest colour


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_sticks_out(show: Callable[..., Any], width: int):
    shown = show(viewport={"width": width, "height": 800})
    for sheet, _, _ in sheets():
        shown.click(f"#tab-{sheet}")
        shown.wait_for_selector(f"body[data-ready={sheet}]")
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        wide = "els => els.filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.id)"
        assert shown.eval_on_selector_all(".card, .card svg", wide) == []


def test_light_dark_and_paper(show: Callable[..., Any]):
    shown = show(color_scheme="dark")
    assert shown.evaluate("document.documentElement.dataset.theme") == "dark"
    shown.click("#theme")
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(244, 246, 248)"
    shown.emulate_media(media="print")
    assert not shown.is_visible("nav")
    assert shown.is_visible("#v-lake-videos-by-lab svg")


# --- live ---------------------------------------------------------------------------------------------------
@pytest.fixture
def live() -> Iterator[tuple[DashboardServer, list[Sequence[str]]]]:
    """A server whose Athena is `rows_of`; it remembers the values that it was asked with."""
    asked: list[Sequence[str]] = []

    def ask(sql: str, values: Sequence[str]) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        asked.append(values)
        name = next(n for n, b in LOADED.data_sets.items() if definitions.sql(b, "db") in sql)
        columns, rows = rows_of(name)
        if name == "points":
            raise RuntimeError("Query 7 failed")
        wanted = {v.strip("'") for v in values}
        return columns, [r for r in rows if not wanted or wanted & {str(v) for v in r}]

    with DashboardServer(LOADED, "db", "Facts.", ask) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server, asked
        server.shutdown()


def test_a_live_page_asks_again_at_every_choice(
    show: Callable[..., Any], live: tuple[DashboardServer, list[Sequence[str]]]
):
    server, asked = live
    shown = show(url=server.url, at="lake-overview")
    assert kpi(shown, "lake-videos") == "6"
    assert set(map(tuple, asked)) == {()}
    choose(shown, "Lab", "north")
    expect(shown.locator("#v-lake-videos .kpi")).to_have_text("3")  # waits, without an eval that the page forbids
    assert ("'north'",) in set(map(tuple, asked))
    assert "Live: asked Athena" in shown.inner_text("#status")
    shown.click("#tab-lake-quality")
    shown.wait_for_selector("body[data-ready=lake-quality]")
    assert "Query 7 failed" in shown.locator(".error").first.inner_text()


@pytest.mark.parametrize(
    ("path", "host", "code"),
    [
        ("api/data/lake/videos?Lab=north", None, 200),
        ("api/data/lake/videos?lab_id=north", None, 404),
        ("api/data/lake/..%2Fsecrets", None, 404),
        ("etc/passwd", None, 404),
        ("", "evil.example:80", 403),
    ],
)
def test_the_server_takes_known_names_at_its_own_address_only(
    live: tuple[DashboardServer, list[Sequence[str]]], path: str, host: str | None, code: int
):
    server, _ = live
    assert server.url.startswith("http://127.0.0.1:")
    request = urllib.request.Request(server.url + path, headers={"Host": host} if host else {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    if code == 200:
        with opener.open(request) as answer:
            assert json.load(answer)["rows"] == 3
    else:
        with pytest.raises(urllib.error.HTTPError, match=str(code)):
            opener.open(request)


def test_there_is_a_picture_of_every_tab():
    pictures = {p.name for p in (Path(__file__).resolve().parents[2] / "docs" / "img").glob("*.png")}
    assert {f"{sheet}.png" for sheet, _, _ in sheets()} <= pictures, "run `make screenshots`"


# --- packing ------------------------------------------------------------------------------------------------
def test_rows_are_packed_by_column_and_missing_values_stay_missing():
    made = page.pack(LOADED.data_sets["flags"], ["rule", "files"], [("a", 1), (None, None), ("a", 3)])
    assert made["columns"]["rule"] == {"type": "STRING", "words": ["a"], "index": [0, -1, 0]}
    assert made["columns"]["files"] == {"type": "INTEGER", "values": [1, None, 3]}
    nan = page.pack(LOADED.data_sets["minutes"], ["seconds"], [(float("nan"),), (1 / 3,)])
    assert nan["columns"]["seconds"]["values"] == [None, 0.3333333]


def test_too_many_rows_for_a_page_are_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "MAX_ROWS", 2)
    made = page.pack(LOADED.data_sets["flags"], ["rule"], [("a",)] * 3)
    assert "gave 3 rows, and a page holds 2. Use make dashboards SERVE=1" in made["error"]
