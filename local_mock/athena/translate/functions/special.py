"""Scalar functions whose grammar or result type no signature line can express.

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
    UNKNOWN,
    VARCHAR,
    Type,
    array,
    decimal,
    is_coercible,
    row,
)
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.python import python
from local_mock.athena.translate.relations import Scope, Typed, text

__all__ = ["SPECIAL", "mismatch", "resolved"]


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


def mismatch(c: Any, node: exp.Expression, name: str, values: list[Any]) -> QueryError:
    shown = ", ".join(str(v.type) if isinstance(v, Typed) else "<function>" for v in values)
    return QueryError(
        "TYPE_MISMATCH", f"{at(c.place(node, name))}Unexpected parameters ({shown}) for function {name}"
    )


def _extreme(word: str) -> Any:
    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        values = [c.compile(a, scope) for a in arguments]
        if not values:
            raise mismatch(c, node, word, values)
        sqls, kind = c.unify(values, scope, f"All {word.upper()} operands must be the same type")
        if not kind.orderable and kind != UNKNOWN:
            raise mismatch(c, node, word, values)
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


def resolved(c: Any, node: exp.Expression, name: str, values: list[Any], scope: Scope) -> Typed:
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
            return resolved(c, node, name, values, scope)
        p, s = values[0].type.numbers
        if len(values) == 1:
            kind = decimal(max(1, p - s), 0) if name == "truncate" else decimal(p - s + min(s, 1), 0)
            return python(function, values, kind)
        if not is_coercible(values[1].type, BIGINT):
            raise mismatch(c, node, name, values)
        kind = decimal(p, s) if name == "truncate" else decimal(min(38, p + 1), s)
        return python(function, [values[0], Typed(widen(values[1].sql, values[1].type, BIGINT), BIGINT)], kind)

    return handler


def _mod(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    from local_mock.athena.translate.arithmetic import operate

    values = [c.compile(a, scope) for a in arguments]
    if len(values) != 2 or not all(v.type.is_numeric or v.type == UNKNOWN for v in values):
        raise mismatch(c, node, "mod", values)
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
        return resolved(c, node, name, values, scope)

    return handler


def _trim_char(name: str) -> Any:
    def handler(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
        values = [c.compile(a, scope) for a in arguments]
        if values and values[0].type.base == "char":
            return python(name, [Typed(values[0].sql, VARCHAR), *values[1:]], VARCHAR)
        return resolved(c, node, name, values, scope)

    return handler


def _normalize(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    form = "NFC"
    if len(arguments) == 2 and isinstance(arguments[1], exp.Column):
        form = arguments[1].name.upper()
    elif len(arguments) != 1:
        raise QueryError("SYNTAX_ERROR", f"{at(c.place(node, 'normalize'))}normalize(text [, form]) expected")
    value = c.compile(arguments[0], scope)
    if value.type.base not in ("varchar", "char", "unknown") or form not in ("NFC", "NFD", "NFKC", "NFKD"):
        raise mismatch(c, node, "normalize", [value])
    return python(
        "normalize", [Typed(widen(value.sql, value.type, VARCHAR), VARCHAR), Typed(text(form), VARCHAR)], VARCHAR
    )


def _format(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    values = [c.compile(a, scope) for a in arguments]
    if len(values) < 2 or not values[0].type.is_text:
        raise mismatch(c, node, "format", values)
    return python("format", values, VARCHAR)


def _regexp_replace(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    if len(arguments) != 3 or not isinstance(arguments[2], exp.Lambda):
        return resolved(c, node, "regexp_replace", [c.compile(a, scope) for a in arguments], scope)
    values = [c.compile(a, scope) for a in arguments[:2]]
    node_lambda, name = arguments[2], c.lambda_names(1)[0]
    if len(node_lambda.expressions) != 1:
        raise mismatch(c, node, "regexp_replace", values)
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


def _contains(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    values = [c.compile(a, scope) for a in arguments]
    if len(values) == 2 and values[0].type.is_text and values[1].type.base in ("ipaddress", "unknown"):
        address = Type("ipaddress")
        return python(
            "ip_contains", [values[0], Typed(widen(values[1].sql, values[1].type, address), address)], BOOLEAN
        )
    return resolved(c, node, "contains", values, scope)


SPECIAL: dict[str, Any] = {
    "coalesce": _coalesce, "nullif": _nullif, "if": _if, "try": _try, "greatest": _extreme("greatest"),
    "least": _extreme("least"), "concat": _concat, "row": _row, "typeof": _typeof, "mod": _mod,
    **{name: _decimal_rounding(name) for name in ("round", "truncate", "ceil", "ceiling", "floor")},
    **{name: _rotated(name) for name in ("length", "lower", "upper", "reverse")},
    **{name: _trim_char(name) for name in ("trim", "ltrim", "rtrim")},
    "normalize": _normalize, "format": _format, "regexp_replace": _regexp_replace, "contains": _contains,
}  # fmt: skip
