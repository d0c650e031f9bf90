"""Hive's data definition statements as dataclasses: `hive` makes them of a text, `commands` carries them out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Action",
    "AddPartitions",
    "AlterTable",
    "ChangeColumn",
    "CreateDatabase",
    "CreateIceberg",
    "CreateTable",
    "DropColumn",
    "DropPartitions",
    "HiveColumn",
    "RenamePartition",
    "RenameTable",
    "SetColumns",
    "SetLocation",
    "SetProperties",
]  # fmt: skip


@dataclass(frozen=True)
class HiveColumn:
    """A column as the catalog names it: name in lower case, Hive's type, comment."""

    name: str
    type: str
    comment: str = ""

    def entry(self) -> dict[str, str]:
        """Return the column as Glue keeps it."""
        return {"Name": self.name, "Type": self.type, **({"Comment": self.comment} if self.comment else {})}


@dataclass
class CreateDatabase:
    name: str
    if_not_exists: bool
    comment: str = ""
    location: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass
class CreateTable:
    """CREATE EXTERNAL TABLE; `storage` is the part of a StorageDescriptor that does not depend on the place."""

    name: list[str]
    if_not_exists: bool
    columns: list[HiveColumn]
    partitions: list[HiveColumn]
    location: str
    storage: dict[str, Any]
    parameters: dict[str, str]


@dataclass
class CreateIceberg:
    """CREATE TABLE without EXTERNAL; `partitioning` are texts such as `month(day)`."""

    name: list[str]
    if_not_exists: bool
    columns: list[HiveColumn]
    partitioning: list[str]
    location: str
    parameters: dict[str, str]


@dataclass
class AddPartitions:
    partitions: list[tuple[dict[str, str], str | None]]  # values by key, location
    lenient: bool


@dataclass
class DropPartitions:
    partitions: list[dict[str, str]]
    lenient: bool


@dataclass
class RenamePartition:
    old: dict[str, str]
    new: dict[str, str]


@dataclass
class RenameTable:
    name: list[str]


@dataclass
class SetLocation:
    partition: dict[str, str] | None
    location: str


@dataclass
class SetProperties:
    parameters: dict[str, str]


@dataclass
class SetColumns:
    columns: list[HiveColumn]
    replace: bool


@dataclass
class ChangeColumn:
    old: str
    column: HiveColumn


@dataclass
class DropColumn:
    name: str


Change = SetLocation | SetProperties | SetColumns | ChangeColumn | DropColumn
Action = AddPartitions | DropPartitions | RenamePartition | RenameTable | Change


@dataclass
class AlterTable:
    name: list[str]
    action: Action
