"""The curated zone: how a table is written, committed, registered and found again.

A table (or a partition of it) is a folder; each state of it is a *generation*, a subfolder that is written
once and never changed::

    curated-zone/<table>/[<key>=<value>/…/]_CURRENT            -> {"generation": "gen-…", "report": {…}}
    curated-zone/<table>/[<key>=<value>/…/]gen-<fingerprint>/part-….parquet

`Lake.commit` switches `_CURRENT` (one atomic object write) and the location in the Glue Catalog (one atomic
call): a reader sees the old state or the new one, and a killed job is simply run again. The generation
before the current one stays for queries that still read it; older ones are removed. The catalog can always
be rebuilt from the pointers (`Lake.register`). Athena ignores names that begin with an underscore.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from etholake.contract import CURATED_ZONE, TABLES, arrow_schema, glue_columns
from etholake.errors import ContractError

__all__ = ["Lake", "folder", "generation_name", "generation_prefix", "partition_input", "table_input"]

POINTER = "_CURRENT"
_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}
_EMPTY = f"{CURATED_ZONE}/_empty/"  # where a table that has no generation yet points to


def folder(table: str, partition: Mapping[str, str] | None = None) -> str:
    """Key prefix (ends with '/') of a table or of one partition: the values in the contract's key order."""
    keys = TABLES[table].partitions
    values = dict(partition or {})
    if set(values) != set(keys):
        raise ContractError(f"Partition of {table} must name {list(keys)}, but got {sorted(values)}.")
    return f"{CURATED_ZONE}/{table}/" + "".join(f"{key}={quote(values[key], safe=' ')}/" for key in keys)


def generation_name(fingerprint: str) -> str:
    """Name of the generation that the inputs, code and settings behind `fingerprint` make."""
    return f"gen-{fingerprint}"


def generation_prefix(table: str, partition: Mapping[str, str] | None, generation: str) -> str:
    """Key prefix (ends with '/') of one generation."""
    return f"{folder(table, partition)}{generation}/"


def table_input(bucket: str, table: str, location: str) -> dict[str, Any]:
    """The `TableInput` of a contract table. Pure."""
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
    """The `PartitionInput` of one partition of a contract table. Pure."""
    spec = TABLES[table]
    return {
        "Values": [partition[key] for key in spec.partitions],
        "StorageDescriptor": {"Columns": glue_columns(spec), "Location": f"s3://{bucket}/{location}", **_PARQUET},
    }


@dataclass(frozen=True)
class Lake:
    """The curated zone of one bucket, with its database in the catalog (which must exist)."""

    s3: Any
    glue: Any
    bucket: str
    database: str

    def current(self, table: str, partition: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """``{"generation": …, "report": {…}}`` of the committed state, None if there is none."""
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=folder(table, partition) + POINTER)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        pointer = json.loads(body)
        return pointer if isinstance(pointer, dict) else None

    def partitions(self, table: str) -> list[dict[str, str]]:
        """The committed partitions, sorted; ``[{}]`` for an unpartitioned table, [] if nothing is there."""
        prefix = f"{CURATED_ZONE}/{table}/"
        found = []
        for key in self._keys(prefix):
            if key.endswith(f"/{POINTER}"):
                parts = key[len(prefix) : -len(POINTER)].strip("/")
                pairs = (part.partition("=") for part in parts.split("/") if part)
                found.append({name: unquote(value) for name, _, value in pairs})
        return sorted(found, key=lambda p: tuple(p.values()))

    def current_files(self, table: str, partition: Mapping[str, str] | None = None) -> list[str]:
        """``s3://`` URIs of the Parquet files of the committed state, sorted; [] if there is none."""
        pointer = self.current(table, partition)
        if pointer is None:
            return []
        prefix = generation_prefix(table, partition, pointer["generation"])
        return sorted(f"s3://{self.bucket}/{key}" for key in self._keys(prefix) if key.endswith(".parquet"))

    def register(self) -> dict[str, int]:
        """Make the catalog say what the pointers say, for every table of the contract.

        Returns the number of committed partitions per table (0 or 1 where unpartitioned).
        """
        counts = {}
        for name, spec in TABLES.items():
            committed = self.partitions(name)
            location = f"{CURATED_ZONE}/{name}/" if spec.partitions else _EMPTY
            if committed and not spec.partitions:
                location = self._current_prefix(name, {})
            self._put_table(table_input(self.bucket, name, location))
            for partition in committed if spec.partitions else []:
                self._put_partition(name, partition, self._current_prefix(name, partition))
            counts[name] = len(committed)
        return counts

    def commit(
        self,
        table: str,
        partition: Mapping[str, str] | None,
        generation: str,
        report: Mapping[str, Any] | None = None,
    ) -> None:
        """Make `generation` the state of a table or partition; its files must all be written. Idempotent."""
        before = self.current(table, partition)
        prefix = generation_prefix(table, partition, generation)
        pointer = {"generation": generation, "report": dict(report or {})}
        self.s3.put_object(
            Bucket=self.bucket,
            Key=folder(table, partition) + POINTER,
            Body=json.dumps(pointer, sort_keys=True).encode(),
        )
        if partition:
            self._put_partition(table, partition, prefix)
        else:
            self._put_table(table_input(self.bucket, table, prefix))
        keep = {generation, before["generation"] if before else generation}
        self._remove_generations(folder(table, partition), keep)

    def replace_table(
        self,
        table: str,
        rows: Any,
        fingerprint: str,
        partition: Mapping[str, str] | None = None,
        report: Mapping[str, Any] | None = None,
    ) -> str:
        """Write a small Arrow table as the one file of a new generation and commit it. Returns the generation.

        `rows` must have the contract's columns; they are put in its order, cast to its types and sorted.
        """
        import pyarrow.parquet as pq

        spec = TABLES[table]
        missing = [name for name in spec.column_names if name not in rows.schema.names]
        if missing:
            raise ContractError(f"Rows for {table} lack the columns {missing}.")
        rows = rows.select(list(spec.column_names)).cast(arrow_schema(spec))
        rows = rows.sort_by([(name, "ascending") for name in spec.sort])
        generation = generation_name(fingerprint)
        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd")
        key = generation_prefix(table, partition, generation) + "part-00000.parquet"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=sink.getvalue())
        self.commit(table, partition, generation, {"rows": rows.num_rows, **(report or {})})
        return generation

    def drop_partition(self, table: str, partition: Mapping[str, str]) -> None:
        """Remove a partition (its lab has left the raw zone): from the catalog, then its pointer and files."""
        with contextlib.suppress(self.glue.exceptions.EntityNotFoundException):
            values = [partition[key] for key in TABLES[table].partitions]
            self.glue.delete_partition(DatabaseName=self.database, TableName=table, PartitionValues=values)
        self.s3.delete_object(Bucket=self.bucket, Key=folder(table, partition) + POINTER)
        self._remove_generations(folder(table, partition), set())

    def _keys(self, prefix: str) -> Iterable[str]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                yield item["Key"]

    def _current_prefix(self, table: str, partition: Mapping[str, str]) -> str:
        pointer = self.current(table, partition)
        return generation_prefix(table, partition, pointer["generation"]) if pointer else _EMPTY

    def _put_table(self, request: dict[str, Any]) -> None:
        try:
            self.glue.update_table(DatabaseName=self.database, TableInput=request)
        except self.glue.exceptions.EntityNotFoundException:
            self.glue.create_table(DatabaseName=self.database, TableInput=request)

    def _put_partition(self, table: str, partition: Mapping[str, str], location: str) -> None:
        where = {"DatabaseName": self.database, "TableName": table}
        request = partition_input(self.bucket, table, partition, location)
        try:
            self.glue.update_partition(**where, PartitionValueList=request["Values"], PartitionInput=request)
        except self.glue.exceptions.EntityNotFoundException:
            self.glue.create_partition(**where, PartitionInput=request)

    def _remove_generations(self, prefix: str, keep: set[str]) -> None:
        stale = [
            {"Key": key}
            for key in self._keys(prefix)
            if (name := key[len(prefix) :].partition("/")[0]).startswith("gen-") and name not in keep
        ]
        for start in range(0, len(stale), 1000):  # DeleteObjects takes 1,000 keys
            self.s3.delete_objects(
                Bucket=self.bucket, Delete={"Objects": stale[start : start + 1000], "Quiet": True}
            )
