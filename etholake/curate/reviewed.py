"""Reviewed labels as a raw file: what reviewers merged of a video, in place of the annotation that its lab sent.

The rows are those of an annotation file; the metadata of the Parquet file has the triplets that were looked for.
The file is what makes a merged review last: the next curation reads it as it reads every other raw file.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etholake.contract import RAW_ANNOTATION_COLUMNS, arrow_type
from etholake.curate.behaviors import Labeled, Triplet
from etholake.curate.metadata import CuratedMetadata, VideoRecord
from etholake.curate.rawzone import RawListing

__all__ = ["about_review", "dump_reviewed", "looked_for", "reviewed_video", "with_reviewed"]

_LOOKED_FOR, _ABOUT = b"etholake_looked_for", b"etholake_review"


def dump_reviewed(
    rows: Iterable[Mapping[str, Any]], triplets: Iterable[Triplet], about: Mapping[str, Any]
) -> bytes:
    """Return the bytes of a file of reviewed labels.

    Parameters
    ----------
    rows
        With the columns of a raw annotation file.
    triplets
        (agent, target, action) that were looked for in the whole video.
    about
        Who merged the review, when, and up to which change.
    """
    schema = pa.schema([pa.field(name, arrow_type(kind)) for name, kind in RAW_ANNOTATION_COLUMNS.items()])
    table = pa.Table.from_pylist(list(rows), schema=schema)
    notes = {_LOOKED_FOR: json.dumps(sorted(triplets)), _ABOUT: json.dumps(dict(about), sort_keys=True)}
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(notes), sink, compression="zstd")
    return sink.getvalue()


def looked_for(content: bytes) -> list[Triplet]:
    """Return the triplets that `dump_reviewed` wrote."""
    notes = pq.read_schema(io.BytesIO(content)).metadata or {}
    return [(agent, target, action) for agent, target, action in json.loads(notes.get(_LOOKED_FOR, b"[]"))]


def about_review(content: bytes) -> dict[str, Any]:
    """Return who merged the labels, when, and up to which change, as `dump_reviewed` wrote it."""
    notes = pq.read_schema(io.BytesIO(content)).metadata or {}
    about: dict[str, Any] = json.loads(notes.get(_ABOUT, b"{}"))
    return about


def reviewed_video(video: VideoRecord, triplets: Iterable[Triplet]) -> VideoRecord:
    """Return the metadata of a video with further triplets that were looked for, in the whole video."""
    triplets = set(triplets)
    if not triplets:
        return video
    labeled = {**dict.fromkeys(sorted(triplets), False), **video.labeled}
    items = Labeled(labeled, repaired=False, malformed=()).items
    flags = tuple(flag for flag in video.flags if flag != "behaviors-empty")
    spans = {triplet: partly for triplet, partly in video.spans.items() if triplet not in triplets}
    values = {**video.values, "behaviors_labeled": items}
    return replace(video, values=values, labeled=labeled, flags=flags, spans=spans)


def with_reviewed(
    metadata: Mapping[str, CuratedMetadata], zone: RawListing, s3: Any, bucket: str
) -> dict[str, CuratedMetadata]:
    """Return the metadata by split, with the triplets that reviewers looked for."""
    triplets = {
        (raw.split, raw.lab_id, raw.video_id): looked_for(s3.get_object(Bucket=bucket, Key=raw.key)["Body"].read())
        for raw in zone.reviewed
    }
    made = {}
    for split, curated in metadata.items():
        videos = [
            reviewed_video(video, triplets.get((split, video.lab_id, video.video_id), ()))
            for video in curated.videos
        ]
        made[split] = replace(curated, videos=videos)
    return made
