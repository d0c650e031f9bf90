"""`train --from` as a job on the mock, with the real SDK: the model as a channel; and what `explain` then says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import small_lake  # type: ignore[import-not-found]

from etholake.errors import DataError, UsageError
from etholake.settings import Settings
from etholake.stages.model import explain, models, train
from etholake.stages.model.train import TrainingOptions


@pytest.fixture(scope="module")
def lake(mock_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made: Settings = small_lake.make(mock_settings, tmp_path_factory.mktemp("finetune-stage"))
    return made


def test_a_model_of_one_lab_goes_on_with_another(lake: Settings, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The lake has no model of `etholake train` yet"):
        train.run(lake, "smoke", options=TrainingOptions(base="current"))
    first = train.run(lake, "smoke", options=TrainingOptions(labs=("Lab A",)))
    assert {span["lab_id"] for part in first.details["split"].values() for span in part} == {"Lab A"}
    assert "split train: 3 of 6 videos differ from those that taught the model" in first.summary
    assert "4 (no video of its lab Lab B taught)" in first.summary
    options = TrainingOptions(base=first.details["model_uri"], labs=("Lab B",))
    tuned = train.run(lake, "its own", options=options)
    assert tuned.details["fine_tuned"]["labs_added"] == ["Lab B"]
    assert "added: Lab B" in tuned.summary
    assert "differ from" not in tuned.summary, (
        "the base was taught by Lab A, this training says not by which videos"
    )
    assert train.run(lake, "its own", options=options).status == "unchanged"

    explained = explain.run(lake, "current")
    assert list(explained["labs"]) == ["Lab A", "Lab B"]
    assert explained["labs"]["Lab A"]["chase"]["training_seconds"] > 0
    assert explained["config"]["name"] == "smoke"
    assert explained["input"] == {"fps": 30.0, "min_fps": 5.0, "window": 32, "window_s": pytest.approx(32 / 30)}
    assert explained["parts"]["nose"] == ["nose", "head"]
    json.dumps(explained)
    text = "\n".join(explain.lines(explained))
    assert "tuned    from" in text
    assert "lab Lab B" in text

    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(models.pack(lake, "current"))
    with models.unpacked(lake, str(archive)) as folder:
        assert explain.describe(folder) == explained
        staged = [models.stage(lake, models.pack(lake, str(place))) for place in (folder, archive)]
        assert staged[0] == staged[1]


def test_what_cannot_be_fine_tuned_is_told(lake: Settings, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"no model at 'nowhere': expected a folder, a model\.tar\.gz, an s3:// URI of one, `current`",
    ):
        train.run(lake, "its own", options=TrainingOptions(base="nowhere"))
    with pytest.raises(UsageError, match="fine-tunes one model: leave --folds out"):
        train.run(lake, "its own", options=TrainingOptions(base="nowhere", folds=2))
    (tmp_path / "model.tar.gz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="not the archive of a model"):
        explain.run(lake, str(tmp_path / "model.tar.gz"))
