"""Stage metrics: measures of videos of the lake (distance, speed, time of each behavior), as Parquet and xlsx."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake.contract import TABLES
from etholake.errors import DataError, UsageError
from etholake.events.types import Event
from etholake.lake import Lake
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.reports.pixel_tracks import curated_splits, pixel_tracks
from etholake.stages.state import open_lake
from etholake.video.metric_files import write_tables
from etholake.video.metrics import MeasuredVideo, tables_of

__all__ = ["run"]


def run(
    settings: Settings,
    out: Path,
    videos: Sequence[int] | None = None,
    run_id: str | None = None,
    window_s: float = 60.0,
) -> StageResult:
    """Write the tables of `etholake.video.metrics` to `out`, of the annotation or of a run's predictions.

    Parameters
    ----------
    videos
        Numbers of videos; None: all that have events, or that the run predicted.
    window_s
        Length of a window of time, s.

    Raises
    ------
    UsageError
        There is no such run, or a video is not among those that it predicted or that are annotated.
    DataError
        No video has tracks or events, one has no frame rate, or a table is too long for a workbook.
    """
    lake = open_lake(settings)
    metadata = _metadata(lake)
    spans = _spans(lake, metadata, run_id)
    wanted = sorted(spans) if videos is None else sorted(set(videos))
    if missing := [number for number in wanted if number not in spans]:
        where = f"the run '{run_id}' predicted" if run_id else "are annotated"
        raise UsageError(f"The videos {missing} are not among the {len(spans)} that {where}.")
    tables = tables_of(_measured(settings, lake, metadata, {n: spans[n] for n in wanted}, run_id), window_s)
    if not tables["windows"]:
        raise DataError("There is nothing to measure: none of the videos has tracks or events.")
    files = write_tables(out, tables)
    details: dict[str, Any] = {"videos": len(wanted), "run_id": run_id, "files": files}
    details |= {name: len(rows) for name, rows in tables.items()}
    summary = f"{details['bouts']} bouts of {len(wanted)} videos, in windows of {window_s:g} s, in {out}"
    return StageResult("metrics", "done", summary, details)


def _spans(lake: Lake, metadata: Mapping[int, Mapping[str, Any]], run_id: str | None) -> dict[int, dict[str, Any]]:
    """Return {video: its `lab_id` and, of a run, `start_frame` and `stop_frame` of what was predicted}."""
    if run_id is None:
        labs = {keys["lab_id"] for keys in lake.partitions("annotations_enriched")}
        return {
            number: {"lab_id": row["lab_id"]}
            for number, row in metadata.items()
            if row["has_annotation"] and row["lab_id"] in labs
        }
    if {"run_id": run_id} not in lake.partitions("predicted_videos"):
        raise UsageError(f"There are no predictions of a run '{run_id}'.")
    return {row["video_id"]: row for row in lake.read("predicted_videos", {"run_id": run_id}).to_pylist()}


def _measured(
    settings: Settings,
    lake: Lake,
    metadata: Mapping[int, Mapping[str, Any]],
    spans: Mapping[int, Mapping[str, Any]],
    run_id: str | None,
) -> Iterator[MeasuredVideo]:
    events = _events(lake, run_id, {span["lab_id"] for span in spans.values()})
    splits = curated_splits(settings, lake)
    for number, span in spans.items():
        row, lab = metadata[number], span["lab_id"]
        tracks, fps = pixel_tracks(splits, number), row["frames_per_second"]
        own = events.get(number, [])
        if not fps:
            raise DataError(f"Video {number} of {lab} has no frames_per_second in its metadata: no time is known.")
        last = round((row["video_duration_sec"] or 0) * fps)
        frames = max([last, *[e.stop_frame for e in own], len(tracks.keypoints_TMK3) if tracks else 0])
        start, stop = span.get("start_frame", 0), span.get("stop_frame", frames)
        yield MeasuredVideo(number, lab, fps, start, stop, own, tracks, row["pix_per_cm_approx"] or None)


def _events(lake: Lake, run_id: str | None, labs: Container[str]) -> dict[int, list[Event]]:
    if run_id:
        rows = lake.read("predictions", {"run_id": run_id}).to_pylist()
    else:
        annotated = [keys for keys in lake.partitions("annotations_enriched") if keys["lab_id"] in labs]
        rows = [row for keys in annotated for row in lake.read("annotations_enriched", keys).to_pylist()]
    events: dict[int, list[Event]] = {}
    for row in rows:
        event = Event(
            row["video_id"], row["agent_id"], row["target_id"], row["action"], row["start_frame"],
            row["stop_frame"], row.get("confidence", 1.0),
        )  # fmt: skip
        events.setdefault(event.video_id, []).append(event)
    return events


def _metadata(lake: Lake) -> dict[int, dict[str, Any]]:
    tables = [name for name in TABLES if name.startswith("metadata_") and lake.partitions(name)]
    return {row["video_id"]: row for name in tables for row in lake.read(name).to_pylist()}
