"""Glue's jobs and crawlers that execute: they take the place of moto's classes of the same role.

A `JobRun` goes STARTING → RUNNING → SUCCEEDED | FAILED | STOPPED | TIMEOUT in a thread of its own around
`runner.JobProcess`; an `ExecutingCrawler` runs `crawl.discover` and `catalog.apply` in a thread. Databases,
tables and partitions are moto's own.
"""

from __future__ import annotations

import json
import threading
import traceback
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.utils import utcnow
from moto.glue.exceptions import (
    ConcurrentRunsExceededException,
    CrawlerNotRunningException,
    CrawlerRunningException,
    JobRunNotFoundException,
)
from moto.glue.models import FakeCrawler, FakeJob, GlueBackend

from local_mock.context import get_context
from local_mock.durable.state import change
from local_mock.glue.catalog import apply, folders, policy_of
from local_mock.glue.crawl import CrawlStopped, Discovery, Target, discover
from local_mock.glue.footers import Footers
from local_mock.glue.logs import LogShipper, put_lines
from local_mock.glue.runner import JobProcess, JobSetupError, RunOutcome, RunSpec, committed_bookmark
from local_mock.glue.spark_catalog import describe as describe_catalog
from local_mock.glue.spark_catalog import is_wanted

__all__ = ["Crawl", "ExecutingCrawler", "ExecutingJob", "JobRun"]

ACTIVE = frozenset({"STARTING", "RUNNING", "STOPPING"})
LOG_GROUP = "/aws-glue/jobs"
CRAWLER_GROUP = "/aws-glue/crawlers"
_MAX_MESSAGE, _MAX_PROBLEM = 1900, 900  # LastCrawl.ErrorMessage holds 2,048 characters
_DEFAULT_TIMEOUT_MIN = {"glueetl": 480, "pythonshell": 2880}  # Glue 5.x: 8 hours


class JobRun:
    """One attempt at a job."""

    def __init__(self, job: ExecutingJob, options: Mapping[str, Any], previous: JobRun | None = None) -> None:
        self.job = job
        self.attempt: int = previous.attempt + 1 if previous else 0
        self._options = options
        self._first_id: str = previous._first_id if previous else f"jr_{uuid.uuid4().hex * 2}"
        self.job_run_id = f"{self._first_id}_attempt_{self.attempt}" if self.attempt else self._first_id
        self.previous_run_id = previous.job_run_id if previous else options.get("previous_run_id")
        self.status = "STARTING"
        self.error_message: str | None = None
        self.started_on = self.modified_on = utcnow()
        self.running_since: datetime | None = None
        self.completed_on: datetime | None = None
        self.arguments = {
            **job.default_arguments,
            **(options.get("arguments") or {}),
            **(job.non_overridable_arguments or {}),
        }
        self.timeout_min = options.get("timeout") or job.timeout or _DEFAULT_TIMEOUT_MIN.get(self.command, 2880)
        self._lock = threading.Lock()
        self._stop_asked = False
        self._execution: JobProcess | None = None

    @property
    def command(self) -> str:
        """The kind of the job: glueetl, pythonshell, …."""
        command: Any = self.job.command
        return str((command or {}).get("Name", "glueetl"))

    def begin(self) -> None:
        """Start the thread that runs it."""
        threading.Thread(target=self._live, name=f"glue-{self.job_run_id[:12]}", daemon=True).start()

    def stop(self) -> bool:
        """Ask it to stop; False if it has ended already."""
        with self._lock:
            if self.status not in ACTIVE:
                return False
            self._stop_asked = True
            self._set("STOPPING")
            execution = self._execution
        if execution is not None:
            threading.Thread(target=execution.stop, daemon=True).start()
        return True

    def advance(self) -> None:
        """Do nothing: the state is that of the process (moto's own runs advance when they are looked at)."""

    def get_name(self) -> str:
        return str(self.job.name)

    def as_dict(self) -> dict[str, Any]:
        """Return the `JobRun` of the API."""
        until = self.completed_on or utcnow()
        seconds = (until - self.running_since).total_seconds() if self.running_since else 0.0
        shown = {
            "Id": self.job_run_id,
            "Attempt": self.attempt,
            "PreviousRunId": self.previous_run_id,
            "JobName": self.job.name,
            "StartedOn": self.started_on,
            "LastModifiedOn": self.modified_on,
            "CompletedOn": self.completed_on,
            "JobRunState": self.status,
            "Arguments": self.arguments,
            "ErrorMessage": self.error_message,
            "PredecessorRuns": [],
            "ExecutionTime": round(seconds),
            "Timeout": self.timeout_min,
            "WorkerType": self._option("worker_type"),
            "NumberOfWorkers": self._option("number_of_workers"),
            "MaxCapacity": self._option("max_capacity"),
            "AllocatedCapacity": self._option("allocated_capacity"),
            "SecurityConfiguration": self._option("security_configuration"),
            "LogGroupName": self.log_group,
            "GlueVersion": self.job.glue_version,
            "ExecutionClass": self.job.execution_class,
        }
        return {key: value for key, value in shown.items() if value is not None}

    def _option(self, name: str) -> Any:
        return self._options.get(name) or getattr(self.job, name)

    def _set(self, state: str) -> None:
        self.status = state
        self.modified_on = utcnow()

    def _live(self) -> None:
        try:
            outcome = self._execute()
        except Exception as err:  # a run must end, whatever happens around it
            outcome = RunOutcome("FAILED", f"{type(err).__name__}: {err}")
            traceback.print_exc()
        retry = outcome.state == "FAILED" and self.attempt < (self.job.max_retries or 0)
        # The retry is there before this run is seen to have failed, so that nothing can slip in between.
        following = JobRun(self.job, self._options, previous=self) if retry else None
        bookmark = committed_bookmark(get_context(), self.job_run_id)
        with change("glue"), self._lock:
            if bookmark is not None:
                self.job.keep_bookmark(self, bookmark)
            if following:
                self.job.job_runs.append(following)
            self.error_message = outcome.message
            self.completed_on = utcnow()
            self._set(outcome.state)
        if following:
            following.begin()

    def _execute(self) -> RunOutcome:
        context = get_context()
        execution = JobProcess(self._spec(), context)
        execution.folder.mkdir(parents=True, exist_ok=True)
        files = {
            f"{self.log_group}/output": execution.output_log,
            f"{self.log_group}/error": execution.error_log,
        }
        shipper = LogShipper(self.job.backend.region_name, self.job_run_id, files)
        try:
            with self._lock:
                if self._stop_asked:
                    return RunOutcome("STOPPED")
                execution.start()
                self._execution = execution
                self.running_since = utcnow()
                self._set("RUNNING")
            return execution.wait()
        except JobSetupError as err:
            execution.error_log.write_text(f"{err}\n", encoding="utf-8")
            return RunOutcome("FAILED", str(err))
        finally:
            shipper.close()

    def _spec(self) -> RunSpec:
        command: Any = self.job.command
        return RunSpec(
            run_id=self.job_run_id,
            job_name=self.job.name,
            command=self.command,
            script_uri=str(command.get("ScriptLocation", "")),
            arguments=self.arguments,
            worker_type=self._option("worker_type"),
            number_of_workers=self._option("number_of_workers"),
            timeout_s=self.timeout_min * 60.0,
            role=str(self.job.role or "").rpartition("/")[2],
            bookmark=self.job.bookmark.get("state", {}),
            catalog=self._catalog() if self.command == "glueetl" and is_wanted(self.arguments) else None,
        )

    def _catalog(self) -> dict[str, list[str]]:
        databases = self.job.backend.databases
        tables = [table for database in databases.values() for table in database.tables.values()]
        entries = ((t.as_dict(), [p.as_dict() for p in list(t.partitions.values())]) for t in tables)
        return describe_catalog(sorted(databases), entries)

    @property
    def log_group(self) -> str:
        """The group of the output and error logs.

        https://docs.aws.amazon.com/glue/latest/dg/monitor-continuous-logging-enable.html
        """
        return str(self.arguments.get("--custom-logGroup-prefix") or LOG_GROUP)


class ExecutingJob(FakeJob):
    """A job whose runs are real. `bookmark` is {} before the first commit and after a reset."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.bookmark: dict[str, Any] = {}

    def keep_bookmark(self, run: JobRun, state: Mapping[str, Any]) -> None:
        """Make what a run has committed the job's bookmark."""
        self.bookmark = {
            "state": state,
            "run_id": run.job_run_id,
            "attempt": run.attempt,
            "previous_run_id": self.bookmark.get("run_id"),
            "run": self.bookmark.get("run", 0) + 1,
        }

    def bookmark_entry(self) -> dict[str, Any]:
        """Return the `JobBookmarkEntry` of the API."""
        kept = self.bookmark
        entry = {
            "JobName": self.name,
            "Version": kept.get("run", 0),
            "Run": kept.get("run", 0),
            "Attempt": kept.get("attempt", 0),
            "PreviousRunId": kept.get("previous_run_id"),
            "RunId": kept.get("run_id"),
            "JobBookmark": json.dumps(kept.get("state", {})),
        }
        return {key: value for key, value in entry.items() if value is not None}

    def start_job_run(self, **options: Any) -> str:
        """Start a run and return its id. Raises ConcurrentRunsExceededException beyond MaxConcurrentRuns."""
        command: Any = self.command
        if not isinstance(command, dict) or command.get("Name") not in ("glueetl", "pythonshell"):
            raise JsonRESTError(
                "InvalidInputException",
                f"local_mock runs jobs whose Command.Name is glueetl or pythonshell, but job {self.name} has "
                f"{command}.",
            )
        limit = int((self.execution_property or {}).get("MaxConcurrentRuns") or 1)
        with _starting:
            if sum(run.status in ACTIVE for run in self.job_runs) >= limit:
                raise ConcurrentRunsExceededException(f"Concurrent runs exceeded for {self.name}")
            run = JobRun(self, options)
            self.job_runs.append(run)
        run.begin()
        return run.job_run_id

    def find_run(self, run_id: str) -> JobRun:
        """Return the run with this id. Raises JobRunNotFoundException."""
        runs: list[JobRun] = self.job_runs
        for run in runs:
            if run.job_run_id == run_id:
                return run
        raise JobRunNotFoundException(run_id)

    def get_job_runs(self) -> Any:
        """Return the items from new to old, as Glue lists them."""
        return list(reversed(self.job_runs))


_starting = threading.Lock()


class Crawl:
    """One run of a crawler."""

    def __init__(self, crawler_name: str) -> None:
        self.crawl_id = str(uuid.uuid4())
        self.status = "RUNNING"  # RUNNING, STOPPING, COMPLETED, FAILED, STOPPED
        self.start_time = utcnow()
        self.end_time: datetime | None = None
        self.error_message: str | None = None
        self.summary = ""
        self.log_group = CRAWLER_GROUP
        self.log_stream = crawler_name
        self.message_prefix = self.crawl_id
        self.stop = threading.Event()

    def advance(self) -> None:
        """Do nothing (see `JobRun.advance`)."""

    def as_dict(self) -> dict[str, Any]:
        """Return the `CrawlerHistory` of the API."""
        shown = {
            "CrawlId": self.crawl_id,
            "State": "RUNNING" if self.status == "STOPPING" else self.status,
            "StartTime": self.start_time,
            "EndTime": self.end_time,
            "Summary": self.summary or None,
            "ErrorMessage": self.error_message,
            "LogGroup": self.log_group,
            "LogStream": self.log_stream,
            "MessagePrefix": self.message_prefix,
        }
        return {key: value for key, value in shown.items() if value is not None}

    def last_crawl(self) -> dict[str, Any]:
        """Return the `LastCrawl` of the API."""
        status = {"COMPLETED": "SUCCEEDED", "STOPPED": "CANCELLED"}.get(self.status, self.status)
        shown = {
            "Status": status,
            "ErrorMessage": self.error_message,
            "LogGroup": self.log_group,
            "LogStream": self.log_stream,
            "MessagePrefix": self.message_prefix,
            "StartTime": self.start_time,
        }
        return {key: value for key, value in shown.items() if value is not None}


class ExecutingCrawler(FakeCrawler):
    """A crawler that reads what lies under its targets."""

    _footers: Footers | None = None  # of the last crawl, which one crawl at a time uses

    def start_crawler(self) -> None:
        """Start a crawl. Raises CrawlerRunningException while one runs."""
        with _starting:
            if self.status != "READY":
                raise CrawlerRunningException(f"Crawler with name {self.name} has already started")
            crawl = Crawl(self.name)
            self.crawls.append(crawl)
        threading.Thread(target=self._live, args=(crawl,), name=f"crawl-{self.name}", daemon=True).start()

    def stop_crawler(self) -> None:
        """Ask the crawl to stop. Raises CrawlerNotRunningException if none runs."""
        crawl: Any = self.crawls[-1] if self.crawls else None
        if crawl is None or crawl.status != "RUNNING":
            raise CrawlerNotRunningException(f"Crawler with name {self.name} isn't running")
        crawl.status = "STOPPING"
        crawl.stop.set()

    def as_dict(self) -> dict[str, Any]:
        """Return the `Crawler` of the API; `LastCrawl` is the last one that has ended."""
        shown: dict[str, Any] = super().as_dict()
        shown.pop("LastCrawl", None)
        crawls: list[Any] = [crawl for crawl in self.crawls if crawl.end_time is not None]
        if crawls:
            shown["LastCrawl"] = crawls[-1].last_crawl()
        running: list[Any] = [crawl for crawl in self.crawls if crawl.end_time is None]
        if running:
            elapsed = utcnow() - running[-1].start_time
            shown["CrawlElapsedTime"] = int(elapsed.total_seconds() * 1000)
        return shown

    def _live(self, crawl: Crawl) -> None:
        with change("glue"):
            self._crawl_and_say(crawl)

    def _crawl_and_say(self, crawl: Crawl) -> None:
        lines: list[str] = []
        try:
            state = self._crawl(crawl, lines)
        except CrawlStopped:
            state = "STOPPED"
        except Exception as err:  # the error belongs into LastCrawl
            state, crawl.error_message = "FAILED", f"{type(err).__name__}: {err}"
            lines.append(f"ERROR : {crawl.error_message}")
        region = self.backend.region_name
        stamped = [f"[{crawl.crawl_id}] {line}" for line in [*lines, f"INFO : crawl has ended: {state}"]]
        put_lines(region, CRAWLER_GROUP, self.name, stamped)
        crawl.end_time = utcnow()
        crawl.status = state

    def _crawl(self, crawl: Crawl, lines: list[str]) -> str:
        backend: GlueBackend = self.backend
        targets = [
            Target(item["Path"], tuple(item.get("Exclusions") or ()))
            for item in (self.targets or {}).get("S3Targets") or []
        ]
        others = [kind for kind, value in (self.targets or {}).items() if value and kind != "S3Targets"]
        if others or not targets:
            raise ValueError(f"local_mock crawls S3 targets only, but crawler {self.name} has {others or 'none'}.")
        database = backend.get_database(self.database_name)
        policy = policy_of(self.schema_change_policy, self.recrawl_policy, self.configuration)
        if self._footers is None:
            self._footers = Footers()
        discovered = discover(
            get_context().data,
            targets,
            crawl.stop.is_set,
            footers=self._footers,
            known_folders=folders(database, self.name) if policy.only_new else frozenset(),
            level=policy.level,
            combine=policy.combine,
        )
        changes = apply(discovered, database, self, policy)
        lines += [f"WARN : {problem}" for problem in discovered.problems]
        lines += [f"INFO : {line}" for line in discovered.notes + changes]
        crawl.summary = "; ".join(changes)
        crawl.error_message = _shortened(discovered) or None
        # Where nothing lies there is nothing to fail at: as on AWS, such a crawl succeeds and says so.
        if (
            discovered.listed
            and not discovered.tables
            and not policy.only_new
            and not folders(database, self.name)
        ):
            crawl.error_message = f"No table was made. {crawl.error_message or ''}".rstrip()
            return "FAILED"
        return "COMPLETED"


def _shortened(discovery: Discovery) -> str:
    """Return the problems cut to the length of LastCrawl, conflicts of types first; the log has them whole."""
    conflicts = {str(conflict) for table in discovery.tables for conflict in table.conflicts}
    ordered = sorted(discovery.problems, key=lambda problem: problem.partition(", ")[2] not in conflicts)
    shown, left = [], _MAX_MESSAGE
    for n, problem in enumerate(ordered):
        text = problem if len(problem) <= _MAX_PROBLEM else problem[: _MAX_PROBLEM - 1] + "…"
        if len(text) + 1 > left:
            shown.append(f"and {len(ordered) - n} more: see the log stream in {CRAWLER_GROUP}.")
            break
        shown.append(text)
        left -= len(text) + 1
    return "\n".join(shown)
