"""State of Athena: work groups, prepared statements, and query executions, each run in a thread of its own."""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

import copy
import hashlib
import json
import logging
import re
import threading
import time
import uuid
from dataclasses import replace
from typing import Any

import pyarrow as pa
from moto.athena.models import AthenaBackend as StockBackend

from local_mock.athena.catalog import GlueCatalog
from local_mock.athena.engine import Engine, ScanLimitError
from local_mock.athena.errors import ApiError, QueryError
from local_mock.athena.executor import Executor, Outcome
from local_mock.athena.grammar import MAX_QUERY_BYTES
from local_mock.athena.results import from_csv, to_csv, to_lines
from local_mock.athena.statements import classify, split_values, substitute_parameters, unquote
from local_mock.context import get_context
from local_mock.durable import state as durable
from local_mock.keys import split_uri

__all__ = ["AthenaBackend", "Execution"]

CONCURRENT_QUERIES = 16
# https://docs.aws.amazon.com/athena/latest/APIReference/API_ResultReuseByAgeConfiguration.html
DEFAULT_REUSE_MINUTES, MAX_REUSE_MINUTES = 60, 10_080
KEPT_BYTES = 64 * 2**20
KEPT_RESULTS = 8  # result tables kept in memory for paging; older ones are read from S3 again
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
_log = logging.getLogger("local_mock.athena")


class Execution:
    """One query: what was asked, how it stands, what it gave."""

    def __init__(self, request: dict[str, Any], work_group: str, folder: str) -> None:
        self.id = str(uuid.uuid4())
        self.query: str = request["QueryString"]
        self.parameters: list[str] = list(request.get("ExecutionParameters") or [])
        context = request.get("QueryExecutionContext") or {}
        self.context = context
        self.token = str(request.get("ClientRequestToken") or "")
        self.request = _fingerprint(request)
        self.reuse = (request.get("ResultReuseConfiguration") or {}).get("ResultReuseByAgeConfiguration") or {}
        self.reused = False
        self.database = (context.get("Database") or "default").strip('`"').lower()
        self.work_group, self.folder = work_group, folder
        self.output = folder + self.id
        self.type, self.subtype = "DML", "SELECT"
        self.state, self.reason = "QUEUED", ""
        self.submitted = time.time()
        self.started = self.completed = 0.0
        self.outcome = Outcome()
        self.stopped = threading.Event()
        self.executor: Executor | None = None
        self.lock = threading.Lock()

    @property
    def reuse_key(self) -> tuple[Any, ...]:
        """Return what two queries must share for one to show the other's result."""
        return self.query, tuple(self.parameters), self.database, self.work_group, self.folder

    @property
    def header(self) -> bool:
        """Return whether page one opens with the column names."""
        return not self.outcome.plain and self.outcome.table is not None

    def describe(self) -> dict[str, Any]:
        """Return `QueryExecution` of the API."""
        end = self.completed or time.time()
        total, engine = int((end - self.submitted) * 1000), int((end - (self.started or end)) * 1000)
        statistics: dict[str, Any] = {
            "EngineExecutionTimeInMillis": engine,
            "DataScannedInBytes": self.outcome.scanned,
            "TotalExecutionTimeInMillis": total,
            "QueryQueueTimeInMillis": max(total - engine, 0),
            "ServicePreProcessingTimeInMillis": 0,
            "QueryPlanningTimeInMillis": 0,
            "ServiceProcessingTimeInMillis": 0,
            "ResultReuseInformation": {"ReusedPreviousResult": self.reused},
        }
        if self.outcome.manifest is not None and self.state == "SUCCEEDED":
            statistics["DataManifestLocation"] = self.manifest
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.state in FINAL:
            status["CompletionDateTime"] = self.completed
        if self.reason:
            status["StateChangeReason"] = self.reason
        if self.state == "FAILED":
            status["AthenaError"] = {
                "ErrorCategory": 2,
                "ErrorType": 1006,
                "Retryable": False,
                "ErrorMessage": self.reason,
            }
        description = {
            "QueryExecutionId": self.id, "Query": self.query, "StatementType": self.type, "SubstatementType": self.subtype,
            "ResultConfiguration": {"OutputLocation": self.output},
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": self.reuse or {"Enabled": False}},
            "QueryExecutionContext": {"Database": self.database, "Catalog": self.context.get("Catalog", "awsdatacatalog")},
            "Status": status, "Statistics": statistics, "WorkGroup": self.work_group,
            "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
        }  # fmt: skip
        return description | ({"ExecutionParameters": self.parameters} if self.parameters else {})

    @property
    def manifest(self) -> str:
        return f"{self.folder}{self.outcome.manifest_folder}{self.id}-manifest.csv"


def _check_reuse(reuse: dict[str, Any]) -> None:
    """Raise ApiError for an age of results that Athena does not take."""
    minutes = reuse.get("MaxAgeInMinutes", 0)
    if not 0 <= minutes <= MAX_REUSE_MINUTES:
        raise ApiError(f"MaxAgeInMinutes must be between 0 and {MAX_REUSE_MINUTES}, but is {minutes}.")


def _fingerprint(request: dict[str, Any]) -> str:
    """Return a hash of everything that two requests under one token must share."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class AthenaBackend(StockBackend):
    """Moto's Athena with queries that run. Named queries, tags and capacity reservations stay moto's."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.runs: dict[str, Execution] = {}
        self.statements: dict[tuple[str, str], dict[str, Any]] = {}
        self.catalog = GlueCatalog(account_id, region_name)
        self.prefix = f"athena-runs/{account_id}/{region_name}/"
        self._slots = threading.Semaphore(CONCURRENT_QUERIES)
        self._results: dict[str, pa.Table] = {}
        self._engine: Engine | None = None
        self._guard = threading.Lock()
        self._starting = threading.Lock()
        self._by_token: dict[str, Execution] = {}

    def add(self, run: Execution) -> None:
        """Keep an execution under its id and its idempotency token."""
        self.runs[run.id] = run
        if run.token:
            self._by_token[run.token] = run

    @property
    def engine(self) -> Engine:
        with self._guard:
            if self._engine is None:
                context = get_context()
                self._engine = Engine(
                    context.data, [context.s3_root, context.state_dir / "cache"], context.state_dir / "athena"
                )
            return self._engine

    # --- executions ---------------------------------------------------------------------------------------
    def start(self, request: dict[str, Any]) -> str:
        """StartQueryExecution: the id; the query runs in a thread. Raises ApiError."""
        name = request.get("WorkGroup") or "primary"
        group = self.work_groups.get(name)
        if group is None:
            raise ApiError(f"WorkGroup {name} is not found.")
        if group.state == "DISABLED":
            raise ApiError(f"WorkGroup {name} is disabled.")
        if not (request.get("QueryString") or "").strip():
            raise ApiError("queryString must not be empty")
        if len(request["QueryString"].encode()) > MAX_QUERY_BYTES:
            raise ApiError(
                f"1 validation error detected: Value at 'queryString' failed to satisfy constraint: Member must have length less than or equal to {MAX_QUERY_BYTES}"
            )
        wanted = (request.get("ResultConfiguration") or {}).get("OutputLocation")
        configured = (group.configuration.get("ResultConfiguration") or {}).get("OutputLocation")
        enforced = group.configuration.get("EnforceWorkGroupConfiguration", True)
        location = configured if configured and (enforced or not wanted) else wanted
        if not location:
            raise ApiError(
                "No output location provided. An output location is required either through the Workgroup result configuration setting or as an API input."
            )
        if not re.fullmatch(r"s3://[^/]+(/.*)?", location):
            raise ApiError(f"outputLocation is not a valid S3 path: {location}")
        run = Execution(request, name, location.rstrip("/") + "/")
        _check_reuse(run.reuse)
        with self._starting:
            if run.token and (earlier := self._by_token.get(run.token)):
                if earlier.request != run.request:
                    raise ApiError("Idempotent parameters do not match")
                return earlier.id
            if not self.engine.data.has_bucket(location):
                raise ApiError(f"Unable to verify/create output bucket {split_uri(location)[0]}")
            self._record(run)
            self.add(run)
        threading.Thread(target=self._run, args=(run,), name=f"athena-{run.id}", daemon=True).start()
        return run.id

    def _record(self, run: Execution, **final: Any) -> None:
        """Keep an execution over a restart, as it is about to be shown."""
        if (state := durable.current()) is not None:
            shown = copy.copy(run)
            vars(shown).update(final)
            state.put(self.prefix + run.id, shown)

    def _run(self, run: Execution) -> None:
        with self._slots:
            run.started = time.time()
            try:
                self._execute(run)
                state, reason = "SUCCEEDED", ""
            except QueryError as err:
                state, reason = "CANCELLED" if isinstance(err, ScanLimitError) else "FAILED", str(err)
            except Exception as err:  # the state must become final whatever happens
                _log.exception("query %s", run.id)
                state, reason = "FAILED", f"INTERNAL_ERROR: {type(err).__name__}: {err}"
            with run.lock:
                run.completed = time.time()
                if run.stopped.is_set():
                    state, reason = "CANCELLED", "Query cancelled by user"
                self._record(run, reason=reason, state=state)
                run.reason, run.state = reason, state
                run.executor = None  # gives its DuckDB connection back

    def _execute(self, run: Execution) -> None:
        sql = run.query
        statement = classify(sql)
        if statement.kind == "execute":
            statement = classify(self._prepared(run, statement.sql))
        elif run.parameters:
            statement = classify(substitute_parameters(statement.sql, run.parameters))
        run.type, run.subtype = statement.type, statement.subtype
        if statement.kind == "select" and (earlier := self._reusable(run)):
            run.reused, run.output = True, earlier.output
            run.outcome = replace(earlier.outcome, scanned=0)
            return
        if statement.kind in ("prepare", "deallocate"):
            run.outcome = self._prepare(run, statement.kind, statement.sql)
        else:
            run.executor = Executor(
                self.engine, self.catalog, run.database, run.folder, get_context().state_dir / "athena"
            )
            cutoff = self.work_groups[run.work_group].configuration.get("BytesScannedCutoffPerQuery")
            run.executor.session.cutoff = int(cutoff) if cutoff else None
            with run.lock:
                if run.stopped.is_set():
                    return
                run.state = "RUNNING"
            run.outcome = run.executor.run(statement)
        if statement.kind != "select":
            durable.save("athena" if statement.kind in ("prepare", "deallocate") else "glue")
        try:
            self._store(run)
        except FileNotFoundError as err:  # the bucket went away while the query ran
            raise QueryError("", f"The S3 location provided to save your query results is invalid. {err}") from err

    def _reusable(self, run: Execution) -> Execution | None:
        """Return the latest run whose result `run` may show, as its ResultReuseConfiguration allows."""
        if not run.reuse.get("Enabled"):
            return None
        oldest = time.time() - 60 * run.reuse.get("MaxAgeInMinutes", DEFAULT_REUSE_MINUTES)
        for earlier in reversed(list(self.runs.values())):
            if (
                earlier.state == "SUCCEEDED"
                and not earlier.reused
                and earlier.completed >= oldest
                and earlier.reuse_key == run.reuse_key
                and self.engine.data.exists(earlier.output)
            ):
                return earlier
        return None

    def _store(self, run: Execution) -> None:
        """Write what Athena leaves in the output location."""
        outcome, data = run.outcome, self.engine.data
        if outcome.manifest is not None:
            data.write(run.manifest, "".join(f"{uri}\n" for uri in outcome.manifest).encode())
            return
        run.output += ".txt" if outcome.plain else ".csv"
        table = outcome.table if outcome.table is not None else pa.table({})
        if outcome.plain:
            data.write(
                run.output,
                to_lines([list(row) for row in zip(*(c.to_pylist() for c in table.columns), strict=True)]),
            )
        else:
            data.write(run.output, to_csv(outcome.names, table))
            data.write(run.output + ".metadata", b"")
            self._keep(run.id, table)
            outcome.table = table.slice(0, 0)

    def _keep(self, id_: str, table: pa.Table) -> None:
        with self._guard:
            self._results[id_] = table
            while len(self._results) > 1 and (
                len(self._results) > KEPT_RESULTS or sum(t.nbytes for t in self._results.values()) > KEPT_BYTES
            ):
                self._results.pop(next(iter(self._results)))

    def result(self, run: Execution) -> pa.Table:
        """Return the text table of a finished query."""
        if run.outcome.plain or run.outcome.table is None:
            return run.outcome.table if run.outcome.table is not None else pa.table({})
        kept = self._results.get(run.id)
        if kept is None:
            kept = from_csv(self.engine.data.read(run.output), run.outcome.names)
            self._keep(run.id, kept)
        return kept

    def execution(self, id_: str) -> Execution:
        run = self.runs.get(id_)
        if run is None:
            raise ApiError(f"QueryExecution {id_} was not found", AthenaErrorCode="INVALID_QUERY_EXECUTION")
        return run

    def stop(self, id_: str) -> None:
        """StopQueryExecution: interrupts DuckDB; a finished query stays as it is."""
        run = self.execution(id_)
        with run.lock:
            if run.state in FINAL:
                return
            run.stopped.set()
            if run.executor is not None:
                run.executor.session.interrupt()
            final = {"state": "CANCELLED", "reason": "Query cancelled by user", "completed": time.time()}
            self._record(run, **final)
            vars(run).update(final)

    # --- prepared statements ------------------------------------------------------------------------------
    def _prepared(self, run: Execution, sql: str) -> str:
        match = re.match(r"EXECUTE\s+(\"[^\"]+\"|[\w@:]+)\s*(?:USING\s+(.*))?$", sql, re.IGNORECASE | re.DOTALL)
        if match is None:
            raise QueryError("SYNTAX_ERROR", "line 1:1: EXECUTE name [USING value, …] expected")
        name = match.group(1).strip('"')
        statement = self.statements.get((run.work_group, name))
        if statement is None:
            raise QueryError("NOT_FOUND", f"PreparedStatement {name} was not found in workGroup {run.work_group}")
        values = split_values(match.group(2)) if match.group(2) else run.parameters
        return substitute_parameters(statement["QueryStatement"], values)

    def _prepare(self, run: Execution, kind: str, sql: str) -> Outcome:
        pattern = r"PREPARE\s+(\S+)\s+FROM\s+(.*)$" if kind == "prepare" else r"DEALLOCATE\s+PREPARE\s+(\S+)$"
        match = re.match(pattern, sql, re.IGNORECASE | re.DOTALL)
        if match is None:
            raise QueryError("SYNTAX_ERROR", f"line 1:1: {kind.upper()} statement expected")
        key = (run.work_group, unquote(match.group(1))[-1])
        if kind == "prepare":
            self.statements[key] = _statement(key, match.group(2), "")
        elif self.statements.pop(key, None) is None:
            raise QueryError("NOT_FOUND", f"PreparedStatement {key[1]} was not found in workGroup {key[0]}")
        return Outcome(plain=True, table=pa.table({}))

    def put_statement(self, group: str, name: str, sql: str, description: str, *, exists: bool) -> None:
        """Create (`exists` False) or update a prepared statement. Raises ApiError."""
        if group not in self.work_groups:
            raise ApiError(f"WorkGroup {group} is not found.")
        if ((group, name) in self.statements) != exists:
            kind = "ResourceNotFoundException" if exists else "InvalidRequestException"
            raise ApiError(
                f"PreparedStatement {name} {'was not found' if exists else 'already exists'} in workGroup {group}",
                kind,
            )
        self.statements[group, name] = _statement((group, name), sql, description)

    def statement(self, group: str, name: str) -> dict[str, Any]:
        prepared = self.statements.get((group, name))
        if prepared is None:
            raise ApiError(
                f"PreparedStatement {name} was not found in workGroup {group}", "ResourceNotFoundException"
            )
        return prepared

    # --- work groups --------------------------------------------------------------------------------------
    def create_work_group(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Create the group as moto does, and keep the time of creation, which moto does not."""
        made = super().create_work_group(name, *args, **kwargs)
        if made is not None:
            made.created = time.time()
        return made

    def list_work_groups(self) -> list[dict[str, Any]]:
        return [shown | {"CreationTime": self._created(shown["Name"])} for shown in super().list_work_groups()]

    def get_work_group(self, name: str) -> dict[str, Any] | None:
        group: dict[str, Any] | None = super().get_work_group(name)
        return group | {"CreationTime": self._created(name)} if group else None

    def _created(self, name: str) -> float:
        return float(getattr(self.work_groups[name], "created", 0.0))

    def update_group(self, name: str, request: dict[str, Any]) -> None:
        """UpdateWorkGroup. Raises ApiError."""
        group = self.work_groups.get(name)
        if group is None:
            raise ApiError(f"WorkGroup {name} is not found.")
        if "Description" in request:
            group.description = request["Description"]
        group.state = request.get("State") or group.state
        updates = copy.deepcopy(request.get("ConfigurationUpdates") or {})
        results = updates.pop("ResultConfigurationUpdates", {})
        for key, value in results.items():
            target = group.configuration.setdefault("ResultConfiguration", {})
            if key.startswith("Remove"):
                if value:
                    target.pop(key.removeprefix("Remove"), None)
            else:
                target[key] = value
        if updates.pop("RemoveBytesScannedCutoffPerQuery", False):
            group.configuration.pop("BytesScannedCutoffPerQuery", None)
        group.configuration.update({k: v for k, v in updates.items() if not k.startswith("Remove")})


def _statement(key: tuple[str, str], sql: str, description: str) -> dict[str, Any]:
    return {
        "StatementName": key[1],
        "WorkGroupName": key[0],
        "QueryStatement": sql,
        "Description": description,
        "LastModifiedTime": time.time(),
    }
