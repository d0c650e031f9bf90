"""Do the work of one unit in a task of a curation job: read raw files one by one, curate, write one file.

Runs in Spark's Python workers. Only here does curation touch storage (`etholake.storage`), and never more
than one video is held at a time: its raw bytes, its points, and one row group of the output. A file that cannot be
used is reported and the rest goes on; an error of the storage itself (network, permissions, full disk, a read that
was cut short) is no property of the file, and fails the task.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etholake import storage
from etholake.contract import (
    MAX_BOUTS,
    MAX_POINTS,
    OVERLONG,
    RAW_ANNOTATION_COLUMNS,
    RAW_TRACKING_COLUMNS,
    RAW_TRACKING_OPTIONAL_COLUMNS,
    SHORT,
    TABLES,
    arrow_schema,
)
from etholake.curate import parquet
from etholake.curate.annotations import CuratedAnnotations, curate_annotations
from etholake.curate.file_reports import FileReport, source_name
from etholake.curate.metadata import VideoRecord
from etholake.curate.quarantine import BadFileError
from etholake.curate.rawzone import RawObject
from etholake.curate.statistics import behavior_summary, class_distribution
from etholake.curate.tracking import Curation
from etholake.curate.units import Unit
from etholake.errors import DataError

__all__ = [
    "ANNOTATIONS",
    "BEHAVIOR",
    "SUMMARY",
    "TRACKING",
    "behavior_key",
    "curate_annotation_unit",
    "curate_tracking_unit",
    "summary_key",
]

TRACKING, SUMMARY = "tracking_curated", "track_summary"
ANNOTATIONS, BEHAVIOR = "annotations_enriched", "behavior_summary"
_NAMES = ("bodypart", "action")
_BATCH_ROWS = 1024 * 1024  # raw rows that are decoded at a time


def summary_key(target: str) -> str:
    """Return the key of the `track_summary` file that goes with a file of `tracking_curated`."""
    return target.replace(f"/{TRACKING}/", f"/{SUMMARY}/", 1)


def curate_tracking_unit(
    unit: Unit, bucket: str, max_gap_frames: int, implausible_missing: bool = False
) -> list[FileReport]:
    """Curate the tracking files of `unit` into its target file and the summary's; one report per raw file."""
    reports: list[FileReport] = []
    summaries: list[dict[str, Any]] = []
    with (
        storage.output(f"s3://{bucket}/{unit.target}") as sink,
        parquet.RowGroups(sink, TRACKING) as groups,
    ):
        for raw in unit.files:
            try:
                curation, video, flags = _read_tracks(raw, unit, bucket, max_gap_frames, implausible_missing)
            except BadFileError as err:
                reports.append(_rejected(raw, err))
                continue
            for track in curation.tracks():
                groups.add(track.rows)
                summaries.append(track.summary)
            reports.append(_tracking_report(raw, video, curation, flags))
    order = [(name, "ascending") for name in TABLES[SUMMARY].sort]
    summary = pa.Table.from_pylist(summaries, arrow_schema(SUMMARY)).sort_by(order)
    with storage.output(f"s3://{bucket}/{summary_key(unit.target)}") as sink:
        parquet.write_table(sink, SUMMARY, summary)
    return reports


def behavior_key(target: str) -> str:
    """Return the key of the `behavior_summary` file that goes with a file of `annotations_enriched`."""
    return target.replace(f"/{ANNOTATIONS}/", f"/{BEHAVIOR}/", 1)


def curate_annotation_unit(
    unit: Unit, bucket: str, repair_label_clock: bool = False
) -> tuple[list[FileReport], list[dict[str, Any]]]:
    """Curate the annotation files of one lab into its target file and the summary's; reports and statistics."""
    reports: list[FileReport] = []
    tables: list[pa.Table] = [arrow_schema(ANNOTATIONS).empty_table()]
    for raw in unit.files:
        try:
            curated = _annotations(raw, unit, bucket, repair_label_clock)
        except BadFileError as err:
            reports.append(_rejected(raw, err))
            continue
        reports.append(curated.report)
        tables.append(curated.table)
    whole = pa.concat_tables(tables)  # a lab's intervals are few: the largest lab has some 50,000
    whole = whole.sort_by([(name, "ascending") for name in TABLES[ANNOTATIONS].sort])
    with storage.output(f"s3://{bucket}/{unit.target}") as sink:
        parquet.write_table(sink, ANNOTATIONS, whole)
    with storage.output(f"s3://{bucket}/{behavior_key(unit.target)}") as sink:
        parquet.write_table(sink, BEHAVIOR, behavior_summary(whole))
    return reports, class_distribution(whole, unit.lab_id)


# --- reading ----------------------------------------------------------------------------------------------
def _read_tracks(
    raw: RawObject, unit: Unit, bucket: str, max_gap: int, implausible_missing: bool
) -> tuple[Curation, VideoRecord, set[str]]:
    """Read the points of one raw file. Raises BadFileError if the file as a whole is of no use."""
    columns = RAW_TRACKING_COLUMNS | RAW_TRACKING_OPTIONAL_COLUMNS
    parquet_file, video, flags = _open(raw, unit, bucket, columns)
    curation = Curation(video.scale, max_gap, implausible_missing)
    rows = parquet_file.metadata.num_rows
    try:
        curation.read(lambda: _batches(raw, parquet_file, columns))
    except BadFileError as err:  # it may have counted the rows of one batch
        raise BadFileError(err.rule, err.detail, rows) from err
    if not rows:
        raise BadFileError("file-no-rows", f"{source_name(raw.key)} has no row.")
    return curation, video, flags


def _annotations(raw: RawObject, unit: Unit, bucket: str, repair_label_clock: bool) -> CuratedAnnotations:
    parquet_file, video, flags = _open(raw, unit, bucket, RAW_ANNOTATION_COLUMNS)
    batches = list(_batches(raw, parquet_file, RAW_ANNOTATION_COLUMNS))
    curated = curate_annotations(
        pa.concat_tables(batches), video, raw.key, repair_label_clock=repair_label_clock, reviewed=raw.reviewed
    )
    if not flags:
        return curated
    flags |= set(curated.report.flags)
    return CuratedAnnotations(curated.table, FileReport(**{**vars(curated.report), "flags": tuple(sorted(flags))}))


def _open(raw: RawObject, unit: Unit, bucket: str, wanted: Any) -> tuple[pq.ParquetFile, VideoRecord, set[str]]:
    """Open a raw file. Returns it with its metadata row and the flags of its columns."""
    content = _content(raw, bucket)
    name = source_name(raw.key)
    rows = 0
    try:
        metadata = pq.read_metadata(content)
        rows = metadata.num_rows
        content.seek(0)
        parquet_file = pq.ParquetFile(content, metadata=metadata, read_dictionary=_coded(metadata))
        columns = parquet_file.schema_arrow.names
    except (pa.ArrowException, OSError) as err:
        raise _unreadable(raw, err, rows) from err
    limit = MAX_POINTS if raw.kind == "tracking" else MAX_BOUTS
    if rows > limit:
        raise BadFileError("file-too-long", f"{name} has {rows:,} rows, but at most {limit:,} are read.", rows)
    if raw.video_id is None:
        raise BadFileError("file-name", f"Expected {name} to be named <video_id>.parquet.", rows)
    if raw.video_id not in unit.videos:
        detail = f"No row of {raw.split}.csv names video {raw.video_id} of {raw.lab_id}: add it and ingest again."
        raise BadFileError("video-without-metadata", detail, rows)
    return parquet_file, unit.videos[raw.video_id], {"column-extra"} if set(columns) - set(wanted) else set()


def _coded(metadata: pq.FileMetaData) -> list[str]:
    """Return the columns of names that are to be read as codes of their distinct values."""
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    return [leaf.path for leaf in leaves if leaf.path in _NAMES and leaf.physical_type == "BYTE_ARRAY"]


def _content(raw: RawObject, bucket: str) -> pa.BufferReader:
    """Read the bytes of a raw file before they are parsed: an error at this point is one of the storage."""
    uri = f"s3://{bucket}/{raw.key}"
    files, path = storage.filesystem(uri)
    try:
        with files.open_input_stream(path) as stream:
            content = stream.read_buffer()
    except OSError as err:
        raise DataError(f"Could not read {uri}: {err}. Run the job again.") from err
    if content.size != raw.size:
        raise DataError(
            f"Read {content.size} bytes of {uri}, but it was listed with {raw.size}: the read was cut short, or "
            "the file was changed meanwhile. Run the job again."
        )
    return pa.BufferReader(content)


def _batches(raw: RawObject, parquet_file: pq.ParquetFile, wanted: Any) -> Iterator[pa.Table]:
    """Yield the wanted columns in batches: at least one, even without rows, so that the columns are checked.

    Raises BadFileError if the row groups hold other than the rows that the footer says: a reader would go by one
    number or the other, and rows would be lost in silence.
    """
    rows = parquet_file.metadata.num_rows
    read = 0
    columns = [name for name in wanted if name in parquet_file.schema_arrow.names]
    try:
        if not rows:
            yield parquet_file.read(columns=columns)
        for batch in parquet_file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
            read += batch.num_rows
            yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as err:
        raise _unreadable(raw, err, rows) from err
    if read != rows:
        raise _unreadable(raw, f"its footer says {rows} rows, its row groups hold {read}", rows)


def _unreadable(raw: RawObject, error: Exception | str, rows: int) -> BadFileError:
    reason = " ".join(str(error).split())[:200]
    detail = f"{source_name(raw.key)} ({raw.size} bytes) is no whole Parquet file: {reason}"
    return BadFileError("file-unreadable", detail, rows)


# --- reporting --------------------------------------------------------------------------------------------
def _rejected(raw: RawObject, error: BadFileError) -> FileReport:
    return FileReport.rejected(raw.key, raw.kind, raw.split, error, lab_id=raw.lab_id, video_id=raw.video_id)


def _tracking_report(raw: RawObject, video: VideoRecord, curation: Curation, flags: set[str]) -> FileReport:
    flags = flags | set(curation.flags)
    if (named := video.described) and set(curation.mice) - named:
        flags.add("mouse-not-in-metadata")
    parts = video.values["body_parts_tracked"]
    if parts and set(curation.parts) - set(parts):
        flags.add("bodypart-not-in-metadata")
    if video.n_frames and curation.last_frame is not None and curation.last_frame >= video.n_frames * OVERLONG:
        flags.add("frames-beyond-duration")
    if video.n_frames and curation.last_frame is not None and curation.last_frame + 1 < video.n_frames * SHORT:
        flags.add("duration-implausible")
    source, counts = source_name(raw.key), curation.counts
    return FileReport(
        source, raw.kind, raw.split, raw.lab_id, raw.video_id,
        counts.rows_in, counts.rows_curated, counts.rows_quarantined, counts.rows_imputed,
        tuple(sorted(flags)), curation.mice, curation.last_frame,
        tuple(row.located(source, raw.split, raw.lab_id, raw.video_id) for row in curation.rejected),
        curation.flagged_rows,
    )  # fmt: skip
