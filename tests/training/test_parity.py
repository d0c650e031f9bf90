"""Parity of every family of pose networks: batch and single window, and the same weights for the same seed.

That a run which was interrupted ends with the weights of one that was not is in `test_families` and `test_resume`,
and in `test_pretrain` for pre-training; trees and `tcn` are trained in one go (`test_boosted`, `test_tcn`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chases import SMALL, training_data, video  # type: ignore[import-not-found]
from safetensors.torch import load_file

from etholake.dataset.labelled import TrainingData
from etholake.dataset.values import Value
from etholake.models import scoring
from etholake.models.archive import load_model
from etholake.models.network_model import WEIGHTS
from etholake.training.fit import fit

SHORT = {"epochs": 1, "batches_per_epoch": 3, "threads": 1}
TASKS = {"tasks": "state:sex=male"}
# cnn_transformer, then the pose families, their heads and tasks
RUNS: dict[str, dict[str, Any]] = {
    "smoke": SMALL, "cnn_lstm:smoke": {}, "cnn_lstm:smoke_window": {}, "pose_bert:smoke": TASKS,
    "pose_bert:tiny_clip": {"window": 32, "step": 16, "width": 16, "heads": 2, "layers": 1, "batch": 8},
}  # fmt: skip


@pytest.fixture(scope="module")
def known_sexes() -> TrainingData:
    sexes = (Value("sex", "male", 1), Value("sex", "female", 2))
    return training_data([replace(video(i), values=sexes) for i in range(1, 5)])


@pytest.fixture(scope="module", params=RUNS)
def twice(
    request: pytest.FixtureRequest, known_sexes: TrainingData, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    folders = (tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second"))
    for folder in folders:
        fit(known_sexes, folder, request.param, {**RUNS[request.param], **SHORT}, seed=3)
    return folders


def test_the_same_seed_on_one_thread_gives_the_same_weights(twice: tuple[Path, Path]) -> None:
    first, second = (load_file(folder / WEIGHTS) for folder in twice)
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]).all() for name in first)


def test_a_batch_of_windows_is_the_same_as_one_at_a_time(
    twice: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tracks = load_model(twice[0]), video(9).tracks
    together, answers = model.predict(tracks), model.values(tracks)
    monkeypatch.setattr(scoring, "BATCH", {"cpu": 1})
    monkeypatch.setattr("etholake.models.pose_bert.answers.BATCH", 1)
    for alone, pair in zip(model.predict(tracks), together, strict=True):
        np.testing.assert_allclose(alone.probabilities_TA, pair.probabilities_TA, atol=1e-5)
    for one, other in zip(model.values(tracks), answers, strict=True):
        assert one["value"] == pytest.approx(other["value"], abs=1e-3)
