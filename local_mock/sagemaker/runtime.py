"""InvokeEndpoint and InvokeEndpointAsync: the request to the endpoint's host, its answer back; AWS's errors."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import unquote

from moto.sagemaker.models import sagemaker_backends

from local_mock.errors import DataError
from local_mock.keys import split_uri
from local_mock.sagemaker.capture import Exchange
from local_mock.sagemaker.endpoints import BusyError, EndpointRun
from local_mock.sagemaker.models import Endpoint

__all__ = ["invoke_endpoint", "invoke_endpoint_async"]

TIMEOUT_S = 60.0  # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
SERVERLESS_MB = 4  # https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
_Response = tuple[int, dict[str, Any], bytes]


def invoke_endpoint(self: Any) -> _Response:
    """Answer a request (method of moto's `SageMakerRuntimeResponse`) with the container's response."""
    name, run = _find(self)
    if not isinstance(run, EndpointRun):
        return run
    body = self.raw_body if isinstance(self.raw_body, bytes) else str(self.raw_body).encode()
    refused = _refusal(name, run, body)
    return refused or _ask(self, name, run, body)


def _refusal(name: str, run: EndpointRun, body: bytes) -> _Response | None:
    """Return the response with which the service itself refuses a request."""
    if run.queue is not None:
        return _error(400, "ValidationError", f"Endpoint {name} is asynchronous: ask it by InvokeEndpointAsync.")
    if run.serverless and len(body) > SERVERLESS_MB << 20:
        return _error(
            413, "ValidationError",
            f"The request is longer than the {SERVERLESS_MB} MB of a serverless endpoint: ask an endpoint on "
            "instances, or use a batch transform for long videos.",
        )  # fmt: skip
    return None


def _ask(self: Any, name: str, run: EndpointRun, body: bytes) -> _Response:
    content_type, accept = self.headers.get("Content-Type", ""), self.headers.get("Accept", "")
    attributes = self.headers.get(_ATTRIBUTES)
    sent = {_ATTRIBUTES: attributes} if attributes else {}
    try:
        with run.host() as acquired:
            if acquired is None:
                return _not_in_service(self, name)
            host, variant = acquired
            answer = host.post(body, content_type, accept, sent, TIMEOUT_S)
    except BusyError as err:
        return _error(429, "ThrottlingException", str(err))
    except OSError as err:
        return _model_error(name, variant, 503, f"The model's server could not be reached: {err}")
    if answer.status != 200:
        return _model_error(name, variant, answer.status, answer.body.decode("utf-8", "replace"))
    kind = answer.headers.get("content-type", "application/octet-stream")
    if run.capture:
        inference = self.headers.get(_INFERENCE_ID, "")
        run.capture.write(Exchange(variant, content_type, body, kind, answer.body, inference))
    headers = {"status": 200, "Content-Type": kind, "x-Amzn-Invoked-Production-Variant": variant}
    if _ATTRIBUTES in answer.headers:
        headers["X-Amzn-SageMaker-Custom-Attributes"] = answer.headers[_ATTRIBUTES]
    return 200, headers, answer.body


def invoke_endpoint_async(self: Any) -> _Response:
    """Queue a request whose body lies in S3 (method of moto's `SageMakerRuntimeResponse`)."""
    name, run = _find(self)
    if not isinstance(run, EndpointRun):
        return run
    queue = run.queue
    if queue is None:
        return _error(400, "ValidationError", f"Endpoint {name} is not asynchronous: ask it by InvokeEndpoint.")
    location = self.headers.get("X-Amzn-SageMaker-InputLocation", "")
    try:
        split_uri(location)
    except DataError as err:
        return _error(400, "ValidationError", f"InputLocation: {err}")
    seconds = self.headers.get("X-Amzn-SageMaker-InvocationTimeoutSeconds")
    answer, error = queue.put(
        location,
        self.headers.get("X-Amzn-SageMaker-Content-Type", ""),
        self.headers.get("X-Amzn-SageMaker-Accept", ""),
        float(seconds) if seconds else None,
    )
    inference = self.headers.get(_INFERENCE_ID) or str(uuid.uuid4())
    headers = {
        "status": 202,
        "Content-Type": "application/json",
        "X-Amzn-SageMaker-OutputLocation": answer,
        "X-Amzn-SageMaker-FailureLocation": error,
    }
    return 202, headers, json.dumps({"InferenceId": inference}).encode()


def _find(response: Any) -> tuple[str, EndpointRun | _Response]:
    """Return (name, what runs behind the endpoint, or the error to answer)."""
    name = unquote(response.path.split("/")[2])
    endpoint = sagemaker_backends[response.current_account][response.region].endpoints.get(name)
    if endpoint is None:
        account = response.current_account
        return name, _error(400, "ValidationError", f"Endpoint {name} of account {account} not found.")
    if not isinstance(endpoint, Endpoint) or endpoint.runner is None:
        return name, _not_in_service(response, name)
    return name, endpoint.runner


def _not_in_service(response: Any, name: str) -> _Response:
    endpoint = sagemaker_backends[response.current_account][response.region].endpoints[name]
    return _error(400, "ValidationError", f"Endpoint {name} is not in service: it is {endpoint.endpoint_status}.")


def _model_error(name: str, variant: str, status: int, original: str) -> _Response:
    """Return the response ModelError (424).

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
    """
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
