"""A catalog that an earlier version has written, as one document, is read and then kept database by database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest


def test_databases_of_an_earlier_version_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.backends import get_backend

    from local_mock.durable import state

    account, region = "999999999999", "us-east-1"
    backends = get_backend("glue")
    backends[account][region].create_database("lake", {"Name": "lake", "Description": "of an earlier version"})
    path = tmp_path / "state.sqlite"
    try:
        with monkeypatch.context() as earlier:
            earlier.setattr(state, "_SPLIT", {})
            state.State(path).save("glue")
        backends[account][region].reset()
        again = state.State(path)
        again.restore()
        database = backends[account][region].databases["lake"]
        assert database.input["Description"] == "of an earlier version"
        again.save("glue")
        names = {name for (name,) in sqlite3.connect(path).execute("SELECT name FROM documents")}
        assert f"glue/{account}/{region}/lake" in names
    finally:
        del backends[account]
