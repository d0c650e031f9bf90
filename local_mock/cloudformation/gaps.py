"""Repairs outside CloudFormation that stacks need: an operation, numbers in conditions, log delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moto.cloudformation import parsing
from moto.core.responses import ActionResult, EmptyResult
from moto.s3.models import FakeBucket, S3Backend
from moto.s3.responses import S3Response
from moto.s3.utils import LOGGING_SERVICE_PRINCIPAL
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse

__all__ = ["install"]


def delete_model_package_group(self: Any) -> EmptyResult:
    """Delete a group (method of moto's `SageMakerResponse`); one that holds packages is refused, as by AWS."""
    backend, name = self.sagemaker_backend, self._get_param("ModelPackageGroupName")
    backend.describe_model_package_group(name)  # ValidationException if there is none
    if any(package.model_package_group_name == name for package in backend.model_packages.values()):
        raise ValidationError(f"Model package group {name} contains model packages and cannot be deleted.")
    del backend.model_package_groups[name]
    return EmptyResult()


def log_delivery_allowed(target_bucket: FakeBucket, target_prefix: str | None) -> bool:  # noqa: ARG001
    """Return whether a bucket's policy lets S3 write access logs; moto's fails on the principal "*"."""
    if not target_bucket.policy:
        return False
    arn = f"arn:{target_bucket.partition}:s3:::{target_bucket.name}"
    for statement in json.loads(target_bucket.policy.decode())["Statement"]:
        principal = statement.get("Principal")
        service = principal.get("Service") if isinstance(principal, Mapping) else None
        allowed = statement.get("Effect") == "Allow" and "s3:PutObject" in _list(statement.get("Action"))
        if allowed and LOGGING_SERVICE_PRINCIPAL in _list(service):
            return any(resource.startswith(arn) for resource in _list(statement.get("Resource")))
    return False


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _tell_event_bridge(response: Any) -> None:
    """Make moto's S3 say of a bucket that it sends its events to EventBridge."""
    get_bucket_notification = response.get_bucket_notification

    def get(self: Any) -> Any:
        configuration = self.backend.get_bucket_notification_configuration(self.bucket_name)
        if configuration is not None and configuration.event_bridge is not None:
            serialized = self.serialized
            self.serialized = lambda r: serialized(ActionResult({**r.result, "EventBridgeConfiguration": {}}))
        return get_bucket_notification(self)

    response.get_bucket_notification = get


def install() -> None:
    """Idempotent; an operation that another package brings is left as it is."""
    if not hasattr(SageMakerResponse, "delete_model_package_group"):
        SageMakerResponse.delete_model_package_group = delete_model_package_group
    # Access logs are a setting only: moto would log requests for settings and, objects being ours, none for those.
    S3Backend.log_incoming_request = lambda *_, **__: None
    FakeBucket._log_permissions_enabled_policy = staticmethod(log_delivery_allowed)
    parse_condition = parsing.parse_condition
    if getattr(parse_condition, "_of_local_mock", False):
        return

    def parse(condition: Any, resources: Any, conditions: Any) -> bool:
        """CloudFormation compares strings: a Number parameter of 0 equals "0"."""
        if isinstance(condition, Mapping) and "Fn::Equals" in condition:
            left, right = (parsing.clean_json(value, resources) for value in condition["Fn::Equals"])
            return _string(left) == _string(right)
        return bool(parse_condition(condition, resources, conditions))

    _tell_event_bridge(S3Response)
    parse._of_local_mock = True  # type: ignore[attr-defined]
    parsing.parse_condition = parse


def _string(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
