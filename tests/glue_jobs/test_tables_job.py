"""The tables job's own arguments: limits that keep the old state, and the labels' clock."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lake_world import World, events, tables_job, tracking_job, tracks  # type: ignore[import-not-found]

from etholake.contract import CURATED_ZONE, QUALITY_POINTER, STATE_ZONE
from etholake.errors import DataError, SettingsError


def arguments(world: World, *more: str) -> list[str]:
    given = ["job.py", "--JOB_NAME", "t", "--bucket", world.lake.bucket, "--database", world.lake.database]
    return [*given, "--max_gap_frames", "15", "--code_digest", "code", *more]


def run(world: World, *more: str) -> dict[str, int]:
    tracking_job.main(arguments(world, *more), world.spark)
    sums: dict[str, int] = tables_job.main(arguments(world, *more), world.spark)
    return sums


def pointers(world: World) -> dict[str, bytes]:
    """Every committed state, and the latest quality report."""
    keys = [key for key in world.keys(CURATED_ZONE) if key.endswith("_CURRENT")] + [QUALITY_POINTER]
    return {key: world.lake.s3.get_object(Bucket=world.lake.bucket, Key=key)["Body"].read() for key in keys}


BROKEN = {
    "interval-zero=0.1": r"LabA: 1 of 2 rows \(50 %\) break 'interval-zero', the limit is 10 %",
    "video-without-annotation=0.2": r"LabA: 1 of 2 videos \(50 %\) break 'video-without-annotation'",
    "scale-missing=0": r"Lab B: 1 of 2 videos \(50 %\) break 'scale-missing', the limit is 0 %",
    "metadata-duplicate=0": r"LabA: 1 of 3 rows \(33\.33 %\) break 'metadata-duplicate'",
}


def test_beyond_a_limit_nothing_is_committed(curated: World) -> None:
    before = pointers(curated)
    curated.video("Lab B", 8, pix_per_cm_approx=0)
    curated.video("LabA", 2)
    curated.parquet("annotation", "Lab B", 3, events((1, 2, "attack", 1, 3)))
    for limits, message in BROKEN.items():
        with pytest.raises(DataError, match=message):
            tables_job.main(arguments(curated, "--quality_limits", limits), curated.spark)
        assert pointers(curated) == before
    enough = ",".join(f"{limits.partition('=')[0]}=0.5" for limits in BROKEN)
    tables_job.main(arguments(curated, "--quality_limits", enough), curated.spark)
    assert [row["stop_frame"] for row in curated.table("annotations_enriched", lab_id="Lab B")] == [3]
    assert len(curated.table("metadata_train")) == 4


def test_a_limit_is_held_against_what_did_not_change(curated: World) -> None:
    with pytest.raises(DataError, match="'interval-zero', the limit is 0 %"):
        tables_job.main(arguments(curated, "--quality_limits=interval-zero=0"), curated.spark)


def test_wrong_arguments_stop_the_job_at_once(world: World) -> None:
    for more, message in (
        (["--quality_limits", "interval-zeroo=0.1"], "Did you mean 'interval-zero'"),
        (["--repair_label_clock", "perhaps"], "--repair_label_clock must be true or false, but got 'perhaps'"),
    ):
        with pytest.raises(SettingsError, match=message):
            tables_job.main(arguments(world, *more), world.spark)
    assert world.keys(CURATED_ZONE) == []


def test_labels_are_rescaled_on_demand_and_back(world: World) -> None:
    """Lab B: two videos at 30 fps and one at 25, whose labels are flagged; only they are made again."""

    def frames() -> list[Any]:
        rows = world.table("annotations_enriched", lab_id="Lab B")
        return [(r["video_id"], r["start_frame"], r["stop_frame"], r["issue"]) for r in rows]

    world.video("Lab B", 4)
    world.video("Lab B", 5, frames_per_second=25)
    world.parquet("tracking", "Lab B", 5, tracks())
    world.parquet("annotation", "Lab B", 5, events((1, 2, "attack", 6, 36)))
    run(world)
    plain, other = frames(), world.lake.current("annotations_enriched", {"lab_id": "LabA"})
    assert plain == [(3, 1, 2, None), (5, 6, 36, "label-clock")]
    run(world, "--repair_label_clock", "false")
    assert world.lake.current("annotations_enriched", {"lab_id": "LabA"}) == other  # absent means false
    run(world, "--repair_label_clock", "true")
    assert frames() == [(3, 1, 2, None), (5, 5, 30, "label-clock")]
    [row] = [r for r in world.table("behavior_summary", lab_id="Lab B") if r["video_id"] == 5]
    assert (row["frames"], row["seconds"], row["first_start_sec"]) == (25, 1.0, 0.2)
    run(world)
    assert frames() == plain


def test_a_lost_summary_is_made_again(curated: World) -> None:
    expected = curated.content()
    lost = next(k for k in curated.keys(f"{CURATED_ZONE}/behavior_summary/lab_id=LabA/") if k.endswith("_CURRENT"))
    curated.lake.s3.delete_object(Bucket=curated.lake.bucket, Key=lost)
    curated.run()
    assert curated.content() == expected


def test_an_unchanged_quality_report_is_not_written_again(curated: World) -> None:
    def written() -> dict[str, Any]:
        pages = curated.lake.s3.get_paginator("list_objects_v2").paginate(
            Bucket=curated.lake.bucket, Prefix=f"{STATE_ZONE}/quality/"
        )
        return {item["Key"]: item["LastModified"] for page in pages for item in page.get("Contents", [])}

    first = written()
    assert len(first) == 2  # the report and where the latest one lies; the page is the etl stage's
    curated.run()
    assert written() == first
    curated.video("LabA", 9)
    curated.run()
    latest = json.loads(curated.lake.s3.get_object(Bucket=curated.lake.bucket, Key=QUALITY_POINTER)["Body"].read())
    assert {latest["json"]} == set(written()) - set(first)
    content = json.loads(curated.lake.s3.get_object(Bucket=curated.lake.bucket, Key=latest["json"])["Body"].read())
    assert content["labs"]["LabA"]["videos"] == 3
