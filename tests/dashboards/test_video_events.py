"""The events of the video page in headless Chromium, on the lake of `video_lake`: filters, verdicts, exports."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from playwright.sync_api import expect
from video_lake import ANNOTATED, FPS, PREDICTED, TRIPLETS, pick, rows_of


# --- events -----------------------------------------------------------------------------------------------
def disagreements() -> list[tuple[str, int, int, str, int, int]]:
    """Missed and false events, by pandas, from nothing but the lists above."""
    names = ["agent", "target", "action", "start", "stop"]
    truth = pd.DataFrame(ANNOTATED, columns=names).query("stop > start").assign(source="annotation")
    guess = pd.DataFrame([e[:5] for e in PREDICTED], columns=names).assign(source="prediction")
    looked_for = pd.DataFrame(TRIPLETS, columns=names[:3])
    guess = guess.merge(looked_for)
    spans = []
    for one, other in ((truth, guess), (guess, truth)):
        both = one.reset_index().merge(other, on=names[:3], how="left", suffixes=("", "_2"))
        shared = both[["stop", "stop_2"]].min(axis=1) - both[["start", "start_2"]].max(axis=1)
        united = both[["stop", "stop_2"]].max(axis=1) - both[["start", "start_2"]].min(axis=1)
        best = (shared.clip(lower=0) / united).where(both["start_2"].notna(), 0).groupby(both["index"]).max()
        wrong = one.loc[best[best < 0.5].index]
        spans += [tuple(row) for row in wrong[["source", *names]].itertuples(index=False)]
    return sorted(spans)


def export(shown: Any, button: str) -> bytes:
    with shown.expect_download() as download:
        shown.click(button)
    return Path(download.value.path()).read_bytes()


def exported_events(shown: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export(shown, "#csv").decode(), newline="")))


def test_disagreements_are_those_of_an_independent_computation(show_video: Callable[..., Any]):
    shown = show_video()
    shown.select_option("#verdict", "disagree")
    rows = exported_events(shown)
    number = {"mouse1": 1, "mouse2": 2}
    shown_spans = sorted(
        (r["source"], number[r["agent"]], number.get(r["target"], number[r["agent"]]), r["action"],
         int(r["start_frame"]), int(r["stop_frame"])) for r in rows
    )  # fmt: skip
    assert shown_spans == disagreements()
    assert len(shown_spans) == 5
    assert {r["agreement"] for r in rows if r["source"] == "annotation"} == {"missed"}
    assert {r["agreement"] for r in rows if r["source"] == "prediction"} == {"false"}
    assert shown.inner_text("#count") == "5 of 11, 5 disagreements"
    shown.select_option("#verdict", "false")
    assert [r[0].split()[-1] for r in rows_of(shown)] == ["0:41.60", "2:40.00"]


def test_filters_combine_and_can_be_taken_back(show_video: Callable[..., Any]):
    shown = show_video()
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


def test_the_list_sorts_and_its_keys_go_from_event_to_event(show_video: Callable[..., Any]):
    shown = show_video()
    shown.click("#list thead button >> text=Length")
    assert [r[1] for r in rows_of(shown)][:3] == ["4.00 s", "4.00 s", "4.00 s"]
    shown.click("#list thead button >> text=Start")
    shown.evaluate("document.activeElement.blur()")
    shown.keyboard.press("n")
    expect(shown.locator("#list tr.current")).to_contain_text("0:04.00")
    shown.keyboard.press("n")
    expect(shown.locator("#list tr.current")).to_contain_text("0:04.40")
    shown.keyboard.press("p")
    expect(shown.locator("#list tr.current")).to_contain_text("0:04.00")
    shown.keyboard.press("Space")


def test_the_csv_is_this_to_the_byte(show_video: Callable[..., Any]):
    shown = show_video()
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


def test_the_boris_file_gives_the_events_back(show_video: Callable[..., Any]):
    shown = show_video()
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
