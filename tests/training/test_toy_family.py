"""The proof of the extension points: a family and an encoder of another distribution, found by entry points
alone.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chases import training_data, video  # type: ignore[import-not-found]

from etholake.contract import UNIFIED_PART_SOURCES
from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.split import Span
from etholake.errors import ContractError
from etholake.features.registry import ENCODERS
from etholake.models.archive import META, load_model
from etholake.models.ensemble.model import Ensemble
from etholake.models.registry import FAMILIES, config_names, family_names, resolve
from etholake.stages.model import explain, tune
from etholake.training.cross import fit_folds
from etholake.training.cross_plan import CrossValidationPlan
from etholake.training.fit import fit
from etholake.training.validation import HeldOut

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(__file__).with_name("toy_family")
Trained = tuple[Path, dict[str, Any]]

SERVE = """
import json, sys
import inference
loaded = inference.model_fn(sys.argv[1])
body = open(sys.argv[2], "rb").read()
answer = inference.predict_fn(inference.input_fn(body, "application/json"), loaded)
import etholake, toy_classifier
print(json.dumps([answer["events"], answer["notes"], etholake.__file__, toy_classifier.__file__]))
"""


@pytest.fixture(scope="module", autouse=True)
def _installed() -> Iterator[None]:
    """The toy distribution is on the path, as pip would put it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOY))
        yield
    for name in [name for name in sys.modules if name.startswith("toy_classifier")]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture(scope="module")
def toy(_installed: None, data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("toy")
    return folder, fit(data, folder, "toy")


def test_its_names_are_known_everywhere() -> None:
    assert "toy" in family_names()
    assert {"toy", "plain", "toy_wide"} <= {*config_names()}
    assert resolve("toy")[1] == resolve("toy:plain")[1] == resolve("plain")[1]
    assert resolve("toy_wide", {"lr": 1.0})[1].lr == 1.0
    assert resolve("small")[0].name == "cnn_transformer"
    assert {"toy_distances", "pair_features"} <= {*ENCODERS.names()}
    assert list(tune.ranges("toy", {})) == ["lr"]


def test_it_is_trained_stored_and_loaded(toy: Trained, data: TrainingData) -> None:
    folder, report = toy
    assert report["history"][-1]["train_loss"] < 0.7 * report["history"][0]["train_loss"]
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    assert (meta["family"], meta["features"]["name"]) == ("toy", "toy_distances")
    model = load_model(folder)
    spans = [Span(**span) for span in report["split"]["test"]]
    assert HeldOut.of(model, data.videos, spans).score(model.post_processing).score > 0.6  # type: ignore[union-attr]


def test_it_starts_at_the_prior_and_its_matrices_decay(toy: Trained) -> None:
    model, family = load_model(toy[0]), FAMILIES.get("toy")
    named = dict(model.network.named_parameters())  # type: ignore[attr-defined]
    decaying = {name for name, value in named.items() if family.decays(name, value)}  # type: ignore[attr-defined]
    assert decaying == {"inputs.weight", "top.weight"}
    never = model.actions.index("mount")  # no frame of the data has it, so its output has stayed near the prior
    assert named["top.bias"][never].item() < -4


def test_it_is_fine_tuned(toy: Trained, tmp_path: Path) -> None:
    videos = []
    for number in range(11, 16):
        made: LabelledVideo = video(number, "New", labeled_behaviors=((1, 1, "rest"), (1, 2, "waltz")))
        renamed = [dataclasses.replace(e, action="waltz") if e.action == "chase" else e for e in made.events]
        videos.append(dataclasses.replace(made, events=tuple(renamed)))
    base = load_model(toy[0])
    new = dataclasses.replace(training_data(videos), actions=(*base.actions, "waltz"))
    report = fit(new, tmp_path, "", base=base)
    tuned = load_model(tmp_path)
    assert (tuned.family, tuned.labs) == ("toy", ("A", "B", "New"))
    assert tuned.lab_actions["New"] == ["rest", "waltz"]
    assert report["fine_tuned"]["actions_added"] == ["waltz"]
    assert report["validation"]["score"] > 0.5


@pytest.mark.slow
def test_it_is_a_member_of_an_ensemble(data: TrainingData, tmp_path: Path) -> None:
    plan = CrossValidationPlan(("toy:plain",), folds=2, seeds=(0, 1))
    fit_folds(data, tmp_path / "model", plan, {"epochs": 1}, scratch=tmp_path / "out")
    model = load_model(tmp_path / "model")
    assert isinstance(model, Ensemble)
    assert [member.family for member in model.members] == ["toy", "toy"]
    assert explain.describe(tmp_path / "model")["members"] == ["plain", "plain"]


def test_it_is_explained(toy: Trained) -> None:
    model = explain.describe(toy[0])
    assert (model["family"], model["input"]["window"]) == ("toy", 32)
    assert model["features"] == {"encoder": "toy_distances", "version": 1, "count": 3}
    text = explain.lines(model)
    assert "config   configuration plain (toy: width 16)" in text
    assert "features toy_distances, version 1: 3 features" in text


@pytest.mark.slow
def test_it_is_served_by_the_code_that_its_archive_brings(toy: Trained, tmp_path: Path) -> None:
    """The process that serves has only the archive's `code/` on its path, not the distribution."""
    folder, _ = toy
    sys.path.insert(0, str(ROOT / "sagemaker"))
    try:
        train = importlib.import_module("train")
        train.write(train.parse(["--config", "toy"]), {}, folder, tmp_path / "output")
    finally:
        sys.path.remove(str(ROOT / "sagemaker"))
        sys.modules.pop("train", None)
    tracks = video(31, "A").tracks
    frames, animals, parts = np.indices(tracks.xy_TMK2.shape[:3]).reshape(3, -1)
    xy = (tracks.xy_TMK2.reshape(-1, 2) * 10 + 500).round(3)
    names = [UNIFIED_PART_SOURCES[part][0] for part in tracks.parts]
    body = {
        "metadata": {"video_id": 31, "lab_id": "A", "frames_per_second": 30, "pix_per_cm_approx": 10,
                     "behaviors_labeled": ["mouse1,self,rest", "mouse1,mouse2,chase"]},
        "tracking": {"video_frame": frames.tolist(), "mouse_id": (animals + 1).tolist(),
                     "bodypart": [names[k] for k in parts], "x": xy[:, 0].tolist(), "y": xy[:, 1].tolist()},
    }  # fmt: skip
    (tmp_path / "body.json").write_text(json.dumps(body), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(folder), str(tmp_path / "body.json")], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(folder / "code")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events, notes, *files = json.loads(done.stdout.splitlines()[-1])
    assert {event["action"] for event in events} == {"chase", "rest"}
    assert notes == []
    assert all(Path(file).is_relative_to(folder / "code") for file in files)


def test_without_the_distribution_its_model_is_refused_by_name(
    toy: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(TOY)])
    importlib.invalidate_caches()
    with pytest.raises(
        ContractError, match=r"needs the family 'toy'\. There is no model family 'toy'\. Known: boosted, cnn3d"
    ):
        load_model(toy[0])
