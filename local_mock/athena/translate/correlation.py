"""Correlated subqueries that Trino's planner refuses, and DuckDB would answer.

Source: Trino's TestSelectAll.testSelectAllFromOuterScopeTable, TestSubqueries.testCorrelatedSubqueriesWithLimit.
"""

from __future__ import annotations

from sqlglot import exp

from local_mock.athena.dialect import position
from local_mock.athena.errors import QueryError, at
from local_mock.athena.translate.relations import Scope

__all__ = ["check_limited", "check_outer_star", "check_quantified"]


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


def check_limited(node: exp.Select, scope: Scope) -> None:
    """Refuse LIMIT in a subquery that compares inner with outer columns by anything but equality; LATERAL may."""
    where = node.args.get("where")
    holder = node.parent.parent if isinstance(node.parent, exp.Subquery) else node.parent
    if isinstance(holder, exp.Lateral):
        return
    if scope.parent is None or where is None or not node.args.get("limit"):
        return
    inner = {id(column) for relation in scope.relations for column in relation.columns}
    for conjunct in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
        if isinstance(conjunct.unnest(), exp.EQ) or conjunct.find(exp.Select):
            continue
        sides = {id(scope.find([p.name for p in c.parts])[0]) in inner for c in conjunct.find_all(exp.Column)}
        if sides == {True, False}:
            raise _refused(conjunct)


def check_quantified(subquery: exp.Expression) -> None:
    """Refuse `x > ALL (VALUES k)` whose rows are made of outer columns."""
    rows = subquery.this if isinstance(subquery, exp.Subquery) else subquery
    if isinstance(rows, exp.Values) and rows.find(exp.Column):
        raise _refused(subquery)
