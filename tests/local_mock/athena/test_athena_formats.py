"""JSON, ORC, Avro, nested text and buckets: what is written comes back, and each SerDe's own rules."""

# ruff: noqa: E501 - one line a statement or a row
from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import uuid
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from athena_lake import Lake, new_lake
from pyarrow import orc

from etholake.settings import Settings

JSON = "ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'"
OPENX = "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'"
EVERY = """SELECT * FROM (VALUES
    (1, BIGINT '5000000000', 2.5e0, REAL '0.5', true, DECIMAL '1234567890123456.78', 'é "x"', DATE '2024-02-29',
     TIMESTAMP '2024-02-29 12:00:00.123', ARRAY['a', NULL], MAP(ARRAY['k'], ARRAY[1]), CAST(ROW(1, 'z') AS ROW(p integer, q varchar))),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
    ) AS t(i, n, d, f, b, m, s, day, ts, a, k, r)"""
SHOWN = [
    [
        "1", "5000000000", "2.5", "0.5", "true", "1234567890123456.78", 'é "x"', "2024-02-29", "2024-02-29 12:00:00.123", "[a, null]",
        "{k=1}", "{p=1, q=z}",
    ],
    ["2", *[None] * 11],
]  # fmt: skip


@pytest.fixture(scope="module")
def lake(mock_settings: Settings) -> Lake:
    return new_lake(mock_settings, "formats")


def new_name() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


def test_rows_without_names_are_inserted_into_structs(lake: Lake) -> None:
    name = new_name()
    typed = "CAST(ROW(1, 'z') AS ROW(p integer, q varchar))"
    lake.run(f"CREATE TABLE {name} AS SELECT {typed} AS r, ARRAY[{typed}] AS a")
    lake.run(f"INSERT INTO {name} VALUES (ROW(2, 'y'), ARRAY[ROW(3, 'x'), NULL])")
    assert lake.rows(f"SELECT r, a FROM {name} ORDER BY r.p") == [
        ["{p=1, q=z}", "[{p=1, q=z}]"],
        ["{p=2, q=y}", "[{p=3, q=x}, null]"],
    ]


@pytest.mark.parametrize(
    ("settings", "suffix"),
    [
        ("format = 'ORC'", ""),
        ("format = 'ORC', write_compression = 'ZSTD'", ""),
        ("format = 'AVRO'", ""),
        ("format = 'JSON'", ".gz"),
        ("format = 'TEXTFILE'", ".gz"),
        ("format = 'TEXTFILE', field_delimiter = '|', write_compression = 'BZIP2'", ".bz2"),
        ("format = 'JSON', write_compression = 'ZSTD'", ".zst"),
        ("format = 'TEXTFILE', write_compression = 'NONE'", ""),
    ],
)
def test_every_type_survives_each_format(lake: Lake, settings: str, suffix: str) -> None:
    name = new_name()
    lake.run(f"CREATE TABLE {name} WITH ({settings}, external_location = 's3://{lake.bucket}/{name}/') AS {EVERY}")
    assert lake.rows(f"SELECT * FROM {name} ORDER BY i") == SHOWN
    assert all(key.endswith(suffix) for key in lake.keys(f"{name}/"))
    lake.run(f"INSERT INTO {name} SELECT * FROM {name} WHERE i = 1")
    assert lake.rows(f"SELECT i, m, r FROM {name} WHERE i = 1") == [["1", SHOWN[0][5], SHOWN[0][11]]] * 2


def test_unload_to_json_is_json_that_others_read(lake: Lake) -> None:
    place = new_name()
    lake.run(f"UNLOAD ({EVERY}) TO 's3://{lake.bucket}/{place}/' WITH (format = 'JSON', compression = 'NONE')")
    (key,) = lake.keys(f"{place}/")
    lines = lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read().decode().splitlines()
    first = json.loads(lines[0], parse_float=decimal.Decimal)
    assert first["m"] == decimal.Decimal("1234567890123456.78")
    assert (first["a"], first["k"], first["r"]) == (["a", None], {"k": 1}, {"p": 1, "q": "z"})
    assert json.loads(lines[1])["s"] is None


def test_hive_and_openx_json(lake: Lake) -> None:
    body = b'{"ID": 1, "name": "a", "in": {"X": [1, 2]}, "t": "2024-01-02 03:04:05.5", "free": {"k": [1.50, "v"]}}\n{"id": "2"}\n'
    columns = "id int, name string, `in` struct<x:array<int>>, t timestamp, free string"
    shown = [
        ["1", "a", "{x=[1, 2]}", "2024-01-02 03:04:05.500", '{"k":[1.50,"v"]}'],
        ["2", None, None, None, None],
    ]
    for serde in (JSON, OPENX):
        name = lake.hive(columns, body, serde)
        assert lake.rows(f"SELECT * FROM {name} ORDER BY id") == shown
    name = lake.hive(
        "a_b int, c int",
        b'{"a.b": 1, "other": 2}\n',
        f"{OPENX} WITH SERDEPROPERTIES ('dots.in.keys' = 'TRUE', 'mapping.c' = 'other')",
    )
    assert lake.rows(f"SELECT * FROM {name}") == [["1", "2"]]


@pytest.mark.parametrize("serde", [JSON, OPENX])
@pytest.mark.parametrize(
    "line", [b"{broken", b"[1]", b'{"n": "x"}', b'{"n": 3000000000}', b'{"n": 1.5}', b'{"n": NaN}']
)
def test_json_that_does_not_fit_fails_the_query(lake: Lake, serde: str, line: bytes) -> None:
    name = lake.hive("n int, m int", line + b"\n", serde)
    assert lake.reason(f"SELECT n FROM {name}").startswith("HIVE_CURSOR_ERROR")


def test_malformed_json_may_be_rows_of_nulls_and_unread_columns_never_fail(lake: Lake) -> None:
    name = lake.hive(
        "n int", b'{broken\n{"n": 3}\n', f"{OPENX} WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')"
    )
    assert lake.rows(f"SELECT n FROM {name} ORDER BY n") == [["3"], [None]]
    name = lake.hive("n int, m int", b'{"n": 1, "m": "x"}\n', JSON)
    assert lake.rows(f"SELECT n FROM {name}") == [["1"]]


def test_orc_is_read_by_place_or_by_name(lake: Lake) -> None:
    sink = io.BytesIO()
    orc.write_table(pa.table({"x": pa.array([1], pa.int32()), "Y": ["one"]}), sink)
    stored = "STORED AS ORC"
    name = lake.hive("y string, x int", sink.getvalue(), f"{stored}")
    assert "is no varchar" in lake.reason(f"SELECT y FROM {name}")
    by_name = "ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.orc.OrcSerde' WITH SERDEPROPERTIES ('orc.column.index.access' = 'false')"
    name = lake.hive("y string, x int, z int", sink.getvalue(), f"{by_name} {stored}")
    assert lake.rows(f"SELECT * FROM {name}") == [["one", "1", None]]


def test_avro_written_by_others(lake: Lake) -> None:
    fields = [
        {"name": "id", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
    ]
    sink = io.BytesIO()
    record: dict[str, Any] = {"id": 7, "at": dt.datetime(2024, 5, 6, 7, 8, 9, 123600, dt.UTC), "tags": ["a", "b"]}
    fastavro.writer(
        sink, fastavro.parse_schema({"type": "record", "name": "r", "fields": fields}), [record], codec="deflate"
    )
    name = lake.hive("tags array<string>, id bigint, at timestamp, gone int", sink.getvalue(), "STORED AS AVRO")
    assert lake.rows(f"SELECT * FROM {name}") == [["[a, b]", "7", "2024-05-06 07:08:09.124", None]]
    name = lake.hive("id bigint", b"no avro", "STORED AS AVRO")
    assert "Malformed Avro file" in lake.reason(f"SELECT id FROM {name}")


def test_nested_text_has_hives_separators(lake: Lake) -> None:
    tail = "ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' COLLECTION ITEMS TERMINATED BY '|' MAP KEYS TERMINATED BY ':'"
    body = b"1|2|x,a:1|b:\\N,7|seven\n\\N,\n,k:5|k:6,8\n"
    name = lake.hive("a array<int>, m map<string,int>, r struct<n:int,s:string>", body, tail)
    assert lake.rows(f"SELECT * FROM {name} ORDER BY r.n") == [
        ["[1, 2, null]", "{a=1, b=null}", "{n=7, s=seven}"],
        ["[]", "{k=5}", "{n=8, s=null}"],
        [None, "{}", None],
    ]


def test_buckets_are_files_by_hives_hash(lake: Lake) -> None:
    name = new_name()
    lake.run(
        f"CREATE TABLE {name} WITH (bucketed_by = ARRAY['n'], bucket_count = 4, external_location = 's3://{lake.bucket}/{name}/') AS "
        "SELECT x AS n FROM UNNEST(sequence(1, 40)) AS u(x)"
    )
    files = lake.rows(f'SELECT "$path", count(*), min(n % 4), max(n % 4) FROM {name} GROUP BY 1 ORDER BY 3')
    assert [row[1:] for row in files] == [["10", str(i), str(i)] for i in range(4)]
    storage = lake.glue.get_table(DatabaseName=lake.database, Name=name)["Table"]["StorageDescriptor"]
    assert (storage["BucketColumns"], storage["NumberOfBuckets"]) == (["n"], 4)
    assert "not supported on bucketed tables" in lake.reason(f"INSERT INTO {name} VALUES 1")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("CREATE TABLE x WITH (bucketed_by = ARRAY['n']) AS SELECT 1 AS n", "bucketed_by and bucket_count"),
        (
            "CREATE TABLE x WITH (bucketed_by = ARRAY['z'], bucket_count = 2) AS SELECT 1 AS n",
            "not present in schema",
        ),
        (
            "CREATE TABLE x WITH (format = 'AVRO', write_compression = 'SNAPPY') AS SELECT 1 AS n",
            "the compression SNAPPY of avro files",
        ),
        (
            "CREATE TABLE x WITH (format = 'AVRO') AS SELECT MAP(ARRAY[1], ARRAY[2]) AS n",
            "Avro has no maps with keys of type integer",
        ),
    ],
)
def test_refusals(lake: Lake, sql: str, reason: str) -> None:
    assert reason in lake.reason(sql)
