"""Jobs, workers and the mock are killed, disks are full, reads fail: a re-run makes it whole.

`make test` injects a few faults, `make test-long` 30 and more. Which chance a fault takes is drawn from a seed,
named in the test's id. A fault leaves a lake in some state; then the jobs run again, and every table must hold
what it holds where there was no fault. Readers never see a mixture.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lake_world import World, events, make_world, tracks  # type: ignore[import-not-found]
from sparks import jvm_environment

from etholake import aws, local_server
from etholake.contract import CURATED_ZONE, TABLES
from etholake.generations import generation_prefix
from etholake.lake import Lake
from etholake.settings import Settings, replace_port

HERE = Path(__file__).parent
# How often the chance comes in a run without faults, at least: requests of the driver, openings by the workers.
CHANCES = {
    "kill-driver": 60, "kill-mock": 60, "kill-worker": 10, "read-fails": 6, "read-cut-short": 6, "disk-full": 6,
}  # fmt: skip
SHORT = [("kill-driver", 1), ("kill-driver", 2), ("kill-worker", 1), ("read-cut-short", 1), ("disk-full", 1)]
LONG = [
    *(("kill-driver", seed) for seed in range(3, 19)),
    *(("kill-worker", seed) for seed in range(2, 9)),
    *((fault, seed) for fault in ("read-fails", "read-cut-short", "disk-full") for seed in range(2, 5)),
]
CASES = [*SHORT, *(pytest.param(*case, marks=pytest.mark.long) for case in LONG)]
TRACKS = "tracking_curated"
PAUSE_S = 0.5  # between two queries of a reader: without it they took most of the processor time


def before(world: World) -> None:
    """Two labs, three videos."""
    for lab, video in (("LabA", 1), ("LabA", 2), ("Lab B", 3)):
        world.video(lab, video)
        world.parquet("tracking", lab, video, tracks())
        world.parquet("annotation", lab, video, events((1, 2, "attack", 0, 3)))


def change(world: World) -> None:
    """A new video, a new lab, another scale, a file that is damaged now, a video that is gone."""
    world.video("LabA", 7)
    world.parquet("tracking", "LabA", 7, tracks(frames=9))
    world.video("LabC", 8)
    world.parquet("tracking", "LabC", 8, tracks(frames=4))
    world.parquet("annotation", "LabC", 8, events((2, 1, "attack", 1, 2)))
    world.rows[1]["pix_per_cm_approx"] = 20
    world.write_metadata()
    world.put("raw-zone/train_tracking/lab_id=LabA/1.parquet", b"PAR1 no")
    world.put("raw-zone/train_tracking/lab_id=Lab B/9.parquet", b"")
    world.lake.s3.delete_object(Bucket=world.lake.bucket, Key="raw-zone/train_annotation/lab_id=LabA/2.parquet")


@pytest.fixture(scope="module")
def start(mock_settings: Settings, spark: Any) -> World:
    """The curated lake before the change; each fault strikes in a copy."""
    world = make_world(mock_settings, spark, "faults-start")
    before(world)
    world.run()
    return world


@pytest.fixture(scope="module")
def untroubled(mock_settings: Settings, spark: Any, start: World) -> dict[str, Any]:
    """The rows of the tables before and after the change, when no fault is injected."""
    world = start.copy(mock_settings, "faults-none", spark)
    old, old_answer = world.content(), answers(mock_settings, world)
    change(world)
    world.run()
    return {"before": old, "after": world.content(), "answers": [old_answer, answers(mock_settings, world)]}


def answers(settings: Settings, world: World) -> dict[str, tuple[str, ...]]:
    """(rows, sum, videos) of each lab's tracks, by Athena."""
    athena = aws.client(settings, "athena")
    query = athena.start_query_execution(
        QueryString=f"SELECT lab_id, count(*), sum(x_cm), count(DISTINCT video_id) FROM {TRACKS} GROUP BY lab_id",
        QueryExecutionContext={"Database": world.lake.database},
        ResultConfiguration={"OutputLocation": f"s3://{world.lake.bucket}/query-results/"},
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] not in {"QUEUED", "RUNNING"}:
            break
        time.sleep(0.05)
    assert status["State"] == "SUCCEEDED", status
    rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"][1:]
    cells = [tuple(cell.get("VarCharValue", "") for cell in row["Data"]) for row in rows]
    return {lab: rest for lab, *rest in ((c[0], *c[1:]) for c in cells)}  # type: ignore[misc]


@contextmanager
def reader(settings: Settings, world: World) -> Iterator[list[dict[str, tuple[str, ...]]]]:
    """Queries all the while, and gives what it was answered."""
    seen: list[dict[str, tuple[str, ...]]] = []
    failures: list[Exception] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                seen.append(answers(settings, world))
            except Exception as err:
                failures.append(err)
                return
            stop.wait(PAUSE_S)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
    assert not failures, failures[0]


def run_with(fault: str, at: int, world: World, environment: dict[str, str], counter: Path, **more: Any) -> int:
    """Both jobs in a process of their own, with a fault at the `at`-th chance (0: none). Returns its exit code."""
    given = {"bucket": world.lake.bucket, "database": world.lake.database, "fault": fault, "at": at}
    given |= {"counter": str(counter), **more}
    submit = "--master local[2] --conf spark.ui.enabled=false --conf spark.driver.bindAddress=127.0.0.1"
    variables = {
        **os.environ, **environment, **jvm_environment(),
        "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": f"{HERE}:{HERE.parents[1]}",
        "PYSPARK_SUBMIT_ARGS": f"{submit} --conf spark.driver.host=127.0.0.1 pyspark-shell",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(HERE / "faulty_job.py"), json.dumps(given)], env=variables, capture_output=True,
        timeout=600, check=False,
    )  # fmt: skip
    return done.returncode


def environment(settings: Settings) -> dict[str, str]:
    return {**aws.environment(settings), "ETHOLAKE_S3_MOUNT": str(Path(settings.s3_root).resolve())}


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "seed"), CASES)
def test_a_rerun_makes_whole_what_a_fault_has_left(
    fault: str, seed: int, start: World, untroubled: dict[str, Any], mock_settings: Settings, tmp_path: Path
) -> None:
    world = start.copy(mock_settings, f"faults-{fault}-{seed}", start.spark)
    assert world.content() == untroubled["before"]
    change(world)
    at = random.Random(f"{fault} {seed}").randint(1, CHANCES[fault])
    counter = tmp_path / "chances"
    with reader(mock_settings, world) as seen:
        code = run_with(fault, at, world, environment(mock_settings), counter)
        assert counter.stat().st_size >= at, "the fault's chance never came: lower CHANCES"
        assert code == (-signal.SIGKILL if fault == "kill-driver" else 1)
        world.run()
    assert world.content() == untroubled["after"]
    allowed = untroubled["answers"]
    mixed = [a for a in seen for lab, answer in a.items() if answer not in [state.get(lab) for state in allowed]]
    assert not mixed, (mixed[0], allowed)
    assert len(seen) >= 3
    assert_no_orphan_is_named(world)


def assert_no_orphan_is_named(world: World) -> None:
    """The catalog names committed generations only."""
    where = {"DatabaseName": world.lake.database}
    for name, spec in TABLES.items():
        committed = {
            generation_prefix(name, keys, world.lake.current(name, keys)["generation"])
            for keys in world.lake.partitions(name)
        }
        named = world.lake.referenced(name)
        assert {prefix for prefix in named if "/gen-" in prefix} == committed, name
        if spec.partitions:
            pages = world.lake.glue.get_paginator("get_partitions").paginate(**where, TableName=name)
            assert sum(len(page["Partitions"]) for page in pages) == len(committed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 7))])
def test_the_mock_may_be_killed_too(seed: int, start: World, untroubled: dict[str, Any], tmp_path: Path) -> None:
    """Its S3 and its catalog survive; what the pointers say is registered."""
    settings = Settings(port=0, state_dir=str(tmp_path / "state"), s3_root=str(tmp_path / "s3"))
    counter = tmp_path / "chances"
    running = local_server.up(settings)
    at = replace_port(settings, running.port)
    try:
        world = start.copy(at, "faults-mock")
        change(world)
        chance = random.Random(f"kill-mock {seed}").randint(1, CHANCES["kill-mock"])
        code = run_with("kill-mock", chance, world, environment(at), counter, victim=running.pid)
        assert counter.stat().st_size >= chance, "the fault's chance never came: lower CHANCES"
        assert code == 1
        at = replace_port(settings, local_server.up(settings).port)
        lake = Lake(aws.client(at, "s3"), aws.client(at, "glue"), world.lake.bucket, world.lake.database)
        world = dataclasses.replace(world, lake=lake)
        lake.register()
        states = untroubled["answers"]
        seen = answers(at, world)
        assert all(answer in [state.get(lab) for state in states] for lab, answer in seen.items())
        assert run_with("none", 0, world, environment(at), tmp_path / "none") == 0
        assert world.content() == untroubled["after"]
        assert_no_orphan_is_named(world)
        assert not [key for key in world.keys(CURATED_ZONE) if "/.tmp-" in key]
    finally:
        local_server.down(settings)
