"""The `awsglue` that a Glue job imports from local_mock: dynamic frames, the catalog, S3, bookmarks, arguments."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from glue_lab import Jobs

from etholake.settings import Settings
from local_mock.glue.job_library.awsglue import formats, sources, utils
from local_mock.glue.job_library.awsglue.bookmarks import Bookmarks, S3Object

ARGUMENTS = ["job.py", "--JOB_NAME", "j", "--JOB_ID", "j_1", "--JOB_RUN_ID", "jr_1", "--job-bookmark-option"]


# --- arguments --------------------------------------------------------------------------------------------
def test_arguments_are_resolved_by_name() -> None:
    values = utils.getResolvedOptions(
        [*ARGUMENTS, "job-bookmark-enable", "--bucket", "b", "--TempDir", "s3://t/", "--other", "x"],
        ["JOB_NAME", "bucket", "TempDir"],
    )
    assert (values["JOB_NAME"], values["bucket"], values["TempDir"]) == ("j", "b", "s3://t/")
    assert (values["job_bookmark_option"], values["JOB_RUN_ID"]) == ("job-bookmark-enable", "jr_1")
    assert "other" not in values
    with pytest.raises(utils.GlueArgumentError, match="the following arguments are required: --bucket"):
        utils.getResolvedOptions(["job.py"], ["bucket"])
    with pytest.raises(RuntimeError, match="Using reserved arguments --job-bookmark-option"):
        utils.getResolvedOptions(["job.py"], ["job-bookmark-option"])


# --- bookmarks --------------------------------------------------------------------------------------------
def test_a_bookmark_gives_what_is_new_or_modified_since_the_last_commit(tmp_path: Path) -> None:
    kept = tmp_path / "bookmark.json"
    first, second, changed = S3Object("s3://b/1", "T1"), S3Object("s3://b/2", "T1"), S3Object("s3://b/1", "T2")
    run = Bookmarks("job-bookmark-enable", {}, kept)
    assert run.pending("source", [first]) == [first]
    assert run.pending("", [first]) == [first]  # without a context, a source keeps none
    run.commit()
    state = json.loads(kept.read_text())
    assert state == {"source": {"s3://b/1": "T1"}}
    following = Bookmarks("job-bookmark-enable", state, kept)
    assert following.pending("source", [first, second]) == [second]
    assert following.pending("source", [changed, second]) == [changed, second]  # as before until it is committed
    assert following.pending("another", [first]) == [first]
    kept.unlink()
    paused = Bookmarks("job-bookmark-pause", state, kept)
    assert paused.pending("source", [first, second]) == [second]
    paused.commit()
    assert not kept.exists()
    disabled = Bookmarks("job-bookmark-disable", state, kept)
    assert disabled.pending("source", [first]) == [first]


COMMIT = """
import sys
from awsglue import bookmarks
from awsglue.job import Job
from awsglue.utils import getResolvedOptions

args = getResolvedOptions(sys.argv, ["JOB_NAME", "day"])
job = Job(None)
job.init(args["JOB_NAME"], args)
objects = [bookmarks.S3Object(f"s3://b/{n}", "T") for n in range(int(args["day"]))]
print("new", len(bookmarks.current().pending("source", objects)))
if args["day"] != "3":
    job.commit()
sys.exit("after the commit" if args["day"] == "2" else 0)
"""


def test_a_commit_lasts_even_if_the_run_fails_later_and_can_be_reset(jobs: Jobs) -> None:
    name = jobs.make(COMMIT, DefaultArguments={"--job-bookmark-option": "job-bookmark-enable"})
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        jobs.glue.get_job_bookmark(JobName=name)
    runs = [jobs.run(name, Arguments={"--day": str(day)}) for day in (1, 2, 3, 3)]
    assert [jobs.log(run["Id"]).strip() for run in runs] == ["new 1", "new 1", "new 1", "new 1"]
    assert [run["JobRunState"] for run in runs] == ["SUCCEEDED", "FAILED", "SUCCEEDED", "SUCCEEDED"]
    entry = jobs.glue.get_job_bookmark(JobName=name)["JobBookmarkEntry"]
    assert (entry["Run"], entry["RunId"], entry["PreviousRunId"]) == (2, runs[1]["Id"], runs[0]["Id"])
    assert json.loads(entry["JobBookmark"]) == {"source": {"s3://b/0": "T", "s3://b/1": "T"}}
    with pytest.raises(ClientError, match="RunId is not supported"):
        jobs.glue.reset_job_bookmark(JobName=name, RunId=runs[0]["Id"])
    jobs.glue.reset_job_bookmark(JobName=name)
    assert jobs.log(jobs.run(name, Arguments={"--day": "3"})["Id"]).strip() == "new 3"
    refused = jobs.run(name, Arguments={"--day": "1", "--job-bookmark-from": "1"})
    assert "does not support --job-bookmark-from" in refused["ErrorMessage"]


def test_a_commit_outlives_the_server_that_ran_the_job(tmp_path: Path) -> None:
    from local_mock.durable import restart
    from local_mock.glue.models import ExecutingJob

    run = SimpleNamespace(status="RUNNING", job_run_id="jr_1", attempt=0)
    job = ExecutingJob.__new__(ExecutingJob)
    job.name, job.job_runs, job.bookmark = "j", [run], {}
    folder = tmp_path / "glue" / "jr_1"
    folder.mkdir(parents=True)
    Bookmarks("job-bookmark-enable", {"source": {"s3://b/0": "T"}}, folder / "bookmark.json").commit()
    assert [path.name for path in folder.iterdir()] == ["bookmark.json"]
    glue: Any = SimpleNamespace(jobs={"j": job}, crawlers={})
    restart._glue(glue, SimpleNamespace(), SimpleNamespace(state_dir=tmp_path))  # type: ignore[arg-type]
    assert run.status == "FAILED"
    assert json.loads(job.bookmark_entry()["JobBookmark"]) == {"source": {"s3://b/0": "T"}}


# --- formats ----------------------------------------------------------------------------------------------
def test_options_that_would_not_be_followed_are_refused() -> None:
    assert formats.reader("csv", {"separator": "|", "withHeader": True, "quoteChar": -1})[1]["sep"] == "|"
    for name, options, message in (
        ("xml", {"rowTag": "r"}, "the format 'xml'"),
        ("json", {"jsonPath": "$.a"}, "the option 'jsonPath' of reading json"),
        ("csv", {"skipFirst": True}, "skipFirst of csv without withHeader"),
    ):
        with pytest.raises(NotImplementedError, match=f"local_mock's awsglue does not support {message}"):
            formats.reader(name, options)
    table = {"Name": "t", "StorageDescriptor": {"SerdeInfo": {"SerializationLibrary": "a.GrokSerDe"}}}
    with pytest.raises(NotImplementedError, match=r"the table t \(SerDe GrokSerDe"):
        formats.table_format(table)


def test_a_path_of_s3_is_taken_to_the_letter_and_a_pattern_is_refused() -> None:
    requests: list[dict[str, str]] = []

    class Listing:
        def get_paginator(self, _: str) -> Listing:
            return self

        def paginate(self, **request: str) -> list[dict[str, Any]]:
            requests.append(request)
            return []

    sources._objects(Listing(), "s3://b/a#1/", recurse=False)
    assert requests == [{"Bucket": "b", "Prefix": "a#1/"}]
    with pytest.raises(NotImplementedError, match=r"the pattern 's3://b/\*/' as a path"):
        sources._objects(Listing(), "s3://b/*/", recurse=False)


# --- Spark ------------------------------------------------------------------------------------------------
SCRIPT = """
import sys
from awsglue.context import GlueContext
from awsglue.dynamicframe import DynamicFrame
from awsglue.job import Job
from awsglue.transforms import *
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

args = getResolvedOptions(sys.argv, ["JOB_NAME", "bucket", "database"])
glue = GlueContext(SparkContext.getOrCreate())
job = Job(glue)
job.init(args["JOB_NAME"], args)
bucket, database = args["bucket"], args["database"]

def rows(frame):
    return sorted(tuple(row) for row in frame.toDF().collect())

mice = glue.create_dynamic_frame.from_options(
    "s3", {"paths": [f"s3://{bucket}/mice/"]}, "csv", {"withHeader": True}, transformation_ctx="mice")
print("mice", mice.toDF().dtypes, rows(mice))
if mice.count():
    mapped = ApplyMapping.apply(frame=mice, mappings=[
        ("name", "string", "mouse", "string"), ("age", "string", "age", "int"), ("gone", "string", "gone", "int")])
    print("mapped", mapped.toDF().dtypes, rows(mapped))
    print("cast", mice.resolveChoice(specs=[("age", "cast:long")]).toDF().dtypes)
    print("filtered", rows(Filter.apply(frame=mapped, f=lambda record: record["age"] is not None)))
    print("fields", mapped.select_fields(["mouse"]).toDF().columns, mapped.drop_fields(["mouse"]).toDF().columns)
    doubled = mapped.map(lambda record: {"mouse": record["mouse"], "twice": 2 * (record["age"] or 0)})
    print("joined", rows(Join.apply(mapped, doubled.rename_field("mouse", "other"), ["mouse"], ["other"])))
    glue.write_dynamic_frame.from_options(
        mapped, "s3", {"path": f"s3://{bucket}/out/", "partitionKeys": ["mouse"]}, "parquet")
    print("nested", rows(glue.create_dynamic_frame.from_options(
        "s3", {"paths": [f"s3://{bucket}/nested/"], "recurse": True}, "json").apply_mapping(
        [("at.x", "int", "x", "int")])))
counts = dict(database=database, table_name="counts")
print("counts", rows(glue.create_dynamic_frame.from_catalog(**counts, transformation_ctx="counts")))
print("one", rows(glue.create_dynamic_frame.from_catalog(**counts, push_down_predicate="lab == 'b'")))
extra = DynamicFrame.fromDF(glue.spark_session.createDataFrame([(9, "a")], "n int, lab string"), glue, "extra")
glue.write_dynamic_frame.from_catalog(extra, **counts, additional_options={"partitionKeys": ["lab"]})
for refused in (lambda: mice.relationalize("root", "s3://x/"), lambda: glue.getSink("s3"),
                lambda: glue.create_dynamic_frame.from_options("mysql", {}),
                lambda: mice.resolveChoice(choice="make_cols"),
                lambda: glue.create_dynamic_frame.from_options("s3", {"paths": [f"s3://{bucket}/parts/"],
                                                                      "recurse": True}, "csv")):
    try:
        refused()
    except NotImplementedError as error:
        print("refused", str(error).replace(bucket, "B"))
job.commit()
"""


def put(jobs: Jobs, key: str, text: str) -> None:
    path = jobs.folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make_counts(jobs: Jobs, database: str) -> None:
    """A partitioned table of text files with the numbers 1 and 2 in lab a, 5 in lab b."""
    storage = {
        "Columns": [{"Name": "n", "Type": "int"}],
        "Location": f"s3://{jobs.bucket}/counts/",
        "SerdeInfo": {
            "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            "Parameters": {"field.delim": ","},
        },
    }
    jobs.glue.create_database(DatabaseInput={"Name": database})
    table = {"Name": "counts", "StorageDescriptor": storage, "PartitionKeys": [{"Name": "lab", "Type": "string"}]}
    jobs.glue.create_table(DatabaseName=database, TableInput=table)
    for lab, text in (("a", "1\n2\n"), ("b", "5\n")):
        put(jobs, f"counts/lab={lab}/part.csv", text)
        of_lab = {
            "Values": [lab],
            "StorageDescriptor": {**storage, "Location": f"s3://{jobs.bucket}/counts/lab={lab}/"},
        }
        jobs.glue.create_partition(DatabaseName=database, TableName="counts", PartitionInput=of_lab)


@pytest.fixture(scope="module")
def read_once(mock_settings: Settings) -> tuple[Jobs, str, dict[str, Any]]:
    """Return a job of SCRIPT and its first run."""
    jobs = Jobs(mock_settings)
    database = f"glue_{uuid.uuid4().hex[:8]}"
    make_counts(jobs, database)
    put(jobs, "mice/1.csv", "name,age\nada,3\nbob,\n")
    put(jobs, "mice/deep/2.csv", "name,age\nnobody,1\n")  # without recurse, files of the folder itself
    put(jobs, "parts/lab=a/1.csv", "1\n")
    put(jobs, "nested/deep/1.json", '{"at": {"x": 7}}\n')
    arguments = {"--bucket": jobs.bucket, "--database": database, "--job-bookmark-option": "job-bookmark-enable"}
    name = jobs.make(SCRIPT, command="glueetl", DefaultArguments=arguments)
    return jobs, name, jobs.run(name)


def test_a_job_reads_and_writes_dynamic_frames(read_once: tuple[Jobs, str, dict[str, Any]]) -> None:
    jobs, _, run = read_once
    assert run["JobRunState"] == "SUCCEEDED", run["ErrorMessage"]
    refusal = "refused local_mock's awsglue does not support"
    assert jobs.log(run["Id"]).splitlines() == [
        "mice [('name', 'string'), ('age', 'string')] [('ada', '3'), ('bob', '')]",
        "mapped [('mouse', 'string'), ('age', 'int')] [('ada', 3), ('bob', None)]",
        "cast [('name', 'string'), ('age', 'bigint')]",
        "filtered [('ada', 3)]",
        "fields ['mouse'] ['age']",
        "joined [('ada', 3, 'ada', 6), ('bob', None, 'bob', 0)]",
        "nested [(7,)]",
        "counts [(1, 'a'), (2, 'a'), (5, 'b')]",
        "one [(5, 'b')]",
        f"{refusal} DynamicFrame.relationalize.",
        f"{refusal} GlueContext.getSink.",
        f"{refusal} the connection type 'mysql'.",
        f"{refusal} resolveChoice with 'make_cols' for all columns: there are no choice types here.",
        f"{refusal} paths with folders of partitions (s3://B/parts/lab=a/1.csv); read them through the catalog.",
    ]
    assert len(list((jobs.folder / "out" / "mouse=ada").glob("*.parquet"))) == 1


@pytest.mark.long
def test_a_second_run_reads_what_is_new(read_once: tuple[Jobs, str, dict[str, Any]]) -> None:
    jobs, name, _ = read_once
    put(jobs, "counts/lab=b/later.csv", "6\n")
    again = jobs.run(name)
    lines = jobs.log(again["Id"]).splitlines()
    assert lines[:2] == ["mice [] []", "counts [(6, 'b'), (9, 'a')]"], again["ErrorMessage"]
