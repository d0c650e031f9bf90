"""Tables and partitions as Athena sees them, read from the Glue catalog that the Glue mock keeps.

`Catalog` is the seam that the translator needs; `GlueCatalog` reads and writes moto's Glue backend.
"""

# ruff: noqa: E501 - one line a message or table
from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from local_mock.athena.errors import QueryError, at
from local_mock.athena.iceberg import METADATA_TABLES, is_iceberg, require
from local_mock.athena.sqltypes import Type, parse_type

__all__ = ["AsOf", "Catalog", "GlueCatalog", "Partition", "Pinned", "Table", "table_of"]


@dataclass(frozen=True)
class AsOf:
    """A past state of an Iceberg table: a snapshot's id, the name of a tag or branch, or an instant in milliseconds."""

    version: int | str | None = None
    millis: int | None = None


@dataclass(frozen=True)
class Partition:
    """Values (text, in key order), where the files lie, and the storage descriptor that the partition has itself.

    The descriptor is read when a scan needs it: most of a table's partitions are ruled out by their values.
    """

    values: tuple[str, ...]
    location: str
    storage: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def serde(self) -> str | None:
        """The library of the partition's own SerDe; None: the table's."""
        return (self.storage.get("SerdeInfo") or {}).get("SerializationLibrary") or None

    @property
    def serde_parameters(self) -> tuple[tuple[str, str], ...] | None:
        """The parameters of its own SerDe; None: the table's."""
        if self.serde is None:
            return None
        return tuple((k, str(v)) for k, v in sorted((self.storage["SerdeInfo"].get("Parameters") or {}).items()))

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The columns (name, type) that it declares itself."""
        return tuple((c["Name"].lower(), c.get("Type") or "string") for c in self.storage.get("Columns") or ())


@dataclass
class Table:
    """A catalog table. `view` is the SQL of a view, None for a table with data."""

    database: str
    name: str
    columns: list[tuple[str, Type]]
    partition_keys: list[tuple[str, Type]] = field(default_factory=list)
    location: str = ""
    serde: str = "parquet"
    serde_parameters: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    view: str | None = None
    partitions: list[Partition] = field(default_factory=list)
    iceberg: Any = None  # `iceberg.reading.Snapshot` of an Iceberg table


class Catalog(Protocol):
    """The catalog in which names become tables."""

    def table(
        self, database: str, name: str, position: tuple[int, int] | None = None, as_of: AsOf | None = None
    ) -> Table: ...


@dataclass
class Pinned:
    """A catalog in which one table stays as it was when it was read: what a commit builds upon."""

    catalog: Catalog
    pinned: Table

    def table(
        self, database: str, name: str, position: tuple[int, int] | None = None, as_of: AsOf | None = None
    ) -> Table:
        if as_of is None and (database, name) == (self.pinned.database, self.pinned.name):
            return self.pinned
        return self.catalog.table(database, name, position, as_of)


def table_of(entry: dict[str, Any], partitions: list[dict[str, Any]]) -> Table:
    """Return a Glue table (as GetTable gives it) with its partitions."""
    storage = entry.get("StorageDescriptor") or {}
    parameters = dict(entry.get("Parameters") or {})
    serde = storage.get("SerdeInfo") or {}
    view = None
    if entry.get("TableType") == "VIRTUAL_VIEW":
        view = _view_sql(entry.get("ViewOriginalText") or "")
    return Table(
        str(entry["DatabaseName"]).lower(),
        str(entry["Name"]).lower(),
        [(c["Name"].lower(), parse_type(c.get("Type") or "string")) for c in storage.get("Columns") or []],
        [(c["Name"].lower(), parse_type(c.get("Type") or "string")) for c in entry.get("PartitionKeys") or []],
        storage.get("Location") or "",
        serde.get("SerializationLibrary") or "",
        {k: str(v) for k, v in (serde.get("Parameters") or {}).items()},
        parameters,
        view,
        [_partition(p) for p in partitions],
    )


def _partition(entry: dict[str, Any]) -> Partition:
    storage = entry.get("StorageDescriptor") or {}
    return Partition(tuple(entry["Values"]), storage["Location"], storage)


def _view_sql(original: str) -> str:
    """Return the SQL inside `/* Presto View: <base64 of JSON> */`."""
    head = "/* Presto View: "
    if not original.startswith(head):
        raise QueryError("INVALID_VIEW", "View was not created by Athena (no '/* Presto View: … */' text)")
    return str(json.loads(base64.b64decode(original[len(head) :].removesuffix(" */")))["originalSql"])


class GlueCatalog:
    """The databases, tables and partitions of one account and region in moto."""

    def __init__(self, account: str, region: str) -> None:
        self.account, self.region = account, region

    @property
    def backend(self) -> Any:
        """Moto's Glue backend (made at first use)."""
        from moto.glue.models import glue_backends

        return glue_backends[self.account][self.region]

    def databases(self) -> list[str]:
        return sorted({"default", *self.backend.databases})

    def has_database(self, name: str) -> bool:
        return name.lower() in self.databases()

    def require_database(self, name: str, position: tuple[int, int] | None = None) -> None:
        if not self.has_database(name):
            raise QueryError("SCHEMA_NOT_FOUND", f"{at(position)}Schema '{name}' does not exist")

    def entry(self, database: str, name: str) -> dict[str, Any] | None:
        """GetTable, None if it does not exist."""
        catalog_database = self.backend.databases.get(database.lower())
        table = catalog_database.tables.get(name.lower()) if catalog_database else None
        return table.as_dict() if table is not None else None

    def entries(self, database: str) -> list[dict[str, Any]]:
        catalog_database = self.backend.databases.get(database.lower())
        return (
            [catalog_database.tables[name].as_dict() for name in sorted(catalog_database.tables)]
            if catalog_database
            else []
        )

    def partition_entries(self, database: str, name: str) -> list[dict[str, Any]]:
        table = self.backend.databases[database.lower()].tables[name.lower()]
        return [p.as_dict() for p in list(table.partitions.values())]

    def _partition_inputs(self, database: str, name: str) -> list[dict[str, Any]]:
        """Return what defines each partition, without the copies that `partition_entries` makes."""
        table = self.backend.databases[database.lower()].tables[name.lower()]
        return [p.partition_input for p in list(table.partitions.values())]

    def partition_values(self, database: str, name: str) -> set[tuple[str, ...]]:
        """Return the values of the partitions that a table has."""
        return {tuple(p["Values"]) for p in self._partition_inputs(database, name)}

    def table(
        self, database: str, name: str, position: tuple[int, int] | None = None, as_of: AsOf | None = None
    ) -> Table:
        from local_mock.athena import information

        if as_of is not None and self.entry(database, name) is None:
            raise QueryError("NOT_SUPPORTED", f"{at(position)}Only tables of Iceberg have versions")
        if database == information.SCHEMA and name in information.TABLES:
            return Table(database, name, [], view=information.query(self, name))
        entry = self.entry(database, name)
        if entry is not None and is_iceberg(entry):
            return self._iceberg(entry, as_of)
        if as_of is not None:
            raise QueryError("NOT_SUPPORTED", f"{at(position)}This connector does not support versioned tables")
        if entry is None and (
            special := self._metadata_table(database, name) or self._partitions_table(database, name)
        ):
            return special
        if entry is None:
            if database != information.SCHEMA:
                self.require_database(database, position)
            raise QueryError(
                "TABLE_NOT_FOUND", f"{at(position)}Table 'awsdatacatalog.{database}.{name}' does not exist"
            )
        return table_of(entry, self._partition_inputs(database, name))

    def _iceberg(self, entry: dict[str, Any], as_of: AsOf | None) -> Table:
        require()
        from local_mock.athena.iceberg.reading import load, table_at

        return table_at(load(self, entry["DatabaseName"], entry["Name"]), entry, as_of)

    def _metadata_table(self, database: str, name: str) -> Table | None:
        """Return ``"t$history"`` and its like of an Iceberg table; None if it is none."""
        base, _, kind = name.rpartition("$")
        entry = self.entry(database, base) if kind in METADATA_TABLES else None
        if entry is None or not is_iceberg(entry):
            return None
        require()
        from local_mock.athena.iceberg.inspection import view_of
        from local_mock.athena.iceberg.reading import load

        return Table(database, name, [], view=view_of(load(self, database, base), kind))

    def _partitions_table(self, database: str, name: str) -> Table | None:
        """Return ``"t$partitions"``: one row a partition, of the keys' types; None if `t` has no keys."""
        from local_mock.athena import information

        base, _, kind = name.rpartition("$")
        entry = self.entry(database, base) if kind == "partitions" else None
        if entry is None or not entry.get("PartitionKeys"):
            return None
        table = table_of(entry, self._partition_inputs(database, base))
        rows = [p.values for p in table.partitions]
        return Table(database, name, [], view=information.partitions(table.partition_keys, rows))
