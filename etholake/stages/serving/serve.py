"""Stage serve: a model on an endpoint, and one real request to it.

Served is the newest trained model, or the approved one of the registry. Three kinds of endpoint: realtime (on
instances, with autoscaling), serverless, and asynchronous (requests and answers in S3). Model, endpoint
configuration and endpoint are made by boto3 where they are missing (also after a restart of the mock, whose
SageMaker forgets) and replaced where the model changed; the endpoint answers throughout an update. Sizes, limits
and the share of requests that is captured for drift reports are in `sagemaker/jobs.json` under `hosting`.
"""

from __future__ import annotations

import json
import time
from typing import Any

from etholake import aws
from etholake.contract import MODEL_ZONE
from etholake.digest import fingerprint
from etholake.errors import AwsError, DataError, UsageError
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.model.train import job_settings
from etholake.stages.serving import registry
from etholake.stages.serving.videos import REQUEST_TYPE, Videos, request_body
from etholake.stages.state import load_state

__all__ = [
    "CAPTURED", "KINDS", "bring_up", "config_request", "deployed_model", "deployment_config", "endpoint_name",
    "model_request", "run", "scaling_requests", "take_down", "trained_model",
]  # fmt: skip

STAGE = "serve"
VARIANT = "AllTraffic"
KINDS = ("realtime", "serverless", "async")
SMOKE_SECONDS = 10.0  # of video: far below the endpoint's limits of 6 MB and 60 s
CAPTURED = f"{MODEL_ZONE}/captured"  # prefix of the requests and answers that an endpoint keeps
POLL_S, POLL_MAX_S, TIMEOUT_S = 0.2, 10.0, 1800.0
# Limits of our host by kind: those of the service, which AWS does not tell the container.
HOST_LIMITS = {
    "realtime": {"SERVE_MAX_PAYLOAD_MB": "6", "SERVE_TIMEOUT_S": "60"},
    "serverless": {"SERVE_MAX_PAYLOAD_MB": "4", "SERVE_TIMEOUT_S": "60"},
    "async": {"SERVE_MAX_PAYLOAD_MB": "1024", "SERVE_TIMEOUT_S": "3600"},
}


def run(settings: Settings, kind: str = "realtime", *, approved: bool = False) -> StageResult:
    """Serve a model and ask it about the first seconds of a video.

    Parameters
    ----------
    kind : realtime, serverless or async.
    approved : the approved version of the model registry instead of the newest trained model.

    Returns
    -------
    StageResult
        `details`: `endpoint`, `model_name`, `model_uri`, `latency_ms`, `video_id`, `events` of the request;
        `version` of the registry if `approved`.

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
    name, uri = _named(settings, version.model_uri) if version else trained_model(settings)
    name, endpoint = _of_kind(name, kind), endpoint_name(kind)
    changed = bring_up(settings, name, uri, kind)
    smoke = _smoke_async(settings, endpoint) if kind == "async" else _smoke(settings, endpoint)
    details = {"endpoint": endpoint, "kind": kind, "model_name": name, "model_uri": uri, **smoke}
    if version:
        details["version"] = version.number
    what = f"version {version.number} ({name})" if version else name
    said = f"video {details['video_id']} answered in {details['latency_ms']:.0f} ms, {details['events']} events"
    if changed:
        return StageResult(STAGE, "done", f"Endpoint '{endpoint}' serves {what}: {said}.", details)
    return StageResult(STAGE, "unchanged", f"Endpoint '{endpoint}' serves {what} already: {said}.", details)


def deployed_model(settings: Settings) -> tuple[str, str]:
    """`trained_model`, made known to SageMaker if it is not."""
    name, uri = trained_model(settings)
    _make_known(settings, name, uri, "realtime")
    return name, uri


def _of_kind(name: str, kind: str) -> str:
    """Name of the SageMaker model, whose container has the limits of the kind."""
    return name if kind == "realtime" else f"{name}-{kind}"


def _make_known(settings: Settings, name: str, uri: str, kind: str) -> None:
    client = aws.client(settings, "sagemaker")
    if not _found(client.describe_model, ModelName=name):
        role = aws.stack_outputs(settings)["SageMakerRoleArn"]
        client.create_model(**model_request(settings, name, uri, role, kind))


def bring_up(settings: Settings, name: str, uri: str, kind: str = "realtime") -> bool:
    """Make the endpoint serve a model and wait until it does. False if it did already. Raises AwsError."""
    client, endpoint = aws.client(settings, "sagemaker"), endpoint_name(kind)
    _make_known(settings, name, uri, kind)
    if not _found(client.describe_endpoint_config, EndpointConfigName=name):
        client.create_endpoint_config(**config_request(settings, name, kind))
    changed = _bring_up(client, endpoint, name)
    if kind == "realtime":
        target, policy = scaling_requests(endpoint)
        scaling = aws.client(settings, "application-autoscaling")
        scaling.register_scalable_target(**target)
        scaling.put_scaling_policy(**policy)
    return changed


def take_down(client: Any, endpoint: str) -> None:
    """Delete an endpoint and wait until it has gone; one that comes up or changes is waited for before."""
    if _settled(client, endpoint) is not None:
        client.delete_endpoint(EndpointName=endpoint)
        _settled(client, endpoint, gone=True)


def trained_model(settings: Settings) -> tuple[str, str]:
    """(name, artefact URI) of the newest trained model.

    Raises DataError if no model has been trained, or its artefact has gone.
    """
    return _named(settings, (load_state(settings, "train").get("details") or {}).get("model_uri", ""))


def _named(settings: Settings, uri: str) -> tuple[str, str]:
    """(name, URI) of an artefact: the same bytes have the same name."""
    from botocore.exceptions import ClientError

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        etag = aws.client(settings, "s3").head_object(Bucket=bucket, Key=key)["ETag"] if uri else ""
    except ClientError:
        etag = ""
    if not etag:
        where = f"{uri} has gone" if uri else f"No trained model is in bucket '{settings.bucket}'"
        raise DataError(f"{where}: run `make train` first.")
    return f"etholake-{fingerprint(uri, etag)}", uri


# --- the requests: pure -------------------------------------------------------------------------------------
def endpoint_name(kind: str = "realtime") -> str:
    """Name of the endpoint of a kind."""
    name = str(job_settings()["hosting"]["endpoint"])
    return name if kind == "realtime" else f"{name}-{kind}"


def model_request(settings: Settings, name: str, uri: str, role: str, kind: str = "realtime") -> dict[str, Any]:
    """Arguments of CreateModel."""
    image = job_settings()["hosting"]["image"].format(region=settings.region, account=settings.account)
    return {
        "ModelName": name,
        "ExecutionRoleArn": role,
        "PrimaryContainer": {
            "Image": image,
            "ModelDataUrl": uri,
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py", **HOST_LIMITS[kind]},
        },
    }


def config_request(settings: Settings, name: str, kind: str = "realtime") -> dict[str, Any]:
    """Arguments of CreateEndpointConfig for the model of the same name."""
    hosting = job_settings()["hosting"]
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": name}
    request: dict[str, Any] = {"EndpointConfigName": name, "ProductionVariants": [variant]}
    if kind == "serverless":
        options = hosting["serverless"]
        variant["ServerlessConfig"] = {
            "MemorySizeInMB": options["memory_mb"], "MaxConcurrency": options["max_concurrency"]
        }  # fmt: skip
    else:
        variant |= {"InstanceType": settings.instance_type, "InitialInstanceCount": hosting["instances"]}
    if kind == "async":
        request["AsyncInferenceConfig"] = {
            "OutputConfig": {
                "S3OutputPath": settings.uri(MODEL_ZONE, "async", "answers"),
                "S3FailurePath": settings.uri(MODEL_ZONE, "async", "failures"),
            },
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": hosting["async"]["max_concurrency"]},
        }
    if kind == "realtime" and hosting["capture_percent"]:
        request["DataCaptureConfig"] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": hosting["capture_percent"],
            "DestinationS3Uri": settings.uri(*CAPTURED.split("/")),
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
        }
    return request


def deployment_config() -> dict[str, Any]:
    """``DeploymentConfig`` of an update: a canary where there are instances to share, else all at once."""
    hosting = job_settings()["hosting"]
    routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    if hosting["instances"] > 1:
        routing = {
            "Type": "CANARY",
            "WaitIntervalInSeconds": hosting["canary"]["wait_s"],
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": hosting["canary"]["percent"]},
        }
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 0}}


def scaling_requests(endpoint: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of RegisterScalableTarget and PutScalingPolicy. (The mock keeps them as state only.)"""
    options = job_settings()["hosting"]["autoscaling"]
    what = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/{VARIANT}",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    target = {**what, "MinCapacity": options["min_instances"], "MaxCapacity": options["max_instances"]}
    policy = {
        **what,
        "PolicyName": f"{endpoint}-invocations",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": float(options["invocations_per_minute"]),
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
            "ScaleInCooldown": options["cooldown_s"],
            "ScaleOutCooldown": options["cooldown_s"],
        },
    }
    return target, policy


# --- the endpoint -------------------------------------------------------------------------------------------
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
        client.update_endpoint(
            EndpointName=endpoint, EndpointConfigName=config, DeploymentConfig=deployment_config()
        )
    else:
        if now:  # failed: nothing to keep
            take_down(client, endpoint)
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


def _smoke_async(settings: Settings, endpoint: str) -> dict[str, Any]:
    """As `_smoke`, through S3."""
    video_id, body = _clip(settings)
    s3, name = aws.client(settings, "s3"), f"{video_id}-{time.time_ns()}"
    key = f"{MODEL_ZONE}/async/requests/{name}.parquet"
    s3.put_object(Bucket=settings.bucket, Key=key, Body=body)
    began = time.monotonic()
    queued = aws.client(settings, "sagemaker-runtime").invoke_endpoint_async(
        EndpointName=endpoint, ContentType=REQUEST_TYPE, Accept="application/json", InferenceId=name,
        InputLocation=f"s3://{settings.bucket}/{key}",
    )  # fmt: skip
    answer, pause = None, POLL_S
    while answer is None:
        for location in ("OutputLocation", "FailureLocation"):
            found = _read(s3, queued[location])
            if found is not None and location == "FailureLocation":
                raise AwsError(
                    f"Endpoint '{endpoint}' refused video {video_id}: {found.decode('utf-8', 'replace')}"
                )
            answer = found if found is not None else answer
        if answer is None and time.monotonic() - began > TIMEOUT_S:
            raise AwsError(f"Endpoint '{endpoint}' has not answered after {TIMEOUT_S / 60:.0f} min.")
        time.sleep(0 if answer is not None else pause)
        pause = min(pause * 1.3, POLL_MAX_S)
    latency = 1000 * (time.monotonic() - began)
    return {"video_id": video_id, "latency_ms": round(latency, 1), "events": len(json.loads(answer)["events"])}


def _read(s3: Any, uri: str) -> bytes | None:
    """An object, None if it is not there."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return None


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
