"""Documented features of awswrangler and PyAthena, one by one, unmodified, against the mock."""

import uuid
from collections.abc import Callable
from typing import Any

import awswrangler as wr
import pandas as pd
import pytest
from botocore.exceptions import ClientError
from client_place import FRAME, Place
from pyathena.error import OperationalError

from etholake import aws
from etholake.settings import Settings


@pytest.fixture(scope="module")
def place(mock_settings: Settings) -> Place:
    return Place(mock_settings)


def test_read_parquet_as_a_dataset_by_partition_column_and_chunk(place: Place) -> None:
    whole = wr.s3.read_parquet(place.path, dataset=True)
    assert sorted(whole["n"]) == [1, 2, 3, 4]
    some = wr.s3.read_parquet(place.path, dataset=True, partition_filter=lambda p: p["part"] == "q", columns=["n"])
    assert sorted(some["n"]) == [3, 4]
    assert sum(len(c) for c in wr.s3.read_parquet(place.path, dataset=True, chunked=1)) == 4
    assert sorted(wr.s3.read_parquet_table(database=place.database, table="t")["n"]) == [1, 2, 3, 4]
    assert wr.s3.read_parquet_metadata(place.path, dataset=True)[0]["n"] == "bigint"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("append", [1, 2, 3, 4, 9]), ("overwrite_partitions", [3, 4, 9]), ("overwrite", [9])],
)
def test_modes_of_writing(place: Place, mode: str, expected: list[int]) -> None:
    place.write(FRAME, f"m_{mode}", mode="overwrite")
    place.write(pd.DataFrame({"n": [9], "x": [1.0], "part": ["p"]}), f"m_{mode}", mode=mode)
    assert sorted(place.read(f"SELECT n FROM m_{mode}")["n"]) == expected


@pytest.mark.parametrize("how", [{}, {"ctas_approach": True}, {"unload_approach": True}])
def test_three_ways_to_read_a_query(place: Place, how: dict[str, bool]) -> None:
    frame = place.read("SELECT n, x FROM t ORDER BY n", **how)
    assert sorted(frame["n"]) == [1, 2, 3, 4]
    assert frame["x"].isna().sum() == 1


@pytest.mark.parametrize("how", [{}, {"ctas_approach": True}, {"unload_approach": True}])
def test_chunks_hold_every_row_once(place: Place, how: dict[str, bool]) -> None:
    chunks = list(place.read("SELECT n FROM t", chunksize=3, **how))
    assert len(chunks) > 1
    assert sorted(n for chunk in chunks for n in chunk["n"]) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("sql", "style", "params"),
    [
        ("n > :low AND part = :part", "named", {"low": 2, "part": "q"}),
        ("n > ? AND part = ?", "qmark", ["2", "'q'"]),
    ],
)
def test_parameters(place: Place, sql: str, style: str, params: Any) -> None:
    frame = place.read(f"SELECT n FROM t WHERE {sql}", params=params, paramstyle=style)
    assert sorted(frame["n"]) == [3, 4]


def test_catalog_functions(place: Place) -> None:
    catalog = wr.catalog
    assert place.database in {d["Name"] for d in catalog.get_databases()}
    assert catalog.does_table_exist(place.database, "t")
    assert not catalog.does_table_exist(place.database, "absent")
    assert catalog.get_table_location(place.database, "t") == place.path
    assert catalog.get_table_types(place.database, "t") == {"n": "bigint", "x": "double", "part": "string"}
    assert sorted(catalog.get_partitions(place.database, "t").values()) == [["p"], ["q"]]
    assert list(catalog.get_parquet_partitions(place.database, "t", expression="part = 'p'").values()) == [["p"]]
    assert [t["Name"] for t in catalog.get_tables(database=place.database, name_prefix="t")] == ["t"]
    catalog.upsert_table_parameters({"k": "v"}, place.database, "t")
    assert catalog.get_table_parameters(place.database, "t")["k"] == "v"
    place.write(FRAME, "gone", mode="overwrite")
    assert catalog.delete_table_if_exists(place.database, "gone")
    assert set(catalog.table(place.database, "t")["Column Name"]) == {"n", "x", "part"}


def test_catalog_functions_that_write(place: Place) -> None:
    catalog, database, at = wr.catalog, place.database, f"s3://{place.bucket}"
    kinds = {"columns_types": {"n": "bigint"}, "partitions_types": {"p": "string"}}
    for form in ("parquet", "csv", "json"):
        getattr(catalog, f"create_{form}_table")(database, f"of_{form}", f"{at}/{form}/", **kinds)
        getattr(catalog, f"add_{form}_partitions")(database, f"of_{form}", {f"{at}/{form}/p=1/": ["1"]})
        assert list(catalog.get_partitions(database, f"of_{form}").values()) == [["1"]]
    catalog.delete_partitions("of_csv", database, [["1"]])
    catalog.delete_all_partitions("of_json", database)
    assert catalog.get_partitions(database, "of_csv") == catalog.get_partitions(database, "of_json") == {}
    catalog.add_column(database, "of_csv", "more", "int", "a comment")
    assert catalog.get_columns_comments(database, "of_csv")["more"] == "a comment"
    catalog.delete_column(database, "of_csv", "more")
    assert catalog.get_table_types(database, "of_csv") == {"n": "bigint", "p": "string"}
    catalog.overwrite_table_parameters({"k": "v"}, database, "of_csv")
    assert catalog.get_table_parameters(database, "of_csv") == {"k": "v"}
    assert catalog.get_table_number_of_versions(database, "of_csv") >= 3
    catalog.create_database(f"{database}_gone", description="d", exist_ok=True)
    catalog.delete_database(f"{database}_gone")
    assert f"{database}_gone" not in catalog.databases(limit=1000)["Database"].tolist()


def test_search_for_tables(place: Place) -> None:
    def names(**how: str) -> set[str]:
        return {t["Name"] for t in wr.catalog.search_tables(**how) if t["DatabaseName"] == place.database}

    place.write(FRAME, "needle", mode="overwrite")
    assert names(text="needle") == {"needle"}
    assert names(text="absent from all tables") == set()
    assert "needle" in names(text=place.bucket)  # in its location
    assert {t["Name"] for t in wr.catalog.get_tables(name_contains="eedl", database=place.database)} == {"needle"}


def test_describe_table(place: Place) -> None:
    description = wr.athena.describe_table("t", database=place.database, s3_output=place.out)
    assert description["Column Name"].tolist() == ["n", "x", "part"]
    assert description["Type"].tolist() == ["bigint", "double", "string"]
    assert description["Partition"].tolist() == [False, False, True]


def test_information_schema(place: Place) -> None:
    wr.athena.start_query_execution(
        "CREATE OR REPLACE VIEW v AS SELECT n, 'it''s' AS s FROM t",
        database=place.database,
        s3_output=place.out,
        wait=True,
    )
    condition = f"= '{place.database}'"
    schemata = place.read(f"SELECT * FROM information_schema.schemata WHERE schema_name {condition}")
    assert schemata.to_dict("records") == [{"catalog_name": "awsdatacatalog", "schema_name": place.database}]
    tables = place.read(
        "SELECT table_name, table_type FROM information_schema.tables "
        f"WHERE table_schema {condition} AND table_name IN ('t', 'v')"
    )
    assert dict(zip(tables["table_name"], tables["table_type"], strict=True)) == {"t": "BASE TABLE", "v": "VIEW"}
    columns = place.read(
        "SELECT column_name, ordinal_position, data_type, extra_info "
        "FROM awsdatacatalog.information_schema.columns "
        f"WHERE table_schema {condition} AND table_name = 't' ORDER BY ordinal_position"
    )
    assert columns["column_name"].tolist() == ["n", "x", "part"]
    assert columns["ordinal_position"].tolist() == [1, 2, 3]
    assert columns["data_type"].tolist() == ["bigint", "double", "varchar"]
    assert columns["extra_info"].tolist()[2] == "partition key"
    views = place.read(f"SELECT view_definition FROM information_schema.views WHERE table_schema {condition}")
    assert views["view_definition"].tolist() == ["SELECT n, 'it''s' AS s FROM t"]
    with pytest.raises(wr.exceptions.QueryFailed, match="TABLE_NOT_FOUND"):
        place.read("SELECT * FROM information_schema.absent")


def test_athena_functions(place: Place) -> None:
    common: dict[str, Any] = {"database": place.database, "s3_output": place.out}
    made = wr.athena.create_ctas_table("SELECT n FROM t", ctas_table="c", wait=True, **common)
    assert made["ctas_table"] == "c"
    assert len(wr.athena.read_sql_table("t", ctas_approach=False, **common)) == 4
    assert "CREATE EXTERNAL TABLE" in wr.athena.show_create_table("t", **common)
    id_ = wr.athena.start_query_execution("SELECT 1 AS one", **common)
    assert wr.athena.wait_query(id_)["Status"]["State"] == "SUCCEEDED"
    assert wr.athena.get_query_results(id_)["one"].tolist() == [1]
    assert wr.athena.get_query_columns_types(id_) == {"one": "integer"}
    assert id_ in wr.athena.list_query_executions()
    assert wr.athena.get_query_executions([id_])["QueryExecutionId"].tolist() == [id_]
    assert "CREATE EXTERNAL TABLE" in wr.athena.generate_create_query("t", database=place.database)
    assert wr.athena.repair_table("t", **common) == "SUCCEEDED"
    assert wr.athena.get_work_group("primary")["WorkGroup"]["Name"] == "primary"
    wr.athena.create_prepared_statement("SELECT n FROM t WHERE n > ?", f"over_{place.database}")
    result = place.read(f"EXECUTE over_{place.database} USING 2")
    assert sorted(result["n"]) == [3, 4]
    wr.athena.delete_prepared_statement(f"over_{place.database}")
    cached = [place.read("SELECT 1 AS x", athena_cache_settings={"max_cache_seconds": 900}) for _ in range(2)]
    assert [frame["x"].tolist() for frame in cached] == [[1], [1]]
    unloaded = wr.athena.unload("SELECT n FROM t", path=f"s3://{place.bucket}/unloaded/", database=place.database)
    assert unloaded.raw_payload["Status"]["State"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "ask",
    [
        lambda place: wr.athena.run_spark_calculation("1", "primary"),
        lambda place: place.read("SELECT * FROM of_grok"),
    ],
)
def test_what_coverage_names_as_absent_is_refused(place: Place, ask: Callable[[Place], Any]) -> None:
    serde = "com.amazonaws.glue.serde.GrokSerDe"
    wr.catalog.create_csv_table(
        place.database, "of_grok", f"{place.path}grok/", columns_types={"n": "bigint"}, serde_library=serde
    )
    with pytest.raises((wr.exceptions.QueryFailed, ClientError), match="local_mock"):
        ask(place)


@pytest.mark.parametrize(
    ("sql", "message"),
    [("SELECT nosuch FROM t", "COLUMN_NOT_FOUND"), ("MERGE INTO t USING t ON 1 = 1", "SYNTAX_ERROR")],
)
def test_what_cannot_be_done_says_so(place: Place, sql: str, message: str) -> None:
    ask: Callable[[str], Any] = place.connect().cursor().execute
    with pytest.raises(OperationalError, match=message):
        ask(sql)


def test_the_database_default_is_there_for_ctas_views_and_awswrangler(mock_settings: Settings) -> None:
    """It is in Glue as soon as something is put into it, as on AWS."""
    aws.export(mock_settings)
    bucket, tag = f"default-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex[:8]
    aws.client(mock_settings, "s3").create_bucket(Bucket=bucket)
    output = f"s3://{bucket}/out/"
    frame = wr.athena.read_sql_query("SELECT 1 AS a", database="default", s3_output=output)
    assert frame["a"].tolist() == [1]
    for sql in (f"CREATE VIEW v_{tag} AS SELECT 2 AS b", f"CREATE TABLE t_{tag} AS SELECT 3 AS c"):
        wr.athena.wait_query(wr.athena.start_query_execution(sql, database="default", s3_output=output))
    assert {f"v_{tag}", f"t_{tag}"} <= {table["Name"] for table in wr.catalog.get_tables(database="default")}
