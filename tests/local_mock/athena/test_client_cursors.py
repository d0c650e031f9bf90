"""PyAthena's cursors and its SQLAlchemy dialect, one by one, unmodified, against the mock."""

import asyncio
import functools
import importlib
from typing import Any

import pandas as pd
import pyarrow.fs
import pytest
from client_place import FRAME, Place
from pyathena import aio_connect
from pyathena.cursor import DictCursor
from pyathena.pandas.util import to_sql

from etholake import aws
from etholake.settings import Settings

SQL = "SELECT n, part FROM t WHERE n > %(low)s ORDER BY n"


@pytest.fixture(scope="module")
def place(mock_settings: Settings) -> Place:
    return Place(mock_settings)


@pytest.fixture(autouse=True)
def arrow_endpoint(monkeypatch: pytest.MonkeyPatch, mock_settings: Settings) -> None:
    """PyAthena builds pyarrow's own S3 client, which reads no endpoint variable: the one thing to give it."""
    endpoint = str(aws.endpoint(mock_settings, "s3"))
    client = functools.partial(pyarrow.fs.S3FileSystem, endpoint_override=endpoint, scheme="http")
    monkeypatch.setattr("pyarrow.fs.S3FileSystem", client)


def cursor(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    return getattr(importlib.import_module(f"pyathena.{module}"), kind)


@pytest.mark.parametrize(
    "name",
    [
        "cursor.Cursor", "pandas.cursor.PandasCursor", "arrow.cursor.ArrowCursor", "polars.cursor.PolarsCursor",
        "s3fs.cursor.S3FSCursor", "async_cursor.AsyncCursor", "pandas.async_cursor.AsyncPandasCursor",
        "arrow.async_cursor.AsyncArrowCursor", "polars.async_cursor.AsyncPolarsCursor",
        "s3fs.async_cursor.AsyncS3FSCursor",
    ],
)  # fmt: skip
def test_every_cursor_gives_the_rows(place: Place, name: str) -> None:
    rows = place.connect().cursor(cursor(name)).execute(SQL, {"low": 2})
    if isinstance(rows, tuple):  # (query id, future)
        rows = rows[1].result()
    assert rows.fetchall() == [(3, "q"), (4, "q")]


@pytest.mark.parametrize(
    "name", ["pandas.cursor.PandasCursor", "arrow.cursor.ArrowCursor", "polars.cursor.PolarsCursor"]
)
def test_cursors_that_unload(place: Place, name: str) -> None:
    rows = place.connect().cursor(cursor(name), unload=True).execute("SELECT n, part FROM t").fetchall()
    assert sorted(rows) == [(1, "p"), (2, "p"), (3, "q"), (4, "q")]


def test_dict_cursor_qmark_many_and_what_a_cursor_tells(place: Place) -> None:
    with place.connect() as connection:
        plain = connection.cursor().execute(SQL, {"low": 2})
        assert [d[0] for d in plain.description] == ["n", "part"]
        assert (plain.fetchone(), plain.fetchmany(5), plain.fetchone()) == ((3, "q"), [(4, "q")], None)
        assert connection.cursor(DictCursor).execute(SQL, {"low": 3}).fetchall() == [{"n": 4, "part": "q"}]
        qmark = connection.cursor().execute("SELECT n FROM t WHERE n = ?", ["2"], paramstyle="qmark")
        assert qmark.fetchall() == [(2,)]
        assert (qmark.state, qmark.data_scanned_in_bytes > 0) == ("SUCCEEDED", True)
        assert qmark.output_location.startswith(place.out)
        again = connection.cursor().execute("SELECT n FROM t WHERE n = 1", cache_size=10)
        cached = connection.cursor().execute("SELECT n FROM t WHERE n = 1", cache_size=10)
        assert cached.query_id == again.query_id
        assert cached.fetchall() == [(1,)]


def test_catalog_of_a_cursor(place: Place) -> None:
    asked = place.connect().cursor()
    assert place.database in [d.name for d in asked.list_databases("AwsDataCatalog")]
    metadata = asked.get_table_metadata("t")
    assert [c.name for c in metadata.columns] == ["n", "x"]
    assert [c.name for c in metadata.partition_keys] == ["part"]
    assert "t" in [m.name for m in asked.list_table_metadata(schema_name=place.database)]
    assert asked.execute("SHOW PARTITIONS t").fetchall() == [("part=p",), ("part=q",)]


def test_asyncio(place: Place) -> None:
    async def ask() -> Any:
        connection = await aio_connect(
            s3_staging_dir=place.out, schema_name=place.database, region_name="us-east-1", poll_interval=0.02
        )
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT n FROM t ORDER BY n")
            return await cursor.fetchall()

    assert asyncio.run(ask()) == [(1,), (2,), (3,), (4,)]


def test_a_frame_becomes_a_table(place: Place) -> None:
    location = f"s3://{place.bucket}/frame/"
    for how in ("replace", "append"):
        to_sql(FRAME, "frame", place.connect(), location, schema=place.database, if_exists=how)
    assert place.connect().cursor().execute("SELECT count(*), sum(n) FROM frame").fetchall() == [(8, 20)]


# --- SQLAlchemy -------------------------------------------------------------------------------------------
def engine(place: Place, driver: str = "rest") -> Any:
    from sqlalchemy import create_engine

    host = f"athena.us-east-1.amazonaws.com:443/{place.database}"
    return create_engine(f"awsathena+{driver}://:@{host}?s3_staging_dir={place.out}&poll_interval=0.02")


@pytest.mark.parametrize("driver", ["rest", "pandas", "arrow", "polars", "s3fs"])
def test_dialects(place: Place, driver: str) -> None:
    from sqlalchemy import text

    with engine(place, driver).connect() as connection:
        rows = connection.execute(text("SELECT n FROM t WHERE n > :low ORDER BY n"), {"low": 2}).fetchall()
    assert rows == [(3,), (4,)]


def test_inspection_reflection_and_pandas(place: Place) -> None:
    from sqlalchemy import MetaData, Table, func, inspect, select

    place.connect().cursor().execute("CREATE OR REPLACE VIEW seen AS SELECT n FROM t")
    alchemy = engine(place)
    inspector = inspect(alchemy)
    assert place.database in inspector.get_schema_names()
    assert "t" in inspector.get_table_names(place.database)
    assert inspector.get_view_names(place.database) == ["seen"]
    assert [c["name"] for c in inspector.get_columns("t", place.database)] == ["n", "x", "part"]
    assert inspector.has_table("t")
    assert not inspector.has_table("absent")
    with alchemy.connect() as connection:
        table = Table("t", MetaData(), autoload_with=alchemy)
        assert connection.execute(select(func.count()).select_from(table)).fetchall() == [(4,)]
    assert sorted(pd.read_sql("SELECT n FROM t", alchemy)["n"]) == [1, 2, 3, 4]
