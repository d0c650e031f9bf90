"""Crawlers read footers: schemas of several labs become one table; policies, exclusions, unreadable files."""

import re
import time
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from crawler_lake import Lake  # type: ignore[import-not-found]

from etholake.settings import Settings
from local_mock.data import FolderData
from local_mock.glue.crawl import CrawlStopped, Target, discover, glob_pattern
from local_mock.glue.footers import Footers
from local_mock.glue.schema import EXAMPLES, hive_type, merge, readable, similarity, wider


@pytest.fixture
def lake(mock_settings: Settings) -> Lake:
    return Lake(mock_settings)


def test_labs_that_differ_become_one_table(lake: Lake) -> None:
    ints, floats = pa.array([1], pa.int32()), pa.array([1.0], pa.float32())
    lake.write("raw/tracking/lab_id=A/1.parquet", frame=ints, x=floats, part=pa.array(["nose"]))
    lake.write("raw/tracking/lab_id=A/2.parquet", frame=ints, x=floats, part=pa.array([None], pa.null()))
    lake.write(
        "raw/tracking/lab_id=B%20b/3.parquet",
        frame=pa.array([1], pa.int64()),
        x=pa.array([1.0], pa.float64()),
        Likelihood=floats,
    )
    lake.crawler("raw/tracking/", TablePrefix="raw_")
    last = lake.crawl()
    assert (last["Status"], last.get("ErrorMessage")) == ("SUCCEEDED", None)
    assert lake.columns("raw_tracking") == {
        "frame": "bigint", "x": "double", "part": "string", "likelihood": "float",
    }  # fmt: skip
    table = lake.table("raw_tracking")
    assert table["PartitionKeys"] == [{"Name": "lab_id", "Type": "string"}]
    assert table["StorageDescriptor"]["Location"] == f"s3://{lake.name}/raw/tracking/"
    assert (table["Parameters"]["recordCount"], table["Parameters"]["objectCount"]) == ("3", "3")
    assert lake.partitions("raw_tracking") == [["A"], ["B b"]]
    partition = lake.glue.get_partition(
        DatabaseName=lake.database, TableName="raw_tracking", PartitionValues=["B b"]
    )["Partition"]
    assert partition["StorageDescriptor"]["Location"] == f"s3://{lake.name}/raw/tracking/lab_id=B%20b/"
    assert [c["Type"] for c in partition["StorageDescriptor"]["Columns"]] == ["bigint", "double", "float"]


def test_a_conflict_becomes_a_string_and_is_said(lake: Lake) -> None:
    lake.write("t/lab_id=A/1.parquet", frame=pa.array([1]))
    lake.write("t/lab_id=B/1.parquet", frame=pa.array(["one"]))
    lake.crawler(
        "t/", Configuration='{"CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}}'
    )
    last = lake.crawl()
    assert "column frame has types that disagree" in last["ErrorMessage"]
    assert "bigint in 1 file (lab_id=A/1.parquet), string in 1 file (lab_id=B/1.parquet)." in last["ErrorMessage"]
    assert lake.columns("t") == {"frame": "string"}


def test_what_is_no_parquet_is_reported_and_the_rest_goes_on(lake: Lake) -> None:
    good = lake.write("t/good.parquet", n=pa.array([1]))
    (good.parent / "notes.txt").write_text("not a table at all")
    (good.parent / "cut.parquet").write_bytes(good.read_bytes()[:-9])
    (good.parent / "empty.parquet").touch()
    (good.parent / "_SUCCESS").touch()
    lake.crawler("t", "nothing/here/")
    last = lake.crawl()
    assert last["Status"] == "SUCCEEDED"
    for words in (
        "notes.txt is no readable",
        "cut.parquet is no readable",
        "empty.parquet is empty",
        "nothing/here/",
    ):
        assert words in last["ErrorMessage"]
    assert "_SUCCESS" not in last["ErrorMessage"]
    assert lake.columns("t") == {"n": "bigint"}
    assert lake.table("t")["PartitionKeys"] == []


@pytest.mark.parametrize("delete", ["DELETE_FROM_DATABASE", "LOG", "DEPRECATE_IN_DATABASE"])
def test_a_second_crawl_follows_the_schema_change_policy(lake: Lake, delete: str) -> None:
    gone = lake.write("zone/t/lab_id=A/1.parquet", n=pa.array([1]))
    lake.write("zone/t/lab_id=B/1.parquet", n=pa.array([1]))
    lost = lake.write("zone/u/1.parquet", n=pa.array([1]))
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": delete}
    lake.crawler("zone/", SchemaChangePolicy=policy)
    lake.crawl()
    lake.glue.create_table(DatabaseName=lake.database, TableInput={"Name": "of_someone_else"})
    gone.unlink()
    lost.unlink()
    lake.write("zone/t/lab_id=C/1.parquet", n=pa.array([1]), more=pa.array([True]))
    lake.crawl()
    deleted = delete == "DELETE_FROM_DATABASE"
    assert lake.partitions("t") == ([["B"], ["C"]] if deleted else [["A"], ["B"], ["C"]])
    assert lake.columns("t") == {"n": "bigint", "more": "boolean"}
    names = {table["Name"] for table in lake.glue.get_tables(DatabaseName=lake.database)["TableList"]}
    assert names == ({"t", "of_someone_else"} if deleted else {"t", "u", "of_someone_else"})
    if not deleted:
        deprecated = "DEPRECATED_BY_CRAWLER" in lake.table("u")["Parameters"]
        assert deprecated == (delete == "DEPRECATE_IN_DATABASE")
    crawls = lake.glue.list_crawls(CrawlerName=lake.name)["Crawls"]
    assert [crawl["State"] for crawl in crawls] == ["COMPLETED", "COMPLETED"]


def test_update_behavior_log_leaves_the_table(lake: Lake) -> None:
    lake.write("t/1.parquet", n=pa.array([1]))
    lake.crawler("t/", SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"})
    lake.crawl()
    lake.write("t/1.parquet", n=pa.array(["x"]))
    lake.crawl()
    assert lake.columns("t") == {"n": "bigint"}
    lake.glue.update_crawler(Name=lake.name, SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE"})
    lake.crawl()
    assert lake.columns("t") == {"n": "string"}


def test_partition_expressions_and_pages(lake: Lake) -> None:
    for lab in "ABC":
        lake.write(f"t/split=train/lab_id={lab}/1.parquet", n=pa.array([1]))
    lake.write("t/split=test/lab_id=A/1.parquet", n=pa.array([1]))
    lake.crawler("t/")
    lake.crawl()
    assert lake.partitions("t", Expression="split = 'train' AND lab_id IN ('A', 'C')") == [
        ["train", "A"],
        ["train", "C"],
    ]
    assert lake.partitions("t", Expression="lab_id >= 'B'") == [["train", "B"], ["train", "C"]]
    assert lake.partitions("t", Expression="split LIKE 'te%'") == [["test", "A"]]
    assert len(lake.partitions("t", PaginationConfig={"PageSize": 1})) == 4
    first = lake.glue.get_partitions(DatabaseName=lake.database, TableName="t", MaxResults=3)
    assert len(first["Partitions"]) == 3
    segments = [lake.partitions("t", Segment={"SegmentNumber": number, "TotalSegments": 2}) for number in range(2)]
    assert sorted(segments[0] + segments[1]) == sorted(lake.partitions("t"))


def test_a_crawl_that_cannot_work_fails_with_the_reason(lake: Lake) -> None:
    lake.write("t/1.parquet", n=pa.array([1]))
    lake.crawler("t/")
    lake.glue.delete_database(Name=lake.database)
    last = lake.crawl()
    assert last["Status"] == "FAILED"
    assert "not found" in last["ErrorMessage"]
    with pytest.raises(lake.glue.exceptions.CrawlerNotRunningException, match="isn't running"):
        lake.glue.stop_crawler(Name=lake.name)


def test_stop_ends_a_crawl(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    pq.write_table(pa.table({"n": [1]}), tmp_path / "bucket" / "1.parquet")
    with pytest.raises(CrawlStopped, match=r"^$"):
        discover(FolderData(tmp_path), [Target("s3://bucket/")], lambda: True)


def test_exclusions_and_names(tmp_path: Path) -> None:
    data = FolderData(tmp_path)
    for key in ("t/a.parquet", "t/a.tmp", "t/deep/er/b.parquet", "t/u/lab_id=x/c.parquet", "other/u/d.parquet"):
        path = tmp_path / "bucket" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"n": [1]}), path)
    discovery = discover(data, [Target("s3://bucket/t", ("*.tmp", "deep/**"))], lambda: False)
    assert [(t.name, t.keys, t.objects) for t in discovery.tables] == [("t", (), 1), ("u", ("lab_id",), 1)]
    both = discover(data, [Target("s3://bucket/t/u/"), Target("s3://bucket/other/")], lambda: False)
    assert [(t.name, t.location) for t in both.tables] == [
        ("u", "s3://bucket/other/u/"), ("u", "s3://bucket/t/u/"),
    ]  # fmt: skip


def test_namesakes_get_a_hash_and_keep_it(lake: Lake) -> None:
    lake.glue.create_table(DatabaseName=lake.database, TableInput={"Name": "foreign", "Parameters": {"a": "b"}})
    lake.write("z/n/1.parquet", z=pa.array([1]))
    lake.write("y/foreign/1.parquet", y=pa.array([1]))
    lake.crawler("", Exclusions=["_results/**"])
    lake.crawl()
    (hashed,) = lake.tables() - {"foreign", "n"}
    assert re.fullmatch("foreign_[0-9a-f]{32}", hashed)
    assert lake.table("foreign")["Parameters"] == {"a": "b"}
    lake.write("a/n/1.parquet", a=pa.array([1]))  # sorts before the n that was there first
    lake.crawl()
    assert lake.columns("n") == {"z": "bigint"}
    (second,) = lake.tables() - {"foreign", "n", hashed}
    assert second.startswith("n_")
    assert lake.columns(second) == {"a": "bigint"}
    before = lake.tables()
    lake.crawl()
    assert lake.tables() == before
    (lake.folder / "z/n/1.parquet").unlink()
    (lake.folder / "a/n/1.parquet").unlink()
    lake.write("b/n/1.parquet", b=pa.array([1]))  # moved: the free name is taken over
    lake.crawl()
    assert lake.columns("n") == {"b": "bigint"}


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "b/a.csv", False),
        ("**.csv", "b/a.csv", True),
        ("b/**", "b/c/d", True),
        ("{a,b}/?.txt", "b/1.txt", True),
        ("{a,b}/?.txt", "c/1.txt", False),
        ("[!a]*", "abc", False),
        ("a\\*", "a*", True),
        ("a\\*", "ab", False),
    ],
)
def test_globs(glob: str, path: str, *, matches: bool) -> None:
    assert bool(glob_pattern(glob).match(path)) is matches


def test_types_and_their_widening() -> None:
    assert wider("int", "bigint") == wider("bigint", "int") == "bigint"
    assert wider("float", "double") == "double"
    assert wider("tinyint", "float") == "double"
    assert wider("int", "string") is None
    assert hive_type(pa.list_(pa.struct([("a", pa.int8()), ("b", pa.decimal128(9, 2))]))) == (
        "array<struct<a:tinyint,b:decimal(9,2)>>"
    )
    assert hive_type(pa.map_(pa.string(), pa.timestamp("us"))) == "map<string,timestamp>"
    assert hive_type(pa.dictionary(pa.int8(), pa.string())) == "string"
    columns, problems = merge([("1", {"a": "int", "b": "void"}), ("2", {"a": "string"}), ("3", {"a": "int"})])
    assert columns == {"a": "string", "b": "string"}
    assert len(problems) == 1
    assert wider("decimal(9,2)", "decimal(10,0)") == "decimal(12,2)"
    assert wider("decimal(38,0)", "decimal(38,9)") is None
    assert wider("array<int>", "array<bigint>") == "array<bigint>"
    assert wider("array<int>", "array<string>") is None
    assert wider("array<void>", "array<string>") == "array<string>"
    assert wider("binary", "string") == "string"
    assert wider("void", "void") == "void"


@pytest.mark.parametrize(
    ("stored", "declared", "reads"),
    [
        ("int", "bigint", True), ("bigint", "int", False), ("float", "double", True), ("int", "double", False),
        ("tinyint", "string", False), ("string", "bigint", False), ("void", "bigint", True),
        ("binary", "string", True), ("array<int>", "array<bigint>", True), ("array<int>", "array<double>", False),
        ("decimal(9,2)", "decimal(12,2)", True),
    ],
)  # fmt: skip
def test_what_athena_reads(stored: str, declared: str, *, reads: bool) -> None:
    assert readable(stored, declared) is reads


def test_of_many_files_twenty_are_named_and_all_counted() -> None:
    files = [(f"{n}", {"x": "string" if n % 100 == 7 else "double"}) for n in range(5000)]
    _, (conflict,) = merge(files)
    assert [(s.type, s.count) for s in conflict.stored] == [("string", 50), ("double", 4950)]
    assert [len(s.names) for s in conflict.stored] == [EXAMPLES, 0]
    assert conflict.refused == 4950
    assert "string in 50 files (7, 107, " in str(conflict)
    assert "1907 and 30 more), double in 4,950 files." in str(conflict)


def test_similar_schemas() -> None:
    usual = {"a": "int", "b": "float", "c": "string"}
    assert similarity(usual, usual) == similarity(usual, {"a": "bigint", "b": "double", "c": "string"}) == 1.0
    assert similarity(usual, {"a": "string", "b": "float", "d": "string"}) == 0.25
    assert similarity({}, {}) == 1.0


# --- footers ----------------------------------------------------------------------------------------------
def test_footers_are_kept_by_etag_and_forgotten_with_their_file(tmp_path: Path) -> None:
    data, footers = FolderData(tmp_path), Footers()
    folder = tmp_path / "bucket"
    folder.mkdir()
    for n in range(600):
        pq.write_table(pa.table({"n": [n]}), folder / f"{n:03d}.parquet")

    def read() -> list[int]:
        return [footer.rows for footer in footers.read(data, data.list("s3://bucket/"), lambda: False)]

    assert (read(), footers.opened) == ([1] * 600, 600)
    assert (read(), footers.opened) == ([1] * 600, 0)
    (folder / "000.parquet").unlink()
    pq.write_table(pa.table({"n": [1, 2]}), folder / "001.parquet")
    (folder / "002.parquet").write_bytes(b"PAR1")
    assert (read(), footers.opened) == ([2, 0, *[1] * 597], 2)
    assert len(footers._known) == 599
    assert len({id(f.columns) for f in footers._known.values()}) == 2  # equal schemas are held once
    pq.write_table(pa.table({"n": [1]}), folder / "002.parquet")
    assert (read(), footers.opened) == ([2, *[1] * 598], 1)


def test_a_file_that_vanishes_under_the_crawl_is_looked_for_again(tmp_path: Path) -> None:
    data, footers = FolderData(tmp_path), Footers()
    (tmp_path / "bucket").mkdir()
    path = tmp_path / "bucket" / "1.parquet"
    pq.write_table(pa.table({"n": [1]}), path)
    infos = data.list("s3://bucket/")
    whole = path.read_bytes()
    path.unlink()
    (footer,) = footers.read(data, infos, lambda: False)
    assert "no readable Parquet file: There is no object s3://bucket/1.parquet" in footer.problem
    path.write_bytes(whole)
    (footer,) = footers.read(data, infos, lambda: False)
    assert (footer.problem, footer.rows) == ("", 1)


@pytest.mark.long
def test_ten_thousand_files_are_crawled_in_seconds_and_megabytes(tmp_path: Path) -> None:
    data, footers, targets = FolderData(tmp_path), Footers(), [Target("s3://bucket/raw/")]
    for n in range(10_000):
        folder = tmp_path / "bucket" / "raw" / f"lab_id={n % 19}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            pa.table({"n": pa.array([n], pa.int64() if n % 19 else pa.int32())}), folder / f"{n}.parquet"
        )

    def crawl() -> float:
        began = time.perf_counter()
        (table,) = discover(data, targets, lambda: False, footers=footers).tables
        assert (table.objects, table.columns, len(table.partitions)) == (10_000, {"n": "bigint"}, 19)
        return time.perf_counter() - began

    cold, warm = crawl(), crawl()
    assert cold < 60
    assert warm < cold / 2
    tracemalloc.start()
    try:
        discover(data, targets, lambda: False, footers=Footers())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 25e6  # the listing and what is kept of each footer; 10 MB when this was written
