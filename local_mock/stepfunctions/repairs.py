"""Repairs of moto's interpreter: tasks, retries, errors that leave a branch, variables.

Each repair names the defect of moto 5.2.5; a test of every one stands in `tests/pipeline/test_asl_states.py`.
"""

from __future__ import annotations

import copy
import re
import time
from typing import Any

from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
    state_task_service_factory,
)
from moto.stepfunctions.parser.asl.component.state.fail import state_fail
from moto.stepfunctions.parser.asl.utils.json_path import extract_json

from local_mock.stepfunctions.clients import client_for
from local_mock.stepfunctions.errors import error_named
from local_mock.stepfunctions.tasks import ACTIONS, PREFIXES, ServiceTask, plain

__all__ = ["install"]

_VARIABLE = re.compile(r"\$(\w+)(.*)", re.DOTALL)


def _retry(self: Any, env: Any) -> None:
    """moto sleeps out the back-off of an execution that has been stopped."""
    self.error_equals.eval(env)
    if not env.stack.pop():
        env.stack.append(retrier_decl.RetrierOutcome.Skipped)
        return
    self.max_attempts.eval(env=env)
    if env.stack.pop() == retrier_decl.MaxAttemptsOutcome.EXHAUSTED:
        env.stack.append(retrier_decl.RetrierOutcome.Failed)
        return
    for part in (self.interval_seconds, self.backoff_rate, self.max_delay_seconds, self.jitter_strategy):
        part.eval(env=env)
    end = time.monotonic() + env.stack.pop()
    while env.is_running() and (left := end - time.monotonic()) > 0:
        env.program_state_event.wait(left)
    env.stack.append(retrier_decl.RetrierOutcome.Executed)


def _variable(self: Any, env: Any) -> None:
    """moto reads ``$name.path`` by a JSONata engine that is not installed."""
    found = _VARIABLE.fullmatch(self.expression)
    if found is None:
        raise ValueError(f"'{self.expression}' is no reference to a variable.")
    value = env.variable_store.get(found[1])
    env.stack.append(copy.deepcopy(extract_json(f"${found[2]}", value) if found[2] else value))


def _call(
    self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
) -> None:
    """moto leaves bodies of S3 as streams and dates as objects; a state's output is JSON."""
    client = client_for(resource_runtime_part.region, self._get_boto_service_name(), state_credentials)
    answer = getattr(client, self._get_boto_service_action())(**normalised_parameters) or {}
    bodies = {k: v.read().decode("utf-8", "replace") for k, v in answer.items() if hasattr(v, "read")}
    env.stack.append(plain(answer | bodies))


_evaluate_task = state_task_service.StateTaskService._eval_execution


def _task(self: Any, env: Any) -> None:
    """moto makes the stop of an execution that has just begun a task its failure: half of the task is left out."""
    try:
        _evaluate_task(self, env)
    except Exception:
        if env.is_running():
            raise


def install() -> None:
    """Put ours in the place of moto's. Idempotent."""
    theirs = state_task_service_factory.state_task_service_for
    if getattr(theirs, "of_local_mock", False):
        return

    def task_for(service_name: str) -> Any:
        return ServiceTask() if service_name in ACTIONS else theirs(service_name)

    task_for.of_local_mock = True  # type: ignore[attr-defined]
    state_task_service_factory.state_task_service_for = task_for
    state_task_factory.state_task_service_for = task_for  # it was imported by name
    for module in (branches_decl, iteration_worker, state_fail):
        module.CustomErrorName = error_named
    retrier_decl.RetrierDecl._eval_body = _retry
    state_task_service.StateTaskService._eval_execution = _task
    string_expression.StringVariableSample._eval_body = _variable
    state_task_service_aws_sdk.StateTaskServiceAwsSdk._eval_service_task = _call
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES.update(PREFIXES)
