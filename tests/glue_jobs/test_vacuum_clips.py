"""Vacuum of the clip zone: shards that no generation of `clips` names go, the others and last failures stay."""

from __future__ import annotations

import datetime as dt

import lakes  # type: ignore[import-not-found]
import pytest

from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages.lake import vacuum
from etholake.video.work import DONE, clip_prefix

KEYS = {"clip_set": "set1", "lab_id": "Lab A"}
NOW = dt.timedelta(0)


@pytest.fixture
def world(mock_settings: Settings, request: pytest.FixtureRequest) -> tuple[Settings, Lake]:
    own, lake = lakes.open_lake(mock_settings, request.node.name.replace("_", "-")[:50])
    return own, lake


def put(lake: Lake, video_id: int, digest: str, *names: str) -> str:
    prefix = clip_prefix("set1", "Lab A", video_id, digest)
    for name in names:
        lake.s3.put_object(Bucket=lake.bucket, Key=prefix + name, Body=b"x")
    return prefix


def commit(lake: Lake, generation: str, *shards: str) -> None:
    items = [{"clip_set": "set1", "lab_id": "Lab A", "video_id": 1, "shard": shard} for shard in shards]
    lake.replace_table("clips", lakes.rows("clips", *items), generation, KEYS)


def test_clips_that_no_generation_names_go(world: tuple[Settings, Lake]) -> None:
    settings, lake = world
    old = put(lake, 1, "old", "shard-00000.tar", DONE)
    commit(lake, "first", old + "shard-00000.tar")
    new = put(lake, 1, "new", "shard-00000.tar", "shard-00001.tar", DONE)
    commit(lake, "second", new + "shard-00000.tar")
    killed = put(lake, 2, "killed", "shard-00000.tar")
    failed_before, failed = put(lake, 3, "a", DONE), put(lake, 4, "b", DONE)
    assert vacuum.run(settings).details["removed"] == [], "all of it is younger than a day"
    removed = vacuum.run(settings, NOW).details["removed"]
    assert {prefix for prefix in removed if prefix.startswith("clip-zone/")} == {old, killed}
    keys = {item["Key"] for item in lake.objects("clip-zone/")}
    assert {new + "shard-00000.tar", new + "shard-00001.tar", new + DONE, failed + DONE} <= keys
    assert failed_before + DONE in keys, "without it the video would be tried again"
    assert vacuum.run(settings, NOW).status == "unchanged"


def test_clips_stay_as_long_as_a_generation_that_may_be_read(world: tuple[Settings, Lake]) -> None:
    """A generation that went out of use a moment ago may still be trained on, however old its shards are."""
    settings, lake = world
    old = put(lake, 1, "old", "shard-00000.tar", DONE)
    commit(lake, "first", old + "shard-00000.tar")
    commit(lake, "second", put(lake, 1, "new", "shard-00000.tar", DONE) + "shard-00000.tar")
    assert old in vacuum._named_clips(lake)
    vacuum.run(settings, dt.timedelta(hours=1))
    assert lake.s3.head_object(Bucket=lake.bucket, Key=old + "shard-00000.tar")


def test_clips_of_a_dropped_lab_go_with_it(world: tuple[Settings, Lake]) -> None:
    settings, lake = world
    prefix = put(lake, 1, "only", "shard-00000.tar", DONE)
    commit(lake, "first", prefix + "shard-00000.tar")
    lake.drop_partition("clips", KEYS)
    assert prefix in vacuum.run(settings, NOW).details["removed"]
    assert not list(lake.objects("clip-zone/"))
