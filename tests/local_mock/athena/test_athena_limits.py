"""No query takes the machine: memory, time, recursion; and what the translator does not read is refused."""

from __future__ import annotations

import inspect
import json
import os
import pkgutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlglot import exp

from local_mock import lifecycle, server
from local_mock.athena import translate
from local_mock.athena.dialect import parse_query
from local_mock.athena.engine import Engine, Session
from local_mock.athena.errors import QueryError
from local_mock.athena.frames import read_frame, write_frame
from local_mock.athena.pool import Limits, limits_of
from local_mock.athena.translate.consumed import CONSUMED, check
from local_mock.athena.translate.queries import compile_query
from local_mock.data import FolderData
from local_mock.options import from_environment

pytestmark = pytest.mark.server  # the query process

MB = 2**20


class NoTables:
    """A catalog without tables."""

    def table(self, database: str, name: str, position: tuple[int, int] | None = None, as_of: Any = None) -> Any:
        raise QueryError("TABLE_NOT_FOUND", f"{database}.{name} at {position}")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    root = tmp_path_factory.mktemp("limits")
    made = Engine(FolderData(root), [root], root / "scratch", Limits(450 * MB, 60.0, 1))
    yield made
    made.close()


def run(session: Session, sql: str) -> list[list[str]]:
    compiled = compile_query(parse_query(sql), sql, NoTables(), "default")
    table = session.texts(compiled)
    return [list(row) for row in zip(*(c.to_pylist() for c in table.columns), strict=True)]


def test_memory_has_a_ceiling_and_the_next_query_runs(engine: Engine) -> None:
    lists = "array_agg(a)" + " || array_agg(a)" * 9
    sql = f"SELECT cardinality({lists}) FROM UNNEST(sequence(1, 10000)) t(a), UNNEST(sequence(1, 10000)) u(b)"
    with pytest.raises(
        QueryError, match="EXCEEDED_LOCAL_MEMORY_LIMIT: Query exhausted resources at this scale factor"
    ):
        run(engine.session(), sql)
    assert run(engine.session(), "SELECT 1") == [["1"]]


def test_a_query_ends_at_its_time_limit_or_when_stopped(engine: Engine) -> None:
    numbers = "(VALUES " + ", ".join(map(str, range(500))) + ")"
    sources = ", ".join(f"{numbers} t{i}(x{i})" for i in range(5))
    sql = f"SELECT count(*) FROM {sources} WHERE (x0 * x1 + x2 * x3 + x4) % 7 = 8"
    session = engine.session()
    session._deadline = time.monotonic() + 0.3
    with pytest.raises(QueryError, match=r"^Query timeout$"):
        run(session, sql)
    stopped = engine.session()
    threading.Timer(0.3, stopped.interrupt).start()
    with pytest.raises(QueryError, match="USER_CANCELED"):
        run(stopped, sql)


def test_query_processes_end_when_idle_and_with_the_server(engine: Engine) -> None:
    run(engine.session(), "SELECT 1")
    (worker,) = engine.pool._idle
    assert worker.resident < 250 * MB
    assert worker.process.stdin is not None
    worker.process.stdin.close()  # as when the server dies
    assert worker.process.wait(10) == 0


@pytest.mark.parametrize("fault", ["no answer is read", "a request cannot be read"])
def test_a_query_process_that_can_answer_no_more_ends(tmp_path: Path, fault: str) -> None:
    limits = {"memory_bytes": 450 * MB, "duckdb_bytes": 200 * MB, "threads": 2, "folders": [str(tmp_path)]}
    settings = json.dumps({**limits, "scratch": str(tmp_path)}).encode()
    with subprocess.Popen(
        [sys.executable, "-m", "local_mock.athena.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        write_frame(process.stdin, settings)
        assert read_frame(process.stdout) == b"ready"
        if fault == "no answer is read":
            process.stdout.close()
            write_frame(process.stdin, json.dumps({"sql": "SELECT 1", "rows": False}).encode())
        else:
            write_frame(process.stdin, b"{no JSON")
        assert process.wait(30) >= 0  # by itself, and by no signal


def test_an_ended_process_is_not_given_to_the_next_query(engine: Engine) -> None:
    for _ in range(3):  # the system may need a moment to take the process away
        with engine.pool.worker(time.monotonic() + 30) as worker:
            worker.end()
        assert run(engine.session(), "SELECT 1") == [["1"]]


def test_a_query_that_fails_does_not_cost_its_process(engine: Engine) -> None:
    run(engine.session(), "SELECT 1")
    (before,) = engine.pool._idle
    with pytest.raises(QueryError, match="DIVISION_BY_ZERO"):
        run(engine.session(), "SELECT 1/0")
    assert engine.pool._idle == [before]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOCAL_MOCK_ATHENA_MEMORY", "lots"),
        ("LOCAL_MOCK_ATHENA_MEMORY", "1MB"),
        ("LOCAL_MOCK_ATHENA_TIMEOUT", "0"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named(variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=variable):
        limits_of({variable: value})


def test_limits_are_set_by_the_environment() -> None:
    assert limits_of({}) == Limits(2 * 2**30, 1800.0, 2)
    assert limits_of({"LOCAL_MOCK_ATHENA_MEMORY": "512MB", "LOCAL_MOCK_ATHENA_TIMEOUT": "5"}) == Limits(
        512 * MB, 5.0, 1
    )


def test_deep_and_long_statements_fail_as_statements(engine: Engine) -> None:
    with pytest.raises(QueryError, match="STACK_OVERFLOW"):
        run(engine.session(), "SELECT " + " + ".join(["1"] * 30_000))
    with pytest.raises(QueryError, match=r"QUERY_TEXT_TOO_LARGE"):
        parse_query("SELECT 1 " + " " * 262_144)


# --- every argument of every syntax node ------------------------------------------------------------------
def classes() -> list[type[exp.Expression]]:
    expressions = [c for _, c in inspect.getmembers(exp, inspect.isclass) if issubclass(c, exp.Expression)]
    return sorted(set(expressions), key=lambda c: c.__name__)


def test_a_node_or_argument_that_is_not_read_is_refused() -> None:
    kinds = classes()
    assert len(kinds) > 500
    for kind in kinds:
        consumed = CONSUMED.get(kind)
        if consumed is None:
            with pytest.raises(QueryError, match="is not supported by local_mock"):
                check(kind())
            continue
        assert consumed <= set(kind.arg_types), f"{kind.__name__}: an argument that sqlglot does not have"
        for key in set(kind.arg_types) - consumed:
            node = kind()
            node.set(key, exp.Literal.number(1))
            with pytest.raises(QueryError, match="is not supported by local_mock"):
                check(node)


def test_every_consumed_argument_is_named_by_the_translator() -> None:
    """The table of `consumed.py` promises that the code reads it: the name stands there."""
    folder = Path(str(translate.__file__)).parent
    modules = [m.name for m in pkgutil.walk_packages([str(folder)], "local_mock.athena.translate.")]
    code = "".join(inspect.getsource(import_module(m)) for m in modules if not m.endswith("consumed"))
    attributes = ("this", "expression", "expressions", "alias", "name", "db", "catalog", "table", "to", "columns")
    written = {
        "start_side",
        "end_side",
        "kind",
        "is_string",
        "quoted",
        "nested",
        "values",
        "typed",
        "safe",
        "is_literal",
        "direction",
        "rows",
        "over",
    }
    for kind, arguments in CONSUMED.items():
        for argument in arguments - written:
            read = (
                f'"{argument}"' in code
                or f"'{argument}'" in code
                or (argument in attributes and f".{argument}" in code)
            )
            assert read, f"{kind.__name__}.{argument} is declared and never read"


def test_the_server_process_holds_no_duckdb() -> None:
    """Memory goes back with the query process: the server's part of Athena does not load the engine."""
    import subprocess
    import sys

    code = "import local_mock.athena.engine, sys; print('duckdb' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "False"


def test_the_variables_reach_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wanted = {"LOCAL_MOCK_ATHENA_MEMORY": "512MB", "LOCAL_MOCK_ATHENA_TIMEOUT": "5"}
    options = from_environment(wanted, port=0, s3_root=tmp_path / "s3", state_dir=tmp_path / "state")
    monkeypatch.setattr(os, "environ", {**os.environ, **wanted})
    started = lifecycle._environment(options)
    assert wanted.items() <= started.items()
    monkeypatch.setattr(os, "environ", started)
    server._own_environment(server.make_context(options, 4566))
    assert wanted.items() <= started.items()
