"""The gate in front of every service: no web page that the user visits drives or reads the mock.

`Gate` refuses with 403, before any service sees it,
- a `Host` that is not this machine's (DNS rebinding),
- a request of a page of another origin, whatever its method, unless the CORS rules of the very bucket allow it,
- the mock's own controls (`/moto-api/`, `/_local_mock/`) without the secret of this start.

A tab that goes to an object's address is let through, but the page that it shows is put into a sandbox, so that
a page kept in a bucket is no more trusted than one from elsewhere. Not here: who may sign in (anybody on this
machine may), and the pages of `dashboards`, which have a gate of their own.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from local_mock import faults
from local_mock.browsers import Visit, is_own_host
from local_mock.http import WsgiApp

__all__ = ["HEALTH", "SECRET_HEADER", "Gate", "is_trusted", "secret_of"]

HEALTH = "/_local_mock/health"
SECRET_HEADER = "X-Local-Mock-Secret"  # noqa: S105 - the header's name
_CONTROLS = ("/moto-api", "/_local_mock")
_SANDBOXED = ("text/html", "application/xhtml", "image/svg", "text/xml", "application/xml", "multipart/x-mixed")
Headers = list[tuple[str, str]]


class CorsRules(Protocol):
    """The S3 side of the gate: `local_mock.s3.cors.Cors`."""

    def is_read(self, environ: dict[str, Any]) -> bool:
        """Return whether S3 answers the request, and only reads."""

    def wants(self, environ: dict[str, Any]) -> bool:
        """Return whether a request of another origin is one that a bucket's CORS rules decide on."""

    def answer(self, environ: dict[str, Any], start_response: Callable[..., Any], app: WsgiApp) -> Iterable[bytes]:
        """Answer it, or refuse it, by these rules."""


class Gate:
    """WSGI middleware. `buckets` is None where S3 is elsewhere: then nothing is open to other origins."""

    def __init__(self, app: WsgiApp, port: int, secret: str, buckets: CorsRules | None) -> None:
        self._app, self._port, self._secret, self._buckets = app, port, secret, buckets

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        visit = Visit.of(environ)
        if not is_own_host(visit.host, self._port):
            message = (
                f"local_mock answers to this machine's own names only, not to '{visit.host[:100]}'. "
                f"Use http://127.0.0.1:{self._port} or http://localhost:{self._port}."
            )
            return _refuse(environ, start_response, message)
        if visit.is_foreign:
            return self._foreign(visit, environ, start_response)
        path = environ.get("PATH_INFO", "")
        if path.startswith(_CONTROLS) and path != HEALTH and not is_trusted(environ, self._secret):
            message = f"{path} needs the header {SECRET_HEADER} with the secret that mock.json holds."
            return _refuse(environ, start_response, message)
        if visit.is_navigation:
            return self._app(environ, _sandboxed(start_response))
        return self._app(environ, start_response)

    def _foreign(
        self, visit: Visit, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if self._buckets is not None and not environ.get("PATH_INFO", "").startswith(_CONTROLS):
            if visit.is_navigation and self._buckets.is_read(environ):
                return self._app(environ, _sandboxed(start_response))
            if self._buckets.wants(environ):
                return self._buckets.answer(environ, start_response, self._app)
        message = (
            f"A web page of another origin ({(visit.origin or visit.site)[:100]}) asked; local_mock answers "
            "programs on this machine only. A bucket's objects can be opened to pages by its CORS rules."
        )
        return _refuse(environ, start_response, message)


def is_trusted(environ: dict[str, Any], secret: str) -> bool:
    """Return whether a request carries the secret of this start."""
    given = environ.get("HTTP_" + SECRET_HEADER.upper().replace("-", "_"), "")
    return bool(secret) and hmac.compare_digest(given.encode(), secret.encode())


def secret_of(state_dir: str | Path) -> str:
    """Return the secret of the server that runs in a state folder, from its mock.json.

    Raises
    ------
    FileNotFoundError : no server runs there.
    """
    return str(json.loads((Path(state_dir) / "mock.json").read_text(encoding="utf-8"))["secret"])


def _refuse(environ: dict[str, Any], start_response: Callable[..., Any], message: str) -> Iterable[bytes]:
    service = faults.service_of(environ) or "s3"
    status, headers, body = faults.answer(service, 403, "AccessDenied", message)
    start_response(status, headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]


def _sandboxed(start_response: Callable[..., Any]) -> Callable[..., Any]:
    """Give a document an origin of its own: its scripts run, but they are strangers to the mock."""

    def start(status: str, headers: Headers, *rest: Any) -> Any:
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        if kind.strip().lower().startswith(_SANDBOXED):
            policy = ("Content-Security-Policy", "sandbox allow-scripts allow-downloads allow-popups")
            headers = [*headers, policy]
        return start_response(status, headers, *rest)

    return start
