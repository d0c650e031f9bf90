"""The page of one video on loopback: the events when the page is opened, a slice of poses when a frame needs it.

``GET /`` is the page, ``GET /api/slice/<n>`` one slice, ``GET /api/seconds`` the means by second; all from Athena.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from urllib.parse import SplitResult

from etholake.pages import loopback

__all__ = ["VideoServer"]


class VideoServer(ThreadingHTTPServer):
    """Answers on 127.0.0.1 only; `port` 0 takes a free one.

    `page`, `slice_` and `seconds` ask the lake; `slices` is the number of slices.
    """

    daemon_threads = True

    def __init__(
        self,
        page: Callable[[], str],
        slice_: Callable[[int], bytes],
        seconds: Callable[[], str],
        slices: int,
        port: int = 0,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.page, self.slice, self.seconds, self.slices = page, slice_, seconds, slices

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
                case ["api", "seconds"]:
                    self.send(HTTPStatus.OK, "application/json", self.server.seconds())
                case _:
                    self.send(HTTPStatus.NOT_FOUND, "text/plain", "No such page or slice.")
        except Exception as err:
            self.send(HTTPStatus.BAD_GATEWAY, "text/plain", str(err))
