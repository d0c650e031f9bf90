"""Runs one processing job in a thread: inputs from S3, the entry point, outputs to S3.

`/opt/ml` becomes a folder of the job's own in the paths of the request, in the arguments, in the variables and in
the job's copies of scripts. Layout and names:
https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from __future__ import annotations

import contextlib
import gzip
import json
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
from local_mock.sagemaker.archive import MAX_BYTES, copy_bounded
from local_mock.sagemaker.checkpoints import CheckpointSync
from local_mock.sagemaker.container import OPT_ML
from local_mock.sagemaker.errors import InvalidRequestError, RunError, shorten
from local_mock.sagemaker.models import filled

__all__ = ["LOG_GROUP", "ProcessingJob", "ProcessingRun", "check_request"]

_log = logging.getLogger("local_mock.sagemaker")
LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
DEFAULT_RUNTIME_S = 86_400
STOP_GRACE_S = 5.0
REASON_LINES = 15
_SCRIPTS = frozenset({".py", ".sh"})


def check_request(request: Mapping[str, Any]) -> None:
    """Refuse what would not be done as asked."""
    count = ((request.get("ProcessingResources") or {}).get("ClusterConfig") or {}).get("InstanceCount", 1)
    if count != 1:
        raise InvalidRequestError(
            f"local_mock processes on one instance: InstanceCount must be 1, but got {count}."
        )
    for item in [*_inputs(request), *_outputs(request)]:
        source = item.get("S3Input") or item.get("S3Output")
        if source is None:
            raise InvalidRequestError("local_mock has S3Input and S3Output only.")
        if not str(source.get("LocalPath", "")).startswith(f"{OPT_ML}/"):
            raise InvalidRequestError(f"LocalPath must lie below {OPT_ML}, but got '{source.get('LocalPath')}'.")
        if source.get("S3InputMode") == "Pipe" or source.get("S3DataType") == "ManifestFile":
            raise InvalidRequestError("local_mock reads processing inputs in mode File from an S3Prefix only.")


def _inputs(request: Mapping[str, Any]) -> list[Any]:
    return list(request.get("ProcessingInputs") or [])


def _outputs(request: Mapping[str, Any]) -> list[Any]:
    return list((request.get("ProcessingOutputConfig") or {}).get("Outputs") or [])


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
    """The process behind one `ProcessingJob`."""

    def __init__(self, job: ProcessingJob, context: Context, region: str) -> None:
        self._job, self._context, self._region = job, context, region
        self._root = context.state_dir / "sagemaker" / "processing" / job.processing_job_name
        self._log_path = context.state_dir / "sagemaker" / "logs" / f"processing-{job.processing_job_name}.log"
        self._stop = threading.Event()
        self._child: Child | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"processing-{job.processing_job_name}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; nothing is uploaded."""
        self._stop.set()
        if child := self._child:
            threading.Thread(target=child.stop, args=(STOP_GRACE_S,), daemon=True).start()

    def _run(self) -> None:
        job = self._job
        self._root = job_folder(self._root)
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log_path.unlink(missing_ok=True)
        stream = f"{job.processing_job_name}/algo-1-{int(time.time())}"
        shipper = LogShipper(self._region, stream, {LOG_GROUP: self._log_path})
        try:
            status, reason = self._steps()
        except RunError as err:
            status, reason = "Failed", str(err)
        except (LocalMockError, OSError) as err:
            status, reason = "Failed", f"ClientError: {err}"
        except Exception as err:
            _log.exception("processing job %s", job.processing_job_name)
            status, reason = "Failed", f"InternalServerError: {type(err).__name__}: {err}"
        finally:
            shipper.close()
            with contextlib.suppress(OSError):
                job.exit_message = (self._root / "output" / "message").read_text(encoding="utf-8")[:1024]
            shutil.rmtree(self._root, ignore_errors=True)
        job.end(status, reason)

    def _steps(self) -> tuple[str, str]:
        """(status, failure reason)."""
        request, data = self._job.request, self._context.data
        self._write_config()
        for item in _inputs(request):
            self._bring(item["S3Input"], item["InputName"])
        outputs = []
        for item in _outputs(request):
            folder = self._local(item["S3Output"]["LocalPath"])
            folder.mkdir(parents=True, exist_ok=True)
            outputs.append((folder, item["S3Output"]))
        if self._stop.is_set():
            return "Stopped", ""
        following = [
            CheckpointSync(folder, output["S3Uri"], data, restore=False)
            for folder, output in outputs
            if output.get("S3UploadMode") == "Continuous"
        ]
        try:
            result = self._execute()
        finally:
            for sync in following:
                sync.close()
        if self._stop.is_set() and result.stopped:
            return "Stopped", ""
        if result.timed_out:
            return "Stopped", "The job ran longer than MaxRuntimeInSeconds."
        if result.returncode != 0:
            return "Failed", self._reason(result)
        for folder, output in outputs:
            data.upload(folder, output["S3Uri"])
        return "Completed", ""

    def _execute(self) -> ChildResult:
        request, app = self._job.request, self._job.request["AppSpecification"]
        if not app.get("ContainerEntrypoint"):
            raise RunError(
                "ClientError: this mock runs no container images: give AppSpecification.ContainerEntrypoint, "
                "which it runs."
            )
        words = [*app["ContainerEntrypoint"], *(app.get("ContainerArguments") or [])]
        limit = (request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds") or DEFAULT_RUNTIME_S
        given = {k: self._mapped(str(v)) for k, v in (request.get("Environment") or {}).items()}
        self._job.processing_start_time = self._job.last_modified_time = utcnow()
        self._child = Child(
            [self._mapped(word) for word in words],
            env={
                **given,
                **self._context.child_environment(),
                "PROCESSING_JOB_NAME": self._job.processing_job_name,
                "PROCESSING_JOB_ARN": self._job.arn,
                "PIP_NO_INDEX": "1",
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            },
            cwd=self._root,
            log_path=self._log_path,
            timeout_s=float(limit),
        )
        if self._stop.is_set():
            self._child.stop(STOP_GRACE_S)
        return self._child.wait()

    def _bring(self, source: Mapping[str, Any], name: str) -> None:
        folder = self._local(source["LocalPath"])
        folder.mkdir(parents=True, exist_ok=True)
        if not self._context.data.download(source["S3Uri"], folder):
            raise RunError(f"ClientError: No objects were found under {source['S3Uri']} (input '{name}').")
        for path in [p for p in folder.rglob("*") if p.is_file()]:
            if source.get("S3CompressionType") == "Gzip" and path.suffix == ".gz":
                with gzip.open(path) as packed, path.with_suffix("").open("wb") as plain:
                    copy_bounded(packed, plain, path.name, min(MAX_BYTES, shutil.disk_usage(folder).free))
                path.unlink()
            elif path.suffix in _SCRIPTS:
                text = path.read_text(encoding="utf-8")
                if OPT_ML in text:
                    path.write_text(self._mapped(text), encoding="utf-8")

    def _write_config(self) -> None:
        config = self._root / "config"
        config.mkdir()
        (self._root / "output").mkdir()
        resources = {"current_host": "algo-1", "hosts": ["algo-1"]}
        for name, content in (("processingjobconfig", self._job.request), ("resourceconfig", resources)):
            (config / f"{name}.json").write_text(json.dumps(content, default=str), encoding="utf-8")

    def _mapped(self, text: str) -> str:
        return text.replace(OPT_ML, str(self._root))

    def _local(self, path: str) -> Path:
        """Return the folder of a LocalPath. Raises RunError if it would leave the job's own."""
        resolved = Path(self._mapped(path)).resolve()
        if not resolved.is_relative_to(self._root):
            raise RunError(f"ClientError: LocalPath '{path}' would leave {OPT_ML}.")
        return resolved

    def _reason(self, result: ChildResult) -> str:
        head = f"AlgorithmError: exit code {result.returncode}."
        tail = self._child.tail(REASON_LINES) if self._child else ""
        return shorten(head, f"Last lines of the log:\n{tail}" if tail else "")
