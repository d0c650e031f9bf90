"""Values as the Python functions see them, and the bridge to the columns that DuckDB hands over.

A date is a day number, a timestamp picoseconds, a timestamp with time zone (picoseconds, zone), a time
picoseconds of the day, a time with time zone (picoseconds in UTC, offset in minutes), an interval milliseconds or
months, json canonical text, a map a list of pairs, a row a tuple; the rest as in Python. None is NULL.
"""

# ruff: noqa: E501, PLR0911 - one branch a kind
from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from local_mock.athena.sqltypes import Type

__all__ = ["arrow_type", "decoder", "encode_column", "encoder"]

_EPOCH_DAY = dt.date(1970, 1, 1)
_EPOCH = dt.datetime(1970, 1, 1)
_MICRO = dt.timedelta(microseconds=1)
_ARROW = {
    "boolean": pa.bool_(), "tinyint": pa.int8(), "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(),
    "real": pa.float32(), "double": pa.float64(), "varchar": pa.string(), "char": pa.string(), "json": pa.string(),
    "varbinary": pa.binary(), "ipaddress": pa.binary(), "uuid": pa.string(), "date": pa.date32(), "time": pa.int64(),
    "time with time zone": pa.struct([("u", pa.int64()), ("o", pa.int16())]),
    "timestamp with time zone": pa.struct([("u", pa.decimal128(38, 0)), ("z", pa.string())]),
    "interval day to second": pa.int64(), "interval year to month": pa.int32(), "unknown": pa.int32(),
}  # fmt: skip


def arrow_type(kind: Type) -> pa.DataType:
    """Return the Arrow type that DuckDB expects for a result of `kind`."""
    if kind.base == "decimal":
        return pa.decimal128(*kind.numbers)
    if kind.base == "timestamp":
        return pa.timestamp("us") if kind.precision <= 6 else pa.decimal128(38, 0)
    if kind.base == "array":
        return pa.list_(arrow_type(kind.args[0]))
    if kind.base == "map":
        return pa.map_(arrow_type(kind.args[0]), arrow_type(kind.args[1]))
    if kind.base == "row":
        return pa.struct([(k, arrow_type(a)) for k, a in zip(kind.field_keys, kind.args, strict=True)])
    return _ARROW[kind.base]


def decoder(kind: Type) -> Callable[[Any], Any] | None:
    """Return the function that turns a non-null Arrow value (`as_py`) into ours; None if none is needed."""
    if kind.base == "date":
        return lambda v: (v - _EPOCH_DAY).days
    if kind.base == "timestamp":
        return (lambda v: (v - _EPOCH) // _MICRO * 1_000_000) if kind.precision <= 6 else int
    if kind.base == "timestamp with time zone":
        return lambda v: (int(v["u"]), v["z"])
    if kind.base == "time with time zone":
        return lambda v: (v["u"], v["o"])
    if kind.base == "array":
        inner = decoder(kind.args[0])
        return (lambda v: [None if x is None else inner(x) for x in v]) if inner else None
    if kind.base == "map":
        key, value = (decoder(a) or (lambda x: x) for a in kind.args)
        return lambda v: [(key(k), None if x is None else value(x)) for k, x in v]
    if kind.base == "row":
        fields = [(k, decoder(a) or (lambda x: x)) for k, a in zip(kind.field_keys, kind.args, strict=True)]
        return lambda v: tuple(None if v[k] is None else f(v[k]) for k, f in fields)
    return None


def encoder(kind: Type) -> Callable[[Any], Any] | None:
    """Return the inverse of `decoder`."""
    if kind.base == "timestamp" and kind.precision <= 6:
        return lambda v: v // 1_000_000
    if kind.base == "timestamp with time zone":
        return lambda v: {"u": v[0], "z": v[1]}
    if kind.base == "time with time zone":
        return lambda v: {"u": v[0], "o": v[1]}
    if kind.base == "array":
        inner = encoder(kind.args[0])
        return (lambda v: [None if x is None else inner(x) for x in v]) if inner else None
    if kind.base == "map":
        key, value = (encoder(a) or (lambda x: x) for a in kind.args)
        return lambda v: [(key(k), None if x is None else value(x)) for k, x in v]
    if kind.base == "row":
        fields = [(k, encoder(a) or (lambda x: x)) for k, a in zip(kind.field_keys, kind.args, strict=True)]
        return lambda v: {k: None if x is None else f(x) for (k, f), x in zip(fields, v, strict=True)}
    return None


def encode_column(values: list[Any], kind: Type) -> pa.Array:
    """Return a column of results."""
    encode = encoder(kind)
    if encode is not None:
        values = [None if v is None else encode(v) for v in values]
    return pa.array(values, arrow_type(kind))
