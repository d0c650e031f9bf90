"""The data side of a crawler: finds tables of Parquet, CSV and JSON files under S3 targets. No catalog.

A table is a folder: the target itself, or the folder above the first ``key=value`` part, or the one at
`TableLevelConfiguration`. Other formats are reported, not crawled. Names that begin with `_` or `.`
are ignored, as Athena does. All files of a folder become one table, as with `CombineCompatibleSchemas`; without
it AWS splits a folder whose schemas differ much, which is said in a note. Unlike AWS, plain subfolders never
become `partition_0`: each is a table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import unquote

from local_mock.data import DataAccess, ObjectInfo
from local_mock.glue.footers import CrawlStopped, FileFacts, Footers
from local_mock.glue.schema import Conflict, merge, similarity
from local_mock.keys import split_uri

__all__ = ["CrawlStopped", "Discovery", "FoundTable", "Target", "discover", "glob_pattern"]

# What a crawl without CombineCompatibleSchemas takes for one table:
# https://repost.aws/knowledge-center/glue-crawler-detect-schema
SIMILAR, MAX_SCHEMAS = 0.7, 5


@dataclass(frozen=True)
class Target:
    """One include path (``s3://bucket/prefix``) with its exclude patterns (globs relative to the path)."""

    path: str
    exclusions: tuple[str, ...] = ()


@dataclass
class FoundTable:
    """A table as it lies in S3.

    Attributes
    ----------
    location : ends in '/'.
    partitions : values -> (location, columns of its own).
    unread : values of partitions in which no file is readable: they are not new, and not gone either.
    conflicts : columns that Athena cannot read in every file.
    """

    name: str
    location: str
    keys: tuple[str, ...]
    columns: dict[str, str]
    partitions: dict[tuple[str, ...], tuple[str, dict[str, str]]]
    unread: frozenset[tuple[str, ...]]
    conflicts: list[Conflict]
    objects: int
    bytes: int
    rows: int
    kind: str = "parquet"
    settings: dict[str, str] = field(default_factory=dict)


@dataclass
class Discovery:
    """Tables found, and a sentence for each thing that a user should know.

    `problems` are of the data (they go into LastCrawl), `notes` only into the log. `unread` are the locations of
    tables that have files but no readable one. `listed` counts the objects under the targets.
    """

    tables: list[FoundTable] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    listed: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """An object and where it belongs: `root` is the table's key prefix (ends with '/')."""

    info: ObjectInfo
    root: str
    pairs: tuple[tuple[str, str], ...]  # partition (key, value) in order of the path

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(key for key, _ in self.pairs)

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(value for _, value in self.pairs)


_File = tuple[_Place, FileFacts]


def glob_pattern(glob: str) -> re.Pattern[str]:
    """Return Glue's exclude pattern as regex: ``*``, ``?`` stay in a folder, ``**`` crosses, ``{a,b}``, ``[ab]``.

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


def discover(
    data: DataAccess,
    targets: Sequence[Target],
    stopped: Callable[[], bool],
    *,
    footers: Footers | None = None,
    known_folders: Set[str] = frozenset(),
    level: int | None = None,
    combine: bool = True,
) -> Discovery:
    """Read the footers under all targets.

    Parameters
    ----------
    footers : what an earlier crawl read; unchanged files (same ETag) are not opened again.
    known_folders : ``s3://bucket/folder/`` that are passed over (`CRAWL_NEW_FOLDERS_ONLY`).
    level : `TableLevelConfiguration`: at which level the tables lie; the bucket is level 1.
    combine : whether the crawler says `CombineCompatibleSchemas`; decides about a note only.

    Raises
    ------
    CrawlStopped
        `stopped` says so.
    """
    discovery, footers = Discovery(), footers or Footers()
    places: list[_Place] = []
    for target in targets:
        places += _places(data, target, level, known_folders, discovery)
        if stopped():
            raise CrawlStopped
    read = footers.read(data, [place.info for place in places], stopped)
    discovery.notes.append(
        f"{len(places):,} objects, of which {footers.opened:,} are new or changed and were opened"
    )
    tables: dict[tuple[str, str], list[_File]] = {}
    for place, footer in zip(places, read, strict=True):
        bucket, _ = split_uri(place.info.uri)
        tables.setdefault((bucket, place.root), []).append((place, footer))
        if footer.problem:
            discovery.problems.append(footer.problem)
    for (bucket, root), files in sorted(tables.items()):
        good = [file for file in files if not file[1].problem]
        if good:
            table = _table(bucket, root, files, good, discovery)
            discovery.tables.append(table)
            if not combine:
                discovery.notes += _would_split(table, good)
        else:
            discovery.unread.add(f"s3://{bucket}/{root}")
    return discovery


def _places(
    data: DataAccess, target: Target, level: int | None, known_folders: Set[str], discovery: Discovery
) -> list[_Place]:
    """Return the objects of one target that are to be read."""
    bucket, prefix = split_uri(target.path)
    prefix = prefix.rstrip("/") + "/" if prefix else ""
    excluded = [glob_pattern(glob) for glob in target.exclusions]
    places = []
    listed = data.list(f"s3://{bucket}/{prefix}")
    discovery.listed += len(listed)
    if not listed:
        discovery.problems.append(f"Nothing lies under s3://{bucket}/{prefix}.")
    for info in listed:
        relative = info.key[len(prefix) :]
        hidden = any(part.startswith(("_", ".")) for part in relative.split("/"))
        if hidden or any(pattern.match(relative) for pattern in excluded):
            continue
        if info.uri.rpartition("/")[0] + "/" in known_folders:
            continue
        place = _place(info, prefix, level)
        if isinstance(place, str):
            discovery.problems.append(place)
        else:
            places.append(place)
    return places


def _place(info: ObjectInfo, prefix: str, level: int | None) -> _Place | str:
    """Return the table and partition that a file belongs to, or the reason why it belongs to none."""
    folders = info.key.split("/")[:-1]
    if level is None:
        begin = prefix.count("/")
        first = next((n for n, part in enumerate(folders) if n >= begin and "=" in part), len(folders))
    else:
        first = level - 1
        if len(folders) < first:
            return f"{info.uri} lies above level {level} (TableLevelConfiguration): it is left out."
    if any("=" not in part for part in folders[first:]):
        return f"{info.uri} lies in a plain folder below a partition folder: it is left out."
    pairs = [part.partition("=") for part in folders[first:]]
    root = "".join(f"{part}/" for part in folders[:first])
    return _Place(info, root, tuple((key.lower(), unquote(value)) for key, _, value in pairs))


def _table(bucket: str, root: str, files: list[_File], good: list[_File], discovery: Discovery) -> FoundTable:
    keys, _ = Counter(place.keys for place, _ in good).most_common(1)[0]
    used, location = [], f"s3://{bucket}/{root}"
    (kind, settings), _ = Counter((f.kind, f.settings) for place, f in good if place.keys == keys).most_common(1)[
        0
    ]
    for place, footer in good:
        if (footer.kind, _layout(footer)) != (kind, _layout_of(kind, settings)):
            discovery.problems.append(
                f"{place.info.uri} is {footer.kind} {dict(_layout(footer))}, but its folder is a table of {kind} "
                f"{dict(_layout_of(kind, settings))}: it is left out, though Athena reads all files of a folder."
            )
        elif place.keys == keys:
            used.append((place, footer))
        else:
            uri = place.info.uri
            discovery.problems.append(f"{uri} is not partitioned by {list(keys)} as its table is: it is left out.")
    columns, conflicts = merge((place.info.key[len(root) :], footer.columns) for place, footer in used)
    if kind != "parquet":
        conflicts = []  # text has no types of its own that could contradict the table's
    if kind == "csv" and len({tuple(footer.columns) for _, footer in used}) > 1:
        discovery.problems.append(
            f"{location} has csv files with different columns: Athena reads them by their place."
        )
    discovery.problems += [f"In {location}, {conflict}" for conflict in conflicts if conflict.column not in keys]
    both = [key for key in keys if key in columns]
    if both:
        discovery.problems.append(f"{location} has {both} both as partition and as column: the partition counts.")
    partitions = _partitions(bucket, used) if keys else {}
    there = {place.values for place, _ in files if place.keys == keys}
    return FoundTable(
        name=_table_name(root or bucket),
        location=location,
        keys=keys,
        columns={name: type_ for name, type_ in columns.items() if name not in keys},
        partitions=partitions,
        unread=frozenset(there - set(partitions)) if keys else frozenset(),
        conflicts=[conflict for conflict in conflicts if conflict.column not in keys],
        objects=len(used),
        bytes=sum(place.info.size for place, _ in used),
        rows=sum(footer.rows for _, footer in used),
        kind=kind,
        settings=dict(settings),
    )


def _layout(footer: FileFacts) -> tuple[tuple[str, str], ...]:
    return _layout_of(footer.kind, footer.settings)


def _layout_of(kind: str, settings: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the settings that all files of a table must share."""
    return tuple(item for item in settings if kind == "csv" and item[0] != "quoteChar")


def _partitions(bucket: str, files: list[_File]) -> dict[tuple[str, ...], tuple[str, dict[str, str]]]:
    grouped: dict[tuple[str, ...], list[_File]] = {}
    for file in files:
        grouped.setdefault(file[0].values, []).append(file)
    partitions = {}
    for values, members in sorted(grouped.items()):
        location = f"s3://{bucket}/{members[0][0].info.key.rpartition('/')[0]}/"
        partitions[values] = (location, _union(footer for _, footer in members))
    return partitions


def _union(footers: Iterable[FileFacts]) -> dict[str, str]:
    """Return the columns of several files; equal schemas are one object (see `Footers`), so few are merged."""
    schemas = {id(footer.columns): footer.columns for footer in footers}
    return merge(("", columns) for columns in schemas.values())[0]


def _would_split(table: FoundTable, files: list[_File]) -> list[str]:
    """Return a note if AWS would make several tables of this one, for want of CombineCompatibleSchemas."""
    own = {id(footer.columns): footer.columns for _, footer in files}
    usual = own[_commonest(files)]
    far = [columns for columns in own.values() if similarity(columns, usual) <= SIMILAR]
    if not far and len(own) <= MAX_SCHEMAS:
        return []
    strange = next((p.info.uri for p, f in files if any(f.columns is columns for columns in far)), "")
    why = f"{strange} is too unlike the others" if strange else f"there are {len(own)} schemas"
    return [
        f"{table.location} is one table here, but AWS may make a table of each folder, for {why}: set Grouping "
        "TableGroupingPolicy CombineCompatibleSchemas in the crawler's Configuration"
    ]


def _commonest(files: list[_File]) -> int:
    return Counter(id(footer.columns) for _, footer in files).most_common(1)[0][0]


def _table_name(root: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", PurePosixPath(root).name.lower())
