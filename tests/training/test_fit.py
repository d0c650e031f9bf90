"""Training on motions that can be learnt: the score, determinism, what is stored, what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from chases import LABELED, SMALL, training_data, video  # type: ignore[import-not-found]
from safetensors.torch import load_file, save_file

from etholake.dataset.labelled import TrainingData, lab_actions
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span
from etholake.errors import ContractError, DataError
from etholake.events.post_processing import PostProcessing
from etholake.models.archive import META
from etholake.models.base import TEACH
from etholake.models.network_family import load_network
from etholake.models.network_model import WEIGHTS
from etholake.training.fit import fit
from etholake.training.validation import HeldOut

Trained = tuple[Path, dict[str, Any]]


def test_chase_and_rest_are_learnt(data: TrainingData, trained: Trained) -> None:
    folder, report = trained
    spans = [Span(**span) for span in report["split"]["test"]]
    assert len(spans) == 2
    model = load_network(folder)
    score = HeldOut.of(model, data.videos, spans).score(model.post_processing)
    assert score is not None
    assert {lab: set(result.actions) for lab, result in score.labs.items()} == {
        "A": {"chase", "rest"},
        "B": {"chase", "rest"},
    }
    assert score.score > 0.9
    assert report["validation"]["score"] > 0.9
    assert report["history"][-1]["train_loss"] < report["history"][0]["train_loss"]


def test_the_report_is_in_the_stored_model(trained: Trained) -> None:
    folder, report = trained
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    assert meta["split"] == report["split"]
    assert meta["validation"]["labs"]["A"]["actions"].keys() == {"chase", "rest"}
    assert meta["lab_actions"] == {"A": ["chase", "rest"], "B": ["chase", "rest"]}
    assert meta["data_fingerprint"] == "fingerprint"
    used = [(s["video_id"], s["start_frame"]) for part in meta["split"].values() for s in part]
    assert len(used) == len(set(used)) == 6


def test_the_same_seed_gives_the_same_weights(data: TrainingData, tmp_path: Path) -> None:
    quick = {**SMALL, "epochs": 1, "batches_per_epoch": 3}
    weights = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fit(data, tmp_path / name, "smoke", quick, seed=seed)
        weights.append((tmp_path / name / WEIGHTS).read_bytes())
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_bfloat16_and_every_loss_learn(data: TrainingData, tmp_path: Path) -> None:
    changes = {"amp": "bfloat16", "soft_f1": 0.3, "focal_gamma": 1.0, "negative_gamma": 2.0, "ema": 0.9,
               "label_smoothing": 0.02, "feature_dropout": 0.1, "positive_weight_cap": 2.0, "stride": 2,
               "augmentation": {"mixup": 0.2, "rotate": True}}  # fmt: skip
    report = fit(data, tmp_path, "smoke", {**SMALL, **changes})
    losses = [row["train_loss"] for row in report["history"]]
    assert losses[-1] < 0.8 * losses[0]
    assert report["validation"]["score"] > 0.5


@pytest.mark.long
def test_a_compiled_network_learns_what_the_plain_one_does(data: TrainingData, tmp_path: Path) -> None:
    quick = {**SMALL, "epochs": 1, "batches_per_epoch": 3}
    plain, compiled = (
        fit(data, tmp_path / str(on), "smoke", {**quick, "compile": on})["history"][0] for on in (False, True)
    )
    assert compiled["train_loss"] == pytest.approx(plain["train_loss"], rel=1e-3)


def test_on_epoch_is_told_and_early_stopping_stops(data: TrainingData, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    still = {**SMALL, "lr": 1e-12, "epochs": 9, "patience": 2, "batches_per_epoch": 4}
    report = fit(data, tmp_path, "smoke", still, lambda epoch, epochs, row: calls.append((epoch, epochs)))
    assert calls == [(e, 9) for e in range(1, len(report["history"]) + 1)]
    best = int(np.argmax([row["val_score"] for row in report["history"]]))
    assert len(report["history"]) == best + 3
    assert report["validation"]["score"] == report["history"][best]["val_score"]


def test_validation_is_looked_at_less_often_where_it_would_cost_more_than_training(
    data: TrainingData, tmp_path: Path
) -> None:
    report = fit(data, tmp_path, "smoke", {**SMALL, "epochs": 5, "patience": 9, "batches_per_epoch": 1})
    looked = [row["val_score"] is not None for row in report["history"]]
    assert looked == [False, True, False, True, True]  # and always at the end
    assert report["validation"]["score"] == max(row["val_score"] or 0 for row in report["history"])


def test_a_single_video_trains_validates_and_tests_on_its_own_spans(tmp_path: Path) -> None:
    report = fit(training_data([video(1, frames=1000)]), tmp_path, "smoke", {**SMALL, "epochs": 1})
    spans = [report["split"][part][0] for part in ("train", "validation", "test")]
    assert [(s["start_frame"], s["stop_frame"]) for s in spans] == [(0, 600), (600, 800), (800, 1000)]


def test_actions_are_those_of_the_training_spans() -> None:
    one = video(1)
    assert lab_actions([one], [Span(1, "Lab", 0, 40)]) == {"Lab": ["chase"]}
    assert lab_actions([one], [Span(1, "Lab", 0, 41)]) == {"Lab": ["chase", "rest"]}
    unlisted = dataclasses.replace(
        one.tracks, meta=dataclasses.replace(one.tracks.meta, labeled_behaviors=LABELED[1:])
    )
    assert lab_actions([dataclasses.replace(one, tracks=unlisted)], [Span(1, "Lab", 0, 400)]) == {"Lab": ["chase"]}


def test_a_lab_that_trains_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="After holding out videos none is left to train on"):
        fit(training_data([video(1)]), tmp_path, "smoke", SMALL, holdout=[1])
    absent = video(1, labeled_behaviors=[(3, 4, "chase")])
    with pytest.raises(DataError, match="No window of the training videos has a labeled behavior"):
        fit(training_data([absent]), tmp_path, "smoke", SMALL)


# --- the stored model in use ------------------------------------------------------------------------------
def test_loading_twice_gives_identical_probabilities(trained: Trained, tmp_path: Path) -> None:
    tracks = video(77, "A").tracks
    first = load_network(trained[0])
    scores = first.predict(tracks)
    assert [(p.agent_id, p.target_id, p.actions) for p in scores] == [(1, 1, ("rest",)), (1, 2, ("chase",))]
    assert all(p.probabilities_TA.shape == (400, 1) and p.probabilities_TA.dtype == np.float32 for p in scores)
    first.save(tmp_path)
    second = load_network(tmp_path)
    for a, b in zip(scores, second.predict(tracks), strict=True):
        np.testing.assert_array_equal(a.probabilities_TA, b.probabilities_TA)
    assert second.events(tracks) == first.events(tracks) != []
    assert second.post_processing.to_dict() == first.post_processing.to_dict() != PostProcessing().to_dict()


def test_the_result_does_not_depend_on_place_direction_or_first_frame(trained: Trained) -> None:
    model, tracks = load_network(trained[0]), video(78, "A").tracks
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]], dtype=np.float32)
    moved = dataclasses.replace(tracks, xy_TMK2=tracks.xy_TMK2 @ turn + np.float32(12), first_frame=500)
    for a, b in zip(model.predict(tracks), model.predict(moved), strict=True):
        np.testing.assert_allclose(a.probabilities_TA, b.probabilities_TA, atol=1e-3)
        assert b.first_frame == 500
    shifted = [(e.start_frame - 500, e.stop_frame - 500, e.action) for e in model.events(moved)]
    assert shifted == [(e.start_frame, e.stop_frame, e.action) for e in model.events(tracks)]


def test_clips_of_any_length_and_rate(trained: Trained) -> None:
    model, tracks = load_network(trained[0]), video(79, "A").tracks
    for n in (1, 5, 31, 32, 33, 48, 399):
        short = dataclasses.replace(
            tracks, xy_TMK2=tracks.xy_TMK2[:n], observed_TMK=tracks.observed_TMK[:n], n_frames=n
        )
        assert [p.probabilities_TA.shape for p in model.predict(short)] == [(n, 1)] * 2
        assert all(np.isfinite(p.probabilities_TA).all() for p in model.predict(short))
    fast = dataclasses.replace(tracks, meta=dataclasses.replace(tracks.meta, fps=120.0), n_frames=1597)
    assert [p.probabilities_TA.shape for p in model.predict(fast)] == [(1597, 1)] * 2


def test_missing_tracks_are_survived(trained: Trained) -> None:
    model, tracks = load_network(trained[0]), video(80, "A").tracks
    xy = tracks.xy_TMK2.copy()
    xy[100:300, 1] = np.nan
    xy[:, :, 1:4] = np.nan
    scores = model.predict(dataclasses.replace(tracks, xy_TMK2=xy))
    assert all(np.isfinite(p.probabilities_TA).all() for p in scores)


def tracks_of(lab_id: str, *labeled_behaviors: Any) -> PoseTracks:
    return video(81, lab_id, labeled_behaviors=labeled_behaviors).tracks


def test_phantoms_unknown_labs_and_unknown_actions(trained: Trained) -> None:
    model = load_network(trained[0])
    tracks = tracks_of("A", *LABELED, (2, 1, "chase"), (1, 3, "chase"), (1, 2, "interact"))
    assert model.predicted_behaviors(tracks) == {(1, 1): ["rest"], (1, 2): ["chase"], (2, 1): ["chase"]}
    assert model.notes(tracks) == [
        f"not in the model's vocabulary, ignored: interact; {TEACH}",
        f"without an event in the training data of A: attack; {TEACH}",
        "labeled, but not tracked: mouse3",
    ]
    stranger = tracks_of("Stranger", (1, 2, "chase"))
    assert [p.lab_id for p in model.predict(stranger)] == ["Stranger"]
    assert model.notes(stranger) == [
        "lab Stranger was not in the training data: what was learnt from all labs is used; known labs: A, B"
    ]
    assert model.predict(tracks_of("A")) == []
    assert "the video has no labeled behaviors" in model.notes(tracks_of("A"))[0]


def test_an_unknown_lab_is_recognised_too(trained: Trained) -> None:
    model = load_network(trained[0])
    stranger = video(82, "Stranger")
    assert HeldOut.of(model, [stranger], [Span(82, "Stranger", 0, 400)]).score(model.post_processing).score > 0.7  # type: ignore[union-attr]


# --- what does not fit is refused by name -----------------------------------------------------------------
def copy(folder: Path, to: Path, **changes: Any) -> Path:
    """A copy of a model with parts of its meta.json replaced."""
    to.mkdir(exist_ok=True)
    (to / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes())
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    (to / META).write_text(json.dumps(meta | changes), encoding="utf-8")
    return to


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("features", {"version": 99}, "trained on pair_features version 99; this code computes version 2"),
        ("features", {"names": ["bogus"]}, "has other features than this code: .*bogus"),
        ("features", {"parts": ["nose"]}, "has other features than this code: their order"),
        ("vocabulary", {"actions": ["chase", "rest"]}, r"do not fit their meta\.json"),
        ("vocabulary", {"actions": ["chase", "chase"]}, "vocabulary with repeated actions"),
        ("vocabulary", {"labs": ["A"]}, "lab_actions names labs or actions outside the vocabulary"),
        ("config", {"width": 64}, r"do not fit their meta\.json \(vocabulary or sizes\)"),
        ("config", {"magic": 1}, "has fields that this code does not know .*magic"),
        ("config", {"encoder": "oracle"}, "There is no input encoder 'oracle'. Known: .*, pair_features"),
        ("config", {"encoder": "rolling"}, "'rolling' makes tables for trees, not windows for networks"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(
    trained: Trained, tmp_path: Path, part: str, change: dict[str, Any], message: str
) -> None:
    meta = json.loads((trained[0] / META).read_text(encoding="utf-8"))
    with pytest.raises(ContractError, match=message):
        load_network(copy(trained[0], tmp_path, **{part: meta[part] | change}))


def test_files_that_are_no_model_are_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="is not the description of an Etholake model"):
        load_network(tmp_path)
    with pytest.raises(ContractError, match=r"has format 3; this code reads 5\. Train it again"):
        load_network(copy(trained[0], tmp_path, format=3))
    folder = copy(trained[0], tmp_path)
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    del meta["lab_actions"]
    (folder / META).write_text(json.dumps(meta), encoding="utf-8")
    with pytest.raises(ContractError, match=r"lacks \['lab_actions'\]"):
        load_network(folder)
    folder = copy(trained[0], tmp_path)
    (folder / WEIGHTS).write_bytes(b"\x80\x04pickle")
    with pytest.raises(ContractError, match=r"model\.safetensors cannot be read"):
        load_network(folder)
    tensors = load_file(trained[0] / WEIGHTS)
    tensors["network.head.bias"] = torch.zeros(3)
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(ContractError, match=r"do not fit their meta\.json .*head\.bias"):
        load_network(folder)
