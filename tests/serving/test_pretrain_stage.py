"""The pose families through the mock: pre-train on all tracks, train from that, fill in, explain."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_lake  # type: ignore[import-not-found]

from etholake.errors import DataError, UsageError
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.model import explain, pretrain, train
from etholake.stages.model.training_inputs import TrainingOptions
from etholake.stages.serving import predict, serve

pytestmark = pytest.mark.long  # a pre-training, a training and an endpoint


@pytest.fixture(scope="module")
def lake(mock_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made: Settings = small_lake.make(mock_settings, tmp_path_factory.mktemp("pretrain-stage"))
    return made


@pytest.fixture(scope="module")
def pretrained(lake: Settings) -> StageResult:
    return pretrain.run(lake, "pose_bert:smoke")


def test_all_tracks_are_learnt_from_by_a_job(lake: Settings, pretrained: StageResult) -> None:
    assert (pretrained.status, pretrained.details["version"]) == ("done", 1)
    assert len(pretrained.details["losses"]) == 2
    assert "gaps of 15 frames: forward fill " in pretrained.summary
    assert pretrain.run(lake, "pose_bert:smoke").status == "unchanged"
    described = explain.run(lake, pretrained.details["model_uri"])
    assert described["family"] == "pose_bert"
    assert described["reconstruction"] == pretrained.details["reconstruction"]


def test_its_model_is_a_base_that_is_served(lake: Settings, pretrained: StageResult, tmp_path: Path) -> None:
    result = train.run(lake, "", (3,), options=TrainingOptions(base="pretrained"))
    assert result.details["fine_tuned"]["actions_added"]
    serve.run(lake)
    predicted = predict.run(lake, "train", (3,), tmp_path / "out.csv")
    assert predicted.status == "done"


def test_tasks_are_learnt_and_answered_by_the_endpoint(
    lake: Settings, pretrained: StageResult, tmp_path: Path
) -> None:
    file = tmp_path / "values.csv"
    rows = [f"{video},light,{'on' if video % 2 else 'off'}" for lab in small_lake.LABS.values() for video in lab]
    file.write_text("\n".join(["video_id,name,value", *rows]), encoding="utf-8")
    options = TrainingOptions(base="pretrained", tasks=("state:light=on",), values=file)
    result = train.run(lake, "", (), options=options)
    assert result.details["tasks"]["state:light=on"]["videos"] > 0
    assert "task     state:light=on: average precision " in result.summary
    assert train.run(lake, "", (), options=options).status == "unchanged"
    served = serve.run(lake)
    assert [value["task"] for value in served.details["values"]] == ["state:light=on"] * 2
    predicted = predict.run(lake, "train", (3,), tmp_path / "tasks.csv")
    assert [value["mouse_id"] for value in predicted.details["values"]["3"]] == [1, 2]
    rows = query.run_sql(
        lake, "SELECT mouse_id, value FROM task_predictions WHERE run_id = ? AND second IS NULL ORDER BY mouse_id",
        [query.literal(predicted.details["run_id"])],
    ).rows  # fmt: skip
    assert [tuple(row) for row in rows] == [(v["mouse_id"], v["value"]) for v in predicted.details["values"]["3"]]
    file.write_text("video_id,name,value\n1,lihgt,on\n", encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"asks for 'light', which .*values.csv does not have. Did you mean 'lihgt'"
    ):
        train.run(lake, "", (), options=options)


def test_what_cannot_be_pretrained_is_refused_before_a_job(lake: Settings) -> None:
    with pytest.raises(UsageError, match="The family 'boosted' cannot be pre-trained: it learns from labels only"):
        pretrain.run(lake, "boosted")


def test_a_lake_without_tracks_is_refused(lake: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lake of this test has no test split: of that alone nothing is left."""
    monkeypatch.setattr(pretrain, "_TABLES", {"test": pretrain._TABLES["test"]})
    with pytest.raises(DataError, match=r"The curated zone has no tracks: run `make etl` first\."):
        pretrain.run(lake, "pose_bert:smoke")
