"""Athena that executes: SQL in Athena's dialect, compiled by `translate/` and run by DuckDB over the objects.

Here: `install`. The API is `responses.py` over `models.py`; a statement goes through `statements.py` →
`executor.py` (queries, CTAS, INSERT, UNLOAD) or `commands.py` (catalog). Not here: Iceberg, MATCH_RECOGNIZE,
federated catalogs, ORC, Avro and JSON tables, Spark work groups: each is refused with a sentence.
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

from local_mock.context import Context

__all__ = ["EXECUTES", "install"]

EXECUTES = frozenset({
    "StartQueryExecution", "StopQueryExecution", "GetQueryExecution", "GetQueryResults", "BatchGetQueryExecution",
    "ListQueryExecutions", "GetQueryRuntimeStatistics", "CreateWorkGroup", "UpdateWorkGroup", "DeleteWorkGroup",
    "GetWorkGroup", "ListWorkGroups", "CreatePreparedStatement", "GetPreparedStatement", "UpdatePreparedStatement",
    "DeletePreparedStatement", "ListPreparedStatements", "BatchGetPreparedStatement", "ListDatabases", "GetDatabase",
    "ListTableMetadata", "GetTableMetadata", "ListDataCatalogs", "GetDataCatalog",
})  # fmt: skip


def install(context: Context) -> None:  # noqa: ARG001 - the same shape in every service
    """Make moto use our Athena. Idempotent; before the first request."""
    import moto.athena.models as stock

    from local_mock.athena.models import AthenaBackend

    stock.athena_backends.backend = AthenaBackend
    stock.athena_backends.clear()
