"""The dialect corpus: every statement gives the rows, types or error that Trino's documentation says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local_mock.athena.catalog import Partition, Table
from local_mock.athena.dialect import parse_query
from local_mock.athena.engine import Engine
from local_mock.athena.errors import QueryError
from local_mock.athena.sqltypes import BIGINT, DOUBLE, INTEGER, TINYINT, VARCHAR
from local_mock.athena.translate.queries import compile_query
from local_mock.data import FolderData

pytestmark = pytest.mark.server  # the query process

CORPUS = Path(__file__).parent / "corpus" / "statements.txt"


@dataclass
class Case:
    sql: str
    types: str | None = None
    rows: list[list[str]] = field(default_factory=list)
    error: str | None = None


def cases() -> list[Case]:
    """The statements of the corpus with what they must give."""
    corpus: list[Case] = []
    for line in CORPUS.read_text().splitlines():
        if line[:2] == ": ":
            corpus[-1].types = line[2:]
        elif line[:2] == "= ":
            corpus[-1].rows.append(line[2:].split(" | "))
        elif line[:2] == "! ":
            corpus[-1].error = line[2:]
        elif line.strip() and not line.startswith("#"):
            corpus.append(Case(line))
    return corpus


class FixtureCatalog:
    """One table `t` in two partitions; lab `two` has no column `s` in its last file."""

    def table(self, database: str, name: str, *_: object) -> Table:
        if name != "t":
            raise QueryError("TABLE_NOT_FOUND", f"Table 'awsdatacatalog.{database}.{name}' does not exist")
        columns = [("id", INTEGER), ("x", DOUBLE), ("s", VARCHAR), ("big", BIGINT), ("tiny", TINYINT)]
        partitions = [Partition((lab,), f"s3://bucket/t/lab={lab}/") for lab in ("one", "two")]
        return Table(
            "default",
            "t",
            columns,
            [("lab", VARCHAR)],
            "s3://bucket/t/",
            "x.ParquetHiveSerDe",
            partitions=partitions,
        )


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    root = tmp_path_factory.mktemp("corpus")
    for lab, first, tags in (("one", 1, ["a", "b", "c"]), ("two", 4, ["d", "e", None])):
        folder = root / "bucket" / "t" / f"lab={lab}"
        folder.mkdir(parents=True)
        ids = [first, first + 1, first + 2]
        table = pa.table({
            "id": pa.array(ids, pa.int32()), "x": [i + 0.5 for i in ids], "s": tags,
            "big": pa.array(ids, pa.int64()), "tiny": pa.array([1, 2, 3], pa.int8()),
        })  # fmt: skip
        pq.write_table(table, folder / "data.parquet")
        (folder / "_SUCCESS").write_bytes(b"ignored")
    return Engine(FolderData(root), [root], root / "scratch")


def test_the_corpus_is_large_enough() -> None:
    assert len(cases()) >= 120
    assert all(case.rows or case.error is not None for case in cases())


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.sql[:60])
def test_statement(engine: Engine, case: Case) -> None:
    if case.error is not None:
        with pytest.raises(QueryError, match=re.escape(case.error.strip())) as caught:
            _run(engine, case.sql)
        assert str(caught.value).split(":")[0].isupper()
        return
    types, rows = _run(engine, case.sql)
    assert rows == [[cell.strip() if cell.strip() else "" for cell in row] for row in case.rows]
    if case.types is not None:
        assert ", ".join(types) == case.types


def _run(engine: Engine, sql: str) -> tuple[list[str], list[list[str]]]:
    compiled = compile_query(parse_query(sql), sql, FixtureCatalog(), "default")
    table = engine.session().texts(compiled)
    rows = [
        ["NULL" if cell is None else cell for cell in row]
        for row in zip(*(c.to_pylist() for c in table.columns), strict=True)
    ]
    return [str(c.type) for c in compiled.columns], rows
