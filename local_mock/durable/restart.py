"""After a restart: jobs and queries that ran have ended with the server; endpoints start their hosts again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from local_mock.context import ACCOUNT, Context
from local_mock.durable.state import State, _backends

__all__ = ["LOST", "mark_ended"]

LOST = "local_mock was stopped while this ran; its processes were ended with it. Start it again."
_log = logging.getLogger("local_mock.durable")


def mark_ended(state: State, context: Context) -> None:
    """Mark restored jobs and queries that had not ended as failed, start hosts again, and write the state."""
    for service, step in (("s3", _s3), ("glue", _glue), ("athena", _athena), ("stepfunctions", _machines)):
        for backend in _of(service):
            step(backend, state, context)
    for backend in _of("sagemaker"):
        _sagemaker(backend, context)
    for service in ("s3", "glue", "athena", "sagemaker"):
        state.save(service)


def _of(service: str) -> Iterator[Any]:
    return (backend for _, _, backend in _backends(service))


def _s3(backend: Any, _state: State, _context: Context) -> None:
    """Forget the buckets whose folders are no longer there."""
    from moto.s3.models import s3_backends

    for name in list(backend.buckets):
        if backend._store.has_bucket(name):
            backend._unclaimed.discard(name)
            s3_backends.bucket_accounts[name] = (backend.partition, backend.account_id)
        else:
            del backend.buckets[name]


def _glue(backend: Any, _state: State, context: Context) -> None:
    from moto.core.utils import utcnow

    from local_mock.glue.models import ACTIVE
    from local_mock.glue.runner import committed_bookmark

    for job in backend.jobs.values():
        vars(job).setdefault("bookmark", {})  # a job that a version without bookmarks has kept
        for run in job.job_runs:
            if run.status in ACTIVE:
                run.status, run.error_message = "FAILED", LOST
                run.completed_on = run.modified_on = utcnow()
                if (bookmark := committed_bookmark(context, run.job_run_id)) is not None:
                    job.keep_bookmark(run, bookmark)
    for crawler in backend.crawlers.values():
        for crawl in crawler.crawls:
            if crawl.end_time is None:
                crawl.status, crawl.error_message, crawl.end_time = "FAILED", LOST, utcnow()


def _athena(backend: Any, state: State, _context: Context) -> None:
    from local_mock.athena.models import FINAL

    runs = [run for _, run in state.all(backend.prefix)]
    for run in sorted(runs, key=lambda run: run.submitted):
        if run.state not in FINAL:
            run.state, run.reason, run.completed = "FAILED", f"INTERNAL_ERROR: {LOST}", run.submitted
            state.put(backend.prefix + run.id, run)
        backend.add(run)


def _machines(backend: Any, _state: State, context: Context) -> None:
    from local_mock.stepfunctions import records

    for machine in backend.state_machines:
        machine.executions = records.of_machine(context.state_dir, machine.arn)


def _sagemaker(backend: Any, context: Context) -> None:
    from moto.core.utils import utcnow

    from local_mock.sagemaker.pipelines.models import PipelineExecution

    ends: dict[str, Callable[[Any], None]] = {
        "training_jobs": lambda job: job.move("Failed", LOST, status="Failed", reason=LOST),
        "transform_jobs": lambda job: job.end("Failed", LOST),
        "processing_jobs": lambda job: job.end("Failed", LOST),
    }
    for attribute, end in ends.items():
        for job in getattr(backend, attribute).values():
            if not getattr(job, "ended", True):
                end(job)
    for job in backend.hyper_parameter_tuning_jobs.values():
        if not getattr(job, "ended", True):
            job.hyper_parameter_tuning_job_status, job.failure_reason = "Failed", LOST
            job.hyper_parameter_tuning_end_time = job.last_modified_time = utcnow()
    for pipeline in backend.pipelines.values():
        for arn, execution in pipeline.pipeline_executions.items():
            if not isinstance(execution, PipelineExecution):
                pipeline.pipeline_executions[arn] = PipelineExecution.adopt(pipeline, execution)
            elif not execution.ended:
                execution.lose(LOST)
    for endpoint in backend.endpoints.values():
        _host(endpoint, backend, context)


def _host(endpoint: Any, backend: Any, context: Context) -> None:
    """Serve again what was served. One that has failed is tried too: its host may have ended with the server."""
    from types import SimpleNamespace

    from local_mock.sagemaker.endpoints import EndpointRun
    from local_mock.sagemaker.responses import _deployment

    endpoint.runner = EndpointRun(endpoint, context, backend.region_name)
    asked = SimpleNamespace(sagemaker_backend=backend, current_account=ACCOUNT, region=backend.region_name)
    endpoint.become("Creating")
    try:
        endpoint.runner.start(_deployment(asked, endpoint.endpoint_config_name))
    except Exception as err:  # its configuration or model was deleted meanwhile, as AWS allows
        _log.exception("endpoint %s", endpoint.endpoint_name)
        endpoint.become("Failed", f"{LOST} Its host could not be started: {err}")
