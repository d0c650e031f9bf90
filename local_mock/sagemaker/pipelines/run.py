"""Runs one execution in a thread: starts each step when all that it waits for has ended as it must.

After a failure that no step waits for, no further step starts; those that run are waited for.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.core.utils import utcnow

from local_mock.clients import client_for
from local_mock.context import Context
from local_mock.durable.state import change
from local_mock.errors import LocalMockError
from local_mock.sagemaker.errors import RunError
from local_mock.sagemaker.pipelines.caching import earlier_run
from local_mock.sagemaker.pipelines.definition import COMPLETED, Definition, Step, predecessors
from local_mock.sagemaker.pipelines.expressions import resolve
from local_mock.sagemaker.pipelines.kinds import CONDITION, FAIL
from local_mock.sagemaker.pipelines.models import PipelineExecution, StepRun
from local_mock.sagemaker.pipelines.scope import StepScope
from local_mock.sagemaker.pipelines.steps import JobStep, decide, fail

__all__ = ["PipelineRun"]

_log = logging.getLogger("local_mock.sagemaker")
MAX_PARALLEL_STEPS = 50
FAILURE = "Step failure: One or multiple steps failed."


class PipelineRun:
    """The threads behind one `PipelineExecution`."""

    def __init__(
        self,
        execution: PipelineExecution,
        definition: Definition,
        values: Mapping[str, Any],
        siblings: Mapping[str, PipelineExecution],
        context: Context,
        region: str,
    ) -> None:
        self._execution, self._definition, self._values = execution, definition, values
        self._siblings, self._context, self._region = siblings, context, region
        self._waits = {name: predecessors(step) for name, step in definition.steps.items()}
        self._lock = threading.Lock()  # an execution that has ended must not become Stopping
        self._stop = threading.Event()
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()

    def start(self) -> None:
        name = f"pipeline-{self._execution.id}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def stop(self) -> bool:
        """Start no further step, and stop the jobs of those that run. Return False if the execution has ended."""
        with self._lock:
            if self._execution.ended:
                return False
            self._execution.become("Stopping")
        self._stop.set()
        return True

    # --- the execution ----------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            self._make_experiment()
            self._run_steps()
            status, reason = self._result()
        except Exception as err:
            _log.exception("pipeline execution %s", self._execution.arn)
            status, reason = "Failed", f"InternalServerError: {type(err).__name__}: {err}"
        with change("sagemaker"), self._lock:
            self._execution.become(status, reason)

    def _run_steps(self) -> None:
        limits = self._execution.parallelism_configuration or {}
        limit = limits.get("MaxParallelExecutionSteps") or MAX_PARALLEL_STEPS
        running = 0
        while True:
            for step in self._ready()[: limit - running]:
                self._begin(step)
                running += 1
            if not running:
                return
            self._ended.get()
            running -= 1

    def _ready(self) -> list[Step]:
        if self._stop.is_set() or any(not self._is_handled(run) for run in self._failed()):
            return []
        steps = self._definition.steps.values()
        return [step for step in steps if step.name not in self._execution.steps and self._may_start(step)]

    def _may_start(self, step: Step) -> bool:
        runs = self._execution.steps
        for name, trigger in self._waits[step.name].items():
            if name not in runs or not _matches(runs[name], trigger):
                return False
        return step.branch is None or runs[step.branch[0]].properties["Outcome"] == step.branch[1]

    def _failed(self) -> list[StepRun]:
        return [run for run in self._execution.steps.values() if run.outcome not in ("", COMPLETED)]

    def _is_handled(self, run: StepRun) -> bool:
        """Return whether a step waits for this one to fail or to be stopped."""
        return any(run.name in waits and _matches(run, waits[run.name]) for waits in self._waits.values())

    def _result(self) -> tuple[str, str]:
        """Return (status, failure reason)."""
        if self._stop.is_set():
            return "Stopped", ""
        failed = self._failed()
        if any(not self._is_handled(run) for run in failed):
            return "Failed", FAILURE
        return ("CompletedWithFailures" if failed else "Succeeded"), ""

    def _make_experiment(self) -> None:
        """Make the experiment and the trial that the definition names, if there are none."""
        config = resolve(self._definition.experiment, self._scope(""))
        if not config:
            return
        self._execution.experiment = config
        client = self._client()
        for operation, request in (
            (client.create_experiment, {"ExperimentName": config["ExperimentName"]}),
            (client.create_trial, config),
        ):
            try:
                operation(**request)
            except ClientError as err:
                _log.info("%s: %s", self._execution.arn, err)  # it exists

    # --- one step ---------------------------------------------------------------------------------------------
    def _begin(self, step: Step) -> None:
        run = StepRun(step.name, step.display_name, step.description, utcnow())
        with change("sagemaker"):
            self._execution.steps[step.name] = run
        name = f"pipeline-{self._execution.id}-{step.name}"
        threading.Thread(target=self._one, args=(step, run), name=name, daemon=True).start()

    def _one(self, step: Step, run: StepRun) -> None:
        try:
            status = self._perform(step, run)
        except RunError as err:
            status, run.reason = "Failed", str(err)
        except (LocalMockError, ClientError, BotoCoreError) as err:
            status, run.reason = "Failed", f"ClientError: {err}"
        except Exception as err:
            _log.exception("step %s of %s", step.name, self._execution.arn)
            status, run.reason = "Failed", f"InternalServerError: {type(err).__name__}: {err}"
        with change("sagemaker"):
            run.ended, run.status = utcnow(), status
        self._ended.put(step.name)

    def _perform(self, step: Step, run: StepRun) -> str:
        if step.type == CONDITION:
            return decide(step, run, self._scope(""))
        if step.type == FAIL:
            return fail(step, run, self._scope(""))
        return JobStep(self._execution, step, run, self._client(), self._stop, self._cached).perform(self._scope)

    def _scope(self, job_name: str) -> StepScope:
        return StepScope(self._execution, self._definition, self._values, self._context, job_name)

    def _client(self) -> Any:
        return client_for(self._region, "sagemaker", self._execution.role_arn)

    def _cached(self, step: Step, digest: str) -> tuple[PipelineExecution, StepRun] | None:
        if step.cache is None:
            return None
        return earlier_run(list(self._siblings.values()), step.name, digest, step.cache)


def _matches(run: StepRun, trigger: str) -> bool:
    return bool(run.outcome) and trigger in (run.outcome, "Any")
