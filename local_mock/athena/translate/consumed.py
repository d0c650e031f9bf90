"""Every argument of every syntax node is consumed by the translator, or the statement is refused.

sqlglot parses more than Athena's dialect and puts what it finds into arguments of its nodes. `CONSUMED` names,
for each class that the translator compiles, the arguments that it reads; `check` refuses a tree with any other
class or argument, so that nothing which was written is silently left out.
"""

# ruff: noqa: E501 - one line a message or table
from __future__ import annotations

from sqlglot import exp

from local_mock.athena.dialect import position
from local_mock.athena.errors import not_supported

__all__ = ["CONSUMED", "check"]

_BINARY = ("this", "expression")
_QUERY = ("with_", "order", "limit", "offset")

# `_type` is sqlglot's own note; falsy arguments say nothing. Keys beyond `expressions`, `this` are read by name.
CONSUMED: dict[type[exp.Expression], frozenset[str]] = {
    kind: frozenset(arguments)
    for kinds, arguments in (
        # --- queries
        (
            (exp.Select,),
            (*_QUERY, "expressions", "from_", "joins", "where", "group", "having", "windows", "distinct"),
        ),
        ((exp.Union, exp.Except, exp.Intersect), (*_QUERY, "this", "expression", "distinct")),
        ((exp.Subquery,), (*_QUERY, "this", "alias", "joins", "sample")),
        ((exp.Values,), ("expressions", "alias", "order", "limit", "offset")),
        ((exp.With,), ("expressions", "recursive")),
        ((exp.CTE,), ("this", "alias")),
        ((exp.From, exp.Where, exp.Having), ("this",)),
        ((exp.Table,), ("this", "db", "catalog", "alias", "joins", "sample", "version")),
        ((exp.Version,), ("this", "expression", "kind")),
        ((exp.TableAlias,), ("this", "columns")),
        ((exp.TableSample,), ("method", "percent")),
        ((exp.Join,), ("this", "side", "kind", "on", "using", "method")),
        ((exp.Unnest,), ("expressions", "alias", "offset")),
        ((exp.Lateral,), ("this", "alias")),
        ((exp.Group,), ("expressions", "rollup", "cube", "grouping_sets")),
        ((exp.GroupingSets, exp.Rollup, exp.Cube), ("expressions",)),
        ((exp.Distinct,), ("expressions",)),
        ((exp.Order,), ("this", "expressions")),
        ((exp.Ordered,), ("this", "desc", "nulls_first")),
        ((exp.Limit, exp.Offset), ("expression",)),
        ((exp.Fetch,), ("count", "limit_options", "direction")),
        ((exp.LimitOptions,), ("rows", "with_ties", "percent")),
        # --- names and literals
        ((exp.Identifier,), ("this", "quoted")),
        ((exp.Column,), ("this", "table", "db", "catalog")),
        ((exp.Dot,), _BINARY),
        ((exp.Star, exp.Null), ()),
        ((exp.Alias,), ("this", "alias")),
        ((exp.Aliases,), ("this", "expressions")),
        ((exp.Literal,), ("this", "is_string")),
        ((exp.Boolean, exp.HexString), ("this",)),
        ((exp.UnicodeString,), ("this", "escape")),
        ((exp.Var, exp.Paren), ("this",)),
        ((exp.Interval,), ("this", "unit")),
        ((exp.IntervalSpan,), _BINARY),
        ((exp.CurrentTimestamp, exp.CurrentTime, exp.Localtime, exp.Localtimestamp), ("this",)),
        ((exp.CurrentDate,), ()),
        # --- operators
        ((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ), _BINARY),
        ((exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.And, exp.Or, exp.DPipe, exp.Escape), _BINARY),
        ((exp.Div,), (*_BINARY, "typed")),
        ((exp.Neg, exp.Not), ("this",)),
        ((exp.Is,), _BINARY),
        ((exp.Like,), (*_BINARY, "negate")),
        ((exp.Between,), ("this", "low", "high")),
        ((exp.In,), ("this", "expressions", "query")),
        ((exp.Exists, exp.Any, exp.All), ("this",)),
        ((exp.Concat,), ("expressions",)),
        # --- expressions with a grammar of their own
        ((exp.Case,), ("this", "ifs", "default")),
        ((exp.If,), ("this", "true", "false")),
        ((exp.Cast,), ("this", "to")),
        ((exp.TryCast,), ("this", "to", "safe")),
        ((exp.DataType,), ("this", "expressions", "nested", "kind", "values")),
        ((exp.DataTypeParam,), ("this",)),
        ((exp.ColumnDef,), ("this", "kind")),
        ((exp.ParseJSON,), ("this", "is_literal")),
        ((exp.AtTimeZone,), ("this", "zone")),
        ((exp.Array,), ("expressions",)),
        ((exp.Tuple,), ("expressions",)),
        ((exp.Bracket,), ("this", "expressions")),
        ((exp.Extract,), _BINARY),
        ((exp.Substring,), ("this", "start", "length")),
        ((exp.Trim,), ("this", "expression", "position")),
        ((exp.StrPosition,), ("this", "substr")),
        ((exp.GroupConcat,), ("this", "separator", "on_overflow")),
        ((exp.OverflowTruncateBehavior,), ("this", "with_count")),
        ((exp.Anonymous,), ("this", "expressions")),
        ((exp.Lambda,), ("this", "expressions")),
        ((exp.Window,), ("this", "partition_by", "order", "spec", "alias", "over")),
        ((exp.WindowSpec,), ("kind", "start", "start_side", "end", "end_side")),
        ((exp.Filter,), _BINARY),
        ((exp.IgnoreNulls, exp.RespectNulls), ("this",)),
    )
    for kind in kinds
}

_NAMES = {
    exp.Pivot: "PIVOT", exp.MatchRecognize: "MATCH_RECOGNIZE",
    exp.Hint: "a hint", exp.Qualify: "QUALIFY", exp.ILike: "ILIKE", exp.SimilarTo: "SIMILAR TO", exp.Lock: "FOR UPDATE",
}  # fmt: skip
_ARGUMENTS = {
    "by_name": "BY NAME", "percent": "LIMIT … PERCENT", "with_ties": "FETCH … WITH TIES", "symmetric": "BETWEEN SYMMETRIC",
    "format": "CAST … FORMAT", "materialized": "MATERIALIZED", "pivots": "PIVOT or MATCH_RECOGNIZE",
    "match": "MATCH_RECOGNIZE", "exclude": "EXCLUDE in a window frame", "all": "GROUP BY ALL or DISTINCT",
}  # fmt: skip


def _shown(node: exp.Expression) -> str:
    """Return the text of a node; its class where sqlglot cannot write it."""
    try:
        return str(node.sql(dialect="trino"))[:120]
    except Exception:  # the generator is for whole nodes of its own dialect
        return type(node).__name__.upper()


def check(tree: exp.Expression) -> None:
    """Raise QueryError NOT_SUPPORTED for a node, or an argument of one, that the translator does not read."""
    for node in tree.walk():
        consumed = CONSUMED.get(type(node))
        if consumed is None:
            name = _NAMES.get(type(node)) or f"the expression {_shown(node)}"
            raise not_supported(name, position(node) or position(node.parent))
        for key, value in node.args.items():
            message = (
                value is not None
                and value != []
                and (value is not False or (key == "all" and isinstance(node, exp.Group)))
            )
            if message and key not in consumed and key != "_type" and not (key == "joins" and value == []):
                name = _ARGUMENTS.get(key) or f"{key.strip('_').upper()} of {type(node).__name__.upper()}"
                raise not_supported(name, position(node))
