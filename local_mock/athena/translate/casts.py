"""Conversions: CAST and TRY_CAST between Trino types, and the two texts of a value.

`as_varchar` is CAST(… AS varchar) (doubles are `1.0E1`); `as_output` is how Athena prints a result cell
(doubles as Java's Double.toString, `[a, b]`, `{k=v}`). What SQL cannot say exactly is a Python function.
Source: https://trino.io/docs/current/functions/conversion.html and the Trino source (DoubleOperators).
"""

# ruff: noqa: E501, PLR0911 - one line a message or signature; one branch a kind
from __future__ import annotations

from local_mock.athena.errors import QueryError
from local_mock.athena.sqltypes import VARCHAR, Type
from local_mock.athena.translate.python import python_sql

__all__ = ["as_output", "as_varchar", "cast", "rounded_timestamp", "widen"]

_MOMENTS = ("date", "timestamp", "timestamp with time zone")
_FROM_TEXT = (
    "boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal", *_MOMENTS, "time", "time with time zone",
    "varbinary", "uuid", "ipaddress", "json", "varchar", "char",
)  # fmt: skip
_JSON_LEAVES = (
    "boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal", "varchar", "json", "date", "timestamp",
    "unknown",
)  # fmt: skip


def widen(sql: str, source: Type, target: Type) -> str:
    """Return an implicit coercion (never loses a value)."""
    if source == target:
        return sql
    if source.base == "unknown":
        return f"CAST({sql} AS {target.duckdb})"
    if source.is_numeric and target.is_numeric:
        if source.base == "decimal" and target.base in ("double", "real") and source.numbers[0] > 15:
            return python_sql("cast", [(sql, source)], target)
        return f"CAST({sql} AS {target.duckdb})"
    if target.is_temporal or target.is_time:
        return _moment(sql, source, target)
    if target.base == "char":
        return f"rtrim({sql}, ' ')"
    if source.base == "char":
        return f"rpad({sql}, {source.width}, ' ')"
    if source.args and source.duckdb != target.duckdb:
        return python_sql("cast", [(sql, source)], target)
    return sql


def cast(sql: str, source: Type, target: Type, *, safe: bool = False) -> str:
    """CAST or TRY_CAST by Trino's rules. Raises QueryError TYPE_MISMATCH for pairs that Trino refuses."""
    if source.base == "unknown":
        return f"CAST({sql} AS {target.duckdb})"
    if source == target and not (target.is_text and target.length is not None):
        return sql
    if not castable(source, target):
        raise QueryError("TYPE_MISMATCH", f"Cannot cast {source} to {target}")
    made = _cast(sql, source, target, "TRY_CAST" if safe else "CAST")
    return f"TRY({made})" if safe and not made.startswith("TRY_CAST") else made


def castable(source: Type, target: Type) -> bool:
    """Return whether Trino has this CAST."""
    if source.base == "unknown" or (source == target and not source.args):
        return True
    if target.base == "json":
        return _to_json(source)
    if source.base == "json":
        return _from_json(target)
    if source.args or target.args:
        return (
            source.base == target.base
            and len(source.args) == len(target.args)
            and all(map(castable, source.args, target.args))
        )
    if target.is_text:
        return source.base != "varbinary" and not (target.base == "char" and source.is_interval)
    if source.is_text:
        return target.base in _FROM_TEXT
    if source.is_numeric:
        return target.is_numeric or target.base == "boolean"
    if source.base == "boolean":
        return target.is_numeric
    if source.is_temporal or source.is_time:
        if source.base == "date":
            return target.base in _MOMENTS
        if source.is_time:
            return target.is_time or (source.base == "time" and target.base.startswith("timestamp"))
        return target.base in _MOMENTS or target.is_time
    binary = {source.base, target.base}
    return "varbinary" in binary and bool(binary & {"uuid", "ipaddress"})


def _from_json(target: Type) -> bool:
    if target.base == "map":
        return (
            target.args[0].base in (*_JSON_LEAVES,)
            and target.args[0].base not in ("json", "unknown")
            and _from_json(target.args[1])
        )
    if target.args:
        return all(map(_from_json, target.args))
    return target.base in _JSON_LEAVES


def _to_json(source: Type) -> bool:
    if source.base == "map":
        return source.args[0].base in (
            "varchar",
            "boolean",
            "tinyint",
            "smallint",
            "integer",
            "bigint",
            "real",
            "double",
            "decimal",
            "unknown",
        ) and _to_json(source.args[1])
    if source.args:
        return all(map(_to_json, source.args))
    return source.base in _JSON_LEAVES


def _cast(sql: str, source: Type, target: Type, word: str) -> str:
    python = python_sql("cast", [(sql, source)], target)
    if target.base == "varchar":
        if source.is_text or target.length is None:
            text = as_varchar(sql, source)
            return text if target.length is None else f"substr({text}, 1, {target.length})"
        return python
    if source.is_numeric and target.is_numeric:
        if source.base in ("double", "real") and target.base in ("decimal", "real"):
            return python
        if source.base == "decimal" and target.base in ("double", "real") and source.numbers[0] > 15:
            return python
        floating = source.base in ("real", "double", "decimal") and (target.is_integer or target.base == "decimal")
        rounded = f"round({sql}{f', {target.numbers[1]}' if target.base == 'decimal' else ''})"
        return f"{word}({rounded if floating else sql} AS {target.duckdb})"
    if source.base == "varchar" and target.is_integer:
        # Trino takes an optional sign and digits only; DuckDB would round '5.5' and take '1e3'.
        checked = f"CASE WHEN regexp_full_match(trim({sql}), '[+-]?[0-9]+') THEN trim({sql}) WHEN {sql} IS NOT NULL THEN 'x' || {sql} END"
        return f"{word}({checked} AS {target.duckdb})"
    if "boolean" in (source.base, target.base) and (source.is_integer or target.is_numeric):
        return f"{word}({sql} AS {target.duckdb})"
    if source.base == "date" and target.base == "timestamp" and target.precision <= 6:
        return f"CAST({sql} AS TIMESTAMP)"
    if source.base == "timestamp" and source.precision <= 6:
        if target.base == "date":
            return f"CAST({sql} AS DATE)"
        if target.base == "timestamp" and target.precision <= 6:
            return rounded_timestamp(sql, target.precision) if target.precision < source.precision else sql
    if source.args and source.duckdb == target.duckdb and str(source) == str(target):
        return sql
    return python


def _moment(sql: str, source: Type, target: Type) -> str:
    """Return a date or time in a wider type."""
    if source.base == target.base and target.base.endswith("zone"):
        return sql
    if source.base in ("date", "timestamp") and target.base == "timestamp" and source.precision <= 6:
        stamp = f"CAST({sql} AS TIMESTAMP)" if source.base == "date" else sql
        return stamp if target.precision <= 6 else f"t_picos({stamp})"
    if source.base == target.base == "timestamp" or source.base == target.base == "time":
        return sql
    if target.base == "timestamp with time zone":
        picos = (
            sql if source.base == "timestamp" and source.precision > 6 else f"t_picos(CAST({sql} AS TIMESTAMP))"
        )
        return f"CASE WHEN ({sql}) IS NOT NULL THEN {{'u': {picos}, 'z': 'UTC'}} END"
    return python_sql("cast", [(sql, source)], target)


def rounded_timestamp(sql: str, precision: int) -> str:
    """Return a DuckDB timestamp rounded half up to `precision` digits (6 is what DuckDB keeps)."""
    return sql if precision >= 6 else f"t_cut_us(epoch_us({sql}), {10 ** (6 - precision)})"


def as_varchar(sql: str, kind: Type) -> str:
    """CAST(… AS varchar)."""
    if kind.base == "real":
        return python_sql("cast", [(sql, kind)], VARCHAR)
    if kind.base == "double":
        return f"t_float_varchar({sql})"
    if kind.base == "json":
        return python_sql("cast", [(sql, kind)], VARCHAR)
    return as_output(sql, kind)


def as_output(sql: str, kind: Type) -> str:
    """Return the text of a result cell; NULL stays NULL (inside a nested value it prints as `null`)."""
    if kind.base == "char":
        return f"rpad({sql}, {kind.width}, ' ')"
    if kind.base in ("varchar", "json", "uuid"):
        return sql
    if kind.base in ("real", "double"):  # whose text DuckDB writes as Java does, unless Java writes an exponent
        plain = f"({sql} = 0 OR (abs({sql}) >= 1e-3 AND abs({sql}) < 1e7))"
        if kind.base == "real":  # of which it writes a ninth digit where eight of them tell the number
            plain += f" AND length(ltrim(replace(CAST(abs({sql}) AS VARCHAR), '.', ''), '0')) < 9"
        shown = python_sql("show", [(sql, kind)], VARCHAR)
        return f"CASE WHEN ({plain}) IS NOT FALSE THEN CAST({sql} AS VARCHAR) ELSE {shown} END"
    if kind.base == "decimal":
        text = f"CAST({sql} AS VARCHAR)"
        return f"t_decimal_text({text})" if kind.numbers[0] == kind.numbers[1] else text
    if kind.base == "timestamp" and kind.precision <= 6:
        whole = f"strftime({sql}, '%Y-%m-%d %H:%M:%S{'.%f' if kind.precision else ''}')"
        whole = f"left({whole}, -{6 - kind.precision})" if 0 < kind.precision < 6 else whole
        shown = python_sql("show", [(sql, kind)], VARCHAR)
        return f"CASE WHEN {sql} BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999' THEN {whole} ELSE {shown} END"
    if kind.base == "date":
        shown = python_sql("show", [(sql, kind)], VARCHAR)
        return f"CASE WHEN {sql} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN CAST({sql} AS VARCHAR) ELSE {shown} END"
    if kind.base == "varbinary":
        return f"rtrim(regexp_replace(lower(hex({sql})), '(..)', '\\1 ', 'g'))"
    if kind.is_integer or kind.base in ("boolean", "unknown"):
        return f"CAST({sql} AS VARCHAR)"
    return python_sql("show", [(sql, kind)], VARCHAR)
