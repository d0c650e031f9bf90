"""The attention of a model over a video, its page, and the models that have none."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chases import LABELED, video  # type: ignore[import-not-found]

from etholake.contract import RAW_ANNOTATION_COLUMNS, UNIFIED_PARTS
from etholake.dataset.labelled import TrainingData
from etholake.dataset.values import Value
from etholake.errors import UsageError
from etholake.models.archive import load_model
from etholake.models.attention import attention_of
from etholake.pages.attention import render
from etholake.settings import Settings
from etholake.stages.model import evaluate, explain, model_view
from etholake.training.fit import fit

QUICK = {"epochs": 1, "batches_per_epoch": 2}


def test_attention_is_returned_and_drawn(data: TrainingData, tmp_path: Path) -> None:
    fit(data, tmp_path, "cnn_lstm:smoke", QUICK)
    model, seen = load_model(tmp_path), video(31, "A")
    curves = attention_of(model, seen.tracks)
    assert {*curves} == {(1, 1), (1, 2)}
    for first, curve in curves.values():
        assert first == 0
        assert curve.shape == (400,)
        assert (curve >= 0).all()
        assert curve.mean() == pytest.approx(1, abs=0.25)
    page = render("video 31", curves, seen.events, model.events(seen.tracks), 30.0)
    assert page.count("<svg") == 2
    assert page.count("above it attention") == 2
    assert "mouse1 → mouse2" in page
    assert "Mean attention" in page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in the MABe layout with one video, 10 px a cm."""
    seen, place = video(31, "A"), tmp_path / "layout"
    for kind in ("tracking", "annotation"):
        (place / f"train_{kind}/A").mkdir(parents=True)
    frame, mouse, part = (a.ravel() for a in np.indices(seen.tracks.xy_TMK2.shape[:3]))
    columns = {
        "video_frame": frame.astype(np.int32), "mouse_id": (mouse + 1).astype(np.int8),
        "bodypart": np.array(UNIFIED_PARTS)[part],
        "x": 10 * seen.tracks.xy_TMK2[..., 0].ravel() + 300, "y": 10 * seen.tracks.xy_TMK2[..., 1].ravel() + 300,
    }  # fmt: skip
    pq.write_table(pa.table(columns), place / "train_tracking/A/31.parquet")
    events = [{name: getattr(e, name) for name in RAW_ANNOTATION_COLUMNS} for e in seen.events]
    pq.write_table(pa.Table.from_pylist(events), place / "train_annotation/A/31.parquet")
    labeled = json.dumps([f"mouse{a},{'self' if a == t else f'mouse{t}'},{action}" for a, t, action in LABELED])
    with (place / "train.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["lab_id", "video_id", "frames_per_second", "pix_per_cm_approx", "video_width_pix",
                         "video_height_pix", "behaviors_labeled"])  # fmt: skip
        writer.writerow(["A", 31, 30.0, 10.0, 600, 600, labeled])
    return place


def test_the_evaluation_page_shows_where_a_model_looked(data: TrainingData, folder: Path, tmp_path: Path) -> None:
    fit(data, tmp_path / "lstm", "cnn_lstm:smoke", QUICK)
    fit(data, tmp_path / "bert", "pose_bert:smoke", QUICK)
    judged, page = evaluate.judge(folder, list(video(31, "A").events)), tmp_path / "page.html"
    evaluate.write_page(Settings(), page, judged, folder, "truth", str(tmp_path / "lstm"))
    assert "attention, mouse1 → mouse2" in page.read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="A model of the family 'pose_bert' has no attention over time to draw"):
        evaluate.write_page(Settings(), page, judged, folder, "truth", str(tmp_path / "bert"))


def test_answers_to_tasks_are_drawn(data: TrainingData, folder: Path, tmp_path: Path) -> None:
    values = (
        Value("sex", "male", 1),
        Value("sex", "female", 2),
        Value("half", "1", 0, 0, 200),
        Value("half", "2", 0, 200),
    )
    valued = replace(data, videos=tuple(replace(v, values=values) for v in data.videos))
    fit(valued, tmp_path / "model", "pose_bert:smoke", QUICK | {"tasks": "state:sex=male,frame_regression:half"})
    seen = explain.look(Settings(), str(tmp_path / "model"), folder, 31, tmp_path / "page.html")
    assert [(v["task"], v["mouse_id"]) for v in seen["values"]][:2] == [
        ("state:sex=male", 1), ("frame_regression:half", 1),
    ]  # fmt: skip
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "What the model says of the animals" in text
    assert text.count("<svg") == 2  # the numbers of frames of both animals
    view = model_view.view(Settings(), str(tmp_path / "model"), folder, [31])
    assert (view.attention, set(view.tasks)) == ({}, {"state:sex=male", "frame_regression:half"})


def test_the_mean_inside_and_outside_of_events_is_shown() -> None:
    curve = np.concatenate([np.full(40, 2.0), np.full(60, 0.5)]).astype(np.float32)
    chase = [event for event in video(1).events if event.action == "chase"][:1]
    assert (chase[0].start_frame, chase[0].stop_frame) == (0, 40)
    page = render("video 1", {(1, 2): (0, curve)}, [], chase, 30.0)
    assert "inside predicted events 2.00, outside 0.50" in page


def test_a_model_without_attention_is_refused(data: TrainingData, tmp_path: Path) -> None:
    fit(data, tmp_path, "pose_bert:smoke", QUICK)
    with pytest.raises(UsageError, match="A model of the family 'pose_bert' has no attention over time to draw"):
        attention_of(load_model(tmp_path), video(31, "A").tracks)
