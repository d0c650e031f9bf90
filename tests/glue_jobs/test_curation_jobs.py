"""Both Glue jobs, their `main` called with a local Spark session, on hand-made raw data in the mock's S3."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pyarrow.parquet as pq
import pytest
from lake_world import World, events, make_world, tracking_job, tracks  # type: ignore[import-not-found]

from etholake.contract import CURATED_ZONE, raw_key
from etholake.errors import ContractError, DataError
from etholake.settings import Settings


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
    world.parquet("tracking", "LabA", 15, tracks(score=[1.0] * 6))
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

SUMS = {"files": 6, "rows_in": 24, "rows_curated": 24, "rows_quarantined": 0, "rows_imputed": 0}


def test_good_data_becomes_every_table(world: World) -> None:
    sums = world.run()
    assert sums == SUMS
    assert world.lake.partitions("tracking_curated") == [
        {"split": "train", "lab_id": "Lab B"}, {"split": "train", "lab_id": "LabA"}
    ]  # fmt: skip
    rows = world.table("tracking_curated", split="train", lab_id="LabA")
    assert [(r["video_id"], r["video_frame"], r["mouse_id"]) for r in rows] == [
        (v, f, m) for v in (1, 2) for m in (1, 2) for f in range(3)
    ]
    assert (rows[1]["x_cm"], rows[1]["y_cm"], rows[1]["vx"]) == (pytest.approx(-19.9), -14.0, pytest.approx(3.0))
    annotated = world.table("annotations_enriched", lab_id="LabA")
    assert [(r["start_sec"], r["issue"]) for r in annotated] == [
        (0.0, None),
        (pytest.approx(1 / 6), "interval-zero"),
    ]
    flags = {r["video_id"]: r["flags"] for r in world.table("metadata_train")}
    assert flags == {1: ["labels-beyond-tracking"], 2: ["video-without-annotation"], 3: []}
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
    partition = glue.get_partition(
        DatabaseName=database, TableName="tracking_curated", PartitionValues=["train", "LabA"]
    )
    assert world.lake.current_files("tracking_curated", {"split": "train", "lab_id": "LabA"})[0].startswith(
        partition["Partition"]["StorageDescriptor"]["Location"]
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
    assert flags[15] == ["column-extra", "duration-implausible"]  # three frames of a video of two seconds
    assert flags[16] == ["coordinate-infinite", "coordinate-missing", "duration-implausible"]
    assert "mouse-untracked" in {
        f for r in world.table("metadata_train") if r["video_id"] == 17 for f in r["flags"]
    }


def test_a_second_run_changes_nothing_and_says_why(curated: World, capsys: pytest.CaptureFixture[str]) -> None:
    before = {
        key: curated.lake.s3.head_object(Bucket=curated.lake.bucket, Key=key)["LastModified"]
        for key in curated.keys(CURATED_ZONE)
    }
    capsys.readouterr()
    assert curated.run() == SUMS
    after = {
        key: curated.lake.s3.head_object(Bucket=curated.lake.bucket, Key=key)["LastModified"]
        for key in curated.keys(CURATED_ZONE)
    }
    assert after == before
    output = capsys.readouterr().out
    assert output.count("skipped") == 2 + 2 + 6  # tracking and annotations of two labs, six small tables
    assert "curated" not in output.replace("tracking_curated", "")


def test_only_the_changed_lab_is_made_again_and_a_gone_lab_is_dropped(curated: World) -> None:
    keys = {lab: {"split": "train", "lab_id": lab} for lab in ("LabA", "Lab B")}
    before = {lab: curated.lake.current("tracking_curated", k) for lab, k in keys.items()}
    curated.parquet("tracking", "LabA", 2, tracks(5))
    curated.run()
    assert curated.lake.current("tracking_curated", keys["Lab B"]) == before["Lab B"]
    assert curated.lake.current("tracking_curated", keys["LabA"])["report"]["rows_curated"] == 6 + 10
    for key in curated.keys("raw-zone/train_tracking/lab_id=Lab B/") + curated.keys(
        "raw-zone/train_annotation/lab_id=Lab B/"
    ):
        curated.lake.s3.delete_object(Bucket=curated.lake.bucket, Key=key)
    curated.run()
    assert curated.lake.partitions("tracking_curated") == [keys["LabA"]]
    assert curated.lake.partitions("annotations_enriched") == [{"lab_id": "LabA"}]
    assert {r["video_id"]: r["flags"] for r in curated.table("metadata_train")}[3] == [
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
    options = tracking_job.TrackingOptions(world.lake.bucket, world.lake.database, 15, "code")
    plan = tracking_job.read(options, world.lake)
    reports = tracking_job.transform(plan.make, options, world.spark)
    target, first = next((t, r) for t, r in reports.items() if r)
    reports[target] = [type(first[0])(**{**vars(first[0]), "rows_curated": 1}), *first[1:]]
    with pytest.raises(ContractError, match=first[0].source_file):
        list(tracking_job.write(plan.make, reports, world.lake))
    assert world.lake.partitions("tracking_curated") == []
