"""Frames on the pipes between the server and a query process: eight bytes of length, then the body."""

from __future__ import annotations

import struct
from typing import IO

import pyarrow as pa

__all__ = ["ROWS", "read_frame", "stream_of", "write_frame"]

ROWS = "given_rows"  # the relation under which a query finds the rows that its request brings

_HEADER = struct.Struct(">Q")


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Return the next frame, None at the end of the stream."""
    head = stream.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return None
    (size,) = _HEADER.unpack(head)
    body = stream.read(size)
    return body if len(body) == size else None


def write_frame(stream: IO[bytes], body: bytes | memoryview) -> None:
    """Send one frame."""
    stream.write(_HEADER.pack(len(body)))
    stream.write(body)
    stream.flush()


def stream_of(table: pa.Table) -> memoryview:
    """Return rows as an Arrow stream."""
    output = pa.BufferOutputStream()
    with pa.ipc.new_stream(output, table.schema) as writer:
        writer.write_table(table)
    return memoryview(output.getvalue())
