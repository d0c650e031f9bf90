"""Results as Athena writes and returns them: CSV text, column metadata, pages.

Every cell is quoted, NULL is nothing at all. Sources:
https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html, API reference ResultSet.
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from local_mock.athena.sqltypes import Type

__all__ = ["column_info", "from_csv", "page", "to_csv", "to_lines"]

_PRECISION = {
    "tinyint": (3, 0), "smallint": (5, 0), "integer": (10, 0), "bigint": (19, 0), "real": (17, 0), "double": (17, 0),
    "timestamp": (3, 0), "timestamp with time zone": (3, 0), "varchar": (2147483647, 0),
    "varbinary": (1073741824, 0),
}  # fmt: skip
_API_NAMES = {"real": "float"}


def column_info(name: str, kind: Type) -> dict[str, Any]:
    """Return one `ColumnInfo` of ResultSetMetadata."""
    precision, scale = kind.numbers if kind.base == "decimal" else _PRECISION.get(kind.base, (0, 0))
    return {
        "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name,
        "Type": _API_NAMES.get(kind.base, kind.base), "Precision": precision, "Scale": scale, "Nullable": "UNKNOWN",
        "CaseSensitive": kind.base in ("varchar", "char"),
    }  # fmt: skip


def to_csv(names: list[str], table: pa.Table) -> bytes:
    """Return the result file: header and rows, every value quoted, NULL as nothing."""
    sink = io.BytesIO()
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names) + "\n"
    sink.write(header.encode())
    pacsv.write_csv(table, sink, pacsv.WriteOptions(include_header=False, quoting_style="all_valid"))
    return sink.getvalue()


def from_csv(data: bytes, names: list[str]) -> pa.Table:
    """Return the text columns of a result file (its header is replaced by `names`, which may repeat)."""
    if not data.partition(b"\n")[2]:
        return pa.table({str(i): pa.array([], pa.string()) for i in range(len(names))})
    keys = [str(i) for i in range(len(names))]
    return pacsv.read_csv(
        io.BytesIO(data),
        read_options=pacsv.ReadOptions(column_names=keys, skip_rows_after_names=1),
        parse_options=pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(keys, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def to_lines(rows: list[list[str]]) -> bytes:
    """Return the text file of SHOW, DESCRIBE and EXPLAIN: columns joined by tabs."""
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def page(
    names: list[str], table: pa.Table, start: int, count: int, *, header: bool
) -> tuple[list[dict[str, Any]], int | None]:
    """Return (`Rows` of a page, start of the next page). Position 0 is the header row if there is one."""
    rows: list[list[str | None]] = []
    first = start
    if header and start == 0:
        rows.append(list(names))
        first, count = 1, count - 1
    offset = first - 1 if header else first
    part = table.slice(offset, count)
    rows += [list(row) for row in zip(*(column.to_pylist() for column in part.columns), strict=True)]
    end = offset + part.num_rows
    following = end + 1 if header else end
    listed = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in rows]
    return listed, following if end < table.num_rows else None
