"""The desk imports a lab in a real browser, changes its mapping, imports it again, shows failures, and stops."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from formats.lab_folder import deeplabcut_csv, walk_xy
from playwright.sync_api import expect

from browsers import faults, watched
from etholake.pages.token_server import TokenServer
from etholake.settings import Settings
from etholake.stages.desk.service import DeskService, make_server

LIMIT_MS = 60_000  # a verb is a process of its own, on a busy machine


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TokenServer, DeskService, Path]]:
    """A desk whose target nobody answers: an import needs none."""
    home = tmp_path_factory.mktemp("desk")
    for name in ("one", "two"):
        deeplabcut_csv(home / "lab" / f"{name}.csv", walk_xy(60, 1, 3), ["nose", "leftear", "tailbase"])
    settings = Settings(port=1, state_dir=str(home / "state"), data=str(home / "data"))
    server, service = make_server(settings)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, service, home
    server.shutdown()
    server.server_close()
    service.children.close()


@pytest.fixture
def page(chromium_browser: Any, desk: tuple[TokenServer, DeskService, Path]) -> Iterator[Any]:
    opened: list[Any] = []

    def open_(width: int = 1440, **context: Any) -> Any:
        shown = chromium_browser.new_page(viewport={"width": width, "height": 900}, **context)
        complaints, requests = watched(shown)
        opened.append((shown, complaints, requests))
        shown.goto(desk[0].url)
        shown.wait_for_selector("body[data-ready='1']", timeout=LIMIT_MS)
        return shown

    yield open_
    for shown, complaints, requests in opened:
        assert [text for text in complaints if "400" not in text] == []
        assert [r for r in requests if not r.startswith((desk[0].url, "data:"))] == []
        shown.close()


def ends(shown: Any, state: str) -> None:
    expect(shown.locator("#job-state")).to_have_attribute("data-status", state, timeout=LIMIT_MS)


def test_a_folder_is_imported_changed_and_imported_again(page: Any, desk: Any, tmp_path: Path) -> None:
    shown, lab, data = page(), str(desk[2] / "lab"), desk[2] / "data"
    assert shown.input_value("#import-out") == str(data)
    expect(shown.locator("#mapping")).to_contain_text("Nothing was imported")
    shown.fill("#import-folder", lab)
    shown.fill("#import-fps", "30")
    shown.click("#form-import button")
    ends(shown, "done")
    expect(shown.locator("#command")).to_have_text(
        f"etholake import --out={data} --fps=30 --unpaired=error -- {lab}"
    )
    expect(shown.locator("#log")).to_contain_text("import: done")
    shown.fill("[aria-label='parts leftear']", "ear_right", timeout=LIMIT_MS)
    expect(shown.locator("#mapping-state")).to_have_text("1 change not saved")
    shown.click("#mapping-save")
    expect(shown.locator("#mapping-state")).to_contain_text("saved")
    shown.click("#form-import button")
    expect(shown.locator("#jobs tbody tr")).to_have_count(2, timeout=LIMIT_MS)
    ends(shown, "done")
    (mapping,) = data.glob("imports/*/mapping.toml")
    assert 'leftear = "ear_right"' in mapping.read_text()
    shown.select_option("[aria-label='Events without a start or an end']", "drop")
    expect(shown.locator("#mapping-save")).to_be_enabled()
    shown.select_option("[aria-label='Events without a start or an end']", "error")
    expect(shown.locator("#mapping-save")).to_be_disabled()  # it is as it was
    shown.set_viewport_size({"width": 390, "height": 900})
    box = shown.get_by_label("Length of an animal in cm").bounding_box()
    assert box["x"] + box["width"] <= 390  # beside its long label


def test_a_failure_shows_its_sentence_and_a_wrong_form_its_own(page: Any, desk: Any) -> None:
    shown = page(390, color_scheme="dark", is_mobile=True)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    shown.click("#steps >> text=Lake")
    shown.click("#form-etl button")
    ends(shown, "failed")
    expect(shown.locator("#log")).to_contain_text("Nothing answers on target 'mock'")
    shown.click("#steps >> text=Review")
    shown.evaluate("document.getElementById('form-review').noValidate = true")
    shown.fill("#review-user", "")
    shown.click("#form-review button")
    expect(shown.locator("#message")).to_contain_text("Your name is missing")
    shown.click("#steps >> text=Train")
    expect(shown.locator("#train-config-help")).to_contain_text("not trained here yet")
    for name in ("Check", "Clips", "Predict", "Export"):
        shown.click(f"#steps >> text={name}")
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_runs_can_be_stopped_and_nothing_starts_beside_it(page: Any, desk: Any, tmp_path: Path) -> None:
    shown, many = page(), desk[2] / "many"
    for number in range(60):
        deeplabcut_csv(many / f"v{number:02d}.csv", walk_xy(400, 2, 8), list("abcdefgh"), ["m1", "m2"])
    shown.fill("#look-folder", str(many))
    shown.click("#form-look button")
    expect(shown.locator("#stop")).to_be_visible(timeout=LIMIT_MS)
    shown.fill("#import-folder", str(many))
    shown.click("#form-import button")
    expect(shown.locator("#message")).to_contain_text("'Look at a folder' is still running")
    shown.click("#stop")
    ends(shown, "stopped")


def test_a_metric_is_drawn_as_a_curve_with_gaps(page: Any) -> None:
    shown = page()
    shown.click("#steps >> text=Train")
    shown.evaluate("""import('./web/desk/charts.js').then(({ chart }) =>
        document.getElementById('charts').append(chart('loss', [4, 2, null, 3, 0])))""")
    assert shown.get_attribute("#charts path", "d") == "M0.00,5.00L25.00,50.00M75.00,27.50L100.00,95.00"
    expect(shown.locator("#charts figcaption")).to_contain_text("0.000")
    # trees have one value, and no validation has none
    shown.evaluate("""import('./web/desk/charts.js').then(({ chart }) =>
        document.getElementById('charts').replaceChildren(chart('score', [null, 0.5]), chart('loss', [null])))""")
    score, loss = shown.locator("#charts path").all()
    assert (score.get_attribute("d"), loss.get_attribute("d")) == ("M100.00,50.00h0", "")
    assert score.evaluate("path => getComputedStyle(path).strokeLinecap") == "round"
    labels = [svg.get_attribute("aria-label") for svg in shown.locator("#charts svg").all()]
    assert labels == ["score: 1 values, from 0.500 to 0.500, now 0.5000", "loss: no value yet"]


def test_only_the_page_itself_may_start_something(desk: Any) -> None:
    server, service, home = desk
    before = len(service.children.states())
    host = f"127.0.0.1:{server.server_address[1]}"
    body = json.dumps({"form": "look", "values": {"folder": str(home / "lab")}})
    kind = {"Content-Type": "application/json"}
    own = {"Origin": f"http://{host}"}
    attempts = [
        (f"/{server.token}/api/run", kind, 403),  # no Origin
        (f"/{server.token}/api/run", kind | {"Origin": "http://evil.example"}, 403),
        (f"/{server.token}/api/run", kind | own | {"Host": "evil.example"}, 403),
        ("/wrong/api/run", kind | own, 403),
        (f"/{server.token}/api/run", own | {"Content-Type": "text/plain"}, 415),
        (f"/{server.token}/api/runs", kind | own, 404),
    ]
    for path, headers, status in attempts:
        connection = http.client.HTTPConnection(host)
        connection.request("POST", path, body, headers)
        assert connection.getresponse().status == status, (path, headers)
        connection.close()
    assert len(service.children.states()) == before


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "dark")])
def test_no_step_breaks_a_rule_of_axe(page: Any, axe: str, width: int, scheme: str) -> None:
    shown, problems = page(width, color_scheme=scheme), []
    for button in shown.locator("#steps button").all():
        button.focus()
        shown.keyboard.press("Enter")  # the keyboard alone leads through the steps
        problems += [(button.inner_text(), *fault) for fault in faults(shown, axe)]
    assert problems == []
