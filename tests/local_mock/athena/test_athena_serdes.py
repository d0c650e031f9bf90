"""Text tables, partitions with descriptors of their own, INSERT with columns, CTAS to text, parameters."""

# ruff: noqa: E501 - one line a message or table
from __future__ import annotations

import bz2
import gzip
import uuid

import pytest
from athena_lake import Lake, new_lake

from etholake.settings import Settings
from local_mock.athena.serde import opencsv_cells

LAZY = "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
OPENCSV = "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"


class SerdeLake(Lake):
    """A lake with tables over one object."""

    def table(self, columns: str, body: bytes, tail: str, key: str = "data.csv", properties: str = "") -> str:
        """Make a table over one object and return its name."""
        name = f"t{uuid.uuid4().hex[:8]}"
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}/{key}", Body=body)
        self.rows(
            f"CREATE EXTERNAL TABLE {name} ({columns}) {tail} LOCATION 's3://{self.bucket}/{name}/' {properties}"
        )
        return name


@pytest.fixture(scope="module")
def lake(mock_settings: Settings) -> SerdeLake:
    return SerdeLake(**vars(new_lake(mock_settings, "serdes")))


def test_lazy_simple_reads_what_fits_the_type_and_null_for_the_rest(lake: SerdeLake) -> None:
    name = lake.table("n int", b"2.7\n 5\n1_000\n\n8\n", LAZY)
    assert sorted(map(str, (r[0] for r in lake.rows(f"SELECT n FROM {name}")))) == [
        "2",
        "8",
        "None",
        "None",
        "None",
    ]
    name = lake.table(
        "b boolean, d date, t timestamp",
        b"yes,2024/01/06,2024-01-06T10:00:00\nTRUE,2024-01-06,2024-01-06 10:00:00.5\n1,,\n",
        LAZY,
    )
    assert lake.rows(f"SELECT * FROM {name} WHERE d IS NOT NULL") == [
        ["true", "2024-01-06", "2024-01-06 10:00:00.500"]
    ]
    assert lake.rows(f"SELECT count(*), count(b), count(t) FROM {name}") == [["3", "1", "1"]]


def test_lazy_simple_reads_blank_lines_other_bytes_and_bzip2(lake: SerdeLake) -> None:
    name = lake.table("s string", b"a\n\nb\n", LAZY)
    assert lake.rows(f"SELECT count(*), count_if(s = '') FROM {name}") == [["3", "1"]]
    name = lake.table("s string, n int", "caf\xe9,1\n".encode("latin-1") + b"x" * 3_000_000 + b",2\n", LAZY)
    assert lake.rows(f"SELECT length(s), n FROM {name} ORDER BY n") == [["4", "1"], ["3000000", "2"]]
    name = lake.table("s string, n int", bz2.compress(b"head,0\na\\,b,1\n"), f"{LAZY} ESCAPED BY '\\\\'", "data.csv.bz2",
                      "TBLPROPERTIES ('skip.header.line.count'='1')")  # fmt: skip
    assert lake.rows(f"SELECT s, n FROM {name}") == [["a,b", "1"]]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('1,"O""Brien",x', ["1", 'O"Brien', "x"]),
        (r'1,"say \"hi\"",x', ["1", 'say "hi"', "x"]),
        ("a,,", ["a", "", ""]),
        ('"a,b",c', ["a,b", "c"]),
        ('"open,c', ["open,c"]),
    ],
)
def test_opencsv_cells(line: str, cells: list[str]) -> None:
    assert opencsv_cells(line) == cells


def test_opencsv_dates_are_days_and_timestamps_milliseconds(lake: SerdeLake) -> None:
    name = lake.table("n int, s string, d date, t timestamp", b'"1","O""Brien","18993","1641038645678"\n', OPENCSV)
    assert lake.rows(f"SELECT * FROM {name}") == [["1", 'O"Brien', "2022-01-01", "2022-01-01 12:04:05.678"]]
    name = lake.table("n int", b'"1x"\n', OPENCSV)
    assert lake.reason(f"SELECT n FROM {name}") == (
        'HIVE_BAD_DATA: Error parsing field value for field 0: For input string: "1x"'
    )


def test_a_partition_is_read_by_its_own_descriptor(lake: SerdeLake) -> None:
    name = lake.table("a int, b string", b"1,x\n", f"PARTITIONED BY (p string) {LAZY}", "p=comma/data.csv")
    lake.rows(f"MSCK REPAIR TABLE {name}")
    lake.s3.put_object(Bucket=lake.bucket, Key=f"{name}-tabs/data.csv", Body=b"2\ty\n")
    storage = lake.glue.get_table(DatabaseName=lake.database, Name=name)["Table"]["StorageDescriptor"]
    tabs = {**storage, "Location": f"s3://{lake.bucket}/{name}-tabs/"}
    tabs["SerdeInfo"] = {**tabs["SerdeInfo"], "Parameters": {"field.delim": "\t", "serialization.format": "\t"}}
    add = {"DatabaseName": lake.database, "TableName": name}
    lake.glue.create_partition(**add, PartitionInput={"Values": ["tab"], "StorageDescriptor": tabs})
    assert lake.rows(f"SELECT a, b, p FROM {name} ORDER BY a") == [["1", "x", "comma"], ["2", "y", "tab"]]
    other = {**tabs, "Columns": [{"Name": "a", "Type": "string"}, {"Name": "b", "Type": "string"}]}
    lake.glue.create_partition(**add, PartitionInput={"Values": ["text"], "StorageDescriptor": other})
    assert "HIVE_PARTITION_SCHEMA_MISMATCH: There is a mismatch" in lake.reason(f"SELECT a FROM {name}")
    assert lake.rows(f"SELECT count(b) FROM {name}") == [["3"]]


def test_a_column_that_insert_leaves_out_is_null_in_every_type(lake: SerdeLake) -> None:
    name = f"ctas_{uuid.uuid4().hex[:8]}"
    kinds = {
        "v": "7e0", "b": "true", "d": "DATE '2024-01-01'", "t": "CAST('2024-01-01 00:00:00' AS timestamp)", "n": "DECIMAL '1.5'",
        "s": "'x'", "l": "ARRAY[1]", "r": "CAST(ROW(1) AS ROW(a integer))", "y": "X'00'", "f": "REAL '1'", "i": "TINYINT '1'",
    }  # fmt: skip
    lake.rows(f"CREATE TABLE {name} AS SELECT 1 AS id, {', '.join(f'{v} AS {k}' for k, v in kinds.items())}")
    lake.rows(f"INSERT INTO {name} (id) VALUES (2)")
    counts = ", ".join(f"count({k})" for k in kinds)
    assert lake.rows(f"SELECT count(*), {counts} FROM {name}") == [["2", *["1"] * len(kinds)]]
    assert lake.rows(f"SELECT {', '.join(kinds)} FROM {name} WHERE id = 2") == [[None] * len(kinds)]


def test_nan_is_above_nothing_in_files_and_where_statistics_prune(lake: SerdeLake) -> None:
    name = f"nan_{uuid.uuid4().hex[:8]}"
    lake.rows(f"CREATE TABLE {name} AS SELECT * FROM (VALUES 1e0, nan(), 9e0) t(v)")
    assert lake.rows(f"SELECT v FROM {name} WHERE v >= 5") == [["9.0"]]
    for condition in ("v > 100", "v < 0", "v = nan()", "v BETWEEN 10 AND 1e9", "v IN (nan())"):
        assert lake.rows(f"SELECT count(*) FROM {name} WHERE {condition}") == [["0"]], condition
    for condition in ("NOT v < 100", "v NOT BETWEEN 0 AND 10", "v NOT IN (1, 9)", "is_nan(v)", "NOT is_finite(v)",
                      "v IS DISTINCT FROM 1 AND v IS DISTINCT FROM 9", "v <> 1 AND v <> 9"):  # fmt: skip
        assert lake.rows(f"SELECT count(*) FROM {name} WHERE {condition}") == [["1"]], condition
    for condition in ("v < 100", "v > 0", "v >= 1", "v BETWEEN 1 AND 9", "v IN (1, 9)", "is_finite(v)"):
        assert lake.rows(f"SELECT count(*) FROM {name} WHERE {condition}") == [["2"]], condition
    shown = lake.rows(f"SELECT v, v < 100, v <> 1, CAST(v AS varchar) FROM {name} ORDER BY v")
    assert shown[-1] == ["NaN", "false", "true", "NaN"]
    lake.rows(f"CREATE TABLE {name}_same AS SELECT * FROM (VALUES 7e0, nan(), 7e0) t(v)")
    for condition in ("v <> 7", "NOT v = 7", "v NOT IN (7)", "v IS DISTINCT FROM 7"):
        assert lake.rows(f"SELECT count(*) FROM {name}_same WHERE {condition}") == [["1"]], condition
    for condition in ("v = 7", "v IN (7)", "v IN (SELECT 7e0)", "v IS NOT DISTINCT FROM 7"):
        assert lake.rows(f"SELECT count(*) FROM {name}_same WHERE {condition}") == [["2"]], condition


def test_ctas_to_text_writes_null_and_the_delimiter(lake: SerdeLake) -> None:
    name = f"text_{uuid.uuid4().hex[:8]}"
    sql = "SELECT 'a,b' AS s, CAST(NULL AS varchar) AS n, 1e7 AS x, CAST('2024-01-01 10:00:00' AS timestamp) AS t"
    lake.rows(f"CREATE TABLE {name} WITH (format = 'TEXTFILE', field_delimiter = ',') AS {sql}")
    location = lake.glue.get_table(DatabaseName=lake.database, Name=name)["Table"]["StorageDescriptor"]["Location"]
    prefix = location.removeprefix(f"s3://{lake.bucket}/")
    (key,) = [o["Key"] for o in lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix=prefix)["Contents"]]
    body = lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()
    assert gzip.decompress(body) == b"a,b,\\N,1.0E7,2024-01-01 10:00:00.000\n"  # GZIP unless another is named


def test_one_statement_writes_100_partitions_at_most(lake: SerdeLake) -> None:
    sql = "WITH (partitioned_by = ARRAY['p']) AS SELECT x AS v, x AS p FROM UNNEST(sequence(1, {})) AS t(x)"
    assert lake.reason(f"CREATE TABLE many_{uuid.uuid4().hex[:6]} {sql.format(101)}") == (
        "HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers for partitions/buckets"
    )


def test_a_parameter_is_one_operand(lake: SerdeLake) -> None:
    sql = "SELECT count(*) FROM (VALUES 'a', 'b') t(s) WHERE s = ?"
    assert lake.rows(sql, ExecutionParameters=["'a'"]) == [["1"]]
    assert "TYPE_MISMATCH" in lake.reason(sql, ExecutionParameters=["'x' OR 'a'='a'"])
    assert "is no expression" in lake.reason(sql, ExecutionParameters=["'x') OR ('a'='a'"])
    assert lake.rows("SELECT x FROM (VALUES 1, 2) t(x) ORDER BY x LIMIT ?", ExecutionParameters=["1"]) == [["1"]]


@pytest.mark.parametrize("word", ["a", "s", "New York", "(SELECT 1)"])
def test_a_bare_word_as_a_parameter_is_a_string(lake: SerdeLake, word: str) -> None:
    sql = "SELECT count(*), ? FROM (VALUES 'a', 'b') t(s) WHERE s = ?"
    assert lake.rows(sql, ExecutionParameters=[word, word]) == [[str(int(word == "a")), word]]


def test_hidden_columns_partitions_and_values_of_the_session(lake: SerdeLake) -> None:
    name = f"hidden_{uuid.uuid4().hex[:8]}"
    table = f"CREATE TABLE {name} WITH (partitioned_by = ARRAY['day', 'k']) AS "
    lake.rows(table + "SELECT 1 AS a, DATE '2024-01-02' AS day, CAST(NULL AS varchar) AS k UNION ALL "
                      "SELECT 2, DATE '2024-01-03', 'it''s'")  # fmt: skip
    assert lake.rows(f"SELECT day, k FROM \"{name}$partitions\" WHERE day > DATE '2024-01-02'") == [
        ["2024-01-03", "it's"]
    ]
    assert lake.rows(f'SELECT count(*), count(k) FROM "{name}$partitions"') == [["2", "1"]]
    sql = f"""SELECT regexp_like("$path", 'k=[^/]+/[^/]+$'), "$file_size" > 100,
              "$file_modified_time" BETWEEN current_timestamp - INTERVAL '1' HOUR AND current_timestamp FROM {name}"""
    assert lake.rows(sql) == [["true", "true", "true"]] * 2
    assert lake.rows("SELECT current_schema, current_catalog") == [[lake.database, "awsdatacatalog"]]


def test_nothing_is_inserted_into_a_bucketed_table(lake: SerdeLake) -> None:
    name = f"bucketed_{uuid.uuid4().hex[:8]}"
    location = f"s3://{lake.bucket}/{name}/"
    lake.rows(
        f"CREATE EXTERNAL TABLE {name} (a int) CLUSTERED BY (a) INTO 2 BUCKETS STORED AS PARQUET LOCATION '{location}'"
    )
    assert lake.rows(f"SELECT count(*) FROM {name}") == [["0"]]
    reason = lake.reason(f"INSERT INTO {name} VALUES (1)")
    assert reason == "NOT_SUPPORTED: INSERT INTO is not supported on bucketed tables"


def test_the_text_of_a_query_has_a_limit(lake: SerdeLake) -> None:
    with pytest.raises(
        lake.athena.exceptions.InvalidRequestException, match="length less than or equal to 262144"
    ):
        lake.execute("SELECT 1 -- " + "x" * 262_144)


def test_the_work_group_limits_the_bytes_that_are_read(lake: SerdeLake) -> None:
    group = f"small-{uuid.uuid4().hex[:8]}"
    lake.athena.create_work_group(Name=group, Configuration={
        "ResultConfiguration": {"OutputLocation": f"s3://{lake.bucket}/out/"}, "BytesScannedCutoffPerQuery": 10_000_000,
    })  # fmt: skip
    name = lake.table("s string", b"x" * 10_000_001, LAZY)
    run = lake.execute(f"SELECT count(s) FROM {name}", WorkGroup=group)
    assert run["Status"]["State"] == "CANCELLED"
    assert "Bytes scanned limit was exceeded" in run["Status"]["StateChangeReason"]
