"""List the raw zone for the curation jobs: names parsed, metadata read. Takes an S3 client.

Only names, sizes and ETags are held: the driver of a job never sees a track.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etholake.contract import RAW_ZONE, REVIEWED, SPLITS, plain_name, raw_key
from etholake.curate.metadata import CuratedMetadata, VideoRecord, curate_metadata
from etholake.objects import list_objects

__all__ = ["RawListing", "RawObject", "list_raw", "read_metadata", "videos_by_lab"]


@dataclass(frozen=True, slots=True)
class RawObject:
    """One raw file. `video_id` is None if its name is not ``<video_id>.parquet``; `reviewed` labels are ours."""

    key: str
    size: int
    etag: str
    split: str
    kind: str
    lab_id: str = ""
    video_id: int | None = None
    reviewed: bool = False


@dataclass(frozen=True)
class RawListing:
    """Objects of the raw zone, each list sorted by key."""

    metadata: dict[str, RawObject] = field(default_factory=dict)  # by split
    tracking: dict[tuple[str, str], list[RawObject]] = field(default_factory=dict)  # by (split, lab)
    annotation: dict[tuple[str, str], list[RawObject]] = field(default_factory=dict)  # by (split, lab)
    reviewed: list[RawObject] = field(default_factory=list)  # those of `annotation` that are reviewed labels


def list_raw(s3: Any, bucket: str) -> RawListing:
    """List the raw zone (paginated). Objects outside its layout, such as side files, are skipped.

    The reviewed labels of a video stand in place of the annotation that its lab sent.
    """
    zone = RawListing()
    for item in list_objects(s3, bucket, f"{RAW_ZONE}/"):
        raw = _parse(item["Key"], int(item["Size"]), item["ETag"].strip('"'))
        if raw is None:
            continue
        if raw.kind == "metadata":
            zone.metadata[raw.split] = raw
        else:
            folder = zone.tracking if raw.kind == "tracking" else zone.annotation
            folder.setdefault((raw.split, raw.lab_id), []).append(raw)
            if raw.reviewed:
                zone.reviewed.append(raw)
    for raw in zone.reviewed:
        files = zone.annotation[raw.split, raw.lab_id]
        files[:] = [file for file in files if file.reviewed or file.video_id != raw.video_id]
    for folder in (zone.tracking, zone.annotation):
        for files in folder.values():
            files.sort(key=lambda raw: raw.key)
    return zone


def read_metadata(s3: Any, bucket: str, zone: RawListing) -> dict[str, CuratedMetadata]:
    """Return the curated metadata of every split that has a csv."""
    curated = {}
    for split, raw in sorted(zone.metadata.items()):
        content = s3.get_object(Bucket=bucket, Key=raw.key)["Body"].read()
        curated[split] = curate_metadata(content, split)
    return curated


def videos_by_lab(metadata: Mapping[str, CuratedMetadata]) -> dict[tuple[str, str], dict[int, VideoRecord]]:
    """Return the videos of every (split, lab) by id."""
    grouped: dict[tuple[str, str], dict[int, VideoRecord]] = {}
    for split, curated in metadata.items():
        for video in curated.videos:
            grouped.setdefault((split, video.lab_id), {})[video.video_id] = video
    return grouped


def _parse(key: str, size: int, etag: str) -> RawObject | None:
    for split in SPLITS:
        if key == raw_key(split, "metadata"):
            return RawObject(key, size, etag, split, "metadata")
    parts = key.removeprefix(f"{RAW_ZONE}/").split("/")
    if len(parts) != 3 or not parts[1].startswith("lab_id=") or parts[2].startswith(("_", ".")) or not parts[2]:
        return None
    split, _, kind = parts[0].partition("_")
    if split not in SPLITS or kind not in {"tracking", "annotation", REVIEWED}:
        return None
    stem = parts[2].removesuffix(".parquet")
    canonical = stem.isdecimal() and stem == str(int(stem)) and parts[2].endswith(".parquet")
    canonical = canonical and int(stem) < 2**63  # the contract's video_id is a 64-bit int
    reviewed, video_id = kind == REVIEWED, int(stem) if canonical else None
    kind = "annotation" if reviewed else kind
    return RawObject(
        key, size, etag, split, kind, plain_name(parts[1].removeprefix("lab_id=")), video_id, reviewed
    )
