"""Iceberg tables of Athena, by PyIceberg: what reads and writes them is imported only where a table is one.

`lake.py` gives PyIceberg the mock's objects and catalog, `schema.py` translates types and partition transforms,
`reading.py` binds scans and metadata tables, `writing.py` commits rows, `changes.py` makes queries of DELETE,
UPDATE and MERGE, `definitions.py` carries out CREATE, ALTER and DROP.
Source: https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg.html
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from local_mock.athena.errors import QueryError

__all__ = ["METADATA_TABLES", "is_iceberg", "require"]

METADATA_TABLES = ("files", "history", "manifests", "partitions", "refs", "snapshots")


def is_iceberg(entry: dict[str, Any]) -> bool:
    """Return whether a Glue table (as GetTable gives it) is an Iceberg table."""
    return str((entry.get("Parameters") or {}).get("table_type", "")).upper() == "ICEBERG"


def require() -> None:
    """Raise QueryError if the libraries of the extra `iceberg` are not installed."""
    missing = [name for name in ("pyiceberg", "pyiceberg_core") if find_spec(name) is None]
    if missing:
        raise QueryError(
            "NOT_SUPPORTED",
            "Iceberg tables are not supported by local_mock without its extra `iceberg`: pip install "
            f"'local-mock[iceberg]' (missing: {', '.join(missing)})",
        )
