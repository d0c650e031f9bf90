"""Stage features: the compact arrays that training reads, written once by a SageMaker processing job.

Training makes them itself if they are not there; so the job pays for itself where many trainings (folds, tuning,
several configurations) read the same large lake. They are found by the fingerprint of tracks, metadata, code and
part map: whatever is newer than they are is simply not found.
"""

from __future__ import annotations

import json
import time

from etholake import aws
from etholake.contract import MODEL_ZONE
from etholake.dataset.labelled import FEATURES
from etholake.dataset.store import INDEX
from etholake.digest import fingerprint
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.model import processing, train

__all__ = ["channel", "prefix", "run"]

READS = ("tracking", "metadata")


def run(settings: Settings) -> StageResult:
    """Write the arrays of all training videos of the lake to the model zone.

    Returns
    -------
    StageResult
        `details`: `uri`, `videos`, `ticks` (of the common clock), `seconds`, `job_name`. `unchanged` if they are
        there.

    Raises
    ------
    DataError
        The curated zone is empty.
    AwsError
        Nothing is deployed, or the job failed; the message has the reason.
    """
    key, began = prefix(settings), time.monotonic()
    uri = f"s3://{settings.bucket}/{key}"
    if _there(settings, key):
        details = {"uri": uri, **_counts(settings, key)}
        said = f"The arrays of {details['videos']} videos are there, made of the same tables and code."
        return StageResult("features", "unchanged", said, details)
    arguments = ["--part_map", settings.part_map] if settings.part_map else []
    inputs = {name: uri for name, uri in train.channels(settings).items() if name in READS}
    job = processing.start(settings, "features", inputs, arguments, key)
    details = {
        "uri": uri,
        "job_name": job,
        "seconds": round(time.monotonic() - began, 1),
        **_counts(settings, key),
    }
    return StageResult("features", "done", f"{details['videos']} videos, in {uri}", details)


def prefix(settings: Settings) -> str:
    """Where the arrays of the tables as they are lie, or would lie. Raises as `run`."""
    tables = [entry for entry in train._inputs(settings) if entry[0] in {"tracking_curated", "metadata_train"}]
    return f"{MODEL_ZONE}/features/{fingerprint(tables, train._code(settings), settings.part_map)}/"


def channel(settings: Settings) -> dict[str, str]:
    """The channel `features` of a training job; {} if the arrays have not been made."""
    key = prefix(settings)
    return {FEATURES: f"s3://{settings.bucket}/{key}"} if _there(settings, key) else {}


def _there(settings: Settings, key: str) -> bool:
    return train._exists(settings, f"s3://{settings.bucket}/{key}{INDEX}")


def _counts(settings: Settings, key: str) -> dict[str, int]:
    body = aws.client(settings, "s3").get_object(Bucket=settings.bucket, Key=key + INDEX)["Body"].read()
    videos = json.loads(body)["videos"].values()
    return {"videos": len(videos), "ticks": sum(video["ticks"] for video in videos)}
