"""Each Glue database is a document of its own: a request writes what it has changed, however many there are."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local_mock.durable import state as durable

ACCOUNT, REGION = "123456789012", "us-east-1"
CONSTANT = {"FakeTable": frozenset({"partitions", "versions"})}
Restart = Callable[[], tuple[Any, durable.State]]


@pytest.fixture
def restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Restart:
    """Return a function that starts Glue, empty or with what an earlier start has written."""
    from moto.glue.models import GlueBackend

    made: dict[str, Any] = {}
    monkeypatch.setattr(durable, "SERVICES", ("glue",))
    monkeypatch.setattr(durable, "_of_moto", lambda _: made["backends"])

    class Backends(dict[str, Any]):
        def iter_backends(self) -> list[tuple[str, str, Any]]:
            return [(ACCOUNT, REGION, self[ACCOUNT][REGION])]

    def start() -> tuple[Any, durable.State]:
        backend = GlueBackend(REGION, ACCOUNT)
        made["backends"] = Backends({ACCOUNT: {REGION: backend}})
        kept = durable.State(tmp_path / "state.sqlite")
        kept.restore()
        return backend, kept

    return start


def documents(folder: Path) -> set[str]:
    with sqlite3.connect(folder / "state.sqlite") as db:
        return {name for (name,) in db.execute("SELECT name FROM documents WHERE name LIKE 'glue/%'")}


def test_a_change_of_one_database_writes_its_document_only(restart: Restart) -> None:
    glue, kept = restart()
    for number in range(30):
        glue.create_database(f"d{number}", {"Name": f"d{number}"})
        glue.create_table(f"d{number}", "t", {"Name": "t", "PartitionKeys": [{"Name": "p"}]})
    kept.save("glue")
    table = glue.get_table("d7", "t")
    changes: list[Callable[[], Any]] = [
        lambda: glue.create_table("d7", "other", {"Name": "other"}),
        lambda: glue.update_table(
            "d7", "t", {"Name": "t", "PartitionKeys": [{"Name": "p"}], "Description": "new"}
        ),
        lambda: table.create_partition({"Values": ["a"]}),
        lambda: table.update_partition(["a"], {"Values": ["b"]}),
        lambda: table.delete_partition(["b"]),
        lambda: glue.update_database("d7", {"Name": "d7", "Description": "new"}),
        lambda: glue.databases["d7"].input.update(Description="changed in place"),
        lambda: glue.delete_table("d7", "other"),
    ]
    for change in changes:
        before = kept._db.total_changes
        kept.save("glue")
        assert kept._db.total_changes == before
        change()
        kept.save("glue")
        assert kept._db.total_changes == before + 1


def test_databases_come_back_in_their_order_and_deleted_ones_do_not(restart: Restart, tmp_path: Path) -> None:
    glue, kept = restart()
    for name in ("z", "b/c", "a"):
        glue.create_database(name, {"Name": name})
        glue.create_table(name, "t", {"Name": "t"})
        kept.save("glue")
    glue.delete_database("z")
    kept.save("glue")
    glue.delete_database("a")
    glue.create_database("a", {"Name": "a", "Description": "made again"})
    kept.save("glue")
    main = f"glue/{ACCOUNT}/{REGION}"
    assert documents(tmp_path) == {main, f"{main}/b/c", f"{main}/a"}
    again, _ = restart()
    assert list(again.databases) == ["b/c", "a"]
    assert list(again.databases["b/c"].tables) == ["t"]
    assert (again.databases["a"].input["Description"], dict(again.databases["a"].tables)) == ("made again", {})


def test_a_damaged_database_takes_no_other_with_it(
    restart: Restart, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    glue, kept = restart()
    for name in ("good", "bad"):
        glue.create_database(name, {"Name": name})
    kept.save("glue")
    with sqlite3.connect(tmp_path / "state.sqlite") as db:
        db.execute("UPDATE documents SET body = 'no JSON' WHERE name LIKE '%/bad'")
        db.execute("INSERT INTO documents VALUES (?, '{}')", (f"glue/{ACCOUNT}/{REGION}/unnamed",))
    again, _ = restart()
    assert list(again.databases) == ["good"]
    assert f"glue/{ACCOUNT}/{REGION}/bad could not be read" in caplog.text
    assert not [name for name in documents(tmp_path) if name.endswith("unnamed")]


def test_values_that_are_written_differently_have_other_stamps() -> None:
    from local_mock.durable.graph import stamp

    values = [0, False, 0.0, "0", None, [0], {"0": 0}, {"0": False}, b"0"]
    stamps = [stamp(value, CONSTANT) for value in values]
    assert all(a != b for n, a in enumerate(stamps) for b in stamps[n + 1 :])
    assert stamp({"a": [1, {"b": None}]}, CONSTANT) == stamp({"a": [1, {"b": None}]}, CONSTANT)
    assert stamp(b"0", CONSTANT) != stamp(b"0", CONSTANT)


def test_a_stamp_is_not_equal_after_a_value_took_the_place_of_one_that_is_gone() -> None:
    from moto.glue.models import FakeTable

    from local_mock.durable.graph import stamp

    table = FakeTable.__new__(FakeTable)
    for _ in range(100):
        table.partitions = {"p": SimpleNamespace()}
        before = stamp(table, CONSTANT)
        table.partitions["p"] = None
        table.partitions["p"] = SimpleNamespace()  # in CPython at the address of the former one, if that is free
        assert stamp(table, CONSTANT) != before
