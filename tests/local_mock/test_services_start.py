"""The services are installed in the background, and the garbage collector leaves alone what that makes."""

import gc
from pathlib import Path

import pytest

from local_mock import server
from local_mock.durable import state as durable
from local_mock.options import Options


def test_the_collector_rests_while_the_services_are_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[list[object]] = []
    enabled: list[bool] = []

    def install(context: object) -> None:
        enabled.append(gc.isenabled())
        made.append([object()])

    monkeypatch.setattr(server, "install", install)
    monkeypatch.setattr(server, "_moto", lambda: None)
    monkeypatch.setattr(durable, "_current", None)
    options = Options(s3_root=tmp_path / "s3", state_dir=tmp_path / "state")
    server.Services(server.make_context(options, 4566)).wait()
    assert enabled == [False]
    assert gc.isenabled()
    assert not any(item is made[0] for item in gc.get_objects())  # it is among the permanent ones
