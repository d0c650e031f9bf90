"""Partitions of a scan: filters keep the right ones, and many of them are found by one listing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local_mock.athena.catalog import Partition, Table
from local_mock.athena.dialect import parse_query
from local_mock.athena.engine import Engine
from local_mock.athena.errors import QueryError
from local_mock.athena.frames import ROWS
from local_mock.athena.sqltypes import INTEGER, VARCHAR
from local_mock.athena.translate.queries import compile_query
from local_mock.data import FolderData, ObjectInfo

pytestmark = pytest.mark.server  # the query process

TOP = "s3://bucket/t/"
MISSING = "__HIVE_DEFAULT_PARTITION__"
LABS = ["a", "it's", MISSING]
VIDEOS = 40


class CountingData(FolderData):
    """Notes what is listed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.listed: list[str] = []

    def list(self, uri_prefix: str) -> list[ObjectInfo]:
        self.listed.append(uri_prefix)
        return super().list(uri_prefix)


@dataclass
class LabCatalog:
    """One table `t`, partitioned by lab and video; `elsewhere` is the location of one more partition."""

    elsewhere: list[str] = field(default_factory=list)

    def table(self, *_: object) -> Table:
        partitions = [
            Partition((lab, str(video)), f"{TOP}lab={lab}/video={video}/")
            for lab in LABS
            for video in range(VIDEOS)
        ]
        partitions += [Partition(("b", "0"), location) for location in self.elsewhere]
        keys = [("lab", VARCHAR), ("video", INTEGER)]
        return Table(
            "default", "t", [("id", INTEGER)], keys, TOP, "x.ParquetHiveSerDe", partitions=partitions
        )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CountingData:
    """Return one row a partition (its number), a file that is no data in each, and a partition elsewhere."""
    root = tmp_path_factory.mktemp("partitions")
    names = [f"t/lab={lab}/video={video}" for lab in LABS for video in range(VIDEOS)]
    for number, name in enumerate([*names, "other/b"]):
        folder = root / "bucket" / name
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"id": pa.array([number], pa.int32())}), folder / "data.parquet")
        (folder / "_report.json").write_text("{}")
    return CountingData(root)


@pytest.fixture(scope="module")
def engine(data: CountingData) -> Engine:
    return Engine(data, [data.root], data.root / "scratch")


def rows_of(engine: Engine, sql: str, catalog: LabCatalog | None = None) -> list[tuple[Any, ...]]:
    compiled = compile_query(parse_query(sql), sql, catalog or LabCatalog(), "default")
    table = engine.session().texts(compiled)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def test_many_partitions_are_found_by_one_listing_and_have_their_own_values(
    engine: Engine, data: CountingData
) -> None:
    data.listed.clear()
    rows = rows_of(engine, "SELECT lab, min(id), max(id), count(*), sum(video) FROM t GROUP BY 1 ORDER BY 2")
    each = str(sum(range(VIDEOS)))
    assert rows == [
        ("a", "0", "39", "40", each), ("it's", "40", "79", "40", each), (None, "80", "119", "40", each),
    ]  # fmt: skip
    assert data.listed == [TOP]


def test_a_partition_outside_the_tables_location_is_read_too(engine: Engine) -> None:
    catalog = LabCatalog(["s3://bucket/other/b"])
    assert rows_of(engine, "SELECT count(*), max(id) FROM t", catalog) == [("121", "120")]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("lab = 'it''s' AND video = 7", ["47"]),
        ("video IN (1, 11) AND lab = 'a'", ["1", "11"]),
        ("lab IS NULL AND video < 2", ["80", "81"]),
        ("lab = 'a' AND video > 38 AND video < 38", []),
        ("lab = 'none' AND video = 7 AND lab <> 'a'", []),
    ],
)
def test_filters_list_only_the_partitions_that_they_keep(
    engine: Engine, data: CountingData, where: str, ids: list[str]
) -> None:
    data.listed.clear()
    assert [row[0] for row in rows_of(engine, f"SELECT id FROM t WHERE {where} ORDER BY id")] == ids
    assert len(data.listed) == len(ids)


def test_the_rows_of_a_request_are_gone_with_it(engine: Engine) -> None:
    session = engine.session()
    assert session.evaluate(f"SELECT sum(n) FROM {ROWS}", pa.table({"n": [1, 2]})) == [(3,)]
    with pytest.raises(QueryError, match="NOT_SUPPORTED"):
        session.evaluate(f"SELECT n FROM {ROWS}")
    with pytest.raises(QueryError, match="NOT_SUPPORTED"):
        session.evaluate(f"SELECT other FROM {ROWS}", pa.table({"n": [1]}))
    with pytest.raises(QueryError, match="NOT_SUPPORTED"):
        session.evaluate(f"SELECT n FROM {ROWS}")


def test_a_partition_says_what_it_has_of_its_own() -> None:
    own = {"SerdeInfo": {"SerializationLibrary": "x.JsonSerDe", "Parameters": {"b": 2, "a": "1"}}}
    partition = Partition(("a",), TOP, own | {"Columns": [{"Name": "ID", "Type": "int"}, {"Name": "s"}]})
    assert partition.serde == "x.JsonSerDe"
    assert partition.serde_parameters == (("a", "1"), ("b", "2"))
    assert partition.columns == (("id", "int"), ("s", "string"))
    plain = Partition(("a",), TOP)
    assert (plain.serde, plain.serde_parameters, plain.columns) == (None, None, ())
