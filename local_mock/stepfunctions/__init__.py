"""Step Functions that executes: moto's interpreter of the States Language, its tasks calling this very server.

Here: `install`, which switches the interpreter on and puts our integrations, executions and operations in the
place of moto's. `clients` makes the tasks' clients, `tasks` waits for jobs (`.sync`), `repairs` mends the
interpreter, `queries` evaluates JSONata, `records` keeps executions over a restart. Not here: Express workflows,
Lambda and activities beyond what moto does.
"""

from __future__ import annotations

from local_mock.context import Context

__all__ = ["EXECUTES", "install"]

EXECUTES = frozenset({
    "CreateStateMachine", "UpdateStateMachine", "StartExecution", "StopExecution", "DescribeExecution",
    "ListExecutions", "GetExecutionHistory",
})  # fmt: skip


def install(context: Context) -> None:
    """Patch moto's Step Functions. Idempotent; before the first request."""
    from moto.core.config import default_user_config
    from moto.stepfunctions.parser import models
    from moto.stepfunctions.responses import StepFunctionResponse

    from local_mock.stepfunctions import clients, records, repairs
    from local_mock.stepfunctions.models import Backend, RecordedExecution
    from local_mock.stepfunctions.responses import OPERATIONS

    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    records.abort_left_over(context.state_dir)
    models.Execution = RecordedExecution
    models.stepfunctions_parser_backends.backend = Backend
    models.stepfunctions_parser_backends.clear()
    repairs.install()
    clients.install()
    for operation in OPERATIONS:
        setattr(StepFunctionResponse, operation.__name__, operation)
