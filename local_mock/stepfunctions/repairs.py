"""Repairs of moto's interpreter: tasks, retries, errors that leave a branch, variables.

Each repair names the defect of moto 5.2.5; a test of every one stands in `tests/pipeline/test_asl_states.py`.
"""

from __future__ import annotations

import copy
import json
import re
import time
from typing import Any

from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.antlt4utils import antlr4utils
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.intrinsic.functionname.state_function_name_types import (
    StatesFunctionNameType,
)
from moto.stepfunctions.parser.asl.component.intrinsic.functionname.states_function_name import StatesFunctionName
from moto.stepfunctions.parser.asl.component.state.choice import state_choice
from moto.stepfunctions.parser.asl.component.state.choice.comparison import comparison_variable
from moto.stepfunctions.parser.asl.component.state.choice.comparison.comparison_operator_type import (
    ComparisonOperatorType,
)
from moto.stepfunctions.parser.asl.component.state.choice.comparison.variable import NoSuchVariable
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
    state_task_service_factory,
)
from moto.stepfunctions.parser.asl.component.state.fail import state_fail
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped, ProgramTimedOut
from moto.stepfunctions.parser.asl.parse import preprocessor
from moto.stepfunctions.parser.asl.parse.intrinsic import intrinsic_parser
from moto.stepfunctions.parser.asl.utils.json_path import NoSuchJsonPathError

from local_mock.stepfunctions import intrinsics, paths, queries
from local_mock.stepfunctions.clients import client_for
from local_mock.stepfunctions.errors import error_named
from local_mock.stepfunctions.paths import extract_json
from local_mock.stepfunctions.tasks import ACTIONS, PREFIXES, ServiceTask, plain

__all__ = ["install"]

_VARIABLE = re.compile(r"\$(\w+)(.*)", re.DOTALL)


def _retry(self: Any, env: Any) -> None:
    """End the back-off of an execution that is stopped; moto sleeps it out."""
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
    """Read ``$name.path`` without the JSONata engine that moto asks for."""
    match = _VARIABLE.fullmatch(self.expression)
    if match is None:
        raise ValueError(f"'{self.expression}' is no reference to a variable.")
    value = env.variable_store.get(match[1])
    env.stack.append(copy.deepcopy(extract_json(f"${match[2]}", value) if match[2] else value))


def _query(self: Any, env: Any) -> None:
    """Evaluate a JSONata expression; moto lacks the engine that its own method asks for."""
    variables = env.variable_store._outer_scope | env.variable_store._inner_scope
    try:
        env.stack.append(queries.evaluate(self.expression, env.states._states_data, variables))
    except queries.ExpressionError as err:
        name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
        details = EventDetails(
            evaluationFailedEventDetails=EvaluationFailedEventDetails(error=name.error_name, cause=str(err))
        )
        kind = HistoryEventType.EvaluationFailed
        env.event_manager.add_event(context=env.event_history_context, event_type=kind, event_details=details)
        event = FailureEvent(env=env, error_name=name, event_type=kind, event_details=details)
        raise FailureEventException(failure_event=event) from err


def _call(
    self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
) -> None:
    """Call a service and return JSON; moto leaves bodies of S3 as streams and dates as objects."""
    client = client_for(resource_runtime_part.region, self._get_boto_service_name(), state_credentials)
    answer = getattr(client, self._get_boto_service_action())(**normalised_parameters) or {}
    bodies = {k: v.read().decode("utf-8", "replace") for k, v in answer.items() if hasattr(v, "read")}
    env.stack.append(plain(answer | bodies))


class _Intrinsic(EvalComponent):
    """A call of an intrinsic function; moto's parser cuts its texts at an escaped quote."""

    def __init__(self, text: str) -> None:
        self.text = json.loads(f'"{text}"')  # as it stands in the definition, a JSON text without its quotes
        self.call = intrinsics.parse(self.text)
        self.name = StatesFunctionName(StatesFunctionNameType[self.call.name])  # asked for by CausePath, ErrorPath

    def _eval_body(self, env: Any) -> None:
        given = env.stack[-1] if env.stack else env.states.get_input()

        def look_up(path: str) -> Any:
            if path.startswith("$$"):
                path, data = path[1:], env.states.context_object.context_object_data
            elif match := _VARIABLE.fullmatch(path):
                path, data = f"${match[2]}", env.variable_store.get(match[1])
            else:
                data = given
            try:
                return copy.deepcopy(data if path == "$" else extract_json(path, data))
            except NoSuchJsonPathError as err:
                cause = f"The function '{self.text}' had the following error: {err}"
                raise _failure(env, StatesErrorNameType.StatesRuntime, cause) from err

        try:
            env.stack.append(intrinsics.evaluate(self.call, look_up))
        except intrinsics.IntrinsicError as err:
            cause = f"The function '{self.text}' had the following error: {err}"
            raise _failure(env, StatesErrorNameType.StatesIntrinsicFailure, cause) from err


def _failure(env: Any, kind: Any, cause: str) -> FailureEventException:
    """Return the end of an execution by an error of the interpreter's own."""
    state = f"An error occurred while executing the state '{env.next_state_name}'. {cause}"
    name = StatesErrorName(typ=kind)
    details = EventDetails(taskFailedEventDetails=TaskFailedEventDetails(error=name.error_name, cause=state))
    return FailureEventException(
        failure_event=FailureEvent(
            env=env, error_name=name, event_type=HistoryEventType.TaskFailed, event_details=details
        )
    )


def _choose(self: Any, env: Any) -> None:
    """Fail a choice without a match by a cause in words; moto's cause is a Python tuple."""
    for rule in self.choices_decl.rules:
        rule.eval(env)
        if env.stack.pop() is True:
            env.stack.append(rule.next_stmt.name)
            return
    if self.default_state is None:
        raise _failure(env, StatesErrorNameType.StatesNoChoiceMatched, "No choice rule matched, and no Default.")
    env.stack.append(self.default_state.state_name)


_compare_variable = comparison_variable.ComparisonVariable._eval_body


def _compare(self: Any, env: Any) -> None:
    """Fail a comparison of a path that leads nowhere; only IsPresent may ask for one (moto: unequal)."""
    if self.comparison_function.operator_type is not ComparisonOperatorType.IsPresent:
        self.variable.eval(env)
        value = env.stack.pop()
        if isinstance(value, NoSuchVariable):
            path = self.variable.string_sampler.literal_value
            cause = f"Invalid path '{path}': The choice state's condition path references an invalid value."
            raise _failure(env, StatesErrorNameType.StatesRuntime, cause)
    _compare_variable(self, env)


def _literal(parser_rule_context: Any) -> str:
    """Return a text of a definition as JSON writes it; moto reads it as Python's, which knows other escapes."""
    text: str = parser_rule_context.getText()
    if not (text.startswith('"') and text.endswith('"') and len(text) > 1):
        text = f'"{text}"'
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def _inner_string(parser_rule_context: Any) -> str | None:
    """Return a text, of a name or of Assign, as JSON reads it (moto: as it is written); None for null."""
    return None if parser_rule_context.getText() == "null" else _literal(parser_rule_context)


_evaluate_task = state_task_service.StateTaskService._eval_execution


def _task(self: Any, env: Any) -> None:
    """Run a task; a stop that comes when it has just begun is no failure, as moto makes it."""
    try:
        _evaluate_task(self, env)
    except Exception:
        if env.is_running():
            raise


_set_error = Environment.set_error


def _fail(self: Any, error: Any) -> None:
    """Leave an execution that was stopped or has timed out as it is; in moto the error of its rest wins."""
    if not isinstance(self.program_state(), ProgramStopped | ProgramTimedOut):
        _set_error(self, error)


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
    paths.install()
    Environment.set_error = _fail
    retrier_decl.RetrierDecl._eval_body = _retry
    state_task_service.StateTaskService._eval_execution = _task
    string_expression.StringVariableSample._eval_body = _variable
    string_expression.StringJSONata._eval_body = _query
    intrinsic_parser.IntrinsicParser.parse = staticmethod(lambda text: (_Intrinsic(text), None))
    state_choice.StateChoice._eval_state = _choose
    comparison_variable.ComparisonVariable._eval_body = _compare
    antlr4utils.from_string_literal = _literal
    preprocessor.from_string_literal = _literal  # it was imported by name
    preprocessor.Preprocessor._inner_string_of = staticmethod(_inner_string)
    state_task_service_aws_sdk.StateTaskServiceAwsSdk._eval_service_task = _call
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES.update(PREFIXES)
