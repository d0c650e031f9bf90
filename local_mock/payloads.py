"""Bodies of requests before moto reads them: bounded in size, well-formed, and of the types that the API names.

moto reads a body whole, parses JSON to any depth and takes a list where a text should be, which ends in a crash
(500). AWS refuses such requests with 413, SerializationException or MalformedXML; so does `checked`. S3's objects
do not pass here, they stream to files.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local_mock import faults
from local_mock.documents import RefusedError, load_json, require_plain_xml
from local_mock.http import WsgiApp

__all__ = ["TooLargeError", "checked", "missing_problem", "read_bounded", "type_problem"]

_LARGEST = 100 << 20  # the largest that an API of AWS takes in one request, Lambda's and ECR's packages
_LARGEST_DOCUMENT = 10 << 20  # JSON, forms and XML of an API: AWS's limits are from 256 KB to 6 MB
_PAYLOADS = frozenset({"sagemaker-runtime", "bedrock-runtime", "lambda", "s3"})  # their bodies are the user's own
_RANGES = {"integer": 2**31, "long": 2**63, "timestamp": 253_402_300_800}  # the last: the year 10000, in seconds
_NUMBERS = frozenset({"integer", "long", "float", "double", "timestamp"})
_KINDS: Mapping[str, Any] = {
    "structure": dict, "map": dict, "list": list, "string": str, "blob": str, "boolean": bool,
    "timestamp": int | float | str, "integer": int | float, "long": int | float, "float": int | float | str,
    "double": int | float | str,
}  # fmt: skip
_BLOCK = 1 << 20


class TooLargeError(Exception):
    """A body is larger than what is taken."""


def read_bounded(environ: Mapping[str, Any], limit: int) -> bytes:
    """Return the body of a WSGI request, which is put back by the caller.

    Raises
    ------
    TooLargeError : it is larger than `limit` bytes.
    RefusedError : its chunks are malformed.
    """
    stream = environ["wsgi.input"]
    length = None if environ.get("wsgi.input_terminated") else int(environ.get("CONTENT_LENGTH") or 0)
    if length is not None and length > limit:
        raise TooLargeError
    blocks, left = [], limit + 1 if length is None else length
    try:
        while left > 0 and (block := stream.read(min(_BLOCK, left))):
            blocks.append(block)
            left -= len(block)
    except ConnectionError:
        raise
    except (OSError, ValueError) as err:
        raise RefusedError(f"The chunks of the request's body are malformed: {err}.") from err
    if length is None and left <= 0:
        raise TooLargeError
    return b"".join(blocks)


def checked(app: WsgiApp) -> WsgiApp:
    """Wrap moto's application: what it could not read is refused in the shape of its service."""

    def check(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        service = faults.service_of(environ)
        is_payload = service in _PAYLOADS
        limit = _LARGEST if is_payload or not _is_document(environ) else _LARGEST_DOCUMENT

        def refuse(status: int, code: str, message: str) -> Iterable[bytes]:
            line, headers, body = faults.answer(service, status, code, message)
            start_response(line, headers)
            return [body]

        if service is None and environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4"):
            message = "The authorization header is malformed: expected Credential=<key>/<date>/<region>/<service>"
            return refuse(400, "IncompleteSignature", message)
        try:
            body = read_bounded(environ, limit)
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            environ.pop("wsgi.input_terminated", None)
            wrong, missing = (None, None) if is_payload else _problems(environ, service, body)
        except TooLargeError:
            return refuse(413, "RequestEntityTooLarge", f"The body of the request is larger than {limit:,} bytes.")
        except RefusedError as err:
            is_xml = faults.protocol_of(service) == "rest-xml"
            return refuse(400, "MalformedXML" if is_xml else "SerializationException", str(err))
        if wrong or missing:
            return refuse(
                400, "SerializationException" if wrong else "ValidationException", wrong or missing or ""
            )
        return app(environ, start_response)

    return check


def _is_document(environ: Mapping[str, Any]) -> bool:
    kind = environ.get("CONTENT_TYPE", "")
    return "json" in kind or "xml" in kind or "form-urlencoded" in kind


def _problems(environ: dict[str, Any], service: str | None, body: bytes) -> tuple[str | None, str | None]:
    """Return what is wrong with the types of a request, and what it lacks. Raises RefusedError if unreadable."""
    protocol = faults.protocol_of(service)
    if protocol == "rest-xml" and body:
        require_plain_xml(body)
    elif protocol == "rest-json" and body and "json" in environ.get("CONTENT_TYPE", ""):
        load_json(body)
    elif protocol == "json":
        value = load_json(body or b"{}")
        shape = faults.input_shape(service, faults.action_of(environ))
        if shape is not None:
            wrong = type_problem(shape, value)
            return wrong, None if wrong else missing_problem(shape, value)
    return None, None


def type_problem(shape: Any, value: Any, path: str = "") -> str | None:
    """Return what does not fit a shape of botocore's in a value out of JSON, with its path; None if all fits.

    Checked are kinds (object, list, text, number, truth value) and the ranges of whole numbers, as AWS's services
    check them before they look at a request; unknown members are let through.
    """
    if (value is None and path and not path.endswith("]")) or getattr(shape, "is_document_type", False):
        return None
    kind, where = shape.type_name, path.lstrip(".") or "the request"
    wanted = _KINDS.get(kind, object)
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind in _NUMBERS):
        return f"{where} must be of type {kind}, but is {_name(value)}."
    limit = _RANGES.get(kind)
    if limit and not isinstance(value, str) and not -limit <= value < limit:
        return f"{where} is {str(value)[:40]}, which is out of the range of type {kind}."
    return next((problem for part in _parts(shape, value, path) if (problem := type_problem(*part))), None)


def missing_problem(shape: Any, value: Any, path: str = "") -> str | None:
    """Return the first member that must be there and is not, in a value of the right types; None if none lacks."""
    if value is None or getattr(shape, "is_document_type", False):
        return None
    if shape.type_name == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                where = f"{path}.{name}".lstrip(".")
                return (
                    f"1 validation error detected: Value null at '{where}' failed to satisfy constraint: "
                    "Member must not be null"
                )
    return next((problem for part in _parts(shape, value, path) if (problem := missing_problem(*part))), None)


def _parts(shape: Any, value: Any, path: str) -> Iterable[tuple[Any, Any, str]]:
    """Yield (shape, value, path) of what a structure, map or list holds."""
    if shape.type_name == "list":
        return ((shape.member, item, f"{path}[{n}]") for n, item in enumerate(value))
    if shape.type_name == "map":
        return ((shape.value, item, f"{path}.{name}") for name, item in value.items())
    if shape.type_name != "structure":
        return ()
    members = shape.members
    return ((members[name], item, f"{path}.{name}") for name, item in value.items() if name in members)


def _name(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
