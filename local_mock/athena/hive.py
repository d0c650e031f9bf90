"""Hive's data definition statements, as Athena takes them: text → dataclasses. `commands.py` carries them out.

Sources: https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html for the statements, and Hive's
`BaseSemanticAnalyzer.unescapeSQLString` for the escapes in its literals. The clauses of CREATE TABLE have a fixed
order, as in Hive's grammar.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.sqltypes import parse_type
from local_mock.athena.statements import unquote

__all__ = [
    "AddPartitions",
    "AlterTable",
    "ChangeColumn",
    "CreateDatabase",
    "CreateIceberg",
    "CreateTable",
    "DropColumn",
    "DropPartitions",
    "HiveColumn",
    "RenamePartition",
    "SetColumns",
    "SetLocation",
    "SetProperties",
    "literal",
    "parse_alter_table",
    "parse_create_database",
    "parse_create_iceberg",
    "parse_create_table",
    "quoted",
    "storage",
]  # fmt: skip

T = TypeVar("T")
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
_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
      | (?P<name>`[^`]+`|[A-Za-z_0-9$][\w$-]*)
      | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([01][0-7]{2})|(.))", re.DOTALL)
_ESCAPED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": r"\%", "_": r"\_"}


@dataclass(frozen=True)
class HiveColumn:
    """A column as the catalog names it: name in lower case, Hive's type, comment."""

    name: str
    type: str
    comment: str = ""

    def entry(self) -> dict[str, str]:
        """Return the column as Glue keeps it."""
        return {"Name": self.name, "Type": self.type, **({"Comment": self.comment} if self.comment else {})}


@dataclass
class CreateDatabase:
    name: str
    if_not_exists: bool
    comment: str = ""
    location: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass
class CreateTable:
    """CREATE EXTERNAL TABLE; `storage` is the part of a StorageDescriptor that does not depend on the place."""

    name: list[str]
    if_not_exists: bool
    columns: list[HiveColumn]
    partitions: list[HiveColumn]
    location: str
    storage: dict[str, Any]
    parameters: dict[str, str]


@dataclass
class CreateIceberg:
    """CREATE TABLE without EXTERNAL; `partitioning` are texts such as `month(day)`."""

    name: list[str]
    if_not_exists: bool
    columns: list[HiveColumn]
    partitioning: list[str]
    location: str
    parameters: dict[str, str]


@dataclass
class AddPartitions:
    partitions: list[tuple[dict[str, str], str | None]]  # values by key, location
    lenient: bool


@dataclass
class DropPartitions:
    partitions: list[dict[str, str]]
    lenient: bool


@dataclass
class RenamePartition:
    old: dict[str, str]
    new: dict[str, str]


@dataclass
class SetLocation:
    partition: dict[str, str] | None
    location: str


@dataclass
class SetProperties:
    parameters: dict[str, str]


@dataclass
class SetColumns:
    columns: list[HiveColumn]
    replace: bool


@dataclass
class ChangeColumn:
    old: str
    column: HiveColumn


@dataclass
class DropColumn:
    name: str


Change = SetLocation | SetProperties | SetColumns | ChangeColumn | DropColumn
Action = AddPartitions | DropPartitions | RenamePartition | Change


@dataclass
class AlterTable:
    name: list[str]
    action: Action


def literal(text: str) -> str:
    """Return the value of a quoted literal of Hive."""
    quote = text[0]
    inside = text[1:-1].replace(quote * 2, quote)

    def value(match: re.Match[str]) -> str:
        code, octal, char = match.groups()
        if code or octal:
            return chr(int(code, 16) if code else int(octal, 8))
        return _ESCAPED.get(char, str(char))

    return _ESCAPE.sub(value, inside)


def quoted(text: str) -> str:
    """Return a text as a literal of Hive."""
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    body = "".join(escapes.get(c, c if c >= " " else f"\\u{ord(c):04x}") for c in text)
    return f"'{body}'"


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
    parser = _Parser(sql)
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
    parser = _Parser(sql)
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
    parser = _Parser(sql, is_iceberg=True)
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


def _buckets(parser: _Parser) -> dict[str, Any]:
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


def _storage_clauses(parser: _Parser) -> dict[str, Any]:
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
    parser = _Parser(sql)
    parser.expect("ALTER TABLE")
    name = parser.name()
    action = _action(parser)
    parser.end()
    return AlterTable(name, action)


def _action(parser: _Parser) -> Action:  # noqa: PLR0911 - one return a form
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


class _Parser:
    """The tokens of one statement, read from left to right."""

    def __init__(self, sql: str, *, is_iceberg: bool = False) -> None:
        self.sql, self.is_iceberg = sql, is_iceberg
        self.tokens = [m for m in _TOKEN.finditer(sql) if m.lastgroup != "blank"]
        self.index = 0

    def is_at_end(self) -> bool:
        return self.index >= len(self.tokens)

    def ahead(self, count: int) -> str:
        return " ".join(m.group() for m in self.tokens[self.index : self.index + count])

    def error(self, expected: str) -> QueryError:
        return _error(self.ahead(4) or "<EOF>", expected)

    def sees(self, words: str) -> bool:
        """Return whether these keywords or signs come next."""
        wanted = words.split()
        items = self.tokens[self.index : self.index + len(wanted)]
        return [m.group().upper() for m in items] == wanted

    def accept(self, words: str) -> bool:
        """Step over keywords if they come next."""
        seen = self.sees(words)
        self.index += len(words.split()) if seen else 0
        return seen

    def expect(self, words: str) -> None:
        if not self.accept(words):
            raise self.error(words)

    def then(self, words: str, read: Callable[[], T]) -> T:
        self.expect(words)
        return read()

    def end(self) -> None:
        if not self.is_at_end():
            raise self.error("the end of the statement")

    def _next(self, kind: str, expected: str) -> str:
        if self.is_at_end() or self.tokens[self.index].lastgroup != kind:
            raise self.error(expected)
        self.index += 1
        return self.tokens[self.index - 1].group()

    def word(self) -> str:
        return self._next("name", "a name")

    def string(self) -> str:
        return literal(self._next("string", "a literal in quotes"))

    def name(self) -> list[str]:
        """Return the parts of a dotted name, in lower case; Hive writes both parts in one pair of quotes, too."""
        parts = [self.word()]
        while self.accept("."):
            parts.append(self.word())
        return [name for part in parts for name in unquote(part)[0].split(".")]

    def separated(self, read: Callable[[], T]) -> list[T]:
        items = [read()]
        while self.accept(","):
            items.append(read())
        return items

    def listed(self, read: Callable[[], T]) -> list[T]:
        """Return what a list in brackets holds."""
        self.expect("(")
        items = self.separated(read)
        self.expect(")")
        return items

    def properties(self) -> dict[str, str]:
        """Return ``('k' = 'v', …)``."""

        def pair() -> tuple[str, str]:
            key = self.string()
            self.expect("=")
            return key, self.string()

        return dict(self.listed(pair))

    def partition(self) -> dict[str, str]:
        """Return ``(key = value, …)``; a value is a literal or a number."""

        def pair() -> tuple[str, str]:
            key = unquote(self.word())[0]
            self.expect("=")
            if not self.is_at_end() and self.tokens[self.index].lastgroup == "string":
                return key, self.string()
            sign = "-" if self.accept("-") else ""
            number = self.word()
            return key, sign + (f"{number}.{self.word()}" if self.accept(".") else number)

        return dict(self.listed(pair))

    def item(self) -> str:
        """Return the text up to the next comma or bracket of this level."""
        start, depth = self.index, 0
        while not self.is_at_end():
            sign = self.tokens[self.index].group()
            if depth == 0 and sign in (",", ")"):
                break
            depth += (sign == "(") - (sign == ")")
            self.index += 1
        if self.index == start:
            raise self.error("a column or a transform")
        return self.sql[self.tokens[start].start() : self.tokens[self.index - 1].end()]

    def column(self) -> HiveColumn:
        name, start, depth = unquote(self.word())[0], self.index, 0
        while not self.is_at_end():
            sign = self.tokens[self.index].group()
            if depth == 0 and (sign in (",", ")") or sign.upper() == "COMMENT"):
                break
            depth += (sign in "(<") - (sign in ")>")
            self.index += 1
        if self.index == start:
            raise self.error("a type")
        first, last = self.tokens[start], self.tokens[self.index - 1]
        written = self.sql[first.start() : last.end()]
        kind = parse_type(written.replace("`", ""))
        has_length = written.lower().startswith(("varchar(", "char("))
        if self.is_iceberg:  # which has types that Hive has not
            hive = kind.spelled
        else:
            hive = re.sub(r"\s+", "", written.lower()) if has_length else kind.hive
        return HiveColumn(name.lower(), hive, self.string() if self.accept("COMMENT") else "")


def _error(near: str, expected: str) -> QueryError:
    shown = " ".join(near.split()[:4])
    return QueryError(
        "", f"FAILED: ParseException line 1:1 cannot recognize input near '{shown}': expected {expected}"
    )
