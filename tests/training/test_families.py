"""Every family of networks at its smallest size trains, is stored, resumes, serves, explains and refuses."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chases import training_data, video  # type: ignore[import-not-found]
from safetensors.torch import load_file

from etholake.contract import UNIFIED_PART_SOURCES
from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.split import Span, Split, choose
from etholake.errors import DataError
from etholake.events.types import Event
from etholake.models.archive import META, load_model
from etholake.models.config import SECOND_BEST
from etholake.models.network_model import WEIGHTS
from etholake.models.registry import resolve
from etholake.stages.model import explain
from etholake.training.fit import annotated, fit
from etholake.training.windows import WindowSampler

SAGEMAKER = Path(__file__).resolve().parents[2] / "sagemaker"
CONFIGS = ("cnn_lstm:smoke", "cnn_lstm:smoke_window", "pose_bert:smoke")
SCORES = {
    "cnn_lstm:smoke": 0.6,
    "cnn_lstm:smoke_window": 0.4,
    "pose_bert:smoke": 0.6,
}  # at least, after the epochs of LONGER
LONGER = {"epochs": 3, "batches_per_epoch": 15}
Trained = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module", params=CONFIGS)
def config(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def model(config: str, data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("family")
    return folder, fit(data, folder, config, LONGER)


@pytest.fixture
def inference() -> Iterator[Any]:
    """The code of the endpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SAGEMAKER))
        yield importlib.import_module("inference")
    sys.modules.pop("inference", None)


def test_it_learns_and_is_stored(model: Trained, config: str) -> None:
    folder, report = model
    first, *_, last = report["history"]
    assert last["train_loss"] < first["train_loss"]
    assert report["validation"]["score"] > SCORES[config]
    assert json.loads((folder / META).read_text(encoding="utf-8"))["family"] == config.partition(":")[0]


def test_classes_are_reported(model: Trained) -> None:
    _, report = model
    for classes in report["validation"]["classes"].values():
        assert {*classes} == {"chase", "rest"}
        for figures in classes.values():
            assert figures["support"] == 200
            if figures["precision"] and figures["recall"]:
                mean = 2 / (1 / figures["precision"] + 1 / figures["recall"])
                assert figures["f1"] == pytest.approx(mean)
    confusion = report["validation"]["confusion"]["A"]
    assert sum(confusion["chase"].values()) == 200
    before, after = (report["class_distribution"][f"{when}_sampling"] for when in ("before", "after"))
    assert before["chase"] == pytest.approx(0.5, abs=0.02)
    assert after["chase"] > before["chase"]
    assert {"chase", "rest"} <= {*report["class_weights"]}


def test_the_epoch_of_the_second_figure_is_a_model_too(model: Trained, config: str) -> None:
    folder, report = model
    figure = resolve(config)[1].second_best
    if not figure:
        assert not any((folder / name).exists() for name in SECOND_BEST.values())
        return
    second = load_model(folder / SECOND_BEST[figure])
    assert second.details["history"] == report["history"]
    values = [row[f"val_{figure}"] * (-1 if figure == "loss" else 1) for row in report["history"]]
    by_score = int(np.argmax([row["val_score"] for row in report["history"]]))
    same = by_score == int(np.argmax(values))
    weights = [load_file(at / WEIGHTS) for at in (folder, folder / SECOND_BEST[figure])]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0]) == same


def test_an_interrupted_run_ends_with_the_same_weights(config: str, data: TrainingData, tmp_path: Path) -> None:
    """The same seed on one thread, whole or in two parts."""
    quick = {"epochs": 2, "batches_per_epoch": 4}
    fit(data, tmp_path / "whole", config, quick)

    def stop(epoch: int, _epochs: int, _row: Mapping[str, Any]) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(
            data,
            tmp_path / "never",
            config,
            {**quick, "checkpoint_steps": 3},
            stop,
            checkpoints=tmp_path / "state",
        )
    fit(data, tmp_path / "parts", config, {**quick, "checkpoint_steps": 3}, checkpoints=tmp_path / "state")
    whole, parts = (load_file(tmp_path / at / WEIGHTS) for at in ("whole", "parts"))
    assert all((whole[name] == parts[name]).all() for name in whole)


def test_it_is_served_as_it_predicts(model: Trained, inference: Any) -> None:
    folder, _ = model
    tracks = video(31, "A").tracks
    loaded = load_model(folder)
    expected = {pair.target_id: pair for pair in loaded.predict(tracks)}
    part = {pair.target_id: pair for pair in loaded.predict(tracks, (100, 140))}
    for target, pair in expected.items():
        inside = part[target].probabilities_TA[100:140]
        np.testing.assert_allclose(inside, pair.probabilities_TA[100:140], atol=1e-5)
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "serving.json").write_text(json.dumps({"max_gap_frames": 15}), encoding="utf-8")
    answer = inference.predict_fn(
        inference.input_fn(body(tracks), "application/json"), inference.model_fn(str(folder))
    )
    assert answer["notes"] == []
    assert {event["action"] for event in answer["events"]} <= {"chase", "rest"}


def body(tracks: Any) -> bytes:
    frames, animals, parts = np.indices(tracks.xy_TMK2.shape[:3]).reshape(3, -1)
    xy = (tracks.xy_TMK2.reshape(-1, 2) * 10 + 500).round(3)
    names = [UNIFIED_PART_SOURCES[part][0] for part in tracks.parts]
    content = {
        "metadata": {"video_id": 31, "lab_id": "A", "frames_per_second": 30, "pix_per_cm_approx": 10,
                     "behaviors_labeled": ["mouse1,self,rest", "mouse1,mouse2,chase"]},
        "tracking": {"video_frame": frames.tolist(), "mouse_id": (animals + 1).tolist(),
                     "bodypart": [names[k] for k in parts], "x": xy[:, 0].tolist(), "y": xy[:, 1].tolist()},
    }  # fmt: skip
    return json.dumps(content).encode()


def test_it_is_explained(model: Trained, config: str) -> None:
    folder, _ = model
    described = explain.describe(folder)
    assert described["family"] == config.partition(":")[0]
    assert described["labs"]["A"]["chase"]["support"] == 200
    text = "\n".join(explain.lines(described))
    assert "support 200 frames" in text
    assert "annotated chase: " in text
    assert "% as sampled" in text


def test_it_is_fine_tuned(model: Trained, config: str, tmp_path: Path) -> None:
    new = training_data([video(number, "New") for number in range(11, 16)])
    base = load_model(model[0])
    report = fit(new, tmp_path, "", {"epochs": 1, "batches_per_epoch": 4}, base=base)
    assert report["fine_tuned"]["labs_added"] == ["New"]
    assert load_model(tmp_path).labs == ("A", "B", "New")


def test_overlapping_windows_of_a_video_never_stand_on_both_sides_of_a_split(
    config: str, data: TrainingData
) -> None:
    """Whole videos: no window is shared. One video that must be cut in time: no target is."""
    fields = resolve(config)[1]
    assert fields.step < fields.window, "windows overlap"
    split = choose([annotated(v) for v in data.videos])
    sides = {part: _windows(data, getattr(split, part), fields) for part in ("train", "validation", "test")}
    assert all(sides.values())
    assert not {v for v, _, _ in sides["train"]} & {v for v, _, _ in sides["validation"] | sides["test"]}

    alone = training_data([video(1, "A", frames=600)])
    cut = choose([annotated(v) for v in alone.videos])
    sampler = WindowSampler(alone, cut.train, ("A",), fields, 0)
    targets = set()
    for step in range(20):
        batch = sampler.draw(step)
        trains_BT = batch.loss_mask_BTC.any(dim=2)
        # The frame that a sample came from is read off its tracks, which never repeat.
        frames = _frames(alone.videos[0], batch.tracks.xy_BRTK2[:, 0].numpy())
        targets |= set(frames[trains_BT.numpy()].tolist())
    held_out = [(span.start_frame, span.stop_frame) for span in (*cut.validation, *cut.test)]
    assert targets
    assert not any(start <= frame < stop for frame in targets for start, stop in held_out)


def _windows(data: TrainingData, spans: tuple[Span, ...], fields: Any) -> set[tuple[int, int, int]]:
    """Return (video, pair, start) of every window of a part of a split."""
    labs = sorted({span.lab_id for span in spans})
    sampler = WindowSampler(data, spans, labs, fields, 0)
    return {
        (sampler.pairs[p].video.tracks.video_id, sampler.pairs[p].target, start) for p, start in sampler.everywhere
    }


def _frames(one: LabelledVideo, xy_BTK2: Any) -> Any:
    """Return the frame [B, T] at which the animal has these coordinates."""
    nose_T2 = one.tracks.xy_TMK2[:, 0, 0]
    B, T = xy_BTK2.shape[:2]
    difference = np.abs(xy_BTK2[:, :, 0].reshape(B * T, 1, 2) - nose_T2[None]).sum(axis=-1)
    return difference.argmin(axis=1).reshape(B, T)


# --- input that cannot be learnt from -------------------------------------------------------------------------
def test_videos_shorter_than_a_window_are_predicted_all_the_same(model: Trained) -> None:
    tracks = video(41, "A", frames=12).tracks
    for pair in load_model(model[0]).predict(tracks):
        assert np.isfinite(pair.probabilities_TA).all()
        assert len(pair.probabilities_TA) == 12


def test_training_without_any_point_is_refused(config: str, tmp_path: Path) -> None:
    nothing = [_without_points(video(i, "A")) for i in (1, 2, 3)]
    with pytest.raises(DataError, match=r"None of the training videos \(2\) has a measured point"):
        fit(training_data(nothing), tmp_path, config)


def test_training_without_any_event_is_refused(config: str, tmp_path: Path) -> None:
    empty = [replace(video(i, "A"), events=()) for i in (1, 2, 3)]
    spans = [Span(v.tracks.video_id, "A", 0, 400) for v in empty]
    with pytest.raises(DataError, match=r"No annotated event lies in the training videos \(1, 2, 3\)"):
        fit(training_data(empty), tmp_path, config, split=Split(tuple(spans), (), ()))


def test_training_on_one_class_is_refused(config: str, tmp_path: Path) -> None:
    made = video(1, "A", labeled_behaviors=((1, 2, "chase"),))
    always = replace(made, events=(Event(1, 1, 2, "chase", 0, 400),))
    with pytest.raises(
        DataError, match=r"Every labelled frame of the training videos \(1\) is chase: there is one"
    ):
        fit(training_data([always]), tmp_path, config)


def _without_points(one: LabelledVideo) -> LabelledVideo:
    gone = np.full_like(one.tracks.xy_TMK2, np.nan)
    return replace(one, tracks=replace(one.tracks, xy_TMK2=gone, observed_TMK=np.zeros(gone.shape[:-1], bool)))
