"""What every page served on this machine has in common: 127.0.0.1 only, its own name only, nothing cached."""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import SplitResult, urlsplit

__all__ = ["Handler"]


class Handler(BaseHTTPRequestHandler):
    """A GET handler; a subclass answers in `answer`."""

    def do_GET(self) -> None:
        """Refuse a request that was meant for another name (DNS rebinding), else `answer` it."""
        if self.headers.get("Host", "").rpartition(":")[0] not in {"127.0.0.1", "localhost"}:
            self.send(HTTPStatus.FORBIDDEN, "text/plain", "This server answers to its own address only.")
            return
        self.answer(urlsplit(self.path))

    def answer(self, parts: SplitResult) -> None:
        """Answer the request for `parts`."""
        raise NotImplementedError

    def send(self, status: HTTPStatus, kind: str, body: str | bytes) -> None:
        """One whole answer; text is sent as UTF-8."""
        payload = body.encode("utf-8") if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if isinstance(body, str) else kind)
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: errors reach the page."""
