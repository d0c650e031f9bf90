"""Sources: objects under paths of S3, and tables of the catalog; of them what the job's bookmark has not."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import bookmarks
from .bookmarks import S3Object
from .formats import reader, table_format
from .refusal import check_options, refuse

__all__ = ["from_catalog", "from_options", "table_of"]

# Of S3 sources: what they read, and what only makes Glue's own reader faster.
_CONNECTION = ("paths", "recurse", "compressionType", "groupFiles", "groupSize", "useS3ListImplementation")
_GLOB = frozenset("*?[]{}\\")
_COMPRESSIONS = (None, "none", "gzip", "bzip")  # by the ending of a file's name


def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)


def _objects(s3: Any, uri: str, *, recurse: bool) -> list[S3Object]:
    """Return the objects at or under a path, but none whose name begins with ``_`` or ``.``, sorted by key."""
    if set(uri) & _GLOB:
        raise refuse(f"the pattern {uri!r} as a path")
    bucket, _, prefix = uri.partition("://")[2].partition("/")
    folder = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    listed = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            key = item["Key"]
            inner = key.removeprefix(folder)
            if key != prefix and (not key.startswith(folder) or ("/" in inner and not recurse)):
                continue
            if key.endswith("/") or any(part.startswith(("_", ".")) for part in inner.split("/")):
                continue
            listed.append(S3Object(f"s3://{bucket}/{key}", item["LastModified"].isoformat()))
    return listed


def _pending(context: str, objects: Sequence[S3Object]) -> list[str]:
    if strange := next((item.uri for item in objects if set(item.uri) & _GLOB), ""):
        raise refuse(f"the key of {strange}, which Spark reads as a pattern")
    current = bookmarks.current()
    return [item.uri for item in (current.pending(context, objects) if current else objects)]


# --- paths ------------------------------------------------------------------------------------------------
def from_options(
    spark: Any,
    connection_type: str,
    connection_options: Mapping[str, Any],
    name: str | None,
    format_options: Mapping[str, Any],
    context: str,
) -> Any:
    """Return the data frame of the objects under the paths of S3 that the job has not read.

    Columns of CSV files are strings, empty where a field is empty. Without a new object the frame has no column.
    """
    if connection_type != "s3":
        raise refuse(f"the connection type {connection_type!r}")
    check_options(connection_options, _CONNECTION, "an S3 source")
    if connection_options.get("compressionType") not in _COMPRESSIONS:
        raise refuse(f"the compressionType {connection_options['compressionType']!r}")
    kind, options = reader(name, format_options)
    s3, recurse = _client("s3"), str(connection_options.get("recurse", False)).lower() == "true"
    objects = [item for path in connection_options["paths"] for item in _objects(s3, path, recurse=recurse)]
    if partitioned := next((item.uri for item in objects if "=" in item.uri.rpartition("/")[0]), ""):
        raise refuse(f"paths with folders of partitions ({partitioned}); read them through the catalog")
    uris = _pending(context, objects)
    if not uris:
        return _empty(spark, "")
    frame = spark.read.format(kind).options(**options).load(uris)
    if kind != "csv":
        return frame
    if options["header"] != "true":
        frame = frame.toDF(*(f"col{n}" for n in range(len(frame.columns))))
    return frame.na.fill("")


def _empty(spark: Any, ddl: str) -> Any:
    from pyspark.sql.types import StructType

    return spark.createDataFrame([], ddl or StructType([]))


# --- the catalog ------------------------------------------------------------------------------------------
def table_of(database: str, table_name: str, catalog_id: str | None) -> dict[str, Any]:
    """Return a table as GetTable gives it."""
    owner = {"CatalogId": catalog_id} if catalog_id else {}
    table: dict[str, Any] = _client("glue").get_table(DatabaseName=database, Name=table_name, **owner)["Table"]
    if table.get("TableType") == "VIRTUAL_VIEW" or not (table.get("StorageDescriptor") or {}).get("Location"):
        raise refuse(f"the table {database}.{table_name}, which has no files of its own")
    return table


def from_catalog(
    spark: Any,
    table: Mapping[str, Any],
    predicate: str,
    additional_options: Mapping[str, Any],
    context: str,
) -> Any:
    """Return the data frame of a table's objects that the job has not read; `predicate` chooses partitions."""
    check_options(additional_options, ("useS3ListImplementation", "groupFiles", "groupSize"), "from_catalog")
    kind, options = table_format(table)
    columns, keys = table["StorageDescriptor"]["Columns"], table.get("PartitionKeys") or []
    partitions = _matching(spark, keys, _partitions(table), predicate) if keys else [
        {"Values": [], "StorageDescriptor": table["StorageDescriptor"]}
    ]  # fmt: skip
    if predicate and not keys:
        raise refuse(f"push_down_predicate on {table['Name']}, which has no partitions")
    s3, frames = _client("s3"), []
    objects = {id(p): _objects(s3, p["StorageDescriptor"]["Location"], recurse=True) for p in partitions}
    new = set(_pending(context, [item for listed in objects.values() for item in listed]))
    for partition in partitions:
        if uris := [item.uri for item in objects[id(partition)] if item.uri in new]:
            frame = spark.read.format(kind).options(**options).schema(_ddl(columns)).load(uris)
            if kind == "csv":
                frame = frame.na.fill("")
            frames.append(_with_values(frame, keys, partition["Values"]))
    if not frames:
        return _empty(spark, _ddl([*columns, *keys]))
    return functools.reduce(lambda left, right: left.unionByName(right), frames)


def _partitions(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    pages = _client("glue").get_paginator("get_partitions")
    names = {"DatabaseName": table["DatabaseName"], "TableName": table["Name"]}
    return [partition for page in pages.paginate(**names) for partition in page["Partitions"]]


def _matching(spark: Any, keys: Sequence[Any], partitions: list[dict[str, Any]], predicate: str) -> list[Any]:
    """Return the partitions whose values satisfy an expression of Spark's SQL."""
    if not predicate or not partitions:
        return partitions
    rows = [(number, *partition["Values"]) for number, partition in enumerate(partitions)]
    ddl = ", ".join(["`#` int", *(f"`{key['Name']}` string" for key in keys)])
    typed = [f"CAST(`{key['Name']}` AS {_type(key)}) AS `{key['Name']}`" for key in keys]
    chosen = spark.createDataFrame(rows, ddl).selectExpr("`#`", *typed).filter(predicate)
    return [partitions[row["#"]] for row in chosen.collect()]


def _type(column: Mapping[str, Any]) -> str:
    return str(column.get("Type") or "string")


def _ddl(columns: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"`{column['Name']}` {_type(column)}" for column in columns)


def _with_values(frame: Any, keys: Sequence[Any], values: Sequence[str]) -> Any:
    from pyspark.sql.functions import lit

    for key, value in zip(keys, values, strict=True):
        frame = frame.withColumn(key["Name"], lit(value).cast(_type(key)))
    return frame
