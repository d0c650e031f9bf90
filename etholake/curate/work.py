"""What one task of a curation job does with one unit: read raw files one by one, curate, write one file.

Runs in Spark's Python workers. Only here does curation touch storage (`etholake.storage`), and never more
than one video is held at a time. A file that cannot be used is reported and the rest goes on; an error of
the storage itself (network, permissions, full disk) is no property of the file, and fails the task.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etholake import storage
from etholake.contract import (
    MAX_MICE,
    MOUSE_ATTRIBUTES,
    RAW_ANNOTATION_COLUMNS,
    RAW_TRACKING_COLUMNS,
    TABLES,
    arrow_schema,
)
from etholake.curate.annotations import OVERLONG, CuratedAnnotations, curate_annotations
from etholake.curate.metadata import Video
from etholake.curate.plan import Unit
from etholake.curate.rawzone import RawObject
from etholake.curate.report import FileReport, source_name
from etholake.curate.rules import BadFileError
from etholake.curate.statistics import class_distribution
from etholake.curate.tracking import CuratedTracking, curate_tracking

__all__ = ["curate_annotation_unit", "curate_tracking_unit"]

ROW_GROUP_MIN, ROW_GROUP_MAX = 128 * 1024, 1024 * 1024  # rows
_DICTIONARY = ("video_id", "mouse_id", "bodypart", "action", "split", "issue")  # columns of few values


def curate_tracking_unit(unit: Unit, bucket: str, max_gap_frames: int) -> list[FileReport]:
    """Curate the tracking files of `unit` into its target file; one report per raw file."""
    reports: list[FileReport] = []

    def tables() -> Iterator[pa.Table]:
        for raw in unit.files:
            try:
                curated, report = _tracking(raw, unit, bucket, max_gap_frames)
            except BadFileError as err:
                reports.append(_rejected(raw, err))
                continue
            reports.append(report)
            yield curated

    _write("tracking_curated", f"s3://{bucket}/{unit.target}", tables())
    return reports


def curate_annotation_unit(unit: Unit, bucket: str) -> tuple[list[FileReport], list[dict[str, Any]]]:
    """Curate the annotation files of one lab into its target file; reports and class statistics."""
    reports: list[FileReport] = []
    tables: list[pa.Table] = [arrow_schema("annotations_enriched").empty_table()]
    for raw in unit.files:
        try:
            curated = _annotations(raw, unit, bucket)
        except BadFileError as err:
            reports.append(_rejected(raw, err))
            continue
        reports.append(curated.report)
        tables.append(curated.table)
    whole = pa.concat_tables(tables)  # a lab's intervals are few: the largest lab has some 50,000
    whole = whole.sort_by([(name, "ascending") for name in TABLES["annotations_enriched"].sort])
    _write("annotations_enriched", f"s3://{bucket}/{unit.target}", iter([whole]))
    return reports, class_distribution(whole, unit.lab_id)


def _tracking(raw: RawObject, unit: Unit, bucket: str, max_gap_frames: int) -> tuple[pa.Table, FileReport]:
    table, video, extra = _read(raw, unit, bucket, RAW_TRACKING_COLUMNS)
    if not table.num_rows and set(RAW_TRACKING_COLUMNS) <= set(table.schema.names):
        raise BadFileError("file-no-rows", f"{source_name(raw.key)} has no row.")
    curated = curate_tracking(
        table, video.scale, max_gap_frames=max_gap_frames, source_file=source_name(raw.key), split=raw.split
    )
    return curated.table, _tracking_report(raw, video, curated, {"column-extra"} if extra else set())


def _annotations(raw: RawObject, unit: Unit, bucket: str) -> CuratedAnnotations:
    table, video, extra = _read(raw, unit, bucket, RAW_ANNOTATION_COLUMNS)
    curated = curate_annotations(table, video, raw.key)
    if not extra:
        return curated
    flags = tuple(sorted({*curated.report.flags, "column-extra"}))
    return CuratedAnnotations(curated.table, FileReport(**{**vars(curated.report), "flags": flags}))


def _read(raw: RawObject, unit: Unit, bucket: str, wanted: Any) -> tuple[pa.Table, Video, bool]:
    """The wanted columns of a raw file, its metadata, and whether it has further columns."""
    files, path = storage.filesystem(f"s3://{bucket}/{raw.key}")
    with files.open_input_stream(path) as stream:  # first the bytes: an error here is the storage's
        content = stream.read()
    name = source_name(raw.key)
    rows = 0
    try:
        parquet = pq.ParquetFile(pa.BufferReader(content))
        rows = parquet.metadata.num_rows
        found = parquet.schema_arrow.names
        table = parquet.read(columns=[column for column in wanted if column in found])
    except (pa.ArrowException, OSError) as err:
        reason = " ".join(str(err).split())[:200]
        detail = f"{name} ({raw.size} bytes) is no whole Parquet file: {reason}"
        raise BadFileError("file-unreadable", detail, rows) from err
    if raw.video_id is None:
        raise BadFileError("file-name", f"Expected {name} to be named <video_id>.parquet.", rows)
    if raw.video_id not in unit.videos:
        detail = f"No row of {raw.split}.csv names video {raw.video_id} of {raw.lab_id}: add it and ingest again."
        raise BadFileError("video-without-metadata", detail, rows)
    return table, unit.videos[raw.video_id], bool(set(found) - set(wanted))


def _rejected(raw: RawObject, error: BadFileError) -> FileReport:
    return FileReport.rejected(raw.key, raw.kind, raw.split, error, lab_id=raw.lab_id, video_id=raw.video_id)


def _tracking_report(raw: RawObject, video: Video, curated: CuratedTracking, flags: set[str]) -> FileReport:
    flags |= set(curated.flags)
    named = {n for n in range(1, MAX_MICE + 1) if any(video.values[f"mouse{n}_{a}"] for a in MOUSE_ATTRIBUTES)}
    if named and set(curated.mice) - named:
        flags.add("mouse-not-in-metadata")
    parts = video.values["body_parts_tracked"]
    if parts and set(curated.parts) - set(parts):
        flags.add("bodypart-not-in-metadata")
    if video.n_frames and curated.last_frame is not None and curated.last_frame >= video.n_frames * OVERLONG:
        flags.add("frames-beyond-duration")
    counts = curated.counts
    return FileReport(
        source_name(raw.key), raw.kind, raw.split, raw.lab_id, raw.video_id,
        counts.rows_in, counts.rows_curated, counts.rows_quarantined, counts.rows_imputed,
        tuple(sorted(flags)), curated.mice, curated.last_frame, tuple(curated.quarantine.to_pylist()),
    )  # fmt: skip


def _write(table: str, uri: str, tables: Iterator[pa.Table]) -> None:
    """Write tables, which come in the sort order, as one Parquet object: at least a row group, even if empty."""
    spec, schema = TABLES[table], arrow_schema(table)
    dictionary = [name for name in _DICTIONARY if name in schema.names]
    order = [pq.SortingColumn(schema.get_field_index(name)) for name in spec.sort]
    sink = pa.BufferOutputStream()
    waiting: list[pa.Table] = []
    options = {"compression": "zstd", "use_dictionary": dictionary, "sorting_columns": order}
    with pq.ParquetWriter(sink, schema, **options) as writer:
        for each in tables:
            waiting.append(each)
            if sum(t.num_rows for t in waiting) >= ROW_GROUP_MIN:
                writer.write_table(pa.concat_tables(waiting), row_group_size=ROW_GROUP_MAX)
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting), row_group_size=ROW_GROUP_MAX)
    storage.write_bytes(uri, memoryview(sink.getvalue()))
