"""Comparison operators, IN, BETWEEN, LIKE, ANY and ALL → DuckDB SQL with Trino's answers for NaN, NULL and zones.

To DuckDB a NaN is the largest number and equal to itself; to Trino's operators it is neither above, below nor
equal to anything. Source: https://trino.io/docs/current/functions/comparison.html
"""

# ruff: noqa: E501, S608 - one line a message; SQL is made of compiled parts, never of user text
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from local_mock.athena.dialect import position
from local_mock.athena.errors import QueryError, at
from local_mock.athena.sqltypes import BOOLEAN, UNKNOWN, VARCHAR, Type, array, common_type, row
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.correlation import check_quantified
from local_mock.athena.translate.python import python_sql
from local_mock.athena.translate.relations import Node, Scope, Typed

if TYPE_CHECKING:
    from local_mock.athena.translate.relations import Query

__all__ = ["COMPARE", "Comparison", "compared"]

COMPARE = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_EQUALITY = ("=", "<>", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")


def is_number(value: object) -> bool:
    """Return whether a literal is a number other than NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def compared(a: str, symbol: str, b: str, kind: Type, left: object = None, right: object = None) -> str:
    """Return `a symbol b` for SQL of one type; `left` and `right` are the literals, if they are some."""
    if kind.args:
        return _nested(a, symbol, b, kind)
    if kind.base.endswith("with time zone"):
        return f"(struct_extract({a}, 'u') {symbol} struct_extract({b}, 'u'))"
    if kind.base == "char" and symbol[0] in "<>" and symbol != "<>":  # compared with their padding
        width = f"CAST(greatest(length({a}), length({b})) AS INTEGER)"
        return f"(rpad({a}, {width}, ' ') {symbol} rpad({b}, {width}, ' '))"
    if kind.base in ("real", "double"):
        return _floats(a, symbol, b, is_number(left), is_number(right))
    return f"({a} {symbol} {b})"


def _floats(a: str, symbol: str, b: str, a_known: bool, b_known: bool) -> str:
    """Compare numbers as DuckDB does, and decide by themselves those that may be NaN.

    DuckDB decides a comparison with a column of a Parquet file by the file's statistics where it can, and these leave
    NaN out: a condition that holds for the least and the greatest value is taken to hold for all. So `t_nan` (a
    hash, which no statistics decide; false for NULL) stands beside every comparison.
    """
    plain = f"({a} {symbol} {b})"
    if symbol.startswith("IS"):
        both = (
            f"{plain} OR t_nan({a}) <> t_nan({b})"
            if "NOT" not in symbol
            else f"{plain} AND t_nan({a}) = t_nan({b})"
        )
        return f"({both})"
    nans = [] if a_known else [f"t_nan({a})" if b_known else f"(t_nan({a}) AND {b} IS NOT NULL)"]
    nans += [] if b_known else [f"t_nan({b})" if a_known else f"(t_nan({b}) AND {a} IS NOT NULL)"]
    if symbol == "<>":
        return f"({' OR '.join([plain, *nans])})"
    return f"({' AND '.join([plain, *(f'NOT {nan}' for nan in nans)])})"


def _nested(a: str, symbol: str, b: str, kind: Type) -> str:
    pair, swapped = [(a, kind), (b, kind)], [(b, kind), (a, kind)]
    if symbol == "=":
        return python_sql("equal", pair, BOOLEAN)
    if symbol == "<>":
        return f"(NOT {python_sql('equal', pair, BOOLEAN)})"
    if symbol.startswith("IS"):
        same = python_sql("not_distinct", pair, BOOLEAN)
        return same if symbol == "IS NOT DISTINCT FROM" else f"(NOT {same})"
    word = "less_equal" if "=" in symbol else "less"
    return python_sql(word, pair if symbol[0] == "<" else swapped, BOOLEAN)


class Comparison:
    """The part of the compiler for conditions."""

    needs: set[Node]
    compile: Any
    boolean: Any
    unify: Any
    query: Any
    fresh: Any
    row: Any

    def comparison(self, node: exp.Expression, symbol: str, scope: Scope) -> Typed:
        right = node.expression
        if (
            isinstance(right, exp.Anonymous)
            and str(right.this).lower() in ("some", "any", "all")
            and len(right.expressions) == 1
        ):
            kind = exp.All if str(right.this).lower() == "all" else exp.Any
            node = type(node)(this=node.this, expression=kind(this=right.expressions[0]))
            right = node.expression
        if isinstance(right, exp.Any | exp.All):
            return self._quantified(node, symbol, scope)
        left_value, right_value = self.compile(node.this, scope), self.compile(right, scope)
        return Typed(self.compare(left_value, symbol, right_value, position(node)), BOOLEAN)

    def compare(self, left: Typed, symbol: str, right: Typed, where: tuple[int, int] | None) -> str:
        """Compile a condition. Raises QueryError TYPE_MISMATCH for types that do not compare."""
        target = common_type(left.type, right.type)
        if target is None or (symbol not in _EQUALITY and not target.orderable):
            shown = f"{left.type} {symbol} {right.type}"
            raise QueryError("TYPE_MISMATCH", f"{at(where)}Cannot apply operator: {shown}")
        a, b = widen(left.sql, left.type, target), widen(right.sql, right.type, target)
        return compared(a, symbol, b, target, left.literal, right.literal)

    def _nullsafeeq(self, node: exp.Expression, scope: Scope) -> Typed:
        return self._distinctness(node, "IS NOT DISTINCT FROM", scope)

    def _nullsafeneq(self, node: exp.Expression, scope: Scope) -> Typed:
        return self._distinctness(node, "IS DISTINCT FROM", scope)

    def _distinctness(self, node: exp.Expression, symbol: str, scope: Scope) -> Typed:
        left, right = self.compile(node.this, scope), self.compile(node.expression, scope)
        return Typed(self.compare(left, symbol, right, position(node)), BOOLEAN)

    def _between(self, node: exp.Between, scope: Scope) -> Typed:
        value = self.compile(node.this, scope)
        low, high = (self.compile(node.args[key], scope) for key in ("low", "high"))
        where = position(node)
        above, below = self.compare(value, ">=", low, where), self.compare(value, "<=", high, where)
        if node.args.get("symmetric"):
            other = f"{self.compare(value, '>=', high, where)} AND {self.compare(value, '<=', low, where)}"
            return Typed(f"(({above} AND {below}) OR ({other}))", BOOLEAN)
        return Typed(f"({above} AND {below})", BOOLEAN)

    # --- IN -----------------------------------------------------------------------------------------------
    def _in(self, node: exp.In, scope: Scope) -> Typed:
        query = node.args.get("query")
        items = node.expressions
        if query is None and len(items) == 1 and isinstance(items[0], exp.Query | exp.Values):
            query = items[0]
        if query is not None:
            left = self.compile(node.this, scope)
            sub = self.query(query.this if isinstance(query, exp.Subquery) else query, scope)
            return Typed(self.member(left, self.single(sub), position(node)), BOOLEAN)
        value, *given = [self.compile(item, scope) for item in [node.this, *items]]
        target = value.type
        for item in given:
            merged = common_type(target, item.type)
            if merged is None:
                raise QueryError(
                    "TYPE_MISMATCH",
                    f"{at(position(node))}IN value and list items must be of the same type: {target}, {item.type}",
                )
            target = merged
        sql = widen(value.sql, value.type, target)
        listed = [(widen(item.sql, item.type, target), item.literal) for item in given]
        floating = target.base in ("real", "double") and not all(is_number(literal) for _, literal in listed)
        if target.plain and not floating:
            number = target.base in ("real", "double") and not is_number(value.literal)
            nan = f" AND NOT t_nan({sql})" if number else ""
            return Typed(f"({sql} IN ({', '.join(item for item, _ in listed)}){nan})", BOOLEAN)
        tests = (compared(sql, "=", item, target, value.literal, literal) for item, literal in listed)
        return Typed(f"({' OR '.join(tests)})", BOOLEAN)

    def single(self, sub: Query) -> tuple[str, Type]:
        """Return (SQL, type) of a subquery's one column; several columns are a row."""
        self.needs |= {sub.node, *sub.columns}
        if len(sub.columns) == 1:
            return sub.sql, sub.columns[0].type
        kind = row([("", c.type) for c in sub.columns])
        fields = ", ".join(f"'{key}': c{i}" for i, key in enumerate(kind.field_keys))
        return f"SELECT CAST({{{fields}}} AS {kind.duckdb}) AS c0 FROM ({sub.sql})", kind

    def member(self, left: Typed, sub: tuple[str, Type], where: tuple[int, int] | None) -> str:
        """Return `left IN (subquery)`."""
        sql, sub_type = sub = self.as_row(left.type, sub)
        target = common_type(left.type, sub_type)
        if target is None:
            raise QueryError(
                "TYPE_MISMATCH",
                f"{at(where)}value and result of subquery must be of the same type for IN expression: {left.type} vs {sub_type}",
            )
        value = widen(left.sql, left.type, target)
        if target.plain:
            item = widen("c0", sub_type, target)
            kept = f" WHERE c0 IS NULL OR NOT t_nan({item})" if target.base in ("real", "double") else ""
            if item != "c0" or kept:
                sql = f"SELECT {item} FROM ({sql}){kept}"
            return f"({value} IN ({sql}))"
        items = self.listed(sql, sub_type, target)
        contained = python_sql("member", [(items, array(target)), (value, target)], BOOLEAN)
        return f"(CASE WHEN len({items}) = 0 THEN FALSE ELSE {contained} END)"

    @staticmethod
    def as_row(wanted: Type, sub: tuple[str, Type]) -> tuple[str, Type]:
        """Return the column as a row of one field where it is compared with one."""
        sql, sub_type = sub
        if wanted.base != "row" or sub_type.base in ("row", "unknown"):
            return sub
        kind = row([("", sub_type)])
        return f"SELECT CAST({{'f0': c0}} AS {kind.duckdb}) AS c0 FROM (SELECT c0 FROM ({sql}))", kind

    def listed(self, sql: str, list_type: Type, target: Type) -> str:
        """Return the rows of a subquery as a list."""
        return f"coalesce((SELECT list({widen('c0', list_type, target)}) FROM ({sql})), CAST([] AS {target.duckdb}[]))"

    def _quantified(self, node: exp.Expression, symbol: str, scope: Scope) -> Typed:
        left = self.compile(node.this, scope)
        some = isinstance(node.expression, exp.Any)
        inner = node.expression.this
        check_quantified(inner)
        sub = self.single(self.query(inner.this if isinstance(inner, exp.Subquery) else inner, scope))
        where = position(node)
        if (some and symbol == "=") or (not some and symbol == "<>"):
            return Typed(
                self.member(left, sub, where) if some else f"(NOT {self.member(left, sub, where)})", BOOLEAN
            )
        sub = self.as_row(left.type, sub)
        target = common_type(left.type, sub[1])
        if target is None or (symbol not in _EQUALITY and not target.orderable):
            raise QueryError("TYPE_MISMATCH", f"{at(where)}Cannot apply operator: {left.type} {symbol} {sub[1]}")
        name = self.fresh("q")
        test = compared(widen(left.sql, left.type, target), symbol, name, target)
        tests = f"list_transform({self.listed(*sub, target)}, lambda {name}: {test})"
        word = "any_value" if some else "all_value"
        if "(SELECT" in left.sql:  # DuckDB takes no subquery inside a lambda
            test = compared("l", symbol, name, target)
            result = python_sql(word, [(f"list_transform(s, lambda {name}: {test})", array(BOOLEAN))], BOOLEAN)
            sides = f"{widen(left.sql, left.type, target)} AS l, {self.listed(*sub, target)} AS s"
            return Typed(f"(SELECT {result} FROM (SELECT {sides}))", BOOLEAN)
        return Typed(python_sql(word, [(tests, array(BOOLEAN))], BOOLEAN), BOOLEAN)

    # --- LIKE ---------------------------------------------------------------------------------------------
    def _like(self, node: exp.Like, scope: Scope, escape: exp.Expression | None = None) -> Typed:
        sides = [self.compile(node.this, scope), self.compile(node.expression, scope)]
        sides += [self.compile(escape, scope)] if escape is not None else []
        for side in sides:
            if side.type not in (VARCHAR, UNKNOWN) and side.type.base != "char":
                where = at(position(node))
                raise QueryError(
                    "TYPE_MISMATCH",
                    f"{where}Left side of LIKE expression must evaluate to a varchar (actual: {side.type})",
                )
        texts = [(widen(s.sql, s.type, VARCHAR), VARCHAR) for s in sides]
        result = f"({texts[0][0]} LIKE {texts[1][0]})" if escape is None else python_sql("like", texts, BOOLEAN)
        return Typed(f"(NOT {result})" if node.args.get("negate") else result, BOOLEAN)

    def _escape(self, node: exp.Escape, scope: Scope) -> Typed:
        return self._like(node.this, scope, node.expression)
