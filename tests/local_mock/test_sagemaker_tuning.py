"""Tuning jobs of the mock: strategies, parallel jobs, early stopping, stop, failures; the search by itself."""

import statistics
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sagemaker_lab import Lab

from etholake.settings import Settings
from local_mock.sagemaker.errors import InvalidRequestError
from local_mock.sagemaker.search import Parameter, Search, parameters

# Minimum at rate = 0.01; --bad makes it hopeless and slow, --fail fails.
TRIAL = """
import argparse, math, sys, time
p = argparse.ArgumentParser()
for name in ("rate", "kind", "depth", "epochs"):
    p.add_argument("--" + name)
a, _ = p.parse_known_args()
if a.kind == "fail":
    sys.exit("this kind cannot work")
value = (math.log10(float(a.rate or 0.01)) + 2) ** 2 + (3.0 if a.kind == "bad" else 0.0)
for epoch in range(int(a.epochs or 1)):
    print(f"train_loss={value:.5f}", flush=True)
    time.sleep(0.2 if a.kind == "bad" else 0.02)
"""
RATE = {"ContinuousParameterRanges": [
    {"Name": "rate", "MinValue": "0.0001", "MaxValue": "1", "ScalingType": "Logarithmic"}]}  # fmt: skip


def kinds(*values: str) -> dict[str, Any]:
    return {"CategoricalParameterRanges": [{"Name": "kind", "Values": list(values)}]}


@pytest.fixture(scope="module")
def lab(mock_settings: Settings) -> Lab:
    return Lab(mock_settings)


def tune(lab: Lab, ranges: dict[str, Any], jobs: int | None, parallel: int = 2, **config: Any) -> str:
    base = lab.request(TRIAL)
    definition = {key: base[key] for key in (
        "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig",
        "StoppingCondition")}  # fmt: skip
    static = {k: v for k, v in base["HyperParameters"].items() if k.startswith("sagemaker_")}
    definition["StaticHyperParameters"] = static | config.pop("static", {})
    name = f"tune-{uuid.uuid4().hex[:8]}"
    limits = {"MaxParallelTrainingJobs": parallel} | ({"MaxNumberOfTrainingJobs": jobs} if jobs else {})
    lab.sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Random", "ResourceLimits": limits, "ParameterRanges": ranges, "RandomSeed": 7,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        } | config,
        TrainingJobDefinition=definition,
    )  # fmt: skip
    return name


def ended(lab: Lab, name: str) -> dict[str, Any]:
    for _ in range(1200):
        tuning: dict[str, Any] = lab.sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        if tuning["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped"):
            return tuning
        time.sleep(0.05)
    raise AssertionError(f"{name} has not ended")


def trials(lab: Lab, name: str, **more: Any) -> list[dict[str, Any]]:
    summaries: list[dict[str, Any]] = lab.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, **more
    )["TrainingJobSummaries"]
    return summaries


def value(trial: dict[str, Any]) -> float:
    return float(trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def test_random_search_runs_jobs_side_by_side_and_names_the_best(lab: Lab) -> None:
    name = tune(lab, RATE, 4, parallel=2, static={"epochs": "20"})
    tuning = ended(lab, name)
    assert tuning["HyperParameterTuningJobStatus"] == "Completed", tuning
    assert tuning["TrainingJobStatusCounters"]["Completed"] == 4
    assert tuning["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    by_value = trials(lab, name, SortBy="FinalObjectiveMetricValue", SortOrder="Ascending")
    assert tuning["BestTrainingJob"]["TrainingJobName"] == by_value[0]["TrainingJobName"]
    assert value(by_value[0]) == min(value(t) for t in by_value)
    job = lab.sagemaker.describe_training_job(TrainingJobName=by_value[0]["TrainingJobName"])
    assert job["TuningJobArn"] == tuning["HyperParameterTuningJobArn"]
    assert job["HyperParameters"]["rate"] == by_value[0]["TunedHyperParameters"]["rate"]
    started = sorted(trials(lab, name), key=lambda t: t["CreationTime"])
    assert started[1]["CreationTime"] < started[0]["TrainingEndTime"]  # two at once …
    assert started[2]["CreationTime"] >= min(t["TrainingEndTime"] for t in started[:2])  # … and no third
    listed = lab.sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)["HyperParameterTuningJobSummaries"]
    assert [(j["HyperParameterTuningJobStatus"], j["Strategy"]) for j in listed] == [("Completed", "Random")]


def test_grid_tries_every_combination_once_and_failures_are_counted(lab: Lab) -> None:
    ranges = {"CategoricalParameterRanges": [
        {"Name": "kind", "Values": ["good", "fail"]}, {"Name": "depth", "Values": ["1", "2"]}]}  # fmt: skip
    name = tune(lab, ranges, None, Strategy="Grid")
    job = ended(lab, name)
    points = sorted(tuple(t["TunedHyperParameters"].values()) for t in trials(lab, name))
    assert points == [("fail", "1"), ("fail", "2"), ("good", "1"), ("good", "2")]
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 2
    assert len(trials(lab, name, StatusEquals="Failed")) == 2
    job = ended(lab, tune(lab, kinds("fail"), None, Strategy="Grid"))
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert "this kind cannot work" in job["FailureReason"]


def test_the_median_rule_stops_what_is_hopeless(lab: Lab) -> None:
    name = tune(
        lab, kinds("good", "bad"), None, parallel=1, Strategy="Grid", TrainingJobEarlyStoppingType="Auto",
        static={"epochs": "60"},
    )  # fmt: skip
    job = ended(lab, name)
    good, bad = trials(lab, name)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    assert (good["TrainingJobStatus"], bad["TrainingJobStatus"]) == ("Completed", "Stopped")
    assert (bad["TrainingEndTime"] - bad["TrainingStartTime"]).total_seconds() < 10  # 12 s of sleep alone
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"kind": "good"}


def test_stop_ends_the_training_jobs(lab: Lab) -> None:
    name = tune(lab, kinds("bad"), None, Strategy="Grid", static={"epochs": "200"})
    for _ in range(200):
        if [t["TrainingJobStatus"] for t in trials(lab, name)] == ["InProgress"]:
            break
        time.sleep(0.05)
    lab.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert ended(lab, name)["HyperParameterTuningJobStatus"] == "Stopped"
    assert [t["TrainingJobStatus"] for t in trials(lab, name)] == ["Stopped"]
    with pytest.raises(ClientError, match="in status Stopped"):
        lab.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def test_what_cannot_be_tuned_is_refused(lab: Lab) -> None:
    with pytest.raises(ClientError, match="tunes by Bayesian, Random, Grid, not by 'Hyperband'"):
        tune(lab, RATE, 2, Strategy="Hyperband")
    with pytest.raises(ClientError, match="takes categorical parameters only"):
        tune(lab, RATE, 2, Strategy="Grid")
    with pytest.raises(ClientError, match="metric 'f1' has no metric definition"):
        tune(lab, RATE, 2, HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": "f1"})
    with pytest.raises(ClientError, match="Could not find hyper parameter tuning job"):
        lab.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="nobody")


def bowl(point: dict[str, str]) -> float:
    """Smallest (0) at x = 0.3, n = 4, kind b."""
    return 4 * (float(point["x"]) - 0.3) ** 2 + 0.02 * (int(point["n"]) - 4) ** 2 + (point["kind"] != "b") * 0.3


SPACE = [Parameter("x", low=0, high=1), Parameter("n", low=1, high=9, whole=True), Parameter("kind", ("a", "b"))]


def best_of(strategy: str, seed: int, points: int = 16) -> float:
    search, done = Search(strategy, SPACE, seed), []
    for _ in range(points):
        point = search.next(done, [])
        assert point is not None
        done.append((point, bowl(point)))
    return min(objective for _, objective in done)


@pytest.mark.slow
def test_the_bayesian_search_beats_chance() -> None:
    bayesian = [best_of("Bayesian", seed) for seed in range(3)]
    random = [best_of("Random", seed) for seed in range(12)]
    assert statistics.median(bayesian) < statistics.median(random) / 2
    assert best_of("Bayesian", 1) == best_of("Bayesian", 1)


def test_jobs_that_run_side_by_side_are_not_the_same() -> None:
    search = Search("Bayesian", [SPACE[0]], 3)
    done = [({"x": x}, (float(x) - 0.5) ** 2) for x in ("0.0", "0.25", "0.75", "1.0")]
    first = search.next(done, [])
    assert first is not None
    second = search.next(done, [first])
    assert second is not None
    assert abs(float(first["x"]) - float(second["x"])) > 0.01


def test_ranges_are_read_with_their_scaling() -> None:
    axes = parameters({**RATE, "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "64"}]})
    rate, n = axes
    assert rate.log
    assert not n.log
    assert float(rate.at(0.5)) == pytest.approx(0.01)
    assert rate.encode("0.01") == [pytest.approx(0.5)]
    assert (n.at(0.0), n.at(1.0)) == ("1", "64")
    with pytest.raises(InvalidRequestError, match="is no range"):
        parameters({"ContinuousParameterRanges": [{"Name": "x", "MinValue": "2", "MaxValue": "1"}]})
    with pytest.raises(InvalidRequestError, match="name every parameter once"):
        parameters({})
