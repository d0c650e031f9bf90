"""SELECT, VALUES, set operations and WITH → DuckDB SQL with lineage (FROM and its joins: `sources`).

Every output column is named c0, c1, … inside; the user's names live in `Column.name`.
"""

# ruff: noqa: E501, S608 - one line a message or signature; SQL is made of compiled parts, never of user text
from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from sqlglot import exp

from local_mock.athena.catalog import Catalog
from local_mock.athena.dialect import position
from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.sqltypes import common_type
from local_mock.athena.translate.calls import is_aggregated
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.correlation import check_decorrelated, check_outer_star
from local_mock.athena.translate.expressions import is_session_value
from local_mock.athena.translate.lineage import note_conjuncts
from local_mock.athena.translate.ordering import groupable, has_ties, order_value, order_words, row_count
from local_mock.athena.translate.relations import (
    Column,
    Node,
    Query,
    Relation,
    Scan,
    Scope,
    Typed,
    reach,
    rename_columns,
    text,
)
from local_mock.athena.translate.sources import Evaluate, Sources

__all__ = ["Compiled", "compile_query"]

_SET_WORDS = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}
MAX_RECURSION_DEPTH = 10  # https://trino.io/docs/current/sql/select.html#with-recursive-clause


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


class Queries(Sources):
    """The clauses around expressions, and whole queries of them."""

    # --- queries ------------------------------------------------------------------------------------------
    def query(self, node: exp.Expression, scope: Scope | None) -> Query:
        """Compile any query expression, with its WITH."""
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
            rename_columns(query.columns, names, position(cte))
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
        rename_columns(base.columns, names, position(node))
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
        check_decorrelated(node, scope, is_one_row=node.args.get("group") is None and is_aggregated(node))
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
            sql += f" ORDER BY {', '.join(own for own, _ in keys)}"
            if has_ties(node):
                return self._with_ties(node, [in_window for _, in_window in keys]) + sql
        limit, offset = node.args.get("limit"), node.args.get("offset")
        if isinstance(limit, exp.Fetch):
            if has_ties(node):
                raise QueryError(
                    "MISSING_ORDER_BY", f"{at(position(node))}FETCH FIRST WITH TIES clause requires ORDER BY"
                )
            sql += f" LIMIT {row_count(limit.args.get('count'))}"
        elif limit is not None and limit.expression.name.upper() != "ALL":
            sql += f" LIMIT {row_count(limit.expression)}"
        return sql + (f" OFFSET {row_count(offset.expression)}" if offset is not None else "")

    def _with_ties(self, node: exp.Expression, keys: list[str]) -> str:
        """Return the condition that keeps the first rows, and those that sort like the last of them."""
        if node.args.get("offset") or node.args.get("distinct"):
            raise not_supported("FETCH … WITH TIES beside OFFSET or DISTINCT", position(node))
        count = row_count(node.args["limit"].args.get("count"))
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

    def _order_key(
        self, key: exp.Expression, scope: Scope, columns: list[Column], values: list[Typed]
    ) -> tuple[str, str]:
        """Return a key for the query's ORDER BY, an output column by its number, and one for a window's."""
        inner = key.this
        names = [c.name.lower() if c.name else None for c in columns]
        for column in inner.find_all(exp.Column) if not inner.find(exp.Lambda, exp.Query) else ():
            if not column.table and names.count(column.name.lower()) > 1:
                raise QueryError("AMBIGUOUS_NAME", f"{at(position(key))}Column '{column.name}' is ambiguous")
        i = None
        if isinstance(inner, exp.Literal) and not inner.is_string:
            i = _ordinal(inner, len(columns), "ORDER BY")
        elif isinstance(inner, exp.Column) and not inner.table and inner.name.lower() in names:
            i = names.index(inner.name.lower())
        with self.collect() as needs:
            value = self.compile(inner, scope) if i is None else values[i]
            needs.update(columns if i is None else [columns[i]])
        self.needs |= needs
        if not value.type.orderable:
            raise QueryError(
                "TYPE_MISMATCH",
                f"{at(position(key))}Type {value.type} is not orderable, and therefore cannot be used in ORDER BY",
            )
        sorted_by, words = order_value(value), order_words(key)
        # A moment with a zone has no number: its column sorts by the zone as well.
        own = sorted_by if i is None or sorted_by != value.sql else str(i + 1)
        return f"{own} {words}", f"{sorted_by} {words}"


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
