"""InvokeEndpoint: the request's bytes to the endpoint's host, its answer back; errors in AWS's shape."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from moto.sagemaker.models import sagemaker_backends

from local_mock.sagemaker.models import Endpoint

__all__ = ["invoke_endpoint"]

TIMEOUT_S = 60.0  # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_Response = tuple[int, dict[str, Any], bytes]


def invoke_endpoint(self: Any) -> _Response:
    """Method of moto's `SageMakerRuntimeResponse`: pass body, content type, accept and custom attributes."""
    name = unquote(self.path.split("/")[2])
    endpoint = sagemaker_backends[self.current_account][self.region].endpoints.get(name)
    if endpoint is None:
        return _error(400, "ValidationError", f"Endpoint {name} of account {self.current_account} not found.")
    host = endpoint.runner.host if isinstance(endpoint, Endpoint) else None
    if host is None:
        return _error(
            400, "ValidationError", f"Endpoint {name} is not in service: it is {endpoint.endpoint_status}."
        )
    variant = endpoint.production_variants[0]["VariantName"]
    accept = self.headers.get("Accept", "")
    attributes = self.headers.get(_ATTRIBUTES)
    sent = {_ATTRIBUTES: attributes} if attributes else {}
    body = self.raw_body if isinstance(self.raw_body, bytes) else str(self.raw_body).encode()
    try:
        answer = host.post(body, self.headers.get("Content-Type", ""), accept, sent, TIMEOUT_S)
    except OSError as err:
        return _model_error(name, variant, 503, f"The model's server could not be reached: {err}")
    if answer.status != 200:
        return _model_error(name, variant, answer.status, answer.body.decode("utf-8", "replace"))
    headers = {
        "status": 200,
        "Content-Type": answer.headers.get("content-type", "application/octet-stream"),
        "x-Amzn-Invoked-Production-Variant": variant,
    }
    if _ATTRIBUTES in answer.headers:
        headers["X-Amzn-SageMaker-Custom-Attributes"] = answer.headers[_ATTRIBUTES]
    return 200, headers, answer.body


def _model_error(name: str, variant: str, status: int, original: str) -> _Response:
    """ModelError, 424: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html"""
    side = "client" if status < 500 else "server"
    message = (
        f'Received {side} error ({status}) from {variant} with message "{original}". '
        f"See the log group /aws/sagemaker/Endpoints/{name} for more information."
    )
    return _error(424, "ModelError", message, OriginalStatusCode=status, OriginalMessage=original)


def _error(status: int, code: str, message: str, **members: Any) -> _Response:
    body = json.dumps(
        {"Code": code, "ErrorCode": code, "Message": message, "message": message, **members}
    ).encode()
    headers = {"status": status, "Content-Type": "application/json", "x-amzn-ErrorType": code}
    return status, headers, body
