"""Athena's API over `models.py`: each method is an operation; an ApiError becomes a 400 with its kind."""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable
from typing import Any

from moto.athena.responses import AthenaResponse
from moto.core.utils import unix_time

from local_mock.athena.errors import ApiError
from local_mock.athena.models import FINAL, AthenaBackend
from local_mock.athena.results import column_info, page

__all__ = ["Response"]

MAX_RESULTS = 1000  # https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html


def _operation(method: Callable[[Response], dict[str, Any]]) -> Callable[[Response], Any]:
    @functools.wraps(method)
    def answer(self: Response) -> Any:
        try:
            return json.dumps(method(self), default=_json)
        except ApiError as err:
            body = {"__type": err.kind, "Message": str(err), "message": str(err), **err.extra}
            return json.dumps(body), {"status": 400}

    return answer


def _json(value: Any) -> Any:
    return unix_time(value) if hasattr(value, "utctimetuple") else str(value)


def _paged(
    items: list[Any], token: str | None, limit: int | None, default: int = 50
) -> tuple[list[Any], str | None]:
    """Return one page of `items` and the next token (a position)."""
    try:
        start = int(token or 0)
    except ValueError as err:
        raise ApiError(f"Invalid NextToken: {token}") from err
    end = start + (limit or default)
    return items[start:end], str(end) if end < len(items) else None


class Response(AthenaResponse):
    """Overrides of moto's operations, and those that it lacks."""

    @property
    def athena(self) -> AthenaBackend:
        backend: AthenaBackend = self.athena_backend
        return backend

    def _param(self, name: str, default: Any = None) -> Any:
        return self._get_param(name, default)

    # --- queries ------------------------------------------------------------------------------------------
    @_operation
    def start_query_execution(self) -> dict[str, Any]:
        return {"QueryExecutionId": self.athena.start(json.loads(self.body))}

    @_operation
    def get_query_execution(self) -> dict[str, Any]:
        return {"QueryExecution": self.athena.execution(self._param("QueryExecutionId")).describe()}

    @_operation
    def batch_get_query_execution(self) -> dict[str, Any]:
        executions, missing = [], []
        for id_ in self._param("QueryExecutionIds", []):
            if id_ in self.athena.runs:
                executions.append(self.athena.runs[id_].describe())
            else:
                missing.append(
                    {
                        "QueryExecutionId": id_,
                        "ErrorCode": "INVALID_QUERY_EXECUTION",
                        "ErrorMessage": f"QueryExecution {id_} was not found",
                    }
                )
        return {"QueryExecutions": executions, "UnprocessedQueryExecutionIds": missing}

    @_operation
    def list_query_executions(self) -> dict[str, Any]:
        group = self._param("WorkGroup") or "primary"
        ids = [run.id for run in reversed(self.athena.runs.values()) if run.work_group == group]
        items, token = _paged(ids, self._param("NextToken"), self._param("MaxResults"))
        return {"QueryExecutionIds": items} | ({"NextToken": token} if token else {})

    @_operation
    def stop_query_execution(self) -> dict[str, Any]:
        self.athena.stop(self._param("QueryExecutionId"))
        return {}

    @_operation
    def get_query_results(self) -> dict[str, Any]:
        run = self.athena.execution(self._param("QueryExecutionId"))
        if run.state not in FINAL:
            raise ApiError(f"Query has not yet finished. Current state: {run.state}")
        if run.state != "SUCCEEDED":
            raise ApiError(f"Query did not finish successfully. Final query state: {run.state}")
        limit, token = self._param("MaxResults") or MAX_RESULTS, self._param("NextToken")
        if not 1 <= limit <= MAX_RESULTS:
            raise ApiError(f"MaxResults is more than maximum allowed length {MAX_RESULTS}.")
        start = int(token or 0)
        outcome = run.outcome
        rows, following = page(outcome.names, self.athena.result(run), start, limit, header=run.header)
        info = [column_info(n, t) for n, t in zip(outcome.names, outcome.types, strict=True)]
        answer: dict[str, Any] = {"ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": info}}}
        if outcome.update_count is not None:
            answer["UpdateCount"] = outcome.update_count
        elif run.subtype == "SELECT":
            answer["UpdateCount"] = 0
        return answer | ({"NextToken": str(following)} if following is not None else {})

    @_operation
    def get_query_runtime_statistics(self) -> dict[str, Any]:
        run = self.athena.execution(self._param("QueryExecutionId"))
        statistics = run.describe()["Statistics"]
        rows = self.athena.result(run).num_rows if run.state == "SUCCEEDED" else 0
        names = (
            "EngineExecutionTimeInMillis", "QueryPlanningTimeInMillis", "QueryQueueTimeInMillis",
            "ServicePreProcessingTimeInMillis", "ServiceProcessingTimeInMillis", "TotalExecutionTimeInMillis",
        )  # fmt: skip
        return {
            "QueryRuntimeStatistics": {
                "Timeline": {name: statistics[name] for name in names},
                "Rows": {"InputBytes": run.outcome.scanned, "OutputRows": rows},
            }
        }

    # --- work groups --------------------------------------------------------------------------------------
    @_operation
    def update_work_group(self) -> dict[str, Any]:
        self.athena.update_group(self._param("WorkGroup"), json.loads(self.body))
        return {}

    @_operation
    def get_work_group(self) -> dict[str, Any]:
        group = self.athena.get_work_group(self._param("WorkGroup"))
        if group is None:
            raise ApiError(f"WorkGroup {self._param('WorkGroup')} is not found.")
        engine = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
        return {"WorkGroup": group | {"Configuration": {"EngineVersion": engine, **group["Configuration"]}}}

    @_operation
    def delete_work_group(self) -> dict[str, Any]:
        name = self._param("WorkGroup")
        if name == "primary":
            raise ApiError("The primary WorkGroup cannot be deleted")
        if name not in self.athena.work_groups:
            raise ApiError(f"WorkGroup {name} is not found.")
        owned = [key for key in self.athena.statements if key[0] == name]
        if owned and not self._param("RecursiveDeleteOption"):
            raise ApiError(f"WorkGroup {name} is not empty")
        for key in owned:
            del self.athena.statements[key]
        self.athena.delete_work_group(name)
        return {}

    # --- prepared statements ------------------------------------------------------------------------------
    def _put_statement(self, *, exists: bool) -> dict[str, Any]:
        self.athena.put_statement(
            self._param("WorkGroup"),
            self._param("StatementName"),
            self._param("QueryStatement"),
            self._param("Description") or "",
            exists=exists,
        )
        return {}

    @_operation
    def create_prepared_statement(self) -> dict[str, Any]:
        return self._put_statement(exists=False)

    @_operation
    def update_prepared_statement(self) -> dict[str, Any]:
        return self._put_statement(exists=True)

    @_operation
    def get_prepared_statement(self) -> dict[str, Any]:
        return {"PreparedStatement": self.athena.statement(self._param("WorkGroup"), self._param("StatementName"))}

    @_operation
    def delete_prepared_statement(self) -> dict[str, Any]:
        group, name = self._param("WorkGroup"), self._param("StatementName")
        self.athena.statement(group, name)
        del self.athena.statements[group, name]
        return {}

    @_operation
    def list_prepared_statements(self) -> dict[str, Any]:
        group = self._param("WorkGroup")
        listed = [
            {"StatementName": name, "LastModifiedTime": statement["LastModifiedTime"]}
            for (owner, name), statement in sorted(self.athena.statements.items())
            if owner == group
        ]
        items, token = _paged(listed, self._param("NextToken"), self._param("MaxResults"))
        return {"PreparedStatements": items} | ({"NextToken": token} if token else {})

    @_operation
    def batch_get_prepared_statement(self) -> dict[str, Any]:
        group, names = self._param("WorkGroup"), self._param("PreparedStatementNames", [])
        statements = self.athena.statements
        return {
            "PreparedStatements": [statements[group, n] for n in names if (group, n) in statements],
            "UnprocessedPreparedStatementNames": [
                {
                    "StatementName": n,
                    "ErrorCode": "STATEMENT_NOT_FOUND",
                    "ErrorMessage": f"PreparedStatement {n} was not found",
                }
                for n in names
                if (group, n) not in statements
            ],
        }

    # --- the catalog --------------------------------------------------------------------------------------
    def _catalog(self) -> None:
        name = self._param("CatalogName") or "AwsDataCatalog"
        if name.lower() != "awsdatacatalog":
            raise ApiError(f"Catalog {name} was not found", "MetadataException")

    def _database(self, name: str) -> dict[str, Any]:
        entry = self.athena.catalog.backend.databases.get(name.lower())
        if entry is None and name.lower() != "default":
            raise _no_entity()
        request = entry.input if entry is not None else {}
        return {
            "Name": name.lower(),
            "Description": request.get("Description", ""),
            "Parameters": request.get("Parameters") or {},
        }

    @_operation
    def list_databases(self) -> dict[str, Any]:
        self._catalog()
        items, token = _paged(self.athena.catalog.databases(), self._param("NextToken"), self._param("MaxResults"))
        return {"DatabaseList": [self._database(n) for n in items]} | ({"NextToken": token} if token else {})

    @_operation
    def get_database(self) -> dict[str, Any]:
        self._catalog()
        return {"Database": self._database(self._param("DatabaseName"))}

    @_operation
    def get_table_metadata(self) -> dict[str, Any]:
        self._catalog()
        database, name = self._param("DatabaseName"), self._param("TableName")
        entry = self.athena.catalog.entry(database, name)
        if entry is None:
            raise _no_entity()
        return {"TableMetadata": _table_metadata(entry)}

    @_operation
    def list_table_metadata(self) -> dict[str, Any]:
        import re

        self._catalog()
        self._database(self._param("DatabaseName"))
        shape = re.compile(self._param("Expression") or ".*", re.IGNORECASE)
        entries = [
            e for e in self.athena.catalog.entries(self._param("DatabaseName")) if shape.fullmatch(e["Name"])
        ]
        items, token = _paged(entries, self._param("NextToken"), self._param("MaxResults"))
        return {"TableMetadataList": [_table_metadata(e) for e in items]} | ({"NextToken": token} if token else {})

    @_operation
    def list_data_catalogs(self) -> dict[str, Any]:
        own = [c for c in self.athena.list_data_catalogs() if c["CatalogName"] != "AwsDataCatalog"]
        return {"DataCatalogsSummary": [{"CatalogName": "AwsDataCatalog", "Type": "GLUE"}, *own]}


def _no_entity() -> ApiError:
    """Return the error in which Athena passes on Glue's for an absent entity; clients look for the code in it."""
    inside = "Service: AmazonDataCatalog; Status Code: 400; Error Code: EntityNotFoundException; Request ID: "
    return ApiError(f"Entity Not Found ({inside}{uuid.uuid4()}; Proxy: null)", "MetadataException")


def _table_metadata(entry: dict[str, Any]) -> dict[str, Any]:
    storage = entry.get("StorageDescriptor") or {}
    parameters = {k: str(v) for k, v in (entry.get("Parameters") or {}).items()}
    serde = storage.get("SerdeInfo") or {}
    for key, value in (
        ("location", storage.get("Location")),
        ("inputformat", storage.get("InputFormat")),
        ("outputformat", storage.get("OutputFormat")),
        ("serde.serialization.lib", serde.get("SerializationLibrary")),
    ):
        if value:
            parameters[key] = str(value)

    def listed(columns: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        return [{k: c[k] for k in ("Name", "Type", "Comment") if c.get(k)} for c in columns or []]

    return {
        "Name": entry["Name"], "CreateTime": entry.get("CreateTime"), "TableType": entry.get("TableType", "EXTERNAL_TABLE"),
        "Columns": listed(storage.get("Columns")), "PartitionKeys": listed(entry.get("PartitionKeys")), "Parameters": parameters,
    }  # fmt: skip
