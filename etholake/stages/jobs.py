"""Start Glue jobs and wait for Glue's and SageMaker's jobs: what the stages that start jobs share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from etholake import aws, logs
from etholake.errors import AwsError
from etholake.settings import Settings
from etholake.stages.waiting import wait_for

__all__ = ["completed", "outputs_or_defaults", "run_job"]

JOB_TIMEOUT_S = 48 * 3600  # Glue's own limit ends a run before
ENDED_BADLY = frozenset({"FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"})


def outputs_or_defaults(settings: Settings) -> dict[str, str]:
    """Return the outputs of the stacks; {} if the lake was deployed by other means, with the default names."""
    try:
        return aws.stack_outputs(settings)
    except AwsError:
        return {}


def run_job(glue: Any, name: str, arguments: Mapping[str, str], on_state: Callable[[str], None]) -> dict[str, Any]:
    """Start a Glue job and wait for its end; Ctrl-C stops the job.

    Parameters
    ----------
    on_state
        Called with a short text ("name: running") at every look at the job.

    Returns
    -------
    dict
        `run_id` of the job run and its `seconds`.

    Raises
    ------
    AwsError
        The job is not deployed, is running already, or did not succeed; the message names its log.
    """
    on_state(name)
    started = time.monotonic()
    try:
        job_arguments = {**arguments, logs.ARGUMENT: logs.run_id()}
        run_id = glue.start_job_run(JobName=name, Arguments=job_arguments)["JobRunId"]
    except glue.exceptions.EntityNotFoundException as err:
        raise AwsError(f"Glue job '{name}' does not exist: run `make deploy` first.") from err
    except glue.exceptions.ConcurrentRunsExceededException as err:
        raise AwsError(f"Glue job '{name}' is running already: wait for that run, or stop it.") from err
    logs.log_event("job", f"Glue job {name} has started", job=name, job_run=run_id)

    def describe() -> dict[str, Any]:
        run: dict[str, Any] = glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]
        on_state(f"{name}: {run['JobRunState'].lower()}")
        return run

    run = wait_for(
        describe,
        lambda run: run["JobRunState"] in ENDED_BADLY | {"SUCCEEDED"},
        f"Glue job '{name}' (run {run_id})",
        timeout_s=JOB_TIMEOUT_S,
        on_interrupt=lambda: glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id]),
    )
    if run["JobRunState"] in ENDED_BADLY:
        raise AwsError(_failure(name, run_id, run))
    seconds = round(time.monotonic() - started, 2)
    logs.log_event("job", f"Glue job {name} has succeeded", job=name, job_run=run_id, seconds=seconds)
    return {"run_id": run_id, "seconds": seconds}


def _failure(name: str, run_id: str, run: Mapping[str, Any]) -> str:
    group = run.get("LogGroupName") or "/aws-glue/jobs"
    reason = run.get("ErrorMessage") or "no reason was given"
    return (
        f"Glue job '{name}' ended as {run['JobRunState']} (run {run_id}): {reason} "
        f"Its log is in the CloudWatch log groups {group}/error and {group}/output, stream {run_id}."
    )


def completed(
    describe: Callable[[], dict[str, Any]],
    status_field: str,
    what: str,
    log_group: str,
    on_interrupt: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """Wait for the end of a SageMaker job, which its own time limit ends; return its last description.

    Parameters
    ----------
    describe
        Asks SageMaker for the job's description.
    status_field
        Name of the field that says how the job stands: ``TrainingJobStatus``, ….
    what
        The job as the subject of a sentence: "Training job 'x'".
    on_interrupt
        Stops the job when the user presses Ctrl-C.

    Raises
    ------
    AwsError
        The job failed or was stopped: the message has the reason and the log group.
    """
    ended = {"Completed", "Failed", "Stopped"}
    job = wait_for(describe, lambda job: job[status_field] in ended, what, on_interrupt=on_interrupt)
    if job[status_field] != "Completed":
        raise AwsError(
            f"{what} ended as {job.get('SecondaryStatus', job[status_field])}: "
            f"{job.get('FailureReason', 'no reason was given')}\n"
            f"Its log is in the CloudWatch group {log_group}."
        )
    return job
