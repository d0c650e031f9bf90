"""The tables of the contract in the Glue Data Catalog: where each table and partition of the curated zone lies.

`etholake.lake` decides what is current; this module only says it to the catalog.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etholake.contract import TABLES, glue_columns
from etholake.storage import split_uri

__all__ = ["Catalog", "partition_input", "table_input"]

_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


def table_input(bucket: str, table: str, location: str) -> dict[str, Any]:
    """Return the `TableInput` of a contract table. Pure."""
    spec = TABLES[table]
    return {
        "Name": table,
        "Description": f"one row per {spec.grain}",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "parquet", "EXTERNAL": "TRUE"},
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in spec.partitions],
        "StorageDescriptor": {"Columns": glue_columns(spec), "Location": f"s3://{bucket}/{location}", **_PARQUET},
    }


def partition_input(bucket: str, table: str, partition: Mapping[str, str], location: str) -> dict[str, Any]:
    """Return the `PartitionInput` of one partition of a contract table. Pure."""
    spec = TABLES[table]
    return {
        "Values": [partition[key] for key in spec.partitions],
        "StorageDescriptor": {"Columns": glue_columns(spec), "Location": f"s3://{bucket}/{location}", **_PARQUET},
    }


@dataclass(frozen=True)
class Catalog:
    """One database of the catalog (which must exist), whose tables lie in one bucket.

    A location is a key prefix of that bucket.
    """

    glue: Any
    bucket: str
    database: str

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return the entries of all tables by name."""
        pages = self.glue.get_paginator("get_tables").paginate(DatabaseName=self.database)
        return {table["Name"]: table for page in pages for table in page["TableList"]}

    def partitions(self, table: str) -> dict[tuple[str, ...], dict[str, Any]]:
        """Return the entries of all partitions of a table by their values."""
        pages = self.glue.get_paginator("get_partitions").paginate(DatabaseName=self.database, TableName=table)
        return {tuple(item["Values"]): item for page in pages for item in page["Partitions"]}

    def locations(self, table: str) -> set[str]:
        """Return the locations of a table and its partitions; none if there is no such table."""
        entries = []
        with contextlib.suppress(self.glue.exceptions.EntityNotFoundException):
            entries = [self.glue.get_table(DatabaseName=self.database, Name=table)["Table"]]
            if TABLES[table].partitions:
                entries += self.partitions(table).values()
        return {split_uri(entry["StorageDescriptor"]["Location"])[1] for entry in entries}

    def register_table(self, table: str, location: str, registered: Mapping[str, Any] | None) -> None:
        """Write the entry of a table, unless `registered`, its present entry, says the same."""
        request = table_input(self.bucket, table, location)
        if not _says(registered, request):
            self._put_table(request, exists=registered is not None)

    def register_partition(
        self, table: str, partition: Mapping[str, str], location: str, registered: Mapping[str, Any] | None
    ) -> None:
        """Write the entry of a partition, unless `registered`, its present entry, says the same."""
        request = partition_input(self.bucket, table, partition, location)
        if not _says(registered, request):
            self._put_partition(table, request)

    def point(self, table: str, partition: Mapping[str, str] | None, location: str) -> None:
        """Let a table, or one partition of it, lie at `location`: one atomic call."""
        if partition:
            self._put_partition(table, partition_input(self.bucket, table, partition, location))
        else:
            self._put_table(table_input(self.bucket, table, location), exists=True)

    def drop_partition(self, table: str, partition: Mapping[str, str]) -> None:
        """Remove the entry of a partition; no error if there is none."""
        with contextlib.suppress(self.glue.exceptions.EntityNotFoundException):
            values = [partition[key] for key in TABLES[table].partitions]
            self.glue.delete_partition(DatabaseName=self.database, TableName=table, PartitionValues=values)

    def _put_table(self, request: dict[str, Any], *, exists: bool) -> None:
        """Write a table to the catalog; `exists` is what the caller believes: it decides what is tried first."""
        where = {"DatabaseName": self.database, "TableInput": request}
        if not exists:
            with contextlib.suppress(self.glue.exceptions.AlreadyExistsException):  # another writer was faster
                self.glue.create_table(**where)
                return
        try:
            self.glue.update_table(**where)
        except self.glue.exceptions.EntityNotFoundException:
            self.glue.create_table(**where)

    def _put_partition(self, table: str, request: dict[str, Any]) -> None:
        where = {"DatabaseName": self.database, "TableName": table}
        try:
            self.glue.update_partition(**where, PartitionValueList=request["Values"], PartitionInput=request)
        except self.glue.exceptions.EntityNotFoundException:
            try:
                self.glue.create_partition(**where, PartitionInput=request)
            except self.glue.exceptions.AlreadyExistsException:  # another writer was faster
                self.glue.update_partition(**where, PartitionValueList=request["Values"], PartitionInput=request)


def _says(registered: Any, request: Any) -> bool:
    """Return whether an entry of the catalog says all that `request` would make it say.

    The catalog adds fields of its own, like times and defaults, but no parameters.
    """
    if isinstance(request, Mapping):
        if not isinstance(registered, Mapping):
            return False
        return all(
            registered.get(name) == value if name == "Parameters" else _says(registered.get(name), value)
            for name, value in request.items()
        )
    if isinstance(request, list) and isinstance(registered, list) and len(request) == len(registered):
        return all(map(_says, registered, request))
    return bool(registered == request)
