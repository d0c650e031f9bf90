"""Service integrations that wait for a job (`.sync`).

`JOBS` is the table: how a job is asked after, when it has ended, and how it is stopped when its state is aborted
or times out. Which calls AWS makes: https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from local_mock.stepfunctions.clients import client_for
from local_mock.stepfunctions.errors import error_named

__all__ = ["ACTIONS", "JOBS", "PREFIXES", "ServiceTask", "WaitedJob", "plain"]

_log = logging.getLogger("local_mock.stepfunctions")
POLL_S, POLL_MAX_S = 0.2, 2.0
Document = Mapping[str, Any]


@dataclass(frozen=True)
class WaitedJob:
    """A job behind one action: `names` picks, from (request, answer), the arguments of `describe` and `stop`.

    The job's status is at `status` (a path) of the description; `result` is the part that becomes the output.
    `echo` are members of the request that the output of the start call repeats.
    """

    describe: str
    names: Callable[[Document, Document], dict[str, Any]]
    status: tuple[str, ...]
    succeeded: frozenset[str]
    failed: frozenset[str]
    stop: str
    stop_names: Callable[[Document, Document], dict[str, Any]] | None = None
    result: str = ""
    echo: tuple[str, ...] = ()


def _sagemaker(kind: str, noun: str) -> WaitedJob:
    name = f"{kind}JobName"
    return WaitedJob(
        describe=f"describe_{noun}_job",
        names=lambda request, _: {name: request[name]},
        status=(f"{kind}JobStatus",),
        succeeded=frozenset({"Completed"}),
        failed=frozenset({"Failed", "Stopped"}),
        stop=f"stop_{noun}_job",
    )


def _query(_: Document, answer: Document) -> dict[str, Any]:
    return {"QueryExecutionId": answer["QueryExecutionId"]}


JOBS: Mapping[tuple[str, str], WaitedJob] = {
    ("glue", "start_job_run"): WaitedJob(
        describe="get_job_run",
        names=lambda request, answer: {"JobName": request["JobName"], "RunId": answer["JobRunId"]},
        status=("JobRun", "JobRunState"),
        succeeded=frozenset({"SUCCEEDED"}),
        failed=frozenset({"FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"}),
        stop="batch_stop_job_run",
        stop_names=lambda request, answer: {"JobName": request["JobName"], "JobRunIds": [answer["JobRunId"]]},
        result="JobRun",
        echo=("JobName",),
    ),
    ("athena", "start_query_execution"): WaitedJob(
        describe="get_query_execution",
        names=_query,
        status=("QueryExecution", "Status", "State"),
        succeeded=frozenset({"SUCCEEDED"}),
        failed=frozenset({"FAILED", "CANCELLED"}),
        stop="stop_query_execution",
    ),
    ("sagemaker", "create_training_job"): _sagemaker("Training", "training"),
    ("sagemaker", "create_transform_job"): _sagemaker("Transform", "transform"),
    ("sagemaker", "create_processing_job"): _sagemaker("Processing", "processing"),
    ("sagemaker", "create_hyper_parameter_tuning_job"): WaitedJob(
        describe="describe_hyper_parameter_tuning_job",
        names=lambda request, _: {"HyperParameterTuningJobName": request["HyperParameterTuningJobName"]},
        status=("HyperParameterTuningJobStatus",),
        succeeded=frozenset({"Completed"}),
        failed=frozenset({"Failed", "Stopped"}),
        stop="stop_hyper_parameter_tuning_job",
    ),
}
# Actions of these services that Step Functions integrates: all else is `aws-sdk:`.
ACTIONS: Mapping[str, frozenset[str]] = {
    "glue": frozenset({"start_job_run"}),
    "athena": frozenset({
        "start_query_execution", "stop_query_execution", "get_query_execution", "get_query_results",
    }),
    "sagemaker": frozenset({
        *(action for service, action in JOBS if service == "sagemaker"), "create_model",
        "create_endpoint_config", "create_endpoint", "update_endpoint",
    }),
}  # fmt: skip
# How error names begin. https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
PREFIXES = {"glue": "Glue", "athena": "Athena", "sagemaker": "SageMaker", "s3": "S3", "sns": "Sns", "logs": "Logs"}


class ServiceTask(StateTaskServiceCallback):
    """A task of an integrated service: one call, and with `.sync` the wait for the job that it started."""

    def __init__(self) -> None:
        super().__init__(supported_integration_patterns={ResourceCondition.Sync})

    def _validate_service_integration_is_supported(self) -> None:
        service, action = self.resource.service_name, self._get_boto_service_action()
        condition = self.resource.condition
        if action not in ACTIONS[service]:
            raise ValueError(f"The resource {self.resource.resource_arn} is no integration of {service}.")
        if condition not in (None, ResourceCondition.Sync) or (condition and (service, action) not in JOBS):
            raise ValueError(f"{self.resource.resource_arn}: '.{condition}' is not supported for {action}.")

    def _eval_service_task(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: dict[str, Any], state_credentials: Any
    ) -> None:
        service, action = self.resource.service_name, self._get_boto_service_action()
        client = client_for(resource_runtime_part.region, service, state_credentials)
        answer = plain(getattr(client, action)(**normalised_parameters))
        job = JOBS.get((service, action))
        for name in job.echo if job else ():
            answer[name] = normalised_parameters[name]
        env.stack.append(answer)

    def _eval_integration_pattern(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: dict[str, Any], state_credentials: Any
    ) -> None:
        """Wait for the job; stop it if its state is aborted or has timed out meanwhile."""
        answer = env.stack.pop()
        service = self.resource.service_name
        job = JOBS[service, self._get_boto_service_action()]
        client = client_for(resource_runtime_part.region, service, state_credentials)
        names = job.names(normalised_parameters, answer)
        pause = POLL_S
        while env.is_running():
            description = plain(getattr(client, job.describe)(**names))
            state = _at(description, job.status)
            result = (description[job.result] | {n: answer[n] for n in job.echo}) if job.result else description
            if state in job.succeeded:
                env.stack.append(result)
                return
            if state in job.failed:
                raise FailureEventException(self._failure(env, "States.TaskFailed", to_json_str(result)))
            env.program_state_event.wait(pause)
            pause = min(pause * 1.3, POLL_MAX_S)
        chosen = job.stop_names(normalised_parameters, answer) if job.stop_names else names
        with contextlib.suppress(ClientError, BotoCoreError):  # it may have ended in this moment
            getattr(client, job.stop)(**chosen)
        env.stack.append(None)

    def _from_error(self, env: Any, ex: Exception) -> Any:
        if isinstance(ex, ClientError):
            error, meta = ex.response["Error"], ex.response["ResponseMetadata"]
            name = f"{PREFIXES[self.resource.service_name]}.{error['Code']}"
            where = f"Service: {self.resource.service_name}; Status Code: {meta['HTTPStatusCode']}"
            cause = f"{error['Message']} ({where})"
            return self._failure(env, name, cause)
        return super()._from_error(env=env, ex=ex)

    def _failure(self, env: Any, error: str, cause: str) -> FailureEvent:
        details = TaskFailedEventDetails(
            error=error,
            cause=cause,
            resource=self._get_sfn_resource(),
            resourceType=self._get_sfn_resource_type(),
        )
        return FailureEvent(
            env=env,
            error_name=error_named(error),
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),
        )


def plain(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer as JSON: dates become text, as in the state's output."""
    content = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
    plain: dict[str, Any] = json.loads(to_json_str(content))
    return plain


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        document = document[name]
    return document
