"""Stage vacuum: remove generations of the curated zone, and clips, that are out of use for long enough.

Commits remove nothing (see `etholake.lake`), so killed attempts and superseded states pile up until this runs. It
needs no lock: a generation that is unreferenced and old enough is never referenced again, because every attempt
writes one of its own. Every time is one of S3's clock: a machine whose clock is wrong removes nothing too early.
"""

from __future__ import annotations

import datetime as dt
import io
from collections import defaultdict
from typing import Any

from etholake.contract import CLIP_ZONE, CURATED_ZONE, TABLES
from etholake.errors import UsageError
from etholake.generations import DROPPED, POINTER, generation_prefix
from etholake.lake import MAX_RETENTION, Lake
from etholake.objects import read_object, store_time
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.state import open_lake

__all__ = ["run"]

STAGE = "vacuum"
_TICK = dt.timedelta(seconds=1)  # S3 tells its time in whole seconds, which lie up to one behind


def run(settings: Settings, older_than: dt.timedelta = dt.timedelta(hours=24)) -> StageResult:
    """Remove what has been out of use for longer than `older_than`.

    A generation is kept if a pointer or the catalog names it, if it was superseded or dropped less than
    `older_than` ago, or if its newest file is younger than that (an attempt at work). So `older_than` must be
    longer than the longest query and the longest job.

    The clips of a video (the shards of one recipe and input) are kept as long as a generation of the table `clips`
    names them, if their newest file is younger than `older_than`, or if they are the last result of a video that
    gave no window.

    Returns
    -------
    StageResult
        `details`: `removed` (prefixes), `removed_bytes`, and `kept`, `kept_bytes` of what is still too young.

    Raises
    ------
    UsageError
        `older_than` is negative, or longer than the lake remembers.
    """
    if not dt.timedelta(0) <= older_than <= MAX_RETENTION:
        raise UsageError(f"Expected an age from 0 to {MAX_RETENTION.days} days, but got {older_than}.")
    lake = open_lake(settings)
    now = store_time(lake.s3, lake.bucket, f"{CURATED_ZONE}/{POINTER}") + _TICK
    limit = now - older_than
    details: dict[str, Any] = {"removed": [], "removed_bytes": 0, "kept": 0, "kept_bytes": 0}
    for table in TABLES:
        _vacuum(lake, table, limit, details)
    _vacuum_clips(lake, limit, details)  # after the table's generations, which name them
    count = len(details["removed"])
    summary = (
        f"{count} generations and sets of shards removed ({details['removed_bytes'] / 1e6:.1f} MB); "
        f"{details['kept']} unreferenced ones are younger than {older_than} ({details['kept_bytes'] / 1e6:.1f} MB)"
    )
    return StageResult(STAGE, "done" if count else "unchanged", summary, details)


def _vacuum(lake: Lake, table: str, limit: dt.datetime, details: dict[str, Any]) -> None:
    generations, dropped = _files(lake, table)
    since = _out_of_use(lake, table)
    referenced = lake.referenced(table)  # after the listing: what was listed as an attempt may be current by now
    for prefix, objects in sorted(generations.items()):
        if prefix in referenced:
            continue
        at = max(item["LastModified"] for item in objects)
        at = max(at, since.get(prefix, at), dropped.get(prefix[: prefix.rindex("gen-")], at))
        _remove(lake, prefix, objects, at <= limit, details)
    lake.delete([where + DROPPED for where, at in dropped.items() if at <= limit])


def _remove(lake: Lake, prefix: str, objects: list[dict[str, Any]], is_old: bool, details: dict[str, Any]) -> None:
    """Delete the objects of a prefix if it is old enough; count them in either case."""
    size = sum(item["Size"] for item in objects)
    if not is_old:
        details["kept"] += 1
        details["kept_bytes"] += size
        return
    lake.delete([item["Key"] for item in objects])
    details["removed"].append(prefix)
    details["removed_bytes"] += size


def _vacuum_clips(lake: Lake, limit: dt.datetime, details: dict[str, Any]) -> None:
    """Remove clips that no generation of `clips` names: killed attempts, and those of earlier inputs or code."""
    results: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in lake.objects(f"{CLIP_ZONE}/"):
        results[item["Key"].rpartition("/")[0] + "/"].append(item)
    referenced = _named_clips(lake)  # after the listing: what was listed as an attempt may be committed by now
    modified = {prefix: max(item["LastModified"] for item in objects) for prefix, objects in results.items()}
    last: dict[str, dt.datetime] = {}  # of each video
    for prefix, at in modified.items():
        last[_video(prefix)] = max(at, last.get(_video(prefix), at))
    for prefix, objects in sorted(results.items()):
        at = modified[prefix]
        without_windows = not any(item["Key"].endswith(".tar") for item in objects)
        if prefix not in referenced and not (without_windows and at == last[_video(prefix)]):
            _remove(lake, prefix, objects, at <= limit, details)


def _video(prefix: str) -> str:
    """Return the prefix of a video's clips, above the one of a recipe and input."""
    return prefix.rstrip("/").rpartition("/")[0]


def _named_clips(lake: Lake) -> set[str]:
    """Return the prefixes of the shards that the rows of any generation of `clips` name."""
    import pyarrow.parquet as pq

    prefixes: set[str] = set()
    for item in lake.objects(f"{CURATED_ZONE}/clips/"):
        if item["Key"].endswith(".parquet"):
            body = io.BytesIO(read_object(lake.s3, f"s3://{lake.bucket}/{item['Key']}"))
            shards = pq.read_table(body, columns=["shard"])["shard"].unique().to_pylist()
            prefixes |= {shard.rpartition("/")[0] + "/" for shard in shards}
    return prefixes


def _files(lake: Lake, table: str) -> tuple[dict[str, list[dict[str, Any]]], dict[str, dt.datetime]]:
    """Return the objects by generation prefix, and when each dropped partition was dropped, by its prefix."""
    generations: dict[str, list[dict[str, Any]]] = defaultdict(list)
    dropped: dict[str, dt.datetime] = {}
    for item in lake.objects(f"{CURATED_ZONE}/{table}/"):
        where, separator, rest = item["Key"].rpartition("/gen-")
        if separator and "/" in rest:
            generations[f"{where}/gen-{rest.partition('/')[0]}/"].append(item)
        elif item["Key"].endswith(f"/{DROPPED}"):
            dropped[item["Key"].removesuffix(DROPPED)] = item["LastModified"]
    return dict(generations), dropped


def _out_of_use(lake: Lake, table: str) -> dict[str, dt.datetime]:
    """Return since when each generation is out of use, by its prefix, as the pointers remember it.

    None of them went out of use after its pointer was written: a later time is that of a wrong clock.
    """
    since = {}
    for partition in lake.partitions(table):
        pointer = lake.current(table, partition)
        if pointer is not None:
            for generation, at in pointer.get("superseded", {}).items():
                prefix = generation_prefix(table, partition, generation)
                since[prefix] = min(dt.datetime.fromisoformat(at), pointer["modified"])
    return since
