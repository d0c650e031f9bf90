"""One video, one task: download it, look at it, make its clips, upload them. Runs on the workers of a job.

What is done is written down where the next run finds it: ``state-zone/videos/…`` has the row of `videos`, and
``clip-zone/<set>/lab_id=…/video_id=…/<digest>/_DONE.json`` comes after the last shard. A killed job therefore
loses the videos that it was at work on, and nothing else; no video is prepared twice from the same inputs.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from etholake.code_fingerprint import module_fingerprint
from etholake.contract import CLIP_ZONE, STATE_ZONE
from etholake.digest import fingerprint
from etholake.errors import ContractError, DataError
from etholake.formats import video as video_files
from etholake.formats import video_child
from etholake.storage import split_uri
from etholake.video import crops, decode, facts, lake_tracks, prepare, shards, windows
from etholake.video.boxes import background, base, detector, pose, table
from etholake.video.lake_tracks import read_tracks
from etholake.video.recipe import ClipRecipe
from etholake.video.task import ClipReport, ClipTask
from etholake.video.task import prepare as prepare_apart

__all__ = ["DONE", "VideoOutcome", "VideoTask", "clip_prefix", "code_digest", "facts_key", "run"]

DONE = "_DONE.json"
FREE_BYTES = 1 << 30  # that must stay free on the worker's disk beside the video
_DECIDE = (
    background, base, crops, decode, detector, facts, lake_tracks, pose, prepare, shards, table, video_child,
    video_files, windows,
)  # fmt: skip


def code_digest() -> str:
    """Return the fingerprint of the code that decides rows and pixels; comments and messages do not count."""
    return fingerprint([module_fingerprint(inspect.getsource(m).encode(), m.__name__) for m in _DECIDE])


@dataclass(frozen=True)
class VideoTask:
    """A raw video with everything that decides its row and its clips.

    `recipe` None: only look at it. `metadata` is the curated row, `track_files` the lab's curated Parquet files. A
    film of a further `camera` has neither, and no recipe: the points of the tracks lie in another picture.
    """

    bucket: str
    key: str
    size: int
    lab_id: str
    video_id: int
    facts_digest: str
    track_files: tuple[str, ...]
    metadata: Mapping[str, Any] | None = None
    recipe: ClipRecipe | None = None
    clip_set: str = ""
    clip_digest: str = ""
    boxes_key: str | None = None
    camera: str | None = None


@dataclass(frozen=True)
class VideoOutcome:
    """Result of a task: the row of `videos`, and why there are no clips (None: there are)."""

    row: dict[str, Any]
    clips_error: str | None = None


def facts_key(lab_id: str, video_id: int, digest: str) -> str:
    """Return the key that remembers the row of `videos` of a video."""
    return f"{STATE_ZONE}/videos/lab_id={quote(lab_id, safe=' ')}/{video_id}-{digest}.json"


def clip_prefix(clip_set: str, lab_id: str, video_id: int, digest: str) -> str:
    """Return the key prefix (ends with '/') of the shards of a video."""
    return f"{CLIP_ZONE}/{clip_set}/lab_id={quote(lab_id, safe=' ')}/video_id={video_id}/{digest}/"


def run(task: VideoTask) -> VideoOutcome:
    """Do the task. A video that cannot be used gives a row with the reason; errors of the storage are raised."""
    import boto3

    s3 = boto3.client("s3")
    folder = Path(tempfile.mkdtemp(prefix="etholake-video-"))
    try:
        return _run(task, s3, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(task: VideoTask, s3: Any, folder: Path) -> VideoOutcome:
    if shutil.disk_usage(folder).free < task.size + FREE_BYTES:
        raise DataError(
            f"{task.key}: has {task.size / 1e9:.1f} GB, more than the worker's disk can take. Use workers with "
            "larger disks (WorkerType G.2X or more)."
        )
    path = folder / task.key.rpartition("/")[2]
    sha256 = _download(s3, task.bucket, task.key, path)
    row: dict[str, Any] = {
        "lab_id": task.lab_id, "video_id": task.video_id, "source_file": task.key.partition("/")[2],
        "camera": task.camera, "bytes": task.size, "sha256": sha256, "error": None, "flags": [],
    }  # fmt: skip
    try:
        tracks = read_tracks(task.track_files, task.video_id)
        row |= facts.row_of(video_files.probe(path), tracks, task.metadata)
    except DataError as err:
        row["error"] = _without(str(err), path)
        _put(s3, task, row)
        return _without_clips(s3, task, row, row["error"])
    _put(s3, task, row)
    if task.recipe is None:
        return VideoOutcome(row)
    try:
        report = prepare_apart(_clip_task(task, s3, folder, path, tracks))
    except DataError as err:
        return _without_clips(s3, task, row, _without(str(err), path))
    if not report.is_even:
        raise ContractError(f"{task.key}: frames in and frames used or reported differ: {report.balances}.")
    _upload(s3, task, folder / "clips", report)
    return VideoOutcome(row)


def _without_clips(s3: Any, task: VideoTask, row: dict[str, Any], error: str) -> VideoOutcome:
    """Write down that there are no clips, and why, so that the next run need not find out again."""
    if task.recipe is not None:
        body = json.dumps({"error": error}).encode()
        s3.put_object(Bucket=task.bucket, Key=_prefix(task) + DONE, Body=body)
    return VideoOutcome(row, error)


def _clip_task(task: VideoTask, s3: Any, folder: Path, path: Path, tracks: Any) -> ClipTask:
    """Return the task of the child process, with its files on this disk."""
    assert task.recipe is not None
    recipe, boxes_file, keypoints = task.recipe, None, None
    kind, _, model = recipe.boxes.partition(":")
    if model.startswith("s3://"):
        bucket, key = split_uri(model)
        local = folder / Path(key).name
        _download(s3, bucket, key, local)
        recipe = replace(recipe, boxes=f"{kind}:{local}")
    if recipe.boxes == "file" and task.boxes_key:
        boxes_file = folder / f"boxes{Path(task.boxes_key).suffix}"
        _download(s3, task.bucket, task.boxes_key, boxes_file)
    if tracks is not None:
        keypoints = folder / "tracks.npy"
        np.save(keypoints, tracks.keypoints_TMK3)
    animals, parts = (tracks.animals, tracks.parts) if tracks is not None else ((), ())
    return ClipTask(
        path, task.video_id, task.lab_id, recipe, folder / "clips", keypoints, animals, parts, boxes_file
    )


def _upload(s3: Any, task: VideoTask, folder: Path, report: ClipReport) -> None:
    """Upload the shards, then the report: what is complete is told by the report alone."""
    for name in report.shards:
        s3.upload_file(str(folder / name), task.bucket, _prefix(task) + name)
    body = (folder / "report.json").read_bytes()
    s3.put_object(Bucket=task.bucket, Key=_prefix(task) + DONE, Body=body)


def _prefix(task: VideoTask) -> str:
    return clip_prefix(task.clip_set, task.lab_id, task.video_id, task.clip_digest)


def _put(s3: Any, task: VideoTask, row: Mapping[str, Any]) -> None:
    key = facts_key(task.lab_id, task.video_id, task.facts_digest)
    s3.put_object(Bucket=task.bucket, Key=key, Body=json.dumps(row).encode())


def _download(s3: Any, bucket: str, key: str, path: Path) -> str:
    """Write an object to a file, in pieces; return its SHA-256 in hex."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for block in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1 << 20):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _without(text: str, path: Path) -> str:
    """Return a sentence with the name of the video instead of its temporary path."""
    return text.replace(f"{path}: ", "").replace(str(path), path.name)
