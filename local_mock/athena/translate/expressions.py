"""Operators, names, literals and conversions of one expression → typed DuckDB SQL.

Integer division stays integral, decimals follow Trino's precision rules, operands of different families are
a type error. Source: https://trino.io/docs/current/language/types.html, functions/{comparison,decimal,math}.html
"""

# ruff: noqa: E501 - one line a message or signature
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from local_mock.athena.dialect import AthenaGrammar, position
from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.sqltypes import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    JSON,
    TIMESTAMP,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    as_decimal,
    common_type,
    decimal,
    parse_type,
    row,
)  # fmt: skip
from local_mock.athena.translate.casts import cast, widen
from local_mock.athena.translate.relations import Node, Scope, Typed, text

if TYPE_CHECKING:
    from local_mock.athena.translate.queries import Query

__all__ = ["Expressions"]

_COMPARE = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_NOW = {
    "CurrentTimestamp": Type("timestamp with time zone", numbers=(3,)),
    "Localtimestamp": TIMESTAMP,
    "CurrentDate": DATE,
}


class Expressions:
    """Compiles expressions; `Queries` adds the clauses around them."""

    def __init__(self, sql: str = "") -> None:
        self.source = sql
        self.needs: set[Node] = set()
        self._names = 0

    # --- helpers ------------------------------------------------------------------------------------------
    def fresh(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    @contextmanager
    def collect(self) -> Iterator[set[Node]]:
        """Gather the columns needed by what is compiled inside."""
        outer, self.needs = self.needs, set()
        try:
            yield self.needs
        finally:
            self.needs = outer

    def query(self, node: exp.Expression, scope: Scope | None) -> Query:
        """A subquery. `Queries` (queries.py) compiles it."""
        raise NotImplementedError

    def call(self, node: exp.Expression, name: str, arguments: list[Any], scope: Scope) -> Typed:
        """A function call. `Calls` (calls.py) compiles it."""
        raise NotImplementedError

    # --- dispatch -----------------------------------------------------------------------------------------
    def compile(self, node: exp.Expression, scope: Scope) -> Typed:
        """The DuckDB SQL and Trino type of `node`. Raises QueryError."""
        kind = type(node)
        if kind in _COMPARE:
            return self.comparison(node, _COMPARE[kind], scope)
        if kind in _ARITHMETIC:
            return self.arithmetic(node, _ARITHMETIC[kind], scope)
        handler: Callable[[Any, Scope], Typed] | None = getattr(self, f"_{kind.__name__.lower()}", None)
        if handler is None:
            raise not_supported(f"the expression {node.sql(dialect='trino')}", position(node))
        return handler(node, scope)

    def boolean(self, node: exp.Expression, scope: Scope) -> str:
        """A condition. Raises QueryError TYPE_MISMATCH if it is not boolean."""
        found = self.compile(node, scope)
        if found.type not in (BOOLEAN, UNKNOWN):
            raise QueryError(
                "TYPE_MISMATCH",
                f"{at(position(node))}WHERE clause must evaluate to a boolean: actual type {found.type}",
            )
        return found.sql

    def unify(self, nodes: list[Any], scope: Scope, what: str) -> tuple[list[str], Type]:
        """Expressions coerced to their common type."""
        items = [node if isinstance(node, Typed) else self.compile(node, scope) for node in nodes]
        target = UNKNOWN
        for item in items:
            merged = common_type(target, item.type)
            if merged is None:
                where = at(position(nodes[0]))
                raise QueryError("TYPE_MISMATCH", f"{where}{what}: {target}, {item.type}")
            target = merged
        return [widen(item.sql, item.type, target) for item in items], target

    # --- names and literals -------------------------------------------------------------------------------
    def _column(self, node: exp.Column, scope: Scope) -> Typed:
        if isinstance(node.this, exp.Star):
            raise QueryError("SYNTAX_ERROR", f"{at(position(node))}'*' is not allowed here")
        return self.name([part.name for part in node.parts], scope, position(node))

    def _identifier(self, node: exp.Identifier, scope: Scope) -> Typed:
        return self.name([node.name], scope, position(node))

    def name(self, path: list[str], scope: Scope, where: tuple[int, int] | None) -> Typed:
        level: Scope | None = scope
        while level is not None:
            if path[0].lower() in level.parameters:
                return self.fields(level.parameters[path[0].lower()], path[1:], where)
            level = level.parent if not level.relations else None
        column, rest = scope.find(path, where)
        self.needs.add(column)
        return self.fields(Typed(column.ref, column.type), rest, where)

    def fields(self, value: Typed, path: list[str], where: tuple[int, int] | None) -> Typed:
        for name in path:
            keys = [n.lower() for n in value.type.names] if value.type.base == "row" else []
            if name.lower() not in keys:
                raise QueryError("TYPE_MISMATCH", f"{at(where)}Expression {name} is not of type ROW")
            i = keys.index(name.lower())
            value = Typed(f"struct_extract({value.sql}, {text(value.type.field_keys[i])})", value.type.args[i])
        return value

    def _dot(self, node: exp.Dot, scope: Scope) -> Typed:
        return self.fields(self.compile(node.this, scope), [node.expression.name], position(node))

    def _literal(self, node: exp.Literal, _: Scope) -> Typed:
        value = str(node.this)
        if node.is_string:
            return Typed(text(value), VARCHAR, value)
        if "e" in value.lower():
            return Typed(f"CAST('{value}' AS DOUBLE)", DOUBLE, float(value))
        if "." in value:
            whole, _dot, part = value.partition(".")
            kind = decimal(len(whole.lstrip("0")) + len(part), len(part))
            return Typed(f"CAST('{value}' AS {kind.duckdb})", kind, float(value))
        number = int(value)
        if number > 2**63 - 1:
            raise QueryError("INVALID_LITERAL", f"{at(position(node))}Invalid numeric literal: {value}")
        kind = INTEGER if number < 2**31 else BIGINT
        return Typed(f"CAST({number} AS {kind.duckdb})", kind, number)

    def _boolean(self, node: exp.Boolean, _: Scope) -> Typed:
        return Typed("TRUE" if node.this else "FALSE", BOOLEAN, bool(node.this))

    def _null(self, _node: exp.Null, _: Scope) -> Typed:
        return Typed("NULL", UNKNOWN)

    def _hexstring(self, node: exp.HexString, _: Scope) -> Typed:
        return Typed(f"unhex({text(node.name.replace(' ', ''))})", VARBINARY)

    def _interval(self, node: exp.Interval, _: Scope) -> Typed:
        unit = str(node.args["unit"].name).lower().rstrip("s") if node.args.get("unit") else ""
        if unit not in ("year", "month", "day", "hour", "minute", "second") or not isinstance(
            node.this, exp.Literal
        ):
            raise not_supported(f"the interval {node.sql(dialect='trino')}", position(node))
        kind = Type("interval year to month" if unit in ("year", "month") else "interval day to second")
        return Typed(f"CAST({text(f'{node.this.name} {unit}')} AS INTERVAL)", kind)

    def _now(self, node: exp.Expression, _: Scope) -> Typed:
        kind = _NOW[type(node).__name__]
        moment = "make_timestamp(epoch_ms(now()) * 1000)"
        return Typed(cast(moment, TIMESTAMP, kind), kind)

    _currentdate = _currenttimestamp = _localtimestamp = _now

    def _paren(self, node: exp.Paren, scope: Scope) -> Typed:
        found = self.compile(node.this, scope)
        return Typed(f"({found.sql})", found.type, found.literal)

    # --- operators ----------------------------------------------------------------------------------------
    def comparison(self, node: exp.Expression, symbol: str, scope: Scope) -> Typed:
        right = node.expression
        if isinstance(right, exp.Any | exp.All):
            return self._quantified(node, symbol, scope)
        left_value, right_value = self.compile(node.this, scope), self.compile(right, scope)
        return Typed(self.compare(left_value, symbol, right_value, position(node)), BOOLEAN)

    def compare(self, left: Typed, symbol: str, right: Typed, where: tuple[int, int] | None) -> str:
        target = common_type(left.type, right.type)
        if target is None or (
            symbol not in ("=", "<>", "IS DISTINCT FROM", "IS NOT DISTINCT FROM") and not target.orderable
        ):
            shown = f"{left.type} {symbol} {right.type}"
            raise QueryError("TYPE_MISMATCH", f"{at(where)}Cannot apply operator: {shown}")
        compared = f"({widen(left.sql, left.type, target)} {symbol} {widen(right.sql, right.type, target)})"
        if target.base not in ("real", "double") or left.literal is not None or right.literal is not None:
            return compared
        # NaN equals and orders after everything in DuckDB, nothing in Trino's comparison operators.
        if symbol.startswith("IS"):
            return compared
        either = f"(isnan({left.sql}) OR isnan({right.sql}))"
        return f"(CASE WHEN {either} THEN {'TRUE' if symbol == '<>' else 'FALSE'} ELSE {compared} END)"

    def _quantified(self, node: exp.Expression, symbol: str, scope: Scope) -> Typed:
        left = self.compile(node.this, scope)
        word = "ANY" if isinstance(node.expression, exp.Any) else "ALL"
        inner = node.expression.this
        sub = self.query(inner.this if isinstance(inner, exp.Subquery) else inner, scope)
        return Typed(f"({left.sql} {symbol} {word} ({self.one_column(sub, left.type, position(node))}))", BOOLEAN)

    def one_column(self, sub: Query, wanted: Type, where: tuple[int, int] | None) -> str:
        """A subquery with one column that compares with `wanted`."""
        if len(sub.columns) != 1:
            raise QueryError("SYNTAX_ERROR", f"{at(where)}Multiple columns returned by subquery are not supported")
        if common_type(wanted, sub.columns[0].type) is None:
            raise QueryError(
                "TYPE_MISMATCH",
                f"{at(where)}value and result of subquery must be of the same type: {wanted} vs {sub.columns[0].type}",
            )
        self.needs |= {sub.node, *sub.columns}
        return sub.sql

    def _nullsafeeq(self, node: exp.Expression, scope: Scope) -> Typed:
        return self._distinctness(node, "IS NOT DISTINCT FROM", scope)

    def _nullsafeneq(self, node: exp.Expression, scope: Scope) -> Typed:
        return self._distinctness(node, "IS DISTINCT FROM", scope)

    def _distinctness(self, node: exp.Expression, symbol: str, scope: Scope) -> Typed:
        left, right = self.compile(node.this, scope), self.compile(node.expression, scope)
        return Typed(self.compare(left, symbol, right, position(node)), BOOLEAN)

    def arithmetic(self, node: exp.Expression, symbol: str, scope: Scope) -> Typed:
        left, right = self.compile(node.this, scope), self.compile(node.expression, scope)
        return self.operate(left, symbol, right, position(node))

    def operate(self, left: Typed, symbol: str, right: Typed, where: tuple[int, int] | None) -> Typed:
        """`left symbol right` for numbers, and dates with intervals."""
        if (
            left.type.base.startswith("interval")
            or right.type.base.startswith("interval")
            or left.type.is_temporal
        ):
            return self._moment(left, symbol, right, where)
        target = common_type(left.type, right.type)
        if target is None or not (target.is_numeric or target == UNKNOWN):
            raise QueryError(
                "TYPE_MISMATCH", f"{at(where)}Cannot apply operator: {left.type} {symbol} {right.type}"
            )
        if target.base == "decimal":
            return _decimal(left, symbol, right)
        if target == UNKNOWN:
            target = INTEGER
        a, b = (widen(side.sql, side.type, target) for side in (left, right))
        if target.is_integer:
            return Typed(f"({a} {'//' if symbol == '/' else symbol} {b})", target)
        if symbol in "/%":
            zero = "CASE WHEN x = 0 OR isnan(x) THEN 'NaN' WHEN (x > 0) = NOT signbit(y) THEN 'Infinity' ELSE '-Infinity' END"
            zero = zero.replace("x", f"({a})").replace("(y)", f"({b})") if symbol == "/" else "'NaN'"
            # DuckDB fails on division by zero, IEEE arithmetic (and Trino) does not.
            return Typed(
                f"(CASE WHEN ({b}) = 0 THEN CAST({zero} AS {target.duckdb}) ELSE ({a}) {symbol} ({b}) END)", target
            )
        return Typed(f"({a} {symbol} {b})", target)

    def _moment(self, left: Typed, symbol: str, right: Typed, where: tuple[int, int] | None) -> Typed:
        if symbol == "-" and left.type.is_temporal and left.type.base == right.type.base:
            day = Type("interval day to second")
            if left.type == DATE:
                return Typed(f"to_days(CAST({left.sql} - {right.sql} AS INTEGER))", day)
            return Typed(f"to_milliseconds(epoch_ms({left.sql}) - epoch_ms({right.sql}))", day)
        if symbol == "+" and left.type.base.startswith("interval") and right.type.is_temporal:
            left, right = right, left
        if symbol in "+-" and left.type.is_temporal and right.type.base.startswith("interval"):
            moved = f"({left.sql} {symbol} {right.sql})"
            return Typed(f"CAST({moved} AS DATE)" if left.type == DATE else moved, left.type)
        if symbol in "+-" and left.type == right.type and left.type.base.startswith("interval"):
            return Typed(f"({left.sql} {symbol} {right.sql})", left.type)
        raise QueryError("TYPE_MISMATCH", f"{at(where)}Cannot apply operator: {left.type} {symbol} {right.type}")

    def _neg(self, node: exp.Neg, scope: Scope) -> Typed:
        inner = self.compile(node.this, scope)
        if not (inner.type.is_numeric or inner.type.base.startswith("interval")):
            raise QueryError("TYPE_MISMATCH", f"{at(position(node))}Cannot negate {inner.type}")
        literal = -inner.literal if isinstance(inner.literal, int | float) else None
        return Typed(f"(-{inner.sql})", inner.type, literal)

    def _dpipe(self, node: exp.DPipe, scope: Scope) -> Typed:
        left, right = self.compile(node.this, scope), self.compile(node.expression, scope)
        return self.concatenate([left, right], position(node))

    def concatenate(self, items: list[Typed], where: tuple[int, int] | None) -> Typed:
        """`||` of texts or arrays (NULL if any is NULL)."""
        kinds = {item.type.base for item in items} - {"unknown"}
        if "array" in kinds:
            element = next(item.type.args[0] for item in items if item.type.base == "array")
            parts = [
                item if item.type.base == "array" else Typed(f"[{item.sql}]", array(item.type)) for item in items
            ]
            sqls, kind = self.unify(list(parts), Scope(), f"{at(where)}Unexpected parameters for function concat")
            missing = " OR ".join(f"({item.sql}) IS NULL" for item in items)
            del element
            return Typed(f"(CASE WHEN {missing} THEN NULL ELSE list_concat({', '.join(sqls)}) END)", kind)
        if kinds <= {"varchar", "char"} or kinds == {"varbinary"}:
            kind = VARBINARY if kinds == {"varbinary"} else VARCHAR
            return Typed("(" + " || ".join(widen(i.sql, i.type, kind) for i in items) + ")", kind)
        shown = ", ".join(str(item.type) for item in items)
        raise QueryError("TYPE_MISMATCH", f"{at(where)}Unexpected parameters ({shown}) for function concat")

    def _and(self, node: exp.And, scope: Scope) -> Typed:
        return Typed(f"({self.boolean(node.this, scope)} AND {self.boolean(node.expression, scope)})", BOOLEAN)

    def _or(self, node: exp.Or, scope: Scope) -> Typed:
        return Typed(f"({self.boolean(node.this, scope)} OR {self.boolean(node.expression, scope)})", BOOLEAN)

    def _not(self, node: exp.Not, scope: Scope) -> Typed:
        return Typed(f"(NOT {self.boolean(node.this, scope)})", BOOLEAN)

    def _is(self, node: exp.Is, scope: Scope) -> Typed:
        if not isinstance(node.expression, exp.Null):
            raise QueryError("SYNTAX_ERROR", f"{at(position(node))}only IS [NOT] NULL is allowed")
        return Typed(f"({self.compile(node.this, scope).sql} IS NULL)", BOOLEAN)

    def _between(self, node: exp.Between, scope: Scope) -> Typed:
        value = self.compile(node.this, scope)
        low, high = (self.compile(node.args[key], scope) for key in ("low", "high"))
        where = position(node)
        return Typed(
            f"({self.compare(value, '>=', low, where)} AND {self.compare(value, '<=', high, where)})", BOOLEAN
        )

    def _in(self, node: exp.In, scope: Scope) -> Typed:
        if node.args.get("query") is not None:
            left = self.compile(node.this, scope)
            query = node.args["query"]
            sub = self.query(query.this if isinstance(query, exp.Subquery) else query, scope)
            return Typed(f"({left.sql} IN ({self.one_column(sub, left.type, position(node))}))", BOOLEAN)
        what = "IN value and list items must be of the same type"
        (value, *items), _ = self.unify([node.this, *node.expressions], scope, what)
        return Typed(f"({value} IN ({', '.join(items)}))", BOOLEAN)

    def _like(self, node: exp.Like, scope: Scope, escape: str = "") -> Typed:
        value, pattern = self.compile(node.this, scope), self.compile(node.expression, scope)
        for side in (value, pattern):
            if side.type.base not in ("varchar", "char", "unknown"):
                where = at(position(node))
                raise QueryError(
                    "TYPE_MISMATCH",
                    f"{where}Left side of LIKE expression must evaluate to a varchar (actual: {side.type})",
                )
        return Typed(f"({value.sql} LIKE {pattern.sql}{escape})", BOOLEAN)

    def _escape(self, node: exp.Escape, scope: Scope) -> Typed:
        return self._like(node.this, scope, f" ESCAPE {self.compile(node.expression, scope).sql}")

    # --- conditionals -------------------------------------------------------------------------------------
    def _case(self, node: exp.Case, scope: Scope) -> Typed:
        branches = node.args["ifs"]
        default = node.args.get("default")
        values = [branch.args["true"] for branch in branches] + ([default] if default else [])
        results, kind = self.unify(values, scope, "All CASE results must be the same type")
        subject = self.compile(node.this, scope) if node.this else None
        parts = []
        for branch, result in zip(branches, results, strict=False):
            if subject is None:
                condition = self.boolean(branch.this, scope)
            else:
                condition = self.compare(subject, "=", self.compile(branch.this, scope), position(branch))
            parts.append(f"WHEN {condition} THEN {result}")
        tail = f" ELSE {results[-1]}" if default else ""
        return Typed(f"(CASE {' '.join(parts)}{tail} END)", kind)

    def _if(self, node: exp.If, scope: Scope) -> Typed:
        return self._case(exp.Case(ifs=[node], default=node.args.get("false")), scope)

    # --- conversions and constructors ---------------------------------------------------------------------
    def _cast(self, node: exp.Cast, scope: Scope, *, safe: bool = False) -> Typed:
        name = node.to.sql(dialect=AthenaGrammar)
        inner = self.compile(node.this, scope)
        if not name.lower().startswith("char"):
            return self.convert(inner, parse_type(_lengthless(name)), name, safe=safe)
        raise not_supported("the type char", position(node))

    def convert(self, inner: Typed, target: Type, name: str, *, safe: bool = False) -> Typed:
        if name.lower() == "decimal" and isinstance(inner.literal, str):
            whole, _, part = inner.literal.lstrip("+-").partition(".")
            target = decimal(len(whole.lstrip("0")) + len(part), len(part))
        if target.base.startswith("timestamp") and isinstance(inner.literal, str):
            target = Type(target.base, numbers=(3,))
        sql = cast(inner.sql, inner.type, target, safe=safe)
        if name.lower().startswith("varchar("):
            sql = f"substr({sql}, 1, {int(name[8:-1])})"
        constant = inner.literal if isinstance(inner.literal, str) and target.is_temporal else None
        return Typed(sql, target, constant)

    def _trycast(self, node: exp.TryCast, scope: Scope) -> Typed:
        return self._cast(node, scope, safe=True)

    def _parsejson(self, node: exp.ParseJSON, scope: Scope) -> Typed:
        return Typed(f"CAST({self.compile(node.this, scope).sql} AS JSON)", JSON)

    def _attimezone(self, node: exp.AtTimeZone, scope: Scope) -> Typed:
        value = self.compile(node.this, scope)
        zone = node.args["zone"]
        if not isinstance(zone, exp.Literal) or not value.type.base.startswith("timestamp"):
            raise not_supported("AT TIME ZONE with a computed zone", position(node))
        kind = Type("timestamp with time zone", numbers=(value.type.precision,), zone=zone.name)
        return Typed(cast(value.sql, value.type, Type(kind.base, numbers=kind.numbers)), kind)

    def _array(self, node: exp.Array, scope: Scope) -> Typed:
        items, kind = self.unify(node.expressions, scope, "All ARRAY elements must be the same type")
        return Typed(f"CAST([{', '.join(items)}] AS {array(kind).duckdb})", array(kind))

    def _tuple(self, node: exp.Tuple, scope: Scope) -> Typed:
        return self.row([self.compile(item, scope) for item in node.expressions])

    def row(self, items: list[Typed]) -> Typed:
        """ROW(…) with anonymous fields."""
        kind = row([("", item.type) for item in items])
        fields = (f"{text(key)}: {item.sql}" for key, item in zip(kind.field_keys, items, strict=True))
        return Typed(f"CAST({{{', '.join(fields)}}} AS {kind.duckdb})", kind)

    def _bracket(self, node: exp.Bracket, scope: Scope) -> Typed:
        base, index = self.compile(node.this, scope), self.compile(node.expressions[0], scope)
        if base.type.base == "array" and index.type.is_integer:
            return Typed(f"t_subscript({base.sql}, {index.sql})", base.type.args[0])
        if base.type.base == "map" and common_type(index.type, base.type.args[0]) == base.type.args[0]:
            key = widen(index.sql, index.type, base.type.args[0])
            return Typed(f"t_map_subscript({base.sql}, {key})", base.type.args[1])
        if (
            base.type.base == "row"
            and isinstance(index.literal, int)
            and 1 <= index.literal <= len(base.type.args)
        ):
            key = text(base.type.field_keys[index.literal - 1])
            return Typed(f"struct_extract({base.sql}, {key})", base.type.args[index.literal - 1])
        raise QueryError(
            "TYPE_MISMATCH", f"{at(position(node))}Cannot use {index.type} for subscript of {base.type}"
        )

    # --- subqueries ---------------------------------------------------------------------------------------
    def _subquery(self, node: exp.Subquery, scope: Scope) -> Typed:
        sub = self.query(node.this, scope)
        self.one_column(sub, sub.columns[0].type, position(node))
        return Typed(f"({sub.sql})", sub.columns[0].type)

    def _exists(self, node: exp.Exists, scope: Scope) -> Typed:
        inner = node.this
        sub = self.query(inner.this if isinstance(inner, exp.Subquery) else inner, scope)
        self.needs |= {sub.node, *sub.columns}
        return Typed(f"EXISTS ({sub.sql})", BOOLEAN)

    # --- calls with a grammar of their own ----------------------------------------------------------------
    def _anonymous(self, node: exp.Anonymous, scope: Scope) -> Typed:
        return self.call(node, str(node.this).lower(), node.expressions, scope)

    def _extract(self, node: exp.Extract, scope: Scope) -> Typed:
        return self.call(node, node.this.name.lower(), [node.expression], scope)

    def _substring(self, node: exp.Substring, scope: Scope) -> Typed:
        arguments = [node.this, node.args["start"], *filter(None, [node.args.get("length")])]
        return self.call(node, "substr", arguments, scope)

    def _trim(self, node: exp.Trim, scope: Scope) -> Typed:
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(node.args.get("position") or "", "trim")
        return self.call(node, name, [node.this, *filter(None, [node.expression])], scope)

    def _strposition(self, node: exp.StrPosition, scope: Scope) -> Typed:
        return self.call(node, "strpos", [node.this, node.args["substr"]], scope)

    def _groupconcat(self, node: exp.GroupConcat, scope: Scope) -> Typed:
        return self.call(node, "listagg", [node.this, node.args.get("separator") or exp.Literal.string("")], scope)

    def _aggregate(self, node: exp.Expression, scope: Scope) -> Typed:
        """Window, FILTER and IGNORE NULLS wrap a call; `call` unwraps them."""
        inner = node
        while isinstance(inner, exp.Window | exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
            inner = inner.this
        if isinstance(inner, exp.GroupConcat):
            return self.call(
                node, "listagg", [inner.this, inner.args.get("separator") or exp.Literal.string("")], scope
            )
        if not isinstance(inner, exp.Anonymous):
            raise not_supported(f"the window expression {node.sql(dialect='trino')}", position(node))
        return self.call(node, str(inner.this).lower(), inner.expressions, scope)

    _window = _filter = _ignorenulls = _respectnulls = _aggregate


def _lengthless(name: str) -> str:
    """A type name without the lengths of varchar."""
    import re

    return re.sub(r"(?i)varchar\(\d+\)", "varchar", name)


def decimal_divide(a: str, b: str, s1: int, s2: int, kind: Type) -> str:
    """Exact division of decimals of scales s1, s2, rounded half up to `kind`.

    The unscaled quotient is an integer; its text gets the decimal point (a DECIMAL division would be a double).
    """
    scale = kind.numbers[1]
    digits = (
        f"t_half_up(t_unscaled({a}, {s1}) * CAST('{10 ** (scale + s2 - s1)}' AS HUGEINT), t_unscaled({b}, {s2}))"
    )
    return f"CAST(t_point({digits}, {scale}) AS {kind.duckdb})"


def _decimal(left: Typed, symbol: str, right: Typed) -> Typed:
    """Decimal arithmetic; precision and scale by https://trino.io/docs/current/functions/decimal.html"""
    (p1, s1), (p2, s2) = as_decimal(left.type).numbers, as_decimal(right.type).numbers
    scale = max(s1, s2)
    a = widen(left.sql, left.type, as_decimal(left.type))
    b = widen(right.sql, right.type, as_decimal(right.type))
    if symbol == "*":
        kind = decimal(p1 + p2, s1 + s2)
        return Typed(f"CAST(({a} * {b}) AS {kind.duckdb})", kind)
    if symbol == "/":
        kind = decimal(p1 + s2 + max(s2 - s1, 0), scale)
        return Typed(decimal_divide(a, b, s1, s2, kind), kind)
    if symbol == "%":
        kind = decimal(min(p1 - s1, p2 - s2) + scale, scale)
        wide = decimal(38, scale).duckdb
        return Typed(f"CAST((CAST({a} AS {wide}) % CAST({b} AS {wide})) AS {kind.duckdb})", kind)
    kind = decimal(max(p1 - s1, p2 - s2) + scale + 1, scale)
    return Typed(f"CAST((CAST({a} AS {kind.duckdb}) {symbol} CAST({b} AS {kind.duckdb})) AS {kind.duckdb})", kind)
