"""Serve pages on this machine only: at 127.0.0.1, under its own names, with nothing cached.

No page of another origin may read or embed one of ours, or start its queries: a browser says who asks (`Host`,
`Origin`, `Sec-Fetch-Site`), and a page cannot change what it says. A tab may go to a page from anywhere.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

__all__ = ["Handler", "is_foreign", "is_own_host"]

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?")


def is_own_host(host: str, port: int) -> bool:
    """Return whether a `Host` header names this machine and `port`: a loopback address, or `localhost`."""
    match = _HOST.fullmatch(host)
    if match is None or int(match[2] or 80) != port:
        return False
    name = match[1].lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def is_foreign(headers: Message, *, to_a_page: bool) -> bool:
    """Return whether a page of another origin asks. A tab that goes to a page is not foreign."""
    origin, host = headers.get("Origin"), headers.get("Host", "")
    if origin is not None and origin.lower() != f"http://{host.lower()}":
        return True
    if headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return False
    is_tab = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    return not (is_tab and to_a_page)


class Handler(BaseHTTPRequestHandler):
    """A GET handler; a subclass answers in `answer`. Its page is at `/`, all other paths are the page's own."""

    def do_GET(self) -> None:
        """Answer a request that `admitted` lets through."""
        if (parts := self.admitted()) is not None:
            self.answer(parts)

    def admitted(self) -> SplitResult | None:
        """Return the parts of the address that is asked for.

        None if the request is refused: it was meant for another name (DNS rebinding), or is a foreign page's. The
        refusal has been sent then.
        """
        try:
            parts = urlsplit(self.path)
        except ValueError as err:
            self.send(HTTPStatus.BAD_REQUEST, "text/plain", f"{err}.")
            return None
        port = cast(HTTPServer, self.server).server_port
        if self.headers.get("Content-Length") or self.headers.get("Transfer-Encoding"):
            self.close_connection = True  # a body that nobody reads must not become the next request
        hosts = [*self.headers.get_all("Host", []), *([parts.netloc] if parts.netloc else [])]
        if not hosts or not all(is_own_host(host, port) for host in hosts):
            self.send(HTTPStatus.FORBIDDEN, "text/plain", "This server answers to its own address only.")
        elif is_foreign(self.headers, to_a_page=self.is_page(parts.path)):
            self.send(HTTPStatus.FORBIDDEN, "text/plain", "This server answers its own pages only.")
        else:
            return parts
        return None

    def is_page(self, path: str) -> bool:
        """Return whether a tab may go to `path` from anywhere."""
        return path == "/"

    def answer(self, parts: SplitResult) -> None:
        """Answer the request for `parts`."""
        raise NotImplementedError

    def send(
        self, status: HTTPStatus, kind: str, body: str | bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send one whole answer, with further headers; text is sent as UTF-8. A client that has gone gets none."""
        payload = body.encode("utf-8") if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if isinstance(body, str) else kind)
        self.send_header("Content-Length", str(len(payload)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        try:
            self.end_headers()
            self.wfile.write(payload)
        except ConnectionError:  # a tab was closed, or a request cancelled
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: errors reach the page."""
