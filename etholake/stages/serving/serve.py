"""Stage serve: a model on an endpoint, and one real request to it.

The model is the newest trained one, or the approved one of the registry. There are three kinds of endpoint:
realtime (on instances, with autoscaling), serverless, and asynchronous (requests and answers in S3). Sizes, limits
and the percentage of requests that is captured for drift reports are in `sagemaker/jobs.json` under `hosting`; the
endpoint itself is the work of `endpoint`, its requests are in `endpoint_requests`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from etholake import aws
from etholake.contract import MODEL_ZONE
from etholake.errors import AwsError, DataError, UsageError
from etholake.objects import read_object
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.serving import registry
from etholake.stages.serving.endpoint import TIMEOUT_S, bring_up
from etholake.stages.serving.endpoint_requests import KINDS, endpoint_name
from etholake.stages.serving.model_requests import ModelRequests
from etholake.stages.serving.trained_model import name_of_model, trained_model
from etholake.stages.serving.videos import Videos
from etholake.stages.waiting import wait_for

__all__ = ["roll_back", "run"]

STAGE = "serve"
SMOKE_SECONDS = 10.0  # of video: far below the endpoint's limits of 6 MB and 60 s


def run(
    settings: Settings, kind: str = "realtime", *, approved: bool = False, checkpoint: str = ""
) -> StageResult:
    """Serve a model and ask it about the first seconds of a video.

    Parameters
    ----------
    kind : realtime, serverless or async.
    approved : serve the approved version of the model registry instead of the newest trained model.
    checkpoint : serve this one of the newest training (`highest_accuracy`) instead of that of the best score.

    Returns
    -------
    StageResult
        `details`: `endpoint`, `model_name`, `model_uri`, `latency_ms`, `video_id`, `events` of the request
        (and `values` of a model with tasks); `version` of the registry if `approved`.

    Raises
    ------
    DataError
        No model has been trained (or approved), or no video has tracks to ask about.
    AwsError
        The endpoint failed (with the service's reason), or refused the request.
    """
    if kind not in KINDS:
        raise UsageError(f"An endpoint is {', '.join(KINDS)}, but got '{kind}'.")
    version = registry.serving_version(settings) if approved else None
    if version:
        name, uri = name_of_model(settings, version.model_uri), version.model_uri
    else:
        name, uri = trained_model(settings, checkpoint)
    # The container of a SageMaker model has the limits of its kind, so each kind has a model of its own.
    name, endpoint = (name if kind == "realtime" else f"{name}-{kind}"), endpoint_name(kind)
    changed = bring_up(settings, name, uri, kind)
    requests = ModelRequests.of_model(Videos(settings, "train"), uri)
    smoke = (_smoke_async if kind == "async" else _smoke)(settings, endpoint, requests)
    details = {"endpoint": endpoint, "kind": kind, "model_name": name, "model_uri": uri, **smoke}
    if version:
        details["version"] = version.number
    what = f"version {version.number} ({name})" if version else name
    answer = f"video {details['video_id']} answered in {details['latency_ms']:.0f} ms, {details['events']} events"
    if changed:
        return StageResult(STAGE, "done", f"Endpoint '{endpoint}' serves {what}: {answer}.", details)
    return StageResult(STAGE, "unchanged", f"Endpoint '{endpoint}' serves {what} already: {answer}.", details)


def roll_back(settings: Settings, group: str, number: int) -> StageResult:
    """Approve an older version of the registry, reject the newer ones, and serve it.

    Errors are those of `registry.rollback` and `endpoint.bring_up`.
    """
    version = registry.rollback(settings, group, number)
    changed = bring_up(settings, version.model_name, version.model_uri)
    served = "is served now" if changed else "was served already"
    summary = f"Version {number} ({version.model_name}) is the approved one and {served}."
    return StageResult("registry", "done", summary, asdict(version))


# --- one real request -----------------------------------------------------------------------------------------
def _smoke(settings: Settings, endpoint: str, requests: ModelRequests) -> dict[str, Any]:
    """Send one real request; return the video, the latency (ms), the number of events, and values of tasks."""
    from botocore.exceptions import ClientError

    video_id, body = _clip(requests)
    began = time.monotonic()
    try:
        response = aws.client(settings, "sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, ContentType=requests.content_type, Accept="application/json", Body=body
        )
    except ClientError as err:
        raise AwsError(f"Endpoint '{endpoint}' refused {SMOKE_SECONDS:.0f} s of video {video_id}: {err}.") from err
    content = json.loads(response["Body"].read())
    latency = 1000 * (time.monotonic() - began)
    return {"video_id": video_id, "latency_ms": round(latency, 1), **_counted(content)}


def _smoke_async(settings: Settings, endpoint: str, requests: ModelRequests) -> dict[str, Any]:
    """Send one real request through S3; return as `_smoke`."""
    video_id, body = _clip(requests)
    s3, name = aws.client(settings, "s3"), f"{video_id}-{time.time_ns()}"
    key = f"{MODEL_ZONE}/async/requests/{name}{requests.suffix}"
    s3.put_object(Bucket=settings.bucket, Key=key, Body=body)
    began = time.monotonic()
    queued = aws.client(settings, "sagemaker-runtime").invoke_endpoint_async(
        EndpointName=endpoint, ContentType=requests.content_type, Accept="application/json", InferenceId=name,
        InputLocation=f"s3://{settings.bucket}/{key}",
    )  # fmt: skip

    def look() -> tuple[bytes | None, bytes | None]:
        return _read(s3, queued["OutputLocation"]), _read(s3, queued["FailureLocation"])

    answer, failure = wait_for(
        look,
        lambda objects: objects != (None, None),
        f"The request to endpoint '{endpoint}' about video {video_id}",
        timeout_s=TIMEOUT_S,
    )
    if failure is not None or answer is None:
        reason = (failure or b"no reason was given").decode("utf-8", "replace")
        raise AwsError(f"Endpoint '{endpoint}' refused video {video_id}: {reason}")
    latency = 1000 * (time.monotonic() - began)
    return {"video_id": video_id, "latency_ms": round(latency, 1), **_counted(json.loads(answer))}


def _counted(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the number of events of an answer, and the values of a model with tasks."""
    return {"events": len(answer["events"]), **({"values": answer["values"]} if answer.get("values") else {})}


def _read(s3: Any, uri: str) -> bytes | None:
    """Return an object's bytes, None if it is not there."""
    try:
        return read_object(s3, uri)
    except s3.exceptions.NoSuchKey:
        return None


def _clip(requests: ModelRequests) -> tuple[int, bytes]:
    """Return (video, request) of the first video that the model can be asked about."""
    videos, reason = requests.videos, ""
    for video_id, row in videos.rows.items():
        if not requests.unusable(row):
            table = videos.tracks(video_id, frames=round(SMOKE_SECONDS * row["frames_per_second"]))
            if not table.num_rows:
                continue
            try:
                return video_id, requests.body(video_id, table)
            except DataError as err:
                reason = f" ({err})"
    raise DataError(
        f"No video of the curated zone has both tracks and labelled behaviours to ask the endpoint about{reason}."
    )
