"""Correlated subqueries that Trino's planner refuses, and DuckDB would answer.

Source: Trino's TestSelectAll.testSelectAllFromOuterScopeTable and TestSubqueries, and its PlanNodeDecorrelator.
"""

# ruff: noqa: E501 - one line a condition
from __future__ import annotations

import contextlib

from sqlglot import exp

from local_mock.athena.dialect import position
from local_mock.athena.errors import QueryError, at
from local_mock.athena.sqltypes import common_type
from local_mock.athena.translate.relations import Column, Scope

__all__ = ["check_decorrelated", "check_outer_star", "check_quantified"]


def _refused(node: exp.Expression) -> QueryError:
    return QueryError("NOT_SUPPORTED", f"{at(position(node))}Given correlated subquery is not supported")


def check_outer_star(star: exp.Expression) -> None:
    """Refuse `SELECT t.*` of an outer relation, but over one row of constants and under EXISTS."""
    select = star.find_ancestor(exp.Select)
    assert select is not None
    holder = select.parent.parent if isinstance(select.parent, exp.Subquery) else select.parent
    if isinstance(holder, exp.Exists) or isinstance(select.parent, exp.Exists):
        return
    source, where = select.args.get("from_"), select.args.get("where")
    if source is None:
        if isinstance(holder, exp.In) or isinstance(select.parent, exp.In):
            raise _refused(star)
        return
    values = source.this.this if isinstance(source.this, exp.Subquery) else source.this
    is_row = isinstance(values, exp.Values) and len(values.expressions) == 1 and not select.args.get("joins")
    if not is_row or (where is not None and where.find(exp.Column)):
        raise _refused(star)


def check_decorrelated(node: exp.Select, scope: Scope, *, is_one_row: bool) -> None:
    """Refuse a correlated subquery whose LIMIT or GROUP BY Trino cannot take out of it.

    It keeps the columns that the WHERE compares with outer ones; each must be one that the condition makes
    constant (`inner = outer`) or, under GROUP BY, a key; the groups of an inner join's LATERAL take any condition
    (TransformCorrelatedGroupedAggregationWithProjection). LIMIT 1 without ORDER BY gives constant columns only.
    `is_one_row`: the subquery aggregates all its rows into one.
    """
    holder = node.parent.parent if isinstance(node.parent, exp.Subquery) else node.parent
    if scope.parent is None:
        return
    subquery = _Correlated(node, scope)
    group, limit = node.args.get("group"), node.args.get("limit")
    if group is not None and any(subquery.is_outer(key) for key in group.expressions):
        raise _refused(group.expressions[0])
    if any(subquery.is_outer(unnest) for unnest in _unnests(node)):
        filters = [item for item in node.expressions if item.find(exp.Filter)]
        if filters and group is None:
            raise _refused(filters[0])
        return
    if not subquery.conditions:
        return
    refused = _refused(subquery.conditions[0])
    is_single = is_one_row
    if group is not None:
        keys = subquery.inner_of(group.expressions, plain=True)
        if subquery.kept - keys - subquery.constant and not _is_inner_lateral(holder):
            raise refused
        is_single = keys <= subquery.constant
    if limit is None or is_single or isinstance(holder, exp.Lateral):
        return
    if subquery.kept - subquery.constant:
        raise refused
    is_one = limit.args.get("expression") is not None and limit.expression.name == "1"
    is_plain = is_one and not node.args.get("order") and not isinstance(holder, exp.Exists)
    if is_plain and (not subquery.constant or subquery.inner_of(node.expressions) - subquery.constant):
        raise refused


def _is_inner_lateral(holder: exp.Expression | None) -> bool:
    """Return whether what holds a subquery is the LATERAL of an inner or a cross join."""
    return isinstance(holder, exp.Lateral) and not (isinstance(holder.parent, exp.Join) and holder.parent.side)


def _unnests(node: exp.Select) -> list[exp.Unnest]:
    """Return the UNNEST of a FROM clause and its joins."""
    parts = [node.args.get("from_"), *(node.args.get("joins") or [])]
    unnests = [unnest for part in parts if part is not None for unnest in part.find_all(exp.Unnest)]
    return [unnest for unnest in unnests if unnest.find_ancestor(exp.Select) is node]


class _Correlated:
    """The conditions of a subquery's WHERE that name outer columns, and the inner columns in them."""

    def __init__(self, node: exp.Select, scope: Scope) -> None:
        self.node, self.scope = node, scope
        self.own = {id(column) for relation in scope.relations for column in relation.columns}
        self.conditions: list[exp.Expression] = []
        self.kept: set[int] = set()
        self.constant: set[int] = set()
        where = node.args.get("where")
        if where is None:
            return
        for conjunct in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
            columns = self.columns(conjunct)
            inner = {id(column) for column in columns} & self.own
            if len(inner) == len({id(column) for column in columns}) or conjunct.find(exp.Query):
                continue
            self.conditions.append(conjunct)
            self.kept |= inner
            equal = conjunct.unnest()
            if isinstance(equal, exp.EQ):
                self._equate(equal.this.unnest(), equal.expression)
                self._equate(equal.expression.unnest(), equal.this)

    def columns(self, node: exp.Expression) -> list[Column]:
        """Return the columns that an expression names, those of a lambda and of further subqueries aside."""
        columns = []
        for name in node.find_all(exp.Column):
            if name.find_ancestor(exp.Select) is self.node and name.find_ancestor(exp.Lambda) is None:
                with contextlib.suppress(QueryError):
                    columns.append(self.scope.find([part.name for part in name.parts])[0])
        return columns

    def is_outer(self, node: exp.Expression) -> bool:
        """Return whether an expression is made of outer columns only."""
        columns = self.columns(node)
        return bool(columns) and not {id(column) for column in columns} & self.own

    def inner_of(self, nodes: list[exp.Expression], *, plain: bool = False) -> set[int]:
        """Return the subquery's own columns in expressions, or (`plain`) those that stand alone."""
        every: set[int] = set()
        for node in nodes:
            item = node
            if plain and isinstance(node, exp.Literal) and node.name.isdigit():
                item = self.node.expressions[int(node.name) - 1].unalias()
            if not plain or isinstance(item, exp.Column):
                every |= {id(column) for column in self.columns(item)} & self.own
        return every

    def _equate(self, side: exp.Expression, other: exp.Expression) -> None:
        """Note a column as constant if the other side is made of outer columns, and no coercion loses its digits."""
        if not isinstance(side, exp.Column) or not self.is_outer(other):
            return
        outer = self.columns(other)
        for column in self.columns(side):
            common = common_type(column.type, outer[0].type) if isinstance(other.unnest(), exp.Column) else None
            is_lossy = (
                common is not None
                and common.base in ("double", "real")
                and column.type.base in ("bigint", "decimal")
            )
            if id(column) in self.own and not is_lossy:
                self.constant.add(id(column))


def check_quantified(subquery: exp.Expression) -> None:
    """Refuse `x > ALL (VALUES k)` whose rows are made of outer columns."""
    rows = subquery.this if isinstance(subquery, exp.Subquery) else subquery
    if isinstance(rows, exp.Values) and rows.find(exp.Column):
        raise _refused(subquery)
