"""One job run as a real process: fetch script and packages, make its Spark settings, start it, say how it ended.

No states and no API here (see `models`): `start` prepares and starts, `wait` blocks and returns an `RunOutcome`.
Everything of a run lies in ``<state_dir>/glue/<run id>/``: `run.json`, `output.log`, `error.log`, `error.json`,
`bookmark.json`, `conf/`, `spark/`, `code/`; the scratch folder `work/` is removed when the run has ended. A run in
the spare (`spares`) has its scratch folder, `conf/` and `spark/` there.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from local_mock.context import Context
from local_mock.errors import LocalMockError
from local_mock.glue import class_archive, java, job_environment, spark
from local_mock.glue.spare_driver import CLAIMED
from local_mock.glue.spares import Spare, Spares
from local_mock.keys import split_uri
from local_mock.process import Child, ChildResult

__all__ = [
    "JobProcess", "JobSetupError", "RunOutcome", "RunSpec", "committed_bookmark", "prepare_spare",
    "script_arguments",
]  # fmt: skip

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
# Read by Glue itself, not by the script: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
_FOR_GLUE = frozenset({
    "--additional-python-modules", "--python-modules-installer-option", "--extra-py-files", "--extra-files",
    "--extra-jars", "--user-jars-first", "--conf", "--class", "--job-language", "--scriptLocation",
    "--enable-metrics", "--enable-observability-metrics", "--enable-spark-ui", "--spark-event-logs-path",
    "--enable-continuous-cloudwatch-log", "--enable-glue-datacatalog", "--enable-job-insights",
    "--enable-auto-scaling", "--datalake-formats", "--library-set",
})  # fmt: skip
BOOKMARK_OPTION = "--job-bookmark-option"
_BOOKMARK_RANGE = ("--job-bookmark-from", "--job-bookmark-to")
_STOP_GRACE_S = 3.0


class JobSetupError(LocalMockError):
    """A run cannot start: script, package or module is missing."""


@dataclass(frozen=True)
class RunSpec:
    """The request of a run; `arguments` are merged already (defaults < run < non-overridable)."""

    run_id: str
    job_name: str
    command: str  # glueetl or pythonshell
    script_uri: str
    arguments: Mapping[str, str]
    worker_type: str | None = None
    number_of_workers: int | None = None
    timeout_s: float | None = None
    role: str = ""  # name of the job's role: the principal of its own requests
    catalog: Mapping[str, list[str]] | None = None  # `spark_catalog.describe`, if the run asks for the catalog
    bookmark: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # {source: {object: when modified}}


@dataclass(frozen=True)
class RunOutcome:
    """Final state of a run, and the error message that the API shows."""

    state: str  # SUCCEEDED, FAILED, STOPPED, TIMEOUT
    message: str | None = None


def script_arguments(spec: RunSpec) -> list[str]:
    """Return `sys.argv[1:]` as Glue makes it: names of the run first, then all arguments that are the script's."""
    given = {
        BOOKMARK_OPTION: "job-bookmark-disable",
        "--JOB_NAME": spec.job_name,
        "--JOB_ID": f"j_{spec.run_id.removeprefix('jr_')}",
        "--JOB_RUN_ID": spec.run_id,
    }
    given |= {key: value for key, value in spec.arguments.items() if key not in _FOR_GLUE}
    # An empty value stays an argument of its own.
    return [word for key, value in given.items() for word in (key, str(value))]


def committed_bookmark(context: Context, run_id: str) -> dict[str, dict[str, str]] | None:
    """Return the bookmark that a run has committed, None without one."""
    path = _folder_of(context, run_id) / "bookmark.json"
    try:
        committed: dict[str, dict[str, str]] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    return committed


def _folder_of(context: Context, run_id: str) -> Path:
    return context.state_dir / "glue" / run_id


_spares: dict[Path, Spares] = {}
_spares_lock = threading.Lock()


def _spares_of(context: Context) -> Spares:
    with _spares_lock:
        if context.state_dir not in _spares:
            _spares[context.state_dir] = Spares(context.state_dir / "spare")
        return _spares[context.state_dir]


def prepare_spare(context: Context, worker_type: str | None, number_of_workers: int | None) -> None:
    """Start a Spark driver that waits for a job with these workers, unless one waits or a job runs."""

    def make(folder: Path) -> Spare:
        options = job_environment.jvm_options(context)
        properties = job_environment.spark_properties(
            context, worker_type, number_of_workers, folder / "work", options
        )
        job_environment.write_spark_home(folder, properties)
        return Spare(
            folder, properties, options, job_environment.variables(context, "", [], folder, folder / "work")
        )

    _spares_of(context).prepare(make)


class JobProcess:
    """The process of one run."""

    def __init__(self, spec: RunSpec, context: Context) -> None:
        self.spec = spec
        self.folder = _folder_of(context, spec.run_id)
        self.output_log = self.folder / "output.log"
        self.error_log = self.folder / "error.log"
        self._context = context
        wants_spare = spec.command == "glueetl" and context.spare_driver
        self._spares = _spares_of(context) if wants_spare else None
        self._scratch = self._work = self.folder / "work"  # the first is removed at the end
        self._child: Child | None = None
        self._started = 0.0

    def start(self) -> None:
        """Prepare the folder and start the process. Raises JobSetupError, naming what is missing."""
        if self.spec.command == "glueetl" and (problem := java.problem(os.environ)):
            raise JobSetupError(problem)
        if given := [name for name in _BOOKMARK_RANGE if name in self.spec.arguments]:
            raise JobSetupError(f"local_mock does not support {given[0]}: bookmarks go on from the last commit.")
        (self.folder / "code").mkdir(parents=True, exist_ok=True)
        script = self._fetch(self.spec.script_uri, self.folder / "code")
        packages = _import_paths(self._fetch_all("--extra-py-files"))
        files = self._fetch_all("--extra-files")
        modules = check_modules(self.spec.arguments.get("--additional-python-modules", ""))
        notes = "".join(f"local_mock: {note}\n" for note in modules)
        run: dict[str, Any] = {
            "script": str(script),
            "argv": script_arguments(self.spec),
            "bookmark": self.spec.bookmark,
            "bookmark_option": self.spec.arguments.get(BOOKMARK_OPTION, ""),
        }
        if self.spec.catalog is not None:
            run["catalog"] = self.spec.catalog
        (self.folder / "run.json").write_text(json.dumps(run, indent=1), encoding="utf-8")
        self._started = time.time()
        if self._spares is None:
            self._start_child(packages, files, notes)
            return
        self._spares.job_begins()
        try:
            if not self._start_spare(self._spares, packages, files, notes):
                self._start_child(packages, files, notes)
        except BaseException:
            self._spares.job_ends()
            raise

    def _start_child(self, packages: list[str], files: list[Path], notes: str) -> None:
        self._work.mkdir(exist_ok=True)
        _copy(files, self._work)
        self.error_log.write_text(notes, encoding="utf-8")
        if self.spec.command == "glueetl":
            job_environment.write_spark_home(
                self.folder, self._properties(self._work, job_environment.jvm_options(self._context))
            )
        self._child = Child(
            [sys.executable, "-P", _BOOTSTRAP, self.folder],
            env=self._environment(packages, self.folder),
            cwd=self._work,
            log_path=self.output_log,
            timeout_s=self.spec.timeout_s,
        )

    def _start_spare(self, spares: Spares, packages: list[str], files: list[Path], notes: str) -> bool:
        """Let the spare, if there is one that fits, run the job; return whether it does."""
        spare = spares.take(lambda spare: self._properties(spare.work, spare.jvm_options))
        if spare is None:
            return False
        properties = self._properties(spare.work, spare.jvm_options)
        try:
            job_environment.write_spark_home(spare.folder, properties)  # for a JVM of the script's own wishes
            _copy(files, spare.work)
        except BaseException:  # a full disk: nobody else knows the spare any more
            spare.end()
            raise

        def take_logs() -> None:
            """Make the logs of the spare and its JVM, which are open, those of the run."""
            for log in (self.output_log, self.error_log):
                (spare.folder / log.name).rename(log)
            with self.error_log.open("a", encoding="utf-8") as file:
                file.write(notes)

        self._work, own = spare.work, self._work
        job = {
            "folder": str(self.folder),
            "environment": self._environment(packages, spare.folder),
            "library": str(job_environment.LIBRARY),
            "packages": packages,
            "properties": properties,
        }
        if not spare.run(job, take_logs):
            self._work = own
            return False
        self._scratch, self._child = spare.folder, spare.child
        self._child.limit(self.spec.timeout_s)
        return True

    def wait(self) -> RunOutcome:
        """Block until the process has ended, and say how."""
        if self._child is None:
            raise JobSetupError(f"Run {self.spec.run_id} was not started.")
        result = self._child.wait()
        if self._spares is not None:
            workers = (self.spec.worker_type, self.spec.number_of_workers)
            used_spark = (self.folder / job_environment.LAUNCHED).exists() or (self._scratch / CLAIMED).exists()
            following = partial(prepare_spare, self._context, *workers) if used_spark else None
            self._spares.job_ends(following)
        shutil.rmtree(self._scratch, ignore_errors=True)
        if self.spec.command == "glueetl" and self._context.s3_endpoint is None:
            remove_checksums(self._context.s3_root, since=self._started)
        if result.timed_out:
            return RunOutcome("TIMEOUT", "Job timed out.")
        if result.stopped:
            return RunOutcome("STOPPED")
        if result.returncode == 0:
            if self.spec.command == "glueetl" and self._context.class_archive:
                class_archive.make_once(class_archive.archive(os.environ), self._write_archive)
            return RunOutcome("SUCCEEDED")
        return RunOutcome("FAILED", self._message(result.returncode))

    def stop(self) -> None:
        """End the process and all that it started."""
        if self._child is not None:
            self._child.stop(_STOP_GRACE_S)

    def _write_archive(self, path: Path) -> ChildResult:
        """Run Spark once more as this job ran, to write the archive of its classes; block until that has ended."""
        self._work = self.folder / "work"
        self._work.mkdir(exist_ok=True)
        job_environment.write_spark_home(
            self.folder, self._properties(self._work, [f"-XX:ArchiveClassesAtExit={path}"])
        )
        child = Child(
            [sys.executable, "-P", class_archive.SCRIPT, self._work],
            env=self._environment([], self.folder),
            cwd=self._work,
            log_path=self.folder / "class_archive.log",
        )
        try:
            return child.wait()
        finally:
            shutil.rmtree(self._work, ignore_errors=True)

    def _message(self, code: int) -> str:
        try:
            return str(json.loads((self.folder / "error.json").read_text(encoding="utf-8"))["message"])
        except (FileNotFoundError, ValueError, KeyError):
            if code < 0 or code > 128:
                number = -code if code < 0 else code - 128
                names = {int(s): s.name for s in signal.Signals}
                return (
                    f"Command failed: the process was killed by {names.get(number, f'signal {number}')} (out of "
                    f"memory, or from outside). Last lines:\n{tail(self.error_log)}"
                )
            return f"Command failed with exit code {code}. Last lines:\n{tail(self.error_log)}"

    def _properties(self, scratch: Path, jvm_options: list[str]) -> dict[str, str]:
        workers = (self.spec.worker_type, self.spec.number_of_workers)
        own = job_environment.spark_properties(self._context, *workers, scratch, jvm_options)
        return own | spark.user_conf(self.spec.arguments.get("--conf", ""))

    def _environment(self, packages: list[str], spark_folder: Path) -> dict[str, str]:
        place = spark_folder if self.spec.command == "glueetl" else None
        env = job_environment.variables(self._context, self.spec.role, packages, place, self._work)
        return env | {"LOCAL_MOCK_GLUE_RUN": str(self.folder)}

    def _fetch_all(self, argument: str) -> list[Path]:
        uris = [uri.strip() for uri in self.spec.arguments.get(argument, "").split(",")]
        folder = self.folder / argument.strip("-")
        return [self._fetch(uri, folder) for uri in uris if uri]

    def _fetch(self, uri: str, folder: Path) -> Path:
        try:
            data = self._context.data.read(uri)
        except FileNotFoundError as err:
            bucket, key = split_uri(uri)
            raise JobSetupError(
                f"Error downloading from S3 for bucket: {bucket}, key: {key}. The specified key does not exist "
                "(NoSuchKey)."
            ) from err
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / PurePosixPath(uri).name
        path.write_bytes(data)
        return path


def _import_paths(packages: list[Path]) -> list[str]:
    return list(dict.fromkeys(str(p.parent if p.suffix == ".py" else p) for p in packages))


def _copy(files: list[Path], folder: Path) -> None:
    for path in files:
        shutil.copy(path, folder)


def check_modules(argument: str) -> list[str]:
    """Return notes on `--additional-python-modules`. None is installed here, so a missing one is an error."""
    notes, missing = [], []
    for wanted in filter(None, (item.strip() for item in argument.split(","))):
        name = re.split(r"[\[<>=!~;@ ]", wanted, maxsplit=1)[0]
        if "/" in name:
            missing.append(wanted)
            continue
        try:
            have = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(wanted)
            continue
        if "==" in wanted and wanted.split("==")[1] != have:
            notes.append(f"--additional-python-modules asks for {wanted}, but {have} is installed and used.")
    if missing:
        raise JobSetupError(
            f"--additional-python-modules names {', '.join(missing)}, which this machine does not have: install "
            "it into the environment that local_mock runs in."
        )
    return notes


def remove_checksums(s3_root: Path, since: float) -> None:
    """Remove Hadoop's `.crc` files that a run has left beside its objects.

    One that outlives its object would make Spark refuse the object that takes its place. Those of writers that
    are still at work (`_temporary`) are left alone. `since` is in seconds since 1970.
    """
    for name in spark.buckets(s3_root):
        for path in (s3_root / name).rglob(".*.crc"):
            with contextlib.suppress(FileNotFoundError):
                if "_temporary" not in path.parts and path.stat().st_mtime >= since - 2.0:
                    path.unlink()


def tail(path: Path, lines: int = 10) -> str:
    """Return the last lines of a log ('' if there is none)."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
