r"""Glue job `etholake-curate-tables`: metadata, annotations, statistics, and what curation rejected.

Runs on Glue 5.1 and on plain local Spark, with `etholake.zip` on the Python path, after
`etholake-curate-tracking`, whose reports it merges into `curation_files` and `quarantine`::

    spark-submit --py-files etholake.zip curate_tables.py --JOB_NAME etholake-curate-tables \
        --bucket BUCKET --database DATABASE --max_gap_frames 15 --code_digest DIGEST \
        [--repair_label_clock true|false] [--quality_limits RULE=SHARE,…]

One unit of work is the annotations of one lab: a worker (or the driver, if all are few) writes its partition of
`annotations_enriched` and counts its classes. The driver makes the small tables (one row per video, file or
class). A table whose inputs and code are those of its current generation is skipped. Before anything is committed,
the reports of all files are held to the balance of rows and to the limits; then a data-quality report is left in
the state zone.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from etholake import logs
from etholake.contract import QUALITY_POINTER, SPLITS, STATE_ZONE, TABLES, arrow_schema, parse_limits
from etholake.curate import file_reports as reporting
from etholake.curate import quality
from etholake.curate.distribution import run_units
from etholake.curate.file_reports import FileReport
from etholake.curate.metadata import CuratedMetadata, labeled_table, metadata_table
from etholake.curate.rawzone import RawListing, RawObject, list_raw, read_metadata
from etholake.curate.reviewed import with_reviewed
from etholake.curate.units import Unit, inputs_fingerprint
from etholake.curate.work import ANNOTATIONS, BEHAVIOR, TRACKING, curate_annotation_unit
from etholake.digest import fingerprint
from etholake.errors import DataError, SettingsError
from etholake.generations import generation_prefix, identity, new_generation
from etholake.lake import Lake


@dataclass(frozen=True)
class TablesOptions:
    """Arguments of the job."""

    bucket: str
    database: str
    code_digest: str
    repair_label_clock: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TablesInputs:
    """Everything but the annotations themselves: names, metadata, and the reports of the tracking job."""

    zone: RawListing
    metadata: dict[str, CuratedMetadata]
    tracking: list[FileReport]
    tracking_generations: list[tuple[str, ...]]


@dataclass(frozen=True)
class Lab:
    """The annotations of one lab: reports, class statistics, and the generation that holds them.

    `before` and `summary_before` are the states of the annotations and of their `behavior_summary` that this run
    found, `fresh` whether this run made another one.
    """

    lab_id: str
    fingerprint: str
    generation: str
    before: dict[str, Any] | None
    summary_before: dict[str, Any] | None
    reports: list[FileReport]
    statistics: list[dict[str, Any]]
    fresh: bool


def parse(argv: Sequence[str]) -> TablesOptions:
    """Read the arguments as Glue passes them; all of them are checked before any work is done.

    Raises
    ------
    SettingsError
        `repair_label_clock` is not true or false, or `quality_limits` names what there is not.
    """
    from awsglue.utils import getResolvedOptions

    names = {argument.partition("=")[0] for argument in argv}  # getResolvedOptions knows required ones only
    optional = [name for name in ("repair_label_clock", "quality_limits") if f"--{name}" in names]
    given = getResolvedOptions(list(argv), ["bucket", "database", "max_gap_frames", "code_digest", *optional])
    repair = given.get("repair_label_clock", "false").lower()
    if repair not in {"true", "false"}:
        raise SettingsError(f"Argument --repair_label_clock must be true or false, but got '{repair}'.")
    limits = parse_limits(given.get("quality_limits", ""))
    return TablesOptions(given["bucket"], given["database"], given["code_digest"], repair == "true", limits)


def lake_of(options: TablesOptions) -> Lake:
    """Return the lake; its clients take endpoint and credentials from the environment, as on Glue."""
    import boto3

    return Lake(boto3.client("s3"), boto3.client("glue"), options.bucket, options.database)


def read(lake: Lake) -> TablesInputs:
    """Read names, metadata, and the tracking job's reports beside its committed generations."""
    zone = list_raw(lake.s3, lake.bucket)
    if not zone.metadata and not zone.tracking:
        raise DataError(
            f"The raw zone of bucket '{lake.bucket}' is empty (rule raw-zone-empty): run `make ingest` first."
        )
    reports, generations = [], []
    for keys in lake.partitions(TRACKING):
        pointer = lake.current(TRACKING, keys)
        if pointer is None:
            continue
        generations.append((*keys.values(), str(identity(pointer))))
        reports += _report(lake, TRACKING, keys, pointer["generation"])[0]
    metadata = with_reviewed(read_metadata(lake.s3, lake.bucket, zone), zone, lake.s3, lake.bucket)
    return TablesInputs(zone, metadata, reports, generations)


def transform(inputs: TablesInputs, options: TablesOptions, lake: Lake, spark: Any = None) -> list[Lab]:
    """Curate the annotations of every lab that changed, on the workers; read the reports of the others."""
    labs, todo = [], []
    for unit, made_of, generation in _plan(inputs, options):
        keys = {"lab_id": unit.lab_id}
        before, summary = lake.current(ANNOTATIONS, keys), lake.current(BEHAVIOR, keys)
        if before is not None and identity(before) == identity(summary) == made_of:
            reports, more = _report(lake, ANNOTATIONS, keys, before["generation"])
            state = (made_of, before["generation"], before, summary)
            labs.append(Lab(unit.lab_id, *state, reports, more["statistics"], fresh=False))
        else:
            todo.append((unit, (made_of, generation, before, summary)))
    if todo:
        run = partial(curate_annotation_unit, bucket=options.bucket, repair_label_clock=options.repair_label_clock)
        done = run_units([unit for unit, _ in todo], run, "etholake-curate-tables", spark)
        labs += [Lab(unit.lab_id, *state, *done[unit.target], fresh=True) for unit, state in todo]
    return sorted(labs, key=lambda lab: lab.lab_id)


def write(inputs: TablesInputs, labs: list[Lab], options: TablesOptions, lake: Lake) -> dict[str, int]:
    """Assert the balance and the limits, commit the labs, then the small tables and the quality report.

    Returns the sums over all raw files.
    """
    files = (
        [m.report for m in inputs.metadata.values()] + inputs.tracking + [r for lab in labs for r in lab.reports]
    )
    metadata = _metadata_tables(inputs, labs)
    flags = {
        (split, row["lab_id"], row["video_id"]): row["flags"]
        for split, table in metadata.items()
        for row in table.select(["lab_id", "video_id", "flags"]).to_pylist()
    }
    reporting.log_losses(files)
    reporting.assert_balance(files)
    quality.check(files, options.limits, flags)
    lake.register()  # a partition needs its table in the catalog
    for lab in labs:
        _commit_lab(lab, lake)
    for table in (BEHAVIOR, ANNOTATIONS):
        for keys in lake.partitions(table):
            if keys["lab_id"] not in {lab.lab_id for lab in labs}:
                lake.drop_partition(table, keys)
                print(f"dropped {keys} of {table}: no longer in the raw zone")
    everything = fingerprint(
        [[raw.key, raw.etag] for _, raw in sorted(inputs.zone.metadata.items())],
        [[lab.lab_id, lab.fingerprint] for lab in labs], sorted(inputs.tracking_generations), options.code_digest,
    )  # fmt: skip
    sums = reporting.totals(files)
    for name, rows in _small_tables(inputs, labs, files, metadata):
        if identity(lake.current(name)) == everything:
            print(f"skipped {name}: its inputs and code are those of the current generation")
            continue
        lake.replace_table(name, rows, everything, report=sums if name == "curation_files" else None)
        print(f"wrote {name}: {rows.num_rows} rows")
    _put_quality(quality.build(files, flags, options.limits), fingerprint(everything, options.limits), lake)
    return sums


def _plan(inputs: TablesInputs, options: TablesOptions) -> list[tuple[Unit, str, str]]:
    """Return one unit per lab with annotations, its fingerprint, and the generation that it would make."""
    by_lab: dict[str, list[RawObject]] = {}
    for (_, lab_id), files in sorted(inputs.zone.annotation.items()):
        by_lab.setdefault(lab_id, []).extend(files)
    planned = []
    for lab_id, files in by_lab.items():
        splits = {raw.split for raw in files}
        videos = {
            video.video_id: video
            for split in splits & set(inputs.metadata)
            for video in inputs.metadata[split].videos
            if video.lab_id == lab_id
        }
        made_of = inputs_fingerprint(files, videos, options.code_digest, options.repair_label_clock)
        generation = new_generation(made_of)
        target = generation_prefix(ANNOTATIONS, {"lab_id": lab_id}, generation) + "part-00000.parquet"
        planned.append((Unit(files[0].split, lab_id, target, tuple(files), videos), made_of, generation))
    return planned


def _report(
    lake: Lake, table: str, keys: dict[str, str], generation: str
) -> tuple[list[FileReport], dict[str, Any]]:
    key = generation_prefix(table, keys, generation) + reporting.REPORT
    return reporting.load(lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read())


def _commit_lab(lab: Lab, lake: Lake) -> None:
    keys = {"lab_id": lab.lab_id}
    if not lab.fresh:
        print(f"skipped annotations of {lab.lab_id}: files, metadata and code are those of the current generation")
        return
    prefix = generation_prefix(ANNOTATIONS, keys, lab.generation)
    body = reporting.dump(lab.reports, statistics=lab.statistics)
    lake.s3.put_object(Bucket=lake.bucket, Key=prefix + reporting.REPORT, Body=body)
    # The annotations last: they say what is done.
    lake.commit(BEHAVIOR, keys, lab.generation, lab.fingerprint, before=lab.summary_before)
    sums = reporting.totals(lab.reports)
    lake.commit(ANNOTATIONS, keys, lab.generation, lab.fingerprint, sums, before=lab.before)
    print(f"curated annotations of {lab.lab_id}: {sums}")


def _put_quality(made: quality.Quality, digest: str, lake: Lake) -> None:
    """Write the data-quality report, then where the latest one lies; nothing if that says so already.

    Stage etl renders the page (``html``) beside it: how a page looks is no part of curation.
    """
    prefix = f"{STATE_ZONE}/quality/{digest}/"
    latest = json.dumps({"json": f"{prefix}report.json", "html": f"{prefix}report.html"}).encode()
    where = f"s3://{lake.bucket}/{prefix}report.json"
    with contextlib.suppress(lake.s3.exceptions.NoSuchKey):
        if lake.s3.get_object(Bucket=lake.bucket, Key=QUALITY_POINTER)["Body"].read() == latest:
            print(f"quality report, as before: {where}")
            return
    for key, body in ((f"{prefix}report.json", made.as_json()), (QUALITY_POINTER, latest)):
        lake.s3.put_object(Bucket=lake.bucket, Key=key, Body=body, ContentType="application/json")
    print(f"quality report: {where}")


def _small_tables(
    inputs: TablesInputs, labs: list[Lab], files: list[FileReport], metadata: dict[str, pa.Table]
) -> Iterable[tuple[str, pa.Table]]:
    """Return the unpartitioned tables, each with all rows; an absent csv gives an empty table."""
    yield from ((f"metadata_{split}", table) for split, table in metadata.items())
    every_video = [
        video for split in SPLITS if split in inputs.metadata for video in inputs.metadata[split].videos
    ]
    yield "labeled_behaviors", labeled_table(every_video)
    statistics = [row for lab in labs for row in lab.statistics]
    yield "class_distribution_stats", pa.Table.from_pylist(statistics, arrow_schema("class_distribution_stats"))
    columns = TABLES["curation_files"].column_names
    rows = [{name: getattr(report, name) for name in columns} for report in files]
    yield "curation_files", pa.Table.from_pylist(rows, arrow_schema("curation_files"))
    rejected = [row for report in files for row in report.quarantine]
    yield "quarantine", pa.Table.from_pylist(rejected, arrow_schema("quarantine"))


def _metadata_tables(inputs: TablesInputs, labs: list[Lab]) -> dict[str, pa.Table]:
    """Return the rows of `metadata_<split>` by split."""
    tracked = {(r.split, r.lab_id, r.video_id): r for r in inputs.tracking}
    annotated = {(r.split, r.lab_id, r.video_id): r for lab in labs for r in lab.reports}
    named = {
        split: {(v.lab_id, v.video_id) for v in metadata.videos} for split, metadata in inputs.metadata.items()
    }
    made = {}
    for split in SPLITS:
        videos = inputs.metadata[split].videos if split in inputs.metadata else []
        received, labeled = (
            {(str(lab), int(video or 0)): r for (s, lab, video), r in reports.items() if s == split}
            for reports in (tracked, annotated)
        )
        other: set[tuple[str, int]] = set().union(*(keys for s, keys in named.items() if s != split))
        made[split] = metadata_table(videos, received, labeled, other)
    return made


def main(argv: Sequence[str], spark: Any = None) -> dict[str, int]:
    """Run the job; `spark` is a session to use instead of an own one. Returns the sums over all raw files."""
    options = parse(argv)
    lake = lake_of(options)
    inputs = read(lake)
    return write(inputs, transform(inputs, options, lake, spark), options, lake)


if __name__ == "__main__":
    logs.to_stdout(sys.argv)
    with logs.stage("curate tables job"):
        logs.add_fields(**main(sys.argv))
