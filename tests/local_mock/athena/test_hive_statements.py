"""Hive's data definition: escapes, comments, clauses in their order, and a text of SHOW CREATE TABLE that runs."""

from __future__ import annotations

from typing import Any

import pytest

from local_mock.athena import commands, hive, hive_tokens
from local_mock.athena.catalog import GlueCatalog
from local_mock.athena.errors import QueryError
from local_mock.athena.statements import classify


class OwnCatalog(GlueCatalog):
    """A catalog in memory with the database `lab`."""

    def __init__(self) -> None:
        from moto.glue.models import GlueBackend

        super().__init__("123456789012", "us-east-1")
        self.glue = GlueBackend("us-east-1", "123456789012")
        self.glue.create_database("lab", {"Name": "lab"})

    @property
    def backend(self) -> Any:
        return self.glue


def run(catalog: OwnCatalog, sql: str) -> list[list[str]]:
    def compile_(query: str) -> Any:
        raise AssertionError(query)

    no_data: Any = None
    return commands.run(classify(sql), catalog, "lab", no_data, compile_)[2]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"'it\'s'", "it's"), ("'it''s'", "it's"), (r"'\\'", "\\"), (r"'\t'", "\t"), (r"'\001'", "\x01"),
        (r"'\u0001'", "\x01"), (r"'a\%b'", r"a\%b"), (r'"say \"x\""', 'say "x"'), (r"'\n'", "\n"),
    ],
)  # fmt: skip
def test_escapes_of_a_literal(text: str, value: str) -> None:
    assert hive_tokens.literal(text) == value
    assert hive_tokens.literal(hive_tokens.quoted(value)) == value


CREATE = r"""
CREATE EXTERNAL TABLE IF NOT EXISTS `lab`.`mice` (
  `name` string COMMENT 'it\'s (a) name, of the lab',
  weights array<struct<day:date,g:decimal(5,2)>>, code varchar( 10 )) -- with a comment, and ')'
COMMENT 'tab\'s; "all" mice'
PARTITIONED BY (lab_id string COMMENT 'who', day int)
CLUSTERED BY (name) INTO 4 BUCKETS
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t' ESCAPED BY '\\' COLLECTION ITEMS TERMINATED BY '\002'
  MAP KEYS TERMINATED BY ':' NULL DEFINED AS '\\N'
STORED AS TEXTFILE
LOCATION 's3://bucket/mice/'
TBLPROPERTIES ('skip.header.line.count'='1', "note"="a 'note'")
"""


def test_all_clauses_of_create_table() -> None:
    table = hive.parse_create_table(CREATE.strip())
    assert table.name == ["lab", "mice"]
    assert table.if_not_exists
    assert [(c.name, c.type, c.comment) for c in table.columns] == [
        ("name", "string", "it's (a) name, of the lab"),
        ("weights", "array<struct<day:date,g:decimal(5,2)>>", ""),
        ("code", "varchar(10)", ""),
    ]
    assert [(c.name, c.comment) for c in table.partitions] == [("lab_id", "who"), ("day", "")]
    assert table.parameters["comment"] == """tab's; "all" mice"""
    assert table.parameters["note"] == "a 'note'"
    assert table.storage["SerdeInfo"]["Parameters"] == {
        "field.delim": "\t", "escape.delim": "\\", "collection.delim": "\x02", "mapkey.delim": ":",
        "serialization.null.format": "\\N", "serialization.format": "\t",
    }  # fmt: skip
    assert (table.storage["BucketColumns"], table.storage["NumberOfBuckets"]) == (["name"], 4)


@pytest.mark.parametrize(
    "sql",
    [
        CREATE.strip(),
        "CREATE EXTERNAL TABLE j (a int) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' "
        r"WITH SERDEPROPERTIES ('ignore.malformed.json'='true', 'x'='\\') LOCATION 's3://b/j/'",
        "CREATE EXTERNAL TABLE i (a int) STORED AS INPUTFORMAT 'in' OUTPUTFORMAT 'out' LOCATION 's3://b/it''s/'",
        "CREATE EXTERNAL TABLE p (a map<string,int>) STORED AS PARQUET LOCATION 's3://b/p/'",
    ],
)
def test_show_create_table_gives_a_text_that_makes_the_same_table(sql: str) -> None:
    catalog = OwnCatalog()
    run(catalog, sql)
    name = hive.parse_create_table(sql).name[-1]
    first = catalog.entry("lab", name)
    text = "\n".join(row[0] for row in run(catalog, f"SHOW CREATE TABLE {name}"))
    run(catalog, f"DROP TABLE {name}")
    run(catalog, text)
    second = catalog.entry("lab", name)
    assert first is not None
    assert second is not None
    for key in ("StorageDescriptor", "PartitionKeys", "Parameters", "Name"):
        assert second[key] == first[key], key


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("CREATE EXTERNAL TABLE t (a int) LOCATION 's3://b/t/' STORED AS PARQUET", "near 'STORED AS PARQUET'"),
        ("CREATE EXTERNAL TABLE t (a int)", "No LOCATION was given"),
        ("CREATE EXTERNAL TABLE t (a) LOCATION 's3://b/t/'", "expected a type"),
        ("CREATE EXTERNAL TABLE t (a int LOCATION 's3://b/t/'", "Unknown type: int LOCATION"),
        ("CREATE EXTERNAL TABLE \"t\" (a int) LOCATION 's3://b/t/'", "expected a name"),
        ("CREATE EXTERNAL TABLE t (a int) PARTITIONED BY (a int) LOCATION 's3://b/t/'", "Column repeated"),
        ("ALTER TABLE t TOUCH", "ALTER TABLE … TOUCH is not supported by local_mock"),
        ("ALTER TABLE t SET LOCATION 's3://b/' AND MORE", "expected the end of the statement"),
    ],
)
def test_what_hive_does_not_take_is_refused(sql: str, message: str) -> None:
    parse = hive.parse_alter_table if sql.startswith("ALTER") else hive.parse_create_table
    with pytest.raises(QueryError, match=message.replace("(", r"\(")):
        parse(sql)


def test_partitions_with_odd_values_and_columns_that_change() -> None:
    catalog = OwnCatalog()
    run(catalog, CREATE.strip())
    run(
        catalog,
        r"ALTER TABLE mice ADD PARTITION (lab_id='it\'s (x)', day=-3) LOCATION 's3://b/a)/' "
        "PARTITION (lab_id='q', day=4)",
    )
    locations = {
        tuple(p["Values"]): p["StorageDescriptor"]["Location"] for p in catalog.partition_entries("lab", "mice")
    }
    assert locations == {("it's (x)", "-3"): "s3://b/a)/", ("q", "4"): "s3://bucket/mice/lab_id=q/day=4/"}
    run(catalog, "ALTER TABLE mice PARTITION (lab_id='q', day=4) RENAME TO PARTITION (lab_id='r', day=5)")
    run(catalog, "ALTER TABLE mice PARTITION (lab_id='r', day=5) SET LOCATION 's3://b/r/'")
    run(catalog, r"ALTER TABLE mice DROP PARTITION (lab_id='it\'s (x)', day=-3)")
    locations = {
        tuple(p["Values"]): p["StorageDescriptor"]["Location"] for p in catalog.partition_entries("lab", "mice")
    }
    assert locations == {("r", "5"): "s3://b/r/"}
    run(catalog, "ALTER TABLE mice CHANGE COLUMN code note string COMMENT 'free'")
    run(catalog, "ALTER TABLE mice ADD COLUMNS (age int)")
    entry = catalog.entry("lab", "mice")
    assert entry is not None
    assert [c["Name"] for c in entry["StorageDescriptor"]["Columns"]] == ["name", "weights", "note", "age"]


@pytest.mark.parametrize("word", ["USE lab", "SET SESSION x = 1", "ANALYZE mice", "GRANT SELECT ON x TO y"])
def test_what_athena_never_takes_says_so(word: str) -> None:
    with pytest.raises(QueryError, match=f"{word.partition(' ')[0]} is not supported by Athena"):
        classify(word)
