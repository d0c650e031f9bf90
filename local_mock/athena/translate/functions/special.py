"""Functions whose grammar or result type no signature line can express.

https://trino.io/docs/current/functions/{conditional,comparison,conversion,aggregate}.html
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

from typing import Any

from sqlglot import exp

from local_mock.athena.dialect import position
from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.sqltypes import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    common_type,
    decimal,
    is_coercible,
    map_of,
    row,
)
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.python import python, python_sql
from local_mock.athena.translate.relations import Scope, Typed, text

__all__ = ["AGGREGATES", "SPECIAL"]


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


def _mismatch(c: Any, node: exp.Expression, name: str, values: list[Any]) -> QueryError:
    shown = ", ".join(str(v.type) if isinstance(v, Typed) else "<function>" for v in values)
    return QueryError(
        "TYPE_MISMATCH", f"{at(c.place(node, name))}Unexpected parameters ({shown}) for function {name}"
    )


def _extreme(word: str) -> Any:
    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        values = [c.compile(a, scope) for a in arguments]
        if not values:
            raise _mismatch(c, node, word, values)
        sqls, kind = c.unify(values, scope, f"All {word.upper()} operands must be the same type")
        if not kind.orderable and kind != UNKNOWN:
            raise _mismatch(c, node, word, values)
        if kind.base in ("real", "double") or not kind.plain:
            return python(word, [Typed(sql, kind) for sql in sqls], kind)
        missing = " OR ".join(f"{sql} IS NULL" for sql in sqls)
        return Typed(f"(CASE WHEN {missing} THEN NULL ELSE {word}({', '.join(sqls)}) END)", kind)

    return handler


def _concat(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    if len(arguments) < 2:
        raise QueryError(
            "INVALID_FUNCTION_ARGUMENT",
            f"{at(c.place(node, 'concat'))}There must be two or more concatenation arguments",
        )
    return c.concatenate([c.compile(a, scope) for a in arguments], c.place(node, "concat"))  # type: ignore[no-any-return]


def _row(c: Any, _node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    return c.row([c.compile(a, scope) for a in arguments])  # type: ignore[no-any-return]


def _typeof(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    kind = c.compile(arguments[0], scope).type
    if "char" in str(kind) and kind.base not in ("varchar", "char"):
        raise not_supported(f"typeof of {kind} (lengths inside are not tracked)", c.place(node, "typeof"))
    return Typed(text(str(kind)), VARCHAR)


def _resolved(c: Any, node: exp.Expression, name: str, values: list[Any], scope: Scope) -> Typed:
    from local_mock.athena.translate.calls import _tables

    return c._resolve(node, name, _tables()[0][name], values, scope, None)  # type: ignore[no-any-return]


def _decimal_rounding(name: str) -> Any:
    """round, truncate, ceil, floor and the like of decimals; other types by their signatures."""
    function = {"round": "decimal_round", "truncate": "decimal_truncate", "floor": "decimal_floor"}.get(
        name, "decimal_ceiling"
    )

    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        values = [c.compile(a, scope) for a in arguments]
        if (
            not values
            or values[0].type.base != "decimal"
            or len(values) > 2
            or (len(values) == 2 and name not in ("round", "truncate"))
        ):
            return _resolved(c, node, name, values, scope)
        p, s = values[0].type.numbers
        if len(values) == 1:
            kind = decimal(max(1, p - s), 0) if name == "truncate" else decimal(p - s + min(s, 1), 0)
            return python(function, values, kind)
        if not is_coercible(values[1].type, BIGINT):
            raise _mismatch(c, node, name, values)
        kind = decimal(p, s) if name == "truncate" else decimal(min(38, p + 1), s)
        return python(function, [values[0], Typed(widen(values[1].sql, values[1].type, BIGINT), BIGINT)], kind)

    return handler


def _mod(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    from local_mock.athena.translate.arithmetic import operate

    values = [c.compile(a, scope) for a in arguments]
    if len(values) != 2 or not all(v.type.is_numeric or v.type == UNKNOWN for v in values):
        raise _mismatch(c, node, "mod", values)
    return operate(values[0], "%", values[1], position(node))


def _rotated(name: str) -> Any:
    """Functions with an overload for char, whose padding counts."""

    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        values = [c.compile(a, scope) for a in arguments]
        if len(values) == 1 and values[0].type.base == "char":
            kind = values[0].type
            if name == "length":
                return Typed(
                    f"(CASE WHEN ({values[0].sql}) IS NOT NULL THEN CAST({kind.width} AS BIGINT) END)",
                    BIGINT,
                )
            inner = (
                Typed(values[0].sql, VARCHAR)
                if name in ("lower", "upper")
                else Typed(widen(values[0].sql, kind, VARCHAR), VARCHAR)
            )
            made = python("reverse_text" if name == "reverse" else name, [inner], VARCHAR)
            return Typed(f"rtrim({made.sql}, ' ')", kind)
        return _resolved(c, node, name, values, scope)

    return handler


def _trim_char(name: str) -> Any:
    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        values = [c.compile(a, scope) for a in arguments]
        if values and values[0].type.base == "char":
            return python(name, [Typed(values[0].sql, VARCHAR), *values[1:]], VARCHAR)
        return _resolved(c, node, name, values, scope)

    return handler


def _normalize(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    form = "NFC"
    if len(arguments) == 2 and isinstance(arguments[1], exp.Column):
        form = arguments[1].name.upper()
    elif len(arguments) != 1:
        raise QueryError("SYNTAX_ERROR", f"{at(c.place(node, 'normalize'))}normalize(text [, form]) expected")
    value = c.compile(arguments[0], scope)
    if value.type.base not in ("varchar", "char", "unknown") or form not in ("NFC", "NFD", "NFKC", "NFKD"):
        raise _mismatch(c, node, "normalize", [value])
    return python(
        "normalize", [Typed(widen(value.sql, value.type, VARCHAR), VARCHAR), Typed(text(form), VARCHAR)], VARCHAR
    )


def _aggregate_of(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> tuple[Any, list[Any]]:
    return c._clauses_of(node, arguments, scope, is_window=False)  # type: ignore[no-any-return]


def _approx_percentile(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    """Return the exact discrete percentile (Trino's answer is an approximation of it)."""
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


def _gathered(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> tuple[list[Typed], Any]:
    clauses, arguments = _aggregate_of(c, node, arguments, scope)
    return [a if isinstance(a, Typed) else c.compile(a, scope) for a in arguments], clauses


def _list_of(clauses: Any, value: Typed, *, nulls: bool = True) -> Typed:
    """array_agg of a value under the clauses of an aggregate."""
    gathered = f"list({clauses.distinct}{value.sql}{clauses.order}){clauses.filter}{clauses.over}"
    if not nulls:
        gathered = f"list_filter({gathered}, lambda v: v IS NOT NULL)"
    return Typed(gathered, array(value.type))


def _extreme_aggregate(word: str) -> Any:
    """Return the handler of `max` or `min`: NaN loses, nested values compare as in Trino."""

    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        values, clauses = _gathered(c, node, arguments, scope)
        if len(values) not in (1, 2) or not (values[0].type.orderable or values[0].type == UNKNOWN):
            raise _mismatch(c, node, word, values)
        value, tail = values[0], clauses.filter + clauses.over
        floating = value.type.base in ("real", "double")
        if len(values) == 2:
            if not values[1].type.is_integer or floating or value.type.args:
                raise not_supported(f"{word} of several {value.type} values", c.place(node, word))
            count = f"CAST({values[1].sql} AS BIGINT)"
            checked = f"CASE WHEN {count} <= 0 THEN t_fail('INVALID_FUNCTION_ARGUMENT: third argument of {word} must be a positive integer') WHEN {count} > 10000 THEN t_fail('INVALID_FUNCTION_ARGUMENT: third argument of {word} must be less than or equal to 10000') ELSE {count} END"
            return Typed(f"{word}({value.sql}, CAST({checked} AS BIGINT)){tail}", array(value.type))
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
            raise _mismatch(c, node, word, values)
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
            result = f"{name}({{'v': {value.sql}}}, {key.sql}, CAST({values[2].sql} AS BIGINT)){tail}"
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
            raise _mismatch(c, node, function, values)
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
            raise _mismatch(c, node, function, values)
        value = values[0] if target is None else Typed(widen(values[0].sql, values[0].type, target), target)
        return python(function, [_list_of(clauses, value)], result(value.type))

    return handler


def _reduce_agg(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    clauses, arguments = _aggregate_of(c, node, arguments, scope)
    if len(arguments) != 4:
        raise _mismatch(c, node, "reduce_agg", [])
    gathered = _list_of(clauses, c.compile(arguments[0], scope), nulls=False)
    identity = exp.Lambda(this=exp.to_identifier("s"), expressions=[exp.to_identifier("s")])
    made = _resolved(
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


def _format(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    values = [c.compile(a, scope) for a in arguments]
    if len(values) < 2 or not values[0].type.is_text:
        raise _mismatch(c, node, "format", values)
    return python("format", values, VARCHAR)


def _array_sort_by(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    """array_sort with a comparison: all pairs are compared, then sorted by what came out."""
    values, compare = c.compile(arguments[0], scope), arguments[1]
    if values.type.base != "array" or len(compare.expressions) != 2:
        raise _mismatch(c, node, "array_sort", [values])
    names, inner = c.lambda_names(2), Scope(scope)
    for parameter, name in zip(compare.expressions, names, strict=True):
        inner.parameters[parameter.name.lower()] = Typed(name, values.type.args[0])
    with c.deeper():
        body = c.compile(compare.this, inner)
    if not (body.type.is_integer or body.type == UNKNOWN):
        raise _mismatch(c, node, "array_sort", [values])
    row_ = f"list_transform({values.sql}, lambda {names[1]}: CAST({body.sql} AS BIGINT))"
    table = f"list_transform({values.sql}, lambda {names[0]}: {row_})"
    return python("array_sort_by", [values, Typed(table, array(array(BIGINT)))], values.type)


def _array_sort(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    if len(arguments) == 2 and isinstance(arguments[1], exp.Lambda):
        return _array_sort_by(c, node, arguments, scope)
    return _resolved(c, node, "array_sort", [c.compile(a, scope) for a in arguments], scope)


def _regexp_replace(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    if len(arguments) != 3 or not isinstance(arguments[2], exp.Lambda):
        return _resolved(c, node, "regexp_replace", [c.compile(a, scope) for a in arguments], scope)
    values = [c.compile(a, scope) for a in arguments[:2]]
    node_lambda, name = arguments[2], c.lambda_names(1)[0]
    if len(node_lambda.expressions) != 1:
        raise _mismatch(c, node, "regexp_replace", values)
    inner = Scope(scope)
    inner.parameters[node_lambda.expressions[0].name.lower()] = Typed(f"{name}.f1", array(VARCHAR))
    with c.deeper():
        body = c.compile(node_lambda.this, inner)
    pieces = python("regexp_pieces", values, array(row([("", VARCHAR), ("", array(VARCHAR))])))
    last = f"len({pieces.sql})"
    parts = f"list_transform({pieces.sql}, lambda {name}, i{name}: {name}.f0 || CASE WHEN i{name} < {last} THEN {widen(body.sql, body.type, VARCHAR)} ELSE '' END)"
    return Typed(
        f"(CASE WHEN len(list_filter({parts}, lambda v: v IS NULL)) = 0 THEN array_to_string({parts}, '') END)",
        VARCHAR,
    )


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
        raise _mismatch(c, node, "listagg", values)
    joined = f"string_agg({clauses.distinct}{widen(values[0].sql, values[0].type, VARCHAR)}, {values[1].sql}{clauses.order}){clauses.filter}{clauses.over}"
    return Typed(joined, VARCHAR)


def _contains(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    values = [c.compile(a, scope) for a in arguments]
    if len(values) == 2 and values[0].type.is_text and values[1].type.base in ("ipaddress", "unknown"):
        address = Type("ipaddress")
        return python(
            "ip_contains", [values[0], Typed(widen(values[1].sql, values[1].type, address), address)], BOOLEAN
        )
    return _resolved(c, node, "contains", values, scope)


def _map_zip_with(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    if len(arguments) != 3 or not isinstance(arguments[2], exp.Lambda) or len(arguments[2].expressions) != 3:
        raise _mismatch(c, node, "map_zip_with", [])
    first, second = (c.compile(a, scope) for a in arguments[:2])
    if first.type.base != "map" or second.type.base != "map":
        raise _mismatch(c, node, "map_zip_with", [first, second])
    key = common_type(first.type.args[0], second.type.args[0])
    if key is None:
        raise _mismatch(c, node, "map_zip_with", [first, second])
    kinds = [map_of(key, m.type.args[1]) for m in (first, second)]
    maps = [Typed(widen(m.sql, m.type, k), k) for m, k in zip((first, second), kinds, strict=True)]
    entry = row([("", key), ("", kinds[0].args[1]), ("", kinds[1].args[1])])
    name, inner = c.lambda_names(1)[0], Scope(scope)
    for i, (parameter, kind) in enumerate(zip(arguments[2].expressions, entry.args, strict=True)):
        inner.parameters[parameter.name.lower()] = Typed(f"{name}.f{i}", kind)
    with c.deeper():
        body = c.compile(arguments[2].this, inner)
    pairs = python("map_paired", maps, array(entry))
    made = f"list_transform({pairs.sql}, lambda {name}: {{'f0': {name}.f0, 'f1': {body.sql}}})"
    return python(
        "map_from_entries", [Typed(made, array(row([("", key), ("", body.type)])))], map_of(key, body.type)
    )


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
        pair = c.lambda_names(1)[0]
        kinds = (values[0].type.args[0], values[1].type.args[0]) if name == "zip_with" else values[0].type.args
        refs = (f"{pair}[1]", f"{pair}[2]") if name == "zip_with" else (f"{pair}.key", f"{pair}.value")
        inner = Scope(scope)
        for parameter, ref, kind in zip(arguments[-1].expressions, refs, kinds, strict=True):
            inner.parameters[parameter.name.lower()] = Typed(ref, kind)
        with c.deeper():
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
        if name == "transform_keys":
            rows = f"list_transform({entries}, lambda {pair}: {{'f0': {key}, 'f1': {value}}})"
            return python(
                "map_from_entries", [Typed(rows, array(row([("", kind.args[0]), ("", kind.args[1])])))], kind
            )
        made = f"list_transform({entries}, lambda {pair}: {{'key': {key}, 'value': {value}}})"
        return Typed(f"map_from_entries({made})", kind)

    return handler


def _is_map(kind: Type) -> bool:
    return kind.base == "map"


def _is_any(_kind: Type) -> bool:
    return True


def _constant(kind: Type) -> Any:
    return lambda _argument: kind


def _is_number(kind: Type) -> bool:
    return kind.is_numeric


SPECIAL: dict[str, Any] = {
    "coalesce": _coalesce, "nullif": _nullif, "if": _if, "try": _try, "greatest": _extreme("greatest"),
    "least": _extreme("least"), "concat": _concat, "row": _row, "typeof": _typeof, "mod": _mod,
    **{name: _decimal_rounding(name) for name in ("round", "truncate", "ceil", "ceiling", "floor")},
    **{name: _rotated(name) for name in ("length", "lower", "upper", "reverse")},
    **{name: _trim_char(name) for name in ("trim", "ltrim", "rtrim")},
    "normalize": _normalize, "format": _format, "array_sort": _array_sort, "regexp_replace": _regexp_replace, "contains": _contains,
    **{name: _map_lambda(name) for name in ("zip_with", "map_filter", "transform_values", "transform_keys")},
    "map_zip_with": _map_zip_with,
}  # fmt: skip
AGGREGATES: dict[str, Any] = {
    "approx_percentile": _approx_percentile, "avg": _decimal_average, "max": _extreme_aggregate("max"),
    "min": _extreme_aggregate("min"), "max_by": _by("max_by"), "min_by": _by("min_by"), "map_agg": _pairs("map_agg"),
    "multimap_agg": _pairs("multimap_agg"), "histogram": _over_list("histogram", lambda k: map_of(k, BIGINT), _is_any),
    "map_union": _over_list("map_union", lambda k: k, _is_map), "checksum": _over_list("checksum", _constant(VARBINARY), _is_any),
    "skewness": _over_list("skewness", _constant(DOUBLE), _is_number, DOUBLE),
    "kurtosis": _over_list("kurtosis", _constant(DOUBLE), _is_number, DOUBLE),
    "entropy": _over_list("entropy", _constant(DOUBLE), _is_number, DOUBLE), "reduce_agg": _reduce_agg, "listagg": _listagg,
}  # fmt: skip
