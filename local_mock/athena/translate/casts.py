"""Conversions: CAST and TRY_CAST between Trino types, and the two texts of a value.

`as_varchar` is CAST(… AS varchar) (doubles are `1.0E1`); `as_output` is how Athena prints a result cell
(doubles as Java's Double.toString, `[a, b]`, `{k=v}`).
Source: https://trino.io/docs/current/functions/conversion.html and the Trino source (DoubleOperators).
"""

# ruff: noqa: E501, PLR0911 - one line a message or signature; one branch a kind
from __future__ import annotations

from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.sqltypes import VARCHAR, Type
from local_mock.athena.translate.relations import text

__all__ = ["as_output", "as_varchar", "cast", "widen"]

MACROS = """
CREATE MACRO t_digits(m) AS rtrim(ltrim(replace(m, '.', ''), '0'), '0');
CREATE MACRO t_exponent(t) AS coalesce(TRY_CAST(nullif(split_part(t, 'e', 2), '') AS INTEGER), 0)
  + CASE WHEN split_part(split_part(t, 'e', 1), '.', 1) <> '0'
    THEN length(split_part(split_part(t, 'e', 1), '.', 1)) - 1
    ELSE length(ltrim(split_part(split_part(t, 'e', 1), '.', 2), '0'))
       - length(split_part(split_part(t, 'e', 1), '.', 2)) - 1 END;
CREATE MACRO t_sci(x, t) AS CASE WHEN signbit(x) THEN '-' ELSE '' END || t_digits(split_part(t, 'e', 1))[1] || '.'
  || coalesce(nullif(t_digits(split_part(t, 'e', 1))[2:], ''), '0') || 'E' || CAST(t_exponent(t) AS VARCHAR);
CREATE MACRO t_special(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END;
CREATE MACRO t_float_varchar(x) AS CASE WHEN x IS NULL THEN NULL WHEN NOT isfinite(x) THEN t_special(x)
  WHEN x = 0 THEN CASE WHEN signbit(x) THEN '-0E0' ELSE '0E0' END ELSE t_sci(x, CAST(abs(x) AS VARCHAR)) END;
CREATE MACRO t_float_output(x) AS CASE WHEN x IS NULL THEN NULL WHEN NOT isfinite(x) THEN t_special(x)
  WHEN x = 0 OR (abs(x) >= 1e-3 AND abs(x) < 1e7) THEN CAST(x AS VARCHAR) ELSE t_sci(x, CAST(abs(x) AS VARCHAR)) END;
"""

_TEXT_TO = ("boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal", "date",
            "timestamp", "timestamp with time zone", "time")  # fmt: skip


def widen(sql: str, source: Type, target: Type) -> str:
    """An implicit coercion (never loses a value)."""
    if source == target:
        return sql
    if (source.base, target.base) in (
        ("date", "timestamp with time zone"),
        ("timestamp", "timestamp with time zone"),
    ):
        return f"timezone('UTC', CAST({sql} AS TIMESTAMP))"
    return f"CAST({sql} AS {target.duckdb})"


def cast(sql: str, source: Type, target: Type, *, safe: bool = False) -> str:
    """CAST or TRY_CAST by Trino's rules. Raises QueryError TYPE_MISMATCH for pairs that Trino refuses."""
    if source == target or source.base == "unknown":
        return f"CAST({sql} AS {target.duckdb})"
    word = "TRY_CAST" if safe else "CAST"
    if target.base == "varchar":
        return as_varchar(sql, source)
    if source.base == "json":
        return _from_json(sql, target, word)
    if target.base == "json":
        return _to_json(sql, source)
    if source.base in ("varchar", "char"):
        return _from_text(sql, target, word)
    if source.base in ("array", "map", "row"):
        return _nested(sql, source, target, safe=safe)
    return _scalar(sql, source, target, word)


def _scalar(sql: str, source: Type, target: Type, word: str) -> str:
    if source.is_numeric and target.is_numeric:
        floating = source.base in ("real", "double", "decimal") and (target.is_integer or target.base == "decimal")
        rounded = f"round({sql}{f', {target.numbers[1]}' if target.base == 'decimal' else ''})"
        return f"{word}({rounded if floating else sql} AS {target.duckdb})"
    if "boolean" in (source.base, target.base) and (source.is_numeric or target.is_numeric):
        return f"{word}({sql} AS {target.duckdb})"
    if source.is_temporal and target.is_temporal:
        return _temporal(sql, source, target)
    raise _mismatch(source, target)


def _temporal(sql: str, source: Type, target: Type) -> str:
    zoned = "timestamp with time zone"
    if source.base == zoned and target.base != zoned:
        sql = f"timezone({text(source.zone)}, {sql})"
    if target.base == zoned:
        return sql if source.base == zoned else f"timezone({text(target.zone)}, CAST({sql} AS TIMESTAMP))"
    if target.base == "date":
        return f"CAST({sql} AS DATE)"
    return rounded_timestamp(f"CAST({sql} AS TIMESTAMP)", target.precision)


def rounded_timestamp(sql: str, precision: int) -> str:
    """A timestamp rounded half up to `precision` digits (6 is what DuckDB keeps)."""
    if precision > 6:
        raise not_supported(f"timestamp({precision})")
    if precision == 6:
        return sql
    unit = 10 ** (6 - precision)
    return f"make_timestamp(CAST(floor((epoch_us({sql}) + {unit // 2}) / {unit}.0) AS BIGINT) * {unit})"


def _from_text(sql: str, target: Type, word: str) -> str:
    if target.base not in _TEXT_TO:
        raise _mismatch(VARCHAR, target)
    if target.is_integer:
        # Trino takes an optional sign and digits only; DuckDB would round '5.5' and take '1e3'.
        checked = f"CASE WHEN regexp_full_match({sql}, '[+-]?[0-9]+') THEN {sql} WHEN {sql} IS NOT NULL THEN 'x' || {sql} END"
        return f"{word}({checked} AS {target.duckdb})"
    if target.base == "boolean":
        checked = f"CASE WHEN lower({sql}) IN ('t', 'true', '1') THEN 'true' WHEN lower({sql}) IN ('f', 'false', '0') THEN 'false' WHEN {sql} IS NOT NULL THEN 'x' || {sql} END"
        return f"{word}({checked} AS BOOLEAN)"
    if target.base == "date":
        checked = f"CASE WHEN regexp_full_match(trim({sql}), '[+-]?[0-9]{{4,}}-[0-9]{{1,2}}-[0-9]{{1,2}}') THEN trim({sql}) WHEN {sql} IS NOT NULL THEN 'x' || {sql} END"
        return f"{word}({checked} AS DATE)"
    if target.base == "timestamp":
        return rounded_timestamp(f"{word}({sql} AS TIMESTAMP)", target.precision)
    if target.base == "timestamp with time zone":
        return f"{word}({sql} AS TIMESTAMPTZ)"
    return f"{word}({sql} AS {target.duckdb})"


def _nested(sql: str, source: Type, target: Type, *, safe: bool) -> str:
    if source.base != target.base or len(source.args) != len(target.args):
        raise _mismatch(source, target)
    if source.base == "array":
        return f"list_transform({sql}, lambda v: {cast('v', source.args[0], target.args[0], safe=safe)})"
    if source.base == "map":
        key = cast("e.key", source.args[0], target.args[0], safe=safe)
        value = cast("e.value", source.args[1], target.args[1], safe=safe)
        return (
            f"map_from_entries(list_transform(map_entries({sql}), lambda e: {{'key': {key}, 'value': {value}}}))"
        )
    fields = ", ".join(
        f"{text(new)}: {cast(f'struct_extract({sql}, {text(old)})', a, b, safe=safe)}"
        for old, new, a, b in zip(source.field_keys, target.field_keys, source.args, target.args, strict=True)
    )
    return f"CASE WHEN ({sql}) IS NULL THEN NULL ELSE {{{fields}}} END"


def _from_json(sql: str, target: Type, word: str) -> str:
    scalars = ("boolean", "tinyint", "smallint", "integer", "bigint", "double", "real", "json")
    ok = target.base in scalars or target == VARCHAR
    if target.base in ("array", "map"):
        ok = all(a.base in (*scalars, "varchar") for a in target.args)
    if not ok:
        raise not_supported(f"CAST of json to {target}")
    return f"{word}({sql} AS {target.duckdb})"


def _to_json(sql: str, source: Type) -> str:
    leaves = ("boolean", "tinyint", "smallint", "integer", "bigint", "varchar")
    kinds = source.args if source.base in ("array", "map") else (source,)
    if not all(kind.base in leaves for kind in kinds) or (source.base == "map" and kinds[0] != VARCHAR):
        raise not_supported(f"CAST of {source} to json")
    return f"to_json({sql})"


def _mismatch(source: Type, target: Type) -> QueryError:
    return QueryError("TYPE_MISMATCH", f"Cannot cast {source} to {target}")


def as_varchar(sql: str, kind: Type) -> str:
    """CAST(… AS varchar)."""
    if kind.base in ("real", "double"):
        return f"t_float_varchar({sql})"
    if kind.base == "json":
        return f"CASE WHEN json_type({sql}) IN ('OBJECT', 'ARRAY') THEN error('Cannot cast JSON object or array to varchar') ELSE {sql} ->> '$' END"
    if kind.args or kind.base.startswith("interval"):
        raise _mismatch(kind, VARCHAR)
    if kind.base == "varbinary":
        raise _mismatch(kind, VARCHAR)
    return as_output(sql, kind)


def as_output(sql: str, kind: Type, depth: int = 0) -> str:
    """The text of a result cell; NULL stays NULL (inside a nested value it prints as `null`)."""
    if kind.base in ("varchar", "char"):
        return sql
    if kind.base in ("real", "double"):
        return f"t_float_output({sql})"
    if kind.base in ("timestamp", "timestamp with time zone"):
        return _timestamp_text(sql, kind)
    if kind.base == "time":
        return f"strftime(DATE '2000-01-01' + {sql}, '%H:%M:%S.%g')"
    if kind.base == "varbinary":
        return f"rtrim(regexp_replace(lower(hex({sql})), '(..)', '\\1 ', 'g'))"
    if kind.base == "array":
        inner = _inner(f"v{depth}", kind.args[0], depth)
        return f"'[' || array_to_string(list_transform({sql}, lambda v{depth}: {inner}), ', ') || ']'"
    if kind.base == "map":
        pair = f"{_inner(f'v{depth}.key', kind.args[0], depth)} || '=' || {_inner(f'v{depth}.value', kind.args[1], depth)}"
        return (
            f"'{{' || array_to_string(list_transform(map_entries({sql}), lambda v{depth}: {pair}), ', ') || '}}'"
        )
    if kind.base == "row":
        return _row_text(sql, kind, depth)
    if kind.base.startswith("interval"):
        return _interval_text(sql, kind)
    return f"CAST({sql} AS VARCHAR)"


def _inner(sql: str, kind: Type, depth: int) -> str:
    return f"coalesce({as_output(sql, kind, depth + 1)}, 'null')"


def _row_text(sql: str, kind: Type, depth: int) -> str:
    fields = []
    for name, key, arg in zip(kind.names, kind.field_keys, kind.args, strict=True):
        value = _inner(f"struct_extract({sql}, {text(key)})", arg, depth)
        fields.append(f"{text(f'{name or _anonymous(key)}=')} || {value}")
    return f"CASE WHEN ({sql}) IS NULL THEN NULL ELSE '{{' || {(' || ' + text(', ') + ' || ').join(fields)} || '}}' END"


def _anonymous(key: str) -> str:
    return f"field{key[1:]}"


def _timestamp_text(sql: str, kind: Type) -> str:
    zone = kind.base == "timestamp with time zone"
    value = f"timezone({text(kind.zone)}, {sql})" if zone else sql
    if kind.precision not in (0, 3, 6):
        raise not_supported(f"the text of timestamp({kind.precision})")
    shape = {0: "%Y-%m-%d %H:%M:%S", 3: "%Y-%m-%d %H:%M:%S.%g", 6: "%Y-%m-%d %H:%M:%S.%f"}[kind.precision]
    printed = f"strftime({value}, '{shape}')"
    return f"{printed} || {text(' ' + kind.zone)}" if zone else printed


def _interval_text(sql: str, kind: Type) -> str:
    if kind.base == "interval year to month":
        months = f"(date_part('year', {sql}) * 12 + date_part('month', {sql}))"
        return f"printf('%s%d-%d', CASE WHEN {months} < 0 THEN '-' ELSE '' END, abs({months}) // 12, abs({months}) % 12)"
    ms = f"CAST(abs(epoch_ms({sql})) AS BIGINT)"
    return (
        f"printf('%s%d %02d:%02d:%02d.%03d', CASE WHEN epoch_ms({sql}) < 0 THEN '-' ELSE '' END, {ms} // 86400000, "
        f"{ms} // 3600000 % 24, {ms} // 60000 % 60, {ms} // 1000 % 60, {ms} % 1000)"
    )
