"""Build the requests that make models and endpoints of SageMaker; only the names of images ask for the account."""

from __future__ import annotations

from typing import Any

from etholake.contract import MODEL_ZONE
from etholake.settings import Settings
from etholake.stages.job_settings import image_uri, job_settings

__all__ = [
    "CAPTURED", "KINDS", "VARIANT", "config_request", "deployment_config", "endpoint_name", "log_group",
    "model_request", "scaling_requests",
]  # fmt: skip

VARIANT = "AllTraffic"
KINDS = ("realtime", "serverless", "async")
CAPTURED = f"{MODEL_ZONE}/captured"  # prefix of the requests and answers that an endpoint keeps
# Limits of our host by kind: those of the service, which AWS does not tell the container.
HOST_LIMITS = {
    "realtime": {"SERVE_MAX_PAYLOAD_MB": "6", "SERVE_TIMEOUT_S": "60"},
    "serverless": {"SERVE_MAX_PAYLOAD_MB": "4", "SERVE_TIMEOUT_S": "60"},
    "async": {"SERVE_MAX_PAYLOAD_MB": "1024", "SERVE_TIMEOUT_S": "3600"},
}


def endpoint_name(kind: str = "realtime") -> str:
    """Return the name of the endpoint of a kind: realtime, serverless or async."""
    name = str(job_settings()["hosting"]["endpoint"])
    return name if kind == "realtime" else f"{name}-{kind}"


def log_group(endpoint: str) -> str:
    """Return the CloudWatch log group of an endpoint."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


def model_request(settings: Settings, name: str, uri: str, role: str, kind: str = "realtime") -> dict[str, Any]:
    """Return the arguments of CreateModel."""
    return {
        "ModelName": name,
        "ExecutionRoleArn": role,
        "PrimaryContainer": {
            "Image": image_uri(settings, "hosting"),
            "ModelDataUrl": uri,
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SERVE_PROCESSES": str(job_settings()["hosting"]["processes"]),
                **HOST_LIMITS[kind],
            },
        },
    }


def config_request(settings: Settings, name: str, kind: str = "realtime") -> dict[str, Any]:
    """Return the arguments of CreateEndpointConfig for the model of the same name."""
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
    """Return the ``DeploymentConfig`` of an update: a canary if there are several instances, else all at once."""
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
    """Return the arguments of RegisterScalableTarget and PutScalingPolicy; the mock keeps them as state only."""
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
