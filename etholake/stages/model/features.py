"""Stage features: the compact arrays that training reads, written once by a SageMaker processing job.

Training makes them itself if they are not there; so the job pays for itself where many trainings (folds, tuning,
several configurations) read the same large lake. They are found by the fingerprint of tracks, metadata, the code
that `sagemaker/features.py` imports, and the part map: arrays of an older state are not found, and not used.
"""

from __future__ import annotations

import json
import time

from etholake import aws
from etholake.contract import MODEL_ZONE
from etholake.dataset.labelled import FEATURES
from etholake.dataset.store import INDEX
from etholake.digest import fingerprint
from etholake.objects import object_exists, read_object
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.model import processing
from etholake.stages.model.training_inputs import channels, deployed_fingerprint, table_states

__all__ = ["channel", "prefix", "run"]

READS = ("tracking", "metadata")
TABLES = ("tracking_curated", "metadata_train")
SCRIPT = "features.py"


def run(settings: Settings) -> StageResult:
    """Write the arrays of all training videos of the lake to the model zone.

    Returns
    -------
    StageResult
        `details`: `uri`, `videos`, `ticks` (frames at 30 Hz), `seconds`, `job_name`. `unchanged` if they are
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
    if _exists(settings, key):
        details = {"uri": uri, **_counts(settings, key)}
        summary = f"The arrays of {details['videos']} videos are there, made of the same tables and code."
        return StageResult("features", "unchanged", summary, details)
    arguments = ["--part_map", settings.part_map] if settings.part_map else []
    inputs = {name: uri for name, uri in channels(settings).items() if name in READS}
    job = processing.start(settings, "features", inputs, arguments, key)
    details = {
        "uri": uri,
        "job_name": job,
        "seconds": round(time.monotonic() - began, 1),
        **_counts(settings, key),
    }
    return StageResult("features", "done", f"{details['videos']} videos, in {uri}", details)


def prefix(settings: Settings) -> str:
    """Return the key prefix of the arrays for the tables as they are, made or not. Raises as `run`."""
    inputs = table_states(settings, TABLES), deployed_fingerprint(settings, (SCRIPT,)), settings.part_map
    return f"{MODEL_ZONE}/features/{fingerprint(*inputs)}/"


def channel(settings: Settings) -> dict[str, str]:
    """Return the channel `features` of a training job; {} if the arrays have not been made."""
    key = prefix(settings)
    return {FEATURES: f"s3://{settings.bucket}/{key}"} if _exists(settings, key) else {}


def _exists(settings: Settings, key: str) -> bool:
    return object_exists(aws.client(settings, "s3"), f"s3://{settings.bucket}/{key}{INDEX}")


def _counts(settings: Settings, key: str) -> dict[str, int]:
    body = read_object(aws.client(settings, "s3"), f"s3://{settings.bucket}/{key}{INDEX}")
    videos = json.loads(body)["videos"].values()
    return {"videos": len(videos), "ticks": sum(video["frames_30hz"] for video in videos)}
