"""What a crawler does: find tables under S3 targets by reading Parquet footers, and write them to the catalog.

`discover` reads (no catalog); `apply` writes (no data). A table is a folder: the target itself, or the folder
above the first ``key=value`` part. Other formats than Parquet are reported, not crawled. Names that begin with
`_` or `.` are ignored, as Athena does. Unlike AWS, plain subfolders never become `partition_0`: each is a table.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from moto.core.utils import utcnow

from local_mock.data import DataAccess, ObjectInfo
from local_mock.glue.schema import columns_of, merge
from local_mock.keys import split_uri

__all__ = ["CrawlStopped", "Discovery", "FoundTable", "Target", "apply", "discover", "glob_pattern"]

_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}


class CrawlStopped(Exception):  # noqa: N818 - not an error: someone asked for it
    """The crawl was asked to stop."""


@dataclass(frozen=True)
class Target:
    """One include path (``s3://bucket/prefix``) with its exclude patterns (globs relative to the path)."""

    path: str
    exclusions: tuple[str, ...] = ()


@dataclass
class FoundTable:
    """A table as it lies in S3. `location` ends in '/'; `partitions` maps values to (location, columns)."""

    name: str
    location: str
    keys: tuple[str, ...]
    columns: dict[str, str]
    partitions: dict[tuple[str, ...], tuple[str, dict[str, str]]]
    objects: int
    bytes: int
    rows: int


@dataclass
class Discovery:
    """Tables found and everything that could not be used, one sentence each."""

    tables: list[FoundTable] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _File:
    info: ObjectInfo
    root: str  # key prefix of the table, ends with '/'
    pairs: tuple[tuple[str, str], ...]  # partition (key, value) in order of the path
    columns: dict[str, str]
    rows: int


def glob_pattern(glob: str) -> re.Pattern[str]:
    """Glue's exclude pattern as a regex: ``*``, ``?`` stay inside a folder, ``**`` crosses; ``{a,b}``, ``[ab]``.

    https://docs.aws.amazon.com/glue/latest/dg/define-crawler-choose-data-sources.html
    """
    pieces, depth = [], 0
    for part in re.findall(r"\*\*|\[[^\]]*\]|\\.|.", glob, flags=re.DOTALL):
        if part in ("{", "}"):
            depth += 1 if part == "{" else -1
            pieces.append("(?:" if part == "{" else ")")
        elif part == "," and depth:
            pieces.append("|")
        elif part.startswith("[") and len(part) > 2:
            pieces.append(part.replace("[!", "[^", 1))
        else:
            special = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
            pieces.append(special.get(part) or re.escape(part.removeprefix("\\") or part))
    return re.compile("".join(pieces) + r"\Z", flags=re.DOTALL)


def discover(data: DataAccess, targets: Sequence[Target], stopped: Callable[[], bool]) -> Discovery:
    """Read the footers under all targets. Raises CrawlStopped when `stopped` says so."""
    found = Discovery()
    for target in targets:
        bucket, prefix = split_uri(target.path)
        prefix = prefix.rstrip("/") + "/" if prefix else ""
        excluded = [glob_pattern(glob) for glob in target.exclusions]
        files: dict[str, list[_File]] = {}
        listed = data.list(f"s3://{bucket}/{prefix}")
        if not listed:
            found.problems.append(f"Nothing lies under s3://{bucket}/{prefix}.")
        for info in listed:
            if stopped():
                raise CrawlStopped
            relative = info.key[len(prefix) :]
            hidden = any(part.startswith(("_", ".")) for part in relative.split("/"))
            if hidden or any(pattern.match(relative) for pattern in excluded):
                continue
            file = _read(data, info, prefix, found.problems)
            if file is not None:
                files.setdefault(file.root, []).append(file)
        for root in sorted(files):
            found.tables.append(_table(bucket, root, files[root], found.problems))
    names = Counter(table.name for table in found.tables)
    twice = {name for name, count in names.items() if count > 1}
    for name in sorted(twice):
        places = ", ".join(table.location for table in found.tables if table.name == name)
        found.problems.append(f"The folders {places} would all become table {name}: rename them; none is used.")
    found.tables = [table for table in found.tables if table.name not in twice]
    return found


def _read(data: DataAccess, info: ObjectInfo, prefix: str, problems: list[str]) -> _File | None:
    if info.size == 0:
        problems.append(f"{info.uri} is empty (0 bytes): it is no Parquet file.")
        return None
    try:
        metadata = pq.read_metadata(data.local_file(info.uri))
        columns = columns_of(metadata.schema.to_arrow_schema())
    except (pa.ArrowException, OSError, ValueError) as err:
        problems.append(f"{info.uri} is no readable Parquet file: {str(err).splitlines()[0]}")
        return None
    folders = info.key[len(prefix) :].split("/")[:-1]
    first = next((n for n, part in enumerate(folders) if "=" in part), len(folders))
    if any("=" not in part for part in folders[first:]):
        problems.append(f"{info.uri} lies in a plain folder below a partition folder: it is left out.")
        return None
    pairs = [part.partition("=") for part in folders[first:]]
    root = prefix + "".join(f"{part}/" for part in folders[:first])
    values = tuple((key.lower(), unquote(value)) for key, _, value in pairs)
    return _File(info, root, values, columns, metadata.num_rows)


def _table(bucket: str, root: str, files: list[_File], problems: list[str]) -> FoundTable:
    keys, _ = Counter(tuple(key for key, _ in file.pairs) for file in files).most_common(1)[0]
    used = []
    for file in files:
        if tuple(key for key, _ in file.pairs) == keys:
            used.append(file)
        else:
            problems.append(f"{file.info.uri} is not partitioned by {list(keys)} as its table is: it is left out.")
    columns, conflicts = merge((file.info.uri, file.columns) for file in used)
    problems += conflicts
    both = [key for key in keys if key in columns]
    if both:
        problems.append(f"s3://{bucket}/{root} has {both} both as partition and as column: the partition counts.")
    grouped: dict[tuple[str, ...], list[_File]] = {}
    for file in used if keys else []:
        grouped.setdefault(tuple(value for _, value in file.pairs), []).append(file)
    partitions = {}
    for values, members in sorted(grouped.items()):
        location = f"s3://{bucket}/{members[0].info.key.rpartition('/')[0]}/"
        partitions[values] = (location, merge((m.info.uri, m.columns) for m in members)[0])
    return FoundTable(
        name=_table_name(root or bucket),
        location=f"s3://{bucket}/{root}",
        keys=keys,
        columns={name: type_ for name, type_ in columns.items() if name not in keys},
        partitions=partitions,
        objects=len(used),
        bytes=sum(file.info.size for file in used),
        rows=sum(file.rows for file in used),
    )


def _table_name(root: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", PurePosixPath(root).name.lower())


def apply(tables: Iterable[FoundTable], database: Any, crawler: Any) -> list[str]:
    """Bring a database's tables and partitions in line with what was found; returns a sentence per change.

    `crawler` gives name, table_prefix, schema_change_policy and configuration. Tables that this crawler made
    and no longer finds are treated by `DeleteBehavior`; a table it did not make is left alone with a note.
    """
    policy = crawler.schema_change_policy or {}
    update = policy.get("UpdateBehavior", "UPDATE_IN_DATABASE") == "UPDATE_IN_DATABASE"
    delete = policy.get("DeleteBehavior", "DEPRECATE_IN_DATABASE")
    inherit = _inherits(crawler.configuration)
    changes: list[str] = []
    names = set()
    for found in tables:
        name = (crawler.table_prefix or "") + found.name
        names.add(name)
        table = database.tables.get(name)
        if table is None:
            table = _create(database, name, found, crawler)
            changes.append(f"table {name} was created")
        elif update:
            before, after = table.as_dict(), _table_input(name, found, crawler.name)
            if any(_differs(before, after, part) for part in ("StorageDescriptor", "PartitionKeys", "Parameters")):
                table.update(after)
                changes.append(f"table {name} was updated")
        else:
            changes.append(f"table {name} is left as it is (UpdateBehavior LOG)")
        changes += _apply_partitions(table, found, delete, inherit=inherit)
    for name in sorted(set(database.tables) - names):
        parameters = database.tables[name].as_dict().get("Parameters") or {}
        if parameters.get("UPDATED_BY_CRAWLER") == crawler.name:
            changes += _remove_table(database, name, delete)
    return changes


def _differs(before: Mapping[str, Any], after: Mapping[str, Any], part: str) -> bool:
    return bool((before.get(part) or None) != (after.get(part) or None))


def _create(database: Any, name: str, found: FoundTable, crawler: Any) -> Any:
    backend = crawler.backend
    return backend.create_table(database.name, name, _table_input(name, found, crawler.name))


def _remove_table(database: Any, name: str, delete: str) -> list[str]:
    if delete == "DELETE_FROM_DATABASE":
        del database.tables[name]
        return [f"table {name} was deleted"]
    if delete == "DEPRECATE_IN_DATABASE":
        shown = database.tables[name].as_dict()
        if "DEPRECATED_BY_CRAWLER" not in shown["Parameters"]:
            kept = {key: shown[key] for key in _table_keys() if key in shown}
            stamp = str(int(utcnow().timestamp() * 1000))
            kept["Parameters"] = shown["Parameters"] | {"DEPRECATED_BY_CRAWLER": stamp}
            database.tables[name].update(kept)
            return [f"table {name} was deprecated"]
    return [f"table {name} is no longer in S3"]


def _table_keys() -> tuple[str, ...]:
    return ("Name", "Description", "TableType", "PartitionKeys", "StorageDescriptor", "Parameters")


def _apply_partitions(table: Any, found: FoundTable, delete: str, *, inherit: bool) -> list[str]:
    added = changed = removed = 0
    for values, (location, own) in found.partitions.items():
        columns = found.columns if inherit else {k: v for k, v in own.items() if k not in found.keys}
        request = {"Values": list(values), "StorageDescriptor": _storage(location, columns)}
        existing = table.partitions.get(str(list(values)))
        if existing is None:
            table.create_partition(request)
            added += 1
        elif existing.as_dict().get("StorageDescriptor") != request["StorageDescriptor"]:
            table.update_partition(list(values), request)
            changed += 1
    gone = [p.values for p in list(table.partitions.values()) if tuple(p.values) not in found.partitions]
    if delete == "DELETE_FROM_DATABASE":
        for values in gone:
            table.delete_partition(values)
        removed = len(gone)
    counts = {"added": added, "updated": changed, "deleted": removed, "no longer in S3": len(gone) - removed}
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return [f"partitions of {table.name}: {said}"] if said else []


def _inherits(configuration: str | None) -> bool:
    if not configuration:
        return False
    output = json.loads(configuration).get("CrawlerOutput", {})
    return bool(output.get("Partitions", {}).get("AddOrUpdateBehavior") == "InheritFromTable")


def _storage(location: str, columns: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Columns": [{"Name": name, "Type": type_} for name, type_ in columns.items()],
        "Location": location,
        "Compressed": False,
        "StoredAsSubDirectories": False,
        **_PARQUET,
    }


def _table_input(name: str, found: FoundTable, crawler_name: str) -> dict[str, Any]:
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in found.keys],
        "StorageDescriptor": _storage(found.location, found.columns),
        "Parameters": {
            "classification": "parquet",
            "typeOfData": "file",
            "compressionType": "none",
            "objectCount": str(found.objects),
            "recordCount": str(found.rows),
            "sizeKey": str(found.bytes),
            "averageRecordSize": str(found.bytes // max(1, found.rows)),
            "UPDATED_BY_CRAWLER": crawler_name,
            "CrawlerSchemaDeserializerVersion": "1.0",
            "CrawlerSchemaSerializerVersion": "1.0",
        },
    }
