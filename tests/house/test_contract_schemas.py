"""DDL, Glue, Arrow, Parquet and Spark say the same of every table of the contract: names, order, types, nulls.

Nothing here parses SQL by itself: the DDL is read by the two engines that have to understand it, Athena (the
mock's) and Spark, and the Parquet files by Spark and by the crawler.
"""

from __future__ import annotations

import re
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from collected import check_each
from sparks import jvm_environment

from etholake import aws, contract
from etholake.catalog import table_input
from etholake.settings import Settings
from local_mock.glue.schema import columns_of

TABLES = sorted(contract.TABLES)
DDL = Path(__file__).resolve().parents[2] / "athena_queries" / "ddl"
Pairs = list[tuple[str, str]]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """One Spark for the module; no S3, no Python workers."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
        for name, value in jvm_environment().items():
            patch.setenv(name, value)
        builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        session = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()


@pytest.fixture(scope="module")
def catalog(mock_settings: Settings) -> dict[str, dict[str, Any]]:
    """Every DDL file run by Athena: table -> what Glue then has."""
    athena, glue, s3 = (aws.client(mock_settings, name) for name in ("athena", "glue", "s3"))
    bucket, database = f"ddl-{uuid.uuid4().hex[:8]}", f"ddl_{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    glue.create_database(DatabaseInput={"Name": database})
    for name in TABLES:
        query = athena.start_query_execution(
            QueryString=(DDL / f"{name}.sql").read_text().replace("${bucket}", bucket),
            QueryExecutionContext={"Database": database},
            ResultConfiguration={"OutputLocation": f"s3://{bucket}/results/"},
        )["QueryExecutionId"]
        status: dict[str, Any] = {"State": "QUEUED"}
        while status["State"] in {"QUEUED", "RUNNING"}:
            time.sleep(0.02)
            status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        assert status["State"] == "SUCCEEDED", (name, status.get("StateChangeReason"))
    return {name: glue.get_table(DatabaseName=database, Name=name)["Table"] for name in TABLES}


def in_contract(name: str) -> Pairs:
    return [(column.name, column.type) for column in contract.TABLES[name].columns]


def in_spark(schema: Any) -> Pairs:
    """Spark's own names of the types are Hive's."""
    return [(field.name, field.dataType.simpleString()) for field in schema.fields]


def by_ddl(spark: Any, columns: str, folder: Path) -> Any:
    """The schema that Spark makes of column definitions in SQL."""
    (folder / "nothing").mkdir(exist_ok=True)
    return spark.read.schema(columns).parquet((folder / "nothing").as_uri()).schema


def blocks(name: str) -> tuple[str, str]:
    """The text between the parentheses of CREATE TABLE and of PARTITIONED BY ('' without it)."""
    text = (DDL / f"{name}.sql").read_text()
    match = re.search(
        r"^CREATE EXTERNAL TABLE IF NOT EXISTS (\w+) \(\n(.*?)\n\)\n", text, re.DOTALL | re.MULTILINE
    )
    assert match is not None
    assert match[1] == name
    partitioned = re.search(r"^PARTITIONED BY \((.*)\)$", text, re.MULTILINE)
    return match[2], partitioned[1] if partitioned else ""


def test_glue_has_the_contracts_columns() -> None:
    def check(name: str) -> None:
        table = contract.TABLES[name]
        assert [(c["Name"], c["Type"]) for c in contract.glue_columns(name)] == in_contract(name)
        registered = table_input("bucket", name, "location/")
        assert registered["StorageDescriptor"]["Columns"] == contract.glue_columns(name)
        assert registered.get("PartitionKeys", []) == [{"Name": key, "Type": "string"} for key in table.partitions]

    check_each(TABLES, check)


def test_the_ddl_that_athena_has_run_is_what_etholake_registers(catalog: dict[str, Any]) -> None:
    def check(name: str) -> None:
        made, registered = catalog[name], table_input("bucket", name, "location/")
        expected = [{**c, "Comment": c["Comment"].replace("'", "")} for c in contract.glue_columns(name)]
        got = [{"Comment": "", **column} for column in made["StorageDescriptor"]["Columns"]]
        assert got == expected
        assert made.get("PartitionKeys", []) == registered.get("PartitionKeys", [])
        for part in ("InputFormat", "OutputFormat"):
            assert made["StorageDescriptor"][part] == registered["StorageDescriptor"][part]
        library = "SerializationLibrary"
        serde = [t["StorageDescriptor"]["SerdeInfo"][library] for t in (made, registered)]
        assert serde[0] == serde[1]
        assert made["TableType"] == registered["TableType"] == "EXTERNAL_TABLE"

    check_each(TABLES, check)


def test_spark_understands_the_ddl_as_the_contract(spark: Any, tmp_path: Path) -> None:
    def check(name: str) -> None:
        columns, partitions = blocks(name)
        schema = by_ddl(spark, columns, tmp_path)
        assert in_spark(schema) == in_contract(name)
        comments = [field.metadata.get("comment", "") for field in schema.fields]
        assert comments == [column.comment.replace("'", "") for column in contract.TABLES[name].columns]
        keys = in_spark(by_ddl(spark, partitions, tmp_path)) if partitions else []
        assert keys == [(key, "string") for key in contract.TABLES[name].partitions]
        # External tables know no NOT NULL: whether a value may be missing stands in the Parquet schema alone.
        assert "NOT NULL" not in columns

    check_each(TABLES, check)


def test_spark_reads_the_arrow_schemas_files_as_the_contract(spark: Any, tmp_path: Path) -> None:
    def check(name: str) -> None:
        path = tmp_path / f"{name}.parquet"
        pq.write_table(contract.arrow_schema(name).empty_table(), path)
        read = spark.read.parquet(path.as_uri()).schema
        assert in_spark(read) == in_contract(name)
        declared = by_ddl(spark, ", ".join(f"`{column}` {type_}" for column, type_ in in_contract(name)), tmp_path)
        assert [field.dataType for field in read.fields] == [field.dataType for field in declared.fields]

    check_each(TABLES, check)


def test_a_parquet_file_requires_what_the_contract_does(tmp_path: Path) -> None:
    def check(name: str) -> None:
        path = tmp_path / f"{name}.parquet"
        pq.write_table(contract.arrow_schema(name).empty_table(), path, store_schema=False)
        stored = pq.read_schema(path)
        assert [(f.name, f.nullable) for f in stored] == [
            (c.name, c.nullable) for c in contract.TABLES[name].columns
        ]
        assert columns_of(stored) == dict(in_contract(name))  # a crawl would say the same, in the same order
        assert list(columns_of(stored)) == list(contract.TABLES[name].column_names)

    check_each(TABLES, check)


def test_what_spark_writes_by_the_ddl_has_the_arrow_schemas(spark: Any, tmp_path: Path) -> None:
    every = [(f"{name}.{column}", type_) for name in TABLES for column, type_ in in_contract(name)]  # one write
    columns = [f"CAST(NULL AS {type_}) AS `{column}`" for column, type_ in every]
    spark.range(0).selectExpr(*columns).write.parquet((tmp_path / "every").as_uri())
    (part,) = (tmp_path / "every").glob("*.parquet")
    expected = [(f"{name}.{f.name}", f.type) for name in TABLES for f in contract.arrow_schema(name)]
    assert [(f.name, f.type) for f in pq.read_schema(part)] == expected


def test_a_type_that_only_one_of_them_knows_would_be_seen(spark: Any, tmp_path: Path) -> None:
    """The comparison bites: what a changed contract looks like to the parts that were not changed."""
    schema = contract.arrow_schema("scores")
    wrong = schema.set(schema.get_field_index("videos"), pa.field("videos", pa.int64()))
    pq.write_table(wrong.empty_table(), tmp_path / "scores.parquet")
    read = in_spark(spark.read.parquet((tmp_path / "scores.parquet").as_uri()).schema)
    assert set(read) ^ set(in_contract("scores")) == {("videos", "bigint"), ("videos", "int")}
