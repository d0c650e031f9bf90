"""Find the conjuncts of a condition that may prune partitions or row groups, and of which table.

A conjunct counts if all its columns pass unchanged from one table, through relations that a filter may
cross (no outer join, LIMIT, window or aggregate in between).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sqlglot import exp

from local_mock.athena.errors import QueryError
from local_mock.athena.translate.relations import Column, Predicate, Relation, Scope

if TYPE_CHECKING:
    from local_mock.athena.translate.expressions import Expressions

__all__ = ["note_conjuncts"]

_OPS = {exp.EQ: "=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def note_conjuncts(
    compiler: Expressions, condition: exp.Expression, scope: Scope, allowed: Callable[[Relation], bool]
) -> None:
    """Record the useful conjuncts of `condition` in the scans that they prune."""
    for conjunct in _conjuncts(condition):
        if conjunct.find(exp.Query, exp.Lambda, exp.Window):
            continue
        columns = _columns(conjunct, scope, allowed)
        scans = {id(c.origin.scan): c.origin.scan for c in columns or [] if c.origin is not None}
        if not columns or len(scans) != 1 or any(c.origin is None for c in columns):
            continue
        (scan,) = scans.values()
        if scan is None:
            continue
        keys = {name for name, _ in scan.table.partition_keys}
        origins = {c.ref: str(c.origin.name) for c in columns if c.origin is not None}
        if set(origins.values()) <= keys:
            scan.partition_filters.append((compiler.boolean(conjunct, scope), origins))
        elif len(columns) == 1 and (simple := _simple(compiler, conjunct, scope, *origins.values())):
            scan.predicates.append(simple)


def _conjuncts(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.And):
        yield from _conjuncts(node.this)
        yield from _conjuncts(node.expression)
    elif isinstance(node, exp.Paren):
        yield from _conjuncts(node.this)
    else:
        yield node


def _columns(node: exp.Expression, scope: Scope, allowed: Callable[[Relation], bool]) -> list[Column] | None:
    """Return the distinct columns in `node`; None if one may not be pushed down or is not of this level."""
    columns: dict[int, Column] = {}
    for name in node.find_all(exp.Column):
        path = [part.name for part in name.parts]
        try:
            column, _ = Scope(None, scope.relations).find(path)
        except QueryError:
            return None
        owner = next((r for r in scope.relations if any(c is column for c in r.columns)), None)
        if owner is None or not allowed(owner):
            return None
        columns[id(column)] = column
    return list(columns.values())


def _simple(compiler: Expressions, node: exp.Expression, scope: Scope, column: str) -> Predicate | None:
    """Return `column op literal`, BETWEEN or IN as a Predicate."""
    if type(node) in _OPS:
        left, right, op = node.this, node.expression, _OPS[type(node)]
        if isinstance(right, exp.Column):
            left, right, op = right, left, _MIRRORED[op]
        value = compiler.compile(right, scope).literal if isinstance(left, exp.Column) else None
        return Predicate(column, op, (value,)) if value is not None else None
    if isinstance(node, exp.Between) and isinstance(node.this, exp.Column):
        bounds = [compiler.compile(node.args[key], scope).literal for key in ("low", "high")]
        return Predicate(column, "between", tuple(bounds)) if None not in bounds else None
    if isinstance(node, exp.In) and isinstance(node.this, exp.Column) and node.expressions:
        values = [compiler.compile(item, scope).literal for item in node.expressions]
        return Predicate(column, "in", tuple(values)) if None not in values else None
    return None
