"""Serve the review page: besides what `etholake.pages.token_server` serves, poses and the film of a video."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from etholake.errors import UsageError
from etholake.pages.token_server import Json, TokenHandler, TokenServer

__all__ = ["ReviewServer", "byte_range"]

_FILM_CHUNK = 4 * 1024 * 1024  # bytes of one answer: a browser asks for the next
_FILMS = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime"}


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


class ReviewServer(TokenServer):
    """The server of the review.

    Parameters
    ----------
    poses
        Returns one packed slice of poses; `film` the film of a video, None without one.
    ask, tell, port
        As `TokenServer`.
    """

    def __init__(
        self,
        ask: Mapping[str, Callable[[Mapping[str, str]], Json]],
        tell: Mapping[str, Callable[[Json], Json]],
        poses: Callable[[Mapping[str, str]], bytes],
        film: Callable[[Mapping[str, str]], FilmPieces | None],
        port: int = 0,
    ) -> None:
        super().__init__("review", ask, tell, port, _ReviewHandler)
        self.poses, self.film = poses, film


class _ReviewHandler(TokenHandler):
    server: ReviewServer

    def answer_more(self, name: str, given: Mapping[str, str]) -> None:
        """Answer the poses of a video, and its film."""
        if name == "poses":
            self.send(HTTPStatus.OK, "application/octet-stream", self.server.poses(given))
        elif name == "film":
            self._film(self.server.film(given))
        else:
            super().answer_more(name, given)

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
