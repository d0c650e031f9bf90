"""Serve the review page on loopback: the page, its scripts, JSON, poses and the film, for whoever has the token.

The token is part of the address, so that another user or program of this machine finds nothing. `Host` and
`Origin` are checked by `etholake.pages.loopback` before anything else; a POST must come from the page itself.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, parse_qs

from etholake.errors import EtholakeError, UsageError
from etholake.pages import loopback
from etholake.pages.templating import render

__all__ = ["ReviewServer", "byte_range"]

Json = dict[str, Any]
_LONGEST_BODY = 1_000_000  # bytes of a POST
_FILM_CHUNK = 4 * 1024 * 1024  # bytes of one answer: a browser asks for the next
_KINDS = {".js": "text/javascript", ".css": "text/css"}
_FILMS = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class FilmPieces(Protocol):
    """A film that is read in pieces: its suffix, its bytes, and those from a first to a last position."""

    @property
    def suffix(self) -> str:
        """The suffix of the file's name, in lower case."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    @property
    def read(self) -> Callable[[int, int], bytes]:
        """The function that returns the bytes from a first to a last position, both included."""


class ReviewServer(ThreadingHTTPServer):
    """Answers on 127.0.0.1 only; `port` 0 takes a free one.

    Parameters
    ----------
    ask, tell
        {name: function of the parameters of the address, or of the JSON of a POST} that returns JSON.
    poses
        Returns one packed slice of poses; `film` the film of a video, None without one.
    """

    daemon_threads = True

    def __init__(
        self,
        ask: Mapping[str, Callable[[Mapping[str, str]], Json]],
        tell: Mapping[str, Callable[[Json], Json]],
        poses: Callable[[Mapping[str, str]], bytes],
        film: Callable[[Mapping[str, str]], FilmPieces | None],
        port: int = 0,
    ) -> None:
        super().__init__(("127.0.0.1", port), _ReviewHandler)
        self.ask, self.tell, self.poses, self.film = ask, tell, poses, film
        self.token = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """Return the address of the page, with the token."""
        return f"http://127.0.0.1:{self.server_address[1]}/{self.token}/"


class _ReviewHandler(loopback.Handler):
    protocol_version = "HTTP/1.1"  # a browser asks a film for ranges on one connection
    server: ReviewServer

    def is_page(self, path: str) -> bool:
        """Return whether a tab may go to `path` from anywhere: to the page itself."""
        return path == f"/{self.server.token}/"

    def answer(self, parts: SplitResult) -> None:
        """Answer a GET by its path; an error is one sentence, which the page shows."""
        path = self._own_path(parts)
        if path is None:
            return
        given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        match path.split("/"):
            case [""]:
                self.send(HTTPStatus.OK, "text/html", render("review.html"), {"Content-Security-Policy": _POLICY})
            case ["web", *names]:
                self._asset("/".join(names))
            case ["api", "poses"]:
                self._try(lambda: self.send(HTTPStatus.OK, "application/octet-stream", self.server.poses(given)))
            case ["api", "film"]:
                self._try(lambda: self._film(self.server.film(given)))
            case ["api", name] if name in self.server.ask:
                self._try(lambda: self._json(self.server.ask[name](given)))
            case _:
                self.send(HTTPStatus.NOT_FOUND, "text/plain", "There is no such page.")

    def do_POST(self) -> None:  # noqa: N802 the name that http.server calls
        """Answer a POST of the page: JSON in, JSON out."""
        self.close_connection = True  # a body that is refused is not read
        parts = self.admitted()
        path = self._own_path(parts) if parts is not None else None
        if path is None:
            return
        name = path.removeprefix("api/")
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Origin") is None:
            self.send(HTTPStatus.FORBIDDEN, "text/plain", "Only the page itself may change something.")
        elif name not in self.server.tell or not path.startswith("api/"):
            self.send(HTTPStatus.NOT_FOUND, "text/plain", "There is no such action.")
        elif self.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            self.send(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "text/plain", "Expected application/json.")
        elif not length.isdecimal() or int(length) > _LONGEST_BODY:
            self.send(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "text/plain", f"Expected {_LONGEST_BODY} bytes at most."
            )
        else:
            self._try(lambda: self._json(self.server.tell[name](_body(self.rfile.read(int(length))))))

    def _own_path(self, parts: SplitResult) -> str | None:
        """Return the path after the token; None, with the refusal sent, without the right token."""
        token, _, path = parts.path.removeprefix("/").partition("/")
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self.send(HTTPStatus.FORBIDDEN, "text/plain", "Open the address that `etholake review` printed.")
            return None
        return path

    def _try(self, run: Callable[[], None]) -> None:
        try:
            run()
        except UsageError as err:
            self.send(HTTPStatus.BAD_REQUEST, "text/plain", str(err))
        except EtholakeError as err:
            status = HTTPStatus.CONFLICT if hasattr(err, "change") else HTTPStatus.BAD_GATEWAY
            number = {"X-Change": str(err.change.number)} if hasattr(err, "change") else {}
            self.send(status, "text/plain", str(err), number)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the browser has enough of the film
        except Exception as err:
            self.send(HTTPStatus.BAD_GATEWAY, "text/plain", f"{type(err).__name__}: {err}")

    def _json(self, content: Json) -> None:
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self.send(HTTPStatus.OK, "application/json", text)

    def _asset(self, name: str) -> None:
        file = resources.files("etholake.pages").joinpath("web", name)
        if not re.fullmatch(r"(?:[a-z]+/)?[a-z-]+\.(?:js|css)", name) or not file.is_file():
            self.send(HTTPStatus.NOT_FOUND, "text/plain", "There is no such file.")
            return
        self.send(HTTPStatus.OK, _KINDS[Path(name).suffix], file.read_text(encoding="utf-8"))

    def _film(self, film: FilmPieces | None) -> None:
        """Send a piece of the film, as the browser's `Range` asks."""
        if film is None:
            self.send(HTTPStatus.NOT_FOUND, "text/plain", "There is no film of this video.")
            return
        if "Range" not in self.headers:
            raise UsageError("A film is sent in pieces: ask with the header Range, as a browser does.")
        size = film.size
        first, last = byte_range(self.headers.get("Range", ""), size)
        if first >= size:
            whole = f"bytes */{size}"
            self.send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "text/plain", "", {"Content-Range": whole})
            return
        last = min(last, first + _FILM_CHUNK - 1)
        piece = film.read(first, last)
        headers = {"Content-Range": f"bytes {first}-{last}/{size}", "Accept-Ranges": "bytes"}
        self.send(HTTPStatus.PARTIAL_CONTENT, _FILMS.get(film.suffix, "video/mp4"), piece, headers)


def byte_range(header: str, size: int) -> tuple[int, int]:
    """Return the first and last byte that a `Range` header asks for, of `size` bytes; all without one. Pure."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if match is None or not (match[1] or match[2]):
        return 0, size - 1
    if not match[1]:
        return max(0, size - int(match[2])), size - 1
    return int(match[1]), min(size - 1, int(match[2]) if match[2] else size - 1)


def _body(content: bytes) -> Json:
    try:
        values = json.loads(content)
    except ValueError as err:
        raise UsageError(f"The request is no JSON: {err}.") from err
    if not isinstance(values, dict):
        raise UsageError("Expected one JSON object.")
    return values
