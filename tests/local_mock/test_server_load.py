"""The server under load: many clients at once, and kill -9 while they write."""

import contextlib
import io
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from etholake import local_server
from etholake.settings import Settings, replace_port

CLIENTS = 32


def make(settings: Settings, service: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60)
    return boto3.client(service, endpoint_url=settings.endpoint_url, config=config)


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def together(work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(CLIENTS)))


@pytest.mark.parametrize(
    "seconds", [pytest.param(3, marks=pytest.mark.slow), pytest.param(300, marks=pytest.mark.long)]
)
def test_32_clients_at_once_see_no_error_and_memory_stays(mock_settings: Settings, seconds: int) -> None:
    tag = uuid.uuid4().hex[:8]
    s3, glue = make(mock_settings, "s3"), make(mock_settings, "glue")
    s3.create_bucket(Bucket=f"load-{tag}")
    glue.create_database(DatabaseInput={"Name": f"load_{tag}"})
    s3.put_object(Bucket=f"load-{tag}", Key="t/a.csv", Body=b"1\n2\n")
    clients = [tuple(make(mock_settings, name) for name in ("s3", "glue", "athena")) for _ in range(CLIENTS)]
    began, done = time.monotonic(), [0] * CLIENTS
    took: list[float] = []
    running = local_server.running(mock_settings)
    assert running is not None
    samples: list[tuple[float, float]] = []  # (s, MiB)

    def ask(operation: Callable[..., Any], **parameters: Any) -> Any:
        start = time.perf_counter()
        answer = operation(**parameters)
        if "Body" in answer:
            answer["Body"] = io.BytesIO(answer["Body"].read())
        took.append(time.perf_counter() - start)
        return answer

    def work(number: int) -> None:
        s3, glue, athena = clients[number]
        body = os.urandom(50_000)
        while time.monotonic() < began + seconds:
            key, table = f"c={number}/{done[number] % 5}", f"t{number}_{done[number] % 3}"
            ask(s3.put_object, Bucket=f"load-{tag}", Key=key, Body=body)
            assert ask(s3.get_object, Bucket=f"load-{tag}", Key=key)["Body"].read() == body
            assert ask(s3.list_objects_v2, Bucket=f"load-{tag}", Prefix=f"c={number}/")["KeyCount"] >= 1
            ask(glue.create_table, DatabaseName=f"load_{tag}", TableInput={"Name": table})
            assert ask(glue.get_table, DatabaseName=f"load_{tag}", Name=table)["Table"]["Name"] == table
            ask(glue.delete_table, DatabaseName=f"load_{tag}", Name=table)
            if done[number] % 10 == 0:
                id_ = ask(
                    athena.start_query_execution,
                    QueryString=f"SELECT {number} + 1",
                    ResultConfiguration={"OutputLocation": f"s3://load-{tag}/r/"},
                )["QueryExecutionId"]
                while (state := status(athena, id_)) not in {"SUCCEEDED", "FAILED"}:
                    time.sleep(0.1)
                assert state == "SUCCEEDED"
            done[number] += 1
            if number == 0:
                samples.append((time.monotonic() - began, resident_mb(running.pid)))

    together(work)
    assert min(done) > 0
    early = next(mb for s, mb in samples if s >= seconds / 5)  # of five minutes: after the first
    last = samples[-1][1]
    p50, p99 = (sorted(took)[int(len(took) * q)] * 1000 for q in (0.5, 0.99))
    print(
        f"{len(took)} requests in {seconds} s, no error; p50 {p50:.0f} ms, p99 {p99:.0f} ms; "
        f"memory {early:.0f} MiB after a fifth of the time, {last:.0f} MiB at the end"
    )
    assert last < 1.25 * early + 60


def status(athena: Any, id_: str) -> str:
    return str(athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"]["Status"]["State"])


@pytest.mark.slow
@pytest.mark.server
def test_kill_9_while_clients_write_loses_no_acknowledged_object(tmp_path: Path) -> None:
    settings = Settings(port=0, state_dir=str(tmp_path / "state"), s3_root=str(tmp_path / "s3"))
    running = local_server.up(settings)
    at = replace_port(settings, running.port)
    make(at, "s3").create_bucket(Bucket="kept")
    acknowledged: dict[str, bytes] = {}
    killed = threading.Event()

    def write(number: int) -> None:
        s3 = make(at, "s3")
        with contextlib.suppress(BotoCoreError, ClientError):
            for n in range(10_000):
                body = f"{number}-{n}-".encode() * 2000
                key = f"c={number}/{n % 7}/{n}.bin"
                s3.put_object(Bucket="kept", Key=key, Body=io.BytesIO(body), Metadata={"n": str(n)})
                acknowledged[key] = body
        assert killed.is_set()

    def kill() -> None:
        deadline = time.monotonic() + 30
        while len(acknowledged) < 8 * CLIENTS and time.monotonic() < deadline:  # all of them are at it
            time.sleep(0.02)
        killed.set()
        os.kill(running.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        together(write)
        killer.join()
        again = replace_port(settings, local_server.up(replace(settings, port=0)).port)
        s3 = make(again, "s3")
        assert len(acknowledged) > CLIENTS
        for key, body in acknowledged.items():
            response = s3.get_object(Bucket="kept", Key=key)
            assert (response["Body"].read(), response["Metadata"]) == (body, {"n": key[:-4].rpartition("/")[2]})
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="kept")
        listed = {item["Key"] for page in pages for item in page["Contents"]}
        assert acknowledged.keys() <= listed
        assert len(listed) <= len(acknowledged) + CLIENTS
    finally:
        local_server.down(settings)
