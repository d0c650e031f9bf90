"""Operators, names, literals and conversions of one expression → typed DuckDB SQL.

Integer division stays integral, decimals follow Trino's precision rules, operands of different families are
a type error. Source: https://trino.io/docs/current/language/types.html, functions/{comparison,decimal,math}.html
"""

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
    JSON,
    TIME,
    TIMESTAMP,
    TIMESTAMP_TZ,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    common_type,
    parse_type,
    row,
)
from local_mock.athena.translate import literals
from local_mock.athena.translate.arithmetic import operate
from local_mock.athena.translate.casts import cast, widen
from local_mock.athena.translate.comparison import COMPARE, Comparison
from local_mock.athena.translate.python import python, python_sql
from local_mock.athena.translate.relations import Node, Scope, Typed, text

if TYPE_CHECKING:
    from local_mock.athena.translate.relations import Query

__all__ = ["Expressions", "is_session_value"]

_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_NOW = {
    "CurrentTimestamp": TIMESTAMP_TZ.with_facts(zone="UTC"),
    "Localtimestamp": TIMESTAMP,
    "CurrentDate": DATE,
    "Localtime": TIME,
    "CurrentTime": Type("time with time zone", numbers=(3,)),
}


_SESSION = frozenset({"current_schema", "current_catalog", "current_user"})
_EXTRACTED = frozenset({
    "year", "quarter", "month", "week", "day", "day_of_month", "day_of_week", "dow", "day_of_year", "doy", "year_of_week", "yow",  # noqa: E501
    "hour", "minute", "second", "timezone_hour", "timezone_minute",
})  # fmt: skip


def is_session_value(node: exp.Column) -> bool:
    """Return whether a name is one of Trino's reserved words for a value of the session."""
    return len(node.parts) == 1 and not node.this.args.get("quoted") and node.name.lower() in _SESSION


class Expressions(Comparison):
    """Compiles expressions; `Queries` adds the clauses around them."""

    def __init__(self, sql: str = "") -> None:
        self.source = sql
        self.needs: set[Node] = set()
        self._names = 0
        self._depth = 0

    # --- helpers ------------------------------------------------------------------------------------------
    def fresh(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def lambda_names(self, count: int) -> list[str]:
        """Return the names for a lambda's parameters, by depth: equal expressions compile to equal SQL."""
        return [f"p{self._depth}_{i}" for i in range(count)]

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Compile the body of a lambda."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    @contextmanager
    def collect(self) -> Iterator[set[Node]]:
        """Gather the columns needed by what is compiled inside."""
        outer, self.needs = self.needs, set()
        try:
            yield self.needs
        finally:
            self.needs = outer

    def query(self, node: exp.Expression, scope: Scope | None) -> Query:
        """Compile a subquery; `Queries` (queries.py) does it."""
        raise NotImplementedError

    def call(self, node: exp.Expression, name: str, arguments: list[Any], scope: Scope) -> Typed:
        """Compile a function call; `Calls` (calls.py) does it."""
        raise NotImplementedError

    # --- dispatch -----------------------------------------------------------------------------------------
    def compile(self, node: exp.Expression, scope: Scope) -> Typed:
        """Return the DuckDB SQL and Trino type of `node`. Raises QueryError."""
        kind = type(node)
        if kind in COMPARE:
            return self.comparison(node, COMPARE[kind], scope)
        if kind in _ARITHMETIC:
            return self.arithmetic(node, _ARITHMETIC[kind], scope)
        handler: Callable[[Any, Scope], Typed] | None = getattr(self, f"_{kind.__name__.lower()}", None)
        if handler is None:
            raise not_supported(f"the expression {node.sql(dialect='trino')}", position(node))
        return handler(node, scope)

    def boolean(self, node: exp.Expression, scope: Scope) -> str:
        """Compile a condition. Raises QueryError TYPE_MISMATCH if it is not boolean."""
        compiled = self.compile(node, scope)
        if compiled.type not in (BOOLEAN, UNKNOWN):
            raise QueryError(
                "TYPE_MISMATCH",
                f"{at(position(node))}WHERE clause must evaluate to a boolean: actual type {compiled.type}",
            )
        return f"CAST({compiled.sql} AS BOOLEAN)" if compiled.type == UNKNOWN else compiled.sql

    def unify(self, nodes: list[Any], scope: Scope, what: str) -> tuple[list[str], Type]:
        """Return the expressions coerced to their common type."""
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
        if is_session_value(node):
            return literals.string(self.session(node.name.lower()))
        return self.name([part.name for part in node.parts], scope, position(node))

    def _identifier(self, node: exp.Identifier, scope: Scope) -> Typed:
        return self.name([node.name], scope, position(node))

    def session(self, name: str) -> str:
        """Return the value of a name such as ``current_schema``."""
        raise NotImplementedError

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
        return literals.string(str(node.this)) if node.is_string else literals.number(node)

    def _boolean(self, node: exp.Boolean, _: Scope) -> Typed:
        return Typed("TRUE" if node.this else "FALSE", BOOLEAN, bool(node.this))

    def _null(self, _node: exp.Null, _: Scope) -> Typed:
        return Typed("NULL", UNKNOWN)

    def _hexstring(self, node: exp.HexString, _: Scope) -> Typed:
        digits = "".join(node.name.split())
        if len(digits) % 2 or any(d not in "0123456789abcdefABCDEF" for d in digits):
            raise QueryError(
                "SYNTAX_ERROR",
                f"{at(position(node))}binary literal must contain an even number of digits 0-9 or A-F",
            )
        return Typed(f"unhex({text(digits)})", VARBINARY)

    def _unicodestring(self, node: exp.UnicodeString, _: Scope) -> Typed:
        escape = node.args.get("escape")
        mark = str(escape.this) if isinstance(escape, exp.Expression) else "\\"
        return literals.string(unescaped(str(node.this), mark, position(node)))

    def _interval(self, node: exp.Interval, _: Scope) -> Typed:
        return literals.interval(node)

    def _now(self, node: exp.Expression, _: Scope) -> Typed:
        kind = _NOW[type(node).__name__]
        precision = node.args.get("this")
        if precision is not None:
            if not isinstance(precision, exp.Literal) or not precision.name.isdigit() or int(precision.name) > 12:
                raise not_supported(f"the expression {node.sql(dialect='trino')}", position(node))
            kind = Type(kind.base, numbers=(int(precision.name),), zone=kind.zone)
        moment = Typed("make_timestamp(epoch_ms(now()) * 1000)", TIMESTAMP)
        return Typed(
            cast(moment.sql, TIMESTAMP, kind)
            if kind.base != "timestamp with time zone"
            else widen(moment.sql, TIMESTAMP, kind),
            kind,
        )

    _currentdate = _currenttimestamp = _localtimestamp = _localtime = _currenttime = _now

    def _paren(self, node: exp.Paren, scope: Scope) -> Typed:
        compiled = self.compile(node.this, scope)
        return Typed(f"({compiled.sql})", compiled.type, compiled.literal)

    # --- operators ----------------------------------------------------------------------------------------
    def arithmetic(self, node: exp.Expression, symbol: str, scope: Scope) -> Typed:
        left, right = self.compile(node.this, scope), self.compile(node.expression, scope)
        return operate(left, symbol, right, position(node))

    def _neg(self, node: exp.Neg, scope: Scope) -> Typed:
        if isinstance(node.this, exp.Literal) and not node.this.is_string and node.this.name == str(2**63):
            return Typed(f"CAST('-{2**63}' AS BIGINT)", BIGINT, -(2**63))
        inner = self.compile(node.this, scope)
        if not (inner.type.is_numeric or inner.type.is_interval or inner.type == UNKNOWN):
            raise QueryError("TYPE_MISMATCH", f"{at(position(node))}Cannot negate {inner.type}")
        literal = -inner.literal if isinstance(inner.literal, int | float) else None
        if inner.type.is_integer:  # DuckDB negates a constant without looking whether its type holds the result
            return Typed(f"(CAST(0 AS {inner.type.duckdb}) - {inner.sql})", inner.type, literal)
        return Typed(f"(-{inner.sql})", inner.type, literal)

    def _dpipe(self, node: exp.DPipe, scope: Scope) -> Typed:
        left, right = self.compile(node.this, scope), self.compile(node.expression, scope)
        return self.concatenate([left, right], position(node))

    def concatenate(self, items: list[Typed], where: tuple[int, int] | None) -> Typed:
        """Return `||` of texts or arrays (NULL if any is NULL)."""
        kinds = {item.type.base for item in items} - {"unknown"}
        if "array" in kinds:
            element = next(item.type.args[0] for item in items if item.type.base == "array")
            nested = common_type(*(item.type for item in items)) is None if len(items) == 2 else False
            element_of = [
                nested and any(common_type(array(item.type), o.type) == o.type for o in items) for item in items
            ]
            parts = [
                item
                if item.type.base == "array" and not own
                else Typed(f"CAST(NULL AS {element.duckdb}[])", array(element))
                if item.type == UNKNOWN
                else Typed(f"CASE WHEN ({item.sql}) IS NOT NULL THEN [{item.sql}] END", array(item.type))
                for item, own in zip(items, element_of, strict=True)
            ]
            sqls, kind = self.unify(list(parts), Scope(), f"{at(where)}Unexpected parameters for function concat")
            return Typed(python_sql("concat_arrays", [(sql, kind) for sql in sqls], kind), kind)
        if kinds == {"varbinary"}:
            return Typed("(" + " || ".join(widen(i.sql, i.type, VARBINARY) for i in items) + ")", VARBINARY)
        if kinds == {"char"}:
            total = sum(item.type.width for item in items)
            joined = " || ".join(widen(i.sql, i.type, VARCHAR) for i in items)
            return Typed(f"rtrim({joined}, ' ')", Type("char", length=total))
        if kinds <= {"varchar", "char"}:
            return Typed("(" + " || ".join(widen(i.sql, i.type, VARCHAR) for i in items) + ")", VARCHAR)
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
        if node.meta.get("literal"):
            kind = parse_type(
                name.split("(")[0]
                if "(" in name and not name.lower().startswith("timestamp") and not name.lower().startswith("time")
                else name
            )
            made = literals.typed(str(node.this.this), kind, node)
            if made is not None:
                return made
        return self.convert(self.compile(node.this, scope), parse_type(name), safe=safe, where=position(node))

    def convert(
        self, inner: Typed, target: Type, *, safe: bool = False, where: tuple[int, int] | None = None
    ) -> Typed:
        """CAST of a compiled expression."""
        try:
            sql = cast(inner.sql, inner.type, target, safe=safe)
        except QueryError as err:
            raise QueryError(err.code, at(where) + str(err).removeprefix(f"{err.code}: ")) from err
        if target.base == "timestamp with time zone":
            zone = inner.type.zone if inner.type.base == target.base else "" if inner.type.is_text else "UTC"
            target = target.with_facts(zone=zone)
        constant = (
            inner.literal if isinstance(inner.literal, str) and target.base in ("date", "timestamp") else None
        )
        return Typed(sql, target, constant)

    def _trycast(self, node: exp.TryCast, scope: Scope) -> Typed:
        return self._cast(node, scope, safe=True)

    def _parsejson(self, node: exp.ParseJSON, scope: Scope) -> Typed:
        return python("json_parse", [self.compile(node.this, scope)], JSON)

    def _attimezone(self, node: exp.AtTimeZone, scope: Scope) -> Typed:
        from local_mock.athena.translate.functions.datetimes import zone_shift

        return zone_shift(self, node, self.compile(node.this, scope), self.compile(node.args["zone"], scope))

    def _concat(self, node: exp.Concat, _: Scope) -> Typed:
        raise QueryError("SYNTAX_ERROR", f"{at(position(node))}mismatched input: two texts side by side")

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
        if len(node.expressions) != 1:
            raise QueryError("SYNTAX_ERROR", f"{at(position(node))}one subscript expected")
        base, index = self.compile(node.this, scope), self.compile(node.expressions[0], scope)
        if base.type.base == "array" and (index.type.is_integer or index.type == UNKNOWN):
            return Typed(f"t_subscript({base.sql}, {widen(index.sql, index.type, BIGINT)})", base.type.args[0])
        if base.type.base == "map" and common_type(index.type, base.type.args[0]) == base.type.args[0]:
            key = widen(index.sql, index.type, base.type.args[0])
            return python("map_subscript", [base, Typed(key, base.type.args[0])], base.type.args[1])
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
        sql, kind = self.single(self.query(node.this, scope))
        return Typed(f"({sql})", kind)

    def _exists(self, node: exp.Exists, scope: Scope) -> Typed:
        inner = node.this
        sub = self.query(inner.this if isinstance(inner, exp.Subquery) else inner, scope)
        self.needs |= {sub.node, *sub.columns}
        return Typed(f"EXISTS ({sub.sql})", BOOLEAN)

    # --- calls with a grammar of their own ----------------------------------------------------------------
    def _anonymous(self, node: exp.Anonymous, scope: Scope) -> Typed:
        return self.call(node, str(node.this).lower(), node.expressions, scope)

    def _extract(self, node: exp.Extract, scope: Scope) -> Typed:
        if node.this.name.lower() not in _EXTRACTED:
            raise QueryError("SYNTAX_ERROR", f"{at(position(node))}Invalid EXTRACT field: {node.this.name}")
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


def unescaped(value: str, mark: str, where: tuple[int, int] | None) -> str:
    """Return the text of `U&'…'`."""
    out, i = "", 0
    while i < len(value):
        if value[i] != mark:
            out, i = out + value[i], i + 1
            continue
        if value[i + 1 : i + 2] == mark:
            out, i = out + mark, i + 2
            continue
        digits = value[i + 2 : i + 8] if value[i + 1 : i + 2] == "+" else value[i + 1 : i + 5]
        size = 8 if value[i + 1 : i + 2] == "+" else 5
        try:
            code = int(digits, 16) if len(digits) == size - (2 if size == 8 else 1) else -1
        except ValueError:
            code = -1
        if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise QueryError("SYNTAX_ERROR", f"{at(where)}Invalid escape in Unicode string: {value}")
        out, i = out + chr(code), i + size
    return out
