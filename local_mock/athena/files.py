"""Files of rows in the formats of CTAS, INSERT and UNLOAD: Parquet, ORC, Avro, JSON and delimited text.

Source: https://docs.aws.amazon.com/athena/latest/ug/compression-formats.html
"""

# ruff: noqa: E501, PLR0911 - one line a message or signature; one branch a kind
from __future__ import annotations

import base64
import bz2
import contextlib
import datetime as dt
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.functions.casts import shower
from local_mock.athena.functions.values import decoder
from local_mock.athena.records import json_text
from local_mock.athena.sqltypes import Type

__all__ = ["CODECS", "DEFAULT_CODECS", "SUFFIXES", "write_file"]

# Codecs of each format, under their names in Athena, and what the library calls them.
CODECS: dict[str, dict[str, str]] = {
    "parquet": {
        "SNAPPY": "snappy",
        "GZIP": "gzip",
        "ZSTD": "zstd",
        "LZ4": "lz4",
        "NONE": "none",
        "UNCOMPRESSED": "none",
    },
    "orc": {
        "ZLIB": "zlib",
        "GZIP": "zlib",
        "SNAPPY": "snappy",
        "LZ4": "lz4",
        "ZSTD": "zstd",
        "NONE": "uncompressed",
    },
    "avro": {"GZIP": "deflate", "DEFLATE": "deflate", "NONE": "null"},
    "json": {"GZIP": "gzip", "BZIP2": "bz2", "ZSTD": "zstd", "NONE": ""},
    "text": {"GZIP": "gzip", "BZIP2": "bz2", "ZSTD": "zstd", "NONE": ""},
}
DEFAULT_CODECS = {"parquet": "GZIP", "orc": "ZLIB", "avro": "GZIP", "json": "GZIP", "text": "GZIP"}
SUFFIXES = {"GZIP": ".gz", "BZIP2": ".bz2", "ZSTD": ".zst"}  # of text and JSON, as Athena names them


def write_file(
    body: pa.Table, names: list[str], kinds: list[Type], path: Path, file_format: str, codec: str, delimiter: str
) -> None:
    """Write rows (columns as DuckDB gives them, of Trino's types `kinds`) to a file. Raises QueryError."""
    compression = CODECS[file_format][codec]
    if file_format == "parquet":
        pq.write_table(body, path, compression=compression)
    elif file_format == "orc":
        from pyarrow import orc

        orc.write_table(body, path, compression=compression)
    elif file_format == "avro":
        _write_avro(body, names, kinds, path, compression)
    else:
        with _compressed(path, compression) as stream:
            file = io.TextIOWrapper(stream, encoding="utf-8", newline="")
            for line in (
                _json_lines(body, names, kinds) if file_format == "json" else _text_lines(body, kinds, delimiter)
            ):
                file.write(line + "\n")
            file.flush()
            file.detach()


@contextlib.contextmanager
def _compressed(path: Path, codec: str) -> Iterator[IO[bytes]]:
    if codec == "zstd":
        with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as stream:
            yield stream
    elif codec == "gzip":
        with gzip.open(path, "wb", compresslevel=6) as stream:
            yield stream  # type: ignore[misc]
    elif codec == "bz2":
        with bz2.open(path, "wb") as stream:
            yield stream
    else:
        with path.open("wb") as stream:
            yield stream


def _rows(body: pa.Table) -> Iterator[tuple[Any, ...]]:
    for batch in body.to_batches(max_chunksize=10_000):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


# --- text -------------------------------------------------------------------------------------------------
def _text_lines(body: pa.Table, kinds: list[Type], delimiter: str) -> Iterator[str]:
    r"""Yield lines as LazySimpleSerDe writes them: NULL is `\N`, nothing is quoted, inner levels have control characters."""
    cells = [_text_cell(kind, delimiter + "\x02\x03\x04\x05\x06\x07\x08", 1) for kind in kinds]
    for row in _rows(body):
        yield delimiter.join("\\N" if v is None else cell(v) for v, cell in zip(row, cells, strict=True))


def _text_cell(kind: Type, separators: str, level: int) -> Callable[[Any], str]:
    """Return the text of an Arrow value (`as_py`)."""
    if level + 1 >= len(separators):
        raise not_supported("values nested more than six levels deep in a text file")

    def shown(inner: Type, deeper: int) -> Callable[[Any], str]:
        cell = _text_cell(inner, separators, deeper)
        return lambda v: "\\N" if v is None else cell(v)

    if kind.base == "array":
        item = shown(kind.args[0], level + 1)
        return lambda v: separators[level].join(map(item, v))
    if kind.base == "map":
        key, value = (shown(inner, level + 2) for inner in kind.args)
        return lambda v: separators[level].join(f"{key(k)}{separators[level + 1]}{value(x)}" for k, x in v)
    if kind.base == "row":
        fields = [(k, shown(inner, level + 1)) for k, inner in zip(kind.field_keys, kind.args, strict=True)]
        return lambda v: separators[level].join(cell(v[k]) for k, cell in fields)
    if kind.base == "varbinary":
        return lambda v: base64.b64encode(v).decode()
    decode, show = (
        decoder(kind) or (lambda v: v),
        shower(Type("timestamp", numbers=(3,)) if kind.base == "timestamp" else kind),
    )
    return lambda v: show(decode(v))


# --- JSON -------------------------------------------------------------------------------------------------
def _json_lines(body: pa.Table, names: list[str], kinds: list[Type]) -> Iterator[str]:
    """Yield an object a row, as Hive's JsonSerDe writes it."""
    cells = [_json_cell(kind) for kind in kinds]
    for row in _rows(body):
        yield json_text({n: None if v is None else cell(v) for n, v, cell in zip(names, row, cells, strict=True)})


def _json_cell(kind: Type) -> Callable[[Any], Any]:
    base = kind.base

    def shown(inner: Type) -> Callable[[Any], Any]:
        cell = _json_cell(inner)
        return lambda v: None if v is None else cell(v)

    if base == "array":
        item = shown(kind.args[0])
        return lambda v: [item(x) for x in v]
    if base == "map":
        key, value = (shown(inner) for inner in kind.args)
        return lambda v: {
            k if isinstance(k, str) else json.dumps(k): value(x) for k, x in ((key(a), b) for a, b in v)
        }
    if base == "row":
        fields = [(k, shown(inner)) for k, inner in zip(kind.field_keys, kind.args, strict=True)]
        return lambda v: {k: cell(v[k]) for k, cell in fields}
    if base == "varbinary":
        return lambda v: base64.b64encode(v).decode()
    if base in ("date", "timestamp"):
        decode = decoder(kind) or (lambda v: v)
        show = shower(Type("timestamp", numbers=(3,)) if base == "timestamp" else kind)
        return lambda v: show(decode(v))
    if base in ("double", "real"):
        return lambda v: v if v - v == 0 else shower(kind)(v)
    return lambda v: v


# --- Avro -------------------------------------------------------------------------------------------------
def _write_avro(body: pa.Table, names: list[str], kinds: list[Type], path: Path, codec: str) -> None:
    try:
        import fastavro
    except ImportError as err:
        raise QueryError(
            "NOT_SUPPORTED",
            "Avro files are not supported by local_mock without its extra `avro`: pip install 'local-mock[avro]'",
        ) from err
    fields = [
        {"name": n, "type": ["null", _avro_type(k, n)], "default": None} for n, k in zip(names, kinds, strict=True)
    ]
    schema = fastavro.parse_schema({"type": "record", "name": "row", "fields": fields})
    cells = [_avro_cell(kind) for kind in kinds]
    records = (
        {n: None if v is None else cell(v) for n, v, cell in zip(names, row, cells, strict=True)}
        for row in _rows(body)
    )
    with path.open("wb") as stream:
        fastavro.writer(stream, schema, records, codec=codec)


_AVRO = {
    "boolean": "boolean", "tinyint": "int", "smallint": "int", "integer": "int", "bigint": "long", "real": "float", "double": "double",
    "varchar": "string", "char": "string", "varbinary": "bytes",
}  # fmt: skip


def _avro_type(kind: Type, name: str) -> Any:
    """Return Avro's type; `name` makes the names of records inside unique."""
    if kind.base == "array":
        return {"type": "array", "items": ["null", _avro_type(kind.args[0], f"{name}_item")]}
    if kind.base == "map":
        if not kind.args[0].is_text:
            raise QueryError("NOT_SUPPORTED", f"Avro has no maps with keys of type {kind.args[0]}")
        return {"type": "map", "values": ["null", _avro_type(kind.args[1], f"{name}_value")]}
    if kind.base == "row":
        fields = [
            {"name": k, "type": ["null", _avro_type(a, f"{name}_{k}")], "default": None}
            for k, a in zip(kind.field_keys, kind.args, strict=True)
        ]
        return {"type": "record", "name": f"{name}_row", "fields": fields}
    if kind.base == "decimal":
        precision, scale = kind.numbers
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    if kind.base == "date":
        return {"type": "int", "logicalType": "date"}
    if kind.base == "timestamp":
        return {"type": "long", "logicalType": "timestamp-millis"}
    if kind.base not in _AVRO:
        raise not_supported(f"{kind} in an Avro file")
    return _AVRO[kind.base]


def _avro_cell(kind: Type) -> Callable[[Any], Any]:
    def shown(inner: Type) -> Callable[[Any], Any]:
        cell = _avro_cell(inner)
        return lambda v: None if v is None else cell(v)

    if kind.base == "array":
        item = shown(kind.args[0])
        return lambda v: [item(x) for x in v]
    if kind.base == "map":
        value = shown(kind.args[1])
        return lambda v: {k: value(x) for k, x in v}
    if kind.base == "row":
        fields = [(k, shown(inner)) for k, inner in zip(kind.field_keys, kind.args, strict=True)]
        return lambda v: {k: cell(v[k]) for k, cell in fields}
    if kind.base == "timestamp":
        return lambda v: v.replace(tzinfo=dt.UTC)
    return lambda v: v
