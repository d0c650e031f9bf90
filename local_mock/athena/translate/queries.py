"""SELECT, VALUES, set operations, WITH, FROM and its joins → DuckDB SQL with lineage.

Every output column is named c0, c1, … inside; the user's names live in `Column.name`. A table appears as a
`{scan}` token that `scan.py` replaces once the columns that are really needed are known.
"""

# ruff: noqa: E501, S608 - one line a message or signature; SQL is made of compiled parts, never of user text
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sqlglot import exp

from local_mock.athena.catalog import AsOf, Catalog
from local_mock.athena.dialect import parse_query, position
from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.sqltypes import BIGINT, TIMESTAMP_TZ, UNKNOWN, common_type
from local_mock.athena.translate.calls import Calls
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.correlation import check_limited, check_outer_star
from local_mock.athena.translate.expressions import is_session_value
from local_mock.athena.translate.lineage import note_conjuncts
from local_mock.athena.translate.relations import (
    HIDDEN,
    Column,
    Node,
    Relation,
    Scan,
    Scope,
    Typed,
    quote,
    reach,
    text,
)

__all__ = ["Compiled", "Query", "compile_query"]

_SET_WORDS = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}
_MAX_VIEW_DEPTH = 20
Evaluate = Callable[[str], list[Any]]
MAX_RECURSION_DEPTH = 10  # https://trino.io/docs/current/sql/select.html#with-recursive-clause


@dataclass
class Query:
    """A compiled query. `transparent`: a filter above it may be evaluated below it."""

    sql: str
    columns: list[Column]
    node: Node
    transparent: bool = False


@dataclass
class Compiled:
    """DuckDB SQL with scan tokens, the output columns, and the scans."""

    sql: str
    columns: list[Column]
    scans: list[Scan] = field(default_factory=list)


def compile_query(
    tree: exp.Expression, sql: str, catalog: Catalog, database: str, evaluate: Evaluate | None = None
) -> Compiled:
    """Compile a parsed query; `evaluate` runs the constant of a time travel. Raises QueryError."""
    compiler = Queries(catalog, database, sql, evaluate)
    try:
        query = compiler.query(tree, None)
    except RecursionError as err:
        raise QueryError("STACK_OVERFLOW", "statement is too large (stack overflow during analysis)") from err
    reach([query.node, *query.columns])
    return Compiled(query.sql, query.columns, compiler.scans)


def _constant(rows: list[Any], node: exp.Expression) -> Any:
    """Return the only value of a query over constants. Raises QueryError for NULL."""
    if rows[0][0] is None:
        raise QueryError("INVALID_ARGUMENTS", f"{at(position(node))}Pointer value cannot be NULL")
    return rows[0][0]


class Queries(Calls):
    """The clauses around expressions."""

    def __init__(self, catalog: Catalog, database: str, sql: str, evaluate: Evaluate | None = None) -> None:
        super().__init__(sql)
        self.catalog, self.database, self.evaluate = catalog, database, evaluate
        self.scans: list[Scan] = []
        self.ctes: list[dict[str, tuple[str, Query, int]]] = []
        self.windows: list[dict[str, exp.Window]] = []
        self.depth = 0

    def session(self, name: str) -> str:
        """Return the value of ``current_schema``, ``current_catalog`` or ``current_user``."""
        return {"current_schema": self.database, "current_catalog": "awsdatacatalog"}.get(name, "local_mock")

    # --- queries ------------------------------------------------------------------------------------------
    def query(self, node: exp.Expression, scope: Scope | None) -> Query:
        """Any query expression, with its WITH."""
        prefix = self._with(node, scope)
        try:
            if isinstance(node, exp.Select):
                compiled = self._select(node, scope)
            elif isinstance(node, exp.Values):
                compiled = self._values(node, scope)
            elif isinstance(node, exp.SetOperation):
                compiled = self._set_operation(node, scope)
            elif isinstance(node, exp.Subquery | exp.Paren):
                compiled = self._parenthesised(node, scope)
            elif isinstance(node, exp.Table):
                compiled = self._select(exp.select("*").from_(node), scope)
            else:
                raise not_supported(f"the query {type(node).__name__.upper()}", position(node))
        finally:
            if prefix is not None:
                self.ctes.pop()
        if prefix:
            compiled.sql = f"{prefix} {compiled.sql}"
        return compiled

    def check_groupable(self, columns: list[Column], node: exp.Expression) -> None:
        """Refuse DISTINCT over values that DuckDB takes for different where Athena does not."""
        for column in columns:
            if not groupable(column.type):
                raise not_supported(f"DISTINCT over {column.type}", position(node))

    def split_row(self, value: Typed) -> list[Typed]:
        """Return the fields of a row."""
        pairs = zip(value.type.field_keys, value.type.args, strict=True)
        return [Typed(f"struct_extract({value.sql}, {text(key)})", kind) for key, kind in pairs]

    def _parenthesised(self, node: exp.Expression, scope: Scope | None) -> Query:
        inner = self.query(node.this, scope)
        tail = self._tail(node, Scope(scope), inner.columns, [])
        return Query(f"SELECT * FROM ({inner.sql}){tail}", inner.columns, inner.node) if tail else inner

    def _with(self, node: exp.Expression, scope: Scope | None) -> str | None:
        clause = node.args.get("with_")
        if clause is None:
            return None
        self.ctes.append({})
        parts = []
        for cte in clause.expressions:
            name = cte.alias.lower()
            if name in self.ctes[-1]:
                raise QueryError(
                    "DUPLICATE_NAMED_QUERY",
                    f"{at(position(cte))}WITH query name '{name}' specified more than once",
                )
            names = [c.name for c in cte.args["alias"].columns]
            alias = self.fresh("w")
            if clause.args.get("recursive") and any(t.name.lower() == name for t in cte.this.find_all(exp.Table)):
                query = self._recursive(cte.this, name, alias, names, scope)
            else:
                query = self.query(cte.this, scope)
            _rename(query.columns, names, position(cte))
            uses = sum(t.name.lower() == name and not t.db for t in node.find_all(exp.Table))
            self.ctes[-1][name] = (alias, query, uses)
            parts.append(f"{alias} AS ({query.sql})")
        return f"WITH {', '.join(parts)}"

    def _recursive(
        self, node: exp.Expression, name: str, alias: str, names: list[str], scope: Scope | None
    ) -> Query:
        if not isinstance(node, exp.Union) or not names:
            raise QueryError(
                "SYNTAX_ERROR", f"{at(position(node))}recursive reference not in UNION, or no column aliases"
            )
        base = self.query(node.this, scope)
        _rename(base.columns, names, position(node))
        self.ctes[-1][name] = (alias, base, 2)
        step = self.query(node.expression, scope)
        for left, right in zip(base.columns, step.columns, strict=True):
            if common_type(left.type, right.type) != left.type:
                raise QueryError(
                    "TYPE_MISMATCH",
                    f"{at(position(node))}recursion step relation output type ({right.type}) is not coercible to recursion base relation output type ({left.type})",
                )
        if node.args.get("distinct"):
            raise QueryError(
                "NOT_SUPPORTED", f"{at(position(node))}UNION in a recursive query is not supported: use UNION ALL"
            )
        casts = ", ".join(
            f"{widen(f'c{i}', r.type, c.type)} AS c{i}"
            for i, (c, r) in enumerate(zip(base.columns, step.columns, strict=True))
        )
        node_ = Node({base.node, step.node, *base.columns, *step.columns})
        columns = [Column({node_}, c.name, type=c.type) for c in base.columns]
        return Query(
            self._unrolled(alias, base.sql, f"SELECT {casts} FROM ({step.sql})", len(columns)), columns, node_
        )

    def _unrolled(self, alias: str, base: str, step: str, width: int) -> str:
        """Return the recursion as Trino runs it: `max_recursion_depth` steps, and an error for rows after them."""
        names = [f"{alias}_{depth}" for depth in range(MAX_RECURSION_DEPTH + 2)]
        parts = [f"{names[0]} AS MATERIALIZED ({base})"]
        for before, name in pairwise(names):
            parts.append(f"{name} AS MATERIALIZED ({re.sub(rf'{re.escape(alias)}(?![0-9_])', before, step)})")
        cells = ", ".join(f"c{i}" for i in range(width))
        limit = f"Recursion depth limit exceeded ({MAX_RECURSION_DEPTH}). Use 'max_recursion_depth' session property to modify the limit."
        message = text(f"NOT_SUPPORTED: {limit}")
        reads = [f"SELECT {cells} FROM {name}" for name in names[:-1]]
        reads.append(
            f"SELECT {cells} FROM {names[-1]} WHERE t_fail(CASE WHEN c0 IS NULL THEN {message} ELSE {message} END) IS NULL"
        )
        return f"WITH {', '.join(parts)} {' UNION ALL '.join(reads)}"

    def _set_operation(self, node: exp.SetOperation, scope: Scope | None) -> Query:
        left, right = self.query(node.left, scope), self.query(node.right, scope)
        word = _SET_WORDS[type(node)]
        if len(left.columns) != len(right.columns):
            raise QueryError(
                "TYPE_MISMATCH",
                f"{at(position(node))}{word} query has different number of fields: {len(left.columns)}, {len(right.columns)}",
            )
        every = not node.args.get("distinct")
        needed = Node({left.node, right.node})
        columns, sides = [], ([], [])  # type: tuple[list[Column], tuple[list[str], list[str]]]
        for i, (a, b) in enumerate(zip(left.columns, right.columns, strict=True)):
            kind = common_type(a.type, b.type)
            if kind is None:
                raise QueryError(
                    "TYPE_MISMATCH",
                    f"{at(position(node))}column {i + 1} in {word} query has incompatible types: {a.type}, {b.type}",
                )
            columns.append(Column({a, b}, a.name, type=kind))
            for side, column in zip(sides, (a, b), strict=True):
                side.append(f"{widen(f'c{i}', column.type, kind)} AS c{i}")
        if not (every and word == "UNION"):
            needed.needs |= {c for c in columns}
            self.check_groupable(columns, node)
        body = f"SELECT {', '.join(sides[0])} FROM ({left.sql}) {word}{' ALL' if every else ''} SELECT {', '.join(sides[1])} FROM ({right.sql})"
        tail = self._tail(node, Scope(scope), columns, [])
        return Query(f"SELECT * FROM ({body}){tail}", columns, needed)

    def _values(self, node: exp.Values, scope: Scope | None) -> Query:
        rows = []
        with self.collect() as needs:
            for item in node.expressions:
                cells = item.expressions if isinstance(item, exp.Tuple) else [item]
                row = [self.compile(one, scope or Scope()) for one in cells]
                if item.meta.get("bare") and row[0].type.base == "row":
                    row = self.split_row(row[0])
                rows.append(row)
        if len({len(cells) for cells in rows}) != 1:
            raise QueryError("SYNTAX_ERROR", f"{at(position(node))}Values rows have mismatched sizes")
        columns: list[Column] = []
        sql_columns: list[list[str]] = []
        for cells in zip(*rows, strict=True):
            sqls, kind = self.unify(list(cells), Scope(), "Values rows have mismatched types")
            sql_columns.append(sqls)
            columns.append(Column(set(needs), f"_col{len(columns)}", type=kind))
        names = ", ".join(f"c{i}" for i in range(len(columns)))
        listed = ", ".join(f"({', '.join(cells)})" for cells in zip(*sql_columns, strict=True))
        tail = self._tail(node, Scope(scope), columns, [])
        return Query(f"SELECT * FROM (VALUES {listed}) AS v({names}){tail}", columns, Node(set(needs)))

    # --- SELECT -------------------------------------------------------------------------------------------
    def _select(self, node: exp.Select, parent: Scope | None) -> Query:
        scope = Scope(parent)
        windows: dict[str, exp.Window] = {}
        for window in node.args.get("windows") or []:
            if window.name.lower() in windows:
                raise QueryError(
                    "INVALID_WINDOW_REFERENCE",
                    f"{at(position(window))}WINDOW '{window.name}' specified more than once",
                )
            windows[window.name.lower()] = window
        self.windows.append(windows)
        try:
            with self.collect() as needs:
                return self._clauses(node, scope, needs)
        finally:
            self.windows.pop()

    def _clauses(self, node: exp.Select, scope: Scope, needs: set[Node]) -> Query:
        from_sql = self._from(node, scope)
        where = self._where(node, scope)
        check_limited(node, scope)
        items, columns = self._items(node, scope)
        group, keys = self._group(node, scope, items)
        having = f" HAVING {self.boolean(node.args['having'].this, scope)}" if node.args.get("having") else ""
        distinct = node.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise QueryError("SYNTAX_ERROR", "line 1:1: DISTINCT ON is not allowed")
        tail = self._tail(node, scope, columns, items)
        body = ", ".join(f"{item.sql} AS c{i}" for i, item in enumerate(items))
        sql = f"SELECT {'DISTINCT ' if distinct else ''}{body}{from_sql}{where}{group}{having}{tail}"
        query_node = Node(set(needs))
        if distinct:
            query_node.needs |= set(columns)
            self.check_groupable(columns, node)
        opaque = any(node.args.get(k) for k in ("limit", "offset")) or any(True for _ in node.find_all(exp.Window))
        for item, column in zip(items, columns, strict=True):
            if opaque or (keys is not None and item.sql not in keys):
                column.origin = None
        return Query(sql, columns, query_node, transparent=not opaque)

    def _where(self, node: exp.Select, scope: Scope) -> str:
        clause = node.args.get("where")
        if clause is None:
            return ""
        condition = self.boolean(clause.this, scope)
        note_conjuncts(self, clause.this, scope, lambda relation: relation.pushable)
        return f" WHERE {condition}"

    def _items(self, node: exp.Select, scope: Scope) -> tuple[list[Typed], list[Column]]:
        items: list[Typed] = []
        columns: list[Column] = []
        for item in node.expressions:
            inner = item.unalias()
            aliases: list[str] = []
            if isinstance(inner, exp.Aliases):
                aliases, inner = [name.name for name in inner.expressions], inner.this
            if isinstance(inner, exp.Star) or (isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star)):
                fields = self._row_star(inner, scope)
                if fields is not None:
                    self._add_fields(fields, aliases, items, columns, inner)
                    continue
                for column in self._star(inner, scope, aliases):
                    items.append(Typed(column.ref, column.type))
                    columns.append(Column({column}, column.name, type=column.type, origin=_origin(column)))
                continue
            with self.collect() as needs:
                typed = self.compile(inner, scope)
            items.append(typed)
            name = item.alias if isinstance(item, exp.Alias) else _implied_name(inner)
            columns.append(Column(set(needs), name, type=typed.type, origin=_passed_through(typed, needs)))
        return items, columns

    def _row_star(self, node: exp.Expression, scope: Scope) -> Typed | None:
        """Return the row that `x.*` expands, None if it means a relation."""
        if not isinstance(node, exp.Column):
            return None
        path = [part.name for part in node.parts if not isinstance(part, exp.Star)]
        if len(path) == 1 and self._named(path[0], scope):
            return None
        try:
            value = self.name(path, scope, position(node))
        except QueryError:
            return None
        return value if value.type.base == "row" else None

    def _add_fields(
        self, value: Typed, aliases: list[str], items: list[Typed], columns: list[Column], node: exp.Expression
    ) -> None:
        if aliases and len(aliases) != len(value.type.args):
            raise QueryError(
                "MISMATCHED_COLUMN_ALIASES",
                f"{at(position(node))}Column alias list has {len(aliases)} entries but relation has {len(value.type.args)} columns",
            )
        with self.collect() as needs:
            pass
        for i, field_ in enumerate(self.split_row(value)):
            items.append(field_)
            columns.append(
                Column(
                    needs | set(self.needs),
                    aliases[i] if aliases else value.type.names[i] or None,
                    type=field_.type,
                )
            )

    def _named(self, name: str, scope: Scope | None) -> list[Relation]:
        """Return the relations of a name at the nearest level that has it."""
        while scope is not None:
            relations = [r for r in scope.relations if r.alias and r.alias.lower() == name.lower()]
            if relations:
                return relations
            scope = scope.parent
        return []

    def _star(self, node: exp.Expression, scope: Scope, aliases: list[str]) -> list[Column]:
        relations = scope.relations
        if isinstance(node, exp.Column):
            relations = self._named(node.table, scope)
            if relations and relations[0] not in scope.relations:
                check_outer_star(node)
                self.needs |= {c for r in relations for c in r.columns}
            if aliases:
                raise not_supported("names after the * of a relation", position(node))
        if not relations:
            raise QueryError(
                "SYNTAX_ERROR", f"{at(position(node))}SELECT * not allowed in queries without FROM clause"
            )
        return [c for relation in relations for c in relation.columns if not c.hidden]

    def _group(self, node: exp.Select, scope: Scope, items: list[Typed]) -> tuple[str, set[str] | None]:
        clause = node.args.get("group")
        if clause is None:
            return "", None
        plain = [self._group_key(key, scope, items) for key in clause.expressions]
        parts = list(plain)
        for key, word in (("grouping_sets", "GROUPING SETS"), ("rollup", "ROLLUP"), ("cube", "CUBE")):
            for element in clause.args.get(key) or []:
                parts.append(
                    f"{word} ({', '.join(self._group_key(k, scope, items, tuple_ok=True) for k in element.expressions)})"
                )
        return f" GROUP BY {', '.join(parts)}", set(plain) if len(parts) == len(plain) else set()

    def _group_key(self, key: exp.Expression, scope: Scope, items: list[Typed], *, tuple_ok: bool = False) -> str:
        if isinstance(key, exp.Rollup | exp.Cube | exp.GroupingSets):
            word = {"Rollup": "ROLLUP", "Cube": "CUBE", "GroupingSets": "GROUPING SETS"}[type(key).__name__]
            return (
                f"{word} ({', '.join(self._group_key(k, scope, items, tuple_ok=True) for k in key.expressions)})"
            )
        if isinstance(key, exp.Tuple) and not key.expressions:
            return "()" if tuple_ok else "GROUPING SETS (())"
        if tuple_ok and isinstance(key, exp.Tuple):
            return f"({', '.join(self._group_key(k, scope, items) for k in key.expressions)})"
        if tuple_ok and isinstance(key, exp.Paren):
            return f"({self._group_key(key.this, scope, items)})"
        if isinstance(key, exp.Literal) and not key.is_string:
            return items[_ordinal(key, len(items), "GROUP BY")].sql
        typed = self.compile(key, scope)
        if not groupable(typed.type):
            raise not_supported(f"grouping by {typed.type}", position(key))
        return typed.sql

    # --- ORDER BY, OFFSET, LIMIT --------------------------------------------------------------------------
    def _tail(self, node: exp.Expression, scope: Scope, columns: list[Column], items: list[Typed]) -> str:
        sql = ""
        if node.args.get("order"):
            if isinstance(node, exp.Select) and node.args.get("distinct"):
                self._check_distinct_order(node, scope, columns, items)
            named = Scope(scope)
            values = items or [Typed(f"c{i}", c.type) for i, c in enumerate(columns)]
            for column, value in zip(columns, values, strict=True):
                if column.name is not None:
                    named.parameters.setdefault(column.name.lower(), value)
            keys = [self._order_key(key, named, columns, values) for key in node.args["order"].expressions]
            sql += f" ORDER BY {', '.join(keys)}"
            if _has_ties(node):
                return self._with_ties(node, named, columns, values) + sql
        limit, offset = node.args.get("limit"), node.args.get("offset")
        if isinstance(limit, exp.Fetch):
            if _has_ties(node):
                raise QueryError(
                    "MISSING_ORDER_BY", f"{at(position(node))}FETCH FIRST WITH TIES clause requires ORDER BY"
                )
            sql += f" LIMIT {_count(limit.args.get('count') or exp.Literal.number(1))}"
        elif limit is not None and limit.expression.name.upper() != "ALL":
            sql += f" LIMIT {_count(limit.expression)}"
        return sql + (f" OFFSET {_count(offset.expression)}" if offset is not None else "")

    def _with_ties(self, node: exp.Expression, scope: Scope, columns: list[Column], values: list[Typed]) -> str:
        """Return the condition that keeps the first rows, and those that sort like the last of them."""
        if node.args.get("offset") or node.args.get("distinct"):
            raise not_supported("FETCH … WITH TIES beside OFFSET or DISTINCT", position(node))
        keys = []
        for key in node.args["order"].expressions:
            sql, _, words = self._order_key(key, scope, columns, values).partition(" ")
            keys.append(f"{order_value(values[int(sql) - 1])} {words}" if sql.isdigit() else f"{sql} {words}")
        count = _count(node.args["limit"].args.get("count") or exp.Literal.number(1))
        return f" QUALIFY rank() OVER (ORDER BY {', '.join(keys)}) <= {count}"

    def _check_distinct_order(
        self, node: exp.Select, scope: Scope, columns: list[Column], items: list[Typed]
    ) -> None:
        names = {c.name.lower() for c in columns if c.name}
        for key in node.args["order"].expressions:
            inner = key.this
            plain = (isinstance(inner, exp.Literal) and not inner.is_string) or (
                isinstance(inner, exp.Column) and not inner.table and inner.name.lower() in names
            )
            named = Scope(scope)
            for column, value in zip(columns, items, strict=True):
                if column.name is not None:
                    named.parameters.setdefault(column.name.lower(), value)
            if not plain and self.compile(inner, named).sql not in {item.sql for item in items}:
                raise QueryError(
                    "EXPRESSION_NOT_IN_DISTINCT",
                    f"{at(position(key))}For SELECT DISTINCT, ORDER BY expressions must appear in select list",
                )

    def _order_key(self, key: exp.Expression, scope: Scope, columns: list[Column], values: list[Typed]) -> str:
        inner = key.this
        names = [c.name.lower() if c.name else None for c in columns]
        for column in inner.find_all(exp.Column) if not inner.find(exp.Lambda, exp.Query) else ():
            if not column.table and names.count(column.name.lower()) > 1:
                raise QueryError("AMBIGUOUS_NAME", f"{at(position(key))}Column '{column.name}' is ambiguous")
        with self.collect() as needs:
            if isinstance(inner, exp.Literal) and not inner.is_string:
                i = _ordinal(inner, len(columns), "ORDER BY")
                needs.add(columns[i])
                sql, kind = _ordinal_key(i, values[i]), columns[i].type
            elif isinstance(inner, exp.Column) and not inner.table and inner.name.lower() in names:
                i = names.index(inner.name.lower())
                needs.add(columns[i])
                sql, kind = _ordinal_key(i, values[i]), columns[i].type
            else:
                typed = self.compile(inner, scope)
                needs |= set(columns)
                sql, kind = order_value(typed), typed.type
        self.needs |= needs
        if not kind.orderable:
            raise QueryError(
                "TYPE_MISMATCH",
                f"{at(position(key))}Type {kind} is not orderable, and therefore cannot be used in ORDER BY",
            )
        return f"{sql} {order_words(key)}"

    # --- FROM ---------------------------------------------------------------------------------------------
    def _from(self, node: exp.Select, scope: Scope) -> str:
        clause = node.args.get("from_")
        if clause is None:
            return ""
        sql = self._item(clause.this, scope, scope)
        for join in [*(clause.this.args.get("joins") or []), *(node.args.get("joins") or [])]:
            sql += self._join(join, scope)
        return f" FROM {sql}"

    def _item(self, node: exp.Expression, scope: Scope, into: Scope, *, lateral: bool = False) -> str:
        if isinstance(node, exp.Unnest):
            return self._unnest(node, scope, into, lateral=lateral)
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            return self._table(node, into)
        if isinstance(node, exp.Values):
            body = exp.Values(expressions=node.expressions)
            return self._derived(self.query(body, scope.parent), node, into)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query | exp.Values):
            return self._derived(self.query(node.this, scope.parent), node, into)
        if isinstance(node, exp.Paren | exp.Subquery) and isinstance(node.this, exp.Table | exp.Subquery):
            return self._nested_from(node, scope, into)
        if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            return "LATERAL " + self._derived(
                self.query(node.this.this, Scope(scope.parent, into.relations)), node, into
            )
        raise not_supported(f"the relation {node.sql(dialect='trino')[:80]}", position(node))

    def _nested_from(self, node: exp.Expression, scope: Scope, into: Scope) -> str:
        inner = Scope(scope.parent)
        sql = self._item(node.this, inner, inner)
        for join in [*(node.this.args.get("joins") or []), *(node.args.get("joins") or [])]:
            sql += self._join(join, inner)
        into.relations.extend(inner.relations)
        return f"({sql})"

    def _derived(self, query: Query, node: exp.Expression, into: Scope) -> str:
        return self._as_relation(f"({query.sql})", query, node, into, pass_through=query.transparent)

    def _as_relation(
        self, sql: str, query: Query, node: exp.Expression, into: Scope, *, pass_through: bool
    ) -> str:
        """Add a relation over `query`'s columns; returns `sql AS alias` with TABLESAMPLE."""
        inner_alias = self.fresh("r")
        clause = node.args.get("alias")
        alias = node.alias or None
        columns = [
            Column({c}, c.name, f"{inner_alias}.c{i}", c.type, origin=c.origin if pass_through else None)
            for i, c in enumerate(query.columns)
        ]
        _rename(
            columns, [c.name for c in clause.columns] if isinstance(clause, exp.TableAlias) else [], position(node)
        )
        into.relations.append(Relation(alias, columns, query.node))
        self.needs.add(query.node)
        return f"{sql} AS {inner_alias}{self._sample(node)}"

    def _sample(self, node: exp.Expression) -> str:
        sample = node.args.get("sample")
        if sample is None:
            return ""
        method = str(sample.args["method"]).upper() if sample.args.get("method") else ""
        share = sample.args.get("percent")
        if method not in ("BERNOULLI", "SYSTEM") or share is None:
            raise not_supported("this TABLESAMPLE", position(node))
        return f" TABLESAMPLE {method.lower()}({float(share.name)} PERCENT)"

    def _table(self, node: exp.Table, into: Scope) -> str:
        name, database = node.name.lower(), node.db.lower()
        if not database:
            for level in reversed(self.ctes):
                if name in level:
                    if node.args.get("version"):
                        raise not_supported("a version of a WITH query", position(node))
                    alias, query, uses = level[name]
                    named = node.copy() if node.alias else node
                    if not node.alias:
                        named = node.copy()
                        named.set("alias", exp.TableAlias(this=exp.to_identifier(node.name)))
                    return self._as_relation(
                        alias, query, named, into, pass_through=query.transparent and uses == 1
                    )
        if node.catalog and node.catalog.lower() != "awsdatacatalog":
            raise QueryError("CATALOG_NOT_FOUND", f"{at(position(node))}Catalog '{node.catalog}' does not exist")
        database = database or self.database
        table = self.catalog.table(database, name, position(node), self._as_of(node))
        if not node.alias:
            node = node.copy()
            node.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
        if table.view is not None:
            return self._view(table.view, table.database, node, into)
        return self._scan(table, node, into)

    def _as_of(self, node: exp.Table) -> AsOf | None:
        """Return the version that FOR VERSION AS OF or FOR TIMESTAMP AS OF names."""
        clause = node.args.get("version")
        if clause is None:
            return None
        if clause.args.get("kind") != "AS OF" or self.evaluate is None:
            raise not_supported(f"FOR {clause.name} {clause.args.get('kind')}", position(node))
        value = self.compile(clause.expression, Scope())
        if clause.name == "VERSION":
            if not (value.type.is_integer or value.type.base == "varchar"):
                raise QueryError(
                    "TYPE_MISMATCH", f"{at(position(node))}Unsupported type for table version: {value.type}"
                )
            return AsOf(version=_constant(self.evaluate(f"SELECT {value.sql}"), node))
        if not value.type.is_temporal:
            raise QueryError(
                "TYPE_MISMATCH", f"{at(position(node))}Unsupported type for temporal table version: {value.type}"
            )
        instant = f"struct_extract({widen(value.sql, value.type, TIMESTAMP_TZ)}, 'u')"
        return AsOf(millis=int(_constant(self.evaluate(f"SELECT {instant}"), node)) // 10**9)

    def _view(self, sql: str, database: str, node: exp.Table, into: Scope) -> str:
        if self.depth >= _MAX_VIEW_DEPTH:
            raise QueryError("VIEW_IS_RECURSIVE", f"{at(position(node))}Statement would create a recursive view")
        ctes, windows, outer = self.ctes, self.windows, self.database
        self.ctes, self.windows, self.database, self.depth = [], [], database, self.depth + 1
        try:
            query = self.query(parse_query(sql, is_view=True), None)
        finally:
            self.ctes, self.windows, self.database, self.depth = ctes, windows, outer, self.depth - 1
        sql = self._derived(query, node, into)
        into.relations[-1].qualifier = database
        return sql

    def _scan(self, table: Any, node: exp.Table, into: Scope) -> str:
        alias = self.fresh("r")
        scan = Scan(f"/*scan:{alias}*/", table)
        columns = []
        for name, kind in [*table.columns, *table.partition_keys, *HIDDEN.items()]:
            column = Column(set(), name, f"{alias}.{quote(name)}", kind, hidden=name.startswith("$"), scan=scan)
            column.origin = column
            scan.columns[name] = column
            columns.append(column)
        self.scans.append(scan)
        clause = node.args.get("alias")
        shown = [Column({c}, c.name, c.ref, c.type, hidden=c.hidden, origin=c.origin) for c in columns]
        _rename(
            [c for c in shown if not c.hidden], [c.name for c in clause.columns] if clause else [], position(node)
        )
        into.relations.append(Relation(node.alias, shown, Node(), qualifier=table.database))
        return f"({scan.token}) AS {alias}{self._sample(node)}"

    def _unnest(self, node: exp.Unnest, scope: Scope, into: Scope, *, lateral: bool) -> str:
        outer_alias = self.fresh("u")
        inner, outer, kinds, lengths = [], [], [], []
        given: list[str | None] = []
        with self.collect() as needs:
            for i, item in enumerate(node.expressions):
                value = self.compile(item, Scope(scope.parent, list(into.relations)))
                column = f"x{i}"
                if value.type.base == "map":
                    inner.append(f"unnest(map_entries({value.sql})) AS {column}")
                    outer += [f"{column}.key", f"{column}.value"]
                    kinds += list(value.type.args)
                    given += [None, None]
                elif value.type.base == "array":
                    inner.append(f"unnest({value.sql}) AS {column}")
                    element = value.type.args[0]
                    fields = element.field_keys if element.base == "row" else ()
                    outer += [f"struct_extract({column}, '{key}')" for key in fields] or [column]
                    kinds += list(element.args) if fields else [element]
                    given += [name or None for name in element.names] if fields else [None]
                else:
                    raise QueryError(
                        "INVALID_FUNCTION_ARGUMENT", f"{at(position(item))}Cannot unnest type: {value.type}"
                    )
                lengths.append(
                    f"CAST(coalesce({'cardinality' if value.type.base == 'map' else 'len'}({value.sql}), 0) AS BIGINT)"
                )
        offset = node.args.get("offset")
        if offset:
            inner.append(f"unnest(generate_series(1, greatest({', '.join(lengths)}))) AS xo")
            outer.append("CAST(xo AS BIGINT)")
            kinds.append(BIGINT)
            given.append(None)
        clause = node.args.get("alias")
        names = [c.name for c in clause.columns] if clause else []
        if offset and isinstance(offset, exp.Identifier) and len(names) == len(kinds) - 1:
            names.append(offset.name)
        columns = [
            Column(set(needs), name, f"{outer_alias}.c{i}", kind)
            for i, (name, kind) in enumerate(zip(given, kinds, strict=True))
        ]
        _rename(columns, names, position(node))
        into.relations.append(Relation(node.alias or None, columns, Node()))
        self.needs |= needs
        body = ", ".join(f"{sql} AS c{i}" for i, sql in enumerate(outer))
        return f"{'LATERAL ' if lateral else ''}(SELECT {body} FROM (SELECT {', '.join(inner)})) AS {outer_alias}"

    def _join(self, join: exp.Join, scope: Scope) -> str:
        side, kind = (join.args.get("side") or "").upper(), (join.args.get("kind") or "").upper()
        if (join.args.get("method") or "") or kind not in ("", "INNER", "OUTER", "CROSS"):
            raise not_supported(f"{join.args.get('method') or kind} JOIN", position(join))
        left = list(scope.relations)
        on, using = join.args.get("on"), join.args.get("using")
        unnest = isinstance(join.this, exp.Unnest)
        comma = not side and not kind and on is None and not using
        word = "CROSS JOIN" if comma or kind == "CROSS" else f"{side or 'INNER'} JOIN"
        sql = self._item(join.this, scope, scope, lateral=unnest)
        for nested in join.this.args.get("joins") or []:
            raise not_supported("a nested join without parentheses", position(nested))
        right = scope.relations[len(left) :]
        if side in ("LEFT", "FULL"):
            _seal(right)
        if side in ("RIGHT", "FULL"):
            _seal(left)
        if using:
            return f" {word} {sql} ON {self._using(using, scope, left, right, side)}"
        if on is None:
            return f" {word} {sql}"
        if side and on.find(exp.Query, exp.Values) is not None:
            raise not_supported("a subquery in the ON of an outer join", position(join))
        condition = self.boolean(on, scope)
        allowed = [] if side in ("RIGHT", "FULL") else right if side == "LEFT" else scope.relations
        if unnest and not (isinstance(on, exp.Boolean) and on.this):
            raise not_supported("UNNEST joined ON anything but TRUE", position(join))
        note_conjuncts(self, on, scope, lambda relation: any(relation is r for r in allowed))
        return f" {word} {sql} ON {condition}"

    def _using(
        self, using: list[Any], scope: Scope, left: list[Relation], right: list[Relation], side: str
    ) -> str:
        conditions, merged = [], []
        for key in using:
            a, _ = Scope(None, left).find([key.name], position(key))
            b, _ = Scope(None, right).find([key.name], position(key))
            self.needs |= {a, b}
            conditions.append(self.compare(Typed(a.ref, a.type), "=", Typed(b.ref, b.type), position(key)))
            kind = common_type(a.type, b.type) or UNKNOWN
            a_sql, b_sql = widen(a.ref, a.type, kind), widen(b.ref, b.type, kind)
            ref = {"RIGHT": b_sql, "FULL": f"coalesce({a_sql}, {b_sql})"}.get(side, a_sql)
            origin = a.origin if side in ("", "LEFT") and kind == a.type else None
            merged.append(Column({a, b}, a.name, ref, kind, origin=origin))
            for relation in (*left, *right):
                relation.columns = [c for c in relation.columns if c is not a and c is not b]
        pushable = all(r.pushable for r in left)
        scope.relations.insert(0, Relation(None, merged, Node(), pushable=pushable))
        return " AND ".join(conditions)


def groupable(kind: Any) -> bool:
    """Return whether equal values of Athena are equal values of DuckDB (maps differ by order, moments by zone)."""
    if kind.base in {"map", "time with time zone"}:
        return False
    if kind.base == "timestamp with time zone":
        return bool(kind.zone)
    return all(groupable(arg) for arg in kind.args)


def _seal(relations: list[Relation]) -> None:
    for relation in relations:
        relation.pushable = False


def _rename(columns: list[Column], names: list[str], where: tuple[int, int] | None) -> None:
    if names and len(names) != len(columns):
        raise QueryError(
            "MISMATCHED_COLUMN_ALIASES",
            f"{at(where)}Column alias list has {len(names)} entries but relation has {len(columns)} columns available",
        )
    for column, name in zip(columns, names, strict=False):
        column.name = name


def _origin(column: Column) -> Column | None:
    return column.origin


def _passed_through(typed: Typed, needs: set[Node]) -> Column | None:
    """Return the table column whose value the item is, unchanged."""
    if len(needs) == 1:
        (only,) = needs
        if isinstance(only, Column) and only.ref == typed.sql:
            return only.origin
    return None


def _implied_name(node: exp.Expression) -> str | None:
    """Return the name of a result column: that of a column or field itself, `_colN` for anything else."""
    if isinstance(node, exp.Column):
        return None if is_session_value(node) else str(node.name)
    return str(node.expression.name) if isinstance(node, exp.Dot) else None


def _ordinal(node: exp.Expression, count: int, clause: str) -> int:
    if not str(node.this).isdigit() or not 1 <= int(node.name) <= count:
        raise QueryError(
            "INVALID_COLUMN_REFERENCE", f"{at(position(node))}{clause} position {node.name} is not in select list"
        )
    return int(node.name) - 1


def _has_ties(node: exp.Expression) -> bool:
    limit = node.args.get("limit")
    options = limit.args.get("limit_options") if isinstance(limit, exp.Fetch) else None
    if options is not None and options.args.get("percent"):
        raise not_supported("FETCH … PERCENT", position(node))
    return options is not None and bool(options.args.get("with_ties"))


def _ordinal_key(i: int, value: Typed) -> str:
    """Return the ORDER BY key of an output column: its number, unless its order is not that of its value."""
    sql = order_value(value)
    return sql if sql != value.sql else str(i + 1)


def _count(node: exp.Expression) -> str:
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit():
        raise QueryError("SYNTAX_ERROR", f"{at(position(node))}LIMIT and OFFSET take a whole number")
    return str(int(node.name))


def order_value(value: Typed) -> str:
    """Return what a value is sorted by: of a moment with a zone the instant, whatever the zone."""
    return f"struct_extract({value.sql}, 'u')" if value.type.base.endswith("with time zone") else value.sql


def order_words(key: exp.Expression) -> str:
    """Direction and NULL order, always explicit: Trino's default is NULLS LAST both ways."""
    return (
        f"{'DESC' if key.args.get('desc') else 'ASC'} NULLS {'FIRST' if key.args.get('nulls_first') else 'LAST'}"
    )
