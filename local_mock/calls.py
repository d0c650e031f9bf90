"""Records who asked for what: one JSON line a request, for tests that compare calls with policies.

``python -m local_mock --record-calls FILE``. A line has `principal` (the access key: a job's is its role's name),
`service`, `method`, `operation`, `path`, `query` (of S3), `copy_source`, and `parameters` (of the other services).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from local_mock import faults
from local_mock.http import WsgiApp

__all__ = ["Recorder"]


class Recorder:
    """WSGI middleware. Bodies of S3 objects are left alone; those of other services are read and put back."""

    def __init__(self, app: WsgiApp, path: Path) -> None:
        self._app, self._path, self._lock = app, path, threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        service = faults.service_of(environ)
        if service is not None:
            self._write(self._record(environ, service))
        return self._app(environ, start_response)

    def _record(self, environ: dict[str, Any], service: str) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        form = ""
        bulk = service == "s3" and environ["REQUEST_METHOD"] == "POST" and "delete" in environ["QUERY_STRING"]
        if bulk:
            parameters = {"keys": re.findall("<Key>(.*?)</Key>", faults.peek_body(environ).decode())}
        elif service != "s3":
            body = faults.peek_body(environ)
            form = body.decode("utf-8", "replace") if b"Action=" in body[:4000] else ""
            parameters = dict(parse_qsl(form)) if form else _json(body)
        operation = faults.operation_of(environ, service, form)
        return {
            "principal": faults.signer_of(environ)[0],
            "service": service,
            "method": environ["REQUEST_METHOD"],
            "operation": operation,
            "path": unquote(environ.get("PATH_INFO", "")),
            "query": environ.get("QUERY_STRING", ""),
            "copy_source": unquote(environ.get("HTTP_X_AMZ_COPY_SOURCE", "")),
            "parameters": parameters,
        }

    def _write(self, record: dict[str, Any]) -> None:
        line = json.dumps(record) + "\n"
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(line)


def _json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:  # a request of another protocol, or the payload of an endpoint
        return {}
    return content if isinstance(content, dict) else {}
