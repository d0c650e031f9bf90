"""Objects to JSON and back: what is the same object stays so, and nothing but moto's and our classes is made."""

import collections
import datetime as dt
import json
import threading
from typing import Any

import pytest

from local_mock.durable.graph import GraphError, Reader, Writer
from local_mock.s3.index import Row

DROPPED = {"FakeTable": {"partitions": dict}}


def nothing(place: list[Any]) -> Any:
    raise AssertionError(place)


def round_trip(value: Any) -> Any:
    text = json.dumps(Writer({}, DROPPED).write(value))
    return Reader(nothing, DROPPED).read(json.loads(text))


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, 0.5, "ü\x00", b"\xff\x00", (1, ("a",)), {1: "a", ("b", 2): [None]}, {3, 1}, frozenset("ab"),
        dt.datetime(2024, 2, 29, 1, 2, 3, 4, dt.UTC), dt.date(2024, 2, 29), dt.timedelta(days=-1, microseconds=7),
        Row(1, 2, "e", {"h": "v"}), collections.OrderedDict(a=1, b=[]),
    ],
)  # fmt: skip
def test_values_come_back(value: Any) -> None:
    restored = round_trip(value)
    assert restored == value
    assert type(restored) is type(value)


def test_enumerations_and_classes_of_moto_come_back() -> None:
    from moto.glue.models import FakeTable
    from moto.stepfunctions.parser.api import ExecutionStatus

    for value in (ExecutionStatus.RUNNING, FakeTable):
        test_values_come_back(value)


def test_one_object_stays_one_and_may_hold_itself() -> None:
    from moto.glue.models import FakeTable

    table = FakeTable("d", "t", {"Name": "t"}, "1")
    table.partitions["x"] = table  # type: ignore[assignment]
    shared = [table]
    counts: Any = collections.defaultdict(list, {"a": shared})
    held = {"one": shared, "two": shared, "counts": counts, "lock": threading.RLock(), "table": table}
    held["self"] = held
    restored = round_trip(held)
    assert restored["one"] is restored["two"] is restored["counts"]["a"]
    assert restored["one"][0] is restored["table"]
    assert restored["self"] is restored
    assert restored["table"].as_dict() == table.as_dict()
    assert restored["table"].partitions == {}
    assert restored["counts"]["new"] == []
    with restored["lock"]:
        pass


def test_constant_values_are_written_once() -> None:
    from moto.glue.models import FakeTable

    table, shared = FakeTable("d", "t", {"Name": "t"}, "1"), [1]
    table.create_partition({"Values": ["a"], "Parameters": {"n": "1"}})
    table.create_partition({"Values": ["b"]})
    held = {"first": shared, "table": table, "again": shared}
    constant = {"FakeTable": frozenset({"partitions", "versions"})}

    def written(before: Writer | None = None) -> Writer:
        writer = Writer({}, {}, constant, before.kept if before else None)
        restored = Reader(nothing, {}).read(json.loads(json.dumps(writer.write(held))))
        assert restored["first"] is restored["again"]
        assert [p.as_dict() for p in restored["table"].get_partitions("")] == [
            p.as_dict() for p in table.get_partitions("")
        ]
        assert restored["table"].as_dict() == table.as_dict()
        return writer

    once = written()
    table.update({"Name": "t", "Description": "changed"})
    table.delete_partition(["b"])
    table.create_partition({"Values": ["b"], "Parameters": {"n": "2"}})
    twice = written(once)
    assert len(once.kept) == 3
    assert len(twice.kept) == 4
    assert {id(value) for value, _ in once.kept.values()} & set(twice.kept) == {
        id(table.get_partition(["a"])), id(table.versions["1"]),
    }  # fmt: skip


def test_what_other_documents_hold_is_named_not_copied() -> None:
    from moto.glue.models import FakeTable

    other = FakeTable("d", "t", {"Name": "t"}, "1")
    text = Writer({id(other): ["glue", "t"]}, {}).write({"ref": other})
    assert Reader(lambda place: other if place == ["glue", "t"] else None, {}).read(text)["ref"] is other


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (["o", "subprocess:Popen", ["n"]], "is not of moto or local_mock"),
        (["c", "os:system"], "is not of moto or local_mock"),
        (["c", "moto.glue.models:re.compile"], "is not of moto or local_mock"),
        (["c", "moto.glue.models:Absent"], "There is no 'moto.glue.models:Absent'"),
        (["o", "local_mock.durable.graph:_found", ["n"]], "is no class"),
        (["what"], "There is no kind 'what'"),
    ],
)
def test_foreign_text_runs_nothing(text: list[Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        Reader(nothing, {}).read(text)


def test_what_cannot_be_kept_is_said_and_comes_back_as_none(caplog: pytest.LogCaptureFixture) -> None:
    assert round_trip({"thread": threading.Thread(), "after": ["x"]}) == {"thread": None, "after": ["x"]}
    assert "Not kept over a restart: .thread" in caplog.text


def test_a_tree_is_one_text_and_is_shared_with_its_sections() -> None:
    from moto.cloudformation.models import ChangeSet

    def copy(tree: Any) -> tuple[Any, Any]:
        held = ChangeSet.__new__(ChangeSet)
        held.template_dict = tree
        value = [held, tree, tree["Resources"], {"after": ["x"]}]
        trees = {"ChangeSet": frozenset({"template_dict"})}
        text = json.loads(json.dumps(Writer({}, {}, trees=trees).write([value, value[-1]])))
        (first, *others), last = Reader(nothing, {}).read(text)
        assert others[0] is first.template_dict
        assert others[1] is first.template_dict["Resources"]
        assert last is others[-1]
        return text, first.template_dict

    plain = {"Resources": {"A": {"Type": "T", "Depth": [1, 1.5, True, None, "ü"]}}, "Description": "d"}
    text, restored = copy(plain)
    assert restored == plain
    assert '"j"' in json.dumps(text)
    for other in ({"Resources": {12: "a number"}}, {"Resources": {"d": dt.date(2024, 1, 1)}}):
        text, restored = copy(other)
        assert restored == other
        assert '"j"' not in json.dumps(text)
