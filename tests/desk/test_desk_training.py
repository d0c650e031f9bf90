"""The desk trains, predicts, opens the review and exports on a small lake, with its estimate and curves."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import small_lake
from playwright.sync_api import expect

from etholake.settings import Settings
from etholake.stages.desk.service import make_server

pytestmark = pytest.mark.long
LIMIT_MS = 300_000


def test_from_training_to_export(mock_settings: Settings, chromium_browser: Any, tmp_path: Path) -> None:
    settings = small_lake.make(mock_settings, tmp_path / "state")
    server, service = make_server(settings)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    shown = chromium_browser.new_page(viewport={"width": 1440, "height": 900})

    def run(step: str, form: str, **values: str) -> None:
        shown.click(f"#steps >> text={step}")
        for name, value in values.items():
            shown.locator(f"#{form}-{name}").evaluate("(node, value) => { node.value = value; }", value)
        shown.click(f"#form-{form} button")
        expect(shown.locator("#job-title")).to_have_text(shown.inner_text(f"#title-{form}"), timeout=LIMIT_MS)

    def ends() -> None:
        expect(shown.locator("#job-state")).to_have_attribute("data-status", "done", timeout=LIMIT_MS)

    try:
        shown.goto(server.url)
        shown.wait_for_selector("body[data-ready='1']")
        run("Train", "train", config="boosted", holdout="1")
        ends()
        expect(shown.locator("#curves-state")).to_contain_text("Completed", timeout=LIMIT_MS)
        shown.select_option("#train-config", "boosted")
        expect(shown.locator("#train-config-help")).to_contain_text(
            "so long took the last training", timeout=LIMIT_MS
        )
        run("Predict", "predict", split="train", output=str(tmp_path / "predictions.csv"))
        ends()
        assert (tmp_path / "predictions.csv").is_file()
        run("Review", "review", user="ann")
        address = shown.locator("#job-address")
        expect(address).to_be_visible(timeout=LIMIT_MS)
        other = chromium_browser.new_page()
        other.goto(address.get_attribute("href"))
        expect(other.locator("#videos tbody tr")).to_have_count(6, timeout=LIMIT_MS)
        other.close()
        run("Export", "export", to="boris", out=str(tmp_path / "boris"))  # beside the review
        ends()
        assert list((tmp_path / "boris").rglob("*.boris")) or list((tmp_path / "boris").rglob("*.csv"))
    finally:
        shown.close()
        server.shutdown()
        server.server_close()
        service.children.close()
    assert not [job for job in service.children.states() if job["status"] == "running"]
