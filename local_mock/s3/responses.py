"""S3 over HTTP: which request is ours, which operation it is, and errors as S3 writes them.

Objects, lists and uploads are answered here, from the plain files; the settings of a bucket (policy,
versioning, life cycle, …) by moto's own S3, which `local_mock.s3.models` has pointed at the same folders.
"""

from __future__ import annotations

import http.client
import io
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from local_mock import faults
from local_mock.context import ACCOUNT, Context
from local_mock.documents import RefusedError, load_json, require_plain_xml
from local_mock.framing import MalformedBodyError
from local_mock.http import WsgiApp
from local_mock.payloads import TooLargeError, read_bounded
from local_mock.s3 import ABSENT, forms
from local_mock.s3.addressing import in_path_style
from local_mock.s3.buckets import Buckets
from local_mock.s3.errors import S3Error
from local_mock.s3.objects import Objects
from local_mock.s3.parts import Parts
from local_mock.s3.request import Answer, Request, error_answer
from local_mock.s3.signatures import check_presigned
from local_mock.s3.store import Store, store_of
from local_mock.s3.subresources import Subresources
from local_mock.s3.uploads import Uploads
from local_mock.s3.versions import Versions

__all__ = ["S3Application"]

_log = logging.getLogger("local_mock.s3")
_Operation = Callable[[Request], Answer]
# Subresources of a key that nothing here answers; moto would do it on objects that are not there.
_ABSENT_PARTS = ("torrent", "select", "renameObject", "encryption")

# Called with (bucket, key) when an object has been written: `local_mock.events` listens.
CREATED: list[Callable[[str, str], None]] = []
_CREATES = frozenset({"put", "copy", "complete_upload", "_upload_form"})


class S3Application:
    """The WSGI application of S3; what it does not answer itself goes to `moto`."""

    def __init__(self, context: Context, moto: WsgiApp, store: Store | None = None) -> None:
        self._store, self._wait = store or store_of(context), getattr(moto, "wait", lambda: None)
        self._moto, self._port = moto, context.port
        versions = Versions(self._store)
        self._buckets, self._objects = Buckets(versions), Objects(versions)
        self._parts, self._subresources = Parts(Uploads(versions)), Subresources(versions)

    @staticmethod
    def wants(environ: dict[str, Any]) -> bool:
        """Return whether a request is for S3: signed for it (version 2 or 4), or unsigned without an action."""
        service = faults.service_of(environ)
        if service is not None:
            return service == "s3" and not environ.get("PATH_INFO", "").startswith("/v20180820/")
        if environ.get("HTTP_AUTHORIZATION"):
            return str(environ["HTTP_AUTHORIZATION"]).startswith("AWS ")
        path = environ.get("PATH_INFO", "")
        if path.startswith(("/moto-api", "/latest/", "/_local_mock")) or environ.get("HTTP_X_AMZ_TARGET"):
            return False
        if environ["REQUEST_METHOD"] == "POST" and "Signature" not in environ.get("QUERY_STRING", ""):
            return faults.action_of(environ, faults.peek_form(environ)) is None
        return str(environ["REQUEST_METHOD"]) != "OPTIONS"

    def cors_rules(self, bucket: str) -> Sequence[Any]:
        """Return the CORS rules of a bucket as moto keeps them; none if there is no such bucket."""
        if not self._store.has_bucket(bucket):
            return ()
        self._wait()
        from moto.s3.models import s3_backends

        rules: Sequence[Any] = s3_backends[ACCOUNT]["aws"].get_bucket(bucket).cors
        return rules

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        try:
            check_presigned(request, self._wait)
            operation = self._object_operation(request) if request.key else self._bucket_operation(request)
            if operation is None:
                _check_setting(request)
                environ = in_path_style(environ, self._port)
                _require_moto(environ)
                return self._moto(environ, start_response)
            answer = operation(request)
            if CREATED and operation.__name__ in _CREATES and answer.status < 400:
                for listener in CREATED:
                    listener(request.bucket, request.key)
        except S3Error as err:
            if err.code == "MethodNotAllowed":
                err.details["Method"] = request.method
            answer = error_answer(err, f"/{request.bucket}/{request.key}")
        except ConnectionError:
            raise
        except MalformedBodyError as err:
            answer = error_answer(S3Error("IncompleteBody", str(err)), f"/{request.bucket}/{request.key}")
        except Exception as err:
            _log.exception("%s %s failed", request.method, environ.get("RAW_URI"))
            message = f"local_mock failed in s3: {type(err).__name__}: {err} (see its log)."
            status, headers, body = faults.answer("s3", 500, "InternalError", message)
            start_response(status, headers)
            return [body]
        return _send(answer, request, start_response)

    def _bucket_operation(self, request: Request) -> _Operation | None:
        method, query, buckets = request.method, request.query, self._buckets
        if not request.bucket:
            return buckets.list_buckets if method in ("GET", "HEAD") else None
        if method == "HEAD":
            return buckets.head
        if method == "POST":
            return buckets.delete_objects if "delete" in query else self._upload_form
        return self._list_operation(query) if method == "GET" else None

    def _upload_form(self, request: Request) -> Answer:
        return forms.upload(request, self._objects.put)

    def _list_operation(self, query: dict[str, str]) -> _Operation | None:
        buckets = self._buckets
        if "uploads" in query:
            return self._parts.list_uploads
        if "versions" in query:
            return buckets.list_versions
        if query.get("list-type") == "2":
            return buckets.list_v2
        plain = all(name in _LIST_PARAMETERS or name.startswith("X-Amz-") for name in query)
        return buckets.list_v1 if plain else None

    def _object_operation(self, request: Request) -> _Operation:
        method, query, objects = request.method, request.query, self._objects
        absent = next((name for name in _ABSENT_PARTS if name in query), None)
        if absent:
            raise _absent(faults.operation_of(request.environ, "s3") or absent)
        parts, rest = self._parts, self._subresources
        table: dict[tuple[str, str], _Operation] = {
            ("GET", "tagging"): rest.get_tags,
            ("PUT", "tagging"): rest.put_tags,
            ("DELETE", "tagging"): rest.delete_tags,
            ("GET", "acl"): rest.get_acl,
            ("PUT", "acl"): rest.put_acl,
            ("GET", "retention"): rest.get_retention,
            ("PUT", "retention"): rest.put_retention,
            ("GET", "legal-hold"): rest.get_hold,
            ("PUT", "legal-hold"): rest.put_hold,
            ("POST", "restore"): rest.restore,
            ("GET", "attributes"): objects.attributes,
            ("GET", "uploadId"): parts.list_parts,
            ("PUT", "uploadId"): parts.upload_part,
            ("POST", "uploadId"): parts.complete_upload,
            ("DELETE", "uploadId"): parts.abort_upload,
            ("POST", "uploads"): parts.create_upload,
        }
        for name in query:
            if (method, name) in table:
                return table[method, name]
        plain: dict[str, _Operation] = {
            "GET": objects.get,
            "HEAD": objects.get,
            "PUT": objects.copy if request.header("x-amz-copy-source") else objects.put,
            "DELETE": objects.delete,
        }
        if method not in plain:
            raise _absent(f"{method} of an object")
        return plain[method]


def _absent(operation: str) -> S3Error:
    message = f"local_mock does not implement s3:{operation}. See local_mock/COVERAGE.md for what it does."
    return S3Error("NotImplemented", message)


def _check_setting(request: Request) -> None:
    """Refuse the body of a bucket's setting that moto could not read. Raises S3Error."""
    try:
        body = read_bounded(request.environ, 1 << 20)
        request.environ["wsgi.input"] = io.BytesIO(body)
        if "policy" in request.query and request.method == "PUT":
            load_json(body)
        elif body:
            require_plain_xml(body)
        elif request.method == "PUT" and request.query and "acl" not in request.query:
            raise S3Error("MissingRequestBodyError", "Request Body is empty")
    except TooLargeError as err:
        raise S3Error("MaxMessageLengthExceeded", "Your request was too large.") from err
    except RefusedError as err:
        code = "MalformedPolicy" if "policy" in request.query else "MalformedXML"
        raise S3Error(code, f"The body of the request cannot be taken: {err}") from err


def _require_moto(environ: dict[str, Any]) -> None:
    """Refuse what moto's S3 lacks: it would answer some of that with a list of objects, and a success."""
    operation = faults.operation_of(environ, "s3")
    if operation in ABSENT:
        raise _absent(operation)


_LIST_PARAMETERS = {
    "prefix", "delimiter", "marker", "max-keys", "encoding-type", "AWSAccessKeyId", "Signature", "Expires",
    "x-id", "list-type",
}  # fmt: skip


def _send(answer: Answer, request: Request, start_response: Callable[..., Any]) -> Iterable[bytes]:
    headers = {"Server": "AmazonS3", "x-amz-request-id": "LOCALMOCK", **answer.headers}
    if (
        isinstance(answer.body, (list, tuple))
        and "Content-Length" not in headers
        and answer.status not in (204, 304)
    ):
        headers["Content-Length"] = str(sum(map(len, answer.body)))
    reason = http.client.responses.get(answer.status, "")
    start_response(f"{answer.status} {reason}", list(headers.items()))
    return () if request.method == "HEAD" else answer.body
