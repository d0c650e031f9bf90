"""Function calls: resolution against the allow-list, lambdas, aggregates with their clauses, windows.

A name that is in no table of `functions/` fails as on Athena: `Function 'foo' not registered`.
"""

# ruff: noqa: E501 - one line a message or table
from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from sqlglot import exp

from local_mock.athena.dialect import position
from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.sqltypes import UNKNOWN, Type, common_type
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.expressions import Expressions
from local_mock.athena.translate.ordering import groupable, order_value, order_words
from local_mock.athena.translate.python import python
from local_mock.athena.translate.relations import Scope, Typed
from local_mock.athena.translate.signatures import Lambda, Signature, bind, load, substitute

__all__ = ["Calls", "Clauses"]

# Functions of Athena that are not translated: https://trino.io/docs/current/functions/list.html
REFUSED_FUNCTIONS = frozenset({
    "approx_most_frequent", "approx_set", "bar", "bing_tile", "bing_tile_at", "bing_tile_polygon", "bing_tiles_around",
    "classification", "classifier", "classify", "color", "cosine_distance", "convex_hull_agg", "dot_product", "empty_approx_set",
    "euclidean_distance", "evaluate_classifier_predictions", "features", "from_encoded_polyline",
    "from_geojson_geometry", "geometry_from_hadoop_shape", "geometry_invalid_reason", "geometry_nearest_points", "geometry_union",
    "geometry_union_agg", "great_circle_distance", "hash_counts", "index", "intersection_cardinality", "inverse_beta_cdf",
    "jaccard_index", "learn_classifier", "learn_libsvm_classifier", "learn_libsvm_regressor", "learn_regressor",
    "line_interpolate_point", "line_interpolate_points", "line_locate_point", "make_set_digest", "merge", "merge_set_digest",
    "numeric_histogram", "parse_presto_data_size", "qdigest_agg", "quantile_at_value", "regress", "render",
    "rgb", "simplify_geometry", "spatial_partitioning", "spatial_partitions", "spooky_hash_v2_32", "spooky_hash_v2_64",
    "tdigest_agg", "to_encoded_polyline", "to_geojson_geometry", "to_geometry", "to_spherical_geography",
    "value_at_quantile", "values_at_quantiles", "word_stem",
})  # fmt: skip
Special = Callable[["Calls", exp.Expression, list[Any], Scope], Typed]


@cache
def _tables() -> tuple[
    dict[str, list[Signature]],
    dict[str, list[Signature]],
    dict[str, list[Signature]],
    dict[str, Special],
    dict[str, Special],
]:
    from local_mock.athena.translate.functions import (
        aggregates,
        arrays,
        datetimes,
        json_calls,
        scalars,
        special,
        special_aggregates,
        special_lambdas,
    )  # fmt: skip

    scalar = load(scalars.SIGNATURES + arrays.SIGNATURES + datetimes.SIGNATURES)
    specials = {**special.SPECIAL, **special_lambdas.SPECIAL, **datetimes.SPECIAL, **json_calls.SPECIAL}
    return scalar, load(aggregates.SIGNATURES), load(aggregates.WINDOW), specials, special_aggregates.AGGREGATES


def is_aggregated(node: exp.Select) -> bool:
    """Return whether a SELECT has an aggregate function among its items, and so one row where it has no GROUP BY."""
    _, aggregates, _, _, gathering = _tables()
    calls = (call for item in node.expressions for call in item.find_all(exp.Anonymous, exp.GroupConcat))
    return any(
        (isinstance(call, exp.GroupConcat) or str(call.this).lower() in (*aggregates, *gathering))
        and call.find_ancestor(exp.Select, exp.Window) is node
        for call in calls
    )


class Clauses:
    """The modifiers of an aggregate call: DISTINCT, ORDER BY inside, FILTER, OVER, IGNORE NULLS."""

    def __init__(self) -> None:
        self.distinct = self.order = self.filter = self.over = self.nulls = ""

    def render(self, template: str, arguments: list[str]) -> str:
        sql = template.format(
            *arguments,
            d=self.distinct,
            o=self.order,
            w=self.filter + self.over,
            n=self.nulls,
            all=", ".join(arguments),
        )
        return f"({sql})" if self.over and not sql.startswith("CAST") else sql


class Calls(Expressions):
    """Compiles calls; `Queries` provides the relations."""

    windows: list[dict[str, exp.Window]]

    def call(self, node: exp.Expression, name: str, arguments: list[Any], scope: Scope) -> Typed:
        scalars, aggregates, window_only, special, gathering = _tables()
        plain = not isinstance(node, exp.Window | exp.Filter | exp.IgnoreNulls | exp.RespectNulls)
        if name in gathering or (name in special and plain):
            return (gathering.get(name) or special[name])(self, node, arguments, scope)
        if name in scalars and plain:
            return self._resolve(node, name, scalars[name], arguments, scope, None)
        if name in aggregates or (name in window_only and node.find(exp.Window) is node):
            clauses, arguments = self._clauses_of(node, arguments, scope, is_window=name in window_only)
            candidates = aggregates.get(name) or window_only[name]
            self._check_offset(node, name, arguments, scope)
            return self._resolve(node, name, candidates, arguments, scope, clauses)
        if name in window_only:
            raise QueryError(
                "MISSING_OVER", f"{at(self.place(node, name))}Window function {name} requires an OVER clause"
            )
        if name in scalars or name in special:
            raise QueryError(
                "FUNCTION_NOT_AGGREGATE",
                f"{at(self.place(node, name))}Filter and OVER are only valid for aggregation functions",
            )
        if name in REFUSED_FUNCTIONS or name.startswith("st_"):
            raise not_supported(f"{name}()", self.place(node, name))
        raise QueryError("FUNCTION_NOT_FOUND", f"{at(self.place(node, name))}Function '{name}' not registered")

    def _check_offset(self, node: exp.Expression, name: str, arguments: list[Any], scope: Scope) -> None:
        if name in ("nth_value", "lead", "lag", "ntile") and len(arguments) > (name != "ntile"):
            given = self.compile(arguments[0 if name == "ntile" else 1], scope)
            least = 0 if name in ("lead", "lag") else 1
            if given.type == UNKNOWN or (isinstance(given.literal, int) and given.literal < least):
                raise QueryError(
                    "INVALID_FUNCTION_ARGUMENT", f"{at(self.place(node, name))}Offset must be at least {least}"
                )

    def place(self, node: exp.Expression, name: str) -> tuple[int, int] | None:
        """Return the line and column of the call in the source text."""
        match = re.search(rf"\b{re.escape(name)}\s*\(", self.source, re.IGNORECASE)
        if match is None:
            return position(node)
        before = self.source[: match.start()]
        return before.count("\n") + 1, match.start() - (before.rfind("\n") + 1) + 1

    # --- resolution ---------------------------------------------------------------------------------------
    def _resolve(
        self,
        node: exp.Expression,
        name: str,
        candidates: list[Signature],
        arguments: list[Any],
        scope: Scope,
        clauses: Clauses | None,
    ) -> Typed:
        compiled = [
            None if isinstance(a, exp.Lambda) else a if isinstance(a, Typed) else self.compile(a, scope)
            for a in arguments
        ]
        lambdas = [len(a.expressions) if isinstance(a, exp.Lambda) else None for a in arguments]
        binding = bind(candidates, [a.type if a else None for a in compiled], lambda s: _lambdas_fit(s, lambdas))
        if binding is None:
            raise self.mismatch(node, name, compiled, candidates)
        if clauses is not None and clauses.distinct:
            for value in compiled:
                if value is not None and not groupable(value.type):
                    raise not_supported(f"DISTINCT over {value.type}", self.place(node, name))
        signature, letters = binding
        sqls: list[str] = []
        for i, (argument, value) in enumerate(zip(arguments, compiled, strict=True)):
            pattern = signature.argument(i)
            if isinstance(pattern, Lambda):
                sqls.append(self.lambda_sql(argument, pattern, letters, scope, sqls, signature))
            elif value is not None:
                target = substitute(pattern, letters)
                keep = target.base in ("decimal", "unknown", "timestamp", "timestamp with time zone")
                sqls.append(
                    value.sql if keep and value.type.base == target.base else widen(value.sql, value.type, target)
                )
        result = _result(signature, letters, [a.type for a in compiled if a])
        if signature.template.startswith("@"):
            return python(signature.template[1:], _as_arguments(signature, letters, sqls, compiled), result)
        sql = (
            clauses.render(signature.template, sqls)
            if clauses
            else signature.template.format(*sqls, all=", ".join(sqls))
        )
        return Typed(sql if clauses else f"({sql})", result)

    def mismatch(
        self, node: exp.Expression, name: str, values: list[Typed | None], candidates: list[Signature]
    ) -> QueryError:
        shown = ", ".join(str(v.type) if v else "<function>" for v in values)
        expected = ", ".join(f"{name}({', '.join(_show(a) for a in s.arguments)})" for s in candidates)
        message = f"Unexpected parameters ({shown}) for function {name}. Expected: {expected}"
        return QueryError(
            "FUNCTION_NOT_FOUND" if len(values) == 0 else "TYPE_MISMATCH", at(self.place(node, name)) + message
        )

    def lambda_sql(
        self,
        node: exp.Lambda,
        pattern: Lambda,
        letters: dict[str, Type],
        scope: Scope,
        before: list[str],
        signature: Signature,
    ) -> str:
        kinds = [substitute(p, letters) for p in pattern.parameters]
        finishing = signature.name == "reduce" and len(before) == 3
        names = self.lambda_names(len(kinds))
        inner = Scope(scope)
        for parameter, name, kind in zip(node.expressions, names, kinds, strict=True):
            value = f"list_reduce({before[0]}, {before[2]}, {before[1]})" if finishing else name
            inner.parameters[parameter.name.lower()] = Typed(value, kind)
        with self.deeper():
            body = self.compile(node.this, inner)
        letter = pattern.result.base
        if letter in letters:
            merged = common_type(letters[letter], body.type)
            if merged is None:
                raise QueryError(
                    "TYPE_MISMATCH", f"{at(position(node))}lambda returns {body.type}, expected {letters[letter]}"
                )
            if signature.name == "reduce" and not finishing and body.type.is_integer and body.type != merged:
                message = f"lambda returns {body.type}, expected {merged}"  # a narrower state is not widened
                raise QueryError("TYPE_MISMATCH", f"{at(position(node))}{message}")
            if merged != letters[letter] and signature.name == "reduce":
                # The state takes the wider type: compile the step again with it.
                before[1] = widen(before[1], letters[letter], merged)
                letters[letter] = merged
                return self.lambda_sql(node, pattern, letters, scope, before, signature)
            sql = widen(body.sql, body.type, letters[letter])
        elif len(letter) == 1:
            letters[letter] = body.type
            sql = body.sql
        else:
            sql = widen(body.sql, body.type, substitute(pattern.result, letters))
        return sql if finishing else f"lambda {', '.join(names)}: {sql}"

    # --- clauses of aggregates ----------------------------------------------------------------------------
    def _clauses_of(
        self, node: exp.Expression, arguments: list[Any], scope: Scope, *, is_window: bool
    ) -> tuple[Clauses, list[Any]]:
        clauses = Clauses()
        part: Any = node
        while isinstance(part, exp.Window | exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
            if isinstance(part, exp.Filter):
                clauses.filter = f" FILTER (WHERE {self.boolean(part.expression.this, scope)})"
            elif isinstance(part, exp.Window):
                clauses.over = f" OVER {self._over(part, scope)}"
            elif isinstance(part, exp.IgnoreNulls):
                clauses.nulls = " IGNORE NULLS"
            part = part.this
        if clauses.nulls and not is_window:
            raise not_supported("IGNORE NULLS on this function", position(node))
        arguments = list(arguments)
        if arguments and isinstance(arguments[0], exp.Distinct):
            clauses.distinct = "DISTINCT "
            arguments = list(arguments[0].expressions)
        sorted_by: set[str] = set()
        for i, argument in enumerate(arguments):
            if isinstance(argument, exp.Order):
                keys = [self.compile(k.this, scope) for k in argument.expressions]
                sorted_by = {key.sql for key in keys}
                words = map(order_words, argument.expressions)
                sorting = (f"{order_value(key)} {word}" for key, word in zip(keys, words, strict=True))
                clauses.order = f" ORDER BY {', '.join(sorting)}"
                arguments[i] = argument.this
                if isinstance(argument.this, exp.Distinct):
                    clauses.distinct = "DISTINCT "
                    arguments[i : i + 1] = argument.this.expressions
        if clauses.distinct and sorted_by and not sorted_by <= {self.compile(a, scope).sql for a in arguments}:
            raise QueryError(
                "EXPRESSION_NOT_IN_DISTINCT",
                f"{at(position(node))}For aggregate function with DISTINCT, ORDER BY expressions must appear in arguments",
            )
        _check_over(clauses, node)
        if len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            arguments = []
        return clauses, arguments

    def _over(self, node: exp.Window, scope: Scope) -> str:
        partition, order, spec = self._window_of(node, 0)
        parts = []
        if partition:
            keys = [self.compile(k, scope) for k in partition]
            for key in keys:
                if not groupable(key.type):
                    raise not_supported(f"PARTITION BY {key.type}", position(node))
            parts.append("PARTITION BY " + ", ".join(key.sql for key in keys))
        ordered: list[Typed] = []
        if order is not None:
            ordered = [self.compile(k.this, scope) for k in order.expressions]
            pairs = zip(ordered, order.expressions, strict=True)
            parts.append("ORDER BY " + ", ".join(f"{order_value(value)} {order_words(k)}" for value, k in pairs))
        if spec is not None:
            parts.append(self._frame(spec, scope, ordered))
        return f"({' '.join(parts)})"

    def _window_of(self, node: exp.Window, depth: int) -> tuple[list[Any], Any, Any]:
        """Return (PARTITION BY, ORDER BY, frame) of a window, with those of the named window that it refines."""
        partition, order, spec = node.args.get("partition_by") or [], node.args.get("order"), node.args.get("spec")
        named = node.args.get("alias")
        if named is None:
            return partition, order, spec
        base = self.windows[-1].get(named.name.lower()) if self.windows else None
        where = at(position(node))
        if base is None or depth > 50:
            raise QueryError("INVALID_WINDOW_REFERENCE", f"{where}WINDOW '{named.name}' is not defined")
        base_partition, base_order, base_spec = self._window_of(base, depth + 1)
        if partition:
            raise QueryError(
                "INVALID_PARTITION_BY",
                f"{where}WINDOW specification with named WINDOW reference cannot specify PARTITION BY",
            )
        if order is not None and base_order is not None:
            raise QueryError(
                "INVALID_ORDER_BY", f"{where}Cannot specify ORDER BY if it is specified in the referenced window"
            )
        if (
            base_spec is not None
            and (
                order is not None
                or spec is not None
                or node.args.get("over") is None
                or node.args.get("this") is not None
            )
            and (order is not None or spec is not None)
        ):
            raise QueryError(
                "INVALID_WINDOW_REFERENCE",
                f"{where}Cannot reference named WINDOW containing frame specification",
            )
        return base_partition, order or base_order, spec or base_spec

    def _range_offset(self, offset: Typed, key: Typed, spec: exp.WindowSpec) -> str:
        if key.type.base in ("date", "timestamp") and key.type.precision <= 6 and offset.type.is_interval:
            return _range_offset_sql(offset)
        if not (key.type.is_numeric and offset.type.is_numeric):
            if key.type.is_temporal and offset.type.is_interval:
                raise not_supported(f"a RANGE frame over {key.type}", position(spec))
            raise QueryError(
                "TYPE_MISMATCH",
                f"{at(position(spec))}Window frame RANGE value type ({offset.type}) not compatible with sort item type ({key.type})",
            )
        return _checked_offset(offset)

    def _frame(self, spec: exp.WindowSpec, scope: Scope, ordered: list[Typed]) -> str:
        unit = spec.args["kind"].upper()

        def edge(key: str) -> str:
            value = spec.args.get(key)
            if value is None or isinstance(value, str):
                return f"{value or 'CURRENT ROW'} {spec.args.get(f'{key}_side') or ''}".strip()
            offset = self.compile(value, scope)
            sql = offset.sql
            if unit == "RANGE":
                if len(ordered) != 1:
                    raise QueryError(
                        "INVALID_ORDER_BY",
                        f"{at(position(spec))}Window frame of type RANGE PRECEDING or FOLLOWING requires single sort item in ORDER BY",
                    )
                sql = self._range_offset(offset, ordered[0], spec)
            elif not offset.type.is_integer and (offset.type.base != "decimal" or offset.type.numbers[1]):
                raise QueryError(
                    "TYPE_MISMATCH",
                    f"{at(position(spec))}Window frame {unit} offset must be of type exact numeric with scale 0 (actual {offset.type})",
                )
            else:
                sql = _checked_offset(offset)
            return f"{sql} {spec.args.get(f'{key}_side')}"

        return f"{unit} BETWEEN {edge('start')} AND {edge('end')}"


def _check_over(clauses: Clauses, node: exp.Expression) -> None:
    """Refuse what Trino does not take together with OVER."""
    if not clauses.over:
        return
    if clauses.order:
        raise QueryError("NOT_SUPPORTED", f"{at(position(node))}Window function with ORDER BY is not supported")
    if clauses.distinct:
        message = "DISTINCT in window function parameters not yet supported"
        raise QueryError("NOT_SUPPORTED", f"{at(position(node))}{message}")


def _checked_offset(offset: Typed) -> str:
    if isinstance(offset.literal, int | float) and offset.literal >= 0:
        return offset.sql
    failure = "t_fail('INVALID_WINDOW_FRAME: Window frame offset value must not be negative or null')"
    return f"(CASE WHEN ({offset.sql}) >= 0 THEN {offset.sql} ELSE {failure} END)"


def _range_offset_sql(offset: Typed) -> str:
    return (
        f"to_milliseconds({offset.sql})"
        if offset.type.base == "interval day to second"
        else f"to_months({offset.sql})"
    )


def _as_arguments(
    signature: Signature, letters: dict[str, Type], sqls: list[str], compiled: list[Typed | None]
) -> list[Typed]:
    """Return the arguments of a Python function in the types that they have now."""
    arguments = []
    for i, (sql, value) in enumerate(zip(sqls, compiled, strict=True)):
        pattern = signature.argument(i)
        assert not isinstance(pattern, Lambda)
        assert value is not None
        target = substitute(pattern, letters)
        arguments.append(Typed(sql, value.type if target.base == value.type.base and not target.args else target))
    return arguments


def _lambdas_fit(signature: Signature, counts: list[int | None]) -> bool:
    patterns = [signature.argument(i) for i in range(len(counts))]
    return all(not isinstance(p, Lambda) or len(p.parameters) == n for p, n in zip(patterns, counts, strict=True))


def _show(argument: Type | Lambda) -> str:
    if isinstance(argument, Lambda):
        return f"function({', '.join(map(_show, (*argument.parameters, argument.result)))})"
    return "decimal(p,s)" if argument.base == "decimal" and not argument.numbers else str(argument)


def _result(signature: Signature, letters: dict[str, Type], kinds: list[Type]) -> Type:
    """Return the result type; `decimal` and timestamps keep what the first argument of that type has."""
    result = substitute(signature.result, letters)
    if signature.name == "sequence" and kinds[0].base == "timestamp":
        return Type("array", (kinds[0],))
    if result.base in ("decimal", "timestamp", "timestamp with time zone"):
        same = [k for k in kinds if k.base == result.base]
        if result.base == "decimal" and result.numbers:
            return result
        if result.base == "decimal" and signature.name == "sum" and same:
            return Type("decimal", numbers=(38, same[0].numbers[1]))
        if result.base == "decimal" and signature.name in ("ceil", "ceiling", "floor") and same:
            p, s = same[0].numbers
            return Type("decimal", numbers=(p - s + min(s, 1), 0))
        return same[0] if same else result
    return result
