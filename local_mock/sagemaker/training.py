"""Runs one training job in a thread: download, entry point, upload; the states are told to the job object."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import tempfile
import threading
import time
from pathlib import Path

from etholake.errors import EtholakeError
from local_mock.context import Context
from local_mock.glue.logs import LogShipper
from local_mock.process import Child, ChildResult
from local_mock.sagemaker import container
from local_mock.sagemaker.archive import pack
from local_mock.sagemaker.errors import RunError, shorten
from local_mock.sagemaker.metrics import final_metrics
from local_mock.sagemaker.models import TrainingJob

__all__ = ["LOG_GROUP", "TrainingRun"]

_log = logging.getLogger("local_mock.sagemaker")
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
DEFAULT_RUNTIME_S = 86_400  # AWS: one day unless the request says otherwise
STOP_GRACE_S = 20.0  # AWS gives 120 s to save the model; here somebody waits
REASON_LINES = 15
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")


class TrainingRun:
    """The process behind one `TrainingJob`."""

    def __init__(self, job: TrainingJob, context: Context, region: str) -> None:
        self.job, self._context, self._region = job, context, region
        self._stop = threading.Event()
        self._child: Child | None = None
        self._log_path = context.state_dir / "sagemaker" / "logs" / f"{job.training_job_name}.log"
        self._thread = threading.Thread(target=self._run, name=f"training-{job.training_job_name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; what it has left in the model folder is still uploaded, as on AWS."""
        self._stop.set()
        if child := self._child:
            threading.Thread(target=child.stop, args=(STOP_GRACE_S,), daemon=True).start()

    def _run(self) -> None:
        job = self.job
        root = self._make_root()
        stream = f"{job.training_job_name}/{container.HOST}-{int(time.time())}"
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log_path.unlink(missing_ok=True)
        shipper = LogShipper(self._region, stream, {LOG_GROUP: self._log_path})
        try:
            status, secondary, reason = self._steps(root)
        except RunError as err:
            status, secondary, reason = "Failed", "Failed", str(err)
        except (EtholakeError, OSError) as err:
            status, secondary, reason = "Failed", "Failed", f"ClientError: {err}"
        except Exception as err:
            _log.exception("training job %s", job.training_job_name)
            status, secondary, reason = "Failed", "Failed", f"InternalServerError: {type(err).__name__}: {err}"
        finally:
            shipper.close()  # all lines are there before anybody sees the end
            shutil.rmtree(root, ignore_errors=True)
        messages = {"Completed": "Training job completed", "Stopped": "Training job stopped"}
        job.move(secondary, reason or messages.get(secondary, secondary), status=status, reason=reason)

    def _make_root(self) -> Path:
        """The folder that stands for /opt/ml; the SDK's shell scripts do not quote it."""
        wanted = self._context.state_dir / "sagemaker" / "training" / self.job.training_job_name
        if _PLAIN_PATH.fullmatch(str(wanted)):
            shutil.rmtree(wanted, ignore_errors=True)
            wanted.mkdir(parents=True)
            return wanted
        return Path(tempfile.mkdtemp(prefix="etholake-ml-"))

    def _steps(self, root: Path) -> tuple[str, str, str]:
        """(status, secondary status, failure reason) of the whole run."""
        job, request, data = self.job, self.job.request, self._context.data
        if job.training_job_status == "InProgress":
            job.move("Downloading", "Downloading input data")
        container.lay_out(root, request)
        container.fill_channels(root, request, self._context)
        saved = container.checkpoints(root, request)
        if saved:
            saved[1].mkdir(parents=True, exist_ok=True)
            data.download(saved[0].rstrip("/") + "/", saved[1])
        if self._stop.is_set():
            return "Stopped", "Stopped", ""
        result = self._execute(root)
        definitions = request["AlgorithmSpecification"].get("MetricDefinitions") or []
        job.metrics = final_metrics(definitions, self._log_path)
        ended_by_us = result.stopped or result.timed_out or self._stop.is_set()
        failed = result.returncode != 0 and not ended_by_us
        if not failed and not self._stop.is_set():
            job.move("Uploading", "Uploading generated training model")
        if saved:
            data.upload(saved[1], saved[0])
        self._upload(root, model=not failed)
        if failed:
            return "Failed", "Failed", self._reason(root, result)
        if result.timed_out:
            return "Stopped", "MaxRuntimeExceeded", ""
        return ("Stopped", "Stopped", "") if ended_by_us else ("Completed", "Completed", "")

    def _execute(self, root: Path) -> ChildResult:
        request = self.job.request
        command, folder = container.command(root, request, self._context)
        limit = (request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds") or DEFAULT_RUNTIME_S
        self.job.move("Training", "Training image download completed. Training in progress.")
        self._child = Child(
            command,
            env=container.environment(root, request, self.job.arn, self._context),
            cwd=folder,
            log_path=self._log_path,
            timeout_s=float(limit),
        )
        if self._stop.is_set():  # asked in the moment before the child was there
            self._child.stop(STOP_GRACE_S)
        return self._child.wait()

    def _upload(self, root: Path, *, model: bool) -> None:
        """``<S3OutputPath>/<job>/output/{model,output}.tar.gz``, or folders if no compression is asked for."""
        job, data = self.job, self._context.data
        output = job.request["OutputDataConfig"]
        base = f"{output['S3OutputPath'].rstrip('/')}/{job.training_job_name}/output"
        plain = output.get("CompressionType") == "NONE"
        for folder, name, wanted in ((root / "output/data", "output", True), (root / "model", "model", model)):
            if not wanted or not any(p.is_file() for p in folder.rglob("*")):
                continue
            if plain:
                uri = f"{base}/{name}/"
                data.upload(folder, uri)
            else:
                uri = f"{base}/{name}.tar.gz"
                packed = root / "packed" / name
                packed.mkdir(parents=True)
                pack(folder, packed / f"{name}.tar.gz")
                data.upload(packed, base)
            if name == "model":
                job.artifact = uri

    def _reason(self, root: Path, result: ChildResult) -> str:
        """Exit code, what the job left in output/failure, and the last lines of its log."""
        written = ""
        with contextlib.suppress(OSError):
            written = (root / "output" / "failure").read_text(encoding="utf-8", errors="replace").strip()
        head = f"AlgorithmError: exit code {result.returncode}."
        if written:
            head += f" {written[:400]}"
        tail = self._child.tail(REASON_LINES) if self._child else ""
        return shorten(head, f"Last lines of the log:\n{tail}" if tail else "")
