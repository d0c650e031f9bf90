"""Bring SageMaker endpoints up, change them and take them down, and wait until they have done it.

Model, endpoint configuration and endpoint are made where they are missing and replaced where the model changed.
The endpoint answers throughout an update.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from etholake import aws
from etholake.errors import AwsError
from etholake.settings import Settings
from etholake.stages.serving.endpoint_requests import (
    config_request,
    deployment_config,
    endpoint_name,
    log_group,
    model_request,
    scaling_requests,
)
from etholake.stages.serving.trained_model import trained_model
from etholake.stages.waiting import wait_for

__all__ = ["TIMEOUT_S", "bring_up", "create_trained_model", "take_down"]

TIMEOUT_S = 1800.0
POLL_MAX_S = 10.0
STABLE = frozenset({"InService", "Failed", "OutOfService"})
Description = dict[str, Any]


def create_trained_model(settings: Settings, checkpoint: str = "") -> tuple[str, str]:
    """Return what `trained_model` does, and create the SageMaker model if it is missing. Raises as it does."""
    name, uri = trained_model(settings, checkpoint)
    _create_model(settings, name, uri, "realtime")
    return name, uri


def bring_up(settings: Settings, name: str, uri: str, kind: str = "realtime") -> bool:
    """Make the endpoint serve a model and wait until it does. Return False if it did already.

    Raises AwsError, with the service's reason, if it cannot.
    """
    client, endpoint = aws.client(settings, "sagemaker"), endpoint_name(kind)
    _create_model(settings, name, uri, kind)
    if not _described(client.describe_endpoint_config, EndpointConfigName=name):
        client.create_endpoint_config(**config_request(settings, name, kind))
    changed = _update(client, endpoint, name)
    if kind == "realtime":
        target, policy = scaling_requests(endpoint)
        scaling = aws.client(settings, "application-autoscaling")
        scaling.register_scalable_target(**target)
        scaling.put_scaling_policy(**policy)
    return changed


def take_down(client: Any, endpoint: str) -> None:
    """Delete an endpoint and wait until it has gone; first, wait for one that is changing: AWS deletes none."""
    if _stable(client, endpoint) is not None:
        client.delete_endpoint(EndpointName=endpoint)
        wait_for(
            lambda: _described(client.describe_endpoint, EndpointName=endpoint),
            lambda description: description is None,
            f"The deletion of endpoint '{endpoint}'",
            timeout_s=TIMEOUT_S,
        )


def _create_model(settings: Settings, name: str, uri: str, kind: str) -> None:
    client = aws.client(settings, "sagemaker")
    if not _described(client.describe_model, ModelName=name):
        role = aws.stack_outputs(settings)["SageMakerRoleArn"]
        client.create_model(**model_request(settings, name, uri, role, kind))


def _update(client: Any, endpoint: str, config: str) -> bool:
    """Make the endpoint serve `config` and wait until it does. Return False if it did already."""
    before = _stable(client, endpoint)
    in_service = before is not None and before["EndpointStatus"] == "InService"
    if before and in_service and before["EndpointConfigName"] == config:
        return False
    if in_service:
        client.update_endpoint(
            EndpointName=endpoint, EndpointConfigName=config, DeploymentConfig=deployment_config()
        )
    else:
        if before:  # failed: nothing to keep
            take_down(client, endpoint)
        client.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    after = _stable(client, endpoint) or {}
    if after.get("EndpointStatus") != "InService" or after.get("FailureReason"):
        reason = after.get("FailureReason", "no reason was given")
        raise AwsError(
            f"Endpoint '{endpoint}' could not serve {config}: {reason}\n"
            f"Its log is in the CloudWatch group {log_group(endpoint)}."
        )
    return True


def _stable(client: Any, endpoint: str) -> Description | None:
    """Wait until the endpoint is neither coming up nor changing; return its description, None if there is none."""
    return wait_for(
        lambda: _described(client.describe_endpoint, EndpointName=endpoint),
        lambda description: description is None or description["EndpointStatus"] in STABLE,
        f"Endpoint '{endpoint}'",
        timeout_s=TIMEOUT_S,
        poll_max_s=POLL_MAX_S,
    )


def _described(describe: Callable[..., Description], **names: str) -> Description | None:
    """Return the answer of a describe call, None if the thing does not exist."""
    from botocore.exceptions import ClientError

    try:
        return describe(**names)
    except ClientError as err:
        if "Could not find" in err.response["Error"]["Message"]:
            return None
        raise
