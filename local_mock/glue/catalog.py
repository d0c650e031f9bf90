"""The catalog side of a crawler: brings the tables in line with what the crawl found. Reads no data.

A table that the crawler did not find, but whose files are there and unreadable, is left as it is: nothing was
deleted. `DEPRECATE_IN_DATABASE` marks tables only, as AWS documents it; partitions that are gone stay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.utils import utcnow

from local_mock.glue.crawl import Discovery, FoundTable

__all__ = ["CONFLICTS", "CrawlerPolicy", "apply", "check_policies", "folders", "policy_of"]

CONFLICTS = "local_mock.conflicts"  # our own table parameter: JSON list of `schema.Conflict`
_ONLY_NEW = "CRAWL_NEW_FOLDERS_ONLY"
_MADE_BY, _DEPRECATED = "UPDATED_BY_CRAWLER", "DEPRECATED_BY_CRAWLER"
_TEXT = ("org.apache.hadoop.mapred.TextInputFormat", "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat")
Columns = Mapping[str, str]


@dataclass(frozen=True)
class CrawlerPolicy:
    """A crawler's settings that decide what is written.

    Attributes
    ----------
    update : existing tables and partitions follow what was found; new ones are made in any case.
    delete : LOG, DELETE_FROM_DATABASE or DEPRECATE_IN_DATABASE.
    inherit : partitions have the table's columns (`InheritFromTable`).
    keep_columns : columns of an existing table stay, with their types (`MergeNewColumns`).
    combine : `CombineCompatibleSchemas`.
    level : `TableLevelConfiguration`, None without it.
    only_new : `CRAWL_NEW_FOLDERS_ONLY`: existing tables are not changed, nothing is missed.
    """

    update: bool
    delete: str
    inherit: bool
    keep_columns: bool
    combine: bool
    level: int | None
    only_new: bool


def check_policies(change: Mapping[str, str] | None, recrawl: Mapping[str, str] | None) -> None:
    """Raise InvalidInputException if new folders only are to be crawled, but a change policy is not LOG.

    https://docs.aws.amazon.com/glue/latest/dg/incremental-crawls.html
    """
    only_new = (recrawl or {}).get("RecrawlBehavior") == _ONLY_NEW
    if only_new and any((change or {}).get(name) != "LOG" for name in ("UpdateBehavior", "DeleteBehavior")):
        raise JsonRESTError(
            "InvalidInputException",
            f"RecrawlBehavior {_ONLY_NEW} needs UpdateBehavior LOG and DeleteBehavior LOG.",
        )


def policy_of(
    change: Mapping[str, str] | None, recrawl: Mapping[str, str] | None, configuration: str | None
) -> CrawlerPolicy:
    """Return the policy of a crawler's request. Raises ValueError for what is not supported."""
    behavior = (recrawl or {}).get("RecrawlBehavior") or "CRAWL_EVERYTHING"
    if behavior == "CRAWL_EVENT_MODE":
        raise ValueError("local_mock has no S3 events: RecrawlBehavior CRAWL_EVENT_MODE is not supported.")
    settings = json.loads(configuration) if configuration else {}
    output, grouping = settings.get("CrawlerOutput") or {}, settings.get("Grouping") or {}
    level = grouping.get("TableLevelConfiguration")
    change, only_new = change or {}, behavior == _ONLY_NEW
    return CrawlerPolicy(
        update=change.get("UpdateBehavior", "UPDATE_IN_DATABASE") == "UPDATE_IN_DATABASE" and not only_new,
        delete="LOG" if only_new else change.get("DeleteBehavior", "DEPRECATE_IN_DATABASE"),
        inherit=(output.get("Partitions") or {}).get("AddOrUpdateBehavior") == "InheritFromTable",
        keep_columns=(output.get("Tables") or {}).get("AddOrUpdateBehavior") == "MergeNewColumns",
        combine=grouping.get("TableGroupingPolicy") == "CombineCompatibleSchemas",
        level=None if level is None else int(level),
        only_new=only_new,
    )


def folders(database: Any, crawler_name: str) -> set[str]:
    """Return the locations of the tables and partitions that a crawler has made."""
    names = set()
    for name, location in _made_by(database, crawler_name).items():
        table = database.tables[name]
        if not table.as_dict().get("PartitionKeys"):
            names.add(location)
        names |= {p.as_dict()["StorageDescriptor"]["Location"] for p in list(table.partitions.values())}
    return names


def apply(discovery: Discovery, database: Any, crawler: Any, policy: CrawlerPolicy) -> list[str]:
    """Bring a database's tables and partitions in line with what was found; returns a sentence per change.

    `crawler` gives name, table_prefix and backend. Tables that this crawler made and no longer finds are treated
    by `DeleteBehavior`; those of others stay.
    """
    changes: list[str] = []
    names = _names(discovery, database, crawler, policy)
    for item in discovery.tables:
        name = names[item.location]
        if name not in database.tables:
            crawler.backend.create_table(database.name, name, _table_input(name, item, item.columns, crawler.name))
            changes.append(f"table {name} was created with {len(item.columns)} columns")
        else:
            changes += _update_table(database.tables[name], item, crawler.name, policy)
        changes += _apply_partitions(database.tables[name], item, policy)
    if not policy.only_new:
        there = discovery.unread | set(names)
        for name, location in sorted(_made_by(database, crawler.name).items()):
            if location not in there:
                changes += _remove_table(database, name, policy.delete)
    return changes


# --- tables -----------------------------------------------------------------------------------------------
def _made_by(database: Any, crawler_name: str) -> dict[str, str]:
    """Return table -> location, of the tables that a crawler has made."""
    shown = {name: table.as_dict() for name, table in list(database.tables.items())}
    return {
        name: entry["StorageDescriptor"]["Location"]
        for name, entry in shown.items()
        if (entry.get("Parameters") or {}).get(_MADE_BY) == crawler_name
    }


def _names(discovery: Discovery, database: Any, crawler: Any, policy: CrawlerPolicy) -> dict[str, str]:
    """Return location -> table. A location keeps its table; a name that is taken gets a hash behind it, as in AWS.

    A table of this crawler whose own location holds nothing any more is taken over by a namesake (a new bucket).
    https://docs.aws.amazon.com/glue/latest/dg/add-crawler.html ("duplicate table names")
    """
    made = _made_by(database, crawler.name)
    there = discovery.unread | {item.location for item in discovery.tables}
    names = {location: name for name, location in made.items()}
    free = {name for name, location in made.items() if location not in there and policy.update}
    taken, chosen = set(database.tables) - free, {}
    for item in discovery.tables:
        name = (crawler.table_prefix or "") + item.name
        if names.get(item.location, "").startswith(name):
            name = names[item.location]
        elif name in taken:
            name = f"{name}_{hashlib.md5(item.location.encode(), usedforsecurity=False).hexdigest()}"
        taken.add(name)
        chosen[item.location] = name
    return chosen


def _update_table(table: Any, crawled: FoundTable, crawler_name: str, policy: CrawlerPolicy) -> list[str]:
    before, kept = table.as_dict(), list[str]()
    old = _columns(before)
    columns = old | {name: type_ for name, type_ in crawled.columns.items() if name not in old}
    if not policy.keep_columns:
        columns = crawled.columns
    elif others := [f"{n} ({t} in S3)" for n, t in crawled.columns.items() if columns[n] != t]:
        kept = [f"table {table.name} keeps the types of {', '.join(others)}: MergeNewColumns"]
    difference = _difference(old, columns)
    if not policy.update:
        though = f", though {difference}" if difference and not policy.only_new else ""
        return [f"table {table.name} is left as it is{though}"]
    after = _table_input(table.name, crawled, columns, crawler_name)
    if all(_same(before, after, part) for part in ("StorageDescriptor", "PartitionKeys", "Parameters")):
        return kept
    table.update(after)
    return [*kept, f"table {table.name} was updated{f': {difference}' if difference else ''}"]


def _difference(old: Columns, new: Columns) -> str:
    """Describe the difference of two lists of columns; '' if only their order differs."""
    differences = [f"column {name} {new[name]} is new" for name in new if name not in old]
    differences += [f"column {name} is gone" for name in old if name not in new]
    differences += [f"column {n} is {new[n]}, not {old[n]}" for n in new if n in old and old[n] != new[n]]
    return ", ".join(differences)


def _same(before: Mapping[str, Any], after: Mapping[str, Any], part: str) -> bool:
    return bool((before.get(part) or None) == (after.get(part) or None))


def _remove_table(database: Any, name: str, delete: str) -> list[str]:
    if delete == "DELETE_FROM_DATABASE":
        del database.tables[name]
        return [f"table {name} was deleted"]
    if delete == "DEPRECATE_IN_DATABASE":
        shown = database.tables[name].as_dict()
        if _DEPRECATED in shown["Parameters"]:
            return []
        parts = ("Name", "Description", "TableType", "PartitionKeys", "StorageDescriptor", "Parameters")
        kept = {key: shown[key] for key in parts if key in shown}
        stamp = str(int(utcnow().timestamp() * 1000))
        kept["Parameters"] = shown["Parameters"] | {_DEPRECATED: stamp}
        database.tables[name].update(kept)
        return [f"table {name} was deprecated"]
    return [f"table {name} is no longer in S3"]


def _columns(entry: Mapping[str, Any]) -> dict[str, str]:
    columns = (entry.get("StorageDescriptor") or {}).get("Columns") or []
    return {column["Name"]: column.get("Type", "string") for column in columns}


# --- partitions -------------------------------------------------------------------------------------------
def _apply_partitions(table: Any, crawled: FoundTable, policy: CrawlerPolicy) -> list[str]:
    added = changed = removed = 0
    of_table = _columns(table.as_dict())
    for values, (location, own) in crawled.partitions.items():
        # Text has no types of its own: what one partition's sample looks like must not contradict the table.
        inherits = policy.inherit or crawled.kind != "parquet"
        columns = of_table if inherits else {k: v for k, v in own.items() if k not in crawled.keys}
        request = {"Values": list(values), "StorageDescriptor": _storage(crawled, location, columns)}
        existing = table.partitions.get(str(list(values)))
        if existing is None:
            table.create_partition(request)
            added += 1
        elif policy.update and existing.as_dict().get("StorageDescriptor") != request["StorageDescriptor"]:
            table.update_partition(list(values), request)
            changed += 1
    there = crawled.unread | set(crawled.partitions)
    gone = [p.values for p in list(table.partitions.values()) if tuple(p.values) not in there]
    if policy.only_new:
        gone = []
    elif policy.delete == "DELETE_FROM_DATABASE":
        for values in gone:
            table.delete_partition(values)
        removed = len(gone)
    counts = {"added": added, "updated": changed, "deleted": removed, "no longer in S3": len(gone) - removed}
    summary = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return [f"partitions of {table.name}: {summary}"] if summary else []


# --- requests ---------------------------------------------------------------------------------------------
def _storage(crawled: FoundTable, location: str, columns: Columns) -> dict[str, Any]:
    reader, writer, library, parameters = _format(crawled)
    if library.endswith("OpenCSVSerde"):  # which takes dates as day numbers and no empty number
        columns = dict.fromkeys(columns, "string")
    return {
        "Columns": [{"Name": name, "Type": type_} for name, type_ in columns.items()],
        "Location": location,
        "Compressed": False,
        "StoredAsSubDirectories": False,
        "InputFormat": reader,
        "OutputFormat": writer,
        "SerdeInfo": {"SerializationLibrary": library, "Parameters": parameters},
    }


def _format(crawled: FoundTable) -> tuple[str, str, str, dict[str, str]]:
    """Return input format, output format, SerDe and its parameters, as AWS's classifiers give them."""
    if crawled.kind == "json":
        return *_TEXT, "org.openx.data.jsonserde.JsonSerDe", {"paths": crawled.settings["paths"]}
    if crawled.kind == "csv":
        delimiter = crawled.settings["delimiter"]
        if quote := crawled.settings.get("quoteChar"):
            parameters = {"separatorChar": delimiter, "quoteChar": quote}
            return *_TEXT, "org.apache.hadoop.hive.serde2.OpenCSVSerde", parameters
        return *_TEXT, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", {"field.delim": delimiter}
    package = "org.apache.hadoop.hive.ql.io.parquet"
    return (
        f"{package}.MapredParquetInputFormat",
        f"{package}.MapredParquetOutputFormat",
        f"{package}.serde.ParquetHiveSerDe",
        {"serialization.format": "1"},
    )


def _text_parameters(crawled: FoundTable) -> dict[str, str]:
    if crawled.kind != "csv":
        return {}
    header = {key: value for key, value in crawled.settings.items() if key == "skip.header.line.count"}
    quoted = str("quoteChar" in crawled.settings).lower()
    return {
        "delimiter": crawled.settings["delimiter"],
        "areColumnsQuoted": quoted,
        "columnsOrdered": "true",
        **header,
    }


def _table_input(name: str, crawled: FoundTable, columns: Columns, crawler_name: str) -> dict[str, Any]:
    conflicts = [conflict.as_dict() for conflict in crawled.conflicts]
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in crawled.keys],
        "StorageDescriptor": _storage(crawled, crawled.location, columns),
        "Parameters": {
            "classification": crawled.kind,
            **_text_parameters(crawled),
            "typeOfData": "file",
            "compressionType": "none",
            "objectCount": str(crawled.objects),
            "recordCount": str(crawled.rows),
            "sizeKey": str(crawled.bytes),
            "averageRecordSize": str(crawled.bytes // max(1, crawled.rows)),
            _MADE_BY: crawler_name,
            "CrawlerSchemaDeserializerVersion": "1.0",
            "CrawlerSchemaSerializerVersion": "1.0",
            **({CONFLICTS: json.dumps(conflicts)} if conflicts else {}),
        },
    }
