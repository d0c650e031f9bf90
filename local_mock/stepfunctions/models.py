"""moto's back end with executions that are recorded, named and stopped as on AWS."""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import Any

from moto.core.utils import utcnow
from moto.stepfunctions.exceptions import ExecutionDoesNotExist, InvalidName, NameTooLongException
from moto.stepfunctions.parser.api import InvalidDefinition
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from local_mock.context import get_context
from local_mock.stepfunctions import records
from local_mock.stepfunctions.definitions import problems
from local_mock.stepfunctions.errors import InvalidDefinitionError, InvalidInputError

__all__ = ["Backend", "RecordedExecution"]

_BEGINS_WITHIN_S = 10.0

# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
MAX_NAME = 80
_NAME = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]+")


class _Recording(BaseExecutionWorkerCommunication):
    def terminated(self) -> None:
        super().terminated()
        self.execution.record()


class RecordedExecution(Execution):
    """An execution that is written to the state folder when it starts and when it ends.

    `is_forgotten`: the server was reset while it ran, so that its end is not to be written.
    """

    is_forgotten = False

    def _get_start_execution_worker_comm(self) -> BaseExecutionWorkerCommunication:
        return _Recording(self)

    def start(self) -> None:
        # `start` of the worker returns before its environment is there; until then there are no events to write
        super().start()
        if not self.stop_date:
            self.record()

    def record(self) -> None:
        """Write what is known now."""
        if not self.is_forgotten:
            records.save(get_context().state_dir, self)


class Backend(StepFunctionsParserBackend):
    """State machines of this server; their executions include those of servers before it."""

    def create_state_machine(self, name: str, definition: str, *args: Any, **kwargs: Any) -> Any:
        _check(definition)
        machine = super().create_state_machine(name, definition, *args, **kwargs)
        existing = {execution.execution_arn for execution in machine.executions}
        past = records.of_machine(get_context().state_dir, machine.arn)
        machine.executions.extend(e for e in past if e.execution_arn not in existing)
        return machine

    def update_state_machine(self, arn: str, definition: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if definition is not None:
            _check(definition)
        return super().update_state_machine(arn, definition, *args, **kwargs)

    def delete_state_machine(self, arn: str) -> None:
        """Delete a machine with its executions: one that is made again under its name begins empty."""
        super().delete_state_machine(arn)
        records.forget(get_context().state_dir, arn)

    def start_execution(
        self,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: Any = None,
        trace_header: Any = None,
    ) -> Any:
        name = name or str(uuid.uuid4())
        if len(name) > MAX_NAME:
            raise NameTooLongException(name)
        if not _NAME.fullmatch(name):
            raise InvalidName(f"Invalid Name: '{name}'")
        try:
            json.loads(execution_input or "{}")
        except ValueError as err:
            raise InvalidInputError(f"Invalid State Machine Execution Input: '{err}'") from err
        return super().start_execution(state_machine_arn, name, execution_input, trace_header)

    def reset(self) -> None:
        """Forget everything, the executions in the state folder included."""
        for machine in self.state_machines:
            for execution in machine.executions:
                execution.is_forgotten = True
        records.forget(get_context().state_dir)
        super().reset()

    def describe_execution(self, execution_arn: str) -> Any:
        try:
            return super().describe_execution(execution_arn)
        except ExecutionDoesNotExist:
            if past := records.find(get_context().state_dir, execution_arn):
                return past
            raise

    def stop_execution(self, execution_arn: str, error: str | None = None, cause: str | None = None) -> Any:
        """Ask it to stop; one that has ended stays as it is."""
        execution = self.describe_execution(execution_arn)
        if execution.status == "RUNNING":
            _wait_for_environment(execution)
            execution.error, execution.cause = error, cause
            execution.stop(stop_date=utcnow(), error=error, cause=cause)
        return execution


def _wait_for_environment(execution: Any) -> None:
    """Wait until the thread of an execution has begun: moto can stop none that has not."""
    worker = getattr(execution, "exec_worker", None)
    deadline = time.monotonic() + _BEGINS_WITHIN_S
    while worker is not None and worker.env is None and time.monotonic() < deadline:
        time.sleep(0.005)


def _check(definition: str) -> None:
    """Refuse what cannot be run, with AWS's code."""
    if sentences := problems(definition):
        listed = ", ".join(f"'{problem}'" for problem in sentences)
        raise InvalidDefinitionError(f"Invalid State Machine Definition: {listed}")
    try:
        StepFunctionsParserBackend._validate_definition(definition)
    except InvalidDefinition as err:
        raise InvalidDefinitionError(f"Invalid State Machine Definition: {err}") from err
