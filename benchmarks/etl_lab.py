"""Provide what benchmarks/etl.py measures on: a mock of its own, Spark, the curation job, simulated labs."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq

from etholake import aws, local_server, settings
from etholake.contract import RAW_ZONE
from etholake.settings import Settings
from etholake.simulate import simulate

GAP = 15  # frames: the longest gap that is filled
JOB = Path(__file__).resolve().parents[1] / "glue_jobs" / "curate_tracking.py"


@contextmanager
def started_mock(root: Path) -> Iterator[Settings]:
    """Yield a mock whose buckets are folders of `root`; the environment names it to Spark too."""
    base = dataclasses.replace(settings.load(), port=0, state_dir=str(root / "state"), s3_root=str(root / "s3"))
    at = settings.replace_port(base, local_server.up(base).port)
    before = dict(os.environ)
    os.environ.update(aws.environment(at), ETHOLAKE_S3_MOUNT=str(root / "s3"))
    try:
        yield at
    finally:
        os.environ.clear()
        os.environ.update(before)
        local_server.down(at)


def start_spark() -> Any:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local[{os.cpu_count()}]").config("spark.driver.memory", "8g")
    for key, value in {
        "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
        "spark.ui.showConsoleProgress": "false", "spark.sql.parquet.compression.codec": "zstd",
        "spark.local.dir": tempfile.gettempdir(),
    }.items():  # fmt: skip
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def load_job() -> ModuleType:
    spec = importlib.util.spec_from_file_location("curate_tracking", JOB)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["curate_tracking"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_lake(at: Settings, root: Path, data: Path, name: str, copies: int = 1) -> Settings:
    """Return a lake of its own whose raw zone holds `data` (hard links), `copies` times under other videos."""
    settings = dataclasses.replace(at, bucket=name, database=name.replace("-", "_"))
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    s3.create_bucket(Bucket=name)
    glue.create_database(DatabaseInput={"Name": settings.database})
    zone = root / "s3" / name / RAW_ZONE
    header, *rows = (data / "train.csv").read_text().splitlines()
    at_id = header.split(",").index("video_id")
    lines = [header]
    for copy in range(copies):
        for row in rows:
            cells = row.split(",")
            cells[at_id] = str(int(cells[at_id]) * 100 + copy)
            lines.append(",".join(cells))
    (zone / "metadata").mkdir(parents=True)
    (zone / "metadata" / "train.csv").write_text("\n".join(lines) + "\n")
    for file in sorted((data / "train_tracking").glob("*/*.parquet")):
        for copy in range(copies):
            target = (
                zone / "train_tracking" / f"lab_id={file.parent.name}" / f"{int(file.stem) * 100 + copy}.parquet"
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, target)
    return settings


def simulated(root: Path, rows: int, *, labs: int = 6, videos: int = 4) -> tuple[Path, int]:
    """Return a data set of about `rows` train rows: (folder, rows)."""
    out = root / f"labs-{rows}"
    trial = simulate(root / f"trial-{rows}", labs=labs, videos=1, test_videos=0, seconds=20, seed=3, dirt=0.1)
    seconds = 20 * rows / (trial.rows * videos)
    simulate(out, labs=labs, videos=videos, test_videos=0, seconds=seconds, seed=3, dirt=0.1)
    for stray in out.glob("train_tracking/*/99999999.parquet"):
        stray.unlink()  # in no csv: the yardsticks do not quarantine
    files = sorted((out / "train_tracking").glob("*/*.parquet"))
    return out, sum(pq.read_metadata(file).num_rows for file in files)


def curate(job: ModuleType, spark: Any, at: Settings, code: str) -> dict[str, int]:
    arguments = ["job", "--bucket", at.bucket, "--database", at.database, "--max_gap_frames", str(GAP)]
    with _silence():
        sums: dict[str, int] = job.main([*arguments, "--code_digest", code], spark)
    return sums


@contextmanager
def _silence() -> Iterator[None]:
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def seconds_of(name: str, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    took = time.perf_counter() - began
    print(f"{name:<12} {took:8.2f} s", file=sys.stderr)
    return took
