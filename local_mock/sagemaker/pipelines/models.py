"""The state of executions and of their steps, as the API shows it. It is kept over a restart."""

from __future__ import annotations

import datetime as dt
import secrets
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.models import FakePipelineExecution

from local_mock.sagemaker.models import filled

__all__ = ["PipelineExecution", "StepRun"]

_ID = string.ascii_lowercase + string.digits


@dataclass
class StepRun:
    """One step of one execution: Starting, Executing → Succeeded | Failed | Stopping → Stopped.

    `properties` is what other steps can refer to, `digest` says what it does (for caching).
    """

    name: str
    display_name: str
    description: str
    started: dt.datetime
    status: str = "Starting"
    ended: dt.datetime | None = None
    reason: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    attempts: int = 1
    digest: str = ""
    cached_from: str = ""

    @property
    def outcome(self) -> str:
        """Return how it ended, in the words of a dependency's trigger; "" while it runs."""
        return {"Succeeded": "Completed", "Failed": "Failed", "Stopped": "Stopped"}.get(self.status, "")

    def response(self) -> dict[str, Any]:
        """Return the member of ListPipelineExecutionSteps."""
        return filled(
            {
                "StepName": self.name,
                "StepDisplayName": self.display_name,
                "StepDescription": self.description,
                "StartTime": self.started,
                "EndTime": self.ended,
                "StepStatus": self.status,
                "FailureReason": self.reason[:1024],
                "Metadata": self.metadata,
                "AttemptCount": self.attempts,
                "CacheHitResult": {"SourcePipelineExecutionArn": self.cached_from} if self.cached_from else None,
            }
        )


class PipelineExecution(FakePipelineExecution):
    """One execution: Executing → Succeeded | Failed | CompletedWithFailures; Stopping → Stopped."""

    def __init__(self, pipeline: Any, request: Mapping[str, Any]) -> None:
        self.id = "".join(secrets.choice(_ID) for _ in range(12))
        self.pipeline_name: str = pipeline.pipeline_name
        self.pipeline_arn: str = pipeline.arn
        self.arn = f"{pipeline.arn}/execution/{self.id}"
        self.role_arn: str = request.get("RoleArn") or pipeline.role_arn
        self.pipeline_execution_display_name = (
            request.get("PipelineExecutionDisplayName") or f"execution-{time.time_ns() // 1_000_000}"
        )
        self.pipeline_execution_description = request.get("PipelineExecutionDescription")
        self.pipeline_parameters = list(request.get("PipelineParameters") or [])
        self.parallelism_configuration = (
            request.get("ParallelismConfiguration") or pipeline.parallelism_configuration
        )
        self.pipeline_definition_for_execution = pipeline.pipeline_definition
        self.client_request_token = request["ClientRequestToken"]
        self.creation_time = self.start_time = self.last_modified_time = utcnow()
        self.pipeline_execution_status = "Executing"
        self.pipeline_execution_failure_reason = ""
        self.experiment: dict[str, str] = {}
        self.steps: dict[str, StepRun] = {}
        self.runner: Any = None

    @classmethod
    def adopt(cls, pipeline: Any, kept: FakePipelineExecution) -> PipelineExecution:
        """Return an execution that an earlier version has kept: moto's, which succeeded without a step."""
        made = cls(pipeline, {"ClientRequestToken": kept.client_request_token})
        made.__dict__.update(vars(kept), id=kept.arn.rpartition("/")[2])
        return made

    @property
    def ended(self) -> bool:
        return self.pipeline_execution_status not in {"Executing", "Stopping"}

    def become(self, status: str, reason: str = "") -> None:
        """Enter a status; steps that still run are over with the execution."""
        self.pipeline_execution_status, self.pipeline_execution_failure_reason = status, reason
        self.last_modified_time = utcnow()

    def lose(self, reason: str) -> None:
        """End it, and the steps that ran, because the server has ended."""
        for run in self.steps.values():
            if not run.outcome:
                run.status, run.reason, run.ended = "Failed", reason, utcnow()
        self.become("Failed", reason)

    def description(self) -> dict[str, Any]:
        """Return the answer of DescribePipelineExecution."""
        return filled(
            {
                "PipelineArn": self.pipeline_arn,
                "PipelineExecutionArn": self.arn,
                "PipelineExecutionDisplayName": self.pipeline_execution_display_name,
                "PipelineExecutionStatus": self.pipeline_execution_status,
                "PipelineExecutionDescription": self.pipeline_execution_description,
                "PipelineExperimentConfig": self.experiment,
                "FailureReason": self.pipeline_execution_failure_reason,
                "CreationTime": self.creation_time,
                "LastModifiedTime": self.last_modified_time,
                "ParallelismConfiguration": self.parallelism_configuration,
                "RoleArn": self.role_arn,
            }
        )

    def summary(self) -> dict[str, Any]:
        """Return the member of ListPipelineExecutions."""
        return filled(
            {
                "PipelineExecutionArn": self.arn,
                "StartTime": self.start_time,
                "PipelineExecutionStatus": self.pipeline_execution_status,
                "PipelineExecutionDescription": self.pipeline_execution_description,
                "PipelineExecutionDisplayName": self.pipeline_execution_display_name,
                "PipelineExecutionFailureReason": self.pipeline_execution_failure_reason,
            }
        )
