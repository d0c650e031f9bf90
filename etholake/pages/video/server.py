"""The page of one video on loopback: the events when the page is opened, a slice of poses when a frame needs it.

``GET /`` is the page, ``GET /api/slice/<n>`` one slice, both from Athena.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from urllib.parse import SplitResult

from etholake.pages import loopback

__all__ = ["VideoServer"]


class VideoServer(ThreadingHTTPServer):
    """Answers on 127.0.0.1 only; `port` 0 takes a free one. `page` and `slice_` ask; `slices` are there."""

    daemon_threads = True

    def __init__(
        self, page: Callable[[], str], slice_: Callable[[int], bytes], slices: int, port: int = 0
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.page, self.slice, self.slices = page, slice_, slices

    @property
    def url(self) -> str:
        """Return the address of the page."""
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(loopback.Handler):
    server: VideoServer

    def answer(self, parts: SplitResult) -> None:
        """Answer a request by its path; an error is shown in the page."""
        try:
            match parts.path.strip("/").split("/"):
                case [""]:
                    self.send(HTTPStatus.OK, "text/html", self.server.page())
                case ["api", "slice", n] if n.isdecimal() and int(n) < self.server.slices:
                    self.send(HTTPStatus.OK, "application/octet-stream", self.server.slice(int(n)))
                case _:
                    self.send(HTTPStatus.NOT_FOUND, "text/plain", "No such page or slice.")
        except Exception as err:
            self.send(HTTPStatus.BAD_GATEWAY, "text/plain", str(err))
