r"""Text files → Parquet of the table's types, by the rules of their SerDe: LazySimpleSerDe and OpenCSVSerDe.

Run in the query process, which keeps memory bounded; the server scans what is made here. A line ends at `\n`,
`\r\n` or `\r`, inside quotes as well; an empty line is a row. Bytes that are no UTF-8 become U+FFFD.
Sources: https://docs.aws.amazon.com/athena/latest/ug/lazy-simple-serde.html and csv-serde.html, Trino's
io.trino.hive.formats.line (simple, opencsv).
"""

# ruff: noqa: PLR0911 - one branch a kind
from __future__ import annotations

import base64
import bz2
import decimal
import gzip
import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from local_mock.athena.functions import moments as m
from local_mock.athena.functions.values import arrow_type, encode_column
from local_mock.athena.records import BadData, avro_rows, json_rows, orc_rows
from local_mock.athena.sqltypes import UNKNOWN, Type, parse_type

__all__ = ["BadData", "convert", "opencsv_cells"]

_BATCH_CELLS = 200_000
_BATCH_BYTES = 16 * 2**20
_BITS = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}
Parse = Callable[[str], Any]


def convert(request: dict[str, Any]) -> None:
    """Write `target`: the file `source` as Parquet with `columns` [(name, type)], by `serde` and `parameters`.

    A column of type '' is not needed: it is NULL, and nothing in it can fail.
    """
    columns = [(name, parse_type(kind) if kind else UNKNOWN) for name, kind in request["columns"]]
    kinds = [kind for _, kind in columns]
    schema = pa.schema([(f"c{i}", arrow_type(kind)) for i, kind in enumerate(kinds)])
    target = Path(request["target"])
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        with pq.ParquetWriter(part, schema, compression="snappy") as writer:
            for rows in _batches(_rows(request, columns), len(kinds)):
                cells = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in kinds]
                arrays = [encode_column(c, k) for c, k in zip(cells, kinds, strict=True)]
                writer.write_table(pa.table(arrays, schema=schema))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _rows(request: dict[str, Any], columns: list[tuple[str, Type]]) -> Iterator[list[Any]]:
    """Yield the rows of a file, each a value a column."""
    serde, parameters, source = request["serde"], request["parameters"], Path(request["source"])
    if serde == "orc":
        yield from orc_rows(source, columns, parameters)
        return
    if serde == "avro":
        yield from avro_rows(source, columns)
        return
    with _opened(source) as stream:
        lines = _lines(stream, int(request["skip"]))
        if serde in ("json", "openx"):
            yield from json_rows(lines, columns, parameters, openx=serde == "openx")
        else:
            yield from _delimited(lines, columns, parameters, opencsv=serde == "opencsv")


def _delimited(
    lines: Iterator[str], columns: list[tuple[str, Type]], parameters: dict[str, str], *, opencsv: bool
) -> Iterator[list[Any]]:
    split = _opencsv(parameters) if opencsv else _simple(parameters, len(columns))
    parsers = [
        _opencsv_value(kind, i) if opencsv else _simple_value(kind, parameters)
        for i, (_, kind) in enumerate(columns)
    ]
    null = None if opencsv else parameters.get("serialization.null.format", "\\N")
    for line in lines:
        values = split(line)
        cells = (values[i] if i < len(values) else None for i in range(len(parsers)))
        yield [
            None if cell is None or cell == null else parse(cell)
            for cell, parse in zip(cells, parsers, strict=True)
        ]


# --- lines ------------------------------------------------------------------------------------------------
def _opened(path: Path) -> IO[bytes]:
    """Return the file's bytes, uncompressed. The content tells the codec: the name may be a cache's."""
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] == b"\x1f\x8b":
        return gzip.open(path)  # type: ignore[return-value]
    if head[:3] == b"BZh":
        return bz2.open(path)
    if head == b"\x28\xb5\x2f\xfd":
        return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    return path.open("rb")


def _lines(stream: IO[bytes], skip: int) -> Iterator[str]:
    reader = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline=None)
    for number, line in enumerate(reader):
        if number >= skip:
            yield line.removesuffix("\n")


def _batches(rows: Iterator[list[Any]], width: int) -> Iterator[list[list[Any]]]:
    batch, size = list[list[Any]](), 0
    for row in rows:
        batch.append(row)
        size += sum(len(cell) for cell in row if isinstance(cell, str | bytes))
        if len(batch) * max(width, 1) >= _BATCH_CELLS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch  # the schema of an empty file, too


# --- cells ------------------------------------------------------------------------------------------------
def _character(value: str) -> str:
    r"""Return a delimiter as a SerDe reads it: itself, `\t`, or a code (`1`, `\001`, `\u0001`)."""
    if re.fullmatch(r"\\u[0-9A-Fa-f]{4}", value):
        return chr(int(value[2:], 16))
    if re.fullmatch(r"\\?\d{1,3}", value) and (len(value) > 1 or value == "1"):
        return chr(int(value.lstrip("\\"), 8) if value.startswith("\\") else int(value))
    return {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}.get(value, value)


def _simple(parameters: dict[str, str], width: int) -> Callable[[str], list[str]]:
    delimiter = _character(parameters.get("field.delim") or parameters.get("serialization.format") or "\x01")
    escape = _character(parameters.get("escape.delim", ""))[:1]
    rest = parameters.get("serialization.last.column.takes.rest", "").lower() == "true"
    if not escape:
        return lambda line: line.split(delimiter, width - 1 if rest else -1)

    def split(line: str) -> list[str]:
        cells, cell, i = list[str](), "", 0
        while i < len(line):
            if line[i] == escape and i + 1 < len(line):
                cell += {"n": "\n", "r": "\r"}.get(line[i + 1], line[i + 1])
                i += 2
            elif line.startswith(delimiter, i) and not (rest and len(cells) == width - 1):
                cells.append(cell)
                cell, i = "", i + len(delimiter)
            else:
                cell, i = cell + line[i], i + 1
        return [*cells, cell]

    return split


def _opencsv(parameters: dict[str, str]) -> Callable[[str], list[str]]:
    separator = _character(parameters.get("separatorChar") or ",")[:1]
    quote = _character(parameters.get("quoteChar") or '"')[:1]
    escape = _character(parameters.get("escapeChar") or "\\")[:1]
    return lambda line: opencsv_cells(line, separator, quote, escape)


def opencsv_cells(line: str, separator: str = ",", quote: str = '"', escape: str = "\\") -> list[str]:
    """Return the cells of a line as opencsv 2.3 parses it, which the SerDe uses."""
    cells, cell, quoted, i = list[str](), "", False, 0
    while i < len(line):
        char, following = line[i], line[i + 1 : i + 2]
        if char == escape and escape != quote:
            if quoted and following in (quote, escape) and following:
                cell, i = cell + following, i + 1
        elif char == quote:
            if quoted and following == quote:
                cell, i = cell + quote, i + 1
            else:
                quoted = not quoted
                inside = i > 2 and line[i - 1] != separator and following not in ("", separator)
                if inside:  # a quote in the middle of a cell
                    cell = "" if cell and not cell.strip() else cell + char
        elif char == separator and not quoted:
            cells.append(cell)
            cell = ""
        else:
            cell += char
        i += 1
    return [*cells, cell]


# --- values -----------------------------------------------------------------------------------------------
def _simple_value(kind: Type, parameters: dict[str, str]) -> Parse:
    """Return the value of a cell; what does not fit the type is NULL."""
    base = kind.base
    if base in ("varchar", "char"):
        length = kind.length
        return (
            (lambda v: v)
            if base == "varchar" and length is None
            else lambda v: v[:length].rstrip(" ") if base == "char" else v[:length]
        )
    if base in _BITS:
        return lambda v: _whole(v, _BITS[base])
    if base in ("double", "real"):
        return _float
    if base == "boolean":
        return lambda v: {"true": True, "false": False}.get(v.lower())
    if base == "decimal":
        return lambda v: _decimal(v, kind)
    if base == "date":
        return _date
    if base == "timestamp":
        formats = [f.strip() for f in parameters.get("timestamp.formats", "").split(",") if f.strip()]
        return lambda v: _timestamp(v, formats)
    if base == "varbinary":
        return _binary
    if kind.args:
        separators = _separators(parameters)
        null = parameters.get("serialization.null.format", "\\N")
        return lambda v: _nested(v, kind, separators[1:], null, parameters)
    raise BadData(f"the type {kind} in a text file is not supported by local_mock", "NOT_SUPPORTED")


def _separators(parameters: dict[str, str]) -> str:
    """Return the separators of a cell's levels: fields, items, keys of maps, then the next control characters.

    https://cwiki.apache.org/confluence/display/hive/serde (LazySimpleSerDe, nesting levels)
    """
    first = _character(parameters.get("field.delim") or parameters.get("serialization.format") or "\x01")[:1]
    items = _character(parameters.get("collection.delim") or parameters.get("colelction.delim") or "\x02")[:1]
    return first + items + _character(parameters.get("mapkey.delim") or "\x03")[:1] + "\x04\x05\x06\x07\x08"


def _nested(text: str, kind: Type, separators: str, null: str, parameters: dict[str, str]) -> Any:
    """Return an array, map or row; `separators` are those of its level and the deeper ones."""

    def item(cell: str, inner: Type, deeper: str) -> Any:
        if cell == null:
            return None
        return (
            _nested(cell, inner, deeper, null, parameters)
            if inner.args
            else _simple_value(inner, parameters)(cell)
        )

    parts = text.split(separators[0]) if text else []
    if kind.base == "array":
        return [item(part, kind.args[0], separators[1:]) for part in parts]
    if kind.base == "row":
        cells = (parts[i] if i < len(parts) else null for i in range(len(kind.args)))
        return tuple(item(cell, a, separators[1:]) for cell, a in zip(cells, kind.args, strict=True))
    pairs: dict[Any, Any] = {}
    for part in parts:
        key, sign, value = part.partition(separators[1])
        shown = item(key, kind.args[0], separators[2:])
        if shown is not None:
            pairs.setdefault(shown, item(value, kind.args[1], separators[2:]) if sign else None)
    return list(pairs.items())


def _binary(text: str) -> bytes:
    """Return the bytes that a cell has in base64; a cell that is none is taken as it is."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text.encode()


def _whole(text: str, bits: int) -> int | None:
    match = re.fullmatch(r"([+-]?[0-9]+)(?:\.[0-9]*)?", text)
    if match is None:
        return None
    value = int(match.group(1))
    return value if -(1 << bits) <= value < 1 << bits else None


def _float(text: str) -> float | None:
    text = text.strip()
    if text in ("NaN", "Infinity", "-Infinity", "+Infinity"):
        return float(text.lower())
    return (
        float(text.rstrip("dDfF")) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?", text) else None
    )


def _decimal(text: str, kind: Type) -> decimal.Decimal | None:
    precision, scale = kind.numbers
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text):
        return None
    with decimal.localcontext(prec=400):
        value = decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-scale), decimal.ROUND_HALF_UP)
        return value if abs(int(value.scaleb(scale))) < 10**precision else None


def _date(text: str) -> int | None:
    return m.parse_date(text) if re.fullmatch(r"\d{4}-\d{1,2}-\d{1,2}", text) else None


def _timestamp(text: str, formats: list[str]) -> int | None:
    if re.fullmatch(r"\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{1,2}:\d{1,2}(\.\d{1,9})?", text):
        parsed = m.parse_timestamp(text)
        return None if parsed is None else m.rescale(parsed[0], 3)
    from local_mock.athena.functions.joda_dates import local_picos

    return local_picos(text, formats)


def _opencsv_value(kind: Type, index: int) -> Parse:
    """Return the value of a cell (dates in days, timestamps in milliseconds). Raises if it does not fit."""

    def failure(text: str) -> BadData:
        return BadData(f'Error parsing field value for field {index}: For input string: "{text}"')

    def number(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", text):
            raise failure(text)
        return int(text)

    base = kind.base
    if base in ("varchar", "char"):
        return _simple_value(kind, {})
    if base in _BITS:

        def whole(text: str) -> int:
            value = number(text)
            if not -(1 << _BITS[base]) <= value < 1 << _BITS[base]:
                raise failure(text)
            return value

        return whole
    if base == "date":
        return lambda v: number(v) if v else None
    if base == "timestamp":
        return lambda v: number(v) * 10**9 if v else None
    if base == "boolean":
        return lambda v: v.lower() == "true" if v else None

    plain = _simple_value(kind, {})

    def parse(text: str) -> Any:
        value = plain(text)
        if value is None:
            raise failure(text)
        return value

    return parse
