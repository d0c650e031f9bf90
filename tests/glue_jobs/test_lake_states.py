"""States of the lake: what a change touches, who wins a race, what compaction and vacuum may do."""

from __future__ import annotations

import datetime as dt
import json
import math
import pickle
import threading
from dataclasses import replace
from typing import Any

import pytest
from lake_world import World, compact_job, tracking_job, tracks  # type: ignore[import-not-found]

from etholake.contract import CURATED_ZONE, QUALITY_POINTER, arrow_schema
from etholake.curate import compact
from etholake.curate import units as plan
from etholake.errors import DataError
from etholake.generations import generation_prefix, new_generation
from etholake.lake import LostRaceError
from etholake.pages.quality import render
from etholake.settings import Settings
from etholake.stages.lake import vacuum

LAB_A = {"split": "train", "lab_id": "LabA"}
TRACKS, SUMMARY = "tracking_curated", "track_summary"


@pytest.fixture
def one_file_a_video(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.units, "__defaults__", (None, 1))


def files(world: World) -> dict[str, bytes]:
    """The files of lab A's tracks, by name."""
    contents = {}
    for uri in world.lake.current_files(TRACKS, LAB_A):
        key = uri.removeprefix(f"s3://{world.lake.bucket}/")
        body = world.lake.s3.get_object(Bucket=world.lake.bucket, Key=key)["Body"].read()
        contents[key.rpartition("/")[2]] = body
    return contents


def videos(world: World, table: str = TRACKS) -> set[int]:
    return {row["video_id"] for row in world.table(table, **LAB_A)}


def compacted(world: World) -> list[dict[str, str]]:
    arguments = ["job.py", "--bucket", world.lake.bucket, "--database", world.lake.database]
    partitions: list[dict[str, str]] = compact_job.main(arguments, world.spark)
    return partitions


def curated_videos(world: World, monkeypatch: pytest.MonkeyPatch) -> list[set[int | None]]:
    """Run the jobs; the videos of each unit that was really curated."""
    seen: list[set[int | None]] = []
    whole = tracking_job.transform

    def watched(partitions: Any, *rest: Any) -> Any:
        seen.extend({raw.video_id for raw in unit.files} for p in partitions for unit in p.units)
        return whole(partitions, *rest)

    monkeypatch.setattr(tracking_job, "transform", watched)
    world.run()
    monkeypatch.setattr(tracking_job, "transform", whole)
    return seen


@pytest.mark.usefixtures("one_file_a_video")
def test_a_new_video_costs_itself_and_its_lab_only(curated: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before, other = files(curated), curated.lake.current(TRACKS, {"split": "train", "lab_id": "Lab B"})
    curated.video("LabA", 7)
    curated.parquet("tracking", "LabA", 7, tracks())
    assert curated_videos(curated, monkeypatch) == [{7}]
    after = files(curated)
    assert before.items() < after.items()
    assert len(after) == len(before) + 1
    assert videos(curated) == videos(curated, SUMMARY) == {1, 2, 7}
    assert curated.lake.current(TRACKS, {"split": "train", "lab_id": "Lab B"}) == other


@pytest.mark.usefixtures("one_file_a_video")
def test_a_video_that_is_gone_takes_its_rows_along(curated: World, monkeypatch: pytest.MonkeyPatch) -> None:
    curated.lake.s3.delete_object(Bucket=curated.lake.bucket, Key="raw-zone/train_tracking/lab_id=LabA/2.parquet")
    assert curated_videos(curated, monkeypatch) == []
    assert videos(curated) == videos(curated, SUMMARY) == {1}
    assert {r["video_id"] for r in curated.table("curation_files") if r["kind"] == "tracking"} == {1, 3}


@pytest.mark.usefixtures("one_file_a_video")
def test_another_scale_curates_that_video_again(curated: World, monkeypatch: pytest.MonkeyPatch) -> None:
    curated.rows[1]["pix_per_cm_approx"] = 20
    curated.write_metadata()
    assert curated_videos(curated, monkeypatch) == [{2}]
    y = {(r["video_id"], r["mouse_id"]): r["y_cm"] for r in curated.table(TRACKS, **LAB_A)}
    assert y == {(1, 1): -14.0, (1, 2): -13.0, (2, 1): -7.0, (2, 2): -6.5}


@pytest.mark.usefixtures("one_file_a_video")
def test_other_code_curates_everything_again(curated: World, monkeypatch: pytest.MonkeyPatch) -> None:
    curated.run("new code")
    assert curated_videos(curated, monkeypatch) == [{3}, {1}, {2}]  # back to "code"
    assert curated_videos(curated, monkeypatch) == []


@pytest.mark.usefixtures("one_file_a_video")
def test_compaction_changes_files_and_no_row(curated: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, summary = curated.table(TRACKS, **LAB_A), curated.table(SUMMARY, **LAB_A)
    under_way = curated.lake.current_files(TRACKS, LAB_A)  # of a query that has begun
    assert compacted(curated) == [LAB_A]
    assert len(curated.lake.current_files(TRACKS, LAB_A)) == len(curated.lake.current_files(SUMMARY, LAB_A)) == 1
    assert curated.table(TRACKS, **LAB_A) == sorted(rows, key=lambda row: row["video_id"])
    assert curated.table(SUMMARY, **LAB_A) == sorted(summary, key=lambda row: row["video_id"])
    keys = set(curated.keys(f"{CURATED_ZONE}/{TRACKS}/"))
    assert {uri.removeprefix(f"s3://{curated.lake.bucket}/") for uri in under_way} <= keys
    assert compacted(curated) == []
    assert curated_videos(curated, monkeypatch) == []  # the same inputs: nothing to curate again
    curated.video("LabA", 7)
    curated.parquet("tracking", "LabA", 7, tracks())
    assert curated_videos(curated, monkeypatch) == [{7}]  # and the merged file is kept as any other
    assert len(files(curated)) == 2


def test_only_small_files_are_merged_and_never_beyond_the_limit() -> None:
    inputs = {name: {f"raw/{name}": "d"} for name in "abcdef"}
    sizes = {"a": 5, "b": 60, "c": 3, "d": 4, "e": 9, "f": 9, "_report.json": 1}
    merges = compact.plan_merges(sizes, inputs, "old/", "new/", limits=(10, 20))
    assert [merge.sources for merge in merges] == [("old/a", "old/c", "old/d"), ("old/e", "old/f")]
    assert dict(merges[0].inputs) == {"raw/a": "d", "raw/c": "d", "raw/d": "d"}
    assert compact.plan_merges({"a": 5, "b": 60}, inputs, "old/", "new/", limits=(10, 20)) == []


def test_the_first_of_two_runs_wins(world: World) -> None:
    """Two runs plan on the same state; the second to commit is told, and changes nothing."""
    options = tracking_job.TrackingOptions(world.lake.bucket, world.lake.database, 15, "code")
    first = tracking_job.read(options, world.lake)
    second = tracking_job.read(replace(options, max_gap_frames=9), world.lake)
    world.lake.register()
    for planned, gap in ((first, 15), (second, 9)):
        reports = tracking_job.transform(planned.make, replace(options, max_gap_frames=gap), world.spark)
        refused = list(tracking_job.write(planned.make, reports, world.lake))
        if planned is first:
            assert refused == []
            committed = {name: world.lake.current(TRACKS, p.keys) for name, p in enumerate(first.make)}
    assert all(isinstance(error, LostRaceError) for error in refused)
    assert len(refused) == 2
    assert {name: world.lake.current(TRACKS, p.keys) for name, p in enumerate(first.make)} == committed
    location = world.lake.glue.get_partition(
        DatabaseName=world.lake.database, TableName=TRACKS, PartitionValues=["train", "LabA"]
    )["Partition"]["StorageDescriptor"]["Location"]
    assert location.rstrip("/").endswith(committed[1]["generation"])


def test_racing_commits_leave_one_whole_state(world: World) -> None:
    """8 writers of one table at once: each state is whole, the catalog says what the pointer says."""
    world.lake.register()
    name = "class_distribution_stats"
    schema = arrow_schema(name)
    row = {f.name: "x" if f.type == "string" else 1 for f in schema}

    def commit(number: int) -> None:
        table = schema.empty_table().from_pylist([row | {"events": number}] * number, schema=schema)
        try:
            world.lake.replace_table(name, table, f"{number:016x}")
        except LostRaceError:
            lost.append(number)

    lost: list[int] = []
    threads = [threading.Thread(target=commit, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = world.table(name)
    assert len(rows) == rows[0]["events"]
    assert len(lost) < 8
    pointer = world.lake.current(name)
    table = world.lake.glue.get_table(DatabaseName=world.lake.database, Name=name)["Table"]
    assert pointer is not None
    assert pointer["generation"] in table["StorageDescriptor"]["Location"]


def test_vacuum_takes_what_nobody_needs_and_nothing_else(curated: World, mock_settings: Settings) -> None:
    at = replace(mock_settings, bucket=curated.lake.bucket, database=curated.lake.database)
    curated.run("new code")
    content = curated.content()
    orphan = generation_prefix(TRACKS, LAB_A, new_generation("0" * 16)) + "part-0.parquet"
    curated.put(orphan, b"of a job that was killed")
    generations = {key.rpartition("/")[0] for key in curated.keys(f"{CURATED_ZONE}/{TRACKS}/") if "/gen-" in key}
    assert len(generations) == 2 * 2 + 1
    assert vacuum.run(at).details["removed"] == []  # all of it is younger than a day
    first = vacuum.run(at, dt.timedelta(0))
    assert first.status == "done"
    assert curated.content() == content
    assert orphan not in curated.keys(CURATED_ZONE)
    left = {key.rpartition("/")[0] for key in curated.keys(f"{CURATED_ZONE}/{TRACKS}/") if "/gen-" in key}
    assert len(left) == 2
    assert vacuum.run(at, dt.timedelta(0)).status == "unchanged"


def test_vacuum_spares_what_the_catalog_still_names(curated: World, mock_settings: Settings) -> None:
    """A run that was killed between the pointer and the catalog: queries still read the old state."""
    at = replace(mock_settings, bucket=curated.lake.bucket, database=curated.lake.database)
    where = {"DatabaseName": curated.lake.database, "TableName": TRACKS, "PartitionValues": ["train", "LabA"]}
    old = curated.lake.glue.get_partition(**where)["Partition"]
    curated.run("new code")
    request = {key: old[key] for key in ("Values", "StorageDescriptor")}
    curated.lake.glue.update_partition(
        DatabaseName=curated.lake.database,
        TableName=TRACKS,
        PartitionValueList=old["Values"],
        PartitionInput=request,
    )
    vacuum.run(at, dt.timedelta(0))
    prefix = old["StorageDescriptor"]["Location"].removeprefix(f"s3://{curated.lake.bucket}/")
    assert curated.keys(prefix)


def test_a_dropped_lab_is_gone_at_once_and_its_files_later(curated: World, mock_settings: Settings) -> None:
    at = replace(mock_settings, bucket=curated.lake.bucket, database=curated.lake.database)
    curated.lake.s3.delete_object(Bucket=curated.lake.bucket, Key="raw-zone/train_tracking/lab_id=Lab B/3.parquet")
    curated.run()
    lab_b = {"split": "train", "lab_id": "Lab B"}
    assert curated.lake.partitions(TRACKS) == curated.lake.partitions(SUMMARY) == [LAB_A]
    assert [key for key in curated.keys(f"{CURATED_ZONE}/{TRACKS}/split=train/lab_id=Lab B/") if "/gen-" in key]
    assert vacuum.run(at).details["removed"] == []
    vacuum.run(at, dt.timedelta(0))
    assert curated.keys(f"{CURATED_ZONE}/{TRACKS}/split=train/lab_id=Lab B/") == []
    curated.parquet("tracking", "Lab B", 3, tracks())  # and back again
    curated.run()
    assert lab_b in curated.lake.partitions(TRACKS)


def test_what_travels_to_and_from_the_workers_does_not_grow_with_the_rows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the tasks nor the results hold rows: 30 times the rows, the same bytes (but for longer numbers)."""
    from pyspark import RDD

    travelled: list[int] = []
    collect, parallelize = RDD.collect, type(world.spark.sparkContext).parallelize

    def watched_collect(self: Any) -> Any:
        result = collect(self)
        travelled.append(len(pickle.dumps(result)))
        return result

    def watched_parallelize(self: Any, data: Any, *rest: Any) -> Any:
        travelled.append(len(pickle.dumps(data)))
        return parallelize(self, data, *rest)

    monkeypatch.setattr(RDD, "collect", watched_collect)
    monkeypatch.setattr(type(world.spark.sparkContext), "parallelize", watched_parallelize)
    world.run()
    few, rows = list(travelled), len(world.table(TRACKS, **LAB_A))
    travelled.clear()
    for lab, video in (("LabA", 1), ("LabA", 2), ("Lab B", 3)):
        world.parquet("tracking", lab, video, tracks(frames=90))
    world.run("other code")
    assert len(world.table(TRACKS, **LAB_A)) == 30 * rows
    assert len(travelled) == len(few) == 4  # tasks and results of two jobs
    assert all(abs(now - before) < 200 for now, before in zip(travelled, few, strict=True))


def test_a_lab_beyond_a_limit_is_not_shown_and_the_others_are(curated: World) -> None:
    """3 of 6 rows of Lab B have no coordinate; the limit is a quarter."""
    before = curated.lake.current(TRACKS, {"split": "train", "lab_id": "Lab B"})
    curated.parquet("tracking", "Lab B", 3, tracks(x=[0.0, math.nan, 1.0, math.nan, 2.0, math.nan]))
    curated.video("LabA", 7)
    curated.parquet("tracking", "LabA", 7, tracks())
    arguments = [
        "job.py",
        "--bucket",
        curated.lake.bucket,
        "--database",
        curated.lake.database,
        "--max_gap_frames",
        "15",
    ]
    arguments += ["--code_digest", "code", "--quality_limits", "coordinate-missing=0.25"]
    with pytest.raises(DataError, match=r"Lab B: 3 of 6 rows \(50 %\) break 'coordinate-missing'"):
        tracking_job.main(arguments, curated.spark)
    assert curated.lake.current(TRACKS, {"split": "train", "lab_id": "Lab B"}) == before
    assert videos(curated) == {1, 2, 7}


def test_the_quality_report_of_a_run_lies_in_the_bucket(world: World) -> None:
    world.video("LabA", 9, pix_per_cm_approx=0)
    world.parquet("tracking", "LabA", 9, tracks(x=[0.0, math.nan, 1.0, 2.0, 2.0, 2.0]))
    world.run()

    def read(key: str) -> bytes:
        body: bytes = world.lake.s3.get_object(Bucket=world.lake.bucket, Key=key)["Body"].read()
        return body

    latest = json.loads(read(QUALITY_POINTER))
    content = json.loads(read(latest["json"]))
    counts = {rule["id"]: (rule["rows"], rule["files"], rule["videos"]) for rule in content["rules"]}
    assert counts["coordinate-missing"] == (1, 1, 0)
    assert counts["scale-missing"] == (0, 1, 1)  # the video's tracking, and its metadata
    assert content["totals"]["rows_in"] == sum(row["rows_in"] for row in world.table("curation_files"))
    assert content["unbalanced"] == []
    assert latest["html"].rpartition("/")[0] == latest["json"].rpartition("/")[0]
    assert "scale-missing" in render(content)


def test_behavior_summary_goes_with_the_annotations(curated: World) -> None:
    rows = curated.table("behavior_summary", lab_id="LabA")
    assert [(r["video_id"], r["action"], r["events"], r["frames"]) for r in rows] == [(1, "attack", 2, 3)]
    for video in (1, 2):
        key = f"raw-zone/train_annotation/lab_id=LabA/{video}.parquet"
        curated.lake.s3.delete_object(Bucket=curated.lake.bucket, Key=key)
    curated.run()
    assert curated.lake.partitions("behavior_summary") == [{"lab_id": "Lab B"}]


def test_register_writes_only_what_the_catalog_does_not_say(curated: World) -> None:
    """Registering mends what was changed or removed in the catalog; the rest is read and gets no new version."""
    lake = curated.lake
    counts = lake.register()
    where = {"DatabaseName": lake.database}
    lake.glue.delete_table(**where, Name="quarantine")
    changed = lake.glue.get_table(**where, Name="metadata_train")["Table"]
    changed["StorageDescriptor"]["Columns"][0]["Type"] = "binary"
    lake.glue.update_table(**where, TableInput={k: changed[k] for k in ("Name", "StorageDescriptor")})
    lake.glue.delete_partition(**where, TableName=TRACKS, PartitionValues=["train", "LabA"])
    elsewhere = lake.glue.get_partition(**where, TableName="behavior_summary", PartitionValues=["LabA"])[
        "Partition"
    ]
    elsewhere["StorageDescriptor"]["Location"] += "elsewhere/"
    lake.glue.update_partition(
        **where, TableName="behavior_summary", PartitionValueList=["LabA"],
        PartitionInput={k: elsewhere[k] for k in ("Values", "StorageDescriptor")},
    )  # fmt: skip
    written: list[str] = []

    def note(model: Any, params: Any, **_: Any) -> None:
        body = json.loads(params["body"])
        entry = body.get("TableInput", {}).get("Name") or body.get("TableName")
        written.append(f"{model.name} {entry}")

    for operation in ("CreateTable", "UpdateTable", "CreatePartition", "UpdatePartition"):
        lake.glue.meta.events.register(f"before-call.glue.{operation}", note)
    assert lake.register() == counts
    assert sorted(written) == [
        "CreatePartition tracking_curated", "CreateTable quarantine", "UpdatePartition behavior_summary",
        "UpdatePartition tracking_curated", "UpdateTable metadata_train",
    ]  # fmt: skip
    written.clear()
    assert lake.register() == counts
    assert written == []
