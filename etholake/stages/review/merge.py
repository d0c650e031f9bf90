"""Merge corrections into the tables that training reads: a new generation of `annotations_enriched`, at once.

The reviewed labels of a video become a raw file of their own (`etholake.curate.reviewed`), which every later
curation reads in place of the annotation that the lab sent; so a merged review lasts. The tables are brought up to
date here, by the functions of the curation itself: a lab's intervals are few, and no Glue job is waited for.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etholake.contract import REVIEWED, SPLITS, arrow_schema, raw_key
from etholake.curate.annotations import curate_annotations
from etholake.curate.behaviors import Spans, Triplet
from etholake.curate.metadata import VideoRecord, labeled_table, labels_beyond_tracking
from etholake.curate.reviewed import about_review, dump_reviewed, reviewed_video
from etholake.curate.statistics import behavior_summary, class_distribution
from etholake.curate.work import ANNOTATIONS, BEHAVIOR
from etholake.digest import fingerprint
from etholake.errors import UsageError
from etholake.generations import folder
from etholake.lake import Lake, LostRaceError
from etholake.objects import list_objects, read_object
from etholake.result import StageResult
from etholake.review.history import VideoReview
from etholake.settings import Settings
from etholake.stages.review.store import CORRECTIONS, CorrectionLog, VideoKey
from etholake.stages.state import open_lake

__all__ = ["pending", "run"]

STAGE = "review"
_NOT_VALUES = ("lab_id", "video_id", "has_tracking", "has_annotation", "flags")
_TRIES = 5  # other runs that commit a table between our reading and our writing


def run(settings: Settings, reviewer: str, videos: Collection[int] = ()) -> StageResult:
    """Merge the corrections that are not merged yet, of all videos or of some.

    Returns
    -------
    StageResult
        `details`: `videos`, `labels` of them, `labs`, and `not_looked_for`, the labels that cannot teach yet,
        because their (agent, target, action) was not looked for in the whole video; `joined`, the labels that
        became part of another one, because both have the same animals and action and share a frame. `unchanged`
        without any correction.

    Raises
    ------
    UsageError
        The reviewer has no name, or a video has no corrections.
    """
    if not reviewer.strip():
        raise UsageError("Say who merges: --user NAME.")
    lake = open_lake(settings)
    corrected = _last_changes(lake)
    if absent := sorted(set(videos) - {video.video_id for video in corrected}):
        raise UsageError(f"No corrections of video {', '.join(map(str, absent))} are in the lake.")
    waiting = [v for v in pending(lake, corrected) if not videos or v.video_id in videos]
    if not waiting:
        return StageResult(STAGE, "unchanged", "every correction is merged already", {"videos": 0, "labels": 0})
    records = _records(lake)
    if unknown := [video for video in waiting if video not in records]:
        raise UsageError(f"The metadata no longer have video {unknown[0].video_id} of {unknown[0].lab_id}.")
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    curated: dict[str, dict[VideoKey, pa.Table]] = defaultdict(dict)
    last_stops: dict[VideoKey, int | None] = {}
    joined = 0
    for video in waiting:
        review = VideoReview(())
        for change in CorrectionLog(lake, video).after(0):
            review.apply(change)
        rows = [vars(label) for label in review.joined_labels]
        joined += len(review.labels) - len(rows)
        about = {"change": review.next_number - 1, "merged_by": reviewer, "merged_at": at}
        body = dump_reviewed(rows, review.looked_for, about)
        lake.s3.put_object(Bucket=lake.bucket, Key=_key(video), Body=body)
        records[video] = reviewed_video(records[video], review.looked_for)
        table = pq.read_table(io.BytesIO(body))
        annotations = curate_annotations(table, records[video], _key(video), reviewed=True)
        curated[video.lab_id][video], last_stops[video] = annotations.table, annotations.report.last_frame
    for lab_id, tables in curated.items():
        _commit_lab(lake, lab_id, tables)
    _commit_metadata(lake, {video: records[video] for video in waiting}, last_stops)
    details = {
        "videos": len(waiting),
        "labels": sum(t.num_rows for tables in curated.values() for t in tables.values()),
        "labs": sorted(curated),
        "joined": joined,
        "not_looked_for": sum(
            t["is_labeled"].to_pylist().count(False) for tables in curated.values() for t in tables.values()
        ),
    }
    return StageResult(STAGE, "done", _sentence(details), details)


def pending(lake: Lake, corrected: Mapping[VideoKey, int] | None = None) -> list[VideoKey]:
    """Return the videos with changes that are not merged yet, sorted."""
    corrected = _last_changes(lake) if corrected is None else corrected
    waiting = (video for video, change in corrected.items() if change > _merged_change(lake, video))
    return sorted(waiting, key=lambda v: (v.lab_id, v.split, v.video_id))


def _video(row: Mapping[str, Any]) -> VideoKey:
    return VideoKey(row["split"], row["lab_id"], row["video_id"])


def _key(video: VideoKey) -> str:
    return raw_key(video.split, REVIEWED, video.lab_id, video.video_id)


def _last_changes(lake: Lake) -> dict[VideoKey, int]:
    """Return the number of the last change of every corrected video, from the names of the log's files."""
    last: dict[VideoKey, int] = {}
    for partition in lake.partitions(CORRECTIONS):
        prefix = folder(CORRECTIONS, partition)
        for item in list_objects(lake.s3, lake.bucket, prefix):
            split, video_id, number = item["Key"][len(prefix) :].removesuffix(".parquet").split("-")
            video = VideoKey(split, partition["lab_id"], int(video_id))
            last[video] = max(last.get(video, 0), int(number))
    return last


def _merged_change(lake: Lake, video: VideoKey) -> int:
    try:
        content = read_object(lake.s3, f"s3://{lake.bucket}/{_key(video)}")
    except lake.s3.exceptions.NoSuchKey:
        return 0
    return int(about_review(content).get("change", 0))


def _records(lake: Lake) -> dict[VideoKey, VideoRecord]:
    """Return the metadata of every video of the lake, with what was looked for."""
    labeled: dict[VideoKey, dict[Triplet, bool]] = defaultdict(dict)
    partly: dict[VideoKey, dict[Triplet, Spans]] = defaultdict(dict)
    for row in lake.read("labeled_behaviors").to_pylist():
        key, triplet = _video(row), (row["agent_id"], row["target_id"], row["action"])
        labeled[key][triplet] = row["repaired"]
        if row["spans"] is not None:
            partly[key][triplet] = tuple(map(tuple, json.loads(row["spans"])))
    records = {}
    for split in SPLITS:
        for row in lake.read(f"metadata_{split}").to_pylist():
            key = VideoKey(split, row["lab_id"], row["video_id"])
            values = {name: value for name, value in row.items() if name not in _NOT_VALUES}
            flags = tuple(row["flags"] or ())
            records[key] = VideoRecord(split, key.lab_id, key.video_id, values, labeled[key], flags, partly[key])
    return records


def _commit_lab(lake: Lake, lab_id: str, curated: Mapping[VideoKey, pa.Table]) -> None:
    """Commit the annotations of a lab with the rows of the reviewed videos replaced, and what is made of them."""
    keys = {"lab_id": lab_id}
    reviewed = {(video.split, video.video_id) for video in curated}

    def whole(before: pa.Table) -> pa.Table:
        names = zip(before["split"].to_pylist(), before["video_id"].to_pylist(), strict=True)
        others = before.filter(pa.array([name not in reviewed for name in names], pa.bool_()))
        return pa.concat_tables([others, *curated.values()])

    # The summary first: the annotations say what is done.
    annotations = whole(lake.read(ANNOTATIONS, keys))
    _replace(lake, BEHAVIOR, lambda _: behavior_summary(annotations), keys)
    _replace(lake, ANNOTATIONS, whole, keys)
    counted = pa.Table.from_pylist(
        class_distribution(annotations, lab_id), arrow_schema("class_distribution_stats")
    )

    def statistics(before: pa.Table) -> pa.Table:
        others = before.filter(pa.array([lab != lab_id for lab in before["lab_id"].to_pylist()], pa.bool_()))
        return pa.concat_tables([others, counted])

    _replace(lake, "class_distribution_stats", statistics)


def _commit_metadata(
    lake: Lake, records: Mapping[VideoKey, VideoRecord], last_stops: Mapping[VideoKey, int | None]
) -> None:
    """Commit what was looked for, that the videos have an annotation now, and whose goes on after the tracking.

    `last_stops` are the largest stops (exclusive) of the labels of the same videos, None without a label.
    """
    last_tracked = _last_tracked(lake, records)

    def looked_for(before: pa.Table) -> pa.Table:
        others = before.filter(pa.array([_video(row) not in records for row in before.to_pylist()], pa.bool_()))
        return pa.concat_tables([others, labeled_table(list(records.values()))])

    _replace(lake, "labeled_behaviors", looked_for)
    for split in sorted({video.split for video in records}):

        def metadata(before: pa.Table, split: str = split) -> pa.Table:
            rows = before.to_pylist()
            for row in rows:
                video = VideoKey(split, row["lab_id"], row["video_id"])
                if video in records:
                    flags = set(records[video].flags) - {"video-without-annotation", "labels-beyond-tracking"}
                    flags |= labels_beyond_tracking(last_tracked.get(video), last_stops[video])
                    row |= {"has_annotation": True, "flags": sorted(flags),
                            "behaviors_labeled": records[video].values["behaviors_labeled"]}  # fmt: skip
            return pa.Table.from_pylist(rows, schema=before.schema)

        _replace(lake, f"metadata_{split}", metadata)


def _last_tracked(lake: Lake, videos: Collection[VideoKey]) -> dict[VideoKey, int]:
    """Return the last frame with a measured point of every video that has one in the labs of these videos."""
    last = {}
    for split, lab_id in sorted({(video.split, video.lab_id) for video in videos}):
        tracks = lake.read("track_summary", {"split": split, "lab_id": lab_id}, ["video_id", "last_frame"])
        for row in tracks.group_by("video_id").aggregate([("last_frame", "max")]).to_pylist():
            last[VideoKey(split, lab_id, row["video_id"])] = row["last_frame_max"]
    return last


def _replace(
    lake: Lake, table: str, change: Callable[[pa.Table], pa.Table], partition: dict[str, str] | None = None
) -> None:
    """Commit a table that is made from its state before; from the new state, if another run was faster."""
    for last in (*[False] * (_TRIES - 1), True):
        before = lake.current(table, partition)
        rows = change(lake.read(table, partition))
        try:
            digest = fingerprint(before and before["generation"], rows.to_pylist())
            lake.replace_table(table, rows, digest, partition, before=before)
        except LostRaceError:
            if last:
                raise
        else:
            return


def _sentence(details: Mapping[str, Any]) -> str:
    videos = "1 video" if details["videos"] == 1 else f"{details['videos']:,} videos"
    text = f"{details['labels']:,} labels of {videos} are in annotations_enriched now"
    if details["joined"]:
        text += f"; {details['joined']:,} more became part of a label of their kind that they overlap"
    if details["not_looked_for"]:
        text += (
            f"; {details['not_looked_for']:,} of them cannot teach yet: say for their animals and action that the "
            "whole video was looked through"
        )
    return f"{text}. `make train` sees them."
