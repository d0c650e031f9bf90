"""The HTTP side: a threaded WSGI server on loopback that keeps connections alive.

werkzeug's own handler closes every connection and waits 10 ms on it for stray bytes, which was most of the
time of a small S3 request. This one reads exactly the body, drains what the application left, and goes on.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from local_mock.framing import Body, ChunkedBody, open_body

__all__ = ["LoopbackServer", "RequestHandler", "WsgiApp"]

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_log = logging.getLogger("local_mock.http")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
_DRAIN_BYTES = 1 << 20
_DRAIN_LIMIT = 64 << 20  # what is left of a refused upload beyond this is not worth reading


class RequestHandler(WSGIRequestHandler):
    """One connection: request after request until the client closes it or is idle for two minutes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120
    wbufsize = 64 * 1024  # head and small body leave in one packet

    def run_wsgi(self) -> None:
        try:
            body = open_body(self.headers, self.rfile)
            environ = self.make_environ()
        except ValueError as err:  # a length that is none, an address that cannot be taken apart
            self.close_connection = True  # where the next request begins is not known
            self.send_error(400, explain=str(err))
            return
        self.environ = environ
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()  # the client waits for it
        environ["local_mock.headers"] = self.headers  # WSGI drops names with '_', which S3 metadata may have
        if isinstance(body, ChunkedBody):
            environ["wsgi.input_terminated"] = True
        environ["wsgi.input"] = io.BufferedReader(body, 256 * 1024)
        try:
            self._respond(environ)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        self._drain(body)

    def handle_expect_100(self) -> bool:
        return True  # answered in run_wsgi, with a flush

    def _respond(self, environ: dict[str, Any]) -> None:
        head: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc: Any = None
        ) -> Callable[[bytes], Any]:
            head[:] = [status, headers]
            return self._write

        chunks = self.server.app(environ, start_response)
        try:
            sent = chunked = False
            for chunk in chunks:
                if not sent:
                    chunked = self._send_head(head[0], head[1])
                    sent = True
                if chunk and self.command != "HEAD":
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            if not sent:
                chunked = self._send_head(head[0], head[1], empty=True)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        except Exception:
            self.close_connection = True  # the client must not take a broken answer for a whole one
            raise
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    def _write(self, data: bytes) -> None:
        self.wfile.write(data)

    def _send_head(self, status: str, headers: list[tuple[str, str]], *, empty: bool = False) -> bool:
        """Write status and headers; returns whether the body goes in chunks (its length is not known)."""
        code = int(status.split(None, 1)[0])
        self.send_response(code, status.partition(" ")[2])
        names = set()
        for name, value in headers:
            names.add(name.lower())
            self.send_header(name, _one_line(value))
        bodiless = self.command == "HEAD" or code in (204, 304) or code < 200
        chunked = "content-length" not in names and not bodiless and not empty
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif empty and not bodiless and "content-length" not in names:
            self.send_header("Content-Length", "0")
        self.end_headers()
        return chunked

    def _drain(self, body: Body | ChunkedBody) -> None:
        """Read what the application left of the body; give the connection up if that is much."""
        drained = body.left if isinstance(body, Body) and body.left > _DRAIN_LIMIT else 0
        try:
            while drained <= _DRAIN_LIMIT and (block := body.read(_DRAIN_BYTES)):
                drained += len(block)
        except (OSError, ValueError):  # the client is gone, the chunks are none, or moto has closed the stream
            self.close_connection = True
        self.close_connection |= drained > _DRAIN_LIMIT

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        _log.info("%s %s -> %s", self.command, self.path, code)

    def log(self, type: str, message: str, *args: Any) -> None:
        getattr(_log, type, _log.info)(message, *args)


def _one_line(value: str) -> str:
    """Return a header's value without characters that would end its line, in the bytes that can be sent."""
    clean = _CONTROL.sub(" ", value)
    try:
        clean.encode("latin-1")
    except UnicodeEncodeError:
        return clean.encode("utf-8", "replace").decode("latin-1")
    return clean


class LoopbackServer(ThreadedWSGIServer):
    """A thread per connection, on 127.0.0.1 only."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, app: WsgiApp, fd: int) -> None:
        """Serve `app` on `fd`, a socket that is bound to the port; it is duplicated here."""
        super().__init__("127.0.0.1", port, app, handler=RequestHandler, fd=fd)
        self.socket.listen(self.request_queue_size)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        _log.exception("A request could not be handled")
