"""Tell where the body of a request ends: by its `Content-Length` or its chunks, read strictly.

A length that two readers may understand differently is refused, not guessed: it is how one request hides in the
body of another. Standard library only.
"""

from __future__ import annotations

import io
import re
from email.message import Message
from typing import Any

__all__ = ["Body", "ChunkedBody", "MalformedBodyError", "open_body"]

_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LONGEST_LINE = 4096
_MOST_TRAILERS = 100


class MalformedBodyError(OSError):
    """The chunks of a body are none."""


class Body(io.RawIOBase):
    """Exactly `length` bytes of a connection's input, so that the next request begins where it should."""

    def __init__(self, source: Any, length: int) -> None:
        super().__init__()
        self._source, self.left = source, length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.left:
            return 0
        data = self._source.read1(min(len(buffer), self.left))
        if not data:
            raise ConnectionError("The client closed the connection in the middle of a request body.")
        buffer[: len(data)] = data
        self.left -= len(data)
        return len(data)


class ChunkedBody(io.RawIOBase):
    """The bytes of a chunked body; extensions and trailing headers are read and dropped.

    Reading raises MalformedBodyError, from then on always, and ConnectionError if the client has gone.
    """

    def __init__(self, source: Any) -> None:
        super().__init__()
        self._source = source
        self._chunk: Body | None = None
        self._ended, self._fault = False, ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._fault:
            raise MalformedBodyError(self._fault)
        if self._chunk is None and not self._ended:
            self._begin()
        if self._chunk is None:
            return 0
        count = self._chunk.readinto(buffer)
        if not self._chunk.left:
            self._chunk = None
            if self._line() not in (b"\r\n", b"\n"):
                self._fail("a chunk is longer than its size says")
        return count

    def _begin(self) -> None:
        """Read the size of the next chunk; after the last one, the trailing headers."""
        line = self._line()
        match = _CHUNK.fullmatch(line)
        if match is None:
            self._fail(f"'{line[:40].decode('latin-1').strip()}' is no size of a chunk")
        elif size := int(match[1], 16):
            self._chunk = Body(self._source, size)
        else:
            self._ended = True
            trailers = (self._line() for _ in range(_MOST_TRAILERS))
            if not any(trailer in (b"\r\n", b"\n") for trailer in trailers):
                self._fail(f"it has more than {_MOST_TRAILERS} trailing headers")

    def _line(self) -> bytes:
        line: bytes = self._source.readline(_LONGEST_LINE)
        if not line:
            raise ConnectionError("The client closed the connection in the middle of a chunked body.")
        return line

    def _fail(self, fault: str) -> None:
        self._fault = f"The chunked body of the request cannot be read: {fault}."
        raise MalformedBodyError(self._fault)


def open_body(headers: Message, source: Any) -> Body | ChunkedBody:
    """Return the body of a request that comes from `source`.

    Raises ValueError for a length that is none, two lengths that differ, a length beside chunks, and a transfer
    coding other than `chunked`.
    """
    lengths = {text.strip() for text in headers.get_all("Content-Length", [])}
    codings = [text.strip().lower() for text in headers.get_all("Transfer-Encoding", [])]
    if codings:
        if codings != ["chunked"] or lengths:
            raise ValueError("Expected Transfer-Encoding: chunked, alone and without a Content-Length.")
        return ChunkedBody(source)
    if len(lengths) > 1 or not all(_LENGTH.fullmatch(text) for text in lengths):
        raise ValueError(f"Expected one Content-Length of digits, but got {sorted(lengths)}.")
    return Body(source, int(lengths.pop()) if lengths else 0)
