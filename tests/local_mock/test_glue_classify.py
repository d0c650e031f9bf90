"""Crawlers over CSV and JSON: classification, tables that Athena reads, and failures with their reason."""

from __future__ import annotations

import gzip

import pytest
from crawler_lake import Lake

from etholake.settings import Settings
from local_mock.glue.classify import classify_text


@pytest.fixture
def lake(mock_settings: Settings) -> Lake:
    return Lake(mock_settings)


def put(lake: Lake, key: str, body: bytes) -> None:
    path = lake.folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def test_csv_with_a_header_in_partitions_is_read_by_athena(lake: Lake) -> None:
    put(lake, "mice/lab=a/1.csv", b"Id,Name,Weight,ok\n1,anna,20.5,true\n2,bo,,false\n")
    put(lake, "mice/lab=b/1.csv", gzip.compress(b"Id,Name,Weight,ok\n3,cy,7,true\n"))
    lake.crawler("mice")
    assert lake.crawl()["Status"] == "SUCCEEDED"
    assert lake.columns("mice") == {"id": "bigint", "name": "string", "weight": "double", "ok": "boolean"}
    parameters = lake.table("mice")["Parameters"]
    assert (parameters["classification"], parameters["delimiter"]) == ("csv", ",")
    assert parameters["skip.header.line.count"] == "1"
    assert sorted(lake.query("SELECT id, weight, ok, lab FROM mice")) == [
        ("1", "20.5", "true", "a"),
        ("2", None, "false", "a"),
        ("3", "7.0", "true", "b"),
    ]


def test_json_becomes_nested_columns(lake: Lake) -> None:
    body = (
        b'{"Id": 1, "pos": {"x": 1, "y": 2.5}, "tags": ["a"]}\n{"Id": 3000000000, "pos": {"x": 2}, "tags": []}\n'
    )
    put(lake, "events/1.json", body)
    lake.crawler("events")
    assert lake.crawl()["Status"] == "SUCCEEDED"
    expected = {"id": "bigint", "pos": "struct<x:int,y:double>", "tags": "array<string>"}
    assert lake.columns("events") == expected
    assert lake.table("events")["Parameters"]["classification"] == "json"
    assert lake.query("SELECT id, pos.y, tags FROM events ORDER BY id") == [
        ("1", "2.5", "[a]"),
        ("3000000000", None, "[]"),
    ]


def test_quoted_csv_is_read_whole(lake: Lake) -> None:
    put(lake, "q/1.csv", b'id;words\n1;"a;b"\n2;"c ""d"""\n')
    lake.crawler("q")
    assert lake.crawl()["Status"] == "SUCCEEDED"
    assert lake.query("SELECT id, words FROM q ORDER BY id") == [("1", "a;b"), ("2", 'c "d"')]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"just prose\nof two lines\n", "no delimiter"),
        (b"\x00\x01\xff\xfe binary", "neither Parquet nor UTF-8 text"),
        (b'[{"a": 1}, {"a": 2}]', "no object"),
        (b'{\n "a": 1\n}\n', "one object a line"),
    ],
)
def test_a_crawl_that_makes_no_table_fails_with_the_reason(lake: Lake, body: bytes, reason: str) -> None:
    put(lake, "odd/file", body)
    lake.crawler("odd")
    last = lake.crawl()
    assert last["Status"] == "FAILED"
    assert last["ErrorMessage"].startswith("No table was made.")
    assert reason in last["ErrorMessage"]
    assert lake.tables() == set()


def test_a_crawl_of_nothing_succeeds_and_says_so(lake: Lake) -> None:
    lake.crawler("nothing")
    last = lake.crawl()
    assert last["Status"] == "SUCCEEDED"
    assert "Nothing lies under" in last["ErrorMessage"]


@pytest.mark.parametrize(
    ("body", "columns", "header"),
    [
        (b"a,b\n1,2\n", {"a": "bigint", "b": "bigint"}, True),
        (b"1,2\n3,x\n", {"col0": "bigint", "col1": "string"}, False),
        (b"a,b\nc,d\n", {"col0": "string", "col1": "string"}, False),  # all text: no header, as on AWS
        (b"n|x\n1|1e3\n", {"n": "bigint", "x": "double"}, True),
        (b"n\tx y\n1\t\n", {"n": "bigint", "x_y": "string"}, True),
    ],
)
def test_headers_and_types(body: bytes, columns: dict[str, str], header: bool) -> None:
    facts = classify_text(body, is_whole=True)
    assert facts.columns == columns
    assert ("skip.header.line.count" in facts.settings) == header


def test_the_cut_end_of_a_sample_decides_nothing() -> None:
    assert classify_text(b"n,x\n1,2\n3,4\n5", is_whole=False).rows == 2
