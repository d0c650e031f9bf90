"""The curated zone: how a table is written, committed, registered and found again.

A table (or a partition of it) is a folder; each state of it is a *generation*, a subfolder that one attempt writes
once and nobody changes::

    curated-zone/<table>/[<key>=<value>/…/]_CURRENT            -> {"generation": "gen-…", "fingerprint": …, …}
    curated-zone/<table>/[<key>=<value>/…/]gen-<fingerprint>-<attempt>/part-….parquet

`Lake.commit` switches `_CURRENT` (one conditional object write: it fails if another run has switched it since this
one looked) and the location in the Glue Catalog (one atomic call): a reader sees the old state or the new one, and
a killed job is simply run again. No two attempts ever write the same object. Commit removes nothing; what is no
longer referenced stays for the queries that still read it, until stage `vacuum` removes it. The catalog can always
be rebuilt from the pointers (`Lake.register`). Athena ignores names that begin with an underscore.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from etholake.catalog import Catalog
from etholake.contract import CURATED_ZONE, TABLES, arrow_schema
from etholake.errors import AwsError, ContractError
from etholake.generations import (
    DROPPED,
    EMPTY,
    POINTER,
    folder,
    generation_prefix,
    marks_partition,
    new_generation,
    partitions_of_keys,
)
from etholake.objects import delete_objects, list_objects, read_object, store_time

__all__ = ["MAX_RETENTION", "Lake", "LostRaceError"]

# Superseded generations are remembered in the pointer for so long; `vacuum` keeps nothing for longer.
MAX_RETENTION = dt.timedelta(days=30)
COPY_THREADS = 16
ROW_GROUP = 4 * 1024  # rows of a small table: one lab's are found without reading all


class LostRaceError(AwsError):
    """Another run committed this table or partition first; its state stands."""


_LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})


class _Anything:
    """Type of `ANYTHING`: commit whatever the pointer says."""


ANYTHING: Final = _Anything()


@dataclass(frozen=True)
class Lake:
    """The curated zone of one bucket, with its database in the catalog (which must exist)."""

    s3: Any
    glue: Any
    bucket: str
    database: str

    @property
    def catalog(self) -> Catalog:
        """The catalog's database of the curated zone."""
        return Catalog(self.glue, self.bucket, self.database)

    def current(self, table: str, partition: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """Return the committed state: `generation`, `fingerprint`, `report`, `superseded`, `etag`, `modified`.

        None without one.
        """
        try:
            response = self.s3.get_object(Bucket=self.bucket, Key=folder(table, partition) + POINTER)
        except self.s3.exceptions.NoSuchKey:
            return None
        pointer = json.loads(response["Body"].read())
        if not isinstance(pointer, dict):
            return None
        return {**pointer, "etag": response["ETag"], "modified": response["LastModified"]}

    def partitions(self, table: str) -> list[dict[str, str]]:
        """Return the committed partitions, sorted; ``[{}]`` for an unpartitioned table, [] if nothing is there."""
        return partitions_of_keys(table, self._keys(f"{CURATED_ZONE}/{table}/"))

    def current_files(self, table: str, partition: Mapping[str, str] | None = None) -> list[str]:
        """Return the ``s3://`` URIs of the Parquet files of the committed state, sorted; [] if there is none."""
        prefix = folder(table, partition)
        if not TABLES[table].log:
            pointer = self.current(table, partition)
            if pointer is None:
                return []
            prefix = generation_prefix(table, partition, pointer["generation"])
        return sorted(f"s3://{self.bucket}/{key}" for key in self._keys(prefix) if key.endswith(".parquet"))

    def read(
        self, table: str, partition: Mapping[str, str] | None = None, columns: Sequence[str] | None = None
    ) -> Any:
        """Return the committed rows as one Arrow table of the contract's columns (or of some), in its types.

        A column that a file of an earlier version lacks is null there. For tables and partitions that fit memory.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = arrow_schema(table)
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        tables = [schema.empty_table()]
        for uri in self.current_files(table, partition):
            file = pq.ParquetFile(io.BytesIO(read_object(self.s3, uri)))
            present = [name for name in schema.names if name in file.schema_arrow.names]
            rows = file.read(present, use_threads=False)
            for field in schema:
                if field.name not in present:
                    rows = rows.append_column(field.name, pa.nulls(len(rows), field.type))
            tables.append(rows.select(schema.names).cast(schema))
        return pa.concat_tables(tables)

    def register(self) -> dict[str, int]:
        """Make the catalog say what the pointers say, for every table of the contract.

        What it says already is not written again, because each update leaves one more version of the table, and
        Glue limits their number (https://docs.aws.amazon.com/general/latest/gr/glue.html). The catalog is read
        before the pointers, so that what another run commits meanwhile is not taken for registered.

        Returns the number of committed partitions per table (0 or 1 where unpartitioned).
        """
        registered = self.catalog.tables()
        counts = {}
        for name, committed in self._all_partitions().items():
            partitioned = bool(TABLES[name].partitions)
            location = f"{CURATED_ZONE}/{name}/" if partitioned else EMPTY
            if committed and not partitioned:
                location = self._current_prefix(name, {})
            self.catalog.register_table(name, location, registered.get(name))
            if committed and partitioned:
                self._register_partitions(name, committed)
            counts[name] = len(committed)
        return counts

    def _register_partitions(self, table: str, committed: Iterable[Mapping[str, str]]) -> None:
        """Make the catalog say what the pointers of these partitions say."""
        registered = self.catalog.partitions(table)
        for partition in committed:
            values = tuple(partition[key] for key in TABLES[table].partitions)
            location = self._current_prefix(table, partition)
            self.catalog.register_partition(table, partition, location, registered.get(values))

    def _all_partitions(self) -> dict[str, list[dict[str, str]]]:
        """Return `partitions` of every table of the contract, from one listing."""
        keys: dict[str, list[str]] = {name: [] for name in TABLES}
        for key in self._keys(f"{CURATED_ZONE}/"):
            table = key.removeprefix(f"{CURATED_ZONE}/").partition("/")[0]
            if table in keys and marks_partition(table, key):
                keys[table].append(key)
        return {name: partitions_of_keys(name, marks) for name, marks in keys.items()}

    def commit(
        self,
        table: str,
        partition: Mapping[str, str] | None,
        generation: str,
        fingerprint: str,
        report: Mapping[str, Any] | None = None,
        before: Mapping[str, Any] | _Anything | None = ANYTHING,
    ) -> None:
        """Make `generation` the state of a table or partition; its files must all be written.

        Parameters
        ----------
        fingerprint
            Of the inputs, code and settings that the generation was made from.
        before
            The state (`current`) that the caller planned on, None if there was none; by default whatever is there.

        Raises
        ------
        LostRaceError
            The state is no longer `before`.
        """
        if isinstance(before, _Anything):
            before = self.current(table, partition)
        now = store_time(self.s3, self.bucket, folder(table, partition) + POINTER)
        pointer = {
            "generation": generation, "fingerprint": fingerprint, "report": dict(report or {}),
            "superseded": _superseded(before, now),
        }  # fmt: skip
        condition = {"IfMatch": before["etag"]} if before else {"IfNoneMatch": "*"}
        try:
            self.s3.put_object(
                Bucket=self.bucket,
                Key=folder(table, partition) + POINTER,
                Body=json.dumps(pointer, sort_keys=True).encode(),
                **condition,
            )
        except self.s3.exceptions.ClientError as err:
            if err.response["Error"]["Code"] not in _LOST:
                raise
            if (self.current(table, partition) or {}).get("generation") == generation:
                self._point(table, partition)  # the answer to our own first try was lost on the way
                return
            where = "/".join([table, *(f"{k}={v}" for k, v in (partition or {}).items())])
            raise LostRaceError(
                f"Another run committed {where} while this one was at work; its state stands. Run the stage again."
            ) from err
        self._point(table, partition)

    def _point(self, table: str, partition: Mapping[str, str] | None) -> None:
        """Make the catalog say what the pointer says; again, if the pointer was switched meanwhile."""
        pointer = self.current(table, partition)
        while pointer is not None:
            prefix = generation_prefix(table, partition, pointer["generation"])
            self.catalog.point(table, partition, prefix)
            before, pointer = pointer, self.current(table, partition)
            if pointer is None or pointer["etag"] == before["etag"]:
                return

    def replace_table(
        self,
        table: str,
        rows: Any,
        fingerprint: str,
        partition: Mapping[str, str] | None = None,
        report: Mapping[str, Any] | None = None,
        before: Mapping[str, Any] | _Anything | None = ANYTHING,
    ) -> str:
        """Write a small Arrow table as the one file of a new generation and commit it. Returns the generation.

        `rows` must have the contract's columns; they are put in its order, cast to its types and sorted. `before`
        is the state that they were made from, as for `commit`.
        """
        import pyarrow.parquet as pq

        spec = TABLES[table]
        missing = [name for name in spec.column_names if name not in rows.schema.names]
        if missing:
            raise ContractError(f"Rows for {table} lack the columns {missing}.")
        rows = rows.select(list(spec.column_names)).cast(arrow_schema(spec))
        rows = rows.sort_by([(name, "ascending") for name in spec.sort])
        before = self.current(table, partition) if isinstance(before, _Anything) else before
        generation = new_generation(fingerprint)
        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd", row_group_size=ROW_GROUP)
        key = generation_prefix(table, partition, generation) + "part-00000.parquet"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=sink.getvalue())
        counts = {"rows": rows.num_rows, **(report or {})}
        self.commit(table, partition, generation, fingerprint, counts, before)
        return generation

    def append(self, table: str, partition: Mapping[str, str], name: str, rows: Any) -> None:
        """Add rows to a log, as one file that is there whole or not at all; Athena reads it at once.

        Parameters
        ----------
        name
            Of the file, without ``.parquet``: who comes first has it.

        Raises
        ------
        LostRaceError
            The log has a file of that name already; nothing was written.
        """
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        pq.write_table(rows.cast(arrow_schema(table)), sink, compression="zstd")
        where = folder(table, partition)
        self.catalog.point(table, partition, where)  # before the rows: none of them is ever out of sight
        try:
            self.s3.put_object(
                Bucket=self.bucket, Key=f"{where}{name}.parquet", Body=sink.getvalue(), IfNoneMatch="*"
            )
        except self.s3.exceptions.ClientError as err:
            if err.response["Error"]["Code"] not in _LOST:
                raise
            raise LostRaceError(f"{table} has a file {name} of {dict(partition)} already: read it first.") from err

    def copy_files(
        self,
        tables: Iterable[str],
        partition: Mapping[str, str] | None,
        before: str,
        generation: str,
        names: Iterable[str],
    ) -> None:
        """Copy files of the generation `before` into `generation`, within the bucket, in each of the tables."""
        pairs = [
            (
                generation_prefix(table, partition, before) + name,
                generation_prefix(table, partition, generation) + name,
            )
            for name in names
            for table in tables
        ]

        def copy(pair: tuple[str, str]) -> None:
            source = {"Bucket": self.bucket, "Key": pair[0]}
            self.s3.copy_object(Bucket=self.bucket, Key=pair[1], CopySource=source)

        with ThreadPoolExecutor(COPY_THREADS) as pool:
            list(pool.map(copy, pairs))

    def drop_partition(self, table: str, partition: Mapping[str, str]) -> None:
        """Remove a partition (its lab has left the raw zone) from the catalog; its files go with the vacuum."""
        self.catalog.drop_partition(table, partition)
        where = folder(table, partition)
        self.s3.put_object(Bucket=self.bucket, Key=where + DROPPED, Body=b"{}")
        self.s3.delete_object(Bucket=self.bucket, Key=where + POINTER)

    def referenced(self, table: str) -> set[str]:
        """Return the prefixes of the generations that a pointer or the catalog names."""
        prefixes = {self._current_prefix(table, partition) for partition in self.partitions(table)}
        return prefixes | self.catalog.locations(table)

    def objects(self, prefix: str) -> Iterable[dict[str, Any]]:
        """Return `Key`, `Size`, `LastModified`, `ETag` of every object below a prefix."""
        return list_objects(self.s3, self.bucket, prefix)

    def _keys(self, prefix: str) -> Iterable[str]:
        return (item["Key"] for item in self.objects(prefix))

    def _current_prefix(self, table: str, partition: Mapping[str, str]) -> str:
        if TABLES[table].log:
            return folder(table, partition)
        pointer = self.current(table, partition)
        return generation_prefix(table, partition, pointer["generation"]) if pointer else EMPTY

    def delete(self, keys: list[str]) -> None:
        """Delete objects. Raises AwsError that names the keys which S3 refused."""
        delete_objects(self.s3, self.bucket, keys)


def _superseded(before: Mapping[str, Any] | None, now: dt.datetime) -> dict[str, str]:
    """Return {generation: when it went out of use} for those that a vacuum may still have to spare."""
    if before is None:
        return {}
    superseded = {**before.get("superseded", {}), before["generation"]: now.isoformat()}
    return {name: at for name, at in superseded.items() if now - dt.datetime.fromisoformat(at) < MAX_RETENTION}
