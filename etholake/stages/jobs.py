"""Waiting for the end of jobs, Glue's and SageMaker's: what the stages that start jobs share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from etholake import aws, logs
from etholake.errors import AwsError
from etholake.settings import Settings

__all__ = ["completed", "outputs_of", "pauses", "run_job"]

POLL_S, POLL_MAX_S = 0.2, 5.0
JOB_TIMEOUT_S = 48 * 3600  # Glue's own limit ends a run before


def outputs_of(settings: Settings) -> dict[str, str]:
    """Outputs of the stack; {} if it was deployed by other means."""
    try:
        return aws.stack_outputs(settings)
    except AwsError:  # deployed by other means: the fixed names
        return {}


def run_job(glue: Any, name: str, arguments: Mapping[str, str], say: Callable[[str], None]) -> dict[str, Any]:
    """Start a job and wait for its end. Returns run id and seconds; raises AwsError unless it succeeded."""
    say(name)
    started = time.monotonic()
    try:
        given = {**arguments, logs.ARGUMENT: logs.run_id()}
        run_id = glue.start_job_run(JobName=name, Arguments=given)["JobRunId"]
    except glue.exceptions.EntityNotFoundException as err:
        raise AwsError(f"Glue job '{name}' does not exist: run `make deploy` first.") from err
    except glue.exceptions.ConcurrentRunsExceededException as err:
        raise AwsError(f"Glue job '{name}' is running already: wait for that run, or stop it.") from err
    logs.tell("job", f"Glue job {name} has started", job=name, job_run=run_id)
    for _ in pauses():
        found = glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]
        state = found["JobRunState"]
        say(f"{name}: {state.lower()}")
        if state == "SUCCEEDED":
            seconds = round(time.monotonic() - started, 2)
            logs.tell("job", f"Glue job {name} has succeeded", job=name, job_run=run_id, seconds=seconds)
            return {"run_id": run_id, "seconds": seconds}
        if state in {"FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"}:
            raise AwsError(_failure(name, run_id, found))
    raise AwsError(f"Glue job '{name}' (run {run_id}) has not ended after {JOB_TIMEOUT_S // 3600} h.")


def _failure(name: str, run_id: str, found: Mapping[str, Any]) -> str:
    group = found.get("LogGroupName") or "/aws-glue/jobs"
    reason = found.get("ErrorMessage") or "no reason was given"
    return (
        f"Glue job '{name}' ended as {found['JobRunState']} (run {run_id}): {reason} "
        f"Its log is in the CloudWatch log groups {group}/error and {group}/output, stream {run_id}."
    )


def completed(look: Callable[[], dict[str, Any]], status: str, what: str, log_group: str) -> dict[str, Any]:
    """Wait for the end of a SageMaker job, which its own limit ends; returns what was seen last.

    `look` describes the job; `status` is the field that says how it stands. Raises AwsError unless it completed.
    """
    for _ in pauses(math.inf):
        found = look()
        if found[status] == "Completed":
            return found
        if found[status] in {"Failed", "Stopped"}:
            raise AwsError(
                f"{what} ended as {found.get('SecondaryStatus', found[status])}: "
                f"{found.get('FailureReason', 'no reason was given')}\n"
                f"Its log is in the CloudWatch group {log_group}."
            )
    raise AssertionError("without a limit the pauses do not end")


def pauses(limit_s: float = JOB_TIMEOUT_S) -> Iterator[None]:
    """Yield until the time is up, sleeping a little longer each time."""
    pause, end = POLL_S, time.monotonic() + limit_s
    while time.monotonic() < end:
        yield
        time.sleep(pause)
        pause = min(pause * 1.3, POLL_MAX_S)
