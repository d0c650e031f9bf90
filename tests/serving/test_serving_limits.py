"""The host's health and limits, the Ray adapter's pure part, the forms of an answer, and the image's file."""

import contextlib
import importlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from etholake.errors import DataError
from etholake.stages.serving import predict
from etholake.stages.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import time
class Refused(ValueError):
    status_code = 415
def model_fn(folder):
    return 2.0
def input_fn(body, content_type):
    if content_type != "text/plain":
        raise Refused("only text")
    if body == b"slow":
        time.sleep(1.5)
    return float(body) if body != b"slow" else 1.0
def predict_fn(data, model):
    return data * model
def output_fn(value, accept):
    return str(value), accept
"""
TEXT = {"content-type": "text/plain"}


@pytest.fixture(scope="module")
def host() -> Iterator[SimpleNamespace]:
    """The modules of the folder `sagemaker`, which is no package."""
    sys.path.insert(0, str(ROOT / "sagemaker"))
    try:
        names = ("serve", "deployment", "inference")
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(ROOT / "sagemaker"))
        for name in ("serve", "deployment", "inference"):
            sys.modules.pop(name, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "numbers_model.py").write_text(CODE)
    return tmp_path


def client(serve: ModuleType, folder: Path, *, ready: bool = True, **limits: str) -> Any:
    from fastapi.testclient import TestClient

    model = serve.Model(folder, "numbers_model.py")
    if ready:
        model.load()
    return TestClient(serve.application(model, serve.Limits.of(limits)), base_url="http://127.0.0.1")


def test_health_tells_loading_from_ready(host: SimpleNamespace, folder: Path) -> None:
    loading = client(host.serve, folder, ready=False)
    assert (loading.get("/ping").status_code, loading.get("/ping").json()) == (503, {"status": "loading"})
    assert "still being loaded" in loading.post("/invocations", content=b"1", headers=TEXT).json()["error"]
    ready = client(host.serve, folder)
    assert (ready.get("/ping").status_code, ready.get("/ping").json()) == (200, {"status": "ready"})


def test_limits_say_what_to_do(host: SimpleNamespace, folder: Path) -> None:
    small = client(host.serve, folder, SERVE_MAX_PAYLOAD_MB="0.001", SERVE_TIMEOUT_S="0.5")
    answer = small.post("/invocations", content=b"0" * 2000, headers=TEXT)
    assert (answer.status_code, "use a batch transform" in answer.json()["error"]) == (413, True)
    answer = small.post("/invocations", content=b"slow", headers=TEXT)
    assert (answer.status_code, "longer than 0.5 s" in answer.json()["error"]) == (504, True)
    assert small.post("/invocations", content=b"21", headers=TEXT | {"accept": "text/csv"}).text == "42.0"


def test_too_many_that_wait_are_sent_away(host: SimpleNamespace, folder: Path) -> None:
    with client(host.serve, folder, SERVE_MAX_WAITING="1") as one:
        slow = threading.Thread(
            target=one.post, args=("/invocations",), kwargs={"content": b"slow", "headers": TEXT}
        )
        slow.start()
        time.sleep(0.5)
        answer = one.post("/invocations", content=b"1", headers=TEXT)
        slow.join()
    assert (answer.status_code, "try again" in answer.json()["error"]) == (503, True)


def test_limits_are_read_from_the_variables(host: SimpleNamespace) -> None:
    of = host.serve.Limits.of
    assert of({}) == host.serve.Limits(6 << 20, 60.0, 32)
    batch = of({"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "100", "SERVE_MAX_PAYLOAD_MB": "6"})
    assert (batch.max_bytes, batch.timeout_s) == (100 << 20, 3600.0)
    assert of({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}).max_bytes > 1 << 50


def test_the_ray_adapter_answers_as_the_host_does(
    host: SimpleNamespace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "numbers_model.py")
    model, limits = host.deployment.load(folder), host.serve.Limits.of({"SERVE_MAX_PAYLOAD_MB": "0.001"})

    def ask(body: bytes, kind: str = "text/plain") -> Any:
        return host.deployment.answer(model, limits, body, kind, "text/csv")

    assert ask(b"4") == (200, b"8.0", "text/csv")
    assert ask(b"4", "image/png")[0] == 415
    assert ask(b"none")[0] == 500
    assert ask(b"0" * 2000)[0] == 413
    import yaml

    config = yaml.safe_load(host.deployment.config_yaml(2))
    assert config["applications"][0]["import_path"] == "deployment:app"
    assert config["applications"][0]["deployments"] == [{"name": "Model", "num_replicas": 2}]


def test_an_answer_has_three_forms(host: SimpleNamespace) -> None:
    event = {
        "agent_id": 1,
        "target_id": 2,
        "action": "chase",
        "start_frame": 3,
        "stop_frame": 9,
        "confidence": 0.5,
    }
    prediction = {"video_id": 7, "lab_id": "A", "events": [event, event], "model": {}}
    inference = host.inference
    assert json.loads(inference.output_fn(prediction, "application/json")[0]) == prediction
    lines, kind = inference.output_fn(prediction, "application/jsonlines")
    assert [json.loads(line) for line in lines.splitlines()] == [{"video_id": 7, **event}] * 2
    assert kind == "application/jsonlines"
    body, _ = inference.output_fn(prediction, "application/x-parquet")
    assert pq.read_table(io.BytesIO(body)).to_pylist() == [{"video_id": 7, **event}] * 2
    empty, _ = inference.output_fn({**prediction, "events": []}, "application/x-parquet")
    assert pq.read_table(io.BytesIO(empty)).num_rows == 0
    with pytest.raises(inference.RequestError, match="accepts 'text/csv' only"):
        inference.output_fn(prediction, "text/csv")


def test_a_video_that_is_too_long_is_refused_with_what_to_do() -> None:
    predict.check_size(3, 100 << 20)
    with pytest.raises(DataError, match=r"cut the video into parts, or set transform\.max_payload_mb"):
        predict.check_size(3, (100 << 20) + 1)


# --- the image: what can be checked without Docker ----------------------------------------------------------
DOCKERFILE = (ROOT / "sagemaker" / "Dockerfile").read_text(encoding="utf-8")


def test_everything_that_is_copied_is_there() -> None:
    copied = re.findall(r"^COPY (\S+) \S+$", DOCKERFILE, re.MULTILINE)
    assert copied
    assert [name for name in copied if not (ROOT / name).is_file()] == []


def test_versions_are_those_of_the_lock() -> None:
    locked = (ROOT / "requirements.lock").read_text() + (ROOT / "Makefile").read_text()  # torch: in the Makefile
    pins = re.findall(r"[\w-]+==[\w.]+", DOCKERFILE)
    assert {pin.partition("==")[0] for pin in pins} >= {"torch", "fastapi", "uvicorn", "pyarrow", "safetensors"}
    assert [pin for pin in pins if not re.search(rf"(?m)(^|\s){re.escape(pin)}(\s|$)", locked)] == []


def test_the_image_keeps_the_rules_of_hadolint() -> None:
    """The rules that matter here: pinned base, no root, no cache, no ADD, exec form."""
    lines = DOCKERFILE.splitlines()
    base = next(line for line in lines if line.startswith("FROM "))
    assert re.fullmatch(r"FROM \S+:\d\S+", base)
    assert any(line.startswith("USER ") and line != "USER root" for line in lines)
    assert not any(line.startswith(("ADD ", "MAINTAINER ")) for line in lines)
    installs = re.findall(r"pip install(?: --\S+| \\)*", DOCKERFILE)
    assert all("--no-cache-dir" in install for install in installs)
    assert next(line for line in lines if line.startswith("ENTRYPOINT ")).startswith('ENTRYPOINT ["')


# Headers that only a browser sends, for a page of another origin, another port of this machine, a rebound name.
FOREIGN = [
    ({"Origin": "https://evil.example"}, "another origin"),
    ({"Origin": "http://127.0.0.1:9"}, "another origin"),
    ({"Origin": "null"}, "another origin"),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, "another site"),
    ({"Sec-Fetch-Site": "same-site"}, "another site"),
    ({"Host": "evil.example"}, "loopback addresses"),
    ({"Host": "127.0.0.1.evil.example:80"}, "loopback addresses"),
    ({"Host": ""}, "loopback addresses"),
]


@pytest.mark.parametrize(("headers", "reason"), FOREIGN)
def test_no_web_page_of_another_origin_is_answered(
    headers: dict[str, str], reason: str, host: SimpleNamespace, folder: Path
) -> None:
    asked = client(host.serve, folder)
    for response in (
        asked.get("/ping", headers=headers),
        asked.post("/invocations", content=b"1", headers={**TEXT, **headers}),
    ):
        assert (response.status_code, reason in response.json()["error"]) == (403, True)


def test_a_body_that_is_compressed_on_the_way_is_refused_by_its_name(host: SimpleNamespace, folder: Path) -> None:
    asked = client(host.serve, folder)
    response = asked.post("/invocations", content=b"\x1f\x8b", headers={**TEXT, "Content-Encoding": "gzip"})
    assert (response.status_code, "send the body as it is" in response.json()["error"]) == (415, True)
    assert asked.post("/invocations", content=b"2", headers={**TEXT, "Content-Encoding": "identity"}).text == "4.0"


def test_in_a_container_any_host_is_right_and_a_foreign_page_is_not(host: SimpleNamespace, folder: Path) -> None:
    from fastapi.testclient import TestClient

    model = host.serve.Model(folder, "numbers_model.py")
    model.load()
    asked = TestClient(host.serve.application(model, host.serve.Limits.of({}), any_host=True))
    assert asked.post("/invocations", content=b"2", headers={**TEXT, "Host": "model.aws.local"}).text == "4.0"
    foreign = {**TEXT, "Host": "model.aws.local", "Origin": "https://evil.example"}
    assert asked.post("/invocations", content=b"2", headers=foreign).status_code == 403
    own = {**TEXT, "Host": "model.aws.local", "Origin": "http://model.aws.local"}
    assert asked.post("/invocations", content=b"2", headers=own).status_code == 200


@pytest.fixture(params=["serve", "model_server"])
def served(request: pytest.FixtureRequest, folder: Path) -> Iterator[int]:
    """Port of a running host of the small model: Etholake's, and the mock's for models without one."""
    script = {"serve": "sagemaker/serve.py", "model_server": "local_mock/sagemaker/model_server.py"}[request.param]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        **os.environ, "SM_MODEL_DIR": str(folder), "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_PROGRAM": "numbers_model.py", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1", "SERVE_TIMEOUT_S": "1",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, str(ROOT / script)], env=variables)
    try:
        wait_for(lambda: process.poll() is not None or ready(port), bool, f"The host {script}", timeout_s=60)
        yield port
    finally:
        process.kill()
        process.wait()


def ready(port: int) -> bool:
    try:
        return exchange(port, b"GET /ping HTTP/1.1\r\nHost: " + own(port) + b"\r\n") == 200
    except OSError:
        return False


def own(port: int) -> bytes:
    return b"127.0.0.1:%d" % port


def exchange(port: int, head: bytes, body: bytes = b"", *, chunks: int = 0) -> int:
    """Send one request as it is, `body` again for each of `chunks`; return the status of the response."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head + b"\r\n")
        with contextlib.suppress(OSError):  # the host may have closed the connection, having answered
            for _ in range(chunks):
                connection.sendall(b"%x\r\n%s\r\n" % (len(body), body))
            if not chunks:
                connection.sendall(body)
        return int(connection.recv(65536).split()[1])


@pytest.mark.server
def test_a_running_host_bounds_bodies_and_refuses_pages(served: int) -> None:
    post = b"POST /invocations HTTP/1.1\r\nContent-Type: text/plain\r\nHost: " + own(served) + b"\r\n"
    assert exchange(served, post + b"Content-Length: 2\r\n", b"21") == 200
    assert exchange(served, post + b"Content-Length: 2\r\nOrigin: http://localhost:1\r\n", b"21") == 403
    assert exchange(served, post.replace(own(served), b"evil.example") + b"Content-Length: 2\r\n", b"21") == 403
    assert exchange(served, post + b"Content-Length: 2000000\r\n", b"1" * 2_000_000) == 413
    assert exchange(served, post + b"Content-Length: -1\r\n", b"21") in (400, 411)
    assert exchange(served, post + b"Content-Length: 2\r\n", b"21") == 200, "the host goes on"


@pytest.mark.server
@pytest.mark.parametrize("served", ["serve"], indirect=True)
def test_a_body_without_an_end_is_cut(served: int) -> None:
    post = b"POST /invocations HTTP/1.1\r\nContent-Type: text/plain\r\nHost: " + own(served) + b"\r\n"
    assert exchange(served, post + b"Transfer-Encoding: chunked\r\n", b"1" * (1 << 20), chunks=100) == 413
    assert exchange(served, post + b"Content-Length: 5\r\n", b"21") == 408, "three bytes never come"
