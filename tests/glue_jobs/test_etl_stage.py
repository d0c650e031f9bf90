"""Stage etl against a mock of its own: real Glue runs of the packaged code, then nothing to do, then a failure."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etholake import aws, local_server
from etholake.contract import CODE_ZONE, RAW_METADATA_COLUMNS, TABLES, arrow_schema, raw_key
from etholake.errors import AwsError, DataError
from etholake.lake import Lake
from etholake.settings import Settings, replace_port
from etholake.stages.cloud.packages import build
from etholake.stages.lake import etl
from etholake.stages.state import load_state
from etholake.storage import split_uri

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.server
ROLE = "arn:aws:iam::123456789012:role/test"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A mock with bucket, database, deployed code, jobs and crawler, but an empty raw zone."""
    folder = tmp_path_factory.mktemp("etl")
    settings = Settings(port=0, state_dir=str(folder / "state"), s3_root=str(folder / "s3"), bucket="etl-bucket")
    settings = replace_port(settings, local_server.up(settings).port)
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    s3.create_bucket(Bucket=settings.bucket)
    glue.create_database(DatabaseInput={"Name": settings.database})
    packages = build(folder / "dist")
    code = f"s3://{settings.bucket}/{CODE_ZONE}"
    s3.upload_file(str(packages.etholake_zip), settings.bucket, f"{CODE_ZONE}/etholake.zip")
    for name in ("curate_tracking", "curate_tables"):
        s3.upload_file(str(ROOT / "glue_jobs" / f"{name}.py"), settings.bucket, f"{CODE_ZONE}/glue_jobs/{name}.py")
        glue.create_job(
            Name=f"etholake-{name.replace('_', '-')}", Role=ROLE, GlueVersion="5.1",
            Command={"Name": "glueetl", "ScriptLocation": f"{code}/glue_jobs/{name}.py", "PythonVersion": "3"},
            DefaultArguments={"--extra-py-files": f"{code}/etholake.zip"},
        )  # fmt: skip
    glue.create_crawler(
        Name="etholake-raw", Role=ROLE, DatabaseName=settings.database, TablePrefix="raw_",
        Targets={"S3Targets": [{"Path": f"s3://{settings.bucket}/raw-zone/train_tracking/"}]},
    )  # fmt: skip
    yield settings
    local_server.down(settings)


def fill(settings: Settings) -> None:
    s3 = aws.client(settings, "s3")
    header = ",".join(RAW_METADATA_COLUMNS)
    values = {"lab_id": "Lab", "video_id": "1", "frames_per_second": "30", "pix_per_cm_approx": "10"}
    row = ",".join(values.get(name, "") for name in RAW_METADATA_COLUMNS)
    s3.put_object(Bucket=settings.bucket, Key=raw_key("train", "metadata"), Body=f"{header}\n{row}\n".encode())
    sink = io.BytesIO()
    frames = pa.array([0, 1, 2, -1], pa.int32())
    ids = pa.array([1, 1, 1, 1], pa.int8())
    places = pa.array([0.0, 1.0, 2.0, 3.0], pa.float32())
    pq.write_table(
        pa.table({"video_frame": frames, "mouse_id": ids, "bodypart": ["nose"] * 4, "x": places, "y": places}),
        sink,
    )
    s3.put_object(Bucket=settings.bucket, Key=raw_key("train", "tracking", "Lab", 1), Body=sink.getvalue())


def test_0_a_lake_of_which_nothing_could_be_used_is_a_failure_with_the_reasons(place: Settings) -> None:
    """Every id unusable: the csv's rows and the tracking files are all in quarantine."""
    lake = Lake(aws.client(place, "s3"), aws.client(place, "glue"), place.bucket, place.database)
    kinds = [("metadata", 2, "metadata/train.csv"), ("tracking", 40, "train_tracking/lab_id=Lab/x.parquet")]
    files = [
        {
            "source_file": name,
            "kind": kind,
            "split": "train",
            "rows_in": n,
            "rows_curated": 0,
            "rows_quarantined": n,
        }
        | {"rows_imputed": 0, "flags": []}
        for kind, n, name in kinds
    ]
    rejected = [
        {"source_file": name, "rows": n, "rule": rule, "detail": "Expected a whole video_id, but got 'x'."}
        for (_, n, name), rule in zip(kinds, ("metadata-id", "file-name"), strict=True)
    ]
    for table, rows in (("curation_files", files), ("quarantine", rejected)):
        lake.replace_table(table, pa.Table.from_pylist(rows, schema=arrow_schema(table)), table)
    with pytest.raises(
        DataError, match=r"(?s)None of the 2 rows of metadata and 40 rows of tracking.*file-name \(40"
    ):
        etl.save(place, lake, "digest", {}, {})
    assert load_state(place, etl.STAGE) == {}
    files[0]["rows_curated"], files[1]["rows_curated"] = 1, 1
    lake.replace_table(
        "curation_files", pa.Table.from_pylist(files, schema=arrow_schema("curation_files")), "better"
    )
    assert etl.save(place, lake, "digest", {}, {})["rows_curated"] == 2
    for table in ("curation_files", "quarantine"):
        lake.replace_table(table, arrow_schema(table).empty_table(), f"empty {table}")


def test_the_request_is_what_the_jobs_read() -> None:
    assert etl.job_arguments(Settings(bucket="b", database="d", max_gap_frames=9), "abc") == {
        "--bucket": "b", "--database": "d", "--max_gap_frames": "9", "--code_digest": "abc"
    }  # fmt: skip


@pytest.mark.server
def test_1_an_empty_raw_zone_is_refused(place: Settings) -> None:
    with pytest.raises(DataError, match=r"raw zone of bucket 'etl-bucket' is empty .*run `make ingest`"):
        etl.run(place)


@pytest.mark.server
def test_2_the_jobs_run_and_the_catalog_knows(place: Settings) -> None:
    fill(place)
    seen: list[str] = []
    result = etl.run(place, lambda done, total, what: seen.append(f"{done}/{total} {what}"))
    assert result.status == "done"
    assert [result.details[name] for name in ("rows_in", "rows_curated", "rows_quarantined")] == [5, 4, 1]
    assert result.details["labs"]["Lab"]["rows_quarantined"] == 1
    assert "1 quarantined" in result.summary
    assert seen[0] == "0/3 etholake-curate-tracking"
    assert seen[-1] == "3/3 done"
    tables = {t["Name"] for t in aws.client(place, "glue").get_tables(DatabaseName=place.database)["TableList"]}
    assert tables >= {"tracking_curated", "metadata_train", "quarantine", "raw_train_tracking"}
    address = result.details["quality_file"]  # the stage renders the page beside the report of the job
    assert f"Data quality: {address}" in result.summary
    page = Path(url2pathname(urlsplit(address).path)).read_text(encoding="utf-8")
    assert "5 rows in" in page
    bucket, key = split_uri(result.details["quality"])
    assert aws.client(place, "s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode() == page


@pytest.mark.server
def test_3_an_unchanged_lake_starts_no_job_and_heals_the_catalog(place: Settings) -> None:
    glue = aws.client(place, "glue")
    before = len(glue.get_job_runs(JobName="etholake-curate-tracking")["JobRuns"])
    glue.delete_table(DatabaseName=place.database, Name="quarantine")
    result = etl.run(place)
    assert (result.status, result.details["rows_in"]) == ("unchanged", 5)
    assert glue.get_table(DatabaseName=place.database, Name="quarantine")
    assert len(glue.get_job_runs(JobName="etholake-curate-tracking")["JobRuns"]) == before


@pytest.mark.server
def test_4_a_lost_partition_is_noticed(place: Settings) -> None:
    s3, glue = aws.client(place, "s3"), aws.client(place, "glue")
    lake = Lake(s3, glue, place.bucket, place.database)
    lake.drop_partition("tracking_curated", {"split": "train", "lab_id": "Lab"})
    assert etl.run(place).status == "done"
    assert lake.partitions("tracking_curated") == [{"split": "train", "lab_id": "Lab"}]


@pytest.mark.server
def test_5_more_work_than_the_driver_takes_goes_to_spark(place: Settings) -> None:
    s3, before = aws.client(place, "s3"), etl.run(place).details
    assert not started_spark(place, before)
    rows = committed_rows(place)
    assert rows["tracking_curated"]
    assert rows["quarantine"]
    for script in ("curate_tracking", "curate_tables"):
        key = f"{CODE_ZONE}/glue_jobs/{script}.py"
        source = s3.get_object(Bucket=place.bucket, Key=key)["Body"].read()
        main = b"\nif __name__ =="
        assert source.count(main) == 1
        none = b"\nfrom etholake.curate import distribution\ndistribution.BYTES_IN_DRIVER = -1\n"
        changed = source.replace(main, none + main)
        s3.put_object(Bucket=place.bucket, Key=key, Body=changed)
    result = etl.run(place)
    assert result.status == "done"
    sums = ("rows_in", "rows_curated", "rows_quarantined", "rows_imputed", "labs")
    assert [result.details[name] for name in sums] == [before[name] for name in sums]
    assert "etholake-curate-tracking" in started_spark(place, result.details)
    assert committed_rows(place) == rows


def committed_rows(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table of the lake, with those of each partition in their order."""
    lake = Lake(aws.client(settings, "s3"), aws.client(settings, "glue"), settings.bucket, settings.database)
    return {
        table: [row for keys in lake.partitions(table) for row in lake.read(table, keys).to_pylist()]
        for table in TABLES
    }


def started_spark(settings: Settings, details: dict[str, Any]) -> list[str]:
    """Return the jobs of a run of the stage whose error log has a line of Spark's JVM."""
    logs = aws.client(settings, "logs")
    jobs = []
    for name, run in details["runs"].items():
        log = logs.get_log_events(logGroupName="/aws-glue/jobs/error", logStreamName=run["run_id"])
        if any("log level" in event["message"] for event in log["events"]):
            jobs.append(name)
    return jobs


@pytest.mark.server
def test_6_a_failed_job_says_why_and_where_its_log_is(place: Settings) -> None:
    s3 = aws.client(place, "s3")
    key = f"{CODE_ZONE}/glue_jobs/curate_tracking.py"
    s3.put_object(Bucket=place.bucket, Key=key, Body=b"raise SystemExit('the disk is full')")
    with pytest.raises(
        AwsError, match=r"'etholake-curate-tracking' ended as FAILED .*the disk is full.*stream jr_"
    ):
        etl.run(place)


@pytest.mark.server
def test_7_what_is_not_deployed_is_named(place: Settings) -> None:
    s3, glue = aws.client(place, "s3"), aws.client(place, "glue")
    glue.delete_job(JobName="etholake-curate-tracking")
    with pytest.raises(AwsError, match="Glue job 'etholake-curate-tracking' does not exist: run `make deploy`"):
        etl.run(place)
    s3.delete_object(Bucket=place.bucket, Key=f"{CODE_ZONE}/etholake.zip")
    with pytest.raises(AwsError, match=r"code of the Glue jobs is not in s3://etl-bucket/code-zone/ .*deploy"):
        etl.run(place)
    with pytest.raises(AwsError, match="run `make deploy`"):
        etl.run(dataclasses.replace(place, bucket="no-such-bucket"))


def test_tables_of_other_stages_do_not_make_the_lake_look_changed() -> None:
    """Else the jobs would run for nothing after every `make evaluate`."""
    scored = {name for name in TABLES if name.startswith("score")}
    assert len(scored) >= 4
    others = {
        "predictions",
        "predicted_videos",
        "task_predictions",
        "out_of_fold",
        "clips",
        "videos",
        "corrections",
    }
    assert {*others, *scored} == etl.NOT_MADE_HERE
    assert etl._committed({"scores": 1, "score_details": 1, "tracking_curated": 2}) == {"tracking_curated": 2}


def test_videos_in_doubt_are_named_with_the_rule() -> None:
    lines = etl._doubtful(
        {"doubts": {"fps-implausible": 1, "scale-implausible": 3, "rule-of-an-older-version": 1}}
    )
    assert [line.partition(". ")[0] for line in lines] == [
        "Doubtful: 1 video with fps-implausible", "Doubtful: 3 videos with scale-implausible",
    ]  # fmt: skip
    assert etl._unchanged({"doubts": {"fps-implausible": 1}}).count("fps-implausible") == 1
    assert etl._doubtful({}) == []
