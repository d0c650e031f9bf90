"""Sinks: files under a path of S3, or in a table's location. Files are added; none is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .formats import table_format, writer
from .refusal import check_options, refuse

__all__ = ["to_catalog", "to_options"]


def to_options(
    frame: Any,
    connection_type: str,
    connection_options: Mapping[str, Any],
    name: str | None,
    format_options: Mapping[str, Any],
) -> None:
    """Write a data frame under ``path``, in a folder a partition if ``partitionKeys`` are given."""
    if connection_type != "s3":
        raise refuse(f"the connection type {connection_type!r}")
    check_options(connection_options, ("path", "partitionKeys", "compression"), "an S3 sink")
    kind, options = writer(name, format_options)
    if "compression" in connection_options:
        options["compression"] = str(connection_options["compression"])
    _write(frame, kind, options, connection_options["path"], connection_options.get("partitionKeys"))


def to_catalog(frame: Any, table: Mapping[str, Any], additional_options: Mapping[str, Any]) -> None:
    """Write a data frame into the location of a table, in its format. The catalog learns of no new partition."""
    check_options(additional_options, ("partitionKeys",), "writing to the catalog")
    kind, options = table_format(table)
    keys = [key["Name"] for key in table.get("PartitionKeys") or []]
    if list(additional_options.get("partitionKeys") or []) != keys:
        raise refuse(f"partitionKeys other than those of the table {table['Name']}: {keys}")
    if kind == "csv":
        options = {"sep": options["sep"], "quote": options["quote"] or "\u0000", "header": options["header"]}
    columns = [column["Name"] for column in table["StorageDescriptor"]["Columns"]]
    if sorted(frame.columns) != sorted([*columns, *keys]):
        raise refuse(f"columns other than those of the table {table['Name']}: {sorted([*columns, *keys])}")
    _write(frame.select(*columns, *keys), kind, options, table["StorageDescriptor"]["Location"], keys)


def _write(frame: Any, kind: str, options: Mapping[str, str], path: str, keys: Any) -> None:
    made = frame.write.mode("append").format(kind).options(**{k: v for k, v in options.items() if k != "mode"})
    if keys:
        made = made.partitionBy(*keys)
    made.save(path)
