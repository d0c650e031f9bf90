"""The keys of the curated zone: tables, partitions, their generations and pointers. See `etholake.lake`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from etholake.contract import CURATED_ZONE, TABLES
from etholake.errors import ContractError

__all__ = [
    "DROPPED",
    "EMPTY",
    "POINTER",
    "folder",
    "generation_prefix",
    "identity",
    "marks_partition",
    "new_generation",
    "partitions_of_keys",
]

POINTER = "_CURRENT"
DROPPED = "_DROPPED"  # left where a partition was removed: since when its files wait for the vacuum
EMPTY = f"{CURATED_ZONE}/_empty/"  # where a table that has no generation yet points to


def folder(table: str, partition: Mapping[str, str] | None = None) -> str:
    """Return the key prefix (ends with '/') of a table or of one partition; values in the contract's key order."""
    keys = TABLES[table].partitions
    values = dict(partition or {})
    if set(values) != set(keys):
        raise ContractError(f"Partition of {table} must name {list(keys)}, but got {sorted(values)}.")
    return f"{CURATED_ZONE}/{table}/" + "".join(f"{key}={quote(values[key], safe=' ')}/" for key in keys)


def generation_prefix(table: str, partition: Mapping[str, str] | None, generation: str) -> str:
    """Return the key prefix (ends with '/') of one generation."""
    return f"{folder(table, partition)}{generation}/"


def new_generation(fingerprint: str) -> str:
    """Return a new name for one attempt's generation, made from `fingerprint` (of inputs, code, settings)."""
    return f"gen-{fingerprint}-{uuid.uuid4().hex[:8]}"


def identity(pointer: Mapping[str, Any] | None) -> str | None:
    """Return the fingerprint of a committed state's inputs: equal for equal states. None for None."""
    return None if pointer is None else str(pointer.get("fingerprint") or pointer["generation"])


def marks_partition(table: str, key: str) -> bool:
    """Return whether a key shows that its partition of the table is there: a pointer, or a file of a log."""
    return key.endswith(".parquet" if TABLES[table].log else f"/{POINTER}")


def partitions_of_keys(table: str, keys: Iterable[str]) -> list[dict[str, str]]:
    """Return the committed partitions among the keys of a table, sorted."""
    prefix = f"{CURATED_ZONE}/{table}/"
    folders = {key[len(prefix) :].rpartition("/")[0] for key in keys if marks_partition(table, key)}
    partitions = []
    for parts in folders:
        pairs = (part.partition("=") for part in parts.split("/") if part)
        partitions.append({name: unquote(value) for name, _, value in pairs})
    return sorted(partitions, key=lambda p: tuple(p.values()))
