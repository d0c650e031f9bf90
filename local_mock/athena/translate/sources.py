"""FROM: tables, views, subqueries, UNNEST and joins → DuckDB SQL, and the relations that a scope gains by them.

A table appears as a `{scan}` token that `scan.py` replaces once the columns that are really needed are known.
"""

# ruff: noqa: E501, S608 - one line a message; SQL is made of compiled parts, never of user text
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from local_mock.athena.catalog import AsOf, Catalog
from local_mock.athena.dialect import parse_query, position
from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.sqltypes import BIGINT, TIMESTAMP_TZ, UNKNOWN, common_type
from local_mock.athena.translate.calls import Calls
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.lineage import note_conjuncts
from local_mock.athena.translate.relations import (
    HIDDEN,
    Column,
    Node,
    Query,
    Relation,
    Scan,
    Scope,
    Typed,
    quote,
    rename_columns,
)

__all__ = ["Evaluate", "Sources"]

_MAX_VIEW_DEPTH = 20
Evaluate = Callable[[str], list[Any]]


def _constant(rows: list[Any], node: exp.Expression) -> Any:
    """Return the only value of a query over constants. Raises QueryError for NULL."""
    if rows[0][0] is None:
        raise QueryError("INVALID_ARGUMENTS", f"{at(position(node))}Pointer value cannot be NULL")
    return rows[0][0]


class Sources(Calls):
    """The relations after FROM; `query` compiles those that are queries."""

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
        rename_columns(
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
        if method not in ("BERNOULLI", "SYSTEM") or not isinstance(share, exp.Literal) or share.is_string:
            raise not_supported("this TABLESAMPLE", position(node))
        if float(share.name) > 100:
            raise QueryError(
                "INVALID_ARGUMENTS", f"{at(position(node))}Sample percentage must be between 0 and 100 inclusive"
            )
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
        rename_columns(
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
        rename_columns(columns, names, position(node))
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
        if side:
            self._check_outer_on(on, scope, right)
        condition = self.boolean(on, scope)
        allowed = [] if side in ("RIGHT", "FULL") else right if side == "LEFT" else scope.relations
        if unnest and not (isinstance(on, exp.Boolean) and on.this):
            raise not_supported("UNNEST joined ON anything but TRUE", position(join))
        note_conjuncts(self, on, scope, lambda relation: any(relation is r for r in allowed))
        return f" {word} {sql} ON {condition}"

    def _check_outer_on(self, on: exp.Expression, scope: Scope, right: list[Relation]) -> None:
        """Refuse a subquery in the ON of an outer join that names columns of the join, or is compared with both sides."""
        own = {id(column) for relation in right for column in relation.columns}
        for subquery in on.find_all(exp.Query, exp.Values):
            if subquery.find_ancestor(exp.Query, exp.Values, exp.Join) is not on.parent:
                continue
            try:
                self.query(subquery, scope.parent)
            except QueryError as err:
                raise not_supported("such a subquery in the ON of an outer join", position(on)) from err
            holder = subquery.parent
            while isinstance(holder, exp.Subquery | exp.All | exp.Any | exp.Paren) or (
                isinstance(holder, exp.Anonymous) and holder.name.lower() in ("all", "any", "some")
            ):
                holder = holder.parent
            if not isinstance(holder, exp.In | exp.Binary):
                continue
            compared = [
                c for c in holder.find_all(exp.Column) if c.find_ancestor(exp.Query, exp.Join) is on.parent
            ]
            sides = {id(scope.find([part.name for part in c.parts])[0]) in own for c in compared}
            if len(sides) == 2:
                raise not_supported("a subquery compared with both sides of an outer join", position(on))

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


def _seal(relations: list[Relation]) -> None:
    for relation in relations:
        relation.pushable = False
