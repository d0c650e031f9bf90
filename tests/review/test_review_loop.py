"""The whole loop in a browser: a model of wrong labels predicts, labels are corrected, it learns again."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import small_lake
from playwright.sync_api import expect

from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.model import train
from etholake.stages.review.service import ReviewChoice, make_server
from etholake.stages.review.store import VideoKey
from etholake.stages.serving import predict
from etholake.stages.state import open_lake

pytestmark = pytest.mark.long
FRAMES = 720  # of a video: enough rows for trees
CORRECTED = 6 * FRAMES // small_lake.BOUT
KEYS = ("agent_id", "target_id", "action")


def swap_labels(settings: Settings) -> None:
    """Give every annotated bout the other behaviour: all labels are wrong."""
    import pyarrow as pa

    lake = open_lake(settings)
    other = {small_lake.LABELED[0]: small_lake.LABELED[1], small_lake.LABELED[1]: small_lake.LABELED[0]}
    for lab in small_lake.LABS:
        answer = query.run_sql(settings, f"SELECT * FROM annotations_enriched WHERE lab_id = '{lab}'")
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        for row in rows:
            row |= dict(zip(KEYS, other[tuple(row[key] for key in KEYS)], strict=True))
            row["is_self"] = row["agent_id"] == row["target_id"]
        lake.replace_table("annotations_enriched", pa.Table.from_pylist(rows), "swapped", {"lab_id": lab})


def frame_f(settings: Settings, run_id: str) -> float:
    """The frame-wise F of a run against what really happens."""
    sql = "SELECT video_id, agent_id, target_id, action, start_frame, stop_frame FROM predictions WHERE run_id = ?"
    claimed = {
        (video, *triplet, frame)
        for video, *triplet, start, stop in query.run_sql(settings, sql, [query.literal(run_id)]).rows
        for frame in range(start, stop)
    }
    true = {
        (video, *(row[key] for key in KEYS), frame)
        for video in {item[0] for item in claimed}
        for row in small_lake.annotations()
        for frame in range(row["start_frame"], row["stop_frame"])
    }
    return 2 * len(claimed & true) / max(1, len(claimed) + len(true))


def relabel(shown: Any, action: str, target: str) -> None:
    shown.select_option("#agent", "1")
    shown.select_option("#target", target)
    shown.fill("#action", action)
    shown.focus("#lanes")
    before = shown.locator("body").get_attribute("data-changes")
    shown.keyboard.press("r")
    expect(shown.locator("body")).not_to_have_attribute("data-changes", before)


def test_corrections_raise_the_score(
    mock_settings: Settings, chromium_browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_lake, "FRAMES", FRAMES)
    settings = small_lake.make(mock_settings, tmp_path / "state")
    swap_labels(settings)
    first = train.run(settings, "boosted")
    run = predict.run(settings, "train", None, tmp_path / "first.csv").details["run_id"]
    before = frame_f(settings, run)
    learnt = {span[0] if isinstance(span, list) else span["video_id"] for span in first.details["split"]["train"]}
    assert learnt
    server = make_server(settings, ReviewChoice("ann", train_config="boosted"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    corrected = 0
    for lab, videos in small_lake.LABS.items():
        for video in videos:
            key = VideoKey("train", lab, video)
            page = chromium_browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{server.url}?split={key.split}&lab={lab.replace(' ', '+')}&video={video}")
            page.wait_for_selector("body[data-ready='1']", timeout=60_000)
            bouts = page.evaluate(
                "reviewPage.labels.listed().filter(b => b.status === 'kept').map(b => [b.id, b.action])"
            )
            for bout, action in bouts:
                page.evaluate("id => reviewPage.labels.choose(id)", bout)
                relabel(page, *(("rest", "1") if action == "chase" else ("chase", "2")))
                corrected += 1
            page.close()
    assert corrected == CORRECTED
    page = chromium_browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(server.url)
    page.wait_for_selector("body[data-ready='1']", timeout=60_000)
    page.click("#to-learn")
    page.click("#merge")
    expect(page.locator("#learn-state")).to_contain_text("are in annotations_enriched now", timeout=60_000)
    page.click("#train")
    expect(page.locator("#train-state")).to_contain_text("boosted", timeout=10_000)
    expect(page.locator("#train")).to_be_enabled(timeout=240_000)
    page.click("#register")
    expect(page.locator("#versions tbody tr")).to_contain_text("PendingManualApproval", timeout=30_000)
    page.click("#versions button >> text=Approve")
    expect(page.locator("#learn-state")).to_contain_text("is approved and will be served", timeout=30_000)
    page.close()
    server.shutdown()
    server.server_close()
    run = predict.run(settings, "train", None, tmp_path / "second.csv").details["run_id"]
    after = frame_f(settings, run)
    assert before < 0.5 < after, (before, after)
