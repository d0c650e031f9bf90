"""Functions of arrays and maps that take a lambda.

https://trino.io/docs/current/functions/{array,map,lambda}.html
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

from typing import Any

from sqlglot import exp

from local_mock.athena.errors import QueryError, at
from local_mock.athena.sqltypes import (
    BIGINT,
    BOOLEAN,
    UNKNOWN,
    array,
    common_type,
    map_of,
    row,
)
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.functions.special import mismatch, resolved
from local_mock.athena.translate.python import python
from local_mock.athena.translate.relations import Scope, Typed

__all__ = ["SPECIAL"]


def _array_sort_by(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    """array_sort with a comparison: all pairs are compared, then sorted by what came out."""
    values, compare = c.compile(arguments[0], scope), arguments[1]
    if values.type.base != "array" or len(compare.expressions) != 2:
        raise mismatch(c, node, "array_sort", [values])
    names, inner = c.lambda_names(2), Scope(scope)
    for parameter, name in zip(compare.expressions, names, strict=True):
        inner.parameters[parameter.name.lower()] = Typed(name, values.type.args[0])
    with c.deeper():
        body = c.compile(compare.this, inner)
    if not (body.type.is_integer or body.type == UNKNOWN):
        raise mismatch(c, node, "array_sort", [values])
    row_ = f"list_transform({values.sql}, lambda {names[1]}: CAST({body.sql} AS BIGINT))"
    table = f"list_transform({values.sql}, lambda {names[0]}: {row_})"
    return python("array_sort_by", [values, Typed(table, array(array(BIGINT)))], values.type)


def _array_sort(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    if len(arguments) == 2 and isinstance(arguments[1], exp.Lambda):
        return _array_sort_by(c, node, arguments, scope)
    return resolved(c, node, "array_sort", [c.compile(a, scope) for a in arguments], scope)


def _map_zip_with(c: Any, node: exp.Expression, arguments: list[Any], scope: Scope) -> Typed:
    if len(arguments) != 3 or not isinstance(arguments[2], exp.Lambda) or len(arguments[2].expressions) != 3:
        raise mismatch(c, node, "map_zip_with", [])
    first, second = (c.compile(a, scope) for a in arguments[:2])
    if first.type.base != "map" or second.type.base != "map":
        raise mismatch(c, node, "map_zip_with", [first, second])
    key = common_type(first.type.args[0], second.type.args[0])
    if key is None:
        raise mismatch(c, node, "map_zip_with", [first, second])
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


SPECIAL: dict[str, Any] = {
    "array_sort": _array_sort,
    **{name: _map_lambda(name) for name in ("zip_with", "map_filter", "transform_values", "transform_keys")},
    "map_zip_with": _map_zip_with,
}
