"""The pages' servers answer a client that has gone by nothing: no error, and no second answer."""

from __future__ import annotations

import re
import socket

import pytest

from etholake.pages.token_server import TokenServer
from etholake.pages.video.server import VideoServer


def test_a_client_that_has_gone_is_no_error() -> None:
    with VideoServer(lambda: "x" * 5_000_000, lambda n: b"slice", lambda: "[]", 1) as server:
        ours, theirs = socket.socketpair()
        theirs.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n".encode())
        theirs.close()
        server.RequestHandlerClass(ours, ("127.0.0.1", 1), server)  # raised BrokenPipeError
        ours.close()


def answers(server: TokenServer, request: str) -> list[int]:
    """Return the statuses of all answers to what is sent on one connection."""
    ours, theirs = socket.socketpair()
    own = f"127.0.0.1:{server.server_port}"
    text = request.replace("OWN", own).replace("TOKEN", server.token)
    theirs.sendall(text.encode())
    theirs.shutdown(socket.SHUT_WR)
    server.RequestHandlerClass(ours, ("127.0.0.1", 1), server)
    ours.close()
    received = b"".join(iter(lambda: theirs.recv(65536), b""))
    theirs.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


POST = "POST /TOKEN/api/say HTTP/1.1\r\nHost: OWN\r\nOrigin: http://OWN\r\nContent-Type: application/json\r\n"
READ = "GET /TOKEN/api/read HTTP/1.1\r\nHost: OWN\r\n"


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        (READ + "\r\n" + READ + "\r\n", [200, 200]),
        (READ + "Host: evil.example\r\n\r\n", [403]),
        (READ.replace("Host: OWN", "Host: evil.example\r\nHost: OWN") + "\r\n", [403]),
        (READ.replace(" /TOKEN", " http://evil.example/TOKEN") + "\r\n", [403]),
        (READ.replace(" /TOKEN", " http://OWN/TOKEN") + "\r\n", [200]),
        (READ.replace("Host: OWN\r\n", "") + "\r\n", [403]),
        (READ + f"Content-Length: {len(READ) + 2}\r\n\r\n" + READ + "\r\n", [200]),
        (READ + "Transfer-Encoding: chunked\r\n\r\n" + READ + "\r\n", [200]),
        (POST + "Content-Length: 2\r\n\r\n{}", [200]),
        (POST + "Content-Length: " + "9" * 5000 + "\r\n\r\n{}", [413]),
        (POST + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [413]),
        (POST + "Content-Length: 100000\r\n\r\n" + "[" * 100_000, [400]),
        (POST + "Content-Length: 2\r\n\r\n{}" + READ + "\r\n", [200]),
    ],
)
def test_what_no_browser_sends(request_text: str, expected: list[int]) -> None:
    """Two names, an address of another machine, and bodies that would be read as further requests."""
    with TokenServer("review", {"read": lambda _: {}}, {"say": lambda _: {}}) as server:
        assert answers(server, request_text) == expected
