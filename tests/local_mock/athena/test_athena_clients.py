"""Unmodified clients against the Athena mock: boto3, PyAthena, awswrangler."""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

import functools
import io
import time
import uuid
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest

from etholake import aws
from etholake.settings import Settings


@pytest.fixture(scope="module")
def lake(mock_settings: Settings) -> SimpleNamespace:
    """A bucket, a database and a Parquet table `tracks` whose partitions lie in generation folders."""
    aws.export(mock_settings)
    s3, glue, athena = (aws.client(mock_settings, name) for name in ("s3", "glue", "athena"))
    bucket, database = f"athena-{uuid.uuid4().hex[:8]}", f"db_{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    glue.create_database(DatabaseInput={"Name": database})
    place = SimpleNamespace(
        s3=s3,
        glue=glue,
        athena=athena,
        bucket=bucket,
        database=database,
        out=f"s3://{bucket}/results/",
        settings=mock_settings,
    )
    ddl = f"""CREATE EXTERNAL TABLE tracks (video_id bigint, frame int, x double, tag string)
        PARTITIONED BY (lab_id string) STORED AS PARQUET LOCATION 's3://{bucket}/tracks/'"""
    assert execute(place, ddl)["Status"]["State"] == "SUCCEEDED"
    for lab, start in (("alpha", 0), ("beta lab", 100)):
        table = pa.table({
            "video_id": pa.array([1] * 50 + [2] * 50, pa.int64()), "frame": pa.array(range(start, start + 100), pa.int32()),
            "x": pa.array([float(i) for i in range(100)]), "tag": ["t"] * 99 + [None],
        })  # fmt: skip
        sink = io.BytesIO()
        pq.write_table(table, sink, row_group_size=50)
        key = f"tracks/lab_id={lab}/gen-abc/part-0.parquet"
        s3.put_object(Bucket=bucket, Key=key, Body=sink.getvalue())
        s3.put_object(Bucket=bucket, Key=f"tracks/lab_id={lab}/gen-abc/_SUCCESS", Body=b"not parquet")
        add = f"ALTER TABLE tracks ADD PARTITION (lab_id='{lab}') LOCATION 's3://{bucket}/tracks/lab_id={lab}/gen-abc/'"
        assert execute(place, add)["Status"]["State"] == "SUCCEEDED"
    return place


def execute(lake: SimpleNamespace, sql: str, **more: Any) -> dict[str, Any]:
    """Run to the end; the QueryExecution."""
    started = lake.athena.start_query_execution(
        QueryString=sql, QueryExecutionContext={"Database": lake.database},
        **{"ResultConfiguration": {"OutputLocation": lake.out}, **more},
    )  # fmt: skip
    while True:
        execution = lake.athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])["QueryExecution"]
        if execution["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
            return execution
        time.sleep(0.01)


def rows(lake: SimpleNamespace, sql: str, **more: Any) -> list[list[str | None]]:
    """Rows of a query, the header row included; the query must succeed."""
    done = execute(lake, sql, **more)
    assert done["Status"]["State"] == "SUCCEEDED", done["Status"]
    result = lake.athena.get_query_results(QueryExecutionId=done["QueryExecutionId"])
    return [[cell.get("VarCharValue") for cell in row["Data"]] for row in result["ResultSet"]["Rows"]]


def test_a_select_gives_header_rows_types_and_a_csv_object(lake: SimpleNamespace) -> None:
    done = execute(lake, "SELECT lab_id, frame, x / 4, tag FROM tracks WHERE frame IN (2, 199) ORDER BY frame")
    assert done["Status"]["State"] == "SUCCEEDED", done["Status"]
    result = lake.athena.get_query_results(QueryExecutionId=done["QueryExecutionId"])["ResultSet"]
    assert [c["Type"] for c in result["ResultSetMetadata"]["ColumnInfo"]] == [
        "varchar",
        "integer",
        "double",
        "varchar",
    ]
    key = done["ResultConfiguration"]["OutputLocation"].removeprefix(f"s3://{lake.bucket}/")
    assert lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read().decode() == (
        '"lab_id","frame","_col2","tag"\n"alpha","2","0.5","t"\n"beta lab","199","24.75",\n'
    )


def test_scanned_bytes_are_those_of_the_columns_and_row_groups_read(lake: SimpleNamespace) -> None:
    key = "tracks/lab_id=alpha/gen-abc/part-0.parquet"
    footer = pq.read_metadata(io.BytesIO(lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()))
    size = [[footer.row_group(g).column(c).total_compressed_size for c in range(4)] for g in range(2)]

    def scanned(sql: str) -> int:
        return int(execute(lake, sql)["Statistics"]["DataScannedInBytes"])

    assert scanned("SELECT sum(x) FROM tracks WHERE lab_id = 'alpha'") == size[0][2] + size[1][2]
    assert scanned("SELECT sum(x) FROM tracks WHERE lab_id = 'alpha' AND video_id = 2") == size[1][0] + size[1][2]
    assert (
        scanned("WITH t AS (SELECT * FROM tracks) SELECT max(frame) FROM t WHERE lab_id LIKE 'al%'")
        == size[0][1] + size[1][1]
    )
    assert scanned("SELECT count(*) FROM tracks") == 0
    assert scanned("SHOW PARTITIONS tracks") == 0


def test_pages_follow_the_tokens(lake: SimpleNamespace) -> None:
    done = execute(lake, "SELECT frame FROM tracks ORDER BY frame")
    paginator = lake.athena.get_paginator("get_query_results")
    pages = list(paginator.paginate(QueryExecutionId=done["QueryExecutionId"], PaginationConfig={"PageSize": 70}))
    cells = [row["Data"][0]["VarCharValue"] for page in pages for row in page["ResultSet"]["Rows"]]
    assert len(pages) == 3
    assert cells == ["frame", *map(str, range(200))]


def test_a_failed_query_says_why(lake: SimpleNamespace) -> None:
    for sql, reason in (
        ("SELECT nosuch FROM tracks", "COLUMN_NOT_FOUND: line 1:8: Column 'nosuch' cannot be resolved"),
        (
            "SELECT * FROM absent",
            "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog." + lake.database + ".absent' does not exist",
        ),
        ("SELECT read_text('/etc/passwd')", "FUNCTION_NOT_FOUND: line 1:8: Function 'read_text' not registered"),
        ("DELETE FROM tracks", "NOT_SUPPORTED: Modifying Hive table rows is only supported"),
    ):
        status = execute(lake, sql)["Status"]
        assert status["State"] == "FAILED"
        assert status["StateChangeReason"].startswith(reason)


def test_parameters_and_prepared_statements(lake: SimpleNamespace) -> None:
    sql = "SELECT count(*) AS n FROM tracks WHERE lab_id = ? AND frame < ? AND tag <> '?'"
    assert rows(lake, sql, ExecutionParameters=["'alpha'", "10"]) == [["n"], ["10"]]
    lake.athena.create_prepared_statement(StatementName="few", WorkGroup="primary", QueryStatement=sql)
    assert rows(lake, "EXECUTE few USING 'beta lab', 110") == [["n"], ["10"]]
    lake.athena.update_prepared_statement(StatementName="few", WorkGroup="primary", QueryStatement="SELECT 1")
    assert (
        lake.athena.get_prepared_statement(StatementName="few", WorkGroup="primary")["PreparedStatement"][
            "QueryStatement"
        ]
        == "SELECT 1"
    )
    lake.athena.delete_prepared_statement(StatementName="few", WorkGroup="primary")
    assert "few" not in str(lake.athena.list_prepared_statements(WorkGroup="primary")["PreparedStatements"])


def test_an_enforced_work_group_decides_where_results_go(lake: SimpleNamespace) -> None:
    name = f"wg-{uuid.uuid4().hex[:6]}"
    lake.athena.create_work_group(
        Name=name, Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{lake.bucket}/first/"}}
    )
    lake.athena.update_work_group(
        WorkGroup=name,
        ConfigurationUpdates={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfigurationUpdates": {"OutputLocation": f"s3://{lake.bucket}/second/"},
        },
    )
    assert (
        lake.athena.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]["EnforceWorkGroupConfiguration"]
        is True
    )
    done = execute(lake, "SELECT 1", WorkGroup=name)
    assert done["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{lake.bucket}/second/")


def test_stop_interrupts_a_running_query(lake: SimpleNamespace) -> None:
    long = (
        "SELECT count(*) FROM "
        + ", ".join(f"tracks t{i}" for i in range(6))
        + " WHERE t0.x + t1.x + t2.x + t3.x + t4.x + t5.x < 0"
    )
    id_ = lake.athena.start_query_execution(
        QueryString=long,
        QueryExecutionContext={"Database": lake.database},
        ResultConfiguration={"OutputLocation": lake.out},
    )["QueryExecutionId"]
    time.sleep(0.5)
    lake.athena.stop_query_execution(QueryExecutionId=id_)
    assert (
        lake.athena.get_query_execution(QueryExecutionId=id_)["QueryExecution"]["Status"]["State"] == "CANCELLED"
    )
    assert rows(lake, "SELECT 1") == [["_col0"], ["1"]]


def test_ddl_round_trip(lake: SimpleNamespace) -> None:
    assert rows(lake, "SHOW PARTITIONS tracks") == [["lab_id=alpha"], ["lab_id=beta lab"]]
    assert ["tracks"] in rows(lake, "SHOW TABLES")
    rows(lake, "CREATE OR REPLACE VIEW few AS SELECT lab_id, frame FROM tracks WHERE frame < 3")
    assert rows(lake, "SELECT count(*) AS n FROM few") == [["n"], ["3"]]
    entry = lake.glue.get_table(DatabaseName=lake.database, Name="few")["Table"]
    assert entry["ViewOriginalText"].startswith("/* Presto View: ")
    rows(lake, "DROP VIEW few")
    ctas = execute(
        lake,
        f"CREATE TABLE copied WITH (format='PARQUET', partitioned_by=ARRAY['lab_id'], external_location='s3://{lake.bucket}/copied/') AS SELECT frame, x, lab_id FROM tracks",
    )
    assert ctas["Status"]["State"] == "SUCCEEDED", ctas["Status"]
    assert "DataManifestLocation" in ctas["Statistics"]
    rows(lake, "INSERT INTO copied VALUES (7, 1.5e0, 'gamma')")
    assert rows(lake, "SELECT lab_id, count(*) FROM copied GROUP BY 1 ORDER BY 1") == [
        ["lab_id", "_col1"],
        ["alpha", "100"],
        ["beta lab", "100"],
        ["gamma", "1"],
    ]
    rows(lake, f"UNLOAD (SELECT frame FROM copied) TO 's3://{lake.bucket}/unloaded/' WITH (format = 'PARQUET')")
    assert lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix="unloaded/")["KeyCount"] == 1
    rows(lake, "DROP TABLE copied")


def test_a_csv_table(lake: SimpleNamespace) -> None:
    lake.s3.put_object(Bucket=lake.bucket, Key="csv/a.csv", Body=b'id,name\n1,"a, b"\n2,c\n')
    rows(
        lake,
        f"""CREATE EXTERNAL TABLE people (id int, name string)
        ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' LOCATION 's3://{lake.bucket}/csv/'
        TBLPROPERTIES ('skip.header.line.count'='1')""",
    )
    assert rows(lake, "SELECT * FROM people ORDER BY id") == [["id", "name"], ["1", "a, b"], ["2", "c"]]


def test_partition_projection(lake: SimpleNamespace) -> None:
    lake.s3.put_object(Bucket=lake.bucket, Key="proj/day=2024-01-02/a.csv", Body=b"5\n")
    rows(
        lake,
        f"""CREATE EXTERNAL TABLE days (n int) PARTITIONED BY (day string) ROW FORMAT DELIMITED FIELDS TERMINATED BY ','
        LOCATION 's3://{lake.bucket}/proj/' TBLPROPERTIES ('projection.enabled'='true', 'projection.day.type'='date',
        'projection.day.format'='yyyy-MM-dd', 'projection.day.range'='2024-01-01,2024-01-03')""",
    )
    assert rows(lake, "SELECT day, n FROM days") == [["day", "n"], ["2024-01-02", "5"]]


def test_metadata_operations(lake: SimpleNamespace) -> None:
    response = lake.athena.get_table_metadata(
        CatalogName="AwsDataCatalog", DatabaseName=lake.database, TableName="tracks"
    )["TableMetadata"]
    assert [c["Name"] for c in response["PartitionKeys"]] == ["lab_id"]
    names = lake.athena.list_table_metadata(
        CatalogName="AwsDataCatalog", DatabaseName=lake.database, Expression="tra.*"
    )["TableMetadataList"]
    assert [t["Name"] for t in names] == ["tracks"]
    listed = lake.athena.list_databases(CatalogName="AwsDataCatalog")["DatabaseList"]
    assert lake.database in [d["Name"] for d in listed]


@pytest.mark.parametrize("kind", ["default", "pandas", "arrow", "unload"])
def test_pyathena_cursors(lake: SimpleNamespace, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyathena import connect
    from pyathena.arrow.cursor import ArrowCursor
    from pyathena.pandas.cursor import PandasCursor

    connection = connect(
        s3_staging_dir=lake.out, schema_name=lake.database, region_name="us-east-1", poll_interval=0.02
    )
    sql = "SELECT lab_id, count(*) AS n, avg(x) AS m FROM tracks WHERE lab_id = %(lab)s GROUP BY lab_id"
    expected = ("alpha", 100, 49.5)
    if kind == "default":
        with connection.cursor() as cursor:
            assert cursor.execute(sql, {"lab": "alpha"}).fetchall() == [expected]
    elif kind == "pandas":
        frame = connection.cursor(PandasCursor).execute(sql, {"lab": "alpha"}).as_pandas()
        assert [tuple(r) for r in frame.itertuples(index=False)] == [expected]
    else:
        # PyAthena builds pyarrow's own S3 client, which reads no endpoint variable: the one thing to give it.
        endpoint = str(aws.endpoint(lake.settings, "s3"))
        monkeypatch.setattr(
            "pyarrow.fs.S3FileSystem",
            functools.partial(pyarrow.fs.S3FileSystem, endpoint_override=endpoint, scheme="http"),
        )
        table = connection.cursor(ArrowCursor, unload=kind == "unload").execute(sql, {"lab": "alpha"}).as_arrow()
        assert [tuple(r.values()) for r in table.to_pylist()] == [expected]


def test_awswrangler_reads_and_writes(lake: SimpleNamespace) -> None:
    import awswrangler as wr

    common: dict[str, Any] = {"database": lake.database, "s3_output": lake.out}
    sql = "SELECT lab_id, frame, x FROM tracks WHERE frame < 5"
    plain = wr.athena.read_sql_query(sql, ctas_approach=False, **common)
    ctas = wr.athena.read_sql_query(sql, ctas_approach=True, **common)
    unload = wr.athena.read_sql_query(
        sql,
        ctas_approach=False,
        unload_approach=True,
        database=lake.database,
        s3_output=f"s3://{lake.bucket}/unload-empty/",
    )
    for frame in (plain, ctas, unload):
        assert sorted(frame["frame"].tolist()) == [0, 1, 2, 3, 4]
    named = wr.athena.read_sql_query(
        "SELECT count(*) AS n FROM tracks WHERE lab_id = :lab",
        params={"lab": "alpha"},
        ctas_approach=False,
        **common,
    )
    assert named["n"].tolist() == [100]
    path = f"s3://{lake.bucket}/wrangled/"
    frame = pd.DataFrame({"a": [1, 2], "part": ["p", "q"]})
    for mode in ("overwrite", "append", "overwrite_partitions"):
        wr.s3.to_parquet(
            frame,
            path=path,
            dataset=True,
            database=lake.database,
            table="wrangled",
            partition_cols=["part"],
            mode=mode,
        )
    rows = wr.athena.read_sql_query(
        "SELECT part, sum(a) AS s FROM wrangled GROUP BY part ORDER BY part", ctas_approach=False, **common
    )
    assert rows.to_dict("list") == {"part": ["p", "q"], "s": [1, 2]}
    wr.athena.repair_table(table="wrangled", database=lake.database, s3_output=lake.out)
    done = wr.athena.start_query_execution("SELECT 1", database=lake.database, s3_output=lake.out, wait=True)
    assert done["Status"]["State"] == "SUCCEEDED"
