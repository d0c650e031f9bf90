"""Merge curated files of one partition into larger ones: the plan (pure), and the merging itself.

Incremental curation leaves a small file for every few videos that came. Athena and Spark pay for each file that
they open; 128 to 512 MB a file is what they read best. The rows, and their order within a video, stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etholake import storage
from etholake.contract import TABLES, arrow_schema
from etholake.curate import parquet
from etholake.curate.work import SUMMARY, TRACKING, summary_key
from etholake.digest import fingerprint

__all__ = ["Merge", "merge_files", "plan_merges"]

SMALL, LARGE = 128 * 1024**2, 512 * 1024**2  # bytes: a file below is merged, a merged file is at most


@dataclass(frozen=True)
class Merge:
    """Files of one partition, in the order of their first video, that become one file. All names are keys."""

    sources: tuple[str, ...]
    target: str
    inputs: Mapping[str, str]  # raw keys and digests, as `Unit.digests`


def plan_merges(
    sizes: Mapping[str, int],
    inputs: Mapping[str, Mapping[str, str]],
    before: str,
    after: str,
    limits: tuple[int, int] = (SMALL, LARGE),
) -> list[Merge]:
    """Choose the files of a partition to merge; none, if that would leave as many files as there are.

    Parameters
    ----------
    sizes
        Bytes of each file, by name.
    inputs
        {name: {raw key: digest}} of the partition's report.
    before, after
        Key prefixes of the present generation and of the new one.
    limits
        A file of fewer bytes than the first is merged, into files of at most the second.
    """
    small, large = limits
    names = sorted(
        (n for n, size in sizes.items() if size < small and inputs.get(n)), key=lambda n: min(inputs[n])
    )
    groups: list[list[str]] = []
    filled = large + 1
    for name in names:
        if filled + sizes[name] > large:
            groups.append([])
            filled = 0
        groups[-1].append(name)
        filled += sizes[name]
    merges = []
    for group in groups:
        if len(group) > 1:
            own = {key: digest for name in group for key, digest in inputs[name].items()}
            target = f"{after}part-{fingerprint(own)}.parquet"
            merges.append(Merge(tuple(before + name for name in group), target, own))
    return merges


def merge_files(merge: Merge, bucket: str) -> int:
    """Write the merged file of tracks and that of their summaries. Returns the rows of the former.

    Holds one row group at a time (and the summaries).
    """
    rows = 0
    with storage.output(f"s3://{bucket}/{merge.target}") as sink, parquet.RowGroups(sink, TRACKING) as groups:
        for batch in _by_video([f"s3://{bucket}/{key}" for key in merge.sources]):
            groups.add(batch)
            rows += batch.num_rows
    summaries = [storage.read_table(f"s3://{bucket}/{summary_key(key)}") for key in merge.sources]
    order = [(name, "ascending") for name in TABLES[SUMMARY].sort]
    whole = pa.concat_tables(summaries).cast(arrow_schema(SUMMARY)).sort_by(order)
    with storage.output(f"s3://{bucket}/{summary_key(merge.target)}") as sink:
        parquet.write_table(sink, SUMMARY, whole)
    return rows


def _by_video(uris: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of all files, one video after the other; a video's rows lie in one file, in their order."""
    open_files = []
    for uri in uris:
        files, path = storage.filesystem(uri)
        open_files.append(pq.ParquetFile(path, filesystem=files, read_dictionary=["bodypart"]))
    pieces = sorted(
        (video, number, group)
        for number, file in enumerate(open_files)
        for group in range(file.num_row_groups)
        for video in _videos(file, group)
    )
    held: tuple[int, int] | None = None
    for video, number, group in pieces:
        if held != (number, group):
            table: Any = open_files[number].read_row_group(group, use_threads=False)
            held = (number, group)
        own = table.filter(pc.equal(table["video_id"], video))
        yield from own.combine_chunks().to_batches()


def _videos(file: pq.ParquetFile, group: int) -> list[int]:
    """Return the videos that a row group holds; from its statistics alone, if it is only one."""
    column = file.schema_arrow.get_field_index("video_id")
    statistics = file.metadata.row_group(group).column(column).statistics
    if statistics is not None and statistics.has_min_max and statistics.min == statistics.max:
        return [statistics.min]
    videos: list[int] = file.read_row_group(group, columns=["video_id"])["video_id"].unique().to_pylist()
    return videos
