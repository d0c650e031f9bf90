"""The host with several predicting processes: they answer side by side, are replaced, and end with it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sagemaker_scripts import load  # type: ignore[import-not-found]

from etholake.stages.waiting import wait_for
from local_mock.sagemaker.hosting import free_port

pytestmark = pytest.mark.server

SERVE = Path(__file__).resolve().parents[2] / "sagemaker" / "serve.py"
MODEL = """
import os, time
from pathlib import Path
class Refused(ValueError):
    status_code = 415
def model_fn(folder):
    if (Path(folder) / "broken").exists():
        raise ValueError("broken weights")
    return Path(folder) / "meeting"
def input_fn(body, content_type):
    if content_type != "text/plain":
        raise Refused("only text")
    return body
def predict_fn(body, meeting):
    if body == b"die":
        os._exit(1)
    if body == b"meet":
        (meeting / str(os.getpid())).touch()
        until = time.monotonic() + 20
        while len(list(meeting.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert len(list(meeting.iterdir())) == 2, "nobody came"
    return os.getpid() / (body != b"fail")
def output_fn(value, accept):
    return str(int(value)), accept
"""


def write_model(folder: Path) -> None:
    (folder / "code").mkdir()
    (folder / "meeting").mkdir()
    (folder / "code" / "pids_model.py").write_text(MODEL)


def start(folder: Path, **variables: str) -> tuple[subprocess.Popen[str], int]:
    """Start a host of two processes for the model above; return it and its port."""
    write_model(folder)
    port = free_port()
    variables = {
        **os.environ, "SM_MODEL_DIR": str(folder), "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_PROGRAM": "pids_model.py", "SERVE_PROCESSES": "2", **variables,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, str(SERVE)], env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return process, port


@pytest.fixture
def host(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A host that is ready."""
    process, port = start(tmp_path)
    try:
        wait_for(lambda: process.poll() is not None or ready(port), bool, "The host", timeout_s=60)
        yield process, port
    finally:
        process.kill()
        process.communicate()


def ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def ask(port: int, body: str, kind: str = "text/plain") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/invocations", body, {"Content-Type": kind})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text if response.status == 200 else json.loads(text)["error"]


def test_processes_answer_side_by_side_are_replaced_and_end_with_the_host(
    host: tuple[subprocess.Popen[str], int],
) -> None:
    process, port = host
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: ask(port, "meet"), range(2)))
    pids = {int(text) for _, text in answers}
    assert [status for status, _ in answers] == [200, 200]
    assert len(pids) == 2
    assert process.pid not in pids
    assert ask(port, "1", "image/png") == (415, "only text")
    status, reason = ask(port, "fail")
    assert (status, "ZeroDivisionError" in reason) == (500, True)
    status, reason = ask(port, "die")
    assert (status, "has ended" in reason) == (500, True)
    pids |= {int(text) for status, text in (ask(port, "1") for _ in range(2)) if status == 200}
    assert len(pids) == 3, "another process has taken its place"
    process.kill()
    process.wait()
    wait_for(lambda: [p for p in pids if is_running(p)], lambda left: not left, "The end of all", timeout_s=20)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_answer_that_could_not_be_read_is_not_given_to_the_next_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> bytes:
        raise MemoryError

    write_model(tmp_path)
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path))
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "pids_model.py")
    serve = load("serve", "serve_in_processes")
    one = serve.Processes(1)
    one.load()
    with monkeypatch.context() as patch:
        patch.setattr(serve.Connection, "recv_bytes", no_memory)
        with pytest.raises(RuntimeError, match="has ended"):
            one.answer(b"1", "text/plain", "text/first")
    assert one.answer(b"1", "text/plain", "text/second")[1] == "text/second"
    one._idle.get().end()


@pytest.mark.parametrize(
    ("processes", "reasons"),
    [("2", ["ValueError: broken weights", "could not be loaded"]), ("0", ["must be at least 1, but is 0"])],
)
def test_a_host_that_cannot_start_ends_with_the_reason(tmp_path: Path, processes: str, reasons: list[str]) -> None:
    (tmp_path / "broken").touch()
    process, _ = start(tmp_path, SERVE_PROCESSES=processes)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert all(reason in output for reason in reasons)
