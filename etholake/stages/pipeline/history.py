"""Read the events of an execution: each state's status; the failed one, its reason, its log. Pure.

Events: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Shown", "State", "failure", "outline", "states"]

Event = Mapping[str, Any]
FAILURES = {"TaskFailed": "taskFailedEventDetails", "TaskTimedOut": "taskTimedOutEventDetails"}
RESCUE = "TellFailure"  # the state that every catch but the expected ones leads to
ENDS = frozenset({"ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"})
# Kinds of job -> (name, reason of the failure, log groups), by the member of the cause that tells them.
_JOBS = (
    ("JobRunState", "JobName", "ErrorMessage", "{LogGroupName}/error and {LogGroupName}/output, stream {Id}"),
    (
        "HyperParameterTuningJobStatus", "HyperParameterTuningJobName", "FailureReason",
        "/aws/sagemaker/TrainingJobs, streams {name}-…",
    ),
    ("TrainingJobStatus", "TrainingJobName", "FailureReason", "/aws/sagemaker/TrainingJobs, streams {name}/…"),
    ("TransformJobStatus", "TransformJobName", "FailureReason", "/aws/sagemaker/TransformJobs, streams {name}/…"),
    ("EndpointStatus", "EndpointName", "FailureReason", "/aws/sagemaker/Endpoints/{name}"),
)  # fmt: skip


@dataclass
class State:
    """One state of an execution. `status`: running, retrying, succeeded, caught, failed, stopped."""

    name: str
    status: str
    started: dt.datetime
    ended: dt.datetime | None = None
    failures: int = 0
    error: str = ""
    cause: str = ""

    def seconds(self, now: dt.datetime) -> float:
        """Return the duration until its end, or until now."""
        return ((self.ended or now) - self.started).total_seconds()


@dataclass(frozen=True)
class Shown:
    """A state of the definition that is worth showing, and how deep it lies in parallel branches."""

    name: str
    depth: int
    rescue: bool = False  # only reached after a failure


def outline(definition: Mapping[str, Any], depth: int = 0) -> list[Shown]:
    """Return the states that work, in the order of the definition: tasks (but reads of results), branches."""
    shown = []
    for name, state in definition["States"].items():
        resource = state.get("Resource", "")
        if state["Type"] in {"Task", "Parallel", "Map"} and not resource.endswith(":s3:getObject"):
            shown.append(Shown(name, depth, rescue=name == RESCUE))
        for branch in state.get("Branches", []):
            shown += outline(branch, depth + 1)
    return shown


def states(events: Sequence[Event]) -> dict[str, State]:
    """Return the entered states by name, in the order of their entry."""
    by_id = {event["id"]: event for event in events}
    entered: dict[str, State] = {}
    for event in events:
        kind, at = event["type"], event["timestamp"]
        if kind.endswith("StateEntered"):
            name = event["stateEnteredEventDetails"]["name"]
            first = entered[name].started if name in entered else at  # a loop counts from its first turn
            entered[name] = State(name, "running", first)
            if name == RESCUE:
                _fail(by_id.get(event.get("previousEventId", 0)), entered, at)
        elif kind.endswith("StateExited"):
            left = entered[event["stateExitedEventDetails"]["name"]]
            left.status, left.ended = ("caught" if left.failures and left.status == "failed" else "succeeded"), at
        elif kind in ENDS:
            _end(entered.values(), at)
        elif (state := _of(event, by_id, entered)) is not None:
            if kind in FAILURES:
                details = event.get(FAILURES[kind], {})
                state.status, state.failures = "failed", state.failures + 1
                state.error, state.cause = details.get("error", ""), details.get("cause", "")
            elif kind == "TaskScheduled" and state.status == "failed":
                state.status = "retrying"
    return entered


def _fail(left: Event | None, entered: Mapping[str, State], at: dt.datetime) -> None:
    """Mark the state that was left for the rescue as failed, and those that ran beside it as stopped."""
    if left is not None and "stateExitedEventDetails" in left:
        entered[left["stateExitedEventDetails"]["name"]].status = "failed"
    _end([state for state in entered.values() if state.name != RESCUE], at)


def _of(event: Event, by_id: Mapping[int, Event], entered: Mapping[str, State]) -> State | None:
    """Return the state to which an event belongs: that of the nearest entry before it."""
    at: Event | None = event
    while at is not None:
        if at["type"].endswith("StateEntered"):
            return entered.get(at["stateEnteredEventDetails"]["name"])
        at = by_id.get(at.get("previousEventId", 0))
    return None


def _end(running: Iterable[State], at: dt.datetime) -> None:
    for state in running:
        if state.ended is None:
            state.ended = at
            state.status = "failed" if state.status == "failed" else "stopped"


def failure(description: Mapping[str, Any], events: Sequence[Event]) -> str:
    """Return the message on an execution that did not succeed: state, reason, where its log lies."""
    name, status = description["name"], str(description["status"])
    head = f"Execution {name} ended as {status}"
    failed = _culprit(events)
    if failed is None:
        why = ": ".join(part for part in (description.get("error"), description.get("cause")) if part)
        return f"{head}: {why or 'no reason was given'}"
    return f"{head} in state {failed.name}: {explain(failed.error, failed.cause)}"


def _culprit(events: Sequence[Event]) -> State | None:
    """Return the state whose failure was the last before the execution's failure (or its end)."""
    until = next(
        (n for n, e in enumerate(events) if e.get("stateEnteredEventDetails", {}).get("name") == RESCUE),
        len(events),
    )
    if until == len(events) and events and events[-1]["type"] == "ExecutionAborted":
        return None
    by_id = {event["id"]: event for event in events}
    entered = states(events[:until])
    last = next((event for event in reversed(events[:until]) if event["type"] in FAILURES), None)
    return _of(last, by_id, entered) if last is not None else None


def explain(error: str, cause: str) -> str:
    """Return the cause of a failure as a sentence: for a job its name, its reason and its log."""
    try:
        job = json.loads(cause)
    except ValueError:
        return f"{error}: {cause}" if cause else error
    if not isinstance(job, dict):
        return f"{error}: {cause}"
    for member, name, reason, log in _JOBS:
        if member in job:
            message = job.get(reason) or "no reason was given"
            place = {"LogGroupName": "/aws-glue/jobs", **job, "name": job.get(name, "")}
            what = f"{job.get(name)} ended as {job[member]}: {message}"
            return f"{what}\nIts log is in the CloudWatch log groups {log.format(**place)}."
    return f"{error}: {cause}"
