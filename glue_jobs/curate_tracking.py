"""Glue job `etholake-curate-tracking`: raw tracks of every lab to `tracking_curated`, incrementally.

Runs on Glue 5.1 and on plain local Spark, with `etholake.zip` on the Python path::

    spark-submit --py-files etholake.zip curate_tracking.py --JOB_NAME etholake-curate-tracking \\
        --bucket BUCKET --database DATABASE --max_gap_frames 15 --code_digest DIGEST

The maths is in `etholake.curate`. The driver holds only names: it plans units of raw files (one unit makes one
curated file), distributes them in tasks of balanced size without any shuffle of the tracks, asserts that no
row was lost, and commits a partition (split, lab) when all of it is written. A partition whose inputs, code and
settings are those of its current generation is skipped; Spark is started only if something is left to do.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from etholake.contract import TABLES
from etholake.curate import report as reporting
from etholake.curate.plan import Unit, balance, inputs_fingerprint, units
from etholake.curate.rawzone import list_raw, read_metadata, videos_of
from etholake.curate.report import FileReport
from etholake.curate.work import curate_tracking_unit
from etholake.errors import DataError
from etholake.lake import Lake, generation_name, generation_prefix

TABLE = "tracking_curated"


@dataclass(frozen=True)
class Options:
    """Arguments of the job."""

    bucket: str
    database: str
    max_gap_frames: int
    code_digest: str


@dataclass(frozen=True)
class Partition:
    """A (split, lab) to be made: its generation and units."""

    keys: dict[str, str]
    generation: str
    units: list[Unit]


@dataclass(frozen=True)
class Plan:
    """What the raw zone asks for: partitions to make, to leave, to drop."""

    make: list[Partition]
    unchanged: list[dict[str, str]]
    drop: list[dict[str, str]]


def parse(argv: Sequence[str]) -> Options:
    """Read the arguments as Glue passes them."""
    from awsglue.utils import getResolvedOptions

    given = getResolvedOptions(list(argv), ["bucket", "database", "max_gap_frames", "code_digest"])
    return Options(given["bucket"], given["database"], int(given["max_gap_frames"]), given["code_digest"])


def lake_of(options: Options) -> Lake:
    """The lake, by clients that take endpoint and credentials from the environment, as on Glue."""
    import boto3

    return Lake(boto3.client("s3"), boto3.client("glue"), options.bucket, options.database)


def read(options: Options, lake: Lake) -> Plan:
    """Compare the raw zone with the committed partitions. Reads names and metadata, no tracks."""
    zone = list_raw(lake.s3, lake.bucket)
    if not zone.metadata and not zone.tracking:
        raise DataError(
            f"The raw zone of bucket '{lake.bucket}' is empty (rule raw-zone-empty): run `make ingest` first."
        )
    metadata = read_metadata(lake.s3, lake.bucket, zone)
    make, unchanged = [], []
    for (split, lab_id), files in sorted(zone.tracking.items()):
        videos = videos_of(metadata, split, lab_id)
        digest = inputs_fingerprint(files, videos, options.max_gap_frames, options.code_digest)
        keys, generation = {"split": split, "lab_id": lab_id}, generation_name(digest)
        if (lake.current(TABLE, keys) or {}).get("generation") == generation:
            unchanged.append(keys)
            continue
        make.append(Partition(keys, generation, units(files, videos, generation_prefix(TABLE, keys, generation))))
    wanted = [{"split": split, "lab_id": lab_id} for split, lab_id in zone.tracking]
    return Plan(make, unchanged, [keys for keys in lake.partitions(TABLE) if keys not in wanted])


def transform(plan: Plan, options: Options, spark: Any = None) -> dict[str, list[FileReport]]:
    """Run the units on the workers: the curated files are written there. Returns the reports by target file."""
    work = [unit for partition in plan.make for unit in partition.units]
    if not work:
        return {}
    from pyspark.sql import SparkSession

    context = (spark or SparkSession.builder.appName("etholake-curate-tracking").getOrCreate()).sparkContext
    tasks = balance(work, context.defaultParallelism)
    run = partial(curate_tracking_unit, bucket=options.bucket, max_gap_frames=options.max_gap_frames)
    done = (
        context.parallelize(tasks, len(tasks)).flatMap(lambda task: [(u.target, run(u)) for u in task]).collect()
    )
    return dict(done)


def write(plan: Plan, reports: dict[str, list[FileReport]], lake: Lake) -> dict[str, int]:
    """Assert the balance of rows, commit every partition, drop those that are gone. Returns the sums."""
    everything = [report for of_unit in reports.values() for report in of_unit]
    reporting.assert_balance(everything)
    lake.register()  # a partition needs its table in the catalog
    for partition in plan.make:
        own = [report for unit in partition.units for report in reports[unit.target]]
        prefix = generation_prefix(TABLE, partition.keys, partition.generation)
        lake.s3.put_object(Bucket=lake.bucket, Key=prefix + reporting.REPORT, Body=reporting.dump(own))
        lake.commit(TABLE, partition.keys, partition.generation, reporting.totals(own))
        print(f"curated {partition.keys}: {reporting.totals(own)}")
    for keys in plan.unchanged:
        print(f"skipped {keys}: raw files, metadata, code and settings are those of the current generation")
    for keys in plan.drop:
        lake.drop_partition(TABLE, keys)
        print(f"dropped {keys}: no longer in the raw zone")
    return reporting.totals(everything)


def main(argv: Sequence[str], spark: Any = None) -> dict[str, int]:
    """Run the job; `spark` is a session to use instead of an own one. Returns the sums over all new files."""
    assert TABLES[TABLE].partitions == ("split", "lab_id")
    options = parse(argv)
    lake = lake_of(options)
    plan = read(options, lake)
    return write(plan, transform(plan, options, spark), lake)


if __name__ == "__main__":
    main(sys.argv)
