"""The attention of a model over a video, its page, and the models that have none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from chases import video  # type: ignore[import-not-found]

from etholake.dataset.labelled import TrainingData
from etholake.errors import UsageError
from etholake.models.archive import load_model
from etholake.models.attention import attention_of
from etholake.pages.attention import render
from etholake.training.fit import fit

QUICK = {"epochs": 1, "batches_per_epoch": 2}


def test_attention_is_returned_and_drawn(data: TrainingData, tmp_path: Path) -> None:
    fit(data, tmp_path, "cnn_lstm:smoke", QUICK)
    model, seen = load_model(tmp_path), video(31, "A")
    curves = attention_of(model, seen.tracks)
    assert {*curves} == {(1, 1), (1, 2)}
    for curve in curves.values():
        assert curve.shape == (400,)
        assert (curve >= 0).all()
        assert curve.mean() == pytest.approx(1, abs=0.25)
    page = render("video 31", curves, seen.events, model.events(seen.tracks), 0, 30.0)
    assert page.count("<svg") >= 4
    assert "mouse1 → mouse2" in page
    assert "Mean attention" in page


def test_the_mean_inside_and_outside_of_events_is_shown() -> None:
    curve = np.concatenate([np.full(40, 2.0), np.full(60, 0.5)]).astype(np.float32)
    chase = [event for event in video(1).events if event.action == "chase"][:1]
    assert (chase[0].start_frame, chase[0].stop_frame) == (0, 40)
    page = render("video 1", {(1, 2): curve}, [], chase, 0, 30.0)
    assert "inside predicted events 2.00, outside 0.50" in page


def test_a_model_without_attention_is_refused(data: TrainingData, tmp_path: Path) -> None:
    fit(data, tmp_path, "pose_bert:smoke", QUICK)
    with pytest.raises(UsageError, match="A model of the family 'pose_bert' has no attention over time to draw"):
        attention_of(load_model(tmp_path), video(31, "A").tracks)
