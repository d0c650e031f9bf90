"""Stage pipeline: start the state machine on the raw zone, follow it, report how it ended.

An execution is named after the raw zone's manifest, the deployed code and the input: the same three are run once.
`machine` is the stack and the input, `steps` the code that runs inside the machine, `history` reads its events,
`view` shows them. The work itself is that of the other stages.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

from etholake import aws, logs
from etholake.digest import fingerprint
from etholake.errors import AwsError, DataError
from etholake.local_server import require_java
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.lake.ingest.zone import MANIFEST
from etholake.stages.pipeline import history, machine
from etholake.stages.pipeline.view import Watch, silent
from etholake.stages.state import load_state
from etholake.stages.waiting import wait_for

__all__ = ["execution_name", "run", "status", "stop"]

STAGE = "pipeline"
POLL_S = 0.5


def run(settings: Settings, given: dict[str, Any], *, again: bool = False, watch: Watch = silent) -> StageResult:
    """Run the pipeline with the input `given` (`machine.input_of`) and wait for its end.

    An execution for the same manifest, code and input that runs already is followed instead, and one that has
    succeeded is not repeated (unless `again`); one that has failed is tried anew.

    Returns
    -------
    StageResult
        `details`: `execution`, `arn`, `seconds`, and the output: `score`, `action`, `reason`, `model`, `run_id`.

    Raises
    ------
    DataError
        Nothing has been ingested.
    AwsError
        The pipeline is not deployed, or failed: the message names the state, the reason and where its log lies.
    """
    client, arn = aws.client(settings, "stepfunctions"), machine.arn(settings)
    base = execution_name(settings, given)
    earlier = [item for item in _executions(client, arn) if _is(item["name"], base)]
    newest = earlier[0] if earlier else None
    if newest and newest["status"] == "SUCCEEDED" and not again:
        description = client.describe_execution(executionArn=newest["executionArn"])
        summary = f"Manifest, code and input are those of execution {newest['name']}, which succeeded."
        return StageResult(STAGE, "unchanged", summary, _details(description))
    if newest and newest["status"] == "RUNNING":
        execution = newest["executionArn"]
    else:
        require_java(settings)
        name = f"{base}-{len(earlier) + 1}"
        named = json.dumps(given | {"run_id": logs.run_id()}, sort_keys=True)
        started = client.start_execution(stateMachineArn=arn, name=name, input=named)
        execution = started["executionArn"]
        logs.log_event("job", f"Execution {name} of the pipeline has started", job=name)
    description = _follow(client, arn, execution, watch)
    details = _details(description)
    if description["status"] != "SUCCEEDED":
        raise AwsError(history.failure(description, list(_events(client, execution))))
    score = f"official score {details['score']:.4f} on held-out videos. {details['reason']} {details['outcome']}"
    return StageResult(STAGE, "done", f"{details['seconds']:.0f} s, {score}", details)


def execution_name(settings: Settings, given: dict[str, Any]) -> str:
    """Return the name, without number, of the executions for the manifest, the deployed code and this input."""
    s3 = aws.client(settings, "s3")
    try:
        manifest = s3.head_object(Bucket=settings.bucket, Key=MANIFEST)["ETag"].strip('"')
    except s3.exceptions.ClientError as err:
        if err.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        raise DataError(f"Bucket '{settings.bucket}' has no {MANIFEST}: run `make ingest` first.") from err
    code = (load_state(settings, "deploy").get("details") or {}).get("code_digest", "")
    return f"{manifest[:12]}-{fingerprint(manifest, code, given)}"


def status(settings: Settings, watch: Watch = silent) -> StageResult:
    """Show the states of the newest execution once. `details` has `execution_status` and `states`."""
    client, arn = aws.client(settings, "stepfunctions"), machine.arn(settings)
    newest = next(_executions(client, arn), None)
    if newest is None:
        return StageResult(STAGE, "unchanged", "The pipeline has not run yet.", {"states": {}})
    description = client.describe_execution(executionArn=newest["executionArn"])
    events = list(_events(client, newest["executionArn"]))
    states = history.states(events)
    watch(history.outline(_definition(client, arn)), states)
    summary = f"Execution {description['name']}: {description['status']}."
    if description["status"] not in {"RUNNING", "SUCCEEDED"}:
        summary = history.failure(description, events)
    shown = {name: state.status for name, state in states.items()}
    details = {**_details(description), "execution_status": description["status"], "states": shown}
    return StageResult(STAGE, "unchanged", summary, details)


def stop(settings: Settings) -> StageResult:
    """Stop all running executions, with the jobs that they wait for."""
    client, arn = aws.client(settings, "stepfunctions"), machine.arn(settings)
    running = [item for item in _executions(client, arn) if item["status"] == "RUNNING"]
    for item in running:
        client.stop_execution(executionArn=item["executionArn"], error="Stopped", cause="by `--stop`")
    names = [item["name"] for item in running]
    summary = f"Stopped: {', '.join(names)}." if names else "Nothing was running."
    return StageResult(STAGE, "done" if names else "unchanged", summary, {"stopped": names})


def _is(name: str, base: str) -> bool:
    return name.startswith(f"{base}-")


def _executions(client: Any, arn: str) -> Iterator[dict[str, Any]]:
    """Yield the executions, the newest first."""
    for page in client.get_paginator("list_executions").paginate(stateMachineArn=arn):
        yield from page["executions"]


def _events(client: Any, execution: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("get_execution_history").paginate(executionArn=execution):
        yield from page["events"]


def _definition(client: Any, arn: str) -> dict[str, Any]:
    definition: dict[str, Any] = json.loads(client.describe_state_machine(stateMachineArn=arn)["definition"])
    return definition


def _follow(client: Any, arn: str, execution: str, watch: Watch) -> dict[str, Any]:
    """Wait for the end and show the states; return the description. Ctrl-C leaves the execution running."""
    outline = history.outline(_definition(client, arn))
    logged: dict[str, tuple[str, int]] = {}

    def describe() -> dict[str, Any]:
        description: dict[str, Any] = client.describe_execution(executionArn=execution)
        states = history.states(list(_events(client, execution)))
        watch(outline, states)
        _log_changes(states, logged, {shown.name for shown in outline})
        return description

    return wait_for(
        describe,
        lambda description: description["status"] != "RUNNING",
        "The pipeline",
        poll_s=POLL_S,
        poll_max_s=POLL_S,
    )


def _log_changes(states: dict[str, history.State], logged: dict[str, tuple[str, int]], shown: set[str]) -> None:
    """Log a line for every state that has changed since `logged`, and update `logged`."""
    events = {"running": "start", "retrying": "retry", "succeeded": "end", "caught": "end"}
    for name, state in states.items():
        now = (state.status, state.failures)
        if name not in shown or logged.get(name) == now:
            continue
        logged[name] = now
        event = events.get(state.status, "failed")
        why = f": {history.explain(state.error, state.cause)}" if event in {"failed", "retry"} else ""
        fields: dict[str, Any] = {"failures": state.failures} if state.failures else {}
        if state.ended is not None:
            fields["seconds"] = round((state.ended - state.started).total_seconds(), 2)
        level = logging.ERROR if event == "failed" else logging.WARNING if event == "retry" else logging.INFO
        fields |= {"stage": f"state {name}", "status": state.status}
        logs.log_event(event, f"{name}: {state.status}{why}", level=level, **fields)


def _details(description: dict[str, Any]) -> dict[str, Any]:
    output = json.loads(description.get("output") or "{}")
    details = {"execution": description["name"], "arn": description["executionArn"], **output}
    if "stopDate" in description:
        details["seconds"] = round((description["stopDate"] - description["startDate"]).total_seconds(), 1)
    return details
