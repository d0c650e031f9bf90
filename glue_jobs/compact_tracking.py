r"""Glue job `etholake-compact-tracking`: many small files of `tracking_curated` to few of 128 to 512 MB.

Runs on Glue 5.1 and on plain local Spark, with `etholake.zip` on the Python path::

    spark-submit --py-files etholake.zip compact_tracking.py --JOB_NAME etholake-compact-tracking \
        --bucket BUCKET --database DATABASE

A partition is compacted into a new generation of the same content, which is committed like any other: a query that
is under way goes on with the old files, the next one finds the new ones, and a curation that was faster wins.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from etholake import logs
from etholake.curate import file_reports as reporting
from etholake.curate.compact import Merge, merge_files, plan_merges
from etholake.curate.work import SUMMARY, TRACKING
from etholake.errors import ContractError, EtholakeError
from etholake.generations import generation_prefix, new_generation
from etholake.lake import Lake, LostRaceError


@dataclass(frozen=True)
class CompactionOptions:
    """Arguments of the job."""

    bucket: str
    database: str


@dataclass(frozen=True)
class PartitionToCompact:
    """A (split, lab) that has files to merge; the others are copied into the new generation."""

    keys: dict[str, str]
    before: dict[str, Any]
    summary_before: dict[str, Any] | None
    generation: str
    merges: list[Merge]
    keep: dict[str, Mapping[str, str]]
    reports: list[reporting.FileReport]


def parse(argv: Sequence[str]) -> CompactionOptions:
    """Read the arguments as Glue passes them."""
    from awsglue.utils import getResolvedOptions

    given = getResolvedOptions(list(argv), ["bucket", "database"])
    return CompactionOptions(given["bucket"], given["database"])


def lake_of(options: CompactionOptions) -> Lake:
    """Return the lake; its clients take endpoint and credentials from the environment, as on Glue."""
    import boto3

    return Lake(boto3.client("s3"), boto3.client("glue"), options.bucket, options.database)


def read(lake: Lake) -> list[PartitionToCompact]:
    """Return the partitions that have files to merge. Reads names, sizes and reports."""
    partitions = []
    for keys in lake.partitions(TRACKING):
        before = lake.current(TRACKING, keys)
        if before is None:
            continue
        old = generation_prefix(TRACKING, keys, before["generation"])
        sizes = {item["Key"].removeprefix(old): int(item["Size"]) for item in lake.objects(old)}
        if reporting.REPORT not in sizes:
            continue
        body = lake.s3.get_object(Bucket=lake.bucket, Key=old + reporting.REPORT)["Body"].read()
        reports, more = reporting.load(body)
        generation = new_generation(before["fingerprint"])
        merges = plan_merges(sizes, more.get("units", {}), old, generation_prefix(TRACKING, keys, generation))
        if merges:
            merged = {source.removeprefix(old) for merge in merges for source in merge.sources}
            keep = {name: inputs for name, inputs in more.get("units", {}).items() if name not in merged}
            summary = lake.current(SUMMARY, keys)
            partitions.append(PartitionToCompact(keys, before, summary, generation, merges, keep, reports))
    return partitions


def transform(
    partitions: Sequence[PartitionToCompact], options: CompactionOptions, spark: Any = None
) -> dict[str, int]:
    """Merge on the workers. Returns the rows of each merged file."""
    from pyspark.sql import SparkSession

    context = (spark or SparkSession.builder.appName("etholake-compact-tracking").getOrCreate()).sparkContext
    merges = [merge for partition in partitions for merge in partition.merges]
    run = partial(merge_files, bucket=options.bucket)
    return dict(context.parallelize(merges, len(merges)).map(lambda merge: (merge.target, run(merge))).collect())


def write(partitions: Sequence[PartitionToCompact], rows: Mapping[str, int], lake: Lake) -> list[EtholakeError]:
    """Commit the partitions of which no row was lost. Returns what speaks against the others."""
    refused: list[EtholakeError] = []
    for partition in partitions:
        try:
            _commit(partition, rows, lake)
        except (ContractError, LostRaceError) as err:
            refused.append(err)
            continue
        files = sum(len(merge.sources) for merge in partition.merges)
        print(f"compacted {partition.keys}: {files} files became {len(partition.merges)}")
    return refused


def _commit(partition: PartitionToCompact, rows: Mapping[str, int], lake: Lake) -> None:
    by_source = {report.source_file: report for report in partition.reports}
    for merge in partition.merges:
        own = [by_source[source] for key in merge.inputs if (source := reporting.source_name(key)) in by_source]
        wanted = sum(report.rows_curated + report.rows_imputed for report in own)
        if rows[merge.target] != wanted:
            mismatch = f"{merge.target} holds {rows[merge.target]} rows, but {wanted} were curated"
            raise ContractError(f"{mismatch}: {partition.keys} stays as it was.")
    lake.copy_files((TRACKING, SUMMARY), partition.keys, partition.before["generation"], partition.generation,
                    partition.keep)  # fmt: skip
    units = {**partition.keep, **{merge.target.rpartition("/")[2]: merge.inputs for merge in partition.merges}}
    prefix = generation_prefix(TRACKING, partition.keys, partition.generation)
    body = reporting.dump(partition.reports, units=units)
    lake.s3.put_object(Bucket=lake.bucket, Key=prefix + reporting.REPORT, Body=body)
    state = (partition.keys, partition.generation, partition.before["fingerprint"])
    lake.commit(SUMMARY, *state, before=partition.summary_before)
    lake.commit(TRACKING, *state, partition.before["report"], before=partition.before)


def main(argv: Sequence[str], spark: Any = None) -> list[dict[str, str]]:
    """Run the job; `spark` is a session to use instead of an own one. Returns the partitions it compacted."""
    options = parse(argv)
    lake = lake_of(options)
    lake.register()  # an earlier run may have been killed between its commit and the catalog
    partitions = read(lake)
    if not partitions:
        print("nothing to merge: every partition has one small file at most")
        return []
    refused = write(partitions, transform(partitions, options, spark), lake)
    if refused:
        raise type(refused[0])("\n".join(str(error) for error in refused))
    return [partition.keys for partition in partitions]


if __name__ == "__main__":
    logs.to_stdout(sys.argv)
    with logs.stage("compact job"):
        logs.add_fields(partitions=len(main(sys.argv)))
