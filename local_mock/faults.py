"""Errors in the shape that AWS gives them, so that an SDK raises its own exception with our sentence.

`guard` wraps moto's application: an operation or a service that moto lacks answers 501 `NotImplemented`,
naming service and operation (501 is not retried by the SDKs); a request that moto cannot process answers 400
(`local_mock.unprocessable`), any other crash 500 `InternalFailure` with its message instead of an HTML page. The
traceback of both goes to the server's log. A full disk is 507 `InsufficientStorage`.
"""

from __future__ import annotations

import binascii
import functools
import http.client
import json
import logging
import re
import sys
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs
from xml.parsers import expat
from xml.sax.saxutils import escape

from local_mock import disk, unprocessable
from local_mock.documents import RefusedError
from local_mock.http import WsgiApp

__all__ = [
    "action_of", "answer", "guard", "input_shape", "operation_of", "peek_body", "peek_form", "protocol_of",
    "service_of", "signer_of",
]  # fmt: skip

_log = logging.getLogger("local_mock.faults")
_LARGEST_FORM = 10 << 20  # bytes; a larger form is refused before it is read (`local_mock.payloads`)
_SCOPE = re.compile(r"Credential=[^/,\s]+/\d+/([^/]+)/([^/]+)/aws4_request")
# Signing name -> botocore's service name where they differ (of the services that we answer for).
_BOTO_NAMES = {
    "monitoring": "cloudwatch", "states": "stepfunctions", "email": "ses", "tagging": "resourcegroupstaggingapi",
}  # fmt: skip


def service_of(environ: dict[str, Any]) -> str | None:
    """Return Botocore's name of the service that a request is signed for; None if it is not signed (version 4)."""
    header = environ.get("HTTP_AUTHORIZATION", "")
    scope = _SCOPE.search(header)
    if scope:
        name = str(scope.group(2))
    elif credential := parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential"):
        name = credential[0].split("/")[-2] if credential[0].count("/") >= 4 else ""
    else:
        return None
    name = str(name).lower()
    if not name:
        return None
    if name == "sagemaker" and environ.get("PATH_INFO", "").startswith("/endpoints/"):
        return "sagemaker-runtime"
    return str(_BOTO_NAMES.get(name, name))


def operation_of(environ: dict[str, Any], service: str | None, form: str = "") -> str | None:
    """Return the camelCase name of the operation that a request asks for; None if it cannot be told."""
    return action_of(environ, form) or (_operation_by_path(environ, service) if service else None)


def action_of(environ: dict[str, Any], form: str = "") -> str | None:
    """Return the operation that a request names (JSON and query protocols); None for REST."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return str(target).rpartition(".")[2]
    action = parse_qs(form or environ.get("QUERY_STRING", "")).get("Action")
    return str(action[0]) if action else None


def _operation_by_path(environ: dict[str, Any], service: str) -> str | None:
    """Return the REST operation whose method and URI template fit best (most literal characters)."""
    model = _service_model(service)
    if model is None:
        return None
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/").rstrip("/") or "/"
    sent = set(parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    best: tuple[int, str] | None = None
    for name in model.operation_names:
        http = model.operation_model(name).http
        template, _, query = http.get("requestUri", "/").partition("?")
        wanted = {item.partition("=")[0] for item in query.split("&") if item}
        pattern = "".join(
            (".+" if "+" in piece else "[^/]+") if piece.startswith("{") else re.escape(piece)
            for piece in re.split(r"(\{[^}]*\})", template.rstrip("/") or "/")
        )
        if http.get("method") == method and wanted <= sent and re.fullmatch(pattern, path):
            literal = len(re.sub(r"\{[^}]*\}", "", template)) + 100 * len(wanted)
            best = max(best or (-1, ""), (literal, name))
    return best[1] if best else None


@functools.lru_cache(maxsize=64)
def _service_model(service: str) -> Any:
    """Return the description of a service; None if there is none.

    It is the one that moto has in memory, once moto is there: importing moto here, beside the thread that imports
    it at start, would find it half made.
    """
    import botocore.session
    from botocore.exceptions import UnknownServiceError

    load = getattr(sys.modules.get("moto.core.utils"), "get_service_model", None)
    try:
        return (load or botocore.session.get_session().get_service_model)(service)
    except UnknownServiceError:
        return None


def protocol_of(service: str | None) -> str | None:
    """Return the protocol of a service: `json`, `query`, `rest-json`, `rest-xml` or `ec2`; None if unknown."""
    model = _service_model(service) if service else None
    return str(model.metadata.get("protocol", "json")) if model else None


def input_shape(service: str | None, operation: str | None) -> Any:
    """Return Botocore's shape of an operation's request, None if there is none."""
    model = _service_model(service) if service else None
    if model is None or operation not in model.operation_names:
        return None
    return model.operation_model(operation).input_shape


def answer(service: str | None, status: int, code: str, message: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return (status line, headers, body) of an error in the protocol of `service` (JSON if unknown)."""
    model = _service_model(service) if service else None
    protocol = model.metadata.get("protocol", "json") if model else "json"
    request = str(uuid.uuid4())
    sender = "Receiver" if status == 500 else "Sender"
    inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if service == "s3":
        body, kind = f"<Error>{inner}<RequestId>{request}</RequestId></Error>", "application/xml"
    elif protocol in ("query", "rest-xml"):
        body = (
            f"<ErrorResponse><Error><Type>{sender}</Type>{inner}</Error>"
            f"<RequestId>{request}</RequestId></ErrorResponse>"
        )
        kind = "text/xml"
    elif protocol == "ec2":
        body = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{request}</RequestID></Response>"
        kind = "text/xml"
    else:
        body, kind = (
            json.dumps({"__type": code, "message": message, "Message": message}),
            "application/x-amz-json-1.1",
        )
    if kind.endswith("xml"):
        body = '<?xml version="1.0" encoding="UTF-8"?>\n' + body
    data = body.encode()
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(data))),
        ("x-amzn-RequestId", request),
        ("x-amzn-ErrorType", code),
    ]
    return f"{status} {http.client.responses.get(status, 'Error')}", headers, data


# What parsers of the standard library raise on a text that they cannot read; a fault of moto is another error.
_UNREADABLE = (json.JSONDecodeError, RecursionError, UnicodeError, binascii.Error, RefusedError, expat.ExpatError)


def guard(app: WsgiApp, knows_service: Callable[[str], bool]) -> WsgiApp:
    """Wrap moto's application; `knows_service` tells whether moto has a service (by botocore's name)."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        service = service_of(environ)
        form = peek_form(environ)

        def absent() -> Iterable[bytes]:
            operation = operation_of(environ, service, form)
            what = f"{service or 'this service'}:{operation or environ.get('PATH_INFO')}"
            message = f"local_mock does not implement {what}. See local_mock/COVERAGE.md for what it does."
            status, headers, body = answer(service, 501, "NotImplemented", message)
            start_response(status, headers)
            return [body]

        if service and not knows_service(service):
            return absent()
        try:
            head, chunks = _call(app, environ)
        except NotImplementedError:
            return absent()
        except _UNREADABLE as err:  # a text within the request, which moto takes apart by itself
            _log.info("%s %s is unreadable: %s", environ["REQUEST_METHOD"], environ.get("PATH_INFO"), err)
            message = f"The request has a text that cannot be read: {type(err).__name__}: {str(err)[:200]}."
            status, headers, body = answer(service, 400, "SerializationException", message)
            start_response(status, headers)
            return [body]
        except Exception as err:
            _log.exception("%s %s failed", environ["REQUEST_METHOD"], environ.get("PATH_INFO"))
            operation = f"{service}:{operation_of(environ, service, form)}"
            message = f"local_mock failed in {operation}: {type(err).__name__}: {err} (see its log)."
            number, code = 500, "InternalFailure"
            if disk.is_full(err):
                number, code = disk.STATUS, disk.CODE
            elif unprocessable.is_fault_of_request(err):
                number, code = 400, unprocessable.code_of(_service_model(service) if service else None, err)
                message = unprocessable.sentence(operation, err)
            status, headers, body = answer(service, number, code, message)
            start_response(status, headers)
            return [body]
        if service and _is_routing_miss(head, chunks):
            return absent()
        start_response(*head)
        return chunks

    return guarded


def _call(app: WsgiApp, environ: dict[str, Any]) -> tuple[tuple[str, list[tuple[str, str]]], list[bytes]]:
    """Run a WSGI application to its end (moto has the whole body in memory anyway)."""
    head: list[Any] = []
    late: list[bytes] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:  # noqa: ARG001
        head[:] = [status, headers]
        return late.append

    result = app(environ, start)
    try:
        chunks = list(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    return (head[0], head[1]), late + chunks


def _is_routing_miss(head: tuple[str, list[tuple[str, str]]], chunks: list[bytes]) -> bool:
    """Return whether moto had no handler for the URL: Flask's HTML page, or its own empty 404."""
    if not head[0].startswith(("404", "405")):
        return False
    body = b"".join(chunks)
    return not body or b"<title>404 Not Found</title>" in body or b"<title>405 " in body


def signer_of(environ: dict[str, Any]) -> tuple[str, str]:
    """Return (access key, region) of a request that is signed in its header; '' for what it does not name."""
    key, *scope = str(environ.get("HTTP_AUTHORIZATION", "")).partition("Credential=")[2].split("/")
    return key, scope[1] if len(scope) > 1 else ""


def peek_body(environ: dict[str, Any]) -> bytes:
    """Return the body of a request that was bounded before, put back for the application."""
    import io

    body: bytes = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def peek_form(environ: dict[str, Any]) -> str:
    """Return the body of a form request (query protocol), put back for the application; '' otherwise."""
    import io

    length = int(environ.get("CONTENT_LENGTH") or 0)
    is_form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    if not is_form or not 0 < length <= _LARGEST_FORM:
        return ""
    data = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(data)
    return str(data.decode("utf-8", "replace"))
