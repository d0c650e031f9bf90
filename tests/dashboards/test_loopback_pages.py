"""The pages' servers answer a client that has gone by nothing: no error, and no second answer."""

from __future__ import annotations

import socket

from etholake.pages.video.server import VideoServer


def test_a_client_that_has_gone_is_no_error() -> None:
    with VideoServer(lambda: "x" * 5_000_000, lambda n: b"slice", lambda: "[]", 1) as server:
        ours, theirs = socket.socketpair()
        theirs.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n".encode())
        theirs.close()
        server.RequestHandlerClass(ours, ("127.0.0.1", 1), server)  # raised BrokenPipeError
        ours.close()
