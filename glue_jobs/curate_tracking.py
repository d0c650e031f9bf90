r"""Glue job `etholake-curate-tracking`: raw tracks of every lab to `tracking_curated`, incrementally.

Runs on Glue 5.1 and on plain local Spark, with `etholake.zip` on the Python path::

    spark-submit --py-files etholake.zip curate_tracking.py --JOB_NAME etholake-curate-tracking \
        --bucket BUCKET --database DATABASE --max_gap_frames 15 --code_digest DIGEST \
        [--quality_limits LIMITS] [--implausible_points missing]

The maths is in `etholake.curate`. The driver holds only names and reports: it plans units of raw files (one unit
makes one curated file, and one of `track_summary`), distributes them in tasks of balanced size without any shuffle
of the tracks, asserts that no row was lost, and commits each partition (split, lab) when all of it is written.

A partition whose inputs, code and settings are those of its state is skipped; within a changed partition the files
whose inputs did not change are copied, not curated again. Big work goes in waves, each committed before the next,
so that a killed job loses one wave. Spark is started only if something is left to curate.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from etholake import logs
from etholake.contract import TABLES, parse_limits
from etholake.curate import file_reports as reporting
from etholake.curate import quality
from etholake.curate.distribution import run_units
from etholake.curate.file_reports import FileReport, source_name
from etholake.curate.rawzone import RawObject, list_raw, read_metadata, videos_by_lab
from etholake.curate.units import Unit, file_digests, reusable, units, waves
from etholake.curate.work import SUMMARY, TRACKING, curate_tracking_unit
from etholake.digest import fingerprint
from etholake.errors import DataError, EtholakeError
from etholake.generations import generation_prefix, identity, new_generation
from etholake.lake import Lake, LostRaceError

TASKS_PER_CORE = 4  # so that a core that is done early finds more to do


@dataclass(frozen=True)
class TrackingOptions:
    """Arguments of the job."""

    bucket: str
    database: str
    max_gap_frames: int
    code_digest: str
    quality_limits: str = ""
    implausible_points: str = "flag"


@dataclass(frozen=True)
class PartitionToCurate:
    """A (split, lab) to be made: `keep` are curated files of the state `before` that are copied, by name."""

    keys: dict[str, str]
    fingerprint: str
    generation: str
    before: dict[str, Any] | None
    summary_before: dict[str, Any] | None
    keep: dict[str, Mapping[str, str]]
    kept_reports: list[FileReport]
    units: list[Unit]

    @property
    def size(self) -> int:
        """Return the raw bytes to curate."""
        return sum(unit.size for unit in self.units)


@dataclass(frozen=True)
class CurationPlan:
    """The partitions to make, to leave and to drop, by the raw zone."""

    make: list[PartitionToCurate]
    unchanged: list[dict[str, str]]
    drop: list[dict[str, str]]


def parse(argv: Sequence[str]) -> TrackingOptions:
    """Read the arguments as Glue passes them."""
    from awsglue.utils import getResolvedOptions

    optional = [name for name in ("quality_limits", "implausible_points") if f"--{name}" in argv]
    given = getResolvedOptions(list(argv), ["bucket", "database", "max_gap_frames", "code_digest", *optional])
    return TrackingOptions(
        given["bucket"], given["database"], int(given["max_gap_frames"]), given["code_digest"],
        given.get("quality_limits", ""), given.get("implausible_points", "flag"),
    )  # fmt: skip


def _own_rules(options: TrackingOptions) -> list[str]:
    """Return what of the options changes the curated rows only if it is not the default."""
    return ["implausible_points=missing"] if options.implausible_points == "missing" else []


def lake_of(options: TrackingOptions) -> Lake:
    """Return the lake; its clients take endpoint and credentials from the environment, as on Glue."""
    import boto3

    return Lake(boto3.client("s3"), boto3.client("glue"), options.bucket, options.database)


def read(options: TrackingOptions, lake: Lake) -> CurationPlan:
    """Compare the raw zone with the committed partitions. Reads names, metadata and reports, no tracks."""
    zone = list_raw(lake.s3, lake.bucket)
    if not zone.metadata and not zone.tracking:
        raise DataError(
            f"The raw zone of bucket '{lake.bucket}' is empty (rule raw-zone-empty): run `make ingest` first."
        )
    metadata = read_metadata(lake.s3, lake.bucket, zone)
    records, make, unchanged = videos_by_lab(metadata), [], []
    for (split, lab_id), files in sorted(zone.tracking.items()):
        keys = {"split": split, "lab_id": lab_id}
        videos = records.get((split, lab_id), {})
        digests = file_digests(files, videos, options.max_gap_frames, options.code_digest, *_own_rules(options))
        made_of, before = fingerprint(digests), lake.current(TRACKING, keys)
        if identity(before) == made_of:
            unchanged.append(keys)
            continue
        generation = new_generation(made_of)
        keep, reports = _kept(lake, keys, before, digests)
        taken = {key for inputs in keep.values() for key in inputs}
        rest: list[RawObject] = [raw for raw in files if raw.key not in taken]
        work = units(rest, videos, generation_prefix(TRACKING, keys, generation), digests)
        summary = lake.current(SUMMARY, keys)
        make.append(PartitionToCurate(keys, made_of, generation, before, summary, keep, reports, work))
    wanted = [{"split": split, "lab_id": lab_id} for split, lab_id in zone.tracking]
    # A run that was killed between the two tables has left a lab in one of them.
    there = [*lake.partitions(TRACKING), *lake.partitions(SUMMARY)]
    gone = {tuple(keys.items()): keys for keys in there if keys not in wanted}
    return CurationPlan(make, unchanged, list(gone.values()))


def transform(
    partitions: Sequence[PartitionToCurate], options: TrackingOptions, spark: Any = None
) -> dict[str, list[FileReport]]:
    """Run the units on the workers: the curated files are written there. Returns the reports by target file.

    Little work is done here, without Spark (`run_units`), unless a session is given.
    """
    work = [unit for partition in partitions for unit in partition.units]
    if not work:
        return {}
    run = partial(
        curate_tracking_unit, bucket=options.bucket, max_gap_frames=options.max_gap_frames,
        implausible_missing=options.implausible_points == "missing",
    )  # fmt: skip
    return run_units(work, run, "etholake-curate-tracking", spark, TASKS_PER_CORE)


def write(
    partitions: Sequence[PartitionToCurate],
    reports: dict[str, list[FileReport]],
    lake: Lake,
    limits: Mapping[str, float] | None = None,
) -> Iterator[EtholakeError]:
    """Assert the balance of rows, then commit every partition that may be; yields what speaks against others."""
    reporting.assert_balance(report for of_unit in reports.values() for report in of_unit)
    for partition in partitions:
        own = partition.kept_reports + [r for unit in partition.units for r in reports[unit.target]]
        try:
            quality.check(own, limits or {})
            _commit(partition, own, lake)
        except (DataError, LostRaceError) as err:  # too bad to be shown, or another run was first: go on
            yield err
            continue
        print(f"curated {partition.keys}: {reporting.totals(own)}, {len(partition.keep)} files kept")


def _commit(partition: PartitionToCurate, reports: list[FileReport], lake: Lake) -> None:
    if partition.before is not None:
        old, new = partition.before["generation"], partition.generation
        lake.copy_files((TRACKING, SUMMARY), partition.keys, old, new, partition.keep)
    inputs = {**partition.keep, **{unit.name: unit.digests for unit in partition.units}}
    body = reporting.dump(reports, units=inputs)
    prefix = generation_prefix(TRACKING, partition.keys, partition.generation)
    lake.s3.put_object(Bucket=lake.bucket, Key=prefix + reporting.REPORT, Body=body)
    state = (partition.keys, partition.generation, partition.fingerprint)
    lake.commit(SUMMARY, *state, before=partition.summary_before)  # the tracks last: they say what is done
    lake.commit(TRACKING, *state, reporting.totals(reports), before=partition.before)


def _kept(
    lake: Lake, keys: dict[str, str], before: dict[str, Any] | None, digests: Mapping[str, str]
) -> tuple[dict[str, Mapping[str, str]], list[FileReport]]:
    """Return the curated files that can stay, with their inputs, and the reports of those inputs."""
    if before is None:
        return {}, []
    names: list[set[str]] = []
    for table in (TRACKING, SUMMARY):
        prefix = generation_prefix(table, keys, before["generation"])
        names.append({item["Key"].removeprefix(prefix) for item in lake.objects(prefix)})
    if reporting.REPORT not in names[0]:
        return {}, []
    key = generation_prefix(TRACKING, keys, before["generation"]) + reporting.REPORT
    reports, more = reporting.load(lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read())
    complete = {name: inputs for name, inputs in more.get("units", {}).items() if name in names[0] & names[1]}
    keep = reusable(complete, digests)
    sources = {source_name(key) for inputs in keep.values() for key in inputs}
    return keep, [report for report in reports if report.source_file in sources]


def main(argv: Sequence[str], spark: Any = None) -> dict[str, int]:
    """Run the job; `spark` is a session to use instead of an own one. Returns the sums over all new files."""
    assert TABLES[TRACKING].partitions == TABLES[SUMMARY].partitions == ("split", "lab_id")
    options = parse(argv)
    limits = parse_limits(options.quality_limits)
    lake = lake_of(options)
    plan = read(options, lake)
    lake.register()  # a partition needs its table in the catalog
    everything: list[FileReport] = []
    refused: list[EtholakeError] = []
    for wave in waves([partition.size for partition in plan.make]):
        partitions = [plan.make[position] for position in wave]
        reports = transform(partitions, options, spark)
        refused += write(partitions, reports, lake, limits)
        everything += [report for of_unit in reports.values() for report in of_unit]
    for keys in plan.unchanged:
        print(f"skipped {keys}: raw files, metadata, code and settings are those of the current state")
    for keys in plan.drop:
        for table in (TRACKING, SUMMARY):
            lake.drop_partition(table, keys)
        print(f"dropped {keys}: no longer in the raw zone")
    if refused:
        raise type(refused[0])("\n".join(str(error) for error in refused))
    return reporting.totals(everything)


if __name__ == "__main__":
    logs.to_stdout(sys.argv)
    with logs.stage("curate tracking job"):
        logs.add_fields(**main(sys.argv))
