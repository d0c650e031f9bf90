"""Both Glue jobs, their `main` called with a local Spark session, on hand-made raw data in the mock's S3."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etholake import aws
from etholake.contract import CURATED_ZONE, RAW_METADATA_COLUMNS, TABLES, arrow_schema, raw_key
from etholake.errors import ContractError, DataError
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


tracking_job, tables_job = script("curate_tracking"), script("curate_tables")


@pytest.fixture(scope="module")
def spark(mock_settings: Settings) -> Iterator[Any]:
    """One Spark for the module; its workers reach the mock's S3 by the environment, as on Glue."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment(mock_settings).items():
            patch.setenv(name, value)
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        session = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        session = session.config("spark.ui.showConsoleProgress", "false").getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()


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


@pytest.fixture
def world(mock_settings: Settings, spark: Any, request: pytest.FixtureRequest) -> World:
    """A world with two labs, three videos; one of them not annotated."""
    made = make_world(mock_settings, spark, f"cur-{request.node.name.replace('_', '-')[:50]}")
    for lab, video_id in (("LabA", 1), ("LabA", 2), ("Lab B", 3)):
        made.video(lab, video_id)
        made.parquet("tracking", lab, video_id, tracks())
    made.parquet("annotation", "LabA", 1, events((1, 2, "attack", 0, 3), (1, 2, "attack", 5, 5)))
    made.parquet("annotation", "Lab B", 3, events((1, 2, "attack", 1, 2)))
    return made


def dirty(world: World) -> None:
    """Every kind of bad file and row beside the good ones."""
    whole = io.BytesIO()
    pq.write_table(tracks(50), whole)
    for number in range(10, 18):
        world.video("LabA", number)
    world.put(raw_key("train", "tracking", "LabA", 10), whole.getvalue()[:-20])
    world.put(raw_key("train", "tracking", "LabA", 11), b"")
    world.parquet("tracking", "LabA", 12, tracks().drop_columns(["y"]))
    world.parquet("tracking", "LabA", 13, tracks(x=["left"] * 6))
    world.parquet("tracking", "LabA", 14, tracks().slice(0, 0))
    world.parquet("tracking", "LabA", 15, tracks(likelihood=[1.0] * 6))
    world.parquet("tracking", "LabA", 16, tracks(x=[0.0, math.nan, 1.0, math.inf, 2.0, 2.0]))
    world.parquet("tracking", "LabA", 17, tracks(mice=1, video_frame=[-1, 2, 2]))
    world.parquet("tracking", "LabA", 99, tracks())  # in no csv
    world.parquet("tracking", "LabA", "clip", tracks())
    world.parquet("tracking", "Stray", 5, tracks())  # a lab of which nothing is left
    world.parquet("annotation", "LabA", 99, events((1, 2, "attack", 0, 3)))
    world.put(raw_key("train", "annotation", "LabA", 2), b"PAR1 no")


EXPECTED_DIRT = {
    ("tracking", 10): ("file-unreadable", 0), ("tracking", 11): ("file-unreadable", 0),
    ("tracking", 5): ("video-without-metadata", 6), ("tracking", 12): ("column-missing", 6),
    ("tracking", 13): ("column-type", 6),
    ("tracking", 14): ("file-no-rows", 0),
    ("tracking", 99): ("video-without-metadata", 6), ("tracking", None): ("file-name", 6),
    ("annotation", 99): ("video-without-metadata", 1), ("annotation", 2): ("file-unreadable", 0),
}  # fmt: skip


def test_good_data_becomes_every_table(world: World) -> None:
    sums = world.run()
    assert sums == {"files": 6, "rows_in": 24, "rows_curated": 24, "rows_quarantined": 0, "rows_imputed": 0}
    assert world.lake.partitions("tracking_curated") == [
        {"split": "train", "lab_id": "Lab B"}, {"split": "train", "lab_id": "LabA"}
    ]  # fmt: skip
    rows = world.table("tracking_curated", split="train", lab_id="LabA")
    assert [(r["video_id"], r["video_frame"], r["mouse_id"]) for r in rows] == [
        (v, f, m) for v in (1, 2) for m in (1, 2) for f in range(3)
    ]
    assert (rows[2]["x_cm"], rows[2]["y_cm"], rows[2]["vx"]) == (pytest.approx(-19.9), -14.0, pytest.approx(3.0))
    annotated = world.table("annotations_enriched", lab_id="LabA")
    assert [(r["start_sec"], r["issue"]) for r in annotated] == [
        (0.0, None),
        (pytest.approx(1 / 6), "interval-zero"),
    ]
    flags = {r["video_id"]: r["flags"] for r in world.table("metadata_train")}
    assert flags == {1: [], 2: ["video-without-annotation"], 3: []}
    assert world.table("metadata_test") == []
    assert [(r["lab_id"], r["events"], r["frames"]) for r in world.table("class_distribution_stats")] == [
        ("Lab B", 1, 1), ("LabA", 2, 3)
    ]  # fmt: skip
    assert len(world.table("labeled_behaviors")) == 3
    assert world.table("quarantine") == []


def test_the_catalog_points_at_the_committed_files(world: World) -> None:
    world.run()
    glue, database = world.lake.glue, world.lake.database
    location = glue.get_table(DatabaseName=database, Name="metadata_train")["Table"]["StorageDescriptor"][
        "Location"
    ]
    assert world.lake.current_files("metadata_train")[0].startswith(location)
    found = glue.get_partition(
        DatabaseName=database, TableName="tracking_curated", PartitionValues=["train", "LabA"]
    )
    assert world.lake.current_files("tracking_curated", {"split": "train", "lab_id": "LabA"})[0].startswith(
        found["Partition"]["StorageDescriptor"]["Location"]
    )


def test_bad_files_and_rows_lose_nothing_else(world: World) -> None:
    dirty(world)
    world.run()
    files = world.table("curation_files")
    assert all(r["rows_in"] == r["rows_curated"] + r["rows_quarantined"] for r in files)
    assert len(files) == len(world.keys("raw-zone/"))
    rejected = {
        (r["source_file"].split("/")[0].split("_")[1], r["video_id"]): r for r in world.table("quarantine")
    }
    for key, (rule, rows) in EXPECTED_DIRT.items():
        assert (rejected[key]["rule"], rejected[key]["rows"]) == (rule, rows), key
    by_rule = {(r["video_id"], r["rule"]): r for r in world.table("quarantine")}
    assert by_rule[16, "coordinate-infinite"]["row_number"] == 3
    assert json.loads(by_rule[16, "coordinate-missing"]["payload"])["x"] == "nan"
    assert {rule for video, rule in by_rule if video == 17} == {"frame-negative", "point-duplicate"}
    curated = {r["video_id"] for r in world.table("tracking_curated", split="train", lab_id="LabA")}
    assert curated == {1, 2, 15, 16, 17}
    assert world.table("tracking_curated", split="train", lab_id="Stray") == []
    flags = {r["video_id"]: r["flags"] for r in files if r["kind"] == "tracking"}
    assert flags[15] == ["column-extra"]
    assert flags[16] == ["coordinate-infinite", "coordinate-missing"]
    assert "mouse-untracked" in {
        f for r in world.table("metadata_train") if r["video_id"] == 17 for f in r["flags"]
    }


def test_a_second_run_changes_nothing_and_says_why(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    first = world.run()
    before = {
        key: world.lake.s3.head_object(Bucket=world.lake.bucket, Key=key)["LastModified"]
        for key in world.keys(CURATED_ZONE)
    }
    capsys.readouterr()
    assert world.run() == first
    after = {
        key: world.lake.s3.head_object(Bucket=world.lake.bucket, Key=key)["LastModified"]
        for key in world.keys(CURATED_ZONE)
    }
    assert after == before
    said = capsys.readouterr().out
    assert said.count("skipped") == 2 + 2 + 6  # tracking and annotations of two labs, six small tables
    assert "curated" not in said.replace("tracking_curated", "")


def test_only_the_changed_lab_is_made_again_and_a_gone_lab_is_dropped(world: World) -> None:
    world.run()
    keys = {lab: {"split": "train", "lab_id": lab} for lab in ("LabA", "Lab B")}
    before = {lab: world.lake.current("tracking_curated", k) for lab, k in keys.items()}
    world.parquet("tracking", "LabA", 2, tracks(5))
    world.run()
    assert world.lake.current("tracking_curated", keys["Lab B"]) == before["Lab B"]
    assert world.lake.current("tracking_curated", keys["LabA"])["report"]["rows_curated"] == 6 + 10
    for key in world.keys("raw-zone/train_tracking/lab_id=Lab B/") + world.keys(
        "raw-zone/train_annotation/lab_id=Lab B/"
    ):
        world.lake.s3.delete_object(Bucket=world.lake.bucket, Key=key)
    world.run()
    assert world.lake.partitions("tracking_curated") == [keys["LabA"]]
    assert world.lake.partitions("annotations_enriched") == [{"lab_id": "LabA"}]
    assert {r["video_id"]: r["flags"] for r in world.table("metadata_train")}[3] == [
        "video-without-annotation", "video-without-tracking"
    ]  # fmt: skip


def test_other_code_or_a_killed_run_gives_the_same_tables(world: World) -> None:
    dirty(world)
    world.run()
    expected = world.content()
    for pointer in [key for key in world.keys(CURATED_ZONE) if key.endswith("_CURRENT")][::2]:
        world.lake.s3.delete_object(Bucket=world.lake.bucket, Key=pointer)
    world.put(
        world.keys(f"{CURATED_ZONE}/tracking_curated/")[0].rpartition("/")[0] + "/part-00000.parquet", b"half"
    )
    world.run("other code")
    assert world.content() == expected


def test_an_empty_raw_zone_is_refused(mock_settings: Settings, spark: Any) -> None:
    with pytest.raises(DataError, match=r"raw zone of bucket 'cur-empty' is empty .*run `make ingest`"):
        make_world(mock_settings, spark, "cur-empty").run()


def test_a_row_that_gets_lost_fails_the_job_by_the_files_name(world: World) -> None:
    options = tracking_job.Options(world.lake.bucket, world.lake.database, 15, "code")
    plan = tracking_job.read(options, world.lake)
    reports = tracking_job.transform(plan.make, options, world.spark)
    target, first = next((t, r) for t, r in reports.items() if r)
    reports[target] = [type(first[0])(**{**vars(first[0]), "rows_curated": 1}), *first[1:]]
    with pytest.raises(ContractError, match=first[0].source_file):
        list(tracking_job.write(plan.make, reports, world.lake))
    assert world.lake.partitions("tracking_curated") == []
