"""The query process: an in-memory DuckDB with our macros and functions, one query at a time.

Run by `engine.py` only: ``python -m local_mock.athena.worker``, with JSON frames on standard input and JSON
frames (an Arrow stream after a good one) on standard output. It keeps its own memory below a limit, so that
no query can take the machine, and ends when the server's end of the pipe closes (kill -9 included).
"""

from __future__ import annotations

import contextlib
import decimal
import json
import os
import queue
import resource
import sys
import threading
from typing import IO, Any


class _NoPandas:
    """Arrow imports pandas to ask whether a list is a Series, which takes a second and 60 MB."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not for the query process", name=name)


sys.meta_path.insert(0, _NoPandas)

import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402

from local_mock.athena.frames import ROWS, read_frame, stream_of, write_frame  # noqa: E402
from local_mock.athena.functions import fail, register  # noqa: E402
from local_mock.athena.serde import convert  # noqa: E402
from local_mock.athena.translate.macros import MACROS  # noqa: E402

__all__ = ["main"]

# Pages that the process maps but never touches (arenas of allocators, stacks of threads) are no memory in use.
_SLACK_BYTES = 192 * 2**20


def main() -> None:
    """Answer frames until the input ends."""
    decimal.DefaultContext.prec = 160  # of every thread: 38 digits and what a product of them has
    decimal.setcontext(decimal.DefaultContext)
    source = sys.stdin.buffer
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but frames may reach the server
    settings = json.loads(read_frame(source) or b"{}")
    connection = _open(settings)
    _limit(int(settings["memory_bytes"]))
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(source, requests), daemon=True).start()
    try:
        write_frame(sink, b"ready")
        while True:
            _answer(connection, requests.get(), sink)
    finally:
        os._exit(1)  # nobody reads the answers; the interpreter's own end may wait for DuckDB's threads for ever


def _listen(source: IO[bytes], requests: queue.Queue[dict[str, Any]]) -> None:
    try:
        while (frame := read_frame(source)) is not None:
            request = json.loads(frame)
            has_rows, request["rows"] = request["rows"], None
            if has_rows:
                if (body := read_frame(source)) is None:
                    break
                request["rows"] = pa.ipc.open_stream(body).read_all()
            requests.put(request)
    finally:
        os._exit(0)  # the server has gone, wants this process to go, or cannot be understood, whatever runs


def _open(settings: dict[str, Any]) -> Any:
    connection = duckdb.connect(
        config={
            "memory_limit": f"{settings['duckdb_bytes'] // 2**20}MB",
            "temp_directory": settings["scratch"],
            "threads": str(settings["threads"]),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allocator_background_threads": "false",
        }
    )
    connection.create_function("t_fail", _fail, ["VARCHAR"], "INTEGER", type="arrow", null_handling="special")
    connection.execute(MACROS)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    folders = ", ".join("'" + f.replace("'", "''") + "'" for f in settings["folders"])
    connection.execute(f"SET allowed_directories = [{folders}]")
    # DuckDB 2.0.0 fails to bind arithmetic on a column that statistics show to be all null.
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _fail(messages: Any) -> Any:
    return fail(messages).cast(pa.int32())


def _status(key: str) -> int:
    """Return a figure of /proc/self/status in bytes; 0 where there is no /proc."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as lines:  # noqa: PTH123
        for line in lines:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0


def _limit(memory_bytes: int) -> None:
    """Let the process grow from what it holds now to `memory_bytes`, and no further."""
    budget = max(memory_bytes - _status("VmRSS"), 64 * 2**20) + _SLACK_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (_status("VmData") + budget,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(connection: Any, request: dict[str, Any], sink: IO[bytes]) -> None:
    body: Any = b""
    try:
        if "convert" in request:
            convert(request["convert"])
            request |= {"sql": "SELECT 1"}
        register(connection, request.get("functions") or {})
        if request["rows"] is not None:  # they may be none, and a table of none is false
            connection.register(ROWS, request["rows"])
        table = connection.sql(request["sql"]).to_arrow_table()
        body = stream_of(table)
        answer = {"rows": table.num_rows}
    except MemoryError as err:
        answer = {"error": "OutOfMemoryException", "message": str(err) or "out of memory"}
    except Exception as err:  # every failure of a query is an answer
        answer = {"error": type(err).__name__, "message": str(err)}
    if request["rows"] is not None:
        connection.unregister(ROWS)
    answer["resident"] = _status("VmRSS")
    write_frame(sink, json.dumps(answer).encode())
    if "error" not in answer:
        write_frame(sink, body)


if __name__ == "__main__":
    main()
