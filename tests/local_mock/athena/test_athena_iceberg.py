"""Iceberg tables of Athena: statements, time travel, metadata tables, refusals, all against a real server."""

# ruff: noqa: E501 - one line a statement or a row
from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import awswrangler as wr
import pandas as pd
import pyarrow as pa
import pytest
from athena_lake import Lake, new_lake

from etholake.settings import Settings

ICEBERG = "TBLPROPERTIES ('table_type' = 'ICEBERG')"


class IcebergLake(Lake):
    """A lake that makes Iceberg tables."""

    def table(self, columns: str, *, by: str = "", values: str = "", more: str = "") -> str:
        """A new Iceberg table; its name."""
        name = f"t{uuid.uuid4().hex[:8]}"
        layout = f"PARTITIONED BY ({by})" if by else ""
        properties = f"TBLPROPERTIES ('table_type' = 'ICEBERG'{more})"
        self.run(f"CREATE TABLE {name} ({columns}) {layout} LOCATION 's3://{self.bucket}/{name}/' {properties}")
        if values:
            self.run(f"INSERT INTO {name} VALUES {values}")
        return name


@pytest.fixture(scope="module")
def lake(mock_settings: Settings) -> IcebergLake:
    return IcebergLake(**vars(new_lake(mock_settings, "iceberg")))


def test_every_type_comes_back(lake: IcebergLake) -> None:
    name = lake.table(
        "b boolean, i int, n bigint, f float, d double, m decimal(10,2), s string, x binary, day date, ts timestamp, "
        "a array<int>, k map<string,bigint>, r struct<p:int,q:string>"
    )
    values = (
        "true, 1, 2, REAL '1.5', 2.5e0, DECIMAL '3.25', 'é', X'00ff', DATE '2024-02-29', TIMESTAMP '2024-02-29 12:00:00.123456', "
        "ARRAY[1, NULL], MAP(ARRAY['k'], ARRAY[BIGINT '7']), ROW(1, 'z')"
    )
    assert lake.run(f"INSERT INTO {name} SELECT {values}") == 1
    lake.run(f"INSERT INTO {name} (i) VALUES (9)")
    assert lake.rows(f"SELECT * FROM {name} ORDER BY i") == [
        [
            "true", "1", "2", "1.5", "2.5", "3.25", "é", "00 ff", "2024-02-29", "2024-02-29 12:00:00.123456", "[1, null]", "{k=7}",
            "{p=1, q=z}",
        ],
        [None, "9", *[None] * 11],
    ]  # fmt: skip
    assert lake.rows(f"SELECT typeof(ts) FROM {name} LIMIT 1") == [["timestamp(6)"]]


def test_a_time_with_zone_is_an_instant(lake: IcebergLake) -> None:
    name = lake.table("t timestamp with time zone")
    lake.run(f"INSERT INTO {name} VALUES (TIMESTAMP '2024-07-01 12:00:00 Europe/Berlin')")
    assert lake.rows(f"SELECT t FROM {name}") == [["2024-07-01 10:00:00.000000 UTC"]]


@pytest.mark.parametrize(
    ("by", "partitions"),
    [
        ("s", {"a", "b"}),
        ("year(d)", {"53", "54"}),
        ("month(d)", {"637", "649"}),
        ("day(ts)", {"2024-01-01", "2023-01-01"}),
        ("truncate(10, i)", {"0", "10"}),
    ],
)
def test_partition_transforms_lay_files_apart(lake: IcebergLake, by: str, partitions: set[str]) -> None:
    values = "(1, 'a', DATE '2023-02-03', TIMESTAMP '2023-01-01 01:00:00'), (12, 'b', DATE '2024-02-03', TIMESTAMP '2024-01-01 01:00:00')"
    name = lake.table("i int, s string, d date, ts timestamp", by=by, values=values)
    shown = lake.rows(f'SELECT partition, record_count, file_count FROM "{name}$partitions"')
    assert {str(row[0]).rpartition("=")[2].rstrip("}") for row in shown} == partitions
    assert [row[1:] for row in shown] == [["1", "1"]] * 2
    assert lake.rows(f"SELECT i FROM {name} WHERE s = 'b'") == [["12"]]


def test_buckets_and_hours(lake: IcebergLake) -> None:
    name = lake.table("i bigint, ts timestamp", by="bucket(4, i), hour(ts)")
    lake.run(f"INSERT INTO {name} SELECT x, TIMESTAMP '2024-01-01 00:00:00' FROM UNNEST(sequence(1, 40)) AS u(x)")
    assert lake.rows(f'SELECT count(*), sum(record_count) FROM "{name}$partitions"') == [["4", "40"]]
    assert lake.rows(f"SELECT count(*), sum(i) FROM {name}") == [["40", "820"]]


def test_delete_update_and_their_counts(lake: IcebergLake) -> None:
    name = lake.table("i int, s string", by="s", values="(1, 'a'), (2, 'a'), (3, 'b'), (4, NULL)")
    assert lake.run(f"DELETE FROM {name} WHERE i = 1 OR s = 'zz'") == 1
    assert lake.run(f"UPDATE {name} SET i = i * 10, s = 'c' WHERE i > 2") == 2
    assert lake.rows(f"SELECT * FROM {name} ORDER BY i") == [["2", "a"], ["30", "c"], ["40", "c"]]
    assert lake.run(f"DELETE FROM {name} AS x WHERE x.i IN (SELECT max(i) FROM {name})") == 1
    assert lake.run(f"DELETE FROM {name} WHERE NULL") == 0
    assert lake.run(f"DELETE FROM {name}") == 2
    assert lake.rows(f"SELECT count(*) FROM {name}") == [["0"]]


def test_merge_updates_deletes_and_inserts_in_one_commit(lake: IcebergLake) -> None:
    name = lake.table(
        "id int, v string", by="bucket(2, id)", values="(1, 'old'), (2, 'old'), (3, 'old'), (4, 'old')"
    )
    merge = f"""MERGE INTO {name} AS t
        USING (VALUES (1, 'new', false), (2, NULL, true), (5, 'five', false), (6, 'none', true)) AS s(id, v, gone)
        ON t.id = s.id
        WHEN MATCHED AND s.gone THEN DELETE
        WHEN MATCHED THEN UPDATE SET v = s.v || '!'
        WHEN NOT MATCHED AND NOT s.gone THEN INSERT (v, id) VALUES (s.v, s.id)"""
    assert lake.run(merge) == 3
    assert lake.rows(f"SELECT * FROM {name} ORDER BY id") == [
        ["1", "new!"],
        ["3", "old"],
        ["4", "old"],
        ["5", "five"],
    ]
    assert lake.rows(f'SELECT count(*) FROM "{name}$snapshots"') == [["2"]]


def test_a_row_that_merge_matches_twice_fails_and_changes_nothing(lake: IcebergLake) -> None:
    name = lake.table("id int, v string", values="(1, 'old'), (2, 'old')")
    source = "(VALUES (1, 'a'), (1, 'b')) AS s(id, v)"
    merge = f"MERGE INTO {name} t USING {source} ON t.id = s.id WHEN MATCHED"
    assert "One MERGE target table row matched more than one source row" in lake.reason(f"{merge} THEN DELETE")
    assert lake.run(f"{merge} AND s.v = 'b' THEN UPDATE SET v = s.v") == 1
    assert lake.run(f"{merge} AND s.v = 'z' THEN DELETE") == 0
    assert lake.rows(f"SELECT * FROM {name} ORDER BY id") == [["1", "b"], ["2", "old"]]


def test_time_travel_by_version_tag_and_instant(lake: IcebergLake) -> None:
    name = lake.table("i int", values="(1)")
    (first,) = lake.rows(f'SELECT snapshot_id, committed_at FROM "{name}$snapshots"')
    lake.run(f"INSERT INTO {name} VALUES (2)", f"ALTER TABLE {name} ADD COLUMNS (s string)")
    assert lake.rows(f"SELECT i, s FROM {name} ORDER BY i") == [["1", None], ["2", None]]
    assert lake.rows(f"SELECT * FROM {name} FOR VERSION AS OF {first[0]}") == [["1"]]
    assert lake.rows(f"SELECT * FROM {name} FOR TIMESTAMP AS OF TIMESTAMP '{first[1]}' AS x") == [["1"]]
    assert lake.rows(
        f"SELECT count(*) FROM {name} FOR TIMESTAMP AS OF (current_timestamp + interval '1' day)"
    ) == [["2"]]
    history = lake.rows(
        f'SELECT snapshot_id, parent_id, is_current_ancestor FROM "{name}$history" ORDER BY made_current_at'
    )
    assert [row[2] for row in history] == ["true", "true"]
    assert history[1][1] == history[0][0] == first[0]
    assert "Iceberg snapshot ID does not exists: 7" in lake.reason(f"SELECT * FROM {name} FOR VERSION AS OF 7")
    before = f"SELECT * FROM {name} FOR TIMESTAMP AS OF TIMESTAMP '2001-01-01 00:00:00 UTC'"
    assert "No version history table" in lake.reason(before)
    assert "Cannot find snapshot with reference name: x" in lake.reason(
        f"SELECT * FROM {name} FOR VERSION AS OF 'x'"
    )


def test_a_renamed_table_keeps_its_rows_and_history(lake: IcebergLake) -> None:
    name, other = lake.table("i int", values="(1)"), lake.table("i int")
    assert f"{lake.database}.{other} already exists" in lake.reason(f"ALTER TABLE {name} RENAME TO {other}")
    lake.run(f"ALTER TABLE {name} RENAME TO {lake.database}.{name}_2", f"INSERT INTO {name}_2 VALUES (2)")
    assert lake.rows(f"SELECT i FROM {name}_2 ORDER BY i") == [["1"], ["2"]]
    assert lake.rows(f'SELECT count(*) FROM "{name}_2$history"') == [["2"]]
    assert "does not exist" in lake.reason(f"SELECT * FROM {name}")


def test_columns_are_followed_by_their_id(lake: IcebergLake) -> None:
    name = lake.table("i int, s string", values="(1, 'a')")
    lake.run(
        f"ALTER TABLE {name} CHANGE COLUMN s t string",
        f"ALTER TABLE {name} ADD COLUMNS (s string)",
        f"ALTER TABLE {name} CHANGE COLUMN i i bigint",
        f"INSERT INTO {name} VALUES (5000000000, 'b', 'new')",
    )
    assert lake.rows(f"SELECT i, t, s FROM {name} ORDER BY i") == [["1", "a", None], ["5000000000", "b", "new"]]
    lake.run(f"ALTER TABLE {name} DROP COLUMN t")
    assert lake.rows(f"SELECT * FROM {name} ORDER BY i") == [["1", None], ["5000000000", "new"]]
    lake.run(f"ALTER TABLE {name} ADD COLUMNS (t string)")
    assert lake.rows(f"SELECT count(t) FROM {name}") == [["0"]]  # a new column of the old name
    shown = lake.glue.get_table(DatabaseName=lake.database, Name=name)["Table"]["StorageDescriptor"]["Columns"]
    assert [column["Name"] for column in shown] == ["i", "s", "t"]
    assert "Cannot change column type" in lake.reason(f"ALTER TABLE {name} CHANGE COLUMN i i int")


def test_optimize_joins_files_and_vacuum_forgets_snapshots(lake: IcebergLake) -> None:
    name = lake.table("i int", values="(1)", more=", 'vacuum_max_snapshot_age_seconds' = '0'")
    lake.run(*(f"INSERT INTO {name} VALUES ({i})" for i in (2, 3)))
    lake.run(f"OPTIMIZE {name} REWRITE DATA USING BIN_PACK")
    assert lake.rows(f'SELECT count(*), sum(record_count) FROM "{name}$files"') == [["1", "3"]]
    assert len([key for key in lake.keys(f"{name}/data/")]) == 4
    lake.run(f"VACUUM {name}")
    assert lake.rows(f'SELECT count(*) FROM "{name}$snapshots"') == [["1"]]
    assert len(lake.keys(f"{name}/data/")) == 1
    assert lake.rows(f"SELECT i FROM {name} ORDER BY i") == [["1"], ["2"], ["3"]]


def test_optimize_where_leaves_other_partitions(lake: IcebergLake) -> None:
    name = lake.table("i int, s string", by="s", values="(1, 'a'), (2, 'b')")
    lake.run(f"INSERT INTO {name} VALUES (3, 'a'), (4, 'b')")
    lake.run(f"OPTIMIZE {name} REWRITE DATA USING BIN_PACK WHERE s = 'a'")
    assert lake.rows(f'SELECT partition.s, file_count FROM "{name}$partitions" ORDER BY 1') == [
        ["a", "1"],
        ["b", "2"],
    ]


def test_create_table_as_and_drop_with_its_data(lake: IcebergLake) -> None:
    name = f"t{uuid.uuid4().hex[:8]}"
    lake.s3.put_object(Bucket=lake.bucket, Key=f"{name}/other.txt", Body=b"not of the table")
    created = lake.run(
        f"CREATE TABLE {name} WITH (table_type = 'ICEBERG', is_external = false, location = 's3://{lake.bucket}/{name}/', "
        "format = 'PARQUET', write_compression = 'SNAPPY', partitioning = ARRAY['month(d)', 'bucket(i, 3)']) AS "
        "SELECT 1 AS i, DATE '2024-05-06' AS d, TIMESTAMP '2024-05-06 01:02:03.5' AS t"
    )
    assert created == 1
    assert lake.rows(f"SELECT * FROM {name}") == [["1", "2024-05-06", "2024-05-06 01:02:03.500000"]]
    text = "\n".join(row[0] or "" for row in lake.rows(f"SHOW CREATE TABLE {name}"))
    assert "PARTITIONED BY (month(`d`), bucket(3, `i`))" in text
    assert len(lake.keys(f"{name}/")) > 3
    lake.run(f"DROP TABLE {name}")
    assert lake.keys(f"{name}/") == [f"{name}/other.txt"]


def test_concurrent_inserts_both_stand_and_a_delete_that_lost_says_so(lake: IcebergLake) -> None:
    name = lake.table("i int")
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda i: lake.execute(f"INSERT INTO {name} VALUES ({i})"), range(8)))
    written = sum(run["Status"]["State"] == "SUCCEEDED" for run in runs)
    lost = [run["Status"]["StateChangeReason"] for run in runs if run["Status"]["State"] == "FAILED"]
    assert all(reason.startswith("ICEBERG_COMMIT_ERROR") for reason in lost)
    assert lake.rows(f"SELECT count(*) FROM {name}") == [[str(written)]]
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda i: lake.execute(f"UPDATE {name} SET i = i + 100"), range(4)))
    done = sum(run["Status"]["State"] == "SUCCEEDED" for run in runs)
    reasons = [run["Status"]["StateChangeReason"] for run in runs if run["Status"]["State"] == "FAILED"]
    assert all(reason.startswith("ICEBERG_COMMIT_ERROR") for reason in reasons)
    assert lake.rows(f"SELECT min(i) / 100, count(*) FROM {name}") == [[str(done), str(written)]]


def test_pyiceberg_over_http_and_athena_share_a_table(lake: IcebergLake) -> None:
    from pyiceberg.catalog import load_catalog

    name = lake.table("i int, s string", values="(1, 'a')")
    keys = {"access-key-id": "etholake", "secret-access-key": "etholake", "region": "us-east-1"}
    properties = {f"{service}.{key}": value for service in ("s3", "glue") for key, value in keys.items()}
    catalog = load_catalog(
        "glue", type="glue", **{"glue.endpoint": lake.url, "s3.endpoint": lake.url}, **properties
    )
    table = catalog.load_table((lake.database, name))
    stale = catalog.load_table((lake.database, name))
    table.append(pa.table({"i": pa.array([2], pa.int32()), "s": ["b"]}))
    table.delete("i = 1")
    assert lake.rows(f"SELECT * FROM {name}") == [["2", "b"]]
    assert lake.run(f"UPDATE {name} SET s = 'c'") == 1
    assert table.refresh().scan().to_arrow().to_pylist() == [{"i": 2, "s": "c"}]
    version = lake.glue.get_table(DatabaseName=lake.database, Name=name)["Table"]
    old = {"Name": name, "StorageDescriptor": version["StorageDescriptor"], "Parameters": version["Parameters"]}
    with pytest.raises(lake.glue.exceptions.ConcurrentModificationException, match="concurrent modifications"):
        lake.glue.update_table(DatabaseName=lake.database, TableInput=old, VersionId="1")
    assert stale.metadata_location != version["Parameters"]["metadata_location"]


@pytest.mark.slow
def test_awswrangler_writes_merges_and_deletes(lake: IcebergLake, monkeypatch: pytest.MonkeyPatch) -> None:
    # It asks once a second, which is all that would take time.
    monkeypatch.setattr(wr.athena._executions, "time", SimpleNamespace(sleep=lambda _: time.sleep(0.02)))
    table, tmp = f"w{uuid.uuid4().hex[:8]}", f"s3://{lake.bucket}/tmp/"
    frame = pd.DataFrame({"id": [1, 2, 3], "name": ["a", "b", "c"], "day": pd.to_datetime(["2024-01-01"] * 3)})
    common = {"database": lake.database, "table": table, "temp_path": tmp, "s3_output": f"s3://{lake.bucket}/out/"}
    wr.athena.to_iceberg(
        frame,
        table_location=f"s3://{lake.bucket}/{table}/",
        partition_cols=["month(day)"],
        keep_files=False,
        **common,
    )
    wr.athena.to_iceberg(
        pd.DataFrame({"id": [3, 4], "name": ["C", "D"], "day": pd.to_datetime(["2024-02-01"] * 2)}), merge_cols=["id"],
        keep_files=False, **common,
    )  # fmt: skip
    wr.athena.delete_from_iceberg_table(pd.DataFrame({"id": [1]}), merge_cols=["id"], keep_files=False, **common)
    read = wr.athena.read_sql_query(
        f"SELECT id, name FROM {table} ORDER BY id",
        lake.database,
        s3_output=common["s3_output"],
        ctas_approach=False,
    )
    assert read.to_dict("list") == {"id": [2, 3, 4], "name": ["b", "C", "D"]}


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("CREATE TABLE x (i int) LOCATION 's3://{b}/x/'", "Only external table creation is supported"),
        ("CREATE TABLE x (i int) " + ICEBERG, "No LOCATION was given"),
        (
            "CREATE TABLE x (i smallint) LOCATION 's3://{b}/x/' " + ICEBERG,
            "Type not supported for Iceberg: smallint",
        ),
        (
            "CREATE TABLE x (i int) LOCATION 's3://{b}/x/' TBLPROPERTIES ('table_type'='ICEBERG', 'nonsense'='1')",
            "Unsupported table property key: nonsense",
        ),
        (
            "CREATE TABLE x (i int) LOCATION 's3://{b}/x/' TBLPROPERTIES ('table_type'='ICEBERG', 'format'='orc')",
            "the format ORC of an Iceberg table is not supported by local_mock",
        ),
        (
            "CREATE TABLE x (i int) PARTITIONED BY (month(i)) LOCATION 's3://{b}/x/' " + ICEBERG,
            "Cannot transform i",
        ),
        (
            "CREATE TABLE x (i int) PARTITIONED BY (k) LOCATION 's3://{b}/x/' " + ICEBERG,
            "Cannot find source column: k",
        ),
        ("UPDATE {t} SET i = 1e0", "UPDATE table column types don't match SET expressions"),
        ("UPDATE {t} SET z = 1", "The UPDATE SET target column z doesn't exist"),
        ("UPDATE {t} SET i = 1, i = 2", "Multiple assignments for i"),
        ("DELETE FROM plain WHERE i = 1", "Modifying Hive table rows is only supported for transactional tables"),
        ("OPTIMIZE {t}", "OPTIMIZE name REWRITE DATA USING BIN_PACK"),
        ("SELECT * FROM plain FOR VERSION AS OF 1", "does not support versioned tables"),
        ("WITH w AS (SELECT 1 AS x) SELECT * FROM w FOR VERSION AS OF 1", "a version of a WITH query"),
        ("MERGE INTO {t} USING plain s ON true", "SYNTAX_ERROR"),
        ("MERGE INTO {t} USING plain s ON true WHEN NOT MATCHED BY SOURCE THEN DELETE", "SOURCE of WHEN"),
    ],
)
def test_what_is_refused_says_why(lake: IcebergLake, shared: str, sql: str, reason: str) -> None:
    assert reason in lake.reason(sql.replace("{b}", lake.bucket).replace("{t}", shared))


@pytest.fixture(scope="module")
def shared(lake: IcebergLake) -> str:
    """An Iceberg table beside the Hive table `plain`."""
    lake.run(f"CREATE EXTERNAL TABLE plain (i int) STORED AS PARQUET LOCATION 's3://{lake.bucket}/plain/'")
    return lake.table("i int", values="(1)")
