"""The clock of the machine is wrong: commits, vacuum and ingest's lock tell ages by S3's clock."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from etholake import aws
from etholake import lake as lake_module
from etholake.contract import arrow_schema
from etholake.errors import AwsError
from etholake.generations import generation_prefix
from etholake.lake import Lake
from etholake.objects import response_time, store_time
from etholake.settings import Settings
from etholake.stages.lake import vacuum
from etholake.stages.lake.ingest import lock
from etholake.stages.state import open_lake

TABLE = "quarantine"
WRONG = [dt.timedelta(days=days) for days in (-400, -2, 2, 400)]


@pytest.fixture
def at(mock_settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Settings of an empty lake of the test's own."""
    name = f"clock-{abs(hash(request.node.name)) % 10**8}"
    settings = replace(mock_settings, bucket=name, database=name.replace("-", "_"))
    aws.client(settings, "s3").create_bucket(Bucket=name)
    aws.client(settings, "glue").create_database(DatabaseInput={"Name": settings.database})
    return settings


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[dt.timedelta], None]:
    """Return a function that puts this process's calendar clock off by a time (S3 has its own)."""

    def off_by(wrong: dt.timedelta) -> None:
        class Clock(dt.datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Clock:
                return cls.fromtimestamp(dt.datetime.now(tz).timestamp() + wrong.total_seconds(), tz)

        class Module:
            datetime, timedelta, UTC = Clock, dt.timedelta, dt.UTC

        for module in (lake_module, vacuum):
            monkeypatch.setattr(module, "dt", Module)

    return off_by


def commit(lake: Lake, fingerprint: str) -> str:
    """Make a state of the table; return the prefix of its generation."""
    generation = lake.replace_table(TABLE, pa.Table.from_pylist([], arrow_schema(TABLE)), fingerprint * 16)
    return generation_prefix(TABLE, None, generation)


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_vacuum_keeps_what_went_out_of_use_just_now_and_takes_the_rest(
    wrong: dt.timedelta, at: Settings, set_clock: Callable[[dt.timedelta], None]
) -> None:
    lake = open_lake(at)
    set_clock(wrong)  # of the machine that commits, and of the one that vacuums
    first, second = commit(lake, "a"), commit(lake, "b")
    assert vacuum.run(at, dt.timedelta(hours=1)).details["removed"] == []
    assert list(lake.objects(first)), "queries may still read it"
    assert vacuum.run(at, dt.timedelta(0)).details["removed"] == [first]
    assert list(lake.objects(second))


def test_a_time_in_the_future_of_an_older_version_does_not_keep_a_generation_for_ever(at: Settings) -> None:
    lake = open_lake(at)
    first, second = commit(lake, "a"), commit(lake, "b")
    pointer = lake.current(TABLE)
    assert pointer is not None
    where = {"Bucket": at.bucket, "Key": f"curated-zone/{TABLE}/_CURRENT"}
    body = json.loads(lake.s3.get_object(**where)["Body"].read())
    body["superseded"] = dict.fromkeys(body["superseded"], "2999-01-01T00:00:00+00:00")
    lake.s3.put_object(**where, Body=json.dumps(body).encode())
    assert vacuum.run(at, dt.timedelta(0)).details["removed"] == [first]
    assert list(lake.objects(second))


def test_the_time_is_that_of_the_store(at: Settings) -> None:
    s3 = aws.client(at, "s3")
    there, absent = (store_time(s3, at.bucket, key) for key in ("a", "b"))
    assert abs(dt.datetime.now(dt.UTC) - there) < dt.timedelta(minutes=1)
    assert abs(there - absent) < dt.timedelta(minutes=1)


@pytest.mark.parametrize("headers", [{}, {"date": "soon"}], ids=["no date", "no valid date"])
def test_a_store_that_does_not_tell_its_time_is_an_error(headers: dict[str, str]) -> None:
    with pytest.raises(AwsError, match=r"has no valid date .* the age of an object cannot be told"):
        response_time({"ResponseMetadata": {"HTTPHeaders": headers}})


@pytest.mark.parametrize(("age_s", "stale"), [(-500, False), (lock.STALE_S - 1, False), (lock.STALE_S + 1, True)])
def test_the_lock_of_another_machine_ages_by_the_clock_of_the_store(age_s: float, stale: bool) -> None:
    made = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)  # far from the clock of this machine
    date = (made + dt.timedelta(seconds=age_s)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    answer = {
        "LastModified": made, "content": {"token": "t", "host": "another", "pid": 1},
        "ResponseMetadata": {"HTTPHeaders": {"date": date}},
    }  # fmt: skip
    assert lock._is_stale(answer) is stale
