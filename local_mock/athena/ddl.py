"""Data definition: text → Glue requests. Parsing only; `executor.py` carries them out.

Source: https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.sqltypes import Type, parse_type
from local_mock.athena.statements import NAME, split_values, unquote

__all__ = ["CreateTable", "parse_create_table", "properties", "storage", "string"]

PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_FORMATS = {
    "parquet": (
        f"{PARQUET}.MapredParquetInputFormat",
        f"{PARQUET}.MapredParquetOutputFormat",
        f"{PARQUET}.serde.ParquetHiveSerDe",
    ),
    "textfile": (
        "org.apache.hadoop.mapred.TextInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    ),
}
_STRING = r"'((?:[^']|'')*)'"


@dataclass
class CreateTable:
    name: list[str]
    if_not_exists: bool
    columns: list[tuple[str, str, str]]  # name, Hive type, comment
    partitions: list[tuple[str, str, str]]
    location: str
    storage: dict[str, Any]
    parameters: dict[str, str] = field(default_factory=dict)


def string(text: str) -> str:
    """Return the value of a quoted literal."""
    return text.replace("''", "'").replace("\\t", "\t")


def properties(listing: str) -> dict[str, str]:
    """Return `'k'='v', …` as a dict."""
    values = {}
    for item in split_values(listing):
        match = re.fullmatch(r"\s*['\"]([^'\"]+)['\"]\s*=\s*(?:'((?:[^']|'')*)'|\"([^\"]*)\")\s*", item)
        if match is None:
            raise QueryError(
                "",
                f"FAILED: ParseException line 1:1 cannot recognize input near '{item.strip()[:40]}' in table properties",
            )
        values[match.group(1)] = string(match.group(2) if match.group(2) is not None else match.group(3))
    return values


def parse_create_table(sql: str) -> CreateTable:
    """CREATE EXTERNAL TABLE in Hive's grammar. Raises QueryError with Hive's ParseException."""
    head = re.match(rf"CREATE\s+EXTERNAL\s+TABLE\s+(IF\s+NOT\s+EXISTS\s+)?({NAME})\s*\(", sql, re.IGNORECASE)
    if head is None:
        raise _parse_error(sql, "CREATE EXTERNAL TABLE name (")
    columns, end = _bracketed(sql, head.end() - 1)
    rest = sql[end:]
    partitions: list[tuple[str, str, str]] = []
    if match := re.search(r"\bPARTITIONED\s+BY\s*\(", rest, re.IGNORECASE):
        listing, _ = _bracketed(rest, match.end() - 1)
        partitions = [_column(item) for item in split_values(listing)]
    location = re.search(rf"\bLOCATION\s+{_STRING}", rest, re.IGNORECASE)
    if location is None:
        raise QueryError("", "FAILED: SemanticException No LOCATION was given for the external table")
    if re.search(r"\bCLUSTERED\s+BY\b", rest, re.IGNORECASE):
        raise not_supported("CLUSTERED BY (bucketing)")
    parameters = {"EXTERNAL": "TRUE"}
    if match := re.search(r"\bTBLPROPERTIES\s*\(", rest, re.IGNORECASE):
        parameters |= properties(_bracketed(rest, match.end() - 1)[0])
    if parameters.get("table_type", "").lower() == "iceberg":
        raise not_supported("an Iceberg table")
    uri = string(location.group(1))
    return CreateTable(
        unquote(head.group(2)),
        bool(head.group(1)),
        [_column(c) for c in split_values(columns)],
        partitions,
        uri,
        _storage_clause(rest),
        parameters,
    )


def _storage_clause(rest: str) -> dict[str, Any]:
    serde = re.search(rf"\bROW\s+FORMAT\s+SERDE\s+{_STRING}", rest, re.IGNORECASE)
    stored = re.search(r"\bSTORED\s+AS\s+(?!INPUTFORMAT)(\w+)", rest, re.IGNORECASE)
    parameters: dict[str, str] = {}
    if match := re.search(r"\bSERDEPROPERTIES\s*\(", rest, re.IGNORECASE):
        parameters = properties(_bracketed(rest, match.end() - 1)[0])
    for words, key in (
        (r"FIELDS\s+TERMINATED\s+BY", "field.delim"),
        (r"NULL\s+DEFINED\s+AS", "serialization.null.format"),
        (r"ESCAPED\s+BY", "escape.delim"),
    ):
        if match := re.search(rf"\b{words}\s+{_STRING}", rest, re.IGNORECASE):
            parameters[key] = string(match.group(1))
            parameters.setdefault("serialization.format", parameters.get("field.delim", "1"))
    name = (
        stored.group(1).lower()
        if stored
        else "parquet"
        if serde and "parquet" in serde.group(1).lower()
        else "textfile"
    )
    if name not in _FORMATS:
        raise not_supported(f"STORED AS {name.upper()}")
    return storage(name, parameters, serde.group(1) if serde else None)


def storage(name: str, parameters: dict[str, str], serde: str | None = None) -> dict[str, Any]:
    """Return formats and SerDe of a StorageDescriptor."""
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


def _column(item: str) -> tuple[str, str, str]:
    match = re.fullmatch(
        rf"\s*(`[^`]+`|\"[^\"]+\"|\w+)\s+(.+?)(?:\s+COMMENT\s+{_STRING})?\s*", item, re.IGNORECASE | re.DOTALL
    )
    if match is None:
        raise _parse_error(item, "a column")
    name, type_, comment = match.groups()
    kind: Type = parse_type(type_.replace("`", ""))
    hive = type_.strip().lower().replace(" ", "") if type_.lower().startswith(("varchar(", "char(")) else kind.hive
    return name.strip('`"').lower(), hive, string(comment or "")


def _bracketed(text: str, start: int) -> tuple[str, int]:
    """Return the inside of the parenthesis that opens at `start`, and the index after it."""
    depth, quoted = 0, ""
    for i in range(start, len(text)):
        char = text[i]
        if quoted:
            quoted = "" if char == quoted else quoted
        elif char in "'\"`":
            quoted = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return text[start + 1 : i], i + 1
    raise _parse_error(text[start:], "')'")


def _parse_error(text: str, expected: str) -> QueryError:
    near = " ".join(text.split()[:4])
    return QueryError(
        "", f"FAILED: ParseException line 1:1 cannot recognize input near '{near}': expected {expected}"
    )
