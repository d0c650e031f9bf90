"""Rows of JSON, ORC and Avro files in our values (`functions/values.py`), by the rules of their SerDe.

Sources: https://docs.aws.amazon.com/athena/latest/ug/hive-json-serde.html, openx-json-serde.html, orc-serde.html,
avro-serde.html; Trino's io.trino.hive.formats.line (json, openxjson).
"""

# ruff: noqa: E501, PLR0911 - one line a message or signature; one branch a kind
from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from local_mock.athena.functions import moments as m
from local_mock.athena.sqltypes import UNKNOWN, Type

__all__ = ["BadData", "avro_rows", "json_rows", "json_text", "orc_rows"]

_BITS = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}
_UTC_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
Columns = list[tuple[str, Type]]


class BadData(Exception):  # noqa: N818 - Hive's word for it
    """A cell or a file that its SerDe refuses: HIVE_BAD_DATA unless another code is named."""

    def __init__(self, message: str, code: str = "HIVE_BAD_DATA") -> None:
        super().__init__(f"{code}: {message}")


# --- JSON -------------------------------------------------------------------------------------------------
def json_rows(
    lines: Iterable[str], columns: Columns, parameters: dict[str, str], *, openx: bool
) -> Iterator[list[Any]]:
    """Yield the rows of lines with one JSON object each.

    Names are compared without regard to case; `mapping.name` gives the key of a column. A line that is no object
    fails the query, or is a row of NULLs with `ignore.malformed.json`.
    """
    lenient = parameters.get("ignore.malformed.json", "").lower() == "true"
    dots = parameters.get("dots.in.keys", "").lower() == "true"
    exact = openx and parameters.get("case.insensitive", "true").lower() == "false"
    keys = [parameters.get(f"mapping.{name}", name) for name, _ in columns]
    formats = [f.strip() for f in parameters.get("timestamp.formats", "").split(",") if f.strip()]
    for line in lines:
        if not line.strip():
            if openx:
                yield [None] * len(columns)
            continue
        try:
            record = json.loads(line, parse_float=decimal.Decimal, parse_constant=_no_constant)
            if not isinstance(record, dict):
                raise ValueError("not an object")  # noqa: TRY004 - one kind of failure for all lines
        except (ValueError, RecursionError) as err:
            if not lenient:
                raise BadData(
                    f"Row is not a valid JSON Object - JSONException: {err}", "HIVE_CURSOR_ERROR"
                ) from err
            record = {}
        shown = record if exact else {key.lower(): value for key, value in record.items()}
        if dots:
            shown = {key.replace(".", "_"): value for key, value in shown.items()}
        cells = (shown.get(key if exact else key.lower()) for key in keys)
        yield [
            None if cell is None or kind == UNKNOWN else _json_value(cell, kind, formats)
            for cell, (_, kind) in zip(cells, columns, strict=True)
        ]


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _json_value(value: Any, kind: Type, formats: list[str]) -> Any:
    base = kind.base
    if base == "array":
        items = value if isinstance(value, list) else _unfit(value, kind)
        return [None if v is None else _json_value(v, kind.args[0], formats) for v in items]
    if base == "map":
        pairs = value.items() if isinstance(value, dict) else _unfit(value, kind)
        key, item = kind.args
        return [
            (_json_value(k, key, formats), None if v is None else _json_value(v, item, formats)) for k, v in pairs
        ]
    if base == "row":
        if not isinstance(value, dict):
            _unfit(value, kind)
        shown = {k.lower(): v for k, v in value.items()}
        cells = (shown.get(name.lower()) for name in kind.names)
        return tuple(
            None if v is None else _json_value(v, a, formats) for v, a in zip(cells, kind.args, strict=True)
        )
    if base in ("varchar", "char"):
        text = value if isinstance(value, str) else json_text(value)
        return text if kind.length is None else text[: kind.length].rstrip(" " if base == "char" else "")
    if isinstance(value, list | dict):
        _unfit(value, kind)
    return _json_scalar(value, kind, formats)


def _json_scalar(value: Any, kind: Type, formats: list[str]) -> Any:
    base = kind.base
    text = value if isinstance(value, str) else json_text(value)
    if base == "boolean":
        return value if isinstance(value, bool) else {"true": True, "false": False}.get(text.lower())
    if base in _BITS or base in ("double", "real", "decimal"):
        if isinstance(value, bool):
            _unfit(value, kind)
        if base in ("double", "real") and text in ("NaN", "Infinity", "-Infinity"):
            return float(text)
        try:
            number = decimal.Decimal(text)
        except decimal.InvalidOperation:
            return _unfit(value, kind)
        if base in ("double", "real"):
            return float(number)
        return _whole(number, value, kind) if base in _BITS else _decimal(number, value, kind)
    if base == "varbinary":
        return base64.b64decode(text) if isinstance(value, str) else _unfit(value, kind)
    if base == "date":
        days = m.parse_date(text) if re.fullmatch(r"\d{4}-\d{1,2}-\d{1,2}", text) else None
        return days if days is not None else _unfit(value, kind)
    if base == "timestamp":
        return _json_timestamp(text, value, kind, formats)
    raise BadData(f"the type {kind} in a JSON file is not supported by local_mock", "NOT_SUPPORTED")


def _json_timestamp(text: str, value: Any, kind: Type, formats: list[str]) -> int:
    from local_mock.athena.functions.joda_dates import local_picos

    if (local := local_picos(text, formats)) is not None:
        return local
    if isinstance(value, int):
        return value * 10**9  # milliseconds
    plain = re.fullmatch(r"(\d{4}-\d{1,2}-\d{1,2})[ T](\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d{1,9})?)Z?", text)
    parsed = m.parse_timestamp(f"{plain.group(1)} {plain.group(2)}") if plain else None
    return m.rescale(parsed[0], 3) if parsed is not None else int(_unfit(value, kind))


def json_text(value: Any) -> str:
    """Return a value as JSON writes it, numbers as they stood."""
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(json_text, value))}]"
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{json_text(v)}" for k, v in value.items()) + "}"
        )
    return json.dumps(value, ensure_ascii=False)


def _unfit(value: Any, kind: Type) -> Any:
    raise BadData(
        f"Error Parsing a column in the table: {json_text(value)[:100]} is no {kind}", "HIVE_CURSOR_ERROR"
    )


def _whole(number: decimal.Decimal, value: Any, kind: Type) -> int:
    bits = _BITS[kind.base]
    if (
        not number.is_finite()
        or number != number.to_integral_value()
        or not -(1 << bits) <= int(number) < 1 << bits
    ):
        _unfit(value, kind)
    return int(number)


def _decimal(number: decimal.Decimal, value: Any, kind: Type) -> decimal.Decimal:
    precision, scale = kind.numbers
    with decimal.localcontext(prec=400):
        rounded = number.quantize(decimal.Decimal(1).scaleb(-scale), decimal.ROUND_HALF_UP)
        if abs(int(rounded.scaleb(scale))) >= 10**precision:
            _unfit(value, kind)
        return rounded


# --- ORC and Avro -----------------------------------------------------------------------------------------
def orc_rows(path: Path, columns: Columns, parameters: dict[str, str]) -> Iterator[list[Any]]:
    """Yield the rows of an ORC file; its columns are found by their place unless `orc.column.index.access` is false."""
    import pyarrow as pa
    from pyarrow import orc

    try:
        table = orc.ORCFile(path).read()
    except pa.ArrowException as err:
        raise BadData(f"Malformed ORC file: {err}") from err
    by_place = parameters.get("orc.column.index.access", "true").lower() != "false"
    names = [name.lower() for name in table.column_names]
    stored: list[list[Any]] = []
    for place, (name, kind) in enumerate(columns):
        index = (
            place
            if by_place and place < len(names)
            else names.index(name)
            if not by_place and name in names
            else None
        )
        cells = [None] * table.num_rows if index is None else _microseconds(table.column(index)).to_pylist()
        stored.append([None if cell is None or kind == UNKNOWN else _native(cell, kind) for cell in cells])
    yield from (list(row) for row in zip(*stored, strict=True))


def _microseconds(column: Any) -> Any:
    """Return a column whose nanoseconds, which Python's times lack, are cut to microseconds."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column


def avro_rows(path: Path, columns: Columns) -> Iterator[list[Any]]:
    """Yield the rows of an Avro container file; its fields are found by name."""
    try:
        import fastavro
    except ImportError as err:
        raise BadData(
            "Avro files are not supported by local_mock without its extra `avro`: pip install 'local-mock[avro]'",
            "NOT_SUPPORTED",
        ) from err
    with path.open("rb") as stream:
        try:
            for record in fastavro.reader(stream):
                shown = {key.lower(): value for key, value in record.items()}
                cells = (shown.get(name) for name, _ in columns)
                yield [
                    None if c is None or kind == UNKNOWN else _native(c, kind)
                    for c, (_, kind) in zip(cells, columns, strict=True)
                ]
        except (ValueError, EOFError, KeyError, IndexError) as err:
            raise BadData(f"Malformed Avro file: {err}") from err


_FITS = {"boolean": (bool,), "real": (float,), "double": (float,), "varbinary": (bytes,)}


def _native(value: Any, kind: Type) -> Any:
    """Return a Python value of a reader as ours. Raises BadData where the file has another type than the table."""
    base = kind.base
    if base == "array" and isinstance(value, list):
        return [None if v is None else _native(v, kind.args[0]) for v in value]
    if base == "map" and isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else value
        key, item = kind.args
        return [(_native(k, key), None if v is None else _native(v, item)) for k, v in pairs]
    if base == "row" and isinstance(value, dict):
        shown = {k.lower(): v for k, v in value.items()}
        cells = [shown.get(name.lower()) for name in kind.names]
        return tuple(None if v is None else _native(v, a) for v, a in zip(cells, kind.args, strict=True))
    if base == "date" and isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.toordinal() - dt.date(1970, 1, 1).toordinal()
    if base == "timestamp" and isinstance(value, dt.datetime):
        instant = value if value.tzinfo is None else value.astimezone(dt.UTC)
        micros = (instant.replace(tzinfo=dt.UTC) - _UTC_EPOCH) // dt.timedelta(microseconds=1)
        return m.rescale(micros * 10**6, 3)
    if base in _BITS and isinstance(value, int) and not isinstance(value, bool):
        if -(1 << _BITS[base]) <= value < 1 << _BITS[base]:
            return value
    elif base == "decimal" and isinstance(value, decimal.Decimal):
        return _decimal(value, str(value), kind)
    elif base in ("varchar", "char") and isinstance(value, str):
        return value if kind.length is None else value[: kind.length]
    elif isinstance(value, _FITS.get(base, ())):
        return value
    raise BadData(f"a value of type {type(value).__name__} in the file is no {kind}")
