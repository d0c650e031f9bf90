"""Fixtures of the tests of ingest: a bucket of one's own, a small folder, a line to S3 that can be disturbed."""

import contextlib
import dataclasses
import os
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from etholake import aws
from etholake.settings import Settings
from etholake.simulate import simulate

_NUMBER = count()


@pytest.fixture
def lake(mock_settings: Settings, tmp_path: Path) -> Settings:
    """Settings of an empty bucket of this test's own."""
    settings = dataclasses.replace(
        mock_settings, bucket=f"ingest-{os.getpid()}-{next(_NUMBER)}", state_dir=str(tmp_path / "state")
    )
    aws.client(settings, "s3").create_bucket(Bucket=settings.bucket)
    return settings


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two simulated labs, two videos each: 2 tables, 4 + 2 tracks, 4 annotations."""
    simulate(tmp_path / "data", labs=2, videos=2, seconds=4, seed=1, dirt=0.0)
    return tmp_path / "data"


class Line:
    """A TCP proxy to the mock. `on_request` sees each piece that a client sends; if it returns False, the line is
    cut there."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.on_request: Callable[[bytes], bool] = lambda _: True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, watched: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if watched and not self.on_request(piece):
                    break
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def line(lake: Settings) -> Iterator[Line]:
    """A line to the mock; use it with the settings of `through`."""
    line = Line(lake.port)
    yield line
    line.close()


@pytest.fixture
def through(lake: Settings, line: Line) -> Settings:
    """The settings of `lake`, over the line."""
    return dataclasses.replace(lake, port=line.port)
