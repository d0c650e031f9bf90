"""Stage tune on the mock: a real tuning job over the real training, and the request that makes it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import small_lake  # type: ignore[import-not-found]
from botocore.session import get_session
from botocore.validate import ParamValidator

from etholake.errors import AwsError, SettingsError, UsageError
from etholake.models.registry import config_names, resolve
from etholake.settings import Settings
from etholake.stages.job_settings import job_settings
from etholake.stages.model import training_result, tune

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lake(mock_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made: Settings = small_lake.make(mock_settings, tmp_path_factory.mktemp("tune-stage"))
    return made


@pytest.mark.long
def test_tune_runs_jobs_and_finds_the_best(lake: Settings) -> None:
    lines: list[Any] = []
    ranges = {"lr": {"low": 0.001, "high": 0.01, "log": True}, "convs": {"low": 1, "high": 3, "whole": True}}
    wish = {"strategy": "Random", "jobs": 2, "parallel": 2, "ranges": ranges, "early_stopping": "Off"}
    done = tune.run(lake, "smoke", (3,), lambda *row: lines.append(row), **wish)
    trials = done.details["trials"]
    assert [t["status"] for t in trials] == ["Completed", "Completed"]
    assert done.details["best"]["objective"] == max(t["objective"] for t in trials)
    assert done.details["best"]["model_uri"].startswith(f"s3://{lake.bucket}/model-zone/tuning/etholake-")
    meta = training_result.model_metadata(
        lake, done.details["best"]["model_uri"]
    )  # the parameters have reached the model
    best = done.details["best"]["parameters"]
    assert meta["config"]["convs"] == int(best["convs"])
    assert meta["config"]["lr"] == pytest.approx(float(best["lr"]))
    assert lines[-1][:2] == (2, 2)
    assert tune.run(lake, "smoke", (3,), **wish).status == "unchanged"
    with pytest.raises(AwsError, match="ended as Failed: No training job gave a value of 'val_score'"):
        tune.run(lake, "smoke", strategy="Grid", ranges={"batch": {"values": [0]}})


@pytest.mark.parametrize("strategy", ["Bayesian", "Grid"])
def test_the_request_is_one_that_aws_takes(strategy: str) -> None:
    options = job_settings()["tuning"] | {"strategy": strategy, "ranges": tune.ranges("tiny", {})}
    request = tune.tuning_request(Settings(), "t", {"config": "tiny"}, "arn:aws:iam::123456789012:role/r", options)
    shape = (
        get_session().get_service_model("sagemaker").operation_model("CreateHyperParameterTuningJob").input_shape
    )
    assert not ParamValidator().validate(request, shape).has_errors()
    limits = request["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert ("MaxNumberOfTrainingJobs" in limits) == (strategy == "Bayesian")


def test_a_range_is_checked() -> None:
    with pytest.raises(SettingsError, match="needs 'values', or 'low' and 'high'"):
        tune.ranges_request({"lr": {"low": 1}})
    with pytest.raises(SettingsError, match=r"unknown entries \['lowest'\]"):
        tune.ranges_request({"lr": {"lowest": 1}})


def test_a_field_that_is_tuned_is_not_given() -> None:
    with pytest.raises(UsageError, match=r"The fields dropout, lr are tuned: leave them out"):
        tune.run(Settings(), "cnn3d:smoke", fields={"lr": 0.1, "dropout": 0.0, "epochs": 1})


def test_the_ranges_come_from_the_family_unless_the_settings_name_some() -> None:
    own = {"lr": {"low": 0.1, "high": 0.2}}
    for config in config_names():
        assert tune.ranges(config, {}) == resolve(config)[0].tuning_ranges != {}
    assert "dropout" in tune.ranges("small", {})
    assert "eta" in tune.ranges("boosted", job_settings()["tuning"]["ranges"])
    assert tune.ranges("cnn_transformer:small", own) == own
    with pytest.raises(SettingsError, match=r"ranges \['lr'\] are for no field of the configuration 'boosted'"):
        tune.ranges("boosted", own)
    with pytest.raises(UsageError, match=r"no model configuration 'smokey'.* Did you mean 'smoke'\?"):
        tune.ranges("smokey", {})


def test_the_trial_turns_fields_into_overrides() -> None:
    code = "import sys; sys.path.insert(0, 'sagemaker'); import trial; print(trial.arguments(sys.argv[1:]))"
    words = ["--config", "tiny", "--lr", "0.001", "--convs", "3", "--overrides", '{"width": 32}']
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wanted = ["--config", "tiny", "--overrides", '{"lr": 0.001, "convs": 3, "width": 32}']
    assert done.stdout.strip() == str(wanted)
