"""Stage predict: a batch transform over videos of the curated zone, into a submission and the `predictions` table.

One request object per video goes to the model zone, one at a time; the transform answers each; events are
collected, written as the submission CSV and as one partition of `predictions`, and the requests are removed. The
same model on the same videos is not asked twice.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake import aws, logs
from etholake.contract import MODEL_ZONE
from etholake.digest import file_digest, fingerprint
from etholake.errors import DataError, UsageError
from etholake.events.submission import write_csv
from etholake.events.types import Event
from etholake.objects import delete_objects, list_objects
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages import jobs
from etholake.stages.job_settings import job_settings
from etholake.stages.model import unlike
from etholake.stages.serving import prediction_tables
from etholake.stages.serving.endpoint import create_trained_model
from etholake.stages.serving.model_requests import ModelRequests
from etholake.stages.serving.videos import REQUEST_TYPE, Videos
from etholake.stages.state import load_state, save_state
from etholake.storage import split_uri

__all__ = [
    "check_size",
    "choose_videos",
    "collect",
    "remove",
    "run",
    "taught_note",
    "transform_request",
    "upload",
]


STAGE = "predict"


def run(
    settings: Settings,
    split: str,
    videos: Sequence[int] | None,
    output: Path,
    on_progress: OnProgress | None = None,
    checkpoint: str = "",
) -> StageResult:
    """Predict the events of `videos` of `split` and write them to `output` and to the lake.

    Without `videos`: all of split test, or those that the model held out of split train. `checkpoint` names
    another one of the newest training than that of the best score (`highest_accuracy`).

    Returns
    -------
    StageResult
        `details`: `run_id` (partition of `predictions`), `videos`, `events`, `rows`, `output`, `skipped`,
        `unlike_taught` (by video: how it differs from those that taught the model), `values` (by video: answers
        to the model's tasks).

    Raises
    ------
    UsageError
        A video is not in the split, or has no tracking; or the model has no such checkpoint.
    DataError
        There is no model, or no video to predict.
    AwsError
        The transform failed; the message has the service's reason.
    """
    tick = on_progress or silent
    model, uri = create_trained_model(settings, checkpoint)
    source = Videos(settings, split)
    requests = ModelRequests.of_model(source, uri)
    training = load_state(settings, "train").get("details") or {"split": {}}
    parts = training["split"]
    held_out = parts.get("test", [])
    chosen = choose_videos(source.rows, split, videos, [span["video_id"] for span in held_out])
    labs = sorted({source.rows[video]["lab_id"] for video in chosen})
    run_id = fingerprint(model, split, chosen, source.states(labs), *requests.states(labs))
    state_name = f"{STAGE}-{split}"
    state = load_state(settings, state_name)
    if _same(state, run_id, output) and prediction_tables.is_committed(source.lake, run_id):
        return StageResult(
            STAGE, "unchanged", f"The same model has predicted the same {len(chosen)} videos into {output}.",
            state["details"],
        )  # fmt: skip
    began = time.monotonic()
    job = f"etholake-{run_id}-{int(time.time()):x}{secrets.token_hex(2)}"
    prefix = f"{MODEL_ZONE}/requests/{job}/"
    spans, skipped = upload(settings, requests, chosen, prefix, tick)
    try:
        if len(skipped) == len(chosen):
            raise DataError(f"None of the {len(chosen)} videos can be predicted: {_reasons(skipped)}.")
        request = transform_request(settings, job, model, prefix, content_type=requests.content_type)
        transform(settings, request, tick)
    finally:
        remove(settings, prefix)
    events, values = collect(settings, job, [video for video in chosen if video not in skipped], requests.suffix)
    rows = write_csv(output, events)
    prediction_tables.commit(source, run_id, events, spans, values, {"model": model, "split": split})
    traits = {name: unlike.traits(source.lake, name) for name in ({"train", split} if parts else ())}
    differing = unlike.unlike_taught(traits, training, split, chosen) if parts else {}
    details = {
        "run_id": run_id, "model_name": model, "videos": chosen, "events": len(events), "rows": rows,
        "skipped": list(skipped), "skipped_because": {str(video): why for video, why in skipped.items()},
        "unlike_taught": {str(video): why for video, why in differing.items()},
        "values": {str(video): answers for video, answers in values.items()},
        "output": str(output), "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
    save_state(settings, state_name, {"run_id": run_id, "sha256": file_digest(output), "details": details})
    note = f" {len(skipped)} left out: {_reasons(skipped)}." if skipped else ""
    note += taught_note(chosen, parts)
    note += f" Its answers to tasks for {len(values)} videos: table task_predictions." if values else ""
    note += f" Note: {unlike.sentence(differing, len(chosen))}." if differing else ""
    summary = (
        f"{len(events)} events in {len(chosen) - len(skipped)} videos, in {output} and table predictions.{note}"
    )
    return StageResult(STAGE, "done", summary, details)


# --- pure ---------------------------------------------------------------------------------------------------
def choose_videos(
    rows: dict[int, dict[str, Any]], split: str, videos: Sequence[int] | None, held_out: Sequence[int]
) -> list[int]:
    """Return the videos to predict, sorted. `rows` are the videos of the split that have tracking."""
    wanted = sorted(set(videos if videos else held_out if split == "train" else rows))
    unknown = [video for video in wanted if video not in rows]
    if unknown and videos:
        raise UsageError(f"Split '{split}' has no videos {unknown} with tracking. It has {len(rows)} others.")
    wanted = [video for video in wanted if video in rows]
    if not wanted:
        remedy = {
            "test": "Ingest data with test tracking, or predict held-out videos with --split train.",
            "train": "The model held none out: name videos with --videos, or train with --holdout.",
        }[split]
        raise DataError(f"Split '{split}' has no videos to predict. {remedy}")
    return wanted


def taught_note(videos: Sequence[int], parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return a sentence if the model has learnt from frames of these videos; "" if not. Pure.

    `parts` are the spans of the model's training: ``{"train": [{"video_id": …, …}], …}``.
    """
    taught = sorted(set(videos) & {span["video_id"] for span in parts.get("train", [])})
    if not taught:
        return ""
    return (
        f" Parts of {', '.join(map(str, taught))} taught the model: score what it held out with "
        "`etholake evaluate --held-out`."
    )


def transform_request(
    settings: Settings,
    job: str,
    model: str,
    prefix: str,
    accept: str = "application/json",
    content_type: str = REQUEST_TYPE,
) -> dict[str, Any]:
    """Return the arguments of CreateTransformJob. Pure."""
    options = job_settings()["transform"]
    return {
        "TransformJobName": job,
        "ModelName": model,
        "MaxConcurrentTransforms": 1,
        "MaxPayloadInMB": options["max_payload_mb"],
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": options["timeout_s"], "InvocationsMaxRetries": 1},
        "BatchStrategy": "SingleRecord",
        "TransformInput": {
            "ContentType": content_type,
            "SplitType": "None",
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{settings.bucket}/{prefix}"}
            },
        },
        "TransformOutput": {
            "S3OutputPath": settings.uri(MODEL_ZONE, "predictions", job),
            "Accept": accept,
            "AssembleWith": "None",
        },
        "Environment": {logs.VARIABLE: logs.run_id()},
        "TransformResources": {"InstanceType": settings.instance_type, "InstanceCount": 1},
    }


def check_size(video: int | str, n_bytes: int, limit_mb: int | None = None) -> None:
    """Raise DataError, with what to do, if a request is longer than the transform takes (None: by jobs.json)."""
    limit = job_settings()["transform"]["max_payload_mb"] if limit_mb is None else limit_mb
    if limit and n_bytes > limit << 20:
        raise DataError(
            f"Video {video} has {n_bytes / (1 << 20):.0f} MB, but a batch transform takes {limit} MB: "
            "cut the video into parts, or set transform.max_payload_mb of sagemaker/jobs.json to 0 (no limit), "
            "which our own image takes."
        )


# --- the transform ------------------------------------------------------------------------------------------
def upload(
    settings: Settings,
    requests: ModelRequests,
    chosen: Sequence[int],
    prefix: str,
    tick: OnProgress,
    limit_mb: int | None = None,
) -> tuple[dict[int, tuple[int, int]], dict[int, str]]:
    """Upload one request per video.

    Returns the frames of the requests and why a video is left out, both by video. `limit_mb`: see `check_size`.
    """
    import pyarrow.compute as pc

    s3, source = aws.client(settings, "s3"), requests.videos
    spans: dict[int, tuple[int, int]] = {}
    skipped: dict[int, str] = {}
    for done, video in enumerate(chosen):
        tick(done, 2 * len(chosen), f"request {video}")
        row = source.rows[video]
        reason = requests.unusable(row)
        table = None if reason else source.tracks(video)
        if table is not None and not table.num_rows:
            reason = "no curated tracks"
        if reason:
            skipped[video] = reason
            logs.log_event("skipped", f"Video {video} has {reason}", video=video)
            continue
        assert table is not None
        try:
            body = requests.body(video, table)
        except DataError as err:
            skipped[video] = str(err)
            logs.log_event("skipped", f"Video {video}: {err}", video=video)
            continue
        check_size(video, len(body), limit_mb)
        s3.put_object(Bucket=settings.bucket, Key=f"{prefix}{video}{requests.suffix}", Body=body)
        spans[video] = (pc.min(table["video_frame"]).as_py(), pc.max(table["video_frame"]).as_py() + 1)
    return spans, skipped


def _reasons(skipped: dict[int, str]) -> str:
    """Return the reasons with the videos that they concern, as one sentence part."""
    by_reason: dict[str, list[int]] = {}
    for video, reason in skipped.items():
        by_reason.setdefault(reason, []).append(video)
    return "; ".join(
        f"{reason}: {', '.join(map(str, videos[:5]))}{f' and {len(videos) - 5} more' if videos[5:] else ''}"
        for reason, videos in by_reason.items()
    )


def transform(settings: Settings, request: Mapping[str, Any], tick: OnProgress) -> None:
    """Run the batch transform of a `transform_request` to its end; Ctrl-C stops it.

    Raises AwsError unless it completed.
    """
    client, s3 = aws.client(settings, "sagemaker"), aws.client(settings, "s3")
    job = request["TransformJobName"]
    total = _count(s3, *split_uri(request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]))
    client.create_transform_job(**request)
    logs.log_event("job", f"Transform job {job} has started", job=job, videos=total)

    def describe() -> dict[str, Any]:
        description: dict[str, Any] = client.describe_transform_job(TransformJobName=job)
        done = _count(s3, settings.bucket, f"{MODEL_ZONE}/predictions/{job}/")
        tick(total + done, 2 * total, "transform")
        return description

    jobs.completed(
        describe, "TransformJobStatus", f"Transform job '{job}'", "/aws/sagemaker/TransformJobs",
        on_interrupt=lambda: client.stop_transform_job(TransformJobName=job),
    )  # fmt: skip


def collect(
    settings: Settings, job: str, videos: Sequence[int], suffix: str = ".parquet"
) -> tuple[list[Event], dict[int, list[dict[str, Any]]]]:
    """Return the events of every answer of a transform job, and the answers to tasks by video where there are any.

    `suffix` is that of the job's requests.
    """
    s3 = aws.client(settings, "s3")
    events, values = [], {}
    for video in videos:
        key = f"{MODEL_ZONE}/predictions/{job}/{video}{suffix}.out"
        answer = json.loads(s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read())
        events += [Event(video_id=int(answer["video_id"]), **event) for event in answer["events"]]
        if answer.get("values"):
            values[video] = answer["values"]
    return events, values


def remove(settings: Settings, prefix: str) -> None:
    """Delete every object whose key begins with `prefix`."""
    s3 = aws.client(settings, "s3")
    delete_objects(s3, settings.bucket, [item["Key"] for item in list_objects(s3, settings.bucket, prefix)])


def _count(s3: Any, bucket: str, prefix: str) -> int:
    return sum(1 for _ in list_objects(s3, bucket, prefix))


def _same(state: dict[str, Any], run_id: str, output: Path) -> bool:
    """Return whether the last run was this one and its file is still as it was written."""
    return state.get("run_id") == run_id and output.is_file() and state.get("sha256") == file_digest(output)
