"""The keys of ORDER BY (of a query, a window, an aggregate) and of GROUP BY, and the counts of LIMIT and FETCH."""

from __future__ import annotations

from sqlglot import exp

from local_mock.athena.dialect import position
from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.sqltypes import Type
from local_mock.athena.translate.relations import Typed

__all__ = ["groupable", "has_ties", "order_value", "order_words", "row_count"]


def groupable(kind: Type) -> bool:
    """Return whether equal values of Athena are equal values of DuckDB (maps differ by order, moments by zone)."""
    if kind.base in {"map", "time with time zone"}:
        return False
    if kind.base == "timestamp with time zone":
        return bool(kind.zone)
    return all(groupable(arg) for arg in kind.args)


def order_value(value: Typed) -> str:
    """Return what a value is sorted by: of a moment with a zone the instant, whatever the zone."""
    return f"struct_extract({value.sql}, 'u')" if value.type.base.endswith("with time zone") else value.sql


def order_words(key: exp.Expression) -> str:
    """Return direction and NULL order, always explicit: Trino's default is NULLS LAST both ways."""
    return (
        f"{'DESC' if key.args.get('desc') else 'ASC'} NULLS {'FIRST' if key.args.get('nulls_first') else 'LAST'}"
    )


def has_ties(node: exp.Expression) -> bool:
    """Return whether a query ends with FETCH … WITH TIES. Raises QueryError for FETCH … PERCENT."""
    limit = node.args.get("limit")
    options = limit.args.get("limit_options") if isinstance(limit, exp.Fetch) else None
    if options is not None and options.args.get("percent"):
        raise not_supported("FETCH … PERCENT", position(node))
    return options is not None and bool(options.args.get("with_ties"))


def row_count(node: exp.Expression | None) -> str:
    """Return the number of rows that a clause names; FETCH FIRST ROW without a number is one."""
    if node is None:
        return "1"
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit():
        raise QueryError("SYNTAX_ERROR", f"{at(position(node))}LIMIT and OFFSET take a whole number")
    return str(int(node.name))
