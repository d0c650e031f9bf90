"""Serve one page on loopback to whoever has its token: the page, its scripts, questions (GET) and changes (POST).

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
from typing import Any
from urllib.parse import SplitResult, parse_qs

from etholake.errors import EtholakeError, UsageError
from etholake.pages import loopback
from etholake.pages.templating import render

__all__ = ["Json", "TokenHandler", "TokenServer"]

Json = dict[str, Any]
_LONGEST_BODY = 1_000_000  # bytes of a POST
_KINDS = {".js": "text/javascript", ".css": "text/css"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class TokenServer(ThreadingHTTPServer):
    """Answers on 127.0.0.1 only; `port` 0 takes a free one.

    Parameters
    ----------
    verb
        The verb of the command line that serves the page: its template is ``<verb>.html``.
    ask, tell
        {name: function of the parameters of the address, or of the JSON of a POST} that returns JSON.
    handler
        A subclass of `TokenHandler` that has more to answer.
    """

    daemon_threads = True

    def __init__(
        self,
        verb: str,
        ask: Mapping[str, Callable[[Mapping[str, str]], Json]],
        tell: Mapping[str, Callable[[Json], Json]],
        port: int = 0,
        handler: type[TokenHandler] | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", port), handler or TokenHandler)
        self.verb, self.ask, self.tell = verb, ask, tell
        self.token = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """Return the address of the page, with the token."""
        return f"http://127.0.0.1:{self.server_address[1]}/{self.token}/"


class TokenHandler(loopback.Handler):
    """Answers one request; a subclass answers more of them in `answer_more`."""

    protocol_version = "HTTP/1.1"  # a browser asks a film for ranges on one connection
    server: TokenServer

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
                self.send(
                    HTTPStatus.OK,
                    "text/html",
                    render(f"{self.server.verb}.html"),
                    {"Content-Security-Policy": _POLICY},
                )
            case ["web", *names]:
                self._asset("/".join(names))
            case ["api", name] if name in self.server.ask:
                self._try(lambda: self._json(self.server.ask[name](given)))
            case ["api", name]:
                self._try(lambda: self.answer_more(name, given))
            case _:
                self.send(HTTPStatus.NOT_FOUND, "text/plain", "There is no such page.")

    def answer_more(self, name: str, given: Mapping[str, str]) -> None:  # noqa: ARG002 a subclass looks at both
        """Answer a question that `ask` does not have."""
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
        elif not length.isdecimal() or len(length) > len(str(_LONGEST_BODY)) or int(length) > _LONGEST_BODY:
            self.send(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "text/plain", f"Expected {_LONGEST_BODY} bytes at most."
            )
        else:
            self._try(lambda: self._json(self.server.tell[name](_body(self.rfile.read(int(length))))))

    def _own_path(self, parts: SplitResult) -> str | None:
        """Return the path after the token; None, with the refusal sent, without the right token."""
        token, _, path = parts.path.removeprefix("/").partition("/")
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self.send(
                HTTPStatus.FORBIDDEN, "text/plain", f"Open the address that `etholake {self.server.verb}` printed."
            )
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


def _body(content: bytes) -> Json:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as err:
        raise UsageError(f"The request is no JSON: {err}.") from err
    if not isinstance(values, dict):
        raise UsageError("Expected one JSON object.")
    return values
