"""Uploads by an HTML form (POST Object): the form taken apart, its policy held, the file stored as by PutObject.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html. A form without a policy is refused, as
it is on AWS in every bucket that is not public. The policy itself is in `local_mock.s3.post_policy`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from xml.sax.saxutils import escape

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from local_mock.s3.errors import S3Error
from local_mock.s3.post_policy import PostPolicy
from local_mock.s3.request import Answer, Request, error_answer, xml_answer

__all__ = ["refuse_in_moto", "upload"]

_BLOCK = 64 << 10
_FIELDS_BYTES = 20 << 10  # S3's limit on all that is not the file
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADERS = (
    "cache-control", "content-type", "content-disposition", "content-encoding", "content-language", "expires",
)  # fmt: skip


def upload(request: Request, put: Callable[[Request], Answer]) -> Answer:
    """Store the file of a form by `put` (PutObject) and answer as the form asks.

    Raises
    ------
    S3Error : the form is malformed, it has no valid policy, or its fields or its file break the policy.
    """
    fields, filename, blocks = _parts(request)
    if not fields.get("key"):
        raise S3Error(
            "InvalidArgument",
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the "
            "fields.",
        )
    fields = {name: value.replace("${filename}", filename) for name, value in fields.items()}
    policy = PostPolicy.of(fields)
    policy.check(fields | {"bucket": request.bucket})
    _check_values(fields)
    stored = put(_as_put(request, fields, _Bounded(blocks, policy)))
    request.key = fields["key"]
    return _answer(request, fields, stored)


def refuse_in_moto() -> None:
    """Take moto's own form upload away, which asks for no policy: all forms come to `upload`."""
    from moto.s3.responses import S3Response

    def refused(self: Any, request: Any, bucket_name: str) -> tuple[int, dict[str, str], str]:  # noqa: ARG001
        err = S3Error("AccessDenied", "Access Denied: this POST is neither signed nor a form upload.")
        answer = error_answer(err, f"/{bucket_name}")
        return err.status, answer.headers, b"".join(answer.body).decode()

    S3Response._bucket_response_post = refused


def _parts(request: Request) -> tuple[dict[str, str], str, Iterator[bytes]]:
    """Return the fields before the file (names in lower case), the file's name, and its content in blocks."""
    kind, options = parse_options_header(request.header("content-type"))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise S3Error("PreconditionFailed", "Bucket POST must be of the enclosure-type multipart/form-data.")
    decoder = MultipartDecoder(options["boundary"].encode("latin-1", "replace"), 4 * _BLOCK)
    events = _events(decoder, request)
    fields: dict[str, str] = {}
    total, name, value = 0, "", b""
    for event in events:
        if isinstance(event, File | Field):
            name, value = (event.name or "").lower(), b""
            if name == "file":
                # S3 takes of a path what follows its last slash, of either kind.
                filename = re.split(r"[\\/]", getattr(event, "filename", "") or "")[-1]
                return fields, filename, _content(events)
        elif isinstance(event, Data):
            value += event.data
            total += len(event.data)
            if total > _FIELDS_BYTES:
                raise S3Error(
                    "MaxPostPreDataLengthExceededError", "Your POST fields before the file were too large."
                )
            if not event.more_data:
                fields[name] = value.decode("utf-8", "replace")
    raise S3Error("InvalidArgument", "POST requires exactly one file upload per request.")


def _events(decoder: MultipartDecoder, request: Request) -> Iterator[Any]:
    """Yield the parts as they arrive. Raises S3Error MalformedPOSTRequest."""
    stream, left = request.environ["wsgi.input"], request.length
    try:
        while True:
            while not isinstance(event := decoder.next_event(), NeedData):
                yield event
                if isinstance(event, Epilogue):
                    return
            block = stream.read(_BLOCK if left is None else min(_BLOCK, left))
            if left is not None:
                left -= len(block)
            decoder.receive_data(block or None)
    except (ValueError, RequestEntityTooLarge) as err:
        message = f"The body of your POST request is not well-formed multipart/form-data: {err}."
        raise S3Error("MalformedPOSTRequest", message) from err


def _content(events: Iterator[Any]) -> Iterator[bytes]:
    for event in events:
        if isinstance(event, Data):
            yield event.data
            if not event.more_data:
                return
    raise S3Error("MalformedPOSTRequest", "The body of your POST request ended within the file.")


class _Bounded(io.RawIOBase):
    """The file as a stream that breaks off when it is longer or shorter than the policy allows."""

    def __init__(self, blocks: Iterator[bytes], policy: PostPolicy) -> None:
        super().__init__()
        self._blocks, self._policy, self._rest, self._size = blocks, policy, b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                self._policy.check_size(self._size, ended=True)
                return 0
            self._size += len(block)
            self._policy.check_size(self._size, ended=False)
            self._rest = block
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def _check_values(fields: dict[str, str]) -> None:
    """Refuse values that would end a header's line, and redirects to something that is no web address."""
    for name, value in fields.items():
        if (name in _HEADERS or name.startswith(("x-amz-", "success_action", "redirect"))) and (
            _CONTROL.search(value) and name != "tagging"
        ):
            raise S3Error("InvalidArgument", f"The field '{name}' must not contain control characters.")
    if (status := fields.get("success_action_status")) and status not in ("200", "201", "204"):
        del fields["success_action_status"]  # as S3: any other value is as none


def _as_put(request: Request, fields: dict[str, str], content: io.RawIOBase) -> Request:
    """Return the PutObject that the form stands for."""
    names = [n for n in fields if n in _HEADERS or n.startswith(("x-amz-meta-", "x-amz-server-side-encryption"))]
    names += [name for name in ("x-amz-storage-class",) if name in fields]
    headers = {
        name: fields[name].encode("utf-8", "replace").decode("latin-1") for name in names
    }  # as WSGI has them
    environ = {
        "REQUEST_METHOD": "PUT",
        "RAW_URI": "/" + quote(request.bucket) + "/" + quote(fields["key"], safe="/-_.~"),
        "HTTP_HOST": "127.0.0.1",
        "wsgi.input": io.BufferedReader(content, _BLOCK),
        "wsgi.input_terminated": True,
        "local_mock.headers": headers,
        **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()},
    }
    return Request(environ)


def _answer(request: Request, fields: dict[str, str], stored: Answer) -> Answer:
    etag = stored.headers.get("ETag", "")
    host = request.environ.get("HTTP_HOST", "")
    location = f"http://{host}/{quote(request.bucket)}/{quote(request.key, safe='/-_.~')}"
    headers = {name: value for name, value in stored.headers.items() if name.lower() != "content-length"}
    redirect = fields.get("success_action_redirect") or fields.get("redirect") or ""
    if redirect and urlsplit(redirect).scheme in ("http", "https"):
        query = urlencode({"bucket": request.bucket, "key": request.key, "etag": etag})
        joint = "&" if urlsplit(redirect).query else "?"
        return Answer(303, headers | {"Location": quote(redirect, safe=":/?#[]@!$&'()*+,;=%-_.~") + joint + query})
    status = int(fields.get("success_action_status") or 204)
    headers["Location"] = location
    if status != 201:
        return Answer(status, headers)
    inner = f"<Location>{escape(location)}</Location><Bucket>{escape(request.bucket)}</Bucket>"
    inner += f"<Key>{escape(request.key)}</Key><ETag>{escape(etag)}</ETag>"
    answer = xml_answer("PostResponse", inner, 201)
    answer.headers = headers | answer.headers
    return answer
