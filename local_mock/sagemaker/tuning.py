"""Hyper-parameter tuning: training jobs side by side, chosen by `search`, until the limits of the request.

Early stopping (Auto) is AWS's median rule: a job is stopped when its best value so far is worse than the median
of the running averages that earlier jobs had after as many values.
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-early-stopping.html
"""

from __future__ import annotations

import hashlib
import logging
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.models import HyperParameterTuningJob
from moto.sagemaker.utils import arn_formatter

from local_mock.durable.state import change
from local_mock.sagemaker.errors import InvalidRequestError
from local_mock.sagemaker.models import TrainingJob, filled
from local_mock.sagemaker.search import Point, Search, parameters

__all__ = ["TuningJob", "check_request"]

_log = logging.getLogger("local_mock.sagemaker")
POLL_S = 0.1
FIRST_VALUES = 2  # of the objective before a job may be stopped early
_FROM_DEFINITION = (
    "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig", "ResourceConfig",
    "StoppingCondition", "Environment", "CheckpointConfig", "EnableManagedSpotTraining", "VpcConfig",
    "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
)  # fmt: skip
_COUNTED = {"Completed": "Completed", "Failed": "NonRetryableError", "Stopped": "Stopped"}


def check_request(request: Mapping[str, Any]) -> Search:
    """Refuse what would not be done as asked; the search of the request."""
    config = request["HyperParameterTuningJobConfig"]
    refused = {
        "TrainingJobDefinitions": bool(request.get("TrainingJobDefinitions")),
        "WarmStartConfig": bool(request.get("WarmStartConfig")),
        "Autotune": bool(request.get("Autotune")),
        "HyperParameterTuningResourceConfig": bool(
            (request.get("TrainingJobDefinition") or {}).get("HyperParameterTuningResourceConfig")
        ),
    }
    if wrong := [name for name, given in refused.items() if given]:
        raise InvalidRequestError(
            f"Not supported by local_mock: {', '.join(wrong)}. Give a TrainingJobDefinition."
        )
    definition = request.get("TrainingJobDefinition")
    if not definition or not config.get("HyperParameterTuningJobObjective") or not config.get("ParameterRanges"):
        raise InvalidRequestError(
            "local_mock needs TrainingJobDefinition, HyperParameterTuningJobObjective and ParameterRanges."
        )
    name = config["HyperParameterTuningJobObjective"]["MetricName"]
    metric_names = [d["Name"] for d in definition["AlgorithmSpecification"].get("MetricDefinitions") or []]
    if name not in metric_names:
        raise InvalidRequestError(
            f"The objective metric '{name}' has no metric definition; there are {metric_names}."
        )
    seed = config.get("RandomSeed")
    if seed is None:
        seed = int(hashlib.sha256(request["HyperParameterTuningJobName"].encode()).hexdigest()[:8], 16)
    search = Search(config["Strategy"], parameters(config["ParameterRanges"]), seed)
    if search.size is None and not config["ResourceLimits"].get("MaxNumberOfTrainingJobs"):
        raise InvalidRequestError(f"Strategy {config['Strategy']} needs ResourceLimits.MaxNumberOfTrainingJobs.")
    return search


@dataclass
class _Trial:
    job: TrainingJob
    point: Point
    early: bool = False


class TuningJob(HyperParameterTuningJob):
    """One tuning job: InProgress → Completed | Failed | Stopping → Stopped."""

    def __init__(
        self,
        request: Mapping[str, Any],
        search: Search,
        start: Callable[[Mapping[str, Any]], TrainingJob],
        account: str,
        region: str,
    ) -> None:
        self.request, self._search, self._start = dict(request), search, start
        self.hyper_parameter_tuning_job_name: str = request["HyperParameterTuningJobName"]
        self.arn = arn_formatter(
            "hyper-parameter-tuning-job", self.hyper_parameter_tuning_job_name, account, region
        )
        self.hyper_parameter_tuning_job_config: dict[str, Any] = request["HyperParameterTuningJobConfig"]
        self.tags = list(request.get("Tags") or [])
        self.creation_time = self.last_modified_time = utcnow()
        self.hyper_parameter_tuning_end_time: Any = None
        self.hyper_parameter_tuning_job_status = "InProgress"
        self.failure_reason = ""
        self._trials: list[_Trial] = []
        self._stop = threading.Event()
        objective = self.hyper_parameter_tuning_job_config["HyperParameterTuningJobObjective"]
        self._metric: str = objective["MetricName"]
        self._sign = -1.0 if objective["Type"] == "Maximize" else 1.0
        self._type: str = objective["Type"]

    @property
    def ended(self) -> bool:
        return self.hyper_parameter_tuning_job_status in {"Completed", "Failed", "Stopped"}

    def run(self) -> None:
        """Start it, in a thread."""
        threading.Thread(
            target=self._run, name=f"tuning-{self.hyper_parameter_tuning_job_name}", daemon=True
        ).start()

    def stop(self) -> None:
        self.hyper_parameter_tuning_job_status = "Stopping"
        self._stop.set()

    # --- the run ----------------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            self._try_points()
            status = "Stopped" if self._stop.is_set() else "Completed"
            if status == "Completed" and not any(self._value(t) is not None for t in self._trials):
                status, self.failure_reason = "Failed", self._why_none()
        except Exception as err:
            _log.exception("tuning job %s", self.hyper_parameter_tuning_job_name)
            status, self.failure_reason = "Failed", f"InternalServerError: {type(err).__name__}: {err}"
            self._end_all()
        with change("sagemaker"):
            self.hyper_parameter_tuning_end_time = self.last_modified_time = utcnow()
            self.hyper_parameter_tuning_job_status = status

    def _try_points(self) -> None:
        limits = self.hyper_parameter_tuning_job_config["ResourceLimits"]
        most = limits.get("MaxNumberOfTrainingJobs") or self._search.size
        assert most is not None  # check_request
        out_of_points = False
        began = time.monotonic()
        while True:
            running = [t for t in self._trials if not t.job.ended]
            out_of_time = time.monotonic() - began > limits.get("MaxRuntimeInSeconds", float("inf"))
            enough = self._stop.is_set() or self._on_target() or out_of_time
            if enough:
                self._end_all()
            out_of_points = out_of_points or enough or len(self._trials) >= most
            if not out_of_points and len(running) < limits["MaxParallelTrainingJobs"]:
                point = self._search.next(self._evaluated_points(), [t.point for t in running])
                if point is None:
                    out_of_points = True
                else:
                    self._launch(point)
                continue
            if not running and out_of_points:
                return
            if self.hyper_parameter_tuning_job_config.get("TrainingJobEarlyStoppingType") == "Auto":
                self._stop_hopeless(running)
            time.sleep(POLL_S)

    def _launch(self, point: Point) -> None:
        definition = self.request["TrainingJobDefinition"]
        name = f"{self.hyper_parameter_tuning_job_name}-{len(self._trials) + 1:03d}-{uuid.uuid4().hex[:8]}"
        request = {key: definition[key] for key in _FROM_DEFINITION if definition.get(key) is not None}
        request["TrainingJobName"] = name
        request["HyperParameters"] = {**(definition.get("StaticHyperParameters") or {}), **point}
        if checkpoints := request.get("CheckpointConfig"):  # of each job its own
            request["CheckpointConfig"] = {**checkpoints, "S3Uri": f"{checkpoints['S3Uri'].rstrip('/')}/{name}"}
        job = self._start(request)
        job.tuning_job_arn = self.arn
        self._trials.append(_Trial(job, point))
        self.last_modified_time = utcnow()

    def _end_all(self) -> None:
        for trial in self._trials:
            self._end(trial)

    def _end(self, trial: _Trial) -> None:
        if trial.job.training_job_status == "InProgress":
            trial.job.move("Stopping", "Stopping the training job", status="Stopping")
            trial.job.runner.stop()

    def _stop_hopeless(self, running: list[_Trial]) -> None:
        """Stop running trials that are worse than the median of the ended ones at the same point."""
        earlier = [self._signed(t) for t in self._trials if t.job.training_job_status == "Completed"]
        for trial in running:
            values = self._signed(trial)
            if len(values) < FIRST_VALUES:
                continue
            averages = [statistics.fmean(e[: len(values)]) for e in earlier if len(e) >= len(values)]
            if averages and min(values) > statistics.median(averages):
                trial.early = True
                self._end(trial)

    def _signed(self, trial: _Trial) -> list[float]:
        return [self._sign * value for value in trial.job.runner.metric(self._metric)]

    def _value(self, trial: _Trial) -> float | None:
        """Return the final objective of an ended job, None if it has none."""
        if not trial.job.ended or trial.job.training_job_status == "Failed":
            return None
        return next((float(m["Value"]) for m in trial.job.metrics if m["MetricName"] == self._metric), None)

    def _evaluated_points(self) -> list[tuple[Point, float]]:
        values = [(t.point, self._value(t)) for t in self._trials]
        return [(point, self._sign * value) for point, value in values if value is not None]

    def _best(self) -> _Trial | None:
        """Return the best of the completed jobs (a job that was stopped early has no model of its last epoch)."""
        done = [t for t in self._trials if t.job.training_job_status == "Completed" and self._value(t) is not None]
        return min(done, key=lambda t: self._sign * (self._value(t) or 0.0)) if done else None

    def _on_target(self) -> bool:
        criteria = self.hyper_parameter_tuning_job_config.get("TuningJobCompletionCriteria") or {}
        target, best = criteria.get("TargetObjectiveMetricValue"), self._best()
        if target is None or best is None:
            return False
        return bool(self._sign * (self._value(best) or 0.0) <= self._sign * float(target))

    def _why_none(self) -> str:
        reasons = [t.job.failure_reason for t in self._trials if t.job.failure_reason]
        return f"No training job gave a value of '{self._metric}'. {reasons[0] if reasons else ''}".strip()[:1024]

    # --- what the API shows -----------------------------------------------------------------------------------
    def trials(self) -> list[dict[str, Any]]:
        """Return the summaries of the training jobs, in the order of their start."""
        return [self._summary(trial) for trial in list(self._trials)]

    def _summary(self, trial: _Trial) -> dict[str, Any]:
        job, value = trial.job, self._value(trial)
        final = {"Type": self._type, "MetricName": self._metric, "Value": value} if value is not None else None
        return filled(
            {
                "TrainingJobName": job.training_job_name,
                "TrainingJobArn": job.arn,
                "CreationTime": job.creation_time,
                "TrainingStartTime": job.training_start_time,
                "TrainingEndTime": job.training_end_time,
                "TrainingJobStatus": job.training_job_status,
                "TunedHyperParameters": trial.point,
                "FailureReason": job.failure_reason,
                "FinalHyperParameterTuningJobObjectiveMetric": final,
                "ObjectiveStatus": "Pending" if not job.ended else "Failed" if value is None else "Succeeded",
            }
        )

    @property
    def training_job_status_counters(self) -> dict[str, int]:
        counters = dict.fromkeys(("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0)
        for trial in list(self._trials):
            counters[_COUNTED.get(trial.job.training_job_status, "InProgress")] += 1
        return counters

    @property
    def objective_status_counters(self) -> dict[str, int]:
        statuses = [summary["ObjectiveStatus"] for summary in self.trials()]
        return {name: statuses.count(name) for name in ("Succeeded", "Pending", "Failed")}

    def describe(self) -> dict[str, Any]:
        best = self._best()
        used = sum((t.job.response_object.get("BillableTimeInSeconds") or 0) for t in list(self._trials))
        return filled(
            {
                "HyperParameterTuningJobName": self.hyper_parameter_tuning_job_name,
                "HyperParameterTuningJobArn": self.arn,
                "HyperParameterTuningJobConfig": self.hyper_parameter_tuning_job_config,
                "TrainingJobDefinition": self.request["TrainingJobDefinition"],
                "HyperParameterTuningJobStatus": self.hyper_parameter_tuning_job_status,
                "CreationTime": self.creation_time,
                "HyperParameterTuningEndTime": self.hyper_parameter_tuning_end_time,
                "LastModifiedTime": self.last_modified_time,
                "TrainingJobStatusCounters": self.training_job_status_counters,
                "ObjectiveStatusCounters": self.objective_status_counters,
                "BestTrainingJob": self._summary(best) if best else None,
                "FailureReason": self.failure_reason,
                "ConsumedResources": {"RuntimeInSeconds": used},
            }
        )
