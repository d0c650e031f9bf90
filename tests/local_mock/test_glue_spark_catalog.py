"""`spark.sql` of a job against the Glue catalog: tables that Athena made, what is left out, and writes."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from glue_lab import Jobs

from etholake import aws
from etholake.settings import Settings
from local_mock.glue.bootstrap import changes_catalog, named_first
from local_mock.glue.spark_catalog import describe, is_wanted

PARQUET = {"SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"}}


def test_statements_for_spark() -> None:
    columns = [{"Name": "odd`name", "Type": "struct<a:int>"}]
    storage = {**PARQUET, "Location": "s3://b/it's/", "Columns": columns}
    table = {"DatabaseName": "d", "Name": "t", "StorageDescriptor": storage, "PartitionKeys": [{"Name": "p"}]}
    partition = {"Values": ["x"], "StorageDescriptor": {**PARQUET, "Location": "s3://b/p"}}
    text = {
        "DatabaseName": "d",
        "Name": "c",
        "StorageDescriptor": {"SerdeInfo": {"SerializationLibrary": "x.LazySimpleSerDe"}},
    }
    view = {"DatabaseName": "d", "Name": "v", "TableType": "VIRTUAL_VIEW"}
    assert describe(["d"], [(table, [partition]), (text, []), (view, [])]) == {
        "statements": [
            "CREATE DATABASE IF NOT EXISTS `d`",
            "CREATE TABLE IF NOT EXISTS `d`.`t` (`odd``name` struct<a:int>, `p` string) USING parquet"
            " PARTITIONED BY (`p`) LOCATION 's3://b/it\\'s/'",
            "ALTER TABLE `d`.`t` ADD IF NOT EXISTS PARTITION (`p` = 'x') LOCATION 's3://b/p'",
        ],
        "left_out": ["d.c (SerDe LazySimpleSerDe)", "d.v (a view)"],
    }
    assert is_wanted({"--enable-glue-datacatalog": ""})
    assert not is_wanted({"--enable-glue-datacatalog": "false"})


def _query(athena: Any, sql: str, bucket: str) -> None:
    output = {"OutputLocation": f"s3://{bucket}/results/"}
    query = athena.start_query_execution(QueryString=sql, ResultConfiguration=output)["QueryExecutionId"]
    while (status := athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"])["State"] in (
        "QUEUED",
        "RUNNING",
    ):
        time.sleep(0.02)
    assert status["State"] == "SUCCEEDED", status.get("StateChangeReason")


SCRIPT = """
from pyspark.sql import SparkSession

spark = SparkSession.builder.enableHiveSupport().getOrCreate()
rows = spark.sql("SELECT lab, sum(n) AS total FROM {database}.counts WHERE lab <> 'c' GROUP BY lab ORDER BY lab")
print("rows", [(row.lab, row.total) for row in rows.collect()])
spark.sql("CREATE OR REPLACE TEMP VIEW mine AS SELECT 1 AS x")
print("table", spark.table("{database}.counts").count(), spark.table("mine").count())
for statement in (lambda: spark.sql("INSERT INTO {database}.counts VALUES (1, 'a')"),
                  lambda: rows.write.saveAsTable("{database}.new")):
    try:
        statement()
    except NotImplementedError as error:
        print("refused", error)
spark.sql("SELECT * FROM {database}.texts")
"""


@pytest.mark.parametrize(
    ("statement", "is_change"),
    [
        ("create table t as select 1", True),
        ("-- a note\n/* and * another */ CREATE TABLE t AS SELECT 1", True),
        ("FROM t INSERT INTO u SELECT *", True),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", False),
        ("/* a */ SELECT /* b */ REPLACE(s, 'a', 'b') FROM t", False),
        ("-- DROP TABLE t\nSELECT 1", False),
        ("INSERT OVERWRITE DIRECTORY '/x' SELECT 1", False),
    ],
)
def test_statements_that_would_change_the_catalog(statement: str, is_change: bool) -> None:
    assert changes_catalog(statement) == is_change


def test_names_that_spark_does_not_take_are_left_out_and_named() -> None:
    storage = {**PARQUET, "Location": "s3://b/t/", "Columns": [{"Name": "n"}]}
    tables = [
        {"DatabaseName": database, "Name": name, "StorageDescriptor": storage}
        for database, name in (("with-hyphen", "t"), ("plain", "with-hyphen"), ("plain", "t"))
    ]
    described = describe(["with-hyphen", "plain"], [(table, []) for table in tables])
    assert [statement.split()[:6] for statement in described["statements"]] == [
        ["CREATE", "DATABASE", "IF", "NOT", "EXISTS", "`plain`"],
        ["CREATE", "TABLE", "IF", "NOT", "EXISTS", "`plain`.`t`"],
    ]
    reason = "(a name that Spark does not take)"
    assert described["left_out"] == [f"with-hyphen {reason}", f"plain.with-hyphen {reason}"]


def test_the_table_that_was_asked_for_is_named_first_among_many() -> None:
    left_out = [f"d.t{n} (a view)" for n in range(9)]
    named = named_first(left_out, "[TABLE_OR_VIEW_NOT_FOUND] The table or view `d`.`t7` cannot be found")
    assert named == "d.t7 (a view), d.t0 (a view), d.t1 (a view), d.t2 (a view), d.t3 (a view) and 4 more"


def test_a_job_reads_the_catalog_by_spark_sql(jobs: Jobs, mock_settings: Settings) -> None:
    database, bucket = f"catalog_{uuid.uuid4().hex[:8]}", jobs.bucket
    athena = aws.client(mock_settings, "athena")
    jobs.glue.create_database(DatabaseInput={"Name": database})
    values = "(VALUES (1, 'a'), (2, 'a'), (5, 'b'), (7, 'c')) t(n, lab)"
    with_partitions = f"WITH (partitioned_by = ARRAY['lab'], external_location = 's3://{bucket}/counts/')"
    _query(athena, f"CREATE TABLE {database}.counts {with_partitions} AS SELECT * FROM {values}", bucket)
    as_text = f"WITH (format = 'TEXTFILE', external_location = 's3://{bucket}/texts/')"
    _query(athena, f"CREATE TABLE {database}.texts {as_text} AS SELECT 1 AS x", bucket)
    arguments = {"--enable-glue-datacatalog": "true"}
    name = jobs.make(SCRIPT.format(database=database), command="glueetl", DefaultArguments=arguments)
    run = jobs.run(name)
    lines = jobs.log(run["Id"]).splitlines()
    assert "rows [('a', 3), ('b', 5)]" in lines, run["ErrorMessage"]
    assert "table 4 1" in lines
    assert sum(line.startswith("refused local_mock gives Spark the Glue catalog to read") for line in lines) == 2
    assert run["JobRunState"] == "FAILED"
    assert f"it left out {database}.texts (SerDe LazySimpleSerDe)" in run["ErrorMessage"]
