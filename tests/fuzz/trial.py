"""One mutated file through what the jobs' workers run, and the account of its rows afterwards.

    PYTHONPATH=tests/curate .venv/bin/python tests/fuzz/trial.py FIRST LAST

tries the seeds FIRST <= seed < LAST and prints one JSON line for each that fails; a line `{"began": seed}` goes
before each, so that whoever reads them knows which seed ended the process or made it hang.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import operator
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from mutator import VIDEO, Mutant, csv_text, metadata_csv, mutant, parquet, tracks
from reference import reference
from reference_comparison import assert_equal, assert_summary, assert_table

from etholake.contract import (
    RAW_ANNOTATION_COLUMNS,
    RAW_TRACKING_COLUMNS,
    RAW_TRACKING_OPTIONAL_COLUMNS,
    RULES,
    TABLES,
    arrow_schema,
    raw_key,
)
from etholake.curate.file_reports import FileReport, assert_balance, dump, load
from etholake.curate.metadata import CuratedMetadata, VideoRecord, curate_metadata, labeled_table, metadata_table
from etholake.curate.rawzone import RawObject
from etholake.curate.units import Unit, units
from etholake.curate.work import curate_annotation_unit, curate_tracking_unit, summary_key
from etholake.storage import MOUNT

BUCKET, LAB, GAP = "fuzz", "Lab", 3
RSS_STEP = 300 * 1024  # KiB that one small file may add to the largest memory of the process
# Rules by which a whole file is left out; every other rule concerns rows, or leaves them where they are.
WHOLE_FILE = frozenset(
    {"file-unreadable", "file-no-rows", "file-name", "column-missing", "column-type", "video-without-metadata"}
)


def try_seed(seed: int, folder: Path) -> Mutant:
    """Make, curate and check one mutated file below `folder`, which is left empty."""
    made = mutant(seed)
    with mounted(folder):
        check(made)
    return made


def check(made: Mutant) -> None:
    """Curate one mutated file under the present mount, and assert that every row is accounted for."""
    {"tracking": _tracking, "annotation": _annotation, "metadata": _metadata}[made.kind](made)


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """`folder` as the mount of the buckets, with nothing in it before and after."""
    before = os.environ.get(MOUNT)
    os.environ[MOUNT] = str(folder)
    try:
        yield
    finally:
        shutil.rmtree(folder / BUCKET, ignore_errors=True)
        os.environ.pop(MOUNT)
        if before is not None:
            os.environ[MOUNT] = before


# --- the raw zone and back --------------------------------------------------------------------------------
def received(kind: str, video_id: int, content: bytes) -> RawObject:
    """A raw file, put where the jobs look for it."""
    key = raw_key("train", kind, LAB, video_id)
    path = Path(os.environ[MOUNT]) / BUCKET / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return RawObject(key, len(content), str(hash(content)), "train", kind, LAB, video_id)


def one_unit(kind: str, contents: dict[int, bytes], videos: dict[int, VideoRecord], table: str) -> Unit:
    """The unit of these raw files, planned as the job plans it."""
    files = [received(kind, video_id, content) for video_id, content in contents.items()]
    [unit] = units(files, videos, f"curated-zone/{table}/lab_id={LAB}/gen-0/")
    return unit


def written(table: str, key: str) -> pa.Table:
    """A curated file, as Athena would read it: of the contract's schema, without a null where none may be."""
    rows = pq.ParquetFile(Path(os.environ[MOUNT]) / BUCKET / key).read()
    assert rows.schema.equals(arrow_schema(table)), f"schema of {table}: {rows.schema}"
    for field in arrow_schema(table):
        assert field.nullable or not rows[field.name].null_count, f"null in {table}.{field.name}"
    rows.validate(full=True)
    return rows


def assert_reported(reports: list[FileReport]) -> None:
    """The balance holds, and the reports survive what the jobs do with them: JSON, then two tables."""
    assert_balance(reports)
    for report in reports:
        assert min(report.rows_in, report.rows_curated, report.rows_quarantined, report.rows_imputed) >= 0, report
        assert set(report.flags) <= set(RULES), report.flags
        assert list(report.flags) == sorted(set(report.flags))
    loaded, _ = load(dump(reports))
    by_file = operator.attrgetter("source_file")
    assert sorted(loaded, key=by_file) == sorted(reports, key=by_file)
    columns = TABLES["curation_files"].column_names
    rows = [{name: asdict(report)[name] for name in columns} for report in reports]
    pa.Table.from_pylist(rows, arrow_schema("curation_files")).validate(full=True)
    rejected = [row for report in reports for row in report.quarantine]
    pa.Table.from_pylist(rejected, arrow_schema("quarantine")).validate(full=True)


def as_read(content: bytes, wanted: Any, optional: Any = ()) -> pa.Table | None:
    """The wanted columns of a file as pyarrow reads them at once; None if it cannot.

    Of the optional ones those that are there once and hold numbers.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        schema = file.schema_arrow
        columns = [name for name in wanted if name in schema.names]
        for name in optional:
            if schema.names.count(name) == 1:
                type_ = schema.field(name).type
                columns += [name] if pa.types.is_floating(type_) or pa.types.is_integer(type_) else []
        table = file.read(columns=columns)
        table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return None
    return table


# --- one kind each ----------------------------------------------------------------------------------------
def videos() -> dict[int, VideoRecord]:
    """The videos of the good metadata csv."""
    return {video.video_id: video for video in curate_metadata(csv_text(metadata_csv()).encode(), "train").videos}


def good_tracks() -> pa.Table:
    """The raw rows of a good file."""
    return pa.table(tracks(5))


def _tracking(made: Mutant) -> None:
    good = good_tracks()
    contents = {1: parquet(good), VIDEO: made.content, 3: parquet(good)}
    unit = one_unit("tracking", contents, videos(), "tracking_curated")
    reports = curate_tracking_unit(unit, BUCKET, GAP)
    assert_reported(reports)
    assert_equal([report.video_id for report in reports], [1, VIDEO, 3], "reports")
    curated, summary = written("tracking_curated", unit.target), written("track_summary", summary_key(unit.target))
    for video_id, report in zip((1, VIDEO, 3), reports, strict=True):
        own, own_summary = (t.filter(pa.compute.equal(t["video_id"], video_id)) for t in (curated, summary))
        imputed = sum(own["is_imputed"].to_pylist())
        assert_equal([own.num_rows - imputed, imputed], [report.rows_curated, report.rows_imputed], "rows")
        table = (
            good
            if video_id != VIDEO
            else as_read(made.content, RAW_TRACKING_COLUMNS, RAW_TRACKING_OPTIONAL_COLUMNS)
        )
        if table is not None and not set(report.flags) & WHOLE_FILE:
            expected = reference(table, unit.videos[video_id].scale, GAP)
            assert_equal([report.rows_in], [expected.rows_in], "rows_in")
            assert_table(own, expected.rows)
            assert_summary(own_summary, expected.summary)
            assert expected.flags <= set(report.flags) | {"column-extra"}, (expected.flags, report.flags)
            lost = {rule: len(rows) for rule, rows in expected.rejected.items()}
            assert _by_rule(report) == lost, (_by_rule(report), lost)
    assert curated.num_rows == sum(r.rows_curated + r.rows_imputed for r in reports)
    assert_file_level(made, reports[1], as_read(made.content, RAW_TRACKING_COLUMNS), RAW_TRACKING_COLUMNS)
    order = [(name, "ascending") for name in TABLES["tracking_curated"].sort]
    assert curated.equals(curated.sort_by(order)), "order"


def _annotation(made: Mutant) -> None:
    unit = one_unit("annotation", {VIDEO: made.content}, videos(), "annotations_enriched")
    reports, statistics = curate_annotation_unit(unit, BUCKET)
    assert_reported(reports)
    [report] = reports
    curated = written("annotations_enriched", unit.target)
    assert curated.num_rows == report.rows_curated
    assert_equal([sum(row["events"] for row in statistics)], [curated.num_rows], "events of the statistics")
    pa.Table.from_pylist(statistics, arrow_schema("class_distribution_stats")).validate(full=True)
    assert_file_level(made, report, as_read(made.content, RAW_ANNOTATION_COLUMNS), RAW_ANNOTATION_COLUMNS)
    for row in curated.to_pylist():
        assert 0 <= row["start_frame"] <= row["stop_frame"]
        assert row["duration_frames"] == row["stop_frame"] - row["start_frame"]


def assert_file_level(made: Mutant, report: FileReport, table: pa.Table | None, wanted: Any) -> None:
    """A file is left out whole for a reason that is there, and then all of its rows are counted."""
    whole = set(report.flags) & WHOLE_FILE
    if made.only_values:
        assert whole <= ({"file-no-rows"} if table is not None and not table.num_rows else set()), report.flags
    if table is None:
        assert whole or report.rows_in, report
        return
    if whole:
        assert report.rows_curated == 0
    assert_equal([report.rows_in], [table.num_rows], "rows_in")
    if "column-missing" in whole:
        assert set(wanted) - set(table.schema.names)


def _metadata(made: Mutant) -> None:
    result = curate_metadata(made.content, "train")
    assert_reported([result.report])
    keys = [(video.lab_id, video.video_id) for video in result.videos]
    assert keys == sorted(set(keys))
    assert result.report.rows_curated == len(keys)
    assert_equal([result.report.rows_in], [_csv_rows(made.content, result)], "rows_in")
    report = FileReport("f", "tracking", "train", mice=(1, 2))
    table = metadata_table(result.videos, dict.fromkeys(keys[:1], report), dict.fromkeys(keys[1:], report))
    table.validate(full=True)
    assert table.num_rows == len(keys)
    labeled = labeled_table(result.videos)
    labeled.validate(full=True)
    assert labeled.num_rows == sum(len(video.labeled) for video in result.videos)
    for video in result.videos:
        assert VideoRecord.from_json(json.loads(json.dumps(video.as_json()))) == video
    _curate_by(result)


def _csv_rows(content: bytes, result: CuratedMetadata) -> int:
    """Count the rows that a csv holds below its first line, read by csv's plain reader: blank lines are none."""
    if "file-unreadable" in result.report.flags:
        return 0
    text = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="")  # for which half a BOM is no text
    lines = list(csv.reader(text, strict=True))
    return sum(bool(line) for line in lines[1:])


def _curate_by(result: CuratedMetadata) -> None:
    """Whatever fps, scale and size a csv led to: good tracks and intervals can be curated by it."""
    of_lab = {video.video_id: video for video in result.videos if video.lab_id == LAB}
    contents = {number: parquet(good_tracks()) for number in (1, 2, 3)}
    unit = one_unit("tracking", contents, of_lab, "tracking_curated")
    reports = curate_tracking_unit(unit, BUCKET, GAP)
    assert_reported(reports)
    curated = written("tracking_curated", unit.target)
    written("track_summary", summary_key(unit.target))
    assert curated.num_rows == sum(r.rows_curated + r.rows_imputed for r in reports)
    events = pa.table({"agent_id": [1], "target_id": [2], "action": ["x"], "start_frame": [0], "stop_frame": [9]})
    unit = one_unit("annotation", {n: parquet(events) for n in (1, 2, 3)}, of_lab, "annotations_enriched")
    reports, _ = curate_annotation_unit(unit, BUCKET)
    assert_reported(reports)
    assert written("annotations_enriched", unit.target).num_rows == sum(r.rows_curated for r in reports)


def _by_rule(report: FileReport) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in report.quarantine:
        counts[row["rule"]] = counts.get(row["rule"], 0) + row["rows"]
    return counts


def peak_kib() -> int:
    """Most memory that this process has held, KiB. (`ru_maxrss` would count the parent's, if that was larger.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def main(first: int, last: int, folder: Path) -> None:
    """Try the seeds; one JSON line for each event."""
    peak = peak_kib()
    for seed in range(first, last):
        print(json.dumps({"began": seed}), flush=True)
        try:
            try_seed(seed, folder)
        except Exception as err:
            print(json.dumps({"failed": seed, **described(seed, err)}), flush=True)
        now = peak_kib()
        if now - peak > RSS_STEP and seed != first:
            more = {"error": f"{(now - peak) // 1024} MiB more than any file before", "steps": mutant(seed).steps}
            print(json.dumps({"failed": seed, **more}), flush=True)
        peak = max(peak, now)
    print(json.dumps({"done": last - first, "peak_mib": peak // 1024}), flush=True)


def described(seed: int, error: Exception) -> dict[str, Any]:
    """Return what went wrong and where, and what had been done to the file."""
    made = mutant(seed)
    where = traceback.extract_tb(error.__traceback__)[-1]
    message = " ".join(f"{type(error).__name__}: {error}".split())[:400]
    at = f"{Path(where.filename).name}:{where.lineno} {where.line}"
    return {"kind": made.kind, "steps": made.steps, "error": message, "at": at}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(int(sys.argv[1]), int(sys.argv[2]), Path(temporary))
