"""Parse Hive's data definition statements, as Athena takes them, into the dataclasses of `hive_statements`.

Source: https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html. The clauses of CREATE TABLE have a fixed
order, as in Hive's grammar.
"""

from __future__ import annotations

from typing import Any

from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.hive_statements import (
    Action,
    AddPartitions,
    AlterTable,
    ChangeColumn,
    CreateDatabase,
    CreateIceberg,
    CreateTable,
    DropColumn,
    DropPartitions,
    RenamePartition,
    RenameTable,
    SetColumns,
    SetLocation,
    SetProperties,
)
from local_mock.athena.hive_tokens import Tokens
from local_mock.athena.statements import unquote

__all__ = [
    "parse_alter_table",
    "parse_create_database",
    "parse_create_iceberg",
    "parse_create_table",
    "storage",
]

_IO = "org.apache.hadoop.hive.ql.io"
_TEXT_READER, _TEXT_WRITER = "org.apache.hadoop.mapred.TextInputFormat", f"{_IO}.HiveIgnoreKeyTextOutputFormat"
LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
# STORED AS … -> (input format, output format, SerDe)
_FORMATS = {
    "parquet": (
        f"{_IO}.parquet.MapredParquetInputFormat",
        f"{_IO}.parquet.MapredParquetOutputFormat",
        f"{_IO}.parquet.serde.ParquetHiveSerDe",
    ),
    "orc": (f"{_IO}.orc.OrcInputFormat", f"{_IO}.orc.OrcOutputFormat", f"{_IO}.orc.OrcSerde"),
    "avro": (
        f"{_IO}.avro.AvroContainerInputFormat",
        f"{_IO}.avro.AvroContainerOutputFormat",
        "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
    ),
    "json": (_TEXT_READER, _TEXT_WRITER, "org.openx.data.jsonserde.JsonSerDe"),
    "textfile": (_TEXT_READER, _TEXT_WRITER, LAZY),
    "sequencefile": (
        "org.apache.hadoop.mapred.SequenceFileInputFormat",
        f"{_IO}.HiveSequenceFileOutputFormat",
        LAZY,
    ),
    "rcfile": (
        f"{_IO}.RCFileInputFormat",
        f"{_IO}.RCFileOutputFormat",
        "org.apache.hadoop.hive.serde2.columnar.LazyBinaryColumnarSerDe",
    ),
}
# Clause of ROW FORMAT DELIMITED -> the SerDe's parameter, in the grammar's order.
DELIMITERS = (
    ("FIELDS TERMINATED BY", "field.delim"),
    ("ESCAPED BY", "escape.delim"),
    ("COLLECTION ITEMS TERMINATED BY", "collection.delim"),
    ("MAP KEYS TERMINATED BY", "mapkey.delim"),
    ("LINES TERMINATED BY", "line.delim"),
    ("NULL DEFINED AS", "serialization.null.format"),
)


def storage(name: str, parameters: dict[str, str], serde: str | None = None) -> dict[str, Any]:
    """Return formats and SerDe of a StorageDescriptor. Raises QueryError for an unknown format."""
    if name not in _FORMATS:
        raise not_supported(f"STORED AS {name.upper()}")
    reader, writer, library = _FORMATS[name]
    return {
        "InputFormat": reader,
        "OutputFormat": writer,
        "Compressed": False,
        "NumberOfBuckets": -1,
        "SerdeInfo": {
            "SerializationLibrary": serde or library,
            "Parameters": parameters or {"serialization.format": "1"},
        },
    }


def parse_create_database(sql: str) -> CreateDatabase:
    """Parse CREATE DATABASE. Raises QueryError with Hive's ParseException."""
    parser = Tokens(sql)
    parser.expect("CREATE")
    if not parser.accept("SCHEMA"):
        parser.expect("DATABASE")
    lenient = parser.accept("IF NOT EXISTS")
    made = CreateDatabase(parser.name()[-1], lenient)
    if parser.accept("COMMENT"):
        made.comment = parser.string()
    if parser.accept("LOCATION"):
        made.location = parser.string()
    if parser.accept("WITH DBPROPERTIES"):
        made.parameters = parser.properties()
    parser.end()
    return made


def parse_create_table(sql: str) -> CreateTable:
    """Parse CREATE EXTERNAL TABLE. Raises QueryError with Hive's ParseException."""
    parser = Tokens(sql)
    parser.expect("CREATE EXTERNAL TABLE")
    lenient = parser.accept("IF NOT EXISTS")
    name, columns = parser.name(), parser.listed(parser.column)
    parameters = {"EXTERNAL": "TRUE"}
    if parser.accept("COMMENT"):
        parameters["comment"] = parser.string()
    keys = parser.listed(parser.column) if parser.accept("PARTITIONED BY") else []
    buckets = _buckets(parser)
    described = {**_storage_clauses(parser), **buckets}
    if not parser.accept("LOCATION"):
        if parser.is_at_end() or parser.sees("TBLPROPERTIES"):
            raise QueryError("", "FAILED: SemanticException No LOCATION was given for the external table")
        raise parser.error("LOCATION")
    location = parser.string()
    if parser.accept("TBLPROPERTIES"):
        parameters |= parser.properties()
    parser.end()
    if parameters.get("table_type", "").lower() == "iceberg":
        raise QueryError("", "FAILED: SemanticException An Iceberg table is created without the word EXTERNAL")
    twice = sorted({c.name for c in columns} & {c.name for c in keys})
    if twice:
        raise QueryError(
            "", f"FAILED: SemanticException [Error 10035]: HiveColumn repeated in partitioning columns: {twice[0]}"
        )
    return CreateTable(name, lenient, columns, keys, location, described, parameters)


def parse_create_iceberg(sql: str) -> CreateIceberg:
    """Parse CREATE TABLE of an Iceberg table. Raises QueryError with Hive's ParseException."""
    parser = Tokens(sql, is_iceberg=True)
    parser.expect("CREATE TABLE")
    lenient = parser.accept("IF NOT EXISTS")
    name, columns = parser.name(), parser.listed(parser.column)
    parameters: dict[str, str] = {}
    if parser.accept("COMMENT"):
        parameters["comment"] = parser.string()
    partitioning = parser.listed(parser.item) if parser.accept("PARTITIONED BY") else []
    location = parser.string() if parser.accept("LOCATION") else ""
    if parser.accept("TBLPROPERTIES"):
        parameters |= parser.properties()
    parser.end()
    if parameters.get("table_type", "").lower() != "iceberg":
        raise QueryError(
            "", "FAILED: SemanticException Only external table creation is supported (CREATE EXTERNAL TABLE)"
        )
    return CreateIceberg(name, lenient, columns, partitioning, location, parameters)


def _buckets(parser: Tokens) -> dict[str, Any]:
    if not parser.accept("CLUSTERED BY"):
        return {}
    names = parser.listed(lambda: unquote(parser.word())[0])
    if parser.accept("SORTED BY"):
        raise not_supported("SORTED BY")
    parser.expect("INTO")
    count = parser.word()
    parser.expect("BUCKETS")
    if not count.isdigit() or int(count) < 1:
        raise parser.error("a number of buckets")
    return {"BucketColumns": names, "NumberOfBuckets": int(count)}


def _storage_clauses(parser: Tokens) -> dict[str, Any]:
    """Parse ROW FORMAT, STORED AS and WITH SERDEPROPERTIES."""
    serde, parameters = None, {}
    if parser.accept("ROW FORMAT SERDE"):
        serde = parser.string()
        if parser.accept("WITH SERDEPROPERTIES"):
            parameters = parser.properties()
    elif parser.accept("ROW FORMAT DELIMITED"):
        for words, key in DELIMITERS:
            if parser.accept(words):
                parameters[key] = parser.string()
        if parameters:
            parameters["serialization.format"] = parameters.get("field.delim", "1")
    name = "parquet" if serde and "parquet" in serde.lower() else "textfile"
    formats: tuple[str, str] | None = None
    if parser.accept("STORED AS INPUTFORMAT"):
        reader = parser.string()
        parser.expect("OUTPUTFORMAT")
        formats = reader, parser.string()
    elif parser.accept("STORED AS"):
        name = parser.word().lower()
    if parser.accept("WITH SERDEPROPERTIES"):
        parameters |= parser.properties()
    described = storage(name, parameters, serde)
    if formats:
        described["InputFormat"], described["OutputFormat"] = formats
    return described


def parse_alter_table(sql: str) -> AlterTable:
    """Parse ALTER TABLE. Raises QueryError with Hive's ParseException, or for a change that is not supported."""
    parser = Tokens(sql)
    parser.expect("ALTER TABLE")
    name = parser.name()
    action = _action(parser)
    parser.end()
    return AlterTable(name, action)


def _action(parser: Tokens) -> Action:  # noqa: PLR0911 - one return a form
    if parser.sees("ADD PARTITION") or parser.sees("ADD IF NOT EXISTS PARTITION"):
        parser.expect("ADD")
        lenient, partitions = parser.accept("IF NOT EXISTS"), []
        while parser.accept("PARTITION"):
            values = parser.partition()
            partitions.append((values, parser.string() if parser.accept("LOCATION") else None))
        return AddPartitions(partitions, lenient)
    if parser.sees("DROP PARTITION") or parser.sees("DROP IF EXISTS PARTITION"):
        parser.expect("DROP")
        lenient = parser.accept("IF EXISTS")
        return DropPartitions(parser.separated(lambda: parser.then("PARTITION", parser.partition)), lenient)
    if parser.sees("PARTITION"):
        values = parser.then("PARTITION", parser.partition)
        if parser.accept("RENAME TO PARTITION"):
            return RenamePartition(values, parser.partition())
        parser.expect("SET LOCATION")
        return SetLocation(values, parser.string())
    if parser.accept("RENAME TO"):
        return RenameTable(parser.name())
    if parser.accept("SET LOCATION"):
        return SetLocation(None, parser.string())
    if parser.accept("SET TBLPROPERTIES"):
        return SetProperties(parser.properties())
    if parser.accept("ADD COLUMNS"):
        return SetColumns(parser.listed(parser.column), replace=False)
    if parser.accept("REPLACE COLUMNS"):
        return SetColumns(parser.listed(parser.column), replace=True)
    if parser.accept("CHANGE COLUMN") or parser.accept("CHANGE"):
        return ChangeColumn(unquote(parser.word())[0], parser.column())
    if parser.accept("DROP COLUMN"):
        return DropColumn(unquote(parser.word())[0])
    raise not_supported(f"ALTER TABLE … {parser.ahead(2)}")
