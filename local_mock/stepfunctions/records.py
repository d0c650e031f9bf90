"""Executions as files of the state folder: what a server that starts again knows of those before it.

One JSON file an execution, written when it starts and when it ends. What was running when the server died is
marked as aborted at the next start: whoever waits for it is told, and nothing hangs.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

__all__ = ["PastExecution", "abort_left_over", "find", "forget", "of_machine", "save"]

LOST = "Mock.ServerStopped"
LOST_CAUSE = "local_mock was stopped while this execution ran; its jobs were ended with it. Start it again."


_SAVING = threading.Lock()  # the thread that starts an execution and the one that ends it write the same file


def save(folder: Path, execution: Any) -> None:
    """Write what is known of an execution, in one step."""
    with _SAVING:
        _write(_path(folder, execution.execution_arn), _content(execution))


def _content(execution: Any) -> dict[str, Any]:
    return {
        "execution_arn": execution.execution_arn,
        "state_machine_arn": execution.state_machine_arn,
        "name": execution.name,
        "status": execution.status,
        "execution_input": execution.execution_input,
        "start_date": execution.start_date.isoformat(),
        "stop_date": execution.stop_date.isoformat() if execution.stop_date else None,
        "output": execution.output,
        "error": execution.error,
        "cause": execution.cause,
        "events": list(execution.to_history_output()["events"]) if execution.stop_date else [],
    }


def _path(folder: Path, arn: str) -> Path:
    return folder / "stepfunctions" / f"{hashlib.sha256(arn.encode()).hexdigest()[:24]}.json"


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    partial.write_text(to_json_str(content), encoding="utf-8")
    partial.replace(path)


def abort_left_over(folder: Path) -> None:
    """Mark the executions of a server that has gone as aborted."""
    for path, content in _all(folder):
        if content["status"] == "RUNNING":
            now = dt.datetime.now(dt.UTC).isoformat()
            details = {"error": LOST, "cause": LOST_CAUSE}
            event = {
                "timestamp": now, "type": "ExecutionAborted", "id": 1, "previousEventId": 0,
                "executionAbortedEventDetails": details,
            }  # fmt: skip
            _write(path, content | {"status": "ABORTED", "stop_date": now, **details, "events": [event]})


class PastExecution:
    """An execution of an earlier server, with the parts that moto asks an execution for."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.execution_arn: str = content["execution_arn"]
        self.state_machine_arn: str = content["state_machine_arn"]
        self.name: str = content["name"]
        self.exec_status = ExecutionStatus(content["status"])
        self.execution_input: str = content["execution_input"]
        self.start_date = dt.datetime.fromisoformat(content["start_date"])
        self.stop_date = dt.datetime.fromisoformat(content["stop_date"])
        self.output = content["output"]
        self.output_details = {"included": True}
        self.error, self.cause = content["error"], content["cause"]
        self._events = content["events"]

    @property
    def status(self) -> str:
        return str(self.exec_status.value)

    def to_history_output(self) -> dict[str, Any]:
        """Return the events with their times as times."""
        return {"events": [{**e, "timestamp": dt.datetime.fromisoformat(e["timestamp"])} for e in self._events]}

    def stop(self, **_: Any) -> None:
        """Do nothing, as on AWS: the execution has ended."""


def find(folder: Path, arn: str) -> PastExecution | None:
    """Return an execution of an earlier server by its ARN."""
    path = _path(folder, arn)
    return PastExecution(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def of_machine(folder: Path, machine_arn: str) -> list[PastExecution]:
    """Return the ended executions of a state machine that earlier servers ran."""
    executions = [
        PastExecution(c) for _, c in _all(folder) if c["state_machine_arn"] == machine_arn and c["stop_date"]
    ]
    return sorted(executions, key=lambda execution: execution.start_date)


def forget(folder: Path, machine_arn: str | None = None) -> None:
    """Remove the executions of a state machine that is deleted, or all of them."""
    with _SAVING:
        for path, content in list(_all(folder)):
            if machine_arn in (None, content["state_machine_arn"]):
                path.unlink(missing_ok=True)


def _all(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted((folder / "stepfunctions").glob("*.json")):
        yield path, json.loads(path.read_text(encoding="utf-8"))
