"""Documented features of awswrangler and PyAthena, one by one, unmodified, against the mock."""

import uuid
from collections.abc import Callable
from typing import Any

import awswrangler as wr
import pandas as pd
import pytest
from pyathena import connect
from pyathena.async_cursor import AsyncCursor
from pyathena.cursor import DictCursor
from pyathena.error import OperationalError

from etholake import aws
from etholake.settings import Settings

FRAME = pd.DataFrame({"n": [1, 2, 3, 4], "x": [0.5, 1.5, None, 3.5], "part": ["p", "p", "q", "q"]})


class Place:
    """A bucket and a database with the table `t` (FRAME, partitioned by `part`)."""

    def __init__(self, settings: Settings) -> None:
        aws.export(settings)
        tag = uuid.uuid4().hex[:8]
        self.bucket, self.database = f"features-{tag}", f"features_{tag}"
        aws.client(settings, "s3").create_bucket(Bucket=self.bucket)
        wr.catalog.create_database(self.database)
        self.path, self.out = f"s3://{self.bucket}/t/", f"s3://{self.bucket}/out/"
        self.write(FRAME, "t", mode="overwrite")

    def write(self, frame: pd.DataFrame, table: str, **more: Any) -> Any:
        return wr.s3.to_parquet(
            frame, f"s3://{self.bucket}/{table}/", dataset=True, database=self.database, table=table,
            partition_cols=["part"], **more,
        )  # fmt: skip

    def read(self, sql: str, **more: Any) -> Any:
        out = f"{self.out}{uuid.uuid4().hex}/"
        return wr.athena.read_sql_query(
            sql, database=self.database, s3_output=out, **{"ctas_approach": False} | more
        )

    def connect(self, **more: Any) -> Any:
        return connect(
            s3_staging_dir=self.out, schema_name=self.database, region_name="us-east-1", poll_interval=0.02, **more
        )


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
    found = place.read("SELECT n, x FROM t ORDER BY n", **how)
    assert sorted(found["n"]) == [1, 2, 3, 4]
    assert found["x"].isna().sum() == 1


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
    found = place.read(f"SELECT n FROM t WHERE {sql}", params=params, paramstyle=style)
    assert sorted(found["n"]) == [3, 4]


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


def test_cursors_plain_dict_and_async(place: Place) -> None:
    sql = "SELECT n, part FROM t WHERE n > %(low)s ORDER BY n"
    with place.connect() as connection:
        cursor = connection.cursor().execute(sql, {"low": 2})
        assert [d[0] for d in cursor.description] == ["n", "part"]
        assert (cursor.fetchone(), cursor.fetchmany(5), cursor.fetchone()) == ((3, "q"), [(4, "q")], None)
        assert connection.cursor(DictCursor).execute(sql, {"low": 3}).fetchall() == [{"n": 4, "part": "q"}]
        _, future = connection.cursor(AsyncCursor).execute(sql, {"low": 2})
        assert future.result().fetchall() == [(3, "q"), (4, "q")]
        qmark = connection.cursor().execute("SELECT n FROM t WHERE n = ?", ["2"], paramstyle="qmark")
        assert qmark.fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("sql", "said"),
    [("SELECT nosuch FROM t", "COLUMN_NOT_FOUND"), ("MERGE INTO t USING t ON 1 = 1", "NOT_SUPPORTED|mismatched")],
)
def test_what_cannot_be_done_says_so(place: Place, sql: str, said: str) -> None:
    ask: Callable[[str], Any] = place.connect().cursor().execute
    with pytest.raises(OperationalError, match=said):
        ask(sql)
