"""Measure the mock's Athena: against DuckDB on the same files, after a start, with many clients and partitions.

.venv/bin/python benchmarks/queries.py [--quick] [--json]

A query is start, poll and fetch through boto3, the poll every 5 ms. The first one is of a mock that has just been
started. Each client asks for one second of tracks again and again; it is fair if the slowest of them takes no
longer than the median one. Planning is what a table of 10,000 partitions adds to a query of one of them, against a
table that has only that one.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from figures import Figure, median_seconds, options, show

from etholake import aws, local_server, settings
from etholake.contract import arrow_schema
from etholake.lake import Lake
from etholake.settings import Settings

SECOND = "SELECT * FROM tracking_curated WHERE video_id = 1 AND video_frame BETWEEN 300 AND 329"
QUERIES = {
    "count": "SELECT count(*) FROM tracking_curated",
    "mean speed per mouse": "SELECT video_id, mouse_id, avg(speed) FROM tracking_curated GROUP BY 1, 2",
    "one second": SECOND,
}
FLOATS = ("x", "y", "z", "likelihood", "x_cm", "y_cm", "vx", "vy", "speed")
CLIENTS = 32
PARTITIONS = 10_000
PARTITIONED = {True: "many", False: "one"}  # tables: with all the partitions, with the asked one


def main() -> None:
    given = options(__doc__)
    frames, repeats, each = (20_000, 7, 3) if given.quick else (400_000, 21, 10)
    figures = [_after_start(repeats=3)]
    with _mock() as (at, root):
        rows = _write_lake(at, frames)
        figures.append(Figure("queries: rows", rows, "rows"))
        figures += _against_duckdb(at, root, repeats)
        figures += _many_clients(at, each)
        figures.append(_planning(at, repeats))
    show(figures, as_json=given.json)


@contextmanager
def _mock() -> Iterator[tuple[Settings, Path]]:
    """Yield the settings of a mock of its own, and its folder."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        base = dataclasses.replace(
            settings.load(), port=0, state_dir=str(root / "state"), s3_root=str(root / "s3")
        )
        at = settings.replace_port(base, local_server.up(base).port)
        try:
            yield at, root
        finally:
            local_server.down(at)


def _after_start(repeats: int) -> Figure:
    """Return the time of the first query of a mock that has just started."""
    seconds = []
    for _ in range(repeats):
        with _mock() as (at, _):
            aws.client(at, "s3").create_bucket(Bucket=at.bucket)
            began = time.perf_counter()
            _athena(at, "SELECT 1")
            seconds.append(time.perf_counter() - began)
    value = statistics.median(seconds)
    return Figure("queries: first query after a start", value, "s", "<= 1", value <= 1)


def _against_duckdb(at: Settings, root: Path, repeats: int) -> Iterator[Figure]:
    """Yield what the mock adds to DuckDB, which opens the same files anew for every query."""
    files = [str(f) for f in (root / "s3" / at.bucket).rglob("part-*.parquet")]
    for name, sql in QUERIES.items():
        through_mock, native = partial(_athena, at, sql), partial(_native, files, sql)
        times = [(median_seconds(through_mock, 1), median_seconds(native, 1)) for _ in range(repeats + 1)][1:]
        athena, bare = (statistics.median(values) for values in zip(*times, strict=True))
        added, allowed = 1000 * (athena - bare), 40 + 0.15 * 1000 * bare
        target = f"<= {allowed:.0f} ms (40 ms + 15 %)"
        yield Figure(f"queries: {name}: added to DuckDB", added, "ms", target, added <= allowed)
        yield Figure(f"queries: {name}: through the mock / DuckDB", athena / bare, "x", better="lower")


def _many_clients(at: Settings, each: int) -> Iterator[Figure]:
    """Yield how evenly clients that ask at once are served, and what they get together."""

    def client(_: int) -> float:
        began = time.perf_counter()
        for _ in range(each):
            _athena(at, SECOND)
        return time.perf_counter() - began

    alone = client(0)
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        seconds = list(pool.map(client, range(CLIENTS)))
    whole = time.perf_counter() - began
    fair = max(seconds) / statistics.median(seconds)
    yield Figure(f"queries: {CLIENTS} clients, slowest / median", fair, "x", "<= 1.25", fair <= 1.25)
    together = CLIENTS * alone / whole
    yield Figure(f"queries: {CLIENTS} clients, queries a second / one client's", together, "x", better="higher")


def _planning(at: Settings, repeats: int) -> Figure:
    """Return what 10,000 partitions add to a query that reads one of them."""
    glue, s3 = aws.client(at, "glue"), aws.client(at, "s3")
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"n": [1]}), sink)
    s3.put_object(Bucket=at.bucket, Key="planned/video=5000/data.parquet", Body=sink.getvalue().to_pybytes())
    storage: dict[str, Any] = {
        "Columns": [{"Name": "n", "Type": "bigint"}],
        "Location": f"s3://{at.bucket}/planned/",
        "SerdeInfo": {
            "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
        },
    }  # fmt: skip
    for is_many, table in PARTITIONED.items():
        keys = {"StorageDescriptor": storage, "PartitionKeys": [{"Name": "video", "Type": "int"}]}
        glue.create_table(
            DatabaseName=at.database, TableInput={"Name": table, "TableType": "EXTERNAL_TABLE", **keys}
        )
        videos = range(PARTITIONS) if is_many else [5000]
        for first in range(0, len(videos), 100):
            inputs = [
                {
                    "Values": [str(video)],
                    "StorageDescriptor": storage | {"Location": f"{storage['Location']}video={video}/"},
                }
                for video in videos[first : first + 100]
            ]
            glue.batch_create_partition(DatabaseName=at.database, TableName=table, PartitionInputList=inputs)
    asked = [f"SELECT n FROM {table} WHERE video = 5000" for table in PARTITIONED.values()]  # noqa: S608
    rounds = [[median_seconds(partial(_athena, at, sql), 1) for sql in asked] for _ in range(repeats + 1)][1:]
    many, one = (statistics.median(values) for values in zip(*rounds, strict=True))
    added = 1000 * (many - one)
    return Figure(f"queries: planning with {PARTITIONS:,} partitions", added, "ms", "<= 300", added <= 300)


def _write_lake(at: Settings, frames: int) -> int:
    """Return one partition of `tracking_curated`: one video, 2 mice, 5 parts."""
    s3, glue = aws.client(at, "s3"), aws.client(at, "glue")
    s3.create_bucket(Bucket=at.bucket)
    glue.create_database(DatabaseInput={"Name": at.database})
    n = frames * 10
    random = np.random.default_rng(0)
    columns = {
        "video_id": np.ones(n, np.int64),
        "video_frame": np.repeat(np.arange(frames, dtype=np.int32), 10),
        "mouse_id": np.tile(np.repeat([1, 2], 5), frames).astype(np.int8),
        "bodypart": pa.array(["body_center", "ear_left", "ear_right", "nose", "tail_base"] * 2 * frames),
        "is_imputed": np.zeros(n, bool),
    } | {c: random.random(n, np.float32) for c in FLOATS}
    schema = arrow_schema("tracking_curated")
    table = pa.table({name: columns[name] for name in schema.names}).cast(schema)
    lake = Lake(s3, glue, at.bucket, at.database)
    lake.register()
    lake.replace_table("tracking_curated", table, "0" * 16, {"split": "train", "lab_id": "Bench"})
    return n


def _athena(at: Settings, sql: str) -> None:
    athena = aws.client(at, "athena")
    query = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": at.database},
        ResultConfiguration={"OutputLocation": f"s3://{at.bucket}/query-results/"},
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] not in {"QUEUED", "RUNNING"}:
            break
        time.sleep(0.005)
    assert status["State"] == "SUCCEEDED", status
    athena.get_query_results(QueryExecutionId=query)


def _native(files: list[str], sql: str) -> None:
    with duckdb.connect() as connection:
        connection.read_parquet(files).create_view("tracking_curated")
        connection.execute(sql).fetchall()


if __name__ == "__main__":
    main()
