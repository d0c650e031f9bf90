"""The curation jobs in a world of their own: a bucket, a database, and raw data made by hand."""

from __future__ import annotations

import csv
import importlib.util
import io
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etholake import aws
from etholake.contract import RAW_METADATA_COLUMNS, TABLES, arrow_schema, raw_key
from etholake.lake import Lake
from etholake.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def script(name: str) -> ModuleType:
    """A Glue script as a module (on Glue it is a lone file, in no package)."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "glue_jobs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tracking_job, tables_job, compact_job = (
    script(name) for name in ("curate_tracking", "curate_tables", "compact_tracking")
)


@dataclass
class World:
    """A bucket and database of their own, and what stands in the raw zone."""

    lake: Lake
    spark: Any
    rows: list[dict[str, Any]] = field(default_factory=list)

    def put(self, key: str, body: bytes) -> None:
        self.lake.s3.put_object(Bucket=self.lake.bucket, Key=key, Body=body)

    def video(self, lab: str, video_id: int, **values: Any) -> None:
        row = {
            "lab_id": lab, "video_id": video_id, "mouse1_strain": "C57", "mouse2_strain": "CD1",
            "frames_per_second": 30, "video_duration_sec": 2, "pix_per_cm_approx": 10, "video_width_pix": 400,
            "video_height_pix": 300, "body_parts_tracked": '["nose"]',
            "behaviors_labeled": '["mouse1,mouse2,attack"]',
        }  # fmt: skip
        self.rows.append(row | values)
        self.write_metadata()

    def write_metadata(self) -> None:
        out = io.StringIO()
        writer = csv.DictWriter(out, RAW_METADATA_COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(self.rows)
        self.put(raw_key("train", "metadata"), out.getvalue().encode())

    def parquet(self, kind: str, lab: str, video_id: int | str, table: pa.Table) -> None:
        sink = io.BytesIO()
        pq.write_table(table, sink)
        self.put(raw_key("train", kind, lab, video_id), sink.getvalue())

    def run(self, digest: str = "code") -> dict[str, int]:
        """Both jobs, in their order; the sums of the second."""
        arguments = [
            "job.py",
            "--JOB_NAME",
            "test",
            "--bucket",
            self.lake.bucket,
            "--database",
            self.lake.database,
        ]
        arguments += ["--max_gap_frames", "15", "--code_digest", digest]
        tracking_job.main(arguments, self.spark)
        sums: dict[str, int] = tables_job.main(arguments, self.spark)
        return sums

    def table(self, name: str, **partition: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for uri in self.lake.current_files(name, partition):
            key = uri.removeprefix(f"s3://{self.lake.bucket}/")
            body = self.lake.s3.get_object(Bucket=self.lake.bucket, Key=key)["Body"].read()
            table = pq.read_table(io.BytesIO(body))
            assert table.schema.equals(arrow_schema(name))
            rows += table.to_pylist()
        return rows

    def content(self) -> dict[str, list[dict[str, Any]]]:
        """Every curated row of every table, by content."""
        return {
            f"{name} {partition}": self.table(name, **partition)
            for name in TABLES
            for partition in self.lake.partitions(name)
        }

    def copy(self, settings: Settings, name: str, spark: Any = None) -> World:
        """Return a world with the same objects, in its own bucket and database on the mock of `settings`.

        The catalog is registered from the pointers, so a curated world need not be curated again.
        """
        copy = make_world(settings, spark, name)
        for key in self.keys(""):
            copy.put(key, self.lake.s3.get_object(Bucket=self.lake.bucket, Key=key)["Body"].read())
        copy.lake.register()
        copy.rows += [dict(row) for row in self.rows]
        return copy

    def keys(self, prefix: str) -> list[str]:
        pages = self.lake.s3.get_paginator("list_objects_v2").paginate(Bucket=self.lake.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


def tracks(frames: int = 3, mice: int = 2, **columns: Any) -> pa.Table:
    """`mice` mice walk along x = frame, y = 10 x mouse."""
    points = [(f, m) for f in range(frames) for m in range(1, mice + 1)]
    data = {
        "video_frame": pa.array([f for f, _ in points], pa.int32()),
        "mouse_id": pa.array([m for _, m in points], pa.int8()),
        "bodypart": ["nose"] * len(points),
        "x": pa.array([float(f) for f, _ in points], pa.float32()),
        "y": pa.array([10.0 * m for _, m in points], pa.float32()),
    }
    return pa.table(data | columns)


def events(*rows: tuple[int, int, str, int, int]) -> pa.Table:
    agent, target, action, start, stop = zip(*rows, strict=True)
    return pa.table(
        {"agent_id": agent, "target_id": target, "action": action, "start_frame": start, "stop_frame": stop}
    )


def make_world(settings: Settings, spark: Any, name: str) -> World:
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    s3.create_bucket(Bucket=name)
    glue.create_database(DatabaseInput={"Name": name.replace("-", "_")})
    return World(Lake(s3, glue, name, name.replace("-", "_")), spark)
