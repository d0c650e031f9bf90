"""Operations of the API that moto answers in part: times of every ended execution, pages of history, reasons."""

from __future__ import annotations

import json
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.stepfunctions.exceptions import InvalidToken

__all__ = ["OPERATIONS"]

MAX_EVENTS = 1000  # https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html


def describe_execution(self: Any) -> ActionResult:
    """Describe an execution as moto does, with the end of one that timed out, and its output unchanged."""
    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    answer = {
        "executionArn": execution.execution_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": execution.start_date,
        "input": execution.execution_input,
        "inputDetails": {"included": True},
    }
    if execution.status != "RUNNING":
        answer["stopDate"] = execution.stop_date
    if execution.status == "SUCCEEDED":
        answer |= {"output": json.dumps(execution.output), "outputDetails": {"included": True}}
    answer |= {name: getattr(execution, name) for name in ("error", "cause") if getattr(execution, name)}
    return ActionResult(answer)


def list_executions(self: Any) -> ActionResult:
    """Return the newest first, with the end of every ended one."""
    arn = self._get_param("stateMachineArn")
    listed, token = self.stepfunction_backend.list_executions(
        arn,
        status_filter=self._get_param("statusFilter"),
        max_results=self._get_int_param("maxResults"),
        next_token=self._get_param("nextToken"),
    )
    executions = []
    for execution in listed:
        item = {
            "executionArn": execution.execution_arn,
            "stateMachineArn": arn,
            "name": execution.name,
            "status": execution.status,
            "startDate": execution.start_date,
        }
        if execution.status != "RUNNING":
            item["stopDate"] = execution.stop_date
        executions.append(item)
    return ActionResult({"executions": executions, "nextToken": token})


def stop_execution(self: Any) -> ActionResult:
    """Stop an execution as moto does, with the given error and cause."""
    self.stepfunction_backend.stop_execution(
        self._get_param("executionArn"), self._get_param("error"), self._get_param("cause")
    )
    return ActionResult({"stopDate": utcnow()})


def get_execution_history(self: Any) -> ActionResult:
    """Return the events, page by page, in either order."""
    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    events = list(execution.to_history_output()["events"])
    if self._get_param("reverseOrder"):
        events.reverse()
    token = self._get_param("nextToken") or "0"
    if not token.isdigit():
        raise InvalidToken(f"'{token}' is not one that GetExecutionHistory gave")
    start = int(token)
    end = start + (self._get_int_param("maxResults") or MAX_EVENTS)
    answer: dict[str, Any] = {"events": events[start:end]}
    if end < len(events):
        answer["nextToken"] = str(end)
    return ActionResult(answer)


OPERATIONS = (describe_execution, list_executions, stop_execution, get_execution_history)
