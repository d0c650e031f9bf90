"""Trees and the network on their features as one cross-validated model, as `train` without options makes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etholake.dataset.labelled import TrainingData
from etholake.events.metric import pooled
from etholake.models.archive import load_model
from etholake.models.ensemble.model import Ensemble
from etholake.stages.model import explain
from etholake.training.cross import fit_folds
from etholake.training.cross_plan import CrossValidationPlan

FIELDS = {
    "boosted": {"rounds": 10, "depth": 3, "eta": 0.3, "min_child_weight": 5.0, "max_rows": 1000},
    "tcn": {"width": 8, "blocks": 2, "networks": 1, "steps": 30, "crop_s": 10, "batch": 8, "lr": 1e-2},
}


@pytest.mark.slow
def test_the_mean_of_trees_and_network_is_judged_kept_and_explained(data: TrainingData, tmp_path: Path) -> None:
    plan = CrossValidationPlan(("boosted", "tcn"), folds=2, space="logit", choose=True)
    report = fit_folds(data, tmp_path / "model", plan, FIELDS, scratch=tmp_path / "out")
    assert {row["member"] for row in report["history"]} >= {"boosted-seed0-all", "tcn-seed0-fold1"}
    assert report["validation"]["score"] > 0.8
    assert any(note.startswith("out-of-fold scores: boosted with tcn ") for note in report["notes"])
    model = load_model(tmp_path / "model")
    assert isinstance(model, Ensemble)
    assert [member.family for member in model.members] == ["boosted", "tcn"]
    assert explain.describe(tmp_path / "model")["members"] == ["boosted", "tcn"]
    video = data.videos[0]
    events = model.events(video.tracks)
    labeled, lab = frozenset(video.tracks.labeled_behaviors), video.tracks.lab_id
    score = pooled(video.events, events, {video.tracks.video_id: labeled}, {video.tracks.video_id: lab}).score
    assert score > 0.8
    (part, whole) = (model.predict(video.tracks, frames)[0].probabilities_TA for frames in ((100, 200), None))
    np.testing.assert_allclose(part[100:200], whole[100:200], atol=2e-3)
