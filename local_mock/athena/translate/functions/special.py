"""Functions whose grammar or result type no signature line can express.

https://trino.io/docs/current/functions/{conditional,comparison,conversion,aggregate}.html
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

from typing import Any

from sqlglot import exp

from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.sqltypes import BIGINT, BOOLEAN, DOUBLE, UNKNOWN, VARCHAR, array, decimal, map_of
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.expressions import decimal_divide
from local_mock.athena.translate.relations import Scope, Typed, text

__all__ = ["SPECIAL"]


def _coalesce(c: Any, _node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    sqls, kind = c.unify(arguments, scope, "All COALESCE operands must be the same type")
    return Typed(f"coalesce({', '.join(sqls)})", kind)


def _nullif(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    first, second = (c.compile(a, scope) for a in arguments)
    return Typed(
        f"(CASE WHEN {c.compare(first, '=', second, c.place(node, 'nullif'))} THEN NULL ELSE {first.sql} END)",
        first.type,
    )


def _if(c: Any, _node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    condition = c.boolean(arguments[0], scope)
    sqls, kind = c.unify(arguments[1:], scope, "Result types for IF must be the same")
    return Typed(f"(CASE WHEN {condition} THEN {sqls[0]} ELSE {sqls[1] if len(sqls) > 1 else 'NULL'} END)", kind)


def _try(c: Any, _node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    value = c.compile(arguments[0], scope)
    return Typed(f"TRY({value.sql})", value.type)


def _extreme(word: str) -> Any:
    def handler(c: Any, _node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        sqls, kind = c.unify(arguments, scope, f"All {word.upper()} operands must be the same type")
        missing = " OR ".join(f"{sql} IS NULL" for sql in sqls)
        return Typed(f"(CASE WHEN {missing} THEN NULL ELSE {word}({', '.join(sqls)}) END)", kind)

    return handler


def _concat(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    return c.concatenate([c.compile(a, scope) for a in arguments], c.place(node, "concat"))  # type: ignore[no-any-return]


def _row(c: Any, _node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    return c.row([c.compile(a, scope) for a in arguments])  # type: ignore[no-any-return]


def _typeof(c: Any, _node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    return Typed(text(str(c.compile(arguments[0], scope).type)), VARCHAR)


def _round_decimal(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    values = [c.compile(a, scope) for a in arguments]
    if not values or values[0].type.base != "decimal":
        from local_mock.athena.translate.calls import _tables

        return c._resolve(node, "round", _tables()[0]["round"], values, scope, None)  # type: ignore[no-any-return]
    p, s = values[0].type.numbers
    if len(values) == 1:
        kind = decimal(p - s + min(s, 1), 0)
        return Typed(f"CAST(round({values[0].sql}) AS {kind.duckdb})", kind)
    digits = values[1].literal
    if not isinstance(digits, int):
        raise not_supported("round of a decimal to a computed number of digits", c.place(node, "round"))
    kind = decimal(p + 1, s)
    return Typed(f"CAST(round({values[0].sql}, {digits}) AS {kind.duckdb})", kind)


def _aggregate_of(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> tuple[Any, list[Any]]:
    return c._clauses_of(node, arguments, scope, is_window=False)  # type: ignore[no-any-return]


def _approx_percentile(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    """The exact discrete percentile (Trino's answer is an approximation of it)."""
    clauses, arguments = _aggregate_of(c, node, arguments, scope)
    if len(arguments) != 2:
        raise not_supported("approx_percentile with weights or accuracy", c.place(node, "approx_percentile"))
    value, share = (c.compile(a, scope) for a in arguments)
    if not value.type.is_numeric or value.type.base == "decimal":
        value = Typed(widen(value.sql, value.type, DOUBLE), DOUBLE) if value.type.base == "decimal" else value
    if not value.type.is_numeric:
        raise QueryError(
            "TYPE_MISMATCH",
            f"{at(c.place(node, 'approx_percentile'))}Unexpected parameters ({value.type}, {share.type}) for function approx_percentile",
        )
    if value.type.base in ("tinyint", "smallint", "integer"):
        value = Typed(widen(value.sql, value.type, BIGINT), BIGINT)
    many = share.type.base == "array"
    target = array(DOUBLE) if many else DOUBLE
    shares = widen(share.sql, share.type, target)
    sql = f"quantile_disc({value.sql}, {shares}){clauses.filter}{clauses.over}"
    return Typed(
        f"CAST({sql} AS {value.type.duckdb}[])" if many else sql, array(value.type) if many else value.type
    )


def _histogram(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    clauses, arguments = _aggregate_of(c, node, arguments, scope)
    value = c.compile(arguments[0], scope)
    kind = map_of(value.type, BIGINT)
    return Typed(f"CAST(histogram({value.sql}){clauses.filter}{clauses.over} AS {kind.duckdb})", kind)


def _decimal_average(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    from local_mock.athena.translate.calls import _tables

    clauses, plain = _aggregate_of(c, node, arguments, scope)
    value = c.compile(plain[0], scope) if len(plain) == 1 else None
    if value is None or value.type.base != "decimal":
        return c._resolve(node, "avg", _tables()[1]["avg"], [value] if value else plain, scope, clauses)  # type: ignore[no-any-return]
    scale = value.type.numbers[1]
    total, count = (
        f"{word}({clauses.distinct}{value.sql}){clauses.filter}{clauses.over}" for word in ("sum", "count")
    )
    counted = f"CAST(nullif({count}, 0) AS DECIMAL(19,0))"
    return Typed(decimal_divide(total, counted, scale, 0, value.type), value.type)


def _format(c: Any, node: exp.Expression, _arguments: list[Any], _scope: Scope) -> Typed:
    raise not_supported("format()", c.place(node, "format"))


def _regexp_extract(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    values = [c.compile(a, scope) for a in arguments]
    if len(values) == 3 and isinstance(values[2].literal, int) and values[0].type == values[1].type == VARCHAR:
        return Typed(f"t_regexp_extract({values[0].sql}, {values[1].sql}, {values[2].literal})", VARCHAR)
    from local_mock.athena.translate.calls import _tables

    return c._resolve(node, "regexp_extract", _tables()[0]["regexp_extract"], values, scope, None)  # type: ignore[no-any-return]


def _map_lambda(name: str) -> Any:
    """zip_with and the map functions: a lambda of two parameters over pairs."""

    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        wanted = 3 if name == "zip_with" else 2
        if (
            len(arguments) != wanted
            or not isinstance(arguments[-1], exp.Lambda)
            or len(arguments[-1].expressions) != 2
        ):
            raise QueryError(
                "TYPE_MISMATCH", f"{at(c.place(node, name))}Unexpected parameters for function {name}"
            )
        values = [c.compile(a, scope) for a in arguments[:-1]]
        base = "array" if name == "zip_with" else "map"
        if any(v.type.base != base for v in values):
            raise QueryError(
                "TYPE_MISMATCH",
                f"{at(c.place(node, name))}Unexpected parameters ({', '.join(str(v.type) for v in values)}, <function>) for function {name}",
            )
        pair = c.fresh("p")
        kinds = (values[0].type.args[0], values[1].type.args[0]) if name == "zip_with" else values[0].type.args
        refs = (f"{pair}[1]", f"{pair}[2]") if name == "zip_with" else (f"{pair}.key", f"{pair}.value")
        inner = Scope(scope)
        for parameter, ref, kind in zip(arguments[-1].expressions, refs, kinds, strict=True):
            inner.parameters[parameter.name.lower()] = Typed(ref, kind)
        body = c.compile(arguments[-1].this, inner)
        if name == "zip_with":
            return Typed(
                f"list_transform(list_zip({values[0].sql}, {values[1].sql}), lambda {pair}: {body.sql})",
                array(body.type),
            )
        entries = f"map_entries({values[0].sql})"
        if name == "map_filter":
            if body.type not in (BOOLEAN, UNKNOWN):
                raise QueryError("TYPE_MISMATCH", f"{at(c.place(node, name))}lambda must return boolean")
            return Typed(f"map_from_entries(list_filter({entries}, lambda {pair}: {body.sql}))", values[0].type)
        key, value = (body.sql, f"{pair}.value") if name == "transform_keys" else (f"{pair}.key", body.sql)
        kind = map_of(body.type, kinds[1]) if name == "transform_keys" else map_of(kinds[0], body.type)
        made = f"list_transform({entries}, lambda {pair}: {{'key': {key}, 'value': {value}}})"
        return Typed(f"map_from_entries({made})", kind)

    return handler


SPECIAL: dict[str, Any] = {
    "coalesce": _coalesce, "nullif": _nullif, "if": _if, "try": _try, "greatest": _extreme("greatest"),
    "least": _extreme("least"), "concat": _concat, "row": _row, "typeof": _typeof, "round": _round_decimal,
    "approx_percentile": _approx_percentile, "histogram": _histogram, "avg": _decimal_average, "format": _format,
    "regexp_extract": _regexp_extract,
    **{name: _map_lambda(name) for name in ("zip_with", "map_filter", "transform_values", "transform_keys")},
}  # fmt: skip

MACROS = r"""
CREATE MACRO t_cbrt(x) AS CASE WHEN round(cbrt(x)) * round(cbrt(x)) * round(cbrt(x)) = x THEN round(cbrt(x)) ELSE cbrt(x) END;
CREATE MACRO t_subscript(a, i) AS CASE WHEN i IS NULL OR a IS NULL THEN NULL
  WHEN i = 0 THEN error('INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1')
  WHEN i < 0 THEN error('INVALID_FUNCTION_ARGUMENT: Array subscript is negative: ' || i)
  WHEN i > len(a) THEN error('INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array length: ' || i || ' > ' || len(a))
  ELSE a[i] END;
CREATE MACRO t_map_subscript(m, k) AS CASE WHEN m IS NULL OR k IS NULL THEN NULL WHEN NOT map_contains(m, k)
  THEN error('INVALID_FUNCTION_ARGUMENT: Key not present in map: ' || CAST(k AS VARCHAR)) ELSE map_extract_value(m, k) END;
CREATE MACRO t_element_at(a, i) AS CASE WHEN i = 0 THEN error('INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1')
  ELSE a[i] END;
CREATE MACRO t_unscaled(x, s) AS CAST(replace(CAST(x AS VARCHAR), '.', '') AS HUGEINT);
CREATE MACRO t_half_up(n, d) AS CASE WHEN d = 0 THEN CAST(error('DIVISION_BY_ZERO: Division by zero') AS HUGEINT)
  ELSE CAST(sign(n) * sign(d) AS HUGEINT) * ((2 * abs(n) + abs(d)) // (2 * abs(d))) END;
CREATE MACRO t_point(n, s) AS CASE WHEN n IS NULL THEN NULL WHEN s = 0 THEN CAST(n AS VARCHAR)
  ELSE CASE WHEN n < 0 THEN '-' ELSE '' END || left(lpad(CAST(abs(n) AS VARCHAR), CAST(greatest(s + 1, length(CAST(abs(n) AS VARCHAR))) AS INTEGER), '0'), -s) || '.' || right(lpad(CAST(abs(n) AS VARCHAR), CAST(greatest(s + 1, length(CAST(abs(n) AS VARCHAR))) AS INTEGER), '0'), s) END;
CREATE MACRO t_ln(x) AS CASE WHEN x > 0 THEN ln(x) WHEN x = 0 THEN CAST('-Infinity' AS DOUBLE) WHEN x IS NULL THEN NULL ELSE CAST('NaN' AS DOUBLE) END;
CREATE MACRO t_round(x, n) AS CASE WHEN isfinite(x) THEN round(x, n) ELSE x END;
CREATE MACRO t_width_bucket(x, lo, hi, n) AS CASE WHEN n <= 0 THEN CAST(error('INVALID_FUNCTION_ARGUMENT: bucketCount must be greater than 0') AS BIGINT)
  WHEN lo = hi THEN CAST(error('INVALID_FUNCTION_ARGUMENT: bounds cannot equal each other') AS BIGINT)
  WHEN lo < hi THEN CASE WHEN x < lo THEN 0 WHEN x >= hi THEN n + 1 ELSE CAST(floor(n * (x - lo) / (hi - lo)) AS BIGINT) + 1 END
  ELSE CASE WHEN x > lo THEN 0 WHEN x <= hi THEN n + 1 ELSE CAST(floor(n * (lo - x) / (lo - hi)) AS BIGINT) + 1 END END;
CREATE MACRO t_substr(s, i, n) AS CASE WHEN i = 0 OR n <= 0 OR i > length(s) OR -i > length(s) THEN CASE WHEN s IS NULL OR i IS NULL OR n IS NULL THEN NULL ELSE '' END
  ELSE substr(s, i, n) END;
CREATE MACRO t_replacement(r) AS regexp_replace(replace(r, '\\', '\\\\'), '\$(\d)', '\\\1', 'g');
CREATE MACRO t_regexp_extract(s, p, g) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, g) END;
CREATE MACRO t_json_scalar(j, p) AS CASE WHEN json_type(json_extract(j, p)) IN ('OBJECT', 'ARRAY') THEN NULL ELSE json_extract_string(j, p) END;
CREATE MACRO t_slice(a, i, n) AS CASE WHEN i = 0 THEN error('INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1')
  WHEN n < 0 THEN error('INVALID_FUNCTION_ARGUMENT: length must be greater than or equal to 0')
  WHEN n = 0 OR abs(i) > len(a) THEN a[1:0] WHEN i > 0 THEN a[i:i + n - 1] ELSE a[len(a) + i + 1:least(len(a) + i + n, len(a))] END;
CREATE MACRO t_any(b) AS CASE WHEN b IS NULL THEN NULL WHEN len(list_filter(b, lambda x: x)) > 0 THEN TRUE
  WHEN len(list_filter(b, lambda x: x IS NULL)) > 0 THEN NULL ELSE FALSE END;
CREATE MACRO t_map_agg(l) AS map_from_entries(list_reduce(list_filter(l, lambda e: e IS NOT NULL),
  lambda a, e: CASE WHEN list_contains(list_transform(a, lambda x: x.key), e.key) THEN a ELSE list_append(a, e) END,
  list_filter(l, lambda z: FALSE)));
CREATE MACRO t_months(a, b) AS CASE WHEN b >= a THEN datesub('month', a, b) ELSE -datesub('month', b, a) END;
"""
