"""Measure what the mock's Athena adds to DuckDB on the same files: start, poll and fetch through boto3, per query.

.venv/bin/python benchmarks/queries.py [--quick] [--json]
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from figures import Figure, median_seconds, options, show

from etholake import aws, local_server, settings
from etholake.contract import arrow_schema
from etholake.lake import Lake
from etholake.settings import Settings

QUERIES = {
    "count": "SELECT count(*) FROM tracking_curated",
    "mean speed per mouse": "SELECT video_id, mouse_id, avg(speed) FROM tracking_curated GROUP BY 1, 2",
    "one second": "SELECT * FROM tracking_curated WHERE video_id = 1 AND video_frame BETWEEN 300 AND 329",
}
FLOATS = ("x", "y", "z", "likelihood", "x_cm", "y_cm", "vx", "vy", "speed")


def main() -> None:
    given = options(__doc__)
    frames, repeats = (20_000, 5) if given.quick else (400_000, 11)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        base = dataclasses.replace(
            settings.load(), port=0, state_dir=str(root / "state"), s3_root=str(root / "s3")
        )
        at = settings.replace_port(base, local_server.up(base).port)
        try:
            rows = _write_lake(at, frames)
            figures = [Figure("queries: rows", rows, "rows")]
            files = [str(f) for f in (root / "s3" / at.bucket).rglob("part-*.parquet")]
            for name, sql in QUERIES.items():
                athena = median_seconds(partial(_athena, at, sql), repeats)
                native = median_seconds(partial(_native, files, sql), repeats)
                added = 1000 * (athena - native)
                allowed = 50 + 0.2 * 1000 * native
                target = f"<= {allowed:.0f} ms (50 ms + 20 %)"
                figures += [
                    Figure(f"queries: {name}: added to DuckDB", added, "ms", target, added <= allowed),
                    Figure(f"queries: {name}: through the mock / DuckDB", athena / native, "x", better="lower"),
                ]
        finally:
            local_server.down(at)
    show(figures, as_json=given.json)


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
