"""Athena's SQL text → sqlglot tree, with every function left under the name that the user wrote.

Only the parser of sqlglot is used: the tree is compiled by `translate/`, which refuses what it does not
know, so nothing reaches DuckDB that was not understood here.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, cast

from sqlglot import exp, parse
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import TokenType

from local_mock.athena.errors import QueryError, not_supported
from local_mock.athena.grammar import JSON_CALLS, MAX_QUERY_BYTES, check_tokens, plain_numbers

__all__ = ["AthenaGrammar", "parse_query", "position", "strip"]


def _typed_literal(_parser: Any, this: exp.Expression, to: exp.DataType) -> exp.Cast:
    """Return `DATE '…'`: a CAST that remembers that it was written so."""
    node = exp.Cast(this=this, to=to)
    node.meta["literal"] = True
    return node


def _json_call(parser: Any, name: str) -> exp.Expression:
    from local_mock.athena.translate.functions.json_calls import parse

    return parse(parser, name)


class AthenaGrammar(Trino):  # sqlglot registers dialects by class name: not "Athena", which it has
    """Trino's grammar without sqlglot's renaming of functions and shifting of indices."""

    INDEX_OFFSET = 0

    class Parser(Trino.Parser):
        FUNCTIONS: dict[str, Any] = {}  # noqa: RUF012 - sqlglot's own convention
        NO_PAREN_FUNCTIONS = {  # noqa: RUF012
            token: kind
            for token, kind in Trino.Parser.NO_PAREN_FUNCTIONS.items()
            if kind.__name__ in ("CurrentDate", "CurrentTimestamp", "Localtimestamp", "Localtime", "CurrentTime")
        }
        # Parsed by name instead: these parsers change arguments or accept other dialects' forms.
        FUNCTION_PARSERS = {
            name: parser
            for name, parser in Trino.Parser.FUNCTION_PARSERS.items()
            if name in ("CAST", "TRY_CAST", "EXTRACT", "SUBSTRING", "TRIM", "POSITION", "LISTAGG")
        } | {name.upper(): partial(_json_call, name=name) for name in JSON_CALLS}

        def _parse_value(self, values: bool = True) -> Any:
            """Parse a row of VALUES and mark parentheses: `ROW(1, 2)` is two columns, `(ROW(1, 2))` is one."""
            bare = self._curr is not None and self._curr.token_type != TokenType.L_PAREN
            made = super()._parse_value(values)
            if made is not None and bare:
                made.meta["bare"] = True
            return made

        def _parse_derived_table_values(self) -> Any:
            """Parse `(VALUES …) AS t` with the TABLESAMPLE behind it, which sqlglot gives to the whole SELECT."""
            if self._opens_set_operation():
                return None
            values = super()._parse_derived_table_values()
            if values is None or (sample := self._parse_table_sample()) is None:
                return values
            alias = values.args.pop("alias", None)
            return self.expression(exp.Subquery(this=values, alias=alias, sample=sample))

        def _opens_set_operation(self) -> bool:
            """Return whether `(VALUES … EXCEPT …)` begins here, which sqlglot reads as VALUES without the rest."""
            opening = self._tokens[self._index : self._index + 2]
            if [token.token_type for token in opening] != [TokenType.L_PAREN, TokenType.VALUES]:
                return False
            depth = 0
            for token in self._tokens[self._index :]:
                depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
                if depth == 0:
                    return False
                if depth == 1 and token.token_type in self.SET_OPERATIONS:
                    return True
            return False

        def _parse_escape(self, this: Any) -> Any:
            """Parse ESCAPE, which takes any expression."""
            if not self._match(TokenType.ESCAPE):
                return this
            return self.expression(exp.Escape(this=this, expression=self._parse_bitwise()))

        TYPE_LITERAL_PARSERS = {  # noqa: RUF012
            exp.DType.JSON: Trino.Parser.TYPE_LITERAL_PARSERS[exp.DType.JSON],
            **dict.fromkeys(
                (
                    exp.DType.DATE, exp.DType.TIME, exp.DType.TIMETZ, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ,
                    exp.DType.DECIMAL, exp.DType.CHAR,
                ),
                _typed_literal,
            ),
        }  # fmt: skip


def strip(sql: str) -> str:
    """Return the statement without surrounding space, comments at its head and the final semicolon."""
    text = sql.strip()
    while match := re.match(r"(--[^\n]*(\n|$)|/\*.*?\*/)\s*", text, re.DOTALL):
        text = text[match.end() :]
    return text.rstrip().removesuffix(";").rstrip()


def parse_query(sql: str, *, is_view: bool = False) -> exp.Expression:
    """Parse one query. Raises QueryError (SYNTAX_ERROR) with line and column.

    The limit of a query's text does not hold for a view's, which may be the mock's own (`information_schema`).
    """
    if not is_view and len(sql.encode()) > MAX_QUERY_BYTES:
        raise QueryError(
            "QUERY_TEXT_TOO_LARGE",
            f"Query text length ({len(sql.encode())}) exceeds the maximum length ({MAX_QUERY_BYTES})",
        )
    sql = plain_numbers(sql)
    try:
        check_tokens(AthenaGrammar().tokenize(sql))
        trees = [tree for tree in parse(sql, read=AthenaGrammar) if tree is not None]
    except RecursionError as err:
        raise _too_deep() from err
    except ParseError as err:
        first = err.errors[0] if err.errors else {}
        where = f"line {first.get('line', 1)}:{first.get('col', 1)}: "
        token = first.get("highlight") or ""
        reason = str(first.get("description", err)).partition(" but got <Token")[0]
        raise QueryError("SYNTAX_ERROR", f"{where}mismatched input '{token}': {reason}") from err
    except TokenError as err:
        raise QueryError("SYNTAX_ERROR", f"line 1:1: {err}") from err
    if len(trees) != 1:
        raise QueryError("SYNTAX_ERROR", "line 1:1: Only one sql statement is allowed.")
    if not isinstance(trees[0], exp.Query | exp.Values):
        raise not_supported(f"{type(trees[0]).__name__.upper()} statement")
    from local_mock.athena.translate.consumed import check

    check(trees[0])
    return cast(exp.Expression, trees[0])


def _too_deep() -> QueryError:
    return QueryError("STACK_OVERFLOW", "statement is too large (stack overflow during analysis)")


def position(node: Any) -> tuple[int, int] | None:
    """Return (line, column), both from 1, of the first token below `node` that knows its place."""
    for part in node.walk() if isinstance(node, exp.Expression) else ():
        if "line" in part.meta:
            return int(part.meta["line"]), int(part.meta["col"]) - len(part.name) + 1
    return None
