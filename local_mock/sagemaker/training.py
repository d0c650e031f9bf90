"""Runs one training job in a thread: download, entry point, upload; the states are told to the job object.

Every instance of the job is a process of this machine with a folder of its own. A spot job whose process is
killed, or that is interrupted by ``POST /_local_mock/interrupt/<job>``, is Interrupted and starts again from its
checkpoints.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
from pathlib import Path

from local_mock.context import Context
from local_mock.errors import LocalMockError
from local_mock.glue.logs import LogShipper
from local_mock.plain_paths import job_folder
from local_mock.process import Child, ChildResult
from local_mock.sagemaker import container
from local_mock.sagemaker.archive import pack
from local_mock.sagemaker.checkpoints import CheckpointSync
from local_mock.sagemaker.errors import RunError, shorten
from local_mock.sagemaker.hosting import free_port
from local_mock.sagemaker.instances import wait_for_all
from local_mock.sagemaker.metrics import final_metrics, metric_values
from local_mock.sagemaker.models import TrainingJob

__all__ = ["LOG_GROUP", "TrainingRun"]

_log = logging.getLogger("local_mock.sagemaker")
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
DEFAULT_RUNTIME_S = 86_400  # AWS: one day unless the request says otherwise
STOP_GRACE_S = 20.0  # AWS gives 120 s to save the model; here somebody waits
SPOT_PAUSE_S = 0.5  # until the next spot instance; AWS promises nothing
REASON_LINES = 15
_KILLED = frozenset({-9, -15})
_End = tuple[str, str, str]  # status, secondary status, failure reason


class TrainingRun:
    """The processes behind one `TrainingJob`."""

    def __init__(self, job: TrainingJob, context: Context, region: str) -> None:
        self.job, self._context, self._region = job, context, region
        self._stop, self._interrupted = threading.Event(), threading.Event()
        self._stop_reason = ""
        self._children: list[Child] = []
        self._began = time.monotonic()
        self._logs = context.state_dir / "sagemaker" / "logs"
        count = job.request["ResourceConfig"].get("InstanceCount") or 1
        self._hosts = tuple(f"algo-{n}" for n in range(1, count + 1))
        self._thread = threading.Thread(target=self._run, name=f"training-{job.training_job_name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait until the job has ended."""
        self._thread.join()

    def stop(self) -> None:
        """Ask it to end; what it has left in the model folder is still uploaded, as on AWS."""
        self._stop.set()
        self._end_children()

    def interrupt(self) -> None:
        """Take the spot instances away: SIGTERM, time to save, then SIGKILL."""
        self._interrupted.set()
        self._end_children()

    def metric(self, name: str) -> list[float]:
        """Return all values that a metric has taken so far."""
        definitions = self.job.request["AlgorithmSpecification"].get("MetricDefinitions") or []
        return metric_values([d for d in definitions if d["Name"] == name], self._log_of(self._hosts[0]))

    def _end_children(self) -> None:
        for child in list(self._children):
            threading.Thread(target=child.stop, args=(STOP_GRACE_S,), daemon=True).start()

    def _log_of(self, host: str) -> Path:
        suffix = "" if host == self._hosts[0] else f".{host}"
        return self._logs / f"{self.job.training_job_name}{suffix}.log"

    # --- the whole run ----------------------------------------------------------------------------------------
    def _run(self) -> None:
        job = self.job
        base = self._make_base()
        self._logs.mkdir(parents=True, exist_ok=True)
        shippers = []
        for host in self._hosts:
            self._log_of(host).unlink(missing_ok=True)
            stream = f"{job.training_job_name}/{host}-{int(time.time())}"
            shippers.append(LogShipper(self._region, stream, {LOG_GROUP: self._log_of(host)}))
        try:
            status, secondary, reason = self._attempts(base)
        except RunError as err:
            status, secondary, reason = "Failed", "Failed", str(err)
        except (LocalMockError, OSError) as err:
            status, secondary, reason = "Failed", "Failed", f"ClientError: {err}"
        except Exception as err:
            _log.exception("training job %s", job.training_job_name)
            status, secondary, reason = "Failed", "Failed", f"InternalServerError: {type(err).__name__}: {err}"
        finally:
            for shipper in shippers:
                shipper.close()  # all lines are there before anybody sees the end
            shutil.rmtree(base, ignore_errors=True)
        messages = {"Completed": "Training job completed", "Stopped": "Training job stopped"}
        job.move(secondary, reason or messages.get(secondary, secondary), status=status, reason=reason)

    def _make_base(self) -> Path:
        """Return the folder of the instances' folders; the SDK's shell scripts do not quote it."""
        return job_folder(self._context.state_dir / "sagemaker" / "training" / self.job.training_job_name)

    def _attempts(self, base: Path) -> _End:
        """Run attempts until one is not interrupted, or the time to wait for spot instances is up."""
        job, spot = self.job, bool(self.job.request.get("EnableManagedSpotTraining"))
        condition = job.request.get("StoppingCondition") or {}
        wait_end = self._began + (condition.get("MaxWaitTimeInSeconds") or DEFAULT_RUNTIME_S)
        left = float(condition.get("MaxRuntimeInSeconds") or DEFAULT_RUNTIME_S)
        while True:
            port = free_port()
            members = [
                container.Member(base / host, self._hosts, index, port) for index, host in enumerate(self._hosts)
            ]
            started = time.monotonic()
            end = self._attempt(members, min(left, max(1.0, wait_end - started)) if spot else left)
            left = max(1.0, left - (time.monotonic() - started))
            if end is not None:
                return end
            job.move("Interrupted", "Spot instances were taken away. The job starts again from its checkpoints.")
            self._interrupted.clear()
            for member in members:
                shutil.rmtree(member.root, ignore_errors=True)
            if self._stop.wait(SPOT_PAUSE_S):
                return "Stopped", "Stopped", ""
            if time.monotonic() >= wait_end:
                return "Stopped", "MaxWaitTimeExceeded", ""
            job.move("Starting", "Preparing the instances for training")

    def _attempt(self, members: list[container.Member], limit_s: float) -> _End | None:
        """Return one attempt: how the job ended, None if it was interrupted."""
        job, request = self.job, self.job.request
        if job.training_job_status == "InProgress":
            job.move("Downloading", "Downloading input data")
        for member in members:
            container.lay_out(member, request)
            container.fill_channels(member, request, self._context)
        syncs = [
            CheckpointSync(saved[1], saved[0], self._context.data)
            for member in members
            if (saved := container.checkpoints(member.root, request))
        ]
        try:
            if self._stop.is_set():
                return "Stopped", "Stopped", ""
            results = self._execute(members, limit_s)
        finally:
            for sync in syncs:
                sync.close()
        definitions = request["AlgorithmSpecification"].get("MetricDefinitions") or []
        job.metrics = final_metrics(definitions, self._log_of(self._hosts[0]))
        timed_out = any(r.timed_out for r in results)
        ended_by_us = timed_out or self._stop.is_set()
        if not ended_by_us and self._is_interruption(results):
            return None
        failed = not ended_by_us and any(r.returncode != 0 for r in results)
        if not failed and not self._stop.is_set():
            job.move("Uploading", "Uploading generated training model")
        self._upload(members, model=not failed)
        if failed:
            return "Failed", "Failed", self._reason(members, results)
        if timed_out:
            return "Stopped", "MaxRuntimeExceeded", ""
        return ("Stopped", "Stopped", "") if ended_by_us else ("Completed", "Completed", "")

    def _is_interruption(self, results: list[ChildResult]) -> bool:
        if self._interrupted.is_set():
            return True
        spot = bool(self.job.request.get("EnableManagedSpotTraining"))
        return spot and any(r.returncode in _KILLED and not r.stopped for r in results)

    def _execute(self, members: list[container.Member], limit_s: float) -> list[ChildResult]:
        """Run the entry point on every instance. If one fails, the others are ended."""
        request = self.job.request
        self.job.move("Training", "Training image download completed. Training in progress.")
        self._children = []
        for member in members:
            command, folder = container.command(member.root, request, self._context)
            child = Child(
                command,
                env=container.environment(member, request, self.job.arn, self._context),
                cwd=folder,
                log_path=self._log_of(member.name),
                timeout_s=limit_s,
            )
            self._children.append(child)
        if self._stop.is_set() or self._interrupted.is_set():  # asked before the children were there
            self._end_children()
        return wait_for_all(self._children, self._end_children)

    # --- what is left -----------------------------------------------------------------------------------------
    def _upload(self, members: list[container.Member], *, model: bool) -> None:
        """Upload ``<S3OutputPath>/<job>/output/{model,output}.tar.gz``, or folders if no compression is asked for.

        Files of all instances together; of one name, that of the first instance.
        """
        root = members[0].root
        for member in members[1:]:
            for name in ("model", "output/data"):
                _merge(member.root / name, root / name)
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

    def _reason(self, members: list[container.Member], results: list[ChildResult]) -> str:
        """Return the exit code, what the failed host left in output/failure, and the last lines of its log."""
        ended = [n for n, r in enumerate(results) if r.returncode != 0 and not r.stopped]
        guilty = ended[0] if ended else 0
        written = ""
        with contextlib.suppress(OSError):
            failure = members[guilty].root / "output" / "failure"
            written = failure.read_text(encoding="utf-8", errors="replace").strip()
        where = f" on {members[guilty].name}" if len(members) > 1 else ""
        head = f"AlgorithmError: exit code {results[guilty].returncode}{where}."
        if written:
            head += f" {written[:400]}"
        tail = self._children[guilty].tail(REASON_LINES)
        return shorten(head, f"Last lines of the log:\n{tail}" if tail else "")


def _merge(source: Path, target: Path) -> None:
    """Copy what `target` lacks."""
    for path in sorted(source.rglob("*")):
        there = target / path.relative_to(source)
        if path.is_file() and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, there)
