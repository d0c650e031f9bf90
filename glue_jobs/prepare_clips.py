r"""Glue job `etholake-prepare-clips`: videos of the raw zone to the table `videos`, and to clips in shards.

Runs on Glue 5.1 and on plain local Spark, with `etholake.zip` on the Python path, after the curation jobs::

    spark-submit --py-files etholake.zip prepare_clips.py --JOB_NAME etholake-prepare-clips \
        --bucket BUCKET --database DATABASE [--recipe JSON --clip_set NAME]

One video is one task (`etholake.video.work`): it is downloaded once, decoded once in a child process, and its
shards are uploaded. Without `recipe` the videos are only looked at; films of further cameras always are. The
driver holds names; it commits one lab after the other: the partition of `videos`, then that of `clips`, whose
labels come from the curated annotations: new labels decode nothing. What is done already is found in the bucket
and not done again.

Glue and not SageMaker Processing, because a lab's videos differ in length by orders of magnitude: Spark hands out
one video at a time to whoever is free and tries a lost one again; a processing job would be given fixed shares.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from etholake import logs
from etholake.contract import RAW_ZONE, SPLITS, arrow_schema, video_and_camera
from etholake.curate import file_reports as reporting
from etholake.curate.rawzone import list_raw, read_metadata, videos_by_lab
from etholake.curate.work import ANNOTATIONS, TRACKING
from etholake.digest import fingerprint
from etholake.errors import AwsError, DataError
from etholake.generations import generation_prefix, identity
from etholake.lake import Lake
from etholake.video.facts import compare_cameras
from etholake.video.index import clip_rows
from etholake.video.recipe import ClipRecipe, check_set_name
from etholake.video.work import DONE, VideoTask, clip_prefix, code_digest, facts_key, run

VIDEOS, CLIPS = "videos", "clips"


@dataclass(frozen=True)
class ClipOptions:
    """Arguments of the job; `recipe` None: the videos are only looked at."""

    bucket: str
    database: str
    recipe: ClipRecipe | None = None
    clip_set: str = ""


@dataclass(frozen=True)
class LabVideos:
    """The videos of one lab: all of them, and those that are left to do."""

    lab_id: str
    tasks: tuple[VideoTask, ...]
    left: tuple[VideoTask, ...]


def parse(argv: Sequence[str]) -> ClipOptions:
    """Read the arguments as Glue passes them. Raises UsageError for a recipe or a name that cannot be."""
    from awsglue.utils import getResolvedOptions

    names = {argument.partition("=")[0] for argument in argv}
    optional = [name for name in ("recipe", "clip_set") if f"--{name}" in names]
    given = getResolvedOptions(list(argv), ["bucket", "database", *optional])
    if "recipe" not in given:
        return ClipOptions(given["bucket"], given["database"])
    recipe = ClipRecipe.from_dict(json.loads(given["recipe"]))
    clip_set = check_set_name(given.get("clip_set") or recipe.set_name)
    return ClipOptions(given["bucket"], given["database"], recipe, clip_set)


def lake_of(options: ClipOptions) -> Lake:
    """Return the lake; its clients take endpoint and credentials from the environment, as on Glue."""
    import boto3

    return Lake(boto3.client("s3"), boto3.client("glue"), options.bucket, options.database)


def read(options: ClipOptions, lake: Lake) -> list[LabVideos]:
    """Plan the tasks of every lab. Reads names, metadata and reports, no video."""
    zone = list_raw(lake.s3, lake.bucket)
    records = videos_by_lab(read_metadata(lake.s3, lake.bucket, zone))
    boxes = {key.rpartition(".")[0]: key for key in _keys(lake, f"{RAW_ZONE}/boxes/")}
    etags = {key: etag for prefix in ("videos", "boxes") for key, etag in _objects(lake, f"{RAW_ZONE}/{prefix}/")}
    code = code_digest()
    labs: dict[str, list[VideoTask]] = {}
    for item in lake.objects(f"{RAW_ZONE}/videos/"):
        _, _, lab, name = item["Key"].split("/", 3)
        if names := video_and_camera(name):
            lab_id, (video_id, camera) = lab.removeprefix("lab_id="), names
            task = VideoTask(lake.bucket, item["Key"], int(item["Size"]), lab_id, video_id, "", (), camera=camera)
            labs.setdefault(lab_id, []).append(task)
    planned = []
    for lab_id, tasks in sorted(labs.items()):
        rows = {v: r for split in SPLITS for v, r in records.get((split, lab_id), {}).items()}
        files, digests = _tracks(lake, lab_id)
        complete = []
        for task in tasks:
            if task.camera is not None:
                complete.append(replace(task, facts_digest=fingerprint(task.key, etags[task.key], code)))
                continue
            record = rows.get(task.video_id)
            row = dict(record.values) if record else None
            boxes_key = boxes.get(f"{RAW_ZONE}/boxes/lab_id={lab_id}/{task.video_id}")
            facts = fingerprint(task.key, etags[task.key], row, digests.get(task.video_id), code)
            recipe = options.recipe
            clips = fingerprint(facts, recipe.as_dict(), etags.get(boxes_key or "")) if recipe else ""
            complete.append(
                VideoTask(
                    task.bucket, task.key, task.size, lab_id, task.video_id, facts, files, row, recipe,
                    options.clip_set, clips, boxes_key,
                )
            )  # fmt: skip
        present = set(_keys(lake, facts_key(lab_id, 0, "").partition("/0-")[0] + "/"))
        if options.recipe:
            present |= set(
                _keys(lake, clip_prefix(options.clip_set, lab_id, 0, "").partition("/video_id=")[0] + "/")
            )
        left = tuple(task for task in complete if not _result_keys(task) <= present)
        planned.append(LabVideos(lab_id, tuple(complete), left))
    return planned


def transform(labs: Sequence[LabVideos], spark: Any = None) -> int:
    """Run the tasks that are left on the workers, the largest first. Returns how many."""
    tasks = sorted((task for lab in labs for task in lab.left), key=lambda task: -task.size)
    if not tasks:
        return 0
    from pyspark.sql import SparkSession

    context = (spark or SparkSession.builder.appName("etholake-prepare-clips").getOrCreate()).sparkContext
    return len(context.parallelize(tasks, len(tasks)).map(lambda task: bool(run(task))).collect())


def write(labs: Sequence[LabVideos], options: ClipOptions, lake: Lake) -> dict[str, int]:
    """Commit the partitions of every lab, and drop those of labs without videos. Returns sums."""
    sums = {"videos": 0, "unreadable": 0, "clips": 0, "without_clips": 0}
    for lab in labs:
        bodies = [_body(lake, facts_key(lab.lab_id, t.video_id, t.facts_digest)) for t in lab.tasks]
        rows = compare_cameras([json.loads(body) for body in bodies])
        sums["videos"] += len(rows)
        sums["unreadable"] += sum(row["error"] is not None for row in rows)
        _replace(lake, VIDEOS, {"lab_id": lab.lab_id}, rows, fingerprint([t.facts_digest for t in lab.tasks]), {})
        if options.recipe is None:
            continue
        events, state = _events(lake, lab.lab_id)
        clips: list[dict[str, Any]] = []
        problems: dict[str, str] = {}
        balance: dict[str, list[dict[str, Any]]] = {}
        for task, row in zip(lab.tasks, rows, strict=True):
            if task.recipe is None:
                continue
            report = {"error": row["error"]} if row["error"] else json.loads(_body(lake, _clip_key(task)))
            if "error" in report:
                problems[str(task.video_id)] = report["error"]
                continue
            balance[str(task.video_id)] = report["balances"]
            clips += clip_rows(
                report["windows"], _clip_key(task).removesuffix(DONE), events.get(task.video_id, [])
            )
        sums["clips"] += len(clips)
        sums["without_clips"] += len(problems)
        keys = {"clip_set": options.clip_set, "lab_id": lab.lab_id}
        made_of = fingerprint([task.clip_digest for task in lab.tasks if task.recipe], state)
        report = {"recipe": options.recipe.as_dict(), "problems": problems, "balances": balance}
        _replace(lake, CLIPS, keys, clips, made_of, report)
        print(f"clips of {lab.lab_id}: {len(clips)} windows of {len(balance)} videos, {len(problems)} without")
    present = {lab.lab_id for lab in labs}
    for table in (VIDEOS, CLIPS):
        for keys in lake.partitions(table):
            if keys["lab_id"] not in present:
                lake.drop_partition(table, keys)
    return sums


def _replace(
    lake: Lake,
    table: str,
    keys: dict[str, str],
    rows: list[dict[str, Any]],
    made_of: str,
    report: Mapping[str, Any],
) -> None:
    """Commit a partition unless its state was made from the same inputs."""
    import pyarrow as pa

    if identity(lake.current(table, keys)) == made_of:
        return
    lake.replace_table(table, pa.Table.from_pylist(rows, arrow_schema(table)), made_of, keys, report)


def _result_keys(task: VideoTask) -> set[str]:
    """Return the keys of the objects that say that a task is done."""
    keys = {facts_key(task.lab_id, task.video_id, task.facts_digest)}
    return keys | {_clip_key(task)} if task.recipe else keys


def _clip_key(task: VideoTask) -> str:
    return clip_prefix(task.clip_set, task.lab_id, task.video_id, task.clip_digest) + DONE


def _tracks(lake: Lake, lab_id: str) -> tuple[tuple[str, ...], dict[int, str]]:
    """Return the files of a lab's curated tracks in all splits, and by video the digest of its raw tracks."""
    files: list[str] = []
    digests: dict[int, str] = {}
    for keys in lake.partitions(TRACKING):
        pointer = lake.current(TRACKING, keys) if keys["lab_id"] == lab_id else None
        if pointer is None:
            continue
        files += lake.current_files(TRACKING, keys)
        body = _body(lake, generation_prefix(TRACKING, keys, pointer["generation"]) + reporting.REPORT)
        for inputs in reporting.load(body)[1].get("units", {}).values():
            for key, digest in inputs.items():
                stem = key.rpartition("/")[2].removesuffix(".parquet")
                if stem.isdecimal():
                    digests[int(stem)] = digest
    return tuple(files), digests


def _events(lake: Lake, lab_id: str) -> tuple[dict[int, list[dict[str, Any]]], str | None]:
    """Return the annotated events of a lab by video, and the identity of the state they come from."""
    import pyarrow.parquet as pq

    keys = {"lab_id": lab_id}
    columns = ["video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame"]
    events: dict[int, list[dict[str, Any]]] = {}
    for uri in lake.current_files(ANNOTATIONS, keys):
        content = io.BytesIO(_body(lake, uri.removeprefix(f"s3://{lake.bucket}/")))
        for row in pq.read_table(content, columns=columns).to_pylist():
            events.setdefault(row["video_id"], []).append(row)
    return events, identity(lake.current(ANNOTATIONS, keys))


def _objects(lake: Lake, prefix: str) -> list[tuple[str, str]]:
    return [(item["Key"], item["ETag"]) for item in lake.objects(prefix)]


def _keys(lake: Lake, prefix: str) -> list[str]:
    return [key for key, _ in _objects(lake, prefix)]


def _body(lake: Lake, key: str) -> bytes:
    try:
        return bytes(lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read())
    except lake.s3.exceptions.NoSuchKey as err:
        raise AwsError(f"s3://{lake.bucket}/{key} has gone: run the job again.") from err


def main(argv: Sequence[str], spark: Any = None) -> dict[str, int]:
    """Run the job; `spark` is a session to use instead of an own one. Returns sums, and `prepared` videos."""
    options = parse(argv)
    lake = lake_of(options)
    labs = read(options, lake)
    if not labs:
        raise DataError(
            f"There is no video in the raw zone of bucket '{lake.bucket}': put videos/<lab>/<number>.mp4 into the "
            "data folder, and run `make ingest`."
        )
    lake.register()
    prepared = transform(labs, spark)
    return {"prepared": prepared, **write(labs, options, lake)}


if __name__ == "__main__":
    logs.to_stdout(sys.argv)
    with logs.stage("prepare clips job"):
        logs.add_fields(**main(sys.argv))
