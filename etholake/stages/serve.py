"""Stage serve: the newest trained model on the endpoint, and one real request to it.

Model, endpoint configuration and endpoint are made by boto3 where they are missing (also after a restart of the
mock, whose SageMaker forgets) and replaced where the model changed; the endpoint answers throughout an update.
"""

from __future__ import annotations

import json
import time
from typing import Any

from etholake import aws
from etholake.errors import AwsError, DataError
from etholake.settings import Settings
from etholake.stages import StageResult, fingerprint, load_state
from etholake.stages.train import job_settings
from etholake.stages.videos import REQUEST_TYPE, Videos, request_body

__all__ = ["config_request", "deployed_model", "model_request", "run", "trained_model"]

STAGE = "serve"
VARIANT = "AllTraffic"
SMOKE_SECONDS = 10.0  # of video: far below the endpoint's limits of 6 MB and 60 s
POLL_S, POLL_MAX_S, TIMEOUT_S = 0.2, 10.0, 1800.0


def run(settings: Settings) -> StageResult:
    """Serve the newest model and ask it about the first seconds of a video.

    Returns
    -------
    StageResult
        `details`: `endpoint`, `model_name`, `model_uri`, `latency_ms`, `video_id`, `events` of the request.

    Raises
    ------
    DataError
        No model has been trained, or no video has tracks to ask about.
    AwsError
        The endpoint failed (with the service's reason), or refused the request.
    """
    name, uri = deployed_model(settings)
    client = aws.client(settings, "sagemaker")
    endpoint = job_settings()["hosting"]["endpoint"]
    if not _found(client.describe_endpoint_config, EndpointConfigName=name):
        client.create_endpoint_config(**config_request(settings, name))
    changed = _bring_up(client, endpoint, name)
    details = {"endpoint": endpoint, "model_name": name, "model_uri": uri, **_smoke(settings, endpoint)}
    said = f"video {details['video_id']} answered in {details['latency_ms']:.0f} ms, {details['events']} events"
    if changed:
        return StageResult(STAGE, "done", f"Endpoint '{endpoint}' serves {name}: {said}.", details)
    return StageResult(
        STAGE, "unchanged", f"Endpoint '{endpoint}' serves the newest model already: {said}.", details
    )


def deployed_model(settings: Settings) -> tuple[str, str]:
    """`trained_model`, made known to SageMaker if it is not."""
    name, uri = trained_model(settings)
    client = aws.client(settings, "sagemaker")
    if not _found(client.describe_model, ModelName=name):
        client.create_model(**model_request(settings, name, uri, aws.stack_outputs(settings)["SageMakerRoleArn"]))
    return name, uri


def trained_model(settings: Settings) -> tuple[str, str]:
    """(name, artefact URI) of the newest trained model.

    Raises DataError if no model has been trained, or its artefact has gone.
    """
    from botocore.exceptions import ClientError

    uri = (load_state(settings, "train").get("details") or {}).get("model_uri", "")
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        etag = aws.client(settings, "s3").head_object(Bucket=bucket, Key=key)["ETag"] if uri else ""
    except ClientError:
        etag = ""
    if not etag:
        raise DataError(f"No trained model is in bucket '{settings.bucket}': run `make train` first.")
    return f"etholake-{fingerprint(uri, etag)}", uri


def model_request(settings: Settings, name: str, uri: str, role: str) -> dict[str, Any]:
    """Arguments of CreateModel. Pure."""
    image = job_settings()["hosting"]["image"].format(region=settings.region, account=settings.account)
    return {
        "ModelName": name,
        "ExecutionRoleArn": role,
        "PrimaryContainer": {
            "Image": image,
            "ModelDataUrl": uri,
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
        },
    }


def config_request(settings: Settings, name: str) -> dict[str, Any]:
    """Arguments of CreateEndpointConfig for the model of the same name. Pure."""
    variant = {
        "VariantName": VARIANT,
        "ModelName": name,
        "InstanceType": settings.instance_type,
        "InitialInstanceCount": 1,
    }
    return {"EndpointConfigName": name, "ProductionVariants": [variant]}


def _found(describe: Any, **names: str) -> dict[str, Any] | None:
    """The answer of a describe call, None if the thing does not exist."""
    from botocore.exceptions import ClientError

    try:
        answer: dict[str, Any] = describe(**names)
    except ClientError as err:
        if "Could not find" in err.response["Error"]["Message"]:
            return None
        raise
    return answer


def _bring_up(client: Any, endpoint: str, config: str) -> bool:
    """Make the endpoint serve `config` and wait until it does. False if it did already."""
    now = _settled(client, endpoint)
    if now and now["EndpointStatus"] == "InService" and now["EndpointConfigName"] == config:
        return False
    if now and now["EndpointStatus"] == "InService":
        client.update_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    else:
        if now:  # failed: nothing to keep
            client.delete_endpoint(EndpointName=endpoint)
            _settled(client, endpoint, gone=True)
        client.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    now = _settled(client, endpoint) or {}
    if now.get("EndpointStatus") != "InService" or now.get("FailureReason"):
        reason = now.get("FailureReason", "no reason was given")
        raise AwsError(
            f"Endpoint '{endpoint}' could not serve {config}: {reason}\n"
            f"Its log is in the CloudWatch group /aws/sagemaker/Endpoints/{endpoint}."
        )
    return True


def _settled(client: Any, endpoint: str, *, gone: bool = False) -> dict[str, Any] | None:
    """The endpoint's description once it is neither coming up nor changing; None if it does not exist."""
    pause, end = POLL_S, time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        now = _found(client.describe_endpoint, EndpointName=endpoint)
        if now is None or (not gone and now["EndpointStatus"] in {"InService", "Failed", "OutOfService"}):
            return now
        time.sleep(pause)
        pause = min(pause * 1.3, POLL_MAX_S)
    raise AwsError(f"Endpoint '{endpoint}' has not settled after {TIMEOUT_S / 60:.0f} min.")


def _smoke(settings: Settings, endpoint: str) -> dict[str, Any]:
    """One real request: video, latency (ms) and the number of events."""
    from botocore.exceptions import ClientError

    video_id, body = _clip(settings)
    began = time.monotonic()
    try:
        answer = aws.client(settings, "sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, ContentType=REQUEST_TYPE, Accept="application/json", Body=body
        )
    except ClientError as err:
        raise AwsError(f"Endpoint '{endpoint}' refused {SMOKE_SECONDS:.0f} s of video {video_id}: {err}.") from err
    content = json.loads(answer["Body"].read())
    latency = 1000 * (time.monotonic() - began)
    return {"video_id": video_id, "latency_ms": round(latency, 1), "events": len(content["events"])}


def _clip(settings: Settings) -> tuple[int, bytes]:
    """(video, request) of the first video that has tracks and behaviours to look for."""
    videos = Videos(settings, "train")
    for video_id, row in videos.rows.items():
        if row["behaviors_labeled"] and row["frames_per_second"]:
            table = videos.tracks(video_id, frames=round(SMOKE_SECONDS * row["frames_per_second"]))
            if table.num_rows:
                return video_id, request_body(row, table)
    raise DataError(
        "No video of the curated zone has both tracks and labelled behaviours to ask the endpoint about."
    )
