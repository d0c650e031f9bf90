"""Function calls: resolution against the allow-list, lambdas, aggregates with their clauses, windows.

A name that is in no table of `functions/` fails as on Athena: `Function 'foo' not registered`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from sqlglot import exp

from local_mock.athena.dialect import position
from local_mock.athena.errors import QueryError, at, not_supported
from local_mock.athena.sqltypes import Type, common_type
from local_mock.athena.translate.casts import widen
from local_mock.athena.translate.expressions import Expressions
from local_mock.athena.translate.python import python
from local_mock.athena.translate.relations import Scope, Typed
from local_mock.athena.translate.signatures import Lambda, Signature, bind, load, substitute

__all__ = ["Calls", "Clauses"]

Special = Callable[["Calls", exp.Expression, list[Any], Scope], Typed]


@cache
def _tables() -> tuple[
    dict[str, list[Signature]], dict[str, list[Signature]], dict[str, list[Signature]], dict[str, Special], dict[str, Special]
]:
    from local_mock.athena.translate.functions import aggregates, arrays, datetimes, scalars, special

    scalar = load(scalars.SIGNATURES + arrays.SIGNATURES + datetimes.SIGNATURES)
    specials = {**special.SPECIAL, **datetimes.SPECIAL}
    return scalar, load(aggregates.SIGNATURES), load(aggregates.WINDOW), specials, special.AGGREGATES


class Clauses:
    """What surrounds an aggregate call: DISTINCT, ORDER BY inside, FILTER, OVER, IGNORE NULLS."""

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
        raise QueryError("FUNCTION_NOT_FOUND", f"{at(self.place(node, name))}Function '{name}' not registered")

    def place(self, node: exp.Expression, name: str) -> tuple[int, int] | None:
        """Line and column of the call in the source text."""
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
        found = bind(candidates, [a.type if a else None for a in compiled], lambda s: _lambdas_fit(s, lambdas))
        if found is None:
            raise self.mismatch(node, name, compiled, candidates)
        signature, letters = found
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
        for i, argument in enumerate(arguments):
            if isinstance(argument, exp.Order):
                from local_mock.athena.translate.queries import order_words

                keys = (f"{self.compile(k.this, scope).sql} {order_words(k)}" for k in argument.expressions)
                clauses.order = f" ORDER BY {', '.join(keys)}"
                arguments[i] = argument.this
                if isinstance(argument.this, exp.Distinct):
                    clauses.distinct = "DISTINCT "
                    arguments[i : i + 1] = argument.this.expressions
        if len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            arguments = []
        return clauses, arguments

    def _over(self, node: exp.Window, scope: Scope) -> str:
        named = node.args.get("alias")
        if named is not None:
            base = self.windows[-1].get(named.name.lower()) if self.windows else None
            if base is None:
                raise QueryError(
                    "INVALID_WINDOW_REFERENCE", f"{at(position(node))}WINDOW '{named.name}' is not defined"
                )
            return self._over(base, scope)
        parts = []
        if node.args.get("partition_by"):
            parts.append(
                "PARTITION BY " + ", ".join(self.compile(k, scope).sql for k in node.args["partition_by"])
            )
        if node.args.get("order"):
            from local_mock.athena.translate.queries import order_words

            keys = (f"{self.compile(k.this, scope).sql} {order_words(k)}" for k in node.args["order"].expressions)
            parts.append("ORDER BY " + ", ".join(keys))
        if node.args.get("spec"):
            parts.append(self._frame(node.args["spec"], scope))
        return f"({' '.join(parts)})"

    def _frame(self, spec: exp.WindowSpec, scope: Scope) -> str:
        def edge(key: str) -> str:
            value = spec.args.get(key)
            if value is None or isinstance(value, str):
                return f"{value or 'CURRENT ROW'} {spec.args.get(f'{key}_side') or ''}".strip()
            return f"{self.compile(value, scope).sql} {spec.args.get(f'{key}_side')}"

        if spec.args.get("exclude"):
            raise not_supported("EXCLUDE in a window frame", position(spec))
        return f"{spec.args['kind']} BETWEEN {edge('start')} AND {edge('end')}"


def _as_arguments(signature: Signature, letters: dict[str, Type], sqls: list[str], compiled: list[Typed | None]) -> list[Typed]:
    """The arguments of a Python function in the types that they have now."""
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
    """The result type; `decimal` and timestamps keep what the first argument of that type has."""
    result = substitute(signature.result, letters)
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
