"""Aggregates whose grammar or result type no signature line can express.

https://trino.io/docs/current/functions/aggregate.html
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

from typing import Any

from sqlglot import exp

from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.sqltypes import (
    BIGINT,
    DOUBLE,
    INTEGER,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    decimal,
    map_of,
    row,
)
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.functions.special import mismatch, resolved
from local_mock.athena.translate.python import python, python_sql
from local_mock.athena.translate.relations import Scope, Typed

__all__ = ["AGGREGATES"]


_LISTAGG_BYTES = 2**20  # https://trino.io/docs/current/functions/aggregate.html#listagg
_LISTAGG_TOO_LONG = f"EXCEEDED_FUNCTION_MEMORY_LIMIT: Concatenated string has the length in bytes larger than the maximum output length {_LISTAGG_BYTES}"


def _aggregate_of(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> tuple[Any, list[Any]]:
    return c._clauses_of(node, arguments, scope, is_window=False)  # type: ignore[no-any-return]


def _approx_percentile(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    """Return the value at the rank that Trino's digest gives while it holds every value by itself.

    Of n sorted values, that is the one at floor(share * n) (from 0), the last at most: `TDigest.valueAt` of airlift.
    """
    clauses, arguments = _aggregate_of(c, node, arguments, scope)
    if len(arguments) != 2:
        raise not_supported("approx_percentile with weights or accuracy", c.place(node, "approx_percentile"))
    value, share = (c.compile(a, scope) for a in arguments)
    if not value.type.is_numeric:
        raise mismatch(c, node, "approx_percentile", [value, share])
    if value.type.base == "decimal":
        value = Typed(widen(value.sql, value.type, DOUBLE), DOUBLE)
    if value.type.base in ("tinyint", "smallint", "integer"):
        value = Typed(widen(value.sql, value.type, BIGINT), BIGINT)
    many = share.type.base == "array"
    shares = widen(share.sql, share.type, array(DOUBLE) if many else DOUBLE)
    ranked = f"list_sort({_list_of(clauses, value, nulls=False).sql})"
    failure = "t_fail('INVALID_FUNCTION_ARGUMENT: Percentile must be between 0 and 1')"

    def at_share(sql: str) -> str:
        rank = f"CAST(least(floor({sql} * len({ranked})), len({ranked}) - 1) AS BIGINT) + 1"
        return f"{ranked}[CASE WHEN {sql} BETWEEN 0 AND 1 THEN {rank} WHEN {sql} IS NOT NULL THEN {failure} END]"

    if not many:
        return Typed(
            f"(CASE WHEN len({ranked}) > 0 THEN {at_share(f'any_value({shares}){clauses.over}')} END)", value.type
        )
    name = c.fresh("q")
    each = f"list_transform(any_value({shares}){clauses.over}, lambda {name}: {at_share(name)})"
    return Typed(f"(CASE WHEN len({ranked}) > 0 THEN {each} END)", array(value.type))


def _gathered(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> tuple[list[Typed], Any]:
    clauses, arguments = _aggregate_of(c, node, arguments, scope)
    return [a if isinstance(a, Typed) else c.compile(a, scope) for a in arguments], clauses


def _list_of(clauses: Any, value: Typed, *, nulls: bool = True) -> Typed:
    """Return array_agg of a value under the clauses of an aggregate; DISTINCT keeps the first of equal ones."""
    kind = array(value.type)
    distinct = clauses.distinct if clauses.order else ""
    gathered = f"list({distinct}{value.sql}{clauses.order}){clauses.filter}{clauses.over}"
    if clauses.distinct and not clauses.order:
        gathered = python_sql("array_distinct", [(gathered, kind)], kind)
    if not nulls:
        gathered = f"list_filter({gathered}, lambda v: v IS NOT NULL)"
    return Typed(gathered, kind)


def _array_agg(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    values, clauses = _gathered(c, node, arguments, scope)
    if len(values) != 1:
        raise mismatch(c, node, "array_agg", values)
    return _list_of(clauses, values[0])


def _extreme_aggregate(word: str) -> Any:
    """Return the handler of `max` or `min`: NaN loses, nested values compare as in Trino."""

    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        values, clauses = _gathered(c, node, arguments, scope)
        if len(values) not in (1, 2) or not (values[0].type.orderable or values[0].type == UNKNOWN):
            raise mismatch(c, node, word, values)
        value, tail = values[0], clauses.filter + clauses.over
        floating = value.type.base in ("real", "double")
        if len(values) == 2:
            if not values[1].type.is_integer or floating or value.type.args:
                raise not_supported(f"{word} of several {value.type} values", c.place(node, word))
            count = f"CAST({values[1].sql} AS BIGINT)"
            checked = f"CASE WHEN {count} <= 0 THEN t_fail('INVALID_FUNCTION_ARGUMENT: third argument of {word} must be a positive integer') WHEN {count} > 10000 THEN t_fail('INVALID_FUNCTION_ARGUMENT: third argument of {word} must be less than or equal to 10000') ELSE {count} END"
            return Typed(
                f"{word}({clauses.distinct}{value.sql}, CAST({checked} AS BIGINT)){tail}", array(value.type)
            )
        if value.type.args:
            return python(f"array_{word}", [_list_of(clauses, value, nulls=False)], value.type)
        if word == "max" and floating:
            numbers = f"CASE WHEN NOT t_nan({value.sql}) THEN {value.sql} END"
            return Typed(f"coalesce(max({numbers}){tail}, max({value.sql}){tail})", value.type)
        return Typed(f"{word}({value.sql}){tail}", value.type)

    return handler


def _by(word: str) -> Any:
    """max_by and min_by."""

    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        values, clauses = _gathered(c, node, arguments, scope)
        if len(values) not in (2, 3) or not (values[1].type.orderable or values[1].type == UNKNOWN):
            raise mismatch(c, node, word, values)
        value, key, tail = values[0], values[1], clauses.filter + clauses.over
        name = "arg_max" if word == "max_by" else "arg_min"
        floating = key.type.base in ("real", "double")
        if key.type.args and len(values) == 2:
            entry = row([("", value.type), ("", key.type)])
            pairs = _list_of(clauses, Typed(f"{{'f0': {value.sql}, 'f1': {key.sql}}}", entry))
            return python(word, [pairs], value.type)
        if key.type.args or (len(values) == 3 and (floating or not values[2].type.is_integer)):
            raise not_supported(f"{word} by {key.type}", c.place(node, word))
        if len(values) == 3:
            result = (
                f"{name}({clauses.distinct}{{'v': {value.sql}}}, {key.sql}, CAST({values[2].sql} AS BIGINT)){tail}"
            )
            return Typed(f"list_transform({result}, lambda e: e.v)", array(value.type))
        if word == "max_by" and floating:
            number = f"CASE WHEN NOT t_nan({key.sql}) THEN {key.sql} END"
            plain = f"arg_max_null({value.sql}, {key.sql}){tail}"
            return Typed(
                f"(CASE WHEN count({number}){tail} > 0 THEN arg_max_null({value.sql}, {number}){tail} ELSE {plain} END)",
                value.type,
            )
        return Typed(f"{name}_null({value.sql}, {key.sql}){tail}", value.type)

    return handler


def _pairs(function: str) -> Any:
    """map_agg and multimap_agg."""

    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        values, clauses = _gathered(c, node, arguments, scope)
        if len(values) != 2:
            raise mismatch(c, node, function, values)
        key, value = values
        entry = row([("", key.type), ("", value.type)])
        struct = f"CASE WHEN ({key.sql}) IS NOT NULL THEN {{'f0': {key.sql}, 'f1': {value.sql}}} END"
        pairs = _list_of(clauses, Typed(struct, entry), nulls=False)
        kind = map_of(key.type, array(value.type) if function == "multimap_agg" else value.type)
        made = python("multimap_from_entries" if function == "multimap_agg" else "first_pairs", [pairs], kind)
        return Typed(f"(CASE WHEN len({pairs.sql}) > 0 THEN {made.sql} END)", kind)

    return handler


def _over_list(function: str, result: Any, accepts: Any, target: Any = None) -> Any:
    """Return an aggregate that a Python function computes from all values."""

    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        values, clauses = _gathered(c, node, arguments, scope)
        if len(values) != 1 or not accepts(values[0].type):
            raise mismatch(c, node, function, values)
        value = values[0] if target is None else Typed(widen(values[0].sql, values[0].type, target), target)
        return python(function, [_list_of(clauses, value)], result(value.type))

    return handler


def _reduce_agg(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    clauses, arguments = _aggregate_of(c, node, arguments, scope)
    if len(arguments) != 4:
        raise mismatch(c, node, "reduce_agg", [])
    gathered = _list_of(clauses, c.compile(arguments[0], scope), nulls=False)
    identity = exp.Lambda(this=exp.to_identifier("s"), expressions=[exp.to_identifier("s")])
    made = resolved(
        c, exp.Anonymous(this="reduce"), "reduce", [gathered, arguments[1], arguments[2], identity], scope
    )
    return Typed(f"(CASE WHEN len({gathered.sql}) > 0 THEN {made.sql} END)", made.type)


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
    exact = [(total, decimal(38, scale)), (counted, decimal(19, 0))]
    return Typed(python_sql("decimal_divide", exact, value.type), value.type)


def _listagg(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    clauses, plain = _aggregate_of(c, node, arguments, scope)
    if not clauses.order:
        raise QueryError("SYNTAX_ERROR", f"{at(c.place(node, 'listagg'))}LISTAGG needs WITHIN GROUP (ORDER BY …)")
    if clauses.over:
        raise QueryError(
            "NOT_SUPPORTED", f"{at(c.place(node, 'listagg'))}Window function with ORDER BY is not supported"
        )
    values = [c.compile(a, scope) for a in plain]
    if len(values) != 2 or not all(v.type.is_text or v.type == UNKNOWN for v in values):
        raise mismatch(c, node, "listagg", values)
    joined = f"string_agg({clauses.distinct}{widen(values[0].sql, values[0].type, VARCHAR)}, {values[1].sql}{clauses.order}){clauses.filter}"
    joining = node.find(exp.GroupConcat)
    on_overflow = joining.args.get("on_overflow") if joining else None
    message = _LISTAGG_TOO_LONG
    if isinstance(on_overflow, exp.OverflowTruncateBehavior):
        count = "WITH" if on_overflow.args.get("with_count") else "WITHOUT"
        message = f"NOT_SUPPORTED: LISTAGG ON OVERFLOW TRUNCATE … {count} COUNT of more than {_LISTAGG_BYTES} bytes is not supported by local_mock"
    failure = f"CAST(t_fail('{message}') AS VARCHAR)"
    return Typed(f"(CASE WHEN strlen({joined}) > {_LISTAGG_BYTES} THEN {failure} ELSE {joined} END)", VARCHAR)


def _grouping(c: Any, _node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    """Return the bits that say which of the columns, of any types, a grouping set lacks."""
    columns = ", ".join(c.compile(a, scope).sql for a in arguments)
    return Typed(f"CAST(grouping({columns}) AS INTEGER)", INTEGER)


def _is_map(kind: Type) -> bool:
    return kind.base == "map"


def _is_any(_kind: Type) -> bool:
    return True


def _constant(kind: Type) -> Any:
    return lambda _argument: kind


def _is_number(kind: Type) -> bool:
    return kind.is_numeric


AGGREGATES: dict[str, Any] = {
    "approx_percentile": _approx_percentile, "array_agg": _array_agg, "avg": _decimal_average, "grouping": _grouping, "max": _extreme_aggregate("max"),
    "min": _extreme_aggregate("min"), "max_by": _by("max_by"), "min_by": _by("min_by"), "map_agg": _pairs("map_agg"),
    "multimap_agg": _pairs("multimap_agg"), "histogram": _over_list("histogram", lambda k: map_of(k, BIGINT), _is_any),
    "map_union": _over_list("map_union", lambda k: k, _is_map), "checksum": _over_list("checksum", _constant(VARBINARY), _is_any),
    "skewness": _over_list("skewness", _constant(DOUBLE), _is_number, DOUBLE),
    "kurtosis": _over_list("kurtosis", _constant(DOUBLE), _is_number, DOUBLE),
    "entropy": _over_list("entropy", _constant(DOUBLE), _is_number, DOUBLE), "reduce_agg": _reduce_agg, "listagg": _listagg,
}  # fmt: skip
