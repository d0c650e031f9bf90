"""Runs one step: resolves its arguments, sends the request, waits for the job, retries as the policies say."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from local_mock.durable.state import change
from local_mock.sagemaker.errors import RunError
from local_mock.sagemaker.pipelines import conditions
from local_mock.sagemaker.pipelines.caching import digest_of
from local_mock.sagemaker.pipelines.definition import Step
from local_mock.sagemaker.pipelines.expressions import as_text, resolve
from local_mock.sagemaker.pipelines.kinds import CONDITION, FAIL, KINDS, StepKind
from local_mock.sagemaker.pipelines.models import PipelineExecution, StepRun
from local_mock.sagemaker.pipelines.retries import error_type, failure_type, policy_for
from local_mock.sagemaker.pipelines.scope import StepScope

__all__ = ["JobStep", "decide", "fail", "job_name"]

POLL_S, POLL_MAX_S = 0.05, 1.0
LONGEST_NAME = {"HyperParameterTuningJobName": 32}  # of the others 63
_EXPERIMENTS = frozenset({"Training", "Processing", "Transform"})


class RetryableError(RunError):
    """A failure of a type that a retry policy can name."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


def job_name(execution_id: str, step: Step, prefix: str) -> str:
    """Return a new name for a step's job; the name in the step's arguments, if there is one, is its beginning."""
    kind = KINDS[step.type]
    tail = f"-{secrets.token_hex(5)}"
    head = f"{prefix}-{execution_id}" if prefix else f"pipelines-{execution_id}-{step.name}"
    room = LONGEST_NAME.get(kind.name, 63) - len(tail)
    return head.replace("_", "-")[:room].rstrip("-") + tail


def decide(step: Step, run: StepRun, scope: StepScope) -> str:
    """Evaluate a Condition step; return its status."""
    outcome = str(all(conditions.holds(each, scope) for each in step.arguments.get("Conditions") or []))
    run.properties = {"Outcome": outcome}
    run.metadata = {"Condition": {"Outcome": outcome}}
    return "Succeeded"


def fail(step: Step, run: StepRun, scope: StepScope) -> str:
    """Give a Fail step its message; return its status."""
    run.reason = as_text(resolve(step.arguments.get("ErrorMessage", ""), scope))
    run.metadata = {"Fail": {"ErrorMessage": run.reason}}
    return "Failed"


class JobStep:
    """A step that is a request to SageMaker, with the job that it starts."""

    def __init__(
        self,
        execution: PipelineExecution,
        step: Step,
        run: StepRun,
        client: Any,
        stop: threading.Event,
        cached: Callable[[Step, str], tuple[PipelineExecution, StepRun] | None],
    ) -> None:
        assert step.type not in (CONDITION, FAIL)
        self._execution, self._step, self._run, self._client = execution, step, run, client
        self._stop, self._cached, self._kind = stop, cached, KINDS[step.type]

    def perform(self, scope: Callable[[str], StepScope]) -> str:
        """Run the step until it has ended; return its status. `scope` takes the name of the job.

        Raises
        ------
        RunError : it failed, and its policies allow no more retries.
        """
        if self._take_over(scope("")):
            return "Succeeded"
        began, retries = time.monotonic(), dict[Any, int]()
        while True:
            try:
                return self._attempt(scope)
            except RetryableError as err:
                policy = policy_for(self._step.retries, err.kind)
                retries[policy] = retries.get(policy, 0) + 1
                pause = policy.pause(retries[policy], time.monotonic() - began) if policy else None
                if pause is None or self._stop.wait(pause):
                    raise
                self._run.attempts += 1

    def _take_over(self, scope: StepScope) -> bool:
        """Use an earlier run that did the same, if the step's CacheConfig allows one."""
        self._run.digest = digest_of(self._step.type, resolve(self._step.arguments, scope))
        earlier = self._cached(self._step, self._run.digest)
        if earlier is None:
            return False
        execution, run = earlier
        self._run.properties, self._run.metadata = run.properties, run.metadata
        self._run.cached_from = execution.arn
        return True

    def _attempt(self, scope: Callable[[str], StepScope]) -> str:
        kind, step = self._kind, self._step
        name = job_name(self._execution.id, step, resolve(step.arguments.get(kind.name, ""), scope("")))
        request = resolve(step.arguments, scope(name))
        if step.type != "RegisterModel":
            request[kind.name] = name
        elif not request.get("ModelPackageGroupName"):
            request.setdefault(kind.name, name)
        else:
            self._make_group(request["ModelPackageGroupName"])
        if step.type in _EXPERIMENTS and self._execution.experiment:
            request["ExperimentConfig"] = {**self._execution.experiment, **(request.get("ExperimentConfig") or {})}
        answer = self._create(request)
        self._run.metadata = {kind.metadata: {"Arn": answer[kind.arn]}}
        with change("sagemaker"):
            self._run.status = "Executing"
        identity = answer[kind.arn] if step.type == "RegisterModel" else name
        description = self._wait({kind.identity: identity})
        self._run.properties = json.loads(json.dumps(description, default=str))
        status = description[kind.status] if kind.status else "Completed"
        if status == "Failed":
            reason = str(description.get("FailureReason") or "The job failed.")
            raise RetryableError(reason, failure_type(reason))
        if status == "Stopped":
            self._run.reason = "" if self._stop.is_set() else "The job was stopped."
            return "Stopped"
        return "Succeeded"

    def _create(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        operation = f"create_{self._kind.noun}"
        where = f"ClientError: Failed to invoke sagemaker:{self._kind.operation}. Error Details:"
        try:
            answer: Mapping[str, Any] = getattr(self._client, operation)(**request)
        except ClientError as err:
            raise RetryableError(f"{where} {err.response['Error']['Message']}", error_type(err.response)) from err
        except ParamValidationError as err:
            raise RunError(f"{where} {err}") from err
        return answer

    def _make_group(self, name: str) -> None:
        """Make the group of a model's version if there is none, as the step does on AWS."""
        with contextlib.suppress(ClientError):
            self._client.create_model_package_group(ModelPackageGroupName=name)

    def _wait(self, names: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the description of the job after its end. It is stopped if the execution is."""
        kind: StepKind = self._kind
        pause, asked = POLL_S, False
        while True:
            description = dict(getattr(self._client, f"describe_{kind.noun}")(**names))
            description.pop("ResponseMetadata")
            if not kind.status or description[kind.status] in {"Completed", "Failed", "Stopped"}:
                return description
            if self._stop.is_set() and not asked:
                asked = True
                with change("sagemaker"):
                    self._run.status = "Stopping"
                with contextlib.suppress(ClientError, BotoCoreError):  # it may have ended in this moment
                    getattr(self._client, f"stop_{kind.noun}")(**names)
            if asked:
                time.sleep(pause)
            else:
                self._stop.wait(pause)
            pause = min(pause * 1.3, POLL_MAX_S)
