"""The baseline and the stack as models of the product: trained, decided, stored and read like a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chases import SMALL, training_data, video  # type: ignore[import-not-found]

from etholake.dataset.labelled import TrainingData
from etholake.dataset.split import Span
from etholake.errors import UsageError
from etholake.events.post_processing import PostProcessing
from etholake.models.archive import META, load_model
from etholake.models.boosted.forest import Boosted
from etholake.models.ensemble.model import Ensemble
from etholake.models.stacking.model import StackingModel
from etholake.stages.model import explain
from etholake.training.cross import OUT_OF_FOLD, fit_folds
from etholake.training.cross_plan import CrossValidationPlan
from etholake.training.fit import fit
from etholake.training.oof import read_oof
from etholake.training.validation import HeldOut

TREES = {"rounds": 20, "depth": 3, "eta": 0.3, "min_child_weight": 5.0, "max_rows": 2000}
NETWORK = {**SMALL, "epochs": 2, "batches_per_epoch": 8, "threads": 1}
PLAN = CrossValidationPlan(("boosted", "smoke"), folds=2, stack=True)


@pytest.fixture(scope="module")
def boosted(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("boosted")
    return folder, fit(data, folder, "boosted", TREES, seed=3)


@pytest.fixture(scope="module")
def stack(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds; the last fifth of video 1 is kept for a test."""
    at = tmp_path_factory.mktemp("stack")
    overrides = {
        "boosted": TREES,
        "smoke": NETWORK,
        "stack": {"rounds": 20, "max_rows": 2000, "min_child_weight": 5},
    }
    fit_folds(data, at / "model", PLAN, overrides, test=[Span(1, "A", 320, 400)], scratch=at / "out")
    return at


def test_the_baseline_learns_decides_and_reports_like_a_network(
    boosted: tuple[Path, dict[str, Any]], data: TrainingData
) -> None:
    folder, report = boosted
    model = load_model(folder)
    assert isinstance(model, Boosted)
    assert (model.config.rounds, model.config.seed) == (20, 3)
    assert report["validation"]["score"] > 0.8
    assert report["history"][0]["val_score"] == report["validation"]["score"]
    assert json.loads((folder / META).read_text())["split"] == report["split"]
    assert {*report["training_seconds"]} == {"A", "B"}
    score = HeldOut.of(model, data.videos, [Span(**s) for s in report["split"]["test"]]).score(
        model.post_processing
    )
    assert score is not None
    assert score.score > 0.8
    assert model.post_processing.to_dict() != PostProcessing().to_dict()
    assert model.notes(video(1, "Elsewhere").tracks)[0].startswith("lab Elsewhere was not in the training data")


@pytest.mark.slow
def test_a_stack_stands_on_an_ensemble_of_each_configuration(stack: Path) -> None:
    model = load_model(stack / "model")
    assert isinstance(model, StackingModel)
    assert [type(base) for base in model.bases] == [Ensemble, Ensemble]
    assert [type(base.members[0]).__name__ for base in model.bases] == ["Boosted", "NetworkModel"]  # type: ignore[attr-defined]
    assert model.details["validation"]["score"] > 0.8
    tracks = video(77, "A").tracks
    scores = model.stack.predict(tracks, [base.predict(tracks) for base in model.bases])
    for a, b in zip(scores, model.predict(tracks), strict=True):
        np.testing.assert_array_equal(a.probabilities_TA, b.probabilities_TA)
    assert {event.action for event in model.events(tracks)} == {"chase", "rest"}


@pytest.mark.slow
def test_what_a_stack_said_out_of_fold_is_of_every_frame_but_the_test(stack: Path) -> None:
    scores = read_oof(stack / "out" / OUT_OF_FOLD)
    frames = {(p.video_id, p.target_id): 0 for p in scores}
    for pair in scores:
        assert np.isfinite(pair.probabilities_TA).all()
        frames[pair.video_id, pair.target_id] += len(pair.probabilities_TA)
    assert frames == {(v, t): 320 if v == 1 else 400 for v in range(1, 7) for t in (1, 2)}


@pytest.mark.slow
def test_recordings_that_are_folded_in_time_teach_a_stack(tmp_path: Path) -> None:
    """One video per lab: each fold is a part of it, and the parts are one video to those who decide."""
    data = training_data([video(1, "A", 800), video(2, "B", 800)])
    plan = CrossValidationPlan(("boosted",), folds=2, stack=True)
    report = fit_folds(
        data, tmp_path / "model", plan, {"boosted": TREES, "stack": TREES}, scratch=tmp_path / "out"
    )
    assert report["validation"]["score"] > 0.8
    counts = {
        (p.video_id, p.target_id, p.first_frame, len(p.probabilities_TA))
        for p in read_oof(tmp_path / "out" / OUT_OF_FOLD)
    }
    assert counts == {(v, t, start, 400) for v in (1, 2) for t in (1, 2) for start in (0, 400)}


@pytest.mark.slow
def test_what_each_kind_knows_is_explained(stack: Path, boosted: tuple[Path, dict[str, Any]]) -> None:
    of_stack, of_trees = explain.describe(stack / "model"), explain.describe(boosted[0])
    assert (of_stack["family"], of_stack["members"]) == ("stacking", ["boosted", "smoke"])
    assert (of_trees["family"], of_trees["members"], of_trees["input"]["window"]) == ("boosted", [], None)
    assert list(of_stack["labs"]) == list(of_trees["labs"]) == ["A", "B"]
    assert of_stack["labs"]["A"]["chase"]["training_seconds"] > 0
    text = explain.lines(of_stack)
    assert text[0] == "stacking of boosted, smoke, mean probability"
    assert text[1].startswith("config   configuration smoke (cnn_transformer: width 32")
    assert "config   trees: 20 rounds, 3 deep" in explain.lines(of_trees)


def test_a_field_that_trees_do_not_have_is_named(data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"of boosted has no field 'round'\. Did you mean 'rounds'"):
        fit(data, tmp_path, "boosted", {"round": 3})
    with pytest.raises(UsageError, match=r"no model configuration 'boost'\. Did you mean 'boosted'"):
        fit(data, tmp_path, "boost")
