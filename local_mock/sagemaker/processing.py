"""Runs one processing job in a thread: inputs from S3, the entry point on every instance, outputs to S3."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.models import FakeProcessingJob

from local_mock.context import Context
from local_mock.durable.state import changes
from local_mock.errors import LocalMockError
from local_mock.glue.logs import LogShipper
from local_mock.plain_paths import job_folder
from local_mock.process import Child, ChildResult
from local_mock.sagemaker.checkpoints import CheckpointSync
from local_mock.sagemaker.container import OPT_ML
from local_mock.sagemaker.errors import InvalidRequestError, RunError, shorten
from local_mock.sagemaker.instances import MAX_INSTANCES, wait_for_all
from local_mock.sagemaker.models import filled
from local_mock.sagemaker.processing_host import ProcessingHost, inputs_of, outputs_of

__all__ = ["LOG_GROUP", "ProcessingJob", "ProcessingRun", "check_request"]

_log = logging.getLogger("local_mock.sagemaker")
LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
DEFAULT_RUNTIME_S = 86_400
STOP_GRACE_S = 5.0
REASON_LINES = 15


def check_request(request: Mapping[str, Any]) -> None:
    """Refuse what would not be done as asked."""
    count = _instance_count(request)
    if not 1 <= count <= MAX_INSTANCES:
        raise InvalidRequestError(
            f"local_mock starts a process for every instance: InstanceCount must be 1..{MAX_INSTANCES}, "
            f"but got {count}."
        )
    for item in [*inputs_of(request), *outputs_of(request)]:
        source = item.get("S3Input") or item.get("S3Output")
        if source is None:
            raise InvalidRequestError("local_mock has S3Input and S3Output only.")
        if not str(source.get("LocalPath", "")).startswith(f"{OPT_ML}/"):
            raise InvalidRequestError(f"LocalPath must lie below {OPT_ML}, but got '{source.get('LocalPath')}'.")
        if source.get("S3InputMode") == "Pipe" or source.get("S3DataType") == "ManifestFile":
            raise InvalidRequestError("local_mock reads processing inputs in mode File from an S3Prefix only.")


def _instance_count(request: Mapping[str, Any]) -> int:
    return int(((request.get("ProcessingResources") or {}).get("ClusterConfig") or {}).get("InstanceCount", 1))


class ProcessingJob(FakeProcessingJob):
    """One processing job: InProgress → Completed | Failed | Stopping → Stopped."""

    def __init__(self, request: Mapping[str, Any], account_id: str, region_name: str) -> None:
        self.request = dict(request)
        self.processing_job_name: str = request["ProcessingJobName"]
        self.arn = self.arn_formatter(self.processing_job_name, account_id, region_name)
        self.tags = list(request.get("Tags") or [])
        self.creation_time = self.last_modified_time = utcnow()
        self.processing_start_time: Any = None
        self.processing_end_time: Any = None
        self.processing_job_status = "InProgress"
        self.failure_reason = self.exit_message = ""
        self.runner: Any = None

    @property
    def ended(self) -> bool:
        return self.processing_job_status in {"Completed", "Failed", "Stopped"}

    @changes("sagemaker")
    def end(self, status: str, reason: str) -> None:
        self.processing_end_time = self.last_modified_time = utcnow()
        self.failure_reason = reason
        self.processing_job_status = status

    @property
    def response_object(self) -> dict[str, Any]:
        answer = {key: value for key, value in self.request.items() if key != "Tags"}
        return filled(
            answer
            | {
                "ProcessingJobArn": self.arn,
                "ProcessingJobStatus": self.processing_job_status,
                "ExitMessage": self.exit_message,
                "FailureReason": self.failure_reason,
                "CreationTime": self.creation_time,
                "LastModifiedTime": self.last_modified_time,
                "ProcessingStartTime": self.processing_start_time,
                "ProcessingEndTime": self.processing_end_time,
            }
        )


class ProcessingRun:
    """The processes behind one `ProcessingJob`."""

    def __init__(self, job: ProcessingJob, context: Context, region: str) -> None:
        self._job, self._context, self._region = job, context, region
        self._logs = context.state_dir / "sagemaker" / "logs"
        self._stop = threading.Event()
        self._children: list[Child] = []
        self._names = tuple(f"algo-{n}" for n in range(1, _instance_count(job.request) + 1))
        self._thread = threading.Thread(
            target=self._run, name=f"processing-{job.processing_job_name}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; nothing is uploaded."""
        self._stop.set()
        self._end_children()

    def _end_children(self) -> None:
        for child in list(self._children):
            threading.Thread(target=child.stop, args=(STOP_GRACE_S,), daemon=True).start()

    def _log_of(self, name: str) -> Path:
        suffix = "" if name == self._names[0] else f".{name}"
        return self._logs / f"processing-{self._job.processing_job_name}{suffix}.log"

    def _run(self) -> None:
        job = self._job
        base = job_folder(self._context.state_dir / "sagemaker" / "processing" / job.processing_job_name)
        hosts = [ProcessingHost(base / name, name, self._names, job.request) for name in self._names]
        self._logs.mkdir(parents=True, exist_ok=True)
        shippers = []
        for name in self._names:
            self._log_of(name).unlink(missing_ok=True)
            stream = f"{job.processing_job_name}/{name}-{int(time.time())}"
            shippers.append(LogShipper(self._region, stream, {LOG_GROUP: self._log_of(name)}))
        try:
            status, reason = self._steps(hosts)
        except RunError as err:
            status, reason = "Failed", str(err)
        except (LocalMockError, OSError) as err:
            status, reason = "Failed", f"ClientError: {err}"
        except Exception as err:
            _log.exception("processing job %s", job.processing_job_name)
            status, reason = "Failed", f"InternalServerError: {type(err).__name__}: {err}"
        finally:
            for shipper in shippers:
                shipper.close()
            job.exit_message = next((text for host in hosts if (text := host.message())), "")
            shutil.rmtree(base, ignore_errors=True)
        job.end(status, reason)

    def _steps(self, hosts: list[ProcessingHost]) -> tuple[str, str]:
        """Return (status, failure reason)."""
        data = self._context.data
        for host in hosts:
            host.prepare(data)
        if self._stop.is_set():
            return "Stopped", ""
        following = [
            CheckpointSync(folder, output["S3Uri"], data, restore=False)
            for host in hosts
            for folder, output in host.outputs()
            if output.get("S3UploadMode") == "Continuous"
        ]
        try:
            results = self._execute(hosts)
        finally:
            for sync in following:
                sync.close()
        if self._stop.is_set() and any(result.stopped for result in results):
            return "Stopped", ""
        if any(result.timed_out for result in results):
            return "Stopped", "The job ran longer than MaxRuntimeInSeconds."
        if any(result.returncode != 0 for result in results):
            return "Failed", self._reason(results)
        for host in hosts:  # of one name, the file of the last instance stays
            for folder, output in host.outputs():
                data.upload(folder, output["S3Uri"])
        return "Completed", ""

    def _execute(self, hosts: list[ProcessingHost]) -> list[ChildResult]:
        """Run the entry point on every instance. If one fails, the others are ended."""
        job = self._job
        limit = (job.request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds") or DEFAULT_RUNTIME_S
        job.processing_start_time = job.last_modified_time = utcnow()
        for host in hosts:
            self._children.append(
                Child(
                    host.command(),
                    env={
                        **host.environment(),
                        **self._context.child_environment(),
                        "PROCESSING_JOB_NAME": job.processing_job_name,
                        "PROCESSING_JOB_ARN": job.arn,
                        "PIP_NO_INDEX": "1",
                        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                    },
                    cwd=host.root,
                    log_path=self._log_of(host.name),
                    timeout_s=float(limit),
                )
            )
        if self._stop.is_set():  # asked before the children were there
            self._end_children()
        return wait_for_all(self._children, self._end_children)

    def _reason(self, results: list[ChildResult]) -> str:
        """Return the exit code of the host that failed, and the last lines of its log."""
        ended = [n for n, r in enumerate(results) if r.returncode != 0 and not r.stopped]
        guilty = ended[0] if ended else 0
        where = f" on {self._names[guilty]}" if len(self._names) > 1 else ""
        head = f"AlgorithmError: exit code {results[guilty].returncode}{where}."
        tail = self._children[guilty].tail(REASON_LINES)
        return shorten(head, f"Last lines of the log:\n{tail}" if tail else "")
