"""The states that the API shows: training jobs, transform jobs, endpoints. What they do is in the runners.

They stand in for moto's objects in its back end, so that listing, tags and deletion stay moto's. Each keeps the
request as it was made and answers describe calls from it.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Mapping
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.models import FakeEndpoint, FakeTrainingJob, FakeTransformJob

from local_mock.durable.state import change, changes
from local_mock.sagemaker.errors import InvalidRequestError

__all__ = ["Endpoint", "TrainingJob", "TransformJob", "check_name", "filled"]

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


def check_name(name: str, what: str, longest: int = 63) -> None:
    """Refuse a name that AWS refuses (it also becomes a folder here)."""
    if len(name) > longest:
        raise InvalidRequestError(f"'{name}' at '{what}' must have at most {longest} characters.")
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(
            f"1 validation error detected: Value '{name}' at '{what}' failed to satisfy constraint: Member must "
            f"satisfy regular expression pattern: ^{_NAME.pattern}$"
        )


def filled(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the structure without empty members: the SDK's models refuse an empty structure."""
    return {key: value for key, value in answer.items() if value not in (None, "", [], {})}


class TrainingJob(FakeTrainingJob):
    """One training job: InProgress (Starting, Downloading, Training, Uploading) → Completed | Failed | Stopped."""

    def __init__(self, request: Mapping[str, Any], account_id: str, region_name: str) -> None:
        self.request = dict(request)
        self.training_job_name: str = request["TrainingJobName"]
        self.arn = self.arn_formatter(self.training_job_name, account_id, region_name)
        self.tags = list(request.get("Tags") or [])
        self.creation_time = self.last_modified_time = utcnow()
        self.training_start_time = self.training_end_time = None
        self.training_job_status = "InProgress"
        self.secondary_status = ""
        self.failure_reason = ""
        self.transitions: list[dict[str, Any]] = []
        self.metrics: list[dict[str, Any]] = []
        self.artifact = ""
        self.runner: Any = None
        self.tuning_job_arn = ""
        self.reused_by = ""
        self._trained_s = 0.0
        self._lock = threading.RLock()
        self.move("Starting", "Preparing the instances for training")

    @property
    def ended(self) -> bool:
        return self.training_job_status in {"Completed", "Failed", "Stopped"}

    def move(self, secondary: str, message: str, *, status: str | None = None, reason: str = "") -> None:
        """Enter a secondary status (and, with `status`, a primary one)."""
        with change("sagemaker") if status else contextlib.nullcontext(), self._lock:
            now = utcnow()
            if self.transitions and "EndTime" not in self.transitions[-1]:
                last = self.transitions[-1]
                last["EndTime"] = now
                if last["Status"] in ("Training", "Uploading"):
                    self._trained_s += (now - last["StartTime"]).total_seconds()
            self.transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message})
            self.secondary_status, self.last_modified_time = secondary, now
            if secondary == "Training" and self.training_start_time is None:
                self.training_start_time = now
            if status:
                self.failure_reason = reason
                self.training_job_status = status
                if self.ended:
                    self.training_end_time = self.transitions[-1]["EndTime"] = now

    @property
    def response_object(self) -> dict[str, Any]:
        with self._lock:
            answer = {key: value for key, value in self.request.items() if key != "Tags"}
            answer |= {
                "TrainingJobArn": self.arn,
                "TrainingJobStatus": self.training_job_status,
                "SecondaryStatus": self.secondary_status,
                "SecondaryStatusTransitions": [dict(t) for t in self.transitions],
                "FailureReason": self.failure_reason,
                "CreationTime": self.creation_time,
                "LastModifiedTime": self.last_modified_time,
                "TrainingStartTime": self.training_start_time,
                "TrainingEndTime": self.training_end_time,
                "FinalMetricDataList": list(self.metrics),
                "ModelArtifacts": {"S3ModelArtifacts": self.artifact} if self.artifact else None,
            }
            if self.training_start_time and self.training_end_time:
                seconds = max(1, round(self._trained_s))  # interruptions left out
                answer["TrainingTimeInSeconds"] = answer["BillableTimeInSeconds"] = seconds
            answer["WarmPoolStatus"] = self.warm_pool
            answer["TuningJobArn"] = self.tuning_job_arn
            return filled(answer)

    @property
    def warm_pool(self) -> dict[str, Any] | None:
        """State only: nothing is kept warm here. Available after the job, until reused or the period is over."""
        period = self.request["ResourceConfig"].get("KeepAlivePeriodInSeconds")
        if not period:
            return None
        if self.training_job_status == "InProgress" or self.training_end_time is None:
            return {"Status": "InUse"}
        idle = (utcnow() - self.training_end_time).total_seconds()
        if self.reused_by:
            return {"Status": "Reused", "ReusedByJob": self.reused_by}
        status = "Available" if idle < period else "Terminated"
        return {"Status": status, "ResourceRetainedBillableTimeInSeconds": round(min(idle, period))}


class TransformJob(FakeTransformJob):
    """One batch transform: InProgress → Completed | Failed | Stopped."""

    def __init__(self, request: Mapping[str, Any], account_id: str, region_name: str) -> None:
        self.request = dict(request)
        self.transform_job_name: str = request["TransformJobName"]
        self.model_name: str = request["ModelName"]
        self.arn = self.arn_formatter(self.transform_job_name, account_id, region_name)
        self.tags = list(request.get("Tags") or [])
        self.creation_time = self.last_modified_time = utcnow()
        self.transform_start_time = self.transform_end_time = None
        self.transform_job_status = "InProgress"
        self.failure_reason = ""
        self.runner: Any = None

    @property
    def ended(self) -> bool:
        return self.transform_job_status in {"Completed", "Failed", "Stopped"}

    def start(self) -> None:
        self.transform_start_time = self.last_modified_time = utcnow()

    @changes("sagemaker")
    def end(self, status: str, reason: str = "") -> None:
        self.transform_end_time = self.last_modified_time = utcnow()
        self.failure_reason = reason
        self.transform_job_status = status

    @property
    def response_object(self) -> dict[str, Any]:
        answer = {key: value for key, value in self.request.items() if key != "Tags"}
        return filled(
            answer
            | {
                "TransformJobArn": self.arn,
                "TransformJobStatus": self.transform_job_status,
                "FailureReason": self.failure_reason,
                "CreationTime": self.creation_time,
                "TransformStartTime": self.transform_start_time,
                "TransformEndTime": self.transform_end_time,
            }
        )


class Endpoint(FakeEndpoint):
    """One endpoint: Creating → InService | Failed; Updating → InService; Deleting → gone."""

    runner: Any = None
    async_inference_config: Mapping[str, Any] | None = None

    def capture(self, config: Mapping[str, Any] | None) -> None:
        """Return the part of a description that tells about data capture."""
        if not config:
            self.data_capture_config = {}
            return
        enabled = bool(config.get("EnableCapture"))
        self.data_capture_config = {
            "EnableCapture": enabled,
            "CaptureStatus": "Started" if enabled else "Stopped",
            "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
            "DestinationS3Uri": config["DestinationS3Uri"],
            "KmsKeyId": config.get("KmsKeyId") or "none",
        }

    @property
    def response_object(self) -> dict[str, Any]:
        return filled(
            {
                "EndpointName": self.endpoint_name,
                "EndpointArn": self.arn,
                "EndpointConfigName": self.endpoint_config_name,
                "ProductionVariants": self.production_variants,
                "DataCaptureConfig": self.data_capture_config,
                "AsyncInferenceConfig": self.async_inference_config,
                "EndpointStatus": self.endpoint_status,
                "FailureReason": self.failure_reason,
                "CreationTime": self.creation_time,
                "LastModifiedTime": self.last_modified_time,
            }
        )

    @changes("sagemaker")
    def become(self, status: str, reason: str = "") -> None:
        self.failure_reason = reason
        self.last_modified_time = utcnow()
        self.endpoint_status = status
