"""The host's health and limits, the Ray adapter's pure part, the forms of an answer, and the image's file."""

import importlib
import io
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from etholake.errors import DataError
from etholake.stages.serving import predict

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


def client(serve: ModuleType, folder: Path, *, ready: bool = True, **limits: str) -> TestClient:
    model = serve.Model(folder, "numbers_model.py")
    if ready:
        model.load()
    return TestClient(serve.application(model, serve.Limits.of(limits)))


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
